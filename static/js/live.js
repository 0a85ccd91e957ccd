// The execution's page: one connection of its own, because where a log goes on has to be exact to the byte.
//
// Events: `execution` (the header as it is now), `output` (lines; one that the page has is replaced, so an open line goes on), `end` (the last
// word; then the connection closes). An event's id is the cursor of what it brought: the browser sends it when it reconnects by itself, and we
// send it when we have to.
//
// The DOM holds at most `most` lines without a gap among them. While the reader follows, lines leave at the top; while not, nothing on the
// screen moves: lines are added below as long as there is room, then only counted. `attached` says that the newest line is in the DOM.
//
// One line may stand for those that the output limit cut out: from its number (data-n) to data-to.
(() => {
  "use strict";

  const most = 2000;
  const step = 500;
  const $ = (id) => document.getElementById(id);
  const { store, live } = window.belfry;
  const log = $("log"), lines = $("lines"), pill = $("log-pill"), earlier = $("log-earlier"), later = $("log-later");

  const numberOf = (el) => (el ? +el.dataset.n : 0);
  const first = () => numberOf(lines.firstElementChild);
  const lastOf = (el) => (el ? +(el.dataset.to || el.dataset.n) : 0);
  const last = () => lastOf(lines.lastElementChild);
  const holds = (el, range) => range !== null && lastOf(el) >= range[0] && numberOf(el) <= range[1];
  const find = (n) => $("L" + n) || [$("cut")].find((el) => el && holds(el, [n, n]));
  const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 24;

  let newest = last();
  let attached = true;
  let seen = newest; // the newest line when following stopped
  let ended = $("execution").dataset.final !== undefined;
  let following = false;
  let loading = null; // a promise while lines are being fetched

  // Timestamps and wrapping

  let time = store.get("log.time") || "off";
  const start = () => +$("execution").dataset.start;
  const two = (n) => String(n).padStart(2, "0");
  const three = (n) => String(n).padStart(3, "0");

  function stamp(t) {
    switch (time) {
      case "elapsed": {
        const ms = Math.max(t - start(), 0), s = Math.floor(ms / 1000);
        return `+${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}.${three(ms % 1000)}`;
      }
      case "local": {
        const d = new Date(t);
        return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}.${three(d.getMilliseconds())}`;
      }
      case "utc":
        return new Date(t).toISOString().slice(11);
      default:
        return "";
    }
  }

  function dress(el) {
    if (time === "off" || !el.dataset.t) el.removeAttribute("data-ts");
    else el.dataset.ts = stamp(+el.dataset.t);
    el.classList.toggle("picked", holds(el, picked));
  }

  $("log-time").value = time;
  $("log-time").addEventListener("change", (event) => {
    time = event.target.value;
    store.set("log.time", time);
    hold(() => { for (const el of lines.children) dress(el); });
  });

  function wrap(on) {
    hold(() => log.toggleAttribute("data-wrap", on));
    $("log-wrap").setAttribute("aria-pressed", on);
  }
  $("log-wrap").addEventListener("click", () => {
    const on = !log.hasAttribute("data-wrap");
    store.set("log.wrap", on ? "1" : "");
    wrap(on);
  });

  // hold changes the DOM and leaves the line at the top of the view where it is.
  function hold(change) {
    if (following) {
      change();
      toEnd();
      return;
    }
    const top = log.getBoundingClientRect().top;
    let mark = null;
    for (const el of lines.children) {
      if (el.getBoundingClientRect().bottom > top) { mark = el; break; }
    }
    const before = mark?.getBoundingClientRect().top;
    change();
    if (mark?.isConnected) log.scrollTop += mark.getBoundingClientRect().top - before;
    position = log.scrollTop;
  }

  // Following

  let position = log.scrollTop;
  function toEnd() {
    log.scrollTop = log.scrollHeight;
    position = log.scrollTop;
  }

  function show() {
    const n = newest - seen;
    pill.hidden = following || n <= 0;
    pill.querySelector("span").textContent = n === 1 ? "1 new line" : `${n.toLocaleString("en")} new lines`;
    earlier.hidden = first() <= 1;
    later.hidden = attached;
    $("log-follow").setAttribute("aria-pressed", following);
    $("log-empty").hidden = lines.childElementCount > 0;
  }

  function pause() {
    if (!following) return;
    following = false;
    seen = newest;
    show();
  }

  async function follow() {
    if (!attached && !(await load(Math.max(1, newest - most + 1), most, "replace"))) return;
    following = !ended;
    seen = newest;
    show();
    toEnd();
  }

  log.addEventListener("scroll", () => {
    const up = log.scrollTop < position - 1;
    position = log.scrollTop;
    if (following && up && !atEnd()) pause();
    else if (!following && !up && atEnd() && attached) {
      if (ended) { seen = newest; show(); } else follow();
    }
  }, { passive: true });
  document.addEventListener("selectionchange", () => {
    const selection = getSelection();
    if (following && !selection.isCollapsed && lines.contains(selection.anchorNode)) pause();
  });
  pill.addEventListener("click", () => { follow(); log.focus({ preventScroll: true }); });
  $("log-follow").addEventListener("click", () => (following ? pause() : follow()));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog[open]")) return;
    if (event.key !== "End" && event.key !== "f") return;
    event.preventDefault();
    follow();
  });

  // Lines that come

  let queue = [];
  let flushed = 0;
  let timer = 0;

  function arrive(html) {
    queue.push(html);
    if (timer) return;
    timer = setTimeout(flush, Math.max(0, flushed + 100 - performance.now()));
  }

  function parse(html) {
    const box = document.createElement("template");
    box.innerHTML = html;
    return [...box.content.children];
  }

  function flush() {
    timer = 0;
    if (loading) { // what is being fetched has to be in its place first
      timer = setTimeout(flush, 50);
      return;
    }
    flushed = performance.now();
    let fresh = parse(queue.join(""));
    queue = [];
    if (following && fresh.length > most) {
      newest = Math.max(newest, lastOf(fresh.at(-1)));
      fresh = fresh.slice(-most);
      lines.replaceChildren();
      attached = true;
    }
    for (const el of fresh) put(el);
    if (following) {
      while (lines.childElementCount > most) lines.firstElementChild.remove();
      seen = newest;
    }
    show();
    if (following) toEnd(); // last: what show() puts above the lines moves them
  }

  function put(el) {
    const n = +el.dataset.n;
    newest = Math.max(newest, lastOf(el));
    if (el.dataset.to && last() >= n) {
      // Lines that the page has, or was about to get, were cut out. Who reads them keeps them, and what follows is fetched when it is wanted.
      if (!following) {
        attached = attached && last() >= newest;
        return;
      }
      for (const old of [...lines.children]) if (holds(old, [n, lastOf(el)])) old.remove();
      if (last() >= n) return;
    }
    const old = $(el.id);
    if (old) {
      if (old.innerHTML === el.innerHTML && old.dataset.open === el.dataset.open) return;
      dress(el);
      old.replaceWith(el);
      return;
    }
    const end = last();
    if (end && n < end) return; // left at the top long ago
    if (!attached || (end && n !== end + 1 && !following) || (!following && lines.childElementCount >= most)) {
      attached = false;
      return;
    }
    if (end && n !== end + 1) lines.replaceChildren(); // never a gap within
    dress(el);
    lines.append(el);
  }

  // Lines that are fetched

  // One at a time. Somebody who wants to be elsewhere waits for what is under way; more of the same does not.
  async function load(from, count, where) {
    if (count <= 0 || (loading && where !== "replace")) return false;
    while (loading) await loading;
    loading = fetchLines(from, count, where);
    return loading;
  }

  async function fetchLines(from, count, where) {
    log.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(`${log.dataset.lines}?from=${from}&count=${count}`, { headers: { "HX-Request": "true" }, credentials: "same-origin" });
      if (!answer.ok) throw new Error(answer.status);
      const got = parse(await answer.text()).filter((el) => el.classList.contains("ln"));
      if (!got.length) return false;
      got.forEach(dress);
      hold(() => {
        if (where === "replace") lines.replaceChildren(...got);
        else if (where === "before") lines.prepend(...got.filter((el) => +el.dataset.n < first()));
        else lines.append(...got.filter((el) => lastOf(el) > last()));
        while (lines.childElementCount > most) (where === "before" ? lines.lastElementChild : lines.firstElementChild).remove();
      });
      newest = Math.max(newest, last());
      attached = last() >= newest;
      return true;
    } catch {
      said("Lines could not be loaded. Try again.");
      return false;
    } finally {
      loading = null;
      log.removeAttribute("aria-busy");
      show();
    }
  }

  // What was cut out takes one line: with it alone, the button would stay in view and load nothing more.
  const loadEarlier = async () => {
    pause();
    const before = () => load(Math.max(1, first() - step), Math.min(step, first() - 1), "before");
    return (await before()) && (lines.firstElementChild.id !== "cut" || before());
  };
  const loadLater = () => load(last() + 1, step, "after");
  earlier.addEventListener("click", loadEarlier);
  later.addEventListener("click", loadLater);
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting || loading || following || lines.childElementCount === 0) continue;
      if (entry.target === earlier) loadEarlier();
      else loadLater();
    }
  }, { root: log, rootMargin: "200px" });

  // Anchors: #L120 and #L120-L140

  let picked = null;
  function fromHash() {
    const match = /^#L(\d{1,12})(?:-L(\d{1,12}))?$/.exec(location.hash);
    if (!match) return null;
    const a = +match[1], b = match[2] ? +match[2] : a;
    return [Math.min(a, b), Math.max(a, b)];
  }

  function mark() {
    for (const el of lines.children) el.classList.toggle("picked", holds(el, picked));
  }

  async function jump() {
    picked = fromHash();
    mark();
    if (!picked) return false;
    pause();
    if (!find(picked[0])) {
      if (!(await load(Math.max(1, picked[0] - 200), step * 2, "replace"))) return false;
    }
    const el = find(picked[0]);
    if (!el) return false;
    mark();
    log.scrollTop += el.getBoundingClientRect().top - log.getBoundingClientRect().top - log.clientHeight / 3;
    position = log.scrollTop;
    return true;
  }
  addEventListener("hashchange", jump);

  lines.addEventListener("click", (event) => {
    const number = event.target.closest("a.no");
    if (!number || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const n = +number.parentElement.dataset.n;
    picked = event.shiftKey && picked ? [Math.min(picked[0], n), Math.max(picked[0], n)] : [n, n];
    history.replaceState(null, "", picked[0] === picked[1] ? `#L${n}` : `#L${picked[0]}-L${picked[1]}`);
    getSelection().removeAllRanges();
    pause();
    mark();
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
    if (queue.length) {
      clearTimeout(timer);
      flush();
    }
    const followed = following;
    ended = true;
    following = false;
    seen = newest;
    $("log-end").replaceChildren(...parse(html));
    const note = $("end");
    name(note?.dataset.title, note?.dataset.icon);
    said(note?.querySelector(".end-words")?.textContent ?? "Ended");
    if (followed) toEnd();
    show();
    live("ended");
  }

  function said(text) { $("log-said").textContent = text; }

  if (store.get("log.wrap")) wrap(true);
  if (time !== "off") for (const el of lines.children) dress(el);
  (async () => {
    if (!(await jump())) {
      following = !ended;
      toEnd();
    }
    show();
    watch.observe(earlier);
    watch.observe(later);
    if (!ended) connect();
  })();
})();
