// The execution's page: one connection of its own, because where a log goes on has to be exact to the byte.
//
// Events: `execution` (the header as it is now), `output` (lines; one that the page has is replaced, so an open line goes on), `end` (the last
// word; then the connection closes). An event's id is the cursor of what it brought: the browser sends it when it reconnects by itself, and we
// send it when we have to.
(() => {
  "use strict";

  const $ = (id) => document.getElementById(id);
  const { live, lines: view, search, toast } = window.belfry;
  const { said } = view;
  const log = $("log"), lines = $("lines"), pill = $("log-pill");

  let ended = $("execution").dataset.final !== undefined;
  let seen = view.source.total; // rows that there were when following stopped

  // Following

  function show() {
    const n = view.source.total - seen;
    pill.hidden = view.following || n <= 0;
    const words = n === 1 ? "1 new line" : `${n.toLocaleString("en")} new lines`;
    const text = pill.querySelector("span");
    if (text.textContent !== words) text.textContent = words;
    $("log-follow").setAttribute("aria-pressed", view.following);
    $("log-empty").hidden = lines.childElementCount > 0 || view.source !== view.all;
  }

  function pause() {
    if (!view.following) return;
    view.following = false;
    seen = view.source.total;
    show();
  }

  async function follow() {
    if (!(await view.showEnd())) return;
    view.following = !ended;
    seen = view.source.total;
    show();
    view.toEnd();
  }

  log.addEventListener("scroll", () => {
    const up = log.scrollTop < view.position - 1;
    view.position = log.scrollTop;
    if (view.following && up && !view.atEnd()) pause();
    else if (!view.following && !up && view.atEnd() && view.attached()) {
      if (ended) { seen = view.source.total; show(); } else follow();
    }
  }, { passive: true });
  document.addEventListener("selectionchange", () => {
    const selection = getSelection();
    if (view.following && !selection.isCollapsed && lines.contains(selection.anchorNode)) pause();
  });
  pill.addEventListener("click", () => { follow(); log.focus({ preventScroll: true }); });
  $("log-follow").addEventListener("click", () => (view.following ? pause() : follow()));
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, dialog[open]")) return;
    switch (event.key) {
      case "End": case "f": follow(); break;
      case "g": $("log-goto").focus(); break;
      case "n": search.next(); break;
      case "N": search.previous(); break;
      default: return;
    }
    event.preventDefault();
  });

  // Lines that come, at most ten times a second

  let queue = [];
  let flushed = 0;
  let timer = 0;

  function arrive(html) {
    queue.push(html);
    if (!timer) timer = setTimeout(flush, Math.max(0, flushed + 100 - performance.now()));
  }

  function flush() {
    timer = 0;
    flushed = performance.now();
    const html = queue.join("");
    queue = [];
    view.arrive(html);
    if (view.following) seen = view.source.total;
    show();
    if (!ended) $("log-size").textContent = view.all.total === 1 ? "1 line" : `${view.all.total.toLocaleString("en")} lines`;
    search.grown();
  }

  // Addresses of lines: #L120 and #L120-L140

  function fromHash() {
    const match = /^#L(\d{1,12})(?:-L(\d{1,12}))?$/.exec(location.hash);
    if (!match) return null;
    const a = +match[1], b = match[2] ? +match[2] : a;
    return [Math.min(a, b), Math.max(a, b)];
  }

  function pick(range) {
    view.pick(range);
    $("log-picked").hidden = !range;
    if (!range) return;
    $("log-picked-words").textContent = range[0] === range[1] ? `Line ${range[0].toLocaleString("en")}` : `Lines ${range[0].toLocaleString("en")} to ${range[1].toLocaleString("en")}`;
  }

  /** Shows a line, in all of the output if it is not among what is shown. */
  async function showLine(n) {
    pause();
    if (view.source !== view.all && !view.find(n)) search.showAll();
    return view.source === view.all ? view.show(n) : view.show(view.source.first(view.find(n)));
  }

  async function jump() {
    const range = fromHash();
    pick(range);
    if (!range || (range[0] > view.all.total && !view.find(range[0]))) return false;
    const row = await showLine(range[0]);
    pick(range);
    return row !== null;
  }
  addEventListener("hashchange", jump);

  lines.addEventListener("click", (event) => {
    const number = event.target.closest("a.no");
    if (!number || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const n = view.numberOf(number.parentElement);
    const range = event.shiftKey && view.picked ? [Math.min(view.picked[0], n), Math.max(view.picked[1], n)] : [n, n];
    history.replaceState(history.state, "", range[0] === range[1] ? `#L${n}` : `#L${range[0]}-L${range[1]}`);
    getSelection().removeAllRanges();
    pause();
    pick(range);
  });

  $("log-goto").addEventListener("keydown", async (event) => {
    if (event.key === "Escape") log.focus({ preventScroll: true });
    if (event.key !== "Enter") return;
    event.preventDefault();
    const n = Math.max(1, Math.min(Math.floor(+event.target.value) || 1, view.all.total));
    event.target.value = n;
    history.replaceState(history.state, "", `#L${n}`);
    await jump();
  });

  async function copy(text, what) {
    try {
      await navigator.clipboard.writeText(text);
      toast("good", `${what} copied`);
    } catch {
      toast("info", "The browser does not let pages copy here. Use the address bar.");
    }
  }

  $("log-share").addEventListener("click", () => copy(location.href, "Link"));
  $("log-copy").addEventListener("click", async () => {
    const [from, to] = view.picked;
    const count = Math.min(to - from + 1, 2000);
    const answer = await fetch(`${log.dataset.lines}?from=${from}&count=${count}`, { headers: { "HX-Request": "true" }, credentials: "same-origin" });
    if (!answer.ok) return toast("error", "Lines could not be loaded. Try again.");
    const box = document.createElement("template");
    box.innerHTML = await answer.text();
    copy([...box.content.querySelectorAll(".tt")].map((el) => el.textContent).join("\n") + "\n", count === 1 ? "Line" : `${count.toLocaleString("en")} lines`);
  });
  $("log-unpick").addEventListener("click", () => {
    history.replaceState(history.state, "", location.pathname + location.search);
    pick(null);
    log.focus({ preventScroll: true });
  });

  // The connection

  let source = null;
  let cursor = null;
  let wait = 1000;

  function connect() {
    const address = new URL(log.dataset.events, location.href);
    if (cursor) address.searchParams.set("cursor", cursor);
    source = new EventSource(address);
    source.onopen = () => { wait = 1000; live("connected"); };
    source.onerror = () => {
      live("stale");
      if (source.readyState !== EventSource.CLOSED) return; // the browser reconnects by itself
      setTimeout(connect, wait * (0.8 + Math.random() * 0.4));
      wait = Math.min(wait * 2, 30000);
    };
    source.addEventListener("output", (event) => {
      if (event.lastEventId) cursor = event.lastEventId;
      arrive(event.data);
    });
    source.addEventListener("execution", (event) => header(event.data));
    source.addEventListener("end", (event) => end(event.data));
  }

  function header(html) {
    const active = document.activeElement;
    const had = $("execution-actions").contains(active);
    Idiomorph.morph($("execution"), html, { morphStyle: "outerHTML" });
    if (had && !active.isConnected) $("execution-actions").querySelector("button")?.focus({ preventScroll: true });
    const now = $("execution").dataset;
    name(now.title, now.icon);
    if (now.size) $("log-size").textContent = now.size;
    if (now.silence) $("log-empty").textContent = now.silence;
  }

  function name(title, icon) {
    if (title && document.title !== title) document.title = title;
    if (icon && $("favicon").getAttribute("href") !== icon) $("favicon").setAttribute("href", icon);
  }

  function end(html) {
    source.close();
    const followed = view.following;
    ended = true;
    if (queue.length) {
      clearTimeout(timer);
      flush();
    }
    view.following = false;
    seen = followed ? view.source.total : seen;
    view.hold(() => {
      const box = document.createElement("template");
      box.innerHTML = html;
      $("log-end").replaceChildren(...box.content.children);
    });
    const note = $("end");
    name(note?.dataset.title, note?.dataset.icon);
    said(note?.querySelector(".end-words")?.textContent ?? "Ended");
    if (followed) view.toEnd();
    show();
    live("ended");
  }

  (async () => {
    search.begin({ pause, show, showLine, isEnded: () => ended });
    const jumped = await jump();
    if (!jumped && !(await search.resume())) {
      if (view.source === view.all) {
        view.following = !ended;
        await view.showEnd();
        view.toEnd();
      }
    }
    seen = view.source.total;
    show();
    if (!ended) connect();
  })();
})();
