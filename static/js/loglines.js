// The lines of an output that are in the DOM: a window of at most `most` rows without a gap among them, over an output of any length.
//
// What is not there has its place: #log-above and #log-below are as high as the rows that they stand for, or less where an output is so long
// that no browser could scroll over it. Who scrolls near an edge of the window gets more rows there; who scrolls beyond it gets another window.
// Whatever changes, the row at the top of the view stays where it is, unless the reader follows the end.
//
// Rows come from a source: all lines (a row's index is its number), or those that match a search (its index is its rank among them). One row
// may stand for lines that the output limit cut out: from its number (data-n) to data-to.
(() => {
  "use strict";

  const most = 2000;
  const step = 500;
  const tallest = 8e6; // pixels: what every browser can lay out
  const $ = (id) => document.getElementById(id);
  const { store } = window.belfry;
  const log = $("log"), lines = $("lines"), above = $("log-above"), below = $("log-below");

  // Sources

  const numberOf = (el) => (el ? +el.dataset.n : 0);
  const lastNumberOf = (el) => (el ? +(el.dataset.to || el.dataset.n) : 0);
  const all = {
    total: +log.dataset.total,
    first: numberOf,
    last: lastNumberOf,
    fetch: (from, count) => get(`${log.dataset.lines}?from=${from}&count=${count}`),
  };

  /** The lines that match: what `query` (a search's parameters) finds, `total` of them. */
  const matching = (query, total) => ({
    total,
    first: (el) => (el ? +el.dataset.i : 0),
    last: (el) => (el ? +el.dataset.i : 0),
    async fetch(from, count) {
      const got = await get(`${log.dataset.search}?${query}&skip=${from - 1}&count=${count}`);
      got.forEach((el, i) => { el.dataset.i = from + i; });
      return got;
    },
  });

  async function get(address) {
    const answer = await fetch(address, { headers: { "HX-Request": "true" }, credentials: "same-origin" });
    if (!answer.ok) throw new Error(answer.status);
    return parse(await answer.text()).filter((el) => el.classList.contains("ln"));
  }

  function parse(html) {
    const box = document.createElement("template");
    box.innerHTML = html;
    return [...box.content.children];
  }

  let source = all;
  let changed = () => {}; // told whenever other rows are shown, or there are more
  const first = () => source.first(lines.firstElementChild);
  const last = () => source.last(lines.lastElementChild);
  const attached = () => lines.childElementCount === 0 ? source.total === 0 : last() >= source.total;
  const holds = (el, range) => range !== null && lastNumberOf(el) >= range[0] && numberOf(el) <= range[1];
  const find = (n) => $("L" + n) || [$("cut")].find((el) => el && holds(el, [n, n]));

  // Timestamps, wrapping, and lines that are picked

  let time = store.get("log.time") || "off";
  let picked = null; // [from, to]
  const two = (n) => String(n).padStart(2, "0");
  const three = (n) => String(n).padStart(3, "0");

  function stamp(t) {
    switch (time) {
      case "elapsed": {
        const ms = Math.max(t - $("execution").dataset.start, 0), s = Math.floor(ms / 1000);
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

  /** Sets exact colours: the class of each has the closest one of 256. */
  function paint(el) {
    for (const text of el.querySelectorAll("[data-f], [data-g]")) {
      if (text.dataset.f) text.style.color = text.dataset.f;
      if (text.dataset.g) text.style.backgroundColor = text.dataset.g;
    }
  }

  function dress(el) {
    paint(el);
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

  function pick(range) {
    picked = range;
    for (const el of lines.children) el.classList.toggle("picked", holds(el, picked));
  }

  // The view

  let following = false;
  let position = log.scrollTop; // where we, or the reader, left it
  let unit = 19.5; // pixels that a row stands for that is not there

  function resize() {
    const rows = lines.childElementCount;
    const height = rows ? lines.offsetHeight / rows : 19.5;
    unit = Math.min(height, tallest / Math.max(source.total, 1));
    const set = (el, n) => {
      const px = `${Math.round(Math.max(n, 0) * unit)}px`;
      if (el.style.height !== px) el.style.height = px;
    };
    log.style.setProperty("--digits", String(all.total).length);
    set(above, rows ? first() - 1 : 0);
    set(below, rows ? source.total - last() : 0);
  }

  /** The first row that ends below a height of the page. */
  function rowAt(y) {
    const rows = lines.children;
    let low = 0, high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].getBoundingClientRect().bottom > y) high = middle;
      else low = middle + 1;
    }
    return rows[low] ?? null;
  }

  const topRow = () => rowAt(log.getBoundingClientRect().top + 1);

  /** Changes the DOM and leaves the row at the top of the view where it is; who follows sees the end. */
  function hold(change) {
    const row = following ? null : topRow();
    const before = row?.getBoundingClientRect().top;
    change();
    resize();
    if (following) toEnd();
    else if (row?.isConnected) log.scrollTop += row.getBoundingClientRect().top - before;
    position = log.scrollTop;
    changed();
  }

  function toEnd() {
    log.scrollTop = log.scrollHeight;
    position = log.scrollTop;
  }

  const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 24;

  // Rows that are fetched: one request at a time, and what is wanted last is what is fetched next.

  let loading = null;

  async function load(from, count, place) {
    while (loading) await loading;
    const asked = source;
    loading = (async () => {
      log.setAttribute("aria-busy", "true");
      try {
        const got = await asked.fetch(from, count);
        if (asked !== source || !got.length) return false;
        got.forEach(dress);
        place(got);
        return true;
      } catch {
        said("Lines could not be loaded. Try again.");
        return false;
      }
    })();
    const done = await loading;
    loading = null;
    log.removeAttribute("aria-busy");
    return done;
  }

  const more = {
    before: (got) => hold(() => {
      lines.prepend(...got.filter((el) => source.last(el) < first()));
      while (lines.childElementCount > most) lines.lastElementChild.remove();
    }),
    after: (got) => hold(() => {
      lines.append(...got.filter((el) => source.first(el) > last()));
      while (lines.childElementCount > most) lines.firstElementChild.remove();
    }),
  };

  /** Shows the row of an index, `at` pixels below the top of the view. */
  async function show(index, at = log.clientHeight / 3) {
    index = Math.max(1, Math.min(index, source.total));
    const here = () => [...lines.children].find((el) => source.first(el) <= index && source.last(el) >= index);
    let row = here();
    const place = () => {
      row = here() ?? topRow();
      if (row) log.scrollTop += row.getBoundingClientRect().top - log.getBoundingClientRect().top - at;
      position = log.scrollTop;
    };
    if (row) {
      place();
      return row;
    }
    const from = Math.max(1, index - step / 2);
    const done = await load(from, step * 2, (got) => {
      lines.replaceChildren(...got);
      resize();
      place();
      changed();
    });
    return done ? row : null;
  }

  /** Shows the last rows. */
  async function showEnd() {
    if (attached()) return true;
    return load(Math.max(1, source.total - step * 2 + 1), step * 2, (got) => {
      lines.replaceChildren(...got);
      source.total = Math.max(source.total, last());
      resize();
      changed();
    });
  }

  // Scrolling

  let due = 0;
  log.addEventListener("scroll", () => { due ||= requestAnimationFrame(settle); }, { passive: true });

  async function settle() {
    due = 0;
    if (loading || !lines.childElementCount) return;
    const top = log.scrollTop, bottom = top + log.clientHeight;
    const begin = lines.offsetTop, end = begin + lines.offsetHeight;
    if (bottom <= begin || top >= end) { // nothing of the window is in view
      const index = top < begin ? Math.floor((top - above.offsetTop) / unit) + 1 : last() + 1 + Math.floor((top - end) / unit);
      if (top >= end && attached()) return;
      if (top >= end && atEnd()) { // the very end, however high its rows are
        await showEnd();
        toEnd();
      } else {
        await show(index, 0);
      }
    } else if (top < begin + 1000 && first() > 1 && !following) {
      const from = Math.max(1, first() - step);
      // What was cut out takes one row: with it alone, nothing more would come into view.
      if (await load(from, first() - from, more.before) && lines.firstElementChild.id === "cut" && first() > 1) {
        await load(Math.max(1, first() - step), Math.min(step, first() - 1), more.before);
      }
    } else if (bottom > end - 1000 && !attached()) {
      await load(last() + 1, step, more.after);
    } else {
      return;
    }
    due ||= requestAnimationFrame(settle); // the reader may be elsewhere by now
  }

  // Lines that come

  /** Puts a line that was written into its place; one that is there already goes on. */
  function put(el) {
    const n = numberOf(el);
    all.total = Math.max(all.total, lastNumberOf(el));
    if (source !== all) return;
    if (el.dataset.to && last() >= n) {
      // Lines that the page has were cut out. Who reads them keeps them.
      if (!following) return;
      for (const old of [...lines.children]) if (holds(old, [n, lastNumberOf(el)])) old.remove();
      if (last() >= n) return;
    }
    const old = $(el.id);
    if (old) {
      paint(el); // as the other is
      if (old.innerHTML === el.innerHTML && old.dataset.open === el.dataset.open) return;
      dress(el);
      old.replaceWith(el);
      return;
    }
    const end = last();
    if (end && n < end) return; // left at the top long ago
    if (end && n !== end + 1) {
      if (!following) return;
      lines.replaceChildren(); // never a gap within
    } else if (!following && lines.childElementCount >= most) {
      return;
    }
    dress(el);
    lines.append(el);
  }

  /** Takes lines that were written, as HTML. */
  function arrive(html) {
    let fresh = parse(html);
    hold(() => {
      if (following && source === all && fresh.length > step) { // nobody reads so fast: what is in view is enough
        all.total = Math.max(all.total, lastNumberOf(fresh.at(-1)));
        fresh = fresh.slice(-step);
        lines.replaceChildren();
      }
      for (const el of fresh) put(el);
      if (following) while (lines.childElementCount > most) lines.firstElementChild.remove();
    });
  }

  /** Shows rows of another source, none at first. */
  function setSource(other) {
    source = other;
    lines.replaceChildren();
    resize();
  }

  function said(text) { $("log-said").textContent = text; }

  if (log.dataset.found) { // the server has shown what matches
    const query = new URLSearchParams(location.search);
    for (const name of ["only", "skip"]) query.delete(name);
    source = matching(query, +log.dataset.found);
    [...lines.children].forEach((el, i) => { el.dataset.i = +log.dataset.skip + i + 1; });
  }
  all.total = Math.max(all.total, source === all ? last() : 0);
  if (store.get("log.wrap")) wrap(true);
  for (const el of lines.children) dress(el);
  resize();

  window.belfry.lines = {
    all, matching, setSource, arrive, show, showEnd, find, pick, hold, toEnd, atEnd, attached, settle, topRow, numberOf, lastNumberOf, said,
    get source() { return source; },
    get picked() { return picked; },
    get position() { return position; },
    set position(y) { position = y; },
    get following() { return following; },
    set following(on) { following = on; },
    set onchange(fn) { changed = fn; },
  };
})();
