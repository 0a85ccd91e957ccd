// Searching an execution's output. The server searches (RE2), also what is not on the page; here is what one types, where one is among the
// matches, and what is marked in the lines that are shown.
(() => {
  "use strict";

  const $ = (id) => document.getElementById(id);
  const { lines: view } = window.belfry;
  const log = $("log"), lines = $("lines"), field = $("log-q"), only = $("log-only"), matchCase = $("log-case");

  let host = null; // live.js: pause, show, showLine, isEnded
  let at = 0; // the line of the match that one is at; 0: at none
  let total = 0, rank = 0; // lines that match, and which of them one is at
  let turn = 0; // answers to what was asked before something else was typed are not looked at

  const query = () => {
    const q = new URLSearchParams({ q: field.value });
    if (matchCase.checked) q.set("case", "true");
    return q;
  };

  async function ask(more) {
    const q = query();
    for (const [name, value] of Object.entries(more)) q.set(name, value);
    const answer = await fetch(`${log.dataset.search}?${q}`, { headers: { Accept: "application/json" }, credentials: "same-origin" });
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(body.errors?.find((e) => e.field === "q")?.message ?? body.detail ?? "");
    return body;
  }

  function say(words, bad = false) {
    const el = $("log-found-or-error");
    if (el.textContent !== words) el.textContent = words;
    el.classList.toggle("bad", bad);
    if (bad) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }

  function problem(error) {
    say(error.message ? `The pattern ${error.message}` : "The search did not work. Try again.", true);
  }

  const number = (n) => n.toLocaleString("en");
  function sayCount(note = "") {
    if (!field.value) return say("");
    const words = total === 0 ? "No line matches" : `${rank ? `${number(rank)} of ` : ""}${total === 1 ? "1 line" : `${number(total)} lines`}`;
    say(note ? `${words}, ${note}` : words);
  }

  // The address says what is looked for, so that it can be shared and is there again after a reload.
  function remember() {
    const q = field.value ? query() : new URLSearchParams();
    if (field.value && only.checked) q.set("only", "true");
    const text = q.toString();
    history.replaceState(history.state, "", location.pathname + (text && `?${text}`) + location.hash);
  }

  async function count(mine, note) {
    const found = await ask({ count: 0, from: at || 1 });
    if (mine !== turn) return;
    total = found.total;
    rank = at ? found.before + 1 : 0;
    if (view.source !== view.all) view.hold(() => { view.source.total = total; });
    sayCount(note);
    host.show();
  }

  /** Looks for what is typed: the nearest match from what is in view on. */
  async function run() {
    const mine = ++turn;
    remember();
    at = total = rank = 0;
    if (!field.value) {
      if (view.source !== view.all) showAll();
      say("");
      mark();
      return;
    }
    say("Searching…");
    try {
      if (only.checked) return await showOnly(mine);
      if (view.source !== view.all) showAll();
      const top = view.numberOf(view.topRow());
      const back = view.following || !top;
      const near = await ask({ count: 1, total: false, ...(back ? { back: true } : { from: top }) });
      let [hit] = near.items;
      if (!hit && !back) [hit] = (await ask({ count: 1, total: false })).items;
      if (mine !== turn) return;
      if (hit) await go(hit.n);
      mark();
      await count(mine);
    } catch (error) {
      if (mine === turn) problem(error);
    }
  }

  async function go(n) {
    at = n;
    host.pause();
    if (view.source === view.all) await host.showLine(n);
    else await view.show(rank);
    mark();
  }

  // Steps wait for one another, so that each key that is pressed counts.
  let steps = Promise.resolve();
  function step(back) {
    if (!field.value) return field.focus();
    steps = steps.then(() => stepNow(back));
  }

  async function stepNow(back) {
    const mine = turn;
    try {
      const here = at || view.numberOf(view.topRow()) || 1;
      const from = back ? here - 1 : at ? here + 1 : here;
      let note = "";
      let items = back && from < 1 ? [] : (await ask({ count: 1, total: false, from: Math.max(from, 1), ...(back && { back: true }) })).items;
      if (!items.length) {
        items = (await ask({ count: 1, total: false, ...(back && { back: true }) })).items;
        note = back ? "on from the end" : "on from the beginning";
      }
      if (mine !== turn || !items.length) return items.length || sayCount();
      at = items[0].n;
      if (view.source !== view.all) {
        await count(mine, note); // a row's place among the matches is its rank
        if (mine === turn) await go(at);
        return;
      }
      await go(at);
      await count(mine, note);
    } catch (error) {
      if (mine === turn) problem(error);
    }
  }

  // Only what matches

  async function showOnly(mine) {
    const near = view.numberOf(view.topRow()) || 1;
    const follows = view.following;
    const found = await ask({ count: 0, from: near });
    if (mine !== turn) return;
    total = found.total;
    view.following = false;
    view.setSource(view.matching(query(), total));
    sayCount();
    if (total > 0) await view.show(Math.min(found.before + 1, total), 0);
    if (follows && !host.isEnded()) {
      view.following = true;
      await view.showEnd();
      view.toEnd();
    }
    host.show();
  }

  function showAll() {
    only.checked = false;
    remember();
    view.setSource(view.all);
  }

  only.addEventListener("change", async () => {
    if (only.checked) return run();
    const near = at || view.numberOf(view.topRow());
    showAll();
    const mine = ++turn;
    if (near) await view.show(near);
    else await view.showEnd();
    mark();
    if (field.value) count(mine).catch(problem);
  });
  matchCase.addEventListener("change", run);

  // Lines that come may match, too.

  let later = 0;
  function grown() {
    if (!field.value || later) return;
    later = setTimeout(async () => {
      later = 0;
      const mine = turn;
      try {
        await count(mine);
        if (mine !== turn) return;
        if (view.source !== view.all && view.following) {
          await view.showEnd();
          view.toEnd();
        }
        host.show();
      } catch { /* the next lines, or the next key, try again */ }
    }, 500);
  }

  // What is marked: the matches in the lines that are shown, told by the server, because its expressions are not JavaScript's.

  const highlights = typeof Highlight === "function" && CSS.highlights;
  let marking = 0;
  function mark() {
    if (!highlights || marking) return;
    marking = setTimeout(async () => {
      marking = 0;
      const first = view.numberOf(lines.firstElementChild), last = view.lastNumberOf(lines.lastElementChild);
      if (!field.value || !first) return highlights.clear();
      const mine = turn;
      let found;
      try {
        found = await ask({ from: first, to: last, count: 2000, total: false });
      } catch {
        return highlights.clear();
      }
      if (mine !== turn) return mark();
      const some = new Highlight(), here = new Highlight();
      for (const { n, ranges } of found.items) {
        const text = $(`L${n}`)?.querySelector(".tt");
        if (text) for (const range of rangesIn(text, ranges)) (n === at ? here : some).add(range);
      }
      highlights.set("found", some);
      highlights.set("found-here", here);
    }, 60);
  }

  /** The ranges of an element's text, as DOM ranges: the text may be spread over many nodes. */
  function rangesIn(el, ranges) {
    const made = [];
    const walk = document.createTreeWalker(el, NodeFilter.SHOW_TEXT);
    let node = walk.nextNode(), begin = 0;
    for (const [from, to] of ranges) {
      while (node && begin + node.length <= from) {
        begin += node.length;
        node = walk.nextNode();
      }
      if (!node) break;
      const range = new Range();
      range.setStart(node, from - begin);
      while (node && begin + node.length < to) {
        begin += node.length;
        node = walk.nextNode();
      }
      if (!node) break;
      range.setEnd(node, to - begin);
      made.push(range);
    }
    return made;
  }

  // What one types

  let typing = 0;
  field.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(run, 200);
  });
  $("log-search").addEventListener("submit", (event) => event.preventDefault());
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault(); // browsers empty the field at Escape
    if (event.key === "Escape") return log.focus({ preventScroll: true });
    clearTimeout(typing);
    if (turn && at) step(event.shiftKey);
    else run();
  });
  $("log-next").addEventListener("click", () => step(false));
  $("log-prev").addEventListener("click", () => step(true));
  view.onchange = () => { if (field.value) mark(); };

  window.belfry.search = {
    begin(h) { host = h; },
    next: () => step(false),
    previous: () => step(true),
    showAll,
    grown,
    /** Takes up what the address looks for; says whether that is where to look. */
    async resume() {
      if (!field.value) return false;
      const mine = ++turn;
      if (view.source !== view.all) {
        view.hold(() => {});
        count(mine).catch(problem);
        mark();
        return false;
      }
      await run();
      return at > 0;
    },
  };
})();
