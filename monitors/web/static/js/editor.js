// The SQL editor: a text area under its coloured copy, completion over the schema, the place of an error underlined.

import { fill, h } from "./dom.js";
import { highlighted, KEYWORDS } from "./highlight.js";

const FUNCTIONS = "count sum avg min max any argMax argMin quantile quantiles median uniq uniqExact sumIf countIf avgIf groupArray toStartOfMinute toStartOfInterval toDateTime toDateTime64 toDate now now64 today dateDiff toFloat64 round abs if multiIf coalesce lagInFrame row_number arrayJoin histogram corr stddevSamp formatReadableQuantity toUnixTimestamp64Milli".split(" ");

export class Editor {
  constructor({ onRun, onChange }) {
    this.tables = [];
    this.mark = null;
    this.text = h("textarea", { id: "sql", spellcheck: "false", autocapitalize: "off", autocomplete: "off", wrap: "off", "aria-label": "SQL" });
    this.copy = h("pre.copy", { "aria-hidden": "true" });
    this.lines = h("pre.lines", { "aria-hidden": "true" });
    this.list = h("div.completion", { hidden: true, role: "listbox" });
    this.element = h("div.editor", null, this.lines, h("div.pane", null, this.copy, this.text, this.list));
    this.found = [];
    this.text.addEventListener("input", () => { this.mark = null; this.draw(); this.suggest(); onChange?.(this.value); });
    this.text.addEventListener("scroll", () => this.scroll());
    this.text.addEventListener("blur", () => { this.list.hidden = true; });
    this.text.addEventListener("keydown", (event) => this.keydown(event, onRun));
  }

  get value() { return this.text.value; }
  set value(text) { this.text.value = text; this.mark = null; this.draw(); this.list.hidden = true; }

  draw() {
    fill(this.copy, highlighted(this.value, this.mark), "\n");
    const count = this.value.split("\n").length;
    this.lines.textContent = Array.from({ length: count }, (_, i) => i + 1).join("\n");
    this.scroll();
  }

  scroll() {
    this.copy.scrollTop = this.text.scrollTop;
    this.copy.scrollLeft = this.text.scrollLeft;
    this.lines.scrollTop = this.text.scrollTop;
  }

  /** Underline what an error names; line and column from 1. */
  wrong(line, column, length) {
    const lines = this.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((n, l) => n + l.length + 1, 0) + column - 1;
    const word = /^[\w.`]+/.exec(this.value.slice(start))?.[0].length;
    this.mark = [Math.min(start, Math.max(0, this.value.length - 1)), start + (length ?? word ?? 1)];
    this.draw();
    this.text.focus();
    this.text.setSelectionRange(...this.mark);
    this.text.scrollTop = Math.max(0, (line - 4) * 19);
  }

  /** The word before the caret, and what may complete it. */
  suggest(forced = false) {
    const before = this.value.slice(0, this.text.selectionStart);
    const word = /[\w.]*$/.exec(before)[0];
    if (word.length < (forced ? 0 : 2) || /'[^'\n]*$/.test(before.replace(/'[^'\n]*'/g, ""))) { this.list.hidden = true; return; }
    this.word = word;
    const wanted = word.toLowerCase();
    const used = this.tables.filter((t) => this.value.includes(t.name));
    const columns = used.flatMap((t) => t.columns.map(([name, type, meaning]) => ({ text: name, kind: "column", note: `${type} · ${meaning}` })));
    const tables = this.tables.map((t) => ({ text: t.name, kind: "table", note: `${t.columns.length} columns`, also: t.name.split(".")[1] }));
    const words = [...FUNCTIONS.map((f) => ({ text: f, kind: "function", note: "" })), ...[...KEYWORDS].map((k) => ({ text: k, kind: "keyword", note: "" }))];
    const seen = new Set();
    const fits = (o) => (o.text.toLowerCase().startsWith(wanted) ? 0 : o.also?.toLowerCase().startsWith(wanted) ? 1 : wanted.length > 2 && o.text.toLowerCase().includes(wanted) && o.kind !== "keyword" ? 2 : 9);
    this.found = [...columns, ...tables, ...words].map((o) => ({ ...o, fit: fits(o) })).filter((o) => o.fit < 9 && o.text.toLowerCase() !== wanted && !seen.has(o.text) && seen.add(o.text)).sort((a, b) => a.fit - b.fit).slice(0, 40);
    this.at = 0;
    this.drawList();
  }

  drawList() {
    this.list.hidden = !this.found.length;
    if (this.list.hidden) return;
    fill(this.list, this.found.map((o, i) => h("button", { role: "option", "aria-selected": String(i === this.at), "data-kind": o.kind, onpointerdown: (e) => { e.preventDefault(); this.take(i); } }, h("b", null, o.text), h("small", null, o.note || o.kind))));
    const before = this.value.slice(0, this.text.selectionStart).split("\n");
    const left = 12 + (before.at(-1).length - this.word.length) * 7.83 - this.text.scrollLeft;
    this.list.style.left = `${Math.max(4, Math.min(left, this.text.clientWidth - 330))}px`;
    this.list.style.top = `${10 + before.length * 19 - this.text.scrollTop}px`;
    this.list.children[this.at]?.scrollIntoView({ block: "nearest" });
  }

  take(i) {
    const end = this.text.selectionStart;
    this.text.setRangeText(this.found[i].text, end - this.word.length, end, "end");
    this.list.hidden = true;
    this.draw();
  }

  keydown(event, onRun) {
    const open = !this.list.hidden;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); this.list.hidden = true; onRun(); }
    else if (event.key === " " && event.ctrlKey) { event.preventDefault(); this.suggest(true); }
    else if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) { event.preventDefault(); this.at = (this.at + (event.key === "ArrowDown" ? 1 : this.found.length - 1)) % this.found.length; this.drawList(); }
    else if (open && (event.key === "Enter" || event.key === "Tab")) { event.preventDefault(); this.take(this.at); }
    else if (open && event.key === "Escape") { event.preventDefault(); this.list.hidden = true; }
    else if (event.key === "Tab" && !event.shiftKey) { event.preventDefault(); this.text.setRangeText("    ", this.text.selectionStart, this.text.selectionEnd, "end"); this.draw(); }
    else if (event.key === "Escape") this.text.blur();
  }
}
