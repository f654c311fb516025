// The frame: which view is shown, the theme, the clock, the state of the connection, the keyboard.

import { $, fill, h, setText } from "./dom.js";
import { clock, day } from "./format.js";
import { failed } from "./states.js";

const VIEWS = {
  pipeline: ["Pipeline", () => import("./pipeline.js")],
  symbol: ["Symbol", () => import("./symbol.js")],
  coverage: ["Coverage", () => import("./coverage.js")],
  features: ["Features", () => import("./features.js")],
  sql: ["SQL", () => import("./sql.js")],
};
const KEYS = [
  ["1 … 5", "Pipeline, Symbol, Coverage, Features, SQL"], ["t", "light or dark"], ["/", "search or pick a symbol"],
  ["c", "Symbol: time or bucket clock"], ["← →", "Symbol: move through time"], ["+ −", "Symbol: zoom"],
  ["Home / End", "Symbol: oldest loaded, newest"], ["Ctrl ↵", "SQL: run"], ["Esc", "close"], ["?", "this list"],
];

let shown = null;
let number = 0;

export const frame = {
  /** Go to a path of the page. */
  go(path, { replace = false } = {}) {
    history[replace ? "replaceState" : "pushState"](null, "", path);
    show();
  },
  /** Change the address without drawing anew. */
  address(path) { history.replaceState(null, "", path); },
  title(text) { setText($("#title"), text); document.title = `${text} · MarketPrism`; },
  tools(...elements) { fill($("#tools"), elements); },
  /** state: connecting, live, stale, reconnecting, recorded, idle. */
  live(state, text) {
    const pill = $("#live");
    if (pill.dataset.state !== state) pill.dataset.state = state;
    setText(pill.lastElementChild, text ?? state);
  },
  banner(text) {
    const banner = $("#banner");
    banner.hidden = !text;
    setText(banner, text ?? "");
  },
  dialog(...elements) {
    const dialog = $("#dialog");
    fill(dialog, elements);
    if (!dialog.open) dialog.showModal();
    return dialog;
  },
};

async function show() {
  const [, name = ""] = location.pathname.split("/");
  const view = VIEWS[name] ? name : "pipeline";
  const mine = ++number;
  shown?.close?.();
  shown = null;
  for (const link of document.querySelectorAll("[data-view]")) {
    link.toggleAttribute("aria-current", link.dataset.view === view);
  }
  const root = $("#view");
  root.className = `view-${view}`;
  frame.title(VIEWS[view][0]);
  frame.tools();
  frame.banner("");
  frame.live("idle", "");
  fill(root);
  try {
    const module = await VIEWS[view][1]();
    if (mine !== number) return;
    const path = location.pathname.split("/").slice(2).filter(Boolean).map(decodeURIComponent);
    const opened = await module.open(root, frame, path, new URLSearchParams(location.search));
    if (mine === number) shown = opened;
    else opened?.close?.();
  } catch (error) {
    console.error(error);
    fill(root, failed(error, show));
  }
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  try { localStorage.setItem("theme", theme); } catch { /* private windows keep nothing */ }
  window.dispatchEvent(new Event("themechange"));
}

const toggleTheme = () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");

function help() {
  frame.dialog(h("div.keys", null, h("h2", null, "Keyboard"),
    h("dl", null, KEYS.map(([key, what]) => [h("dt", null, key.split(" ").map((k) => (k.length > 4 || k === "…" || k === "/" && key.length > 1 ? ` ${k} ` : h("kbd", null, k)))), h("dd", null, what)])),
    h("form", { method: "dialog" }, h("button", null, "Close"))));
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-link]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  frame.go(link.getAttribute("href"));
});

document.addEventListener("keydown", (event) => {
  if (event.target.closest?.("input, textarea, select, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
  const views = Object.keys(VIEWS);
  if (/^[1-5]$/.test(event.key)) frame.go(`/${views[Number(event.key) - 1]}`);
  else if (event.key === "t") toggleTheme();
  else if (event.key === "?") help();
  else if (event.key === "/") { const field = $("[data-search]"); field?.focus(); field?.select?.(); event.preventDefault(); }
  else shown?.key?.(event);
});

window.addEventListener("popstate", show);
$("#theme").addEventListener("click", toggleTheme);
$("#help").addEventListener("click", help);
setInterval(() => setText($("#clock"), `${day(Date.now())} ${clock(Date.now())} UTC`), 1000);
setText($("#clock"), `${day(Date.now())} ${clock(Date.now())} UTC`);
show();
