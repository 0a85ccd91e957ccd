// What every page does beyond HTML and htmx. Everything here adds to pages that work without it, and attaches by data attributes: the content
// security policy allows no inline script, and so do we.
(() => {
  "use strict";

  const $ = (id) => document.getElementById(id);
  const store = {
    get(key) {
      try { return localStorage.getItem("belfry." + key); } catch { return null; }
    },
    set(key, value) {
      try { localStorage.setItem("belfry." + key, value); } catch { /* forbidden: the choice lasts as long as the page */ }
    },
  };

  // The words of views/format.go, for what ticks.

  function duration(ms) {
    ms = Math.max(ms, 0);
    const s = Math.floor(ms / 1000);
    if (ms < 1000) return `${Math.floor(ms)} ms`;
    if (s < 10 && ms % 1000 >= 100) return `${s}.${Math.floor((ms % 1000) / 100)} s`;
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} m ${s % 60} s`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} m`;
    return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
  }

  function ago(t, now) {
    const s = Math.floor(Math.abs(now - t) / 1000);
    if (s < 1) return "now";
    let text;
    if (s < 60) text = `${s} s`;
    else if (s < 3600) text = `${Math.floor(s / 60)} m`;
    else if (s < 86400) text = `${Math.floor(s / 3600)} h`;
    else if (s < 365 * 86400) text = `${Math.floor(s / 86400)} d`;
    else text = `${Math.floor(s / (365 * 86400))} y`;
    return now >= t ? `${text} ago` : `in ${text}`;
  }

  function tick() {
    if (document.hidden) return;
    const now = Date.now();
    const say = (el, text) => { if (el.textContent !== text) el.textContent = text; };
    for (const el of document.querySelectorAll("[data-ago]")) say(el, ago(+el.dataset.ago, now));
    for (const el of document.querySelectorAll("[data-since]:not(progress)")) {
      const ms = now - el.dataset.since;
      say(el, duration(ms < 10000 ? Math.floor(ms / 1000) * 1000 : ms).replace(/^0 ms$/, "0 s"));
    }
    for (const el of document.querySelectorAll("progress[data-median]")) {
      el.value = Math.min(99, (100 * (now - el.dataset.since)) / el.dataset.median);
    }
    for (const el of document.querySelectorAll("[data-eta]")) {
      const left = +el.dataset.eta - (now - el.dataset.from);
      say(el, left < 0 ? `longer than its usual ${duration(+el.dataset.eta)}` : `about ${duration(Math.max(1, Math.round(left / 1000)) * 1000)} left`);
    }
  }
  setInterval(tick, 1000);
  document.addEventListener("visibilitychange", tick);

  // Theme

  document.addEventListener("DOMContentLoaded", () => {
    const chosen = store.get("theme") || "system";
    for (const input of document.querySelectorAll("[data-themes] input")) input.checked = input.value === chosen;
    document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    document.querySelector("[data-focus]")?.focus();
    expireToasts();
  });
  document.addEventListener("change", (event) => {
    if (!event.target.closest("[data-themes]")) return;
    const theme = event.target.value;
    store.set("theme", theme);
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  });

  // Dialogs: invoker commands for browsers that do not have them, and one dialog that asks before a form is sent.

  if (!("command" in HTMLButtonElement.prototype)) {
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button[commandfor]");
      const dialog = button && $(button.getAttribute("commandfor"));
      if (!dialog) return;
      if (button.getAttribute("command") === "show-modal") dialog.showModal();
      else dialog.close();
    });
  }

  // One that is open in the page has an answer that was wrong: it is a dialog again.
  document.addEventListener("DOMContentLoaded", () => {
    for (const dialog of document.querySelectorAll("dialog[open]")) {
      dialog.close();
      dialog.showModal();
    }
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const dialog = $("ask");
    if (!form.dataset.confirm || form.dataset.sure !== undefined || !dialog) {
      delete form.dataset.sure;
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    $("ask-q").textContent = form.dataset.confirm;
    dialog.querySelector("[value=yes]").textContent = form.dataset.confirmYes || "Yes";
    dialog.returnValue = "no";
    dialog.onclose = () => {
      if (dialog.returnValue !== "yes" || !form.isConnected) return;
      form.dataset.sure = "";
      form.requestSubmit();
    };
    dialog.showModal();
  }, true);

  document.addEventListener("click", (event) => {
    if (event.target.nodeName === "DIALOG") { // its backdrop
      const box = event.target.getBoundingClientRect();
      if (event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom) event.target.close("no");
    }
    for (const open of document.querySelectorAll("details.pop[open]")) if (!open.contains(event.target)) open.open = false;
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = $(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      toast("good", "Copied");
    } catch {
      getSelection().selectAllChildren(source);
      toast("info", "Press Ctrl-C to copy");
    }
  });

  // What was typed and not saved is not left behind by mistake.

  let edited = false;
  document.addEventListener("input", (event) => { if (event.target.closest("[data-leave]")) edited = true; });
  document.addEventListener("submit", (event) => {
    if (event.target.matches("[data-leave]") && event.submitter?.formTarget !== "_blank") edited = false;
  });
  addEventListener("beforeunload", (event) => { if (edited) event.preventDefault(); });

  // The parts of a long form are tabs: the links to its sections, which say how much is wrong in each. Every part stays in the form.

  const tabsOf = (nav) => [...nav.querySelectorAll(":scope > a")];
  const partOf = (tab) => $(tab.hash.slice(1))?.closest("section");

  function openPart(tab) {
    for (const other of tabsOf(tab.parentElement)) {
      other.setAttribute("aria-selected", other === tab);
      other.tabIndex = other === tab ? 0 : -1;
      partOf(other).hidden = other !== tab;
    }
  }
  function chooseTab(tab) {
    openPart(tab);
    history.replaceState(history.state, "", tab.hash);
    tab.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  const tabAround = (el) => {
    const part = el?.closest("[role=tabpanel]");
    return part && document.querySelector(`[role=tab][aria-controls="${part.id}"]`);
  };
  /** Opens the part and the fold that hold what an address's hash names. */
  function reveal(hash) {
    const el = hash.length > 1 && $(hash.slice(1));
    const tab = el && tabAround(el);
    if (!tab) return false;
    openPart(tab);
    if (el.matches("input, select, textarea")) {
      for (let fold = el.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
      el.focus();
    }
    return true;
  }
  function makeTabs() {
    for (const nav of document.querySelectorAll(".sections:not([role=tablist])")) {
      nav.setAttribute("role", "tablist");
      const tabs = tabsOf(nav);
      for (const tab of tabs) {
        const part = partOf(tab);
        part.id = `part-${tab.hash.slice(1)}`;
        part.setAttribute("role", "tabpanel");
        tab.setAttribute("role", "tab");
        tab.setAttribute("aria-controls", part.id);
      }
      const wrong = (tab) => tab.querySelector(".count.bad");
      const at = tabs.find((tab) => tab.hash === location.hash);
      const first = tabs.find(wrong);
      openPart(at && (wrong(at) || !first) ? at : first ?? tabs[0]); // what is wrong is not left out of sight
      if (!at) reveal(location.hash);
    }
  }
  document.addEventListener("DOMContentLoaded", makeTabs);
  document.addEventListener("htmx:afterSettle", makeTabs);
  addEventListener("hashchange", () => reveal(location.hash));
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (link.matches("[role=tab]")) {
      event.preventDefault();
      chooseTab(link);
    } else if (reveal(link.hash)) {
      event.preventDefault();
      history.replaceState(history.state, "", link.hash);
    }
  });
  document.addEventListener("keydown", (event) => {
    const tab = event.target.closest?.("[role=tab]");
    if (!tab || event.ctrlKey || event.metaKey || event.altKey) return;
    const tabs = tabsOf(tab.parentElement);
    const at = tabs.indexOf(tab);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: -1, " ": at }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = tabs.at(to % tabs.length);
    chooseTab(next);
    next.focus();
  });
  document.addEventListener("invalid", (event) => {
    const tab = tabAround(event.target);
    if (tab && !event.target.form.querySelector("[role=tabpanel]:not([hidden]) :invalid")) chooseTab(tab);
  }, true);

  // Toasts

  function expireToasts() {
    for (const el of $("toasts")?.querySelectorAll(".flash:not([data-seen])") ?? []) {
      el.dataset.seen = "";
      const leave = () => { if (el.matches(":hover, :focus-within")) setTimeout(leave, 2000); else el.remove(); };
      setTimeout(leave, el.classList.contains("error") ? 15000 : 7000);
    }
  }

  function toast(kind, text) {
    const box = $("toasts");
    if (!box) return;
    const el = document.createElement("div");
    el.className = `flash ${kind}`;
    el.setAttribute("role", kind === "error" ? "alert" : "status");
    const p = document.createElement("p");
    p.textContent = text;
    el.append(p);
    box.append(el);
    while (box.childElementCount > 4) box.firstElementChild.remove();
    expireToasts();
  }

  document.addEventListener("htmx:oobAfterSwap", expireToasts);
  document.addEventListener("htmx:responseError", (event) => {
    const xhr = event.detail.xhr;
    const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
    const fault = page.querySelector("[data-fault]");
    const words = fault && [fault.querySelector("h1"), fault.querySelector(".fault-detail")].map((el) => el?.textContent.trim()).filter(Boolean).join(". ");
    toast("error", words || `That did not work (${xhr.status})`);
  });
  document.addEventListener("htmx:sendError", () => toast("error", "The server did not answer. Nothing was changed."));

  // Addresses hold what was chosen, not what was left open.
  document.addEventListener("htmx:configRequest", (event) => {
    const { elt, formData } = event.detail;
    if (!elt.matches("form.filters") || !formData) return;
    for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
  });

  // The connection

  const words = { connected: "Live", stale: "Reconnecting…", ended: "Ended", paused: "Paused", off: "" };
  let paused = false; // by the reader: nothing on the page changes
  let connection = "off";
  function live(state) {
    connection = state;
    if (paused) state = "paused";
    const el = $("live");
    if (!el || el.dataset.state === state) return;
    el.dataset.state = state;
    el.querySelector(".live-text").textContent = words[state];
  }
  let opened = false;
  document.addEventListener("htmx:sseOpen", () => {
    live("connected");
    if (opened) refreshAll(); // what happened meanwhile is not sent again to a new connection
    opened = true;
  });
  document.addEventListener("htmx:sseError", () => live("stale"));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-pause-live]");
    if (!button) return;
    paused = !paused;
    button.setAttribute("aria-pressed", paused);
    live(connection);
    if (!paused) refreshAll(); // what happened meanwhile
  });

  // Live updates. An `execution` event holds cells with ids: those that the page shows are morphed into what they are now. What cells cannot
  // say (a new row, another order, totals) is fetched again as a whole, calmly, and never under the reader's hands.

  const pace = { any: 2000, new: 1500, end: 4000, slow: 30000 };
  const timers = new Map(); // by the element's id
  const last = new Map();
  let pointer = 0;
  document.addEventListener("pointermove", () => { pointer = Date.now(); }, { passive: true });

  function busy(el) {
    if (paused || document.hidden || document.querySelector("dialog[open], details.pop[open], [popover]:popover-open")) return true;
    if (document.querySelector("[data-choose]:checked")) return true; // what is chosen stays where it is
    const selection = getSelection();
    if (selection && !selection.isCollapsed && $("main")?.contains(selection.anchorNode)) return true;
    if (document.activeElement?.matches("input, select, textarea") && el.contains(document.activeElement)) return true;
    if (el.querySelector("[data-pick]:checked")) return true; // what was chosen stays chosen
    return Date.now() - pointer < 1200 && el.matches(":hover") && el.querySelector("[data-row]:hover") !== null;
  }

  // What the reader has opened stays open.
  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && node.nodeName === "DETAILS");

  function refresh(el) {
    if (timers.has(el.id)) return;
    const due = Math.max((last.get(el.id) || 0) + pace[el.dataset.refresh] - Date.now(), 150);
    const go = () => {
      const now = $(el.id);
      if (!now?.dataset.refresh) return timers.delete(el.id);
      if (busy(now)) return timers.set(el.id, setTimeout(go, 500));
      timers.delete(el.id);
      last.set(el.id, Date.now());
      htmx.trigger(now, "belfry:refresh");
    };
    timers.set(el.id, setTimeout(go, due));
  }

  function refreshAll() {
    for (const el of document.querySelectorAll("[data-refresh]")) refresh(el);
  }

  function noticed(change) {
    for (const el of document.querySelectorAll("[data-refresh]")) {
      if (el.dataset.job && el.dataset.job !== change.job) continue;
      const kind = el.dataset.refresh;
      if (kind === "any" || (kind === "new" && !change.known) || ((kind === "end" || kind === "slow") && change.final) ||
        (change.final && el.querySelector("[data-waits]"))) refresh(el); // why others wait is another reason now
    }
  }

  // Lists in which several rows can be chosen.
  document.addEventListener("change", (event) => {
    const all = event.target.closest?.("[data-pick-all]");
    const picks = [...document.querySelectorAll("[data-pick]")];
    if (all) for (const pick of picks) pick.checked = all.checked;
    if (!all && !event.target.matches?.("[data-pick]")) return;
    const n = picks.filter((pick) => pick.checked).length;
    for (const el of document.querySelectorAll("[data-pick-all]")) {
      el.checked = n > 0 && n === picks.length;
      el.indeterminate = n > 0 && n < picks.length;
    }
    for (const el of document.querySelectorAll("[data-picked]")) el.textContent = n ? `With the ${n} chosen:` : "With what is chosen:";
  });

  const rows = () => [...document.querySelectorAll("[data-row]")];

  // When what had the focus is replaced, its row keeps it, or the row that took its place.
  function keepFocus() {
    const active = document.activeElement;
    const row = active?.closest("[data-row]");
    if (!row) return;
    const index = rows().indexOf(row);
    setTimeout(() => {
      if (active.isConnected || document.activeElement !== document.body) return;
      const heir = row.isConnected ? row : rows()[Math.min(index, rows().length - 1)];
      heir?.querySelector("[data-open]")?.focus({ preventScroll: true });
    }, 60);
  }
  document.addEventListener("htmx:beforeSwap", keepFocus);

  // The answer of a refresh may come late: after a filter has made it the answer to another question, or under the reader's hands.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { requestConfig, pathInfo } = event.detail;
    if (requestConfig?.triggeringEvent?.type !== "belfry:refresh") return;
    const el = $(requestConfig.elt.id);
    const stale = el?.getAttribute("hx-get") !== pathInfo.requestPath;
    if (!stale && !busy(el)) return;
    event.detail.shouldSwap = false;
    if (!stale) refresh(el);
  });

  htmx.defineExtension("belfry", {
    // Cells that this page does not show are taken out before htmx looks for their places.
    transformResponse(text, xhr, elt) {
      if (xhr || !elt.hasAttribute("sse-swap")) return text;
      if (paused) return "";
      const patch = document.createElement("template");
      patch.innerHTML = text;
      for (const cell of patch.content.querySelectorAll("[data-execution]")) {
        noticed({ job: cell.dataset.ofJob, known: $(cell.id) !== null, final: cell.dataset.final !== undefined });
      }
      if (patch.content.querySelector("#freeze")) refreshAll();
      if (patch.content.querySelector("#tree-changed")) for (const el of document.querySelectorAll("[data-tree]")) refresh(el);
      if (patch.content.querySelector("#workers-changed")) for (const el of document.querySelectorAll("[data-workers]")) refresh(el);
      for (const cell of [...patch.content.children]) if (!$(cell.id)) cell.remove();
      keepFocus();
      return patch.innerHTML;
    },
  });

  // What is chosen, and what can be done to it

  function chosen() {
    const bar = document.querySelector("[data-bulk]");
    if (!bar) return;
    const boxes = [...document.querySelectorAll("[data-choose]")];
    const n = boxes.filter((box) => box.checked).length;
    bar.dataset.n = n;
    bar.querySelector("[data-bulk-words]").textContent = n ? `${n} chosen:` : "None chosen";
    const all = document.querySelector("[data-choose-all]");
    if (all) {
      all.checked = n > 0 && n === boxes.length;
      all.indeterminate = n > 0 && n < boxes.length;
    }
  }
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-choose-all]")) {
      for (const box of document.querySelectorAll("[data-choose]")) box.checked = event.target.checked;
    }
    if (event.target.matches("[data-choose], [data-choose-all]")) chosen();
  });
  document.addEventListener("DOMContentLoaded", chosen);
  document.addEventListener("htmx:afterSettle", chosen);

  // The zone of times

  document.addEventListener("change", (event) => {
    const form = event.target.closest("[data-zones]");
    if (!form) return;
    form.elements.mine.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
    form.requestSubmit();
  });

  // The palette

  function openPalette() {
    const dialog = $("palette");
    if (!dialog || dialog.open) return;
    for (const open of document.querySelectorAll("dialog[open]")) open.close();
    dialog.showModal();
    $("palette-q").select();
    htmx.trigger(dialog.querySelector("form"), "belfry:open");
  }
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-palette]") || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    openPalette();
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      openPalette();
      return;
    }
    const dialog = event.target.closest?.("#palette");
    if (!dialog) return;
    const hits = [...dialog.querySelectorAll("[data-hit]")];
    const at = hits.indexOf(document.activeElement);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = at + (event.key === "ArrowDown" ? 1 : -1);
      (hits[Math.min(next, hits.length - 1)] ?? $("palette-q")).focus();
    } else if (event.key === "Enter" && event.target.id === "palette-q") {
      event.preventDefault();
      hits[0]?.click();
    }
  });

  // Keyboard

  const pageHead = "main > .head, main > [id] > .head"; // its buttons have the keys when no row has the focus

  // The help says what the keys do on this page, and hides those that do nothing. What a letter does is what the buttons that it presses say.
  function sayKeys() {
    for (const line of document.querySelectorAll("#help [data-keys]")) {
      if (line.dataset.keys.length > 1) {
        line.hidden = document.querySelector(line.dataset.keys) === null;
        continue;
      }
      const said = new Set();
      for (const button of document.querySelectorAll(`[data-key~="${line.dataset.keys}"]`)) {
        if (!button.closest(`[data-row], ${pageHead}`)) continue;
        const words = button.cloneNode(true);
        for (const hidden of words.querySelectorAll(".vh")) hidden.remove();
        said.add(words.textContent.replace("…", "").replace(/\s+/g, " ").trim());
      }
      line.hidden = said.size === 0;
      line.querySelector("dd").textContent = [...said].join(", ").replace(/, ([^,]*)$/, " or $1");
    }
  }
  document.addEventListener("click", (event) => { if (event.target.closest("[commandfor=help]")) sayKeys(); }, true);

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable], dialog[open], [popover]:popover-open")) return;
    const row = document.activeElement?.closest("[data-row]");
    const step = (by) => {
      const all = rows();
      if (!all.length) return;
      const next = all[Math.max(0, Math.min(all.length - 1, row ? all.indexOf(row) + by : by > 0 ? 0 : all.length - 1))];
      const open = next.querySelector("[data-open]") ?? next;
      if (open === next) next.tabIndex = -1; // a row with nothing to open has the focus itself
      open.focus();
      next.scrollIntoView({ block: "nearest" });
    };
    const press = (key) => (row ?? document.querySelector(pageHead))?.querySelector(`[data-key~="${key}"]`)?.click();
    switch (event.key) {
      case "j": step(1); break;
      case "k": step(-1); break;
      case "r": case "x": case "p": case "a": case "e": press(event.key); break;
      case "c": row?.querySelector("[data-choose], [data-pick]")?.click(); break;
      case "/": {
        const filter = document.querySelector("[data-filter]");
        if (!filter) return;
        filter.focus();
        filter.select();
        break;
      }
      case "?":
        sayKeys();
        $("help")?.showModal();
        break;
      default: return;
    }
    event.preventDefault();
  });

  window.belfry = { duration, store, live, toast, keepFocus };
})();
