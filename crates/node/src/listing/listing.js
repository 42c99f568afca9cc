// What makes the listing page quicker to use: a live filter and the keyboard. Without it every link
// and the search form work all the same. It must never take a key from whoever is typing, nor one
// that is pressed together with Ctrl, Alt or Meta.
"use strict";
{
  const filter = document.querySelector("#filter");
  const summary = document.querySelector("#summary");
  const total = summary.textContent;
  const rows = [...document.querySelectorAll("#list tbody tr:not(.up)")];
  const links = rows.map((row) => row.querySelector("a"));
  let names; // Lower case, made when first needed: a page has thousands.
  let shown = links;

  const isGlob = (text) => /[*?[]/.test(text);

  // A glob as the server reads it, over names without a slash of their own.
  const globToPattern = (glob) => {
    const escaped = glob.replace(/[.+^${}()|\\]/g, "\\$&");
    const source = escaped.replace(/\*/g, ".*").replace(/\?/g, ".").replace(/\[!/g, "[^");
    try {
      return new RegExp(`^${source}$`, "i");
    } catch {
      return /^/; // Half typed, such as `[a`.
    }
  };

  const matcher = (text) => {
    if (isGlob(text)) {
      const pattern = globToPattern(text);
      return (name) => pattern.test(name.replace(/\/$/, "").replace(/^.*\//, ""));
    }
    const part = text.toLowerCase();
    return (name) => name.includes(part);
  };

  // The text is kept in the address, so that it outlives a reload; not at each key, for browsers stop
  // pages that change their address too often.
  const fragment = () => encodeURIComponent(filter.value.trim());
  const remember = () => {
    const here = location.pathname + location.search;
    history.replaceState(null, "", fragment() === "" ? here : `#${fragment()}`);
  };
  let remembering;

  const apply = () => {
    const text = filter.value.trim();
    names ??= links.map((link) => link.textContent.toLowerCase());
    const matches = matcher(text);
    const hits = names.map((name) => text === "" || matches(name));
    rows.forEach((row, at) => { if (row.hidden === hits[at]) row.hidden = !hits[at]; });
    shown = links.filter((_, at) => hits[at]);
    summary.textContent = text === ""
      ? total
      : `${shown.length} of ${rows.length} shown; Enter searches the folders below, too`;
    clearTimeout(remembering);
    remembering = setTimeout(remember, 300);
  };

  const clear = () => {
    filter.value = "";
    apply();
  };

  const move = (step) => {
    const at = shown.indexOf(document.activeElement);
    const next = at < 0 ? (step > 0 ? 0 : shown.length - 1) : at + step;
    if (next < 0) {
      filter.focus();
    } else {
      shown[Math.min(next, shown.length - 1)]?.focus();
    }
  };

  const up = () => {
    // Out of a search, up is the folder itself.
    const above = document.querySelector(".up a, .note a");
    if (above) location.assign(above.href);
  };

  const focusFilter = () => {
    filter.focus();
    filter.select();
  };

  const keys = {
    "/": focusFilter,
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    j: () => move(1),
    k: () => move(-1),
    u: up,
    Backspace: up,
    Escape: clear,
  };
  // What keeps its meaning in the field.
  const fieldKeys = {
    ArrowDown: keys.ArrowDown,
    Escape: () => {
      if (filter.value === "") filter.blur();
      clear();
    },
  };

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    const typing = event.target === filter;
    if (!typing && event.target.matches?.("input, textarea, select")) return;
    const table = typing ? fieldKeys : keys;
    if (!Object.hasOwn(table, event.key)) return;
    event.preventDefault();
    table[event.key]();
  });

  filter.addEventListener("input", apply);

  // Plain words mean "somewhere in the name"; the server reads globs.
  filter.form.addEventListener("submit", () => {
    const text = filter.value.trim();
    filter.value = text === "" || isGlob(text) ? text : `*${text}*`;
  });

  // The filter goes along when the page is sorted.
  document.querySelector("#list thead").addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (link) link.hash = fragment();
  });

  filter.placeholder = "Filter: iso or *.iso (press /)";
  if (location.hash.length > 1) {
    try {
      filter.value = decodeURIComponent(location.hash.slice(1));
    } catch {
      // An anchor of somebody else's.
    }
  }
  // From the address, kept by the browser over a reload, or typed before this ran.
  if (filter.value !== filter.defaultValue) apply();
}
