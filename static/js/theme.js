// Runs in the head, before the first paint: a page never flashes in the wrong theme, and what needs scripts is shown only where they run.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const theme = localStorage.getItem("belfry.theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch {
    // Storage can be forbidden; the system's theme is fine then.
  }
})();
