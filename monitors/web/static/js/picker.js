// Pick a symbol: a search field with a list, by keyboard or pointer.

import { fill, h } from "./dom.js";
import { number } from "./format.js";

export function picker(symbols, chosen, frame) {
  const list = h("div.pick-list", { role: "listbox", hidden: true });
  const name = (s) => `${s.symbol} · ${s.exchange} ${s.market_type}`;
  const field = h("input.pick", { type: "search", "data-search": true, value: name(chosen), "aria-label": "symbol", autocomplete: "off", spellcheck: "false", role: "combobox" });
  let found = symbols;
  let at = 0;

  function draw() {
    const words = field.value.toLowerCase() === name(chosen).toLowerCase() ? [] : field.value.toLowerCase().split(/\s+/).filter(Boolean);
    found = symbols.filter((s) => words.every((w) => name(s).toLowerCase().includes(w))).slice(0, 60);
    at = Math.min(at, Math.max(0, found.length - 1));
    fill(list, found.length ? found.map((s, i) => h("button", { role: "option", "aria-selected": String(i === at), onpointerdown: (e) => { e.preventDefault(); go(s); } },
      h("b", null, s.symbol), h("span.muted", null, `${s.exchange} ${s.market_type}`), h("span.mono.faint", null, `${number(s.trades_1d)} trades/d`))) : h("p.muted", null, "no symbol of that name"));
  }

  function go(s) {
    list.hidden = true;
    field.blur();
    frame.go(`/symbol/${s.exchange}/${s.market_type}/${encodeURIComponent(s.symbol)}${new URLSearchParams(location.search).get("clock") === "time" ? "?clock=time" : ""}`);
  }

  field.addEventListener("focus", () => { list.hidden = false; at = 0; field.select(); draw(); });
  field.addEventListener("blur", () => { list.hidden = true; field.value = name(chosen); });
  field.addEventListener("input", () => { list.hidden = false; at = 0; draw(); });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") field.blur();
    else if (event.key === "Enter" && found[at]) go(found[at]);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      at = (at + (event.key === "ArrowDown" ? 1 : found.length - 1)) % Math.max(1, found.length);
      draw();
      list.children[at]?.scrollIntoView({ block: "nearest" });
      event.preventDefault();
    }
  });
  return h("div.picker", null, field, list);
}
