// What a place says while it has nothing to show: loading, empty, error.

import { h } from "./dom.js";

export function loading(lines = 3) {
  return h("div.state.loading", { "aria-busy": "true", "aria-label": "loading" },
    Array.from({ length: lines }, (_, i) => h("i.bone", { style: { width: `${92 - 17 * (i % 4)}%` } })));
}

export function empty(title, text, action = null) {
  return h("div.state.empty", null,
    h("svg", { viewBox: "0 0 48 48" }, h("path", { d: "M8 38h32M12 32V22m8 10V14m8 18V26m8 6V18" })),
    h("h3", null, title), h("p", null, text), action);
}

export function failed(error, again = null) {
  return h("div.state.failed", { role: "alert" },
    h("svg", { viewBox: "0 0 48 48" }, h("path", { d: "M24 8l18 32H6zM24 20v10m0 4v1" })),
    h("h3", null, "This could not be read"), h("p.mono", null, error.message || String(error)),
    again && h("button", { onclick: again }, "Try again"));
}
