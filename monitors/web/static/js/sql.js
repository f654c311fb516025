// SQL: write, run, see as a table or a chart, export, share. The statement lives in the address.

import { get, post } from "./api.js";
import { fill, h, quiet, setText } from "./dom.js";
import { Editor } from "./editor.js";
import { number } from "./format.js";
import { drawChart, chartable } from "./result_chart.js";
import { resultTable } from "./rows.js";
import { empty, failed, loading } from "./states.js";

const FIRST = "-- what every symbol looks like now\nSELECT symbol, market_type, mid_price, spread_bps, vpin, kyle_lambda_ols, poc_px, quality\nFROM marketprism_features.latest_features\nORDER BY symbol, market_type";
const SHOWN = 1000;

export async function open(root, frame, path, query) {
  let result = null;
  let running = null;
  let form = query.get("as") === "chart" ? "chart" : "table";
  let chart = null;
  const run = h("button.primary", { id: "run", onclick: () => (running ? running.abort() : execute()) }, "Run");
  const share = h("button", { onclick: copyLink, title: "copy a link to this statement" }, "Share");
  const exports_ = ["csv", "parquet"].map((kind) => h("button", { "data-export": kind, onclick: () => save(kind), title: `download the whole result as ${kind}` }, kind.toUpperCase()));
  frame.tools(h("span.spring"), share, exports_, run);
  const editor = new Editor({ onRun: execute, onChange: quiet(address, 400) });
  const shelf = h("aside.shelf.card", { "aria-label": "examples and schema" }, loading(6));
  const said = h("p.said", { role: "status" });
  const place = h("div.result-place", null, empty("No result yet", "Ctrl + Enter runs the statement. One SELECT, SHOW, DESCRIBE or EXPLAIN, read-only, with limits."));
  const forms = h("div.segment", null, ["table", "chart"].map((name) => h("button", { "data-as": name, "aria-pressed": String(name === form), onclick: () => { form = name; [...forms.children].forEach((b) => b.setAttribute("aria-pressed", String(b.dataset.as === name))); address(); draw(); } }, name)));
  fill(root, shelf, h("div.bench", null, h("section.card.editor-card", null, editor.element), h("section.card.result-card", null, h("header", null, h("h2", null, "Result"), said, h("span.spring"), forms), place)));

  function address() {
    const at = new URLSearchParams({ q: editor.value });
    if (form === "chart") at.set("as", "chart");
    frame.address(`/sql?${at}`);
  }

  async function execute() {
    running?.abort();
    const mine = running = new AbortController();
    setText(run, "Stop");
    setText(said, "running …");
    said.removeAttribute("data-tone");
    try {
      result = await (await post("sql", { sql: editor.value }, mine.signal)).json();
      setText(said, `${number(result.rows.length)} rows in ${number(result.elapsed_ms)} ms${result.truncated ? ` · ${result.truncated}` : ""}`);
      draw();
    } catch (error) {
      if (error.name === "AbortError") setText(said, "stopped");
      else refused(error);
    } finally {
      if (running === mine) { running = null; setText(run, "Run"); }
    }
    address();
  }

  function refused(error) {
    const at = error.problem ?? {};
    if (at.line) editor.wrong(at.line, at.column, at.length);
    setText(said, at.line ? `line ${at.line}, column ${at.column}` : "refused");
    said.dataset.tone = "bad";
    result = null;
    fill(place, failed(error));
  }

  function draw() {
    chart?.destroy?.();
    chart = null;
    if (!result) return;
    if (!result.rows.length) { fill(place, result.names.length ? [resultTable(result.names, [], result.types), empty("No rows", "The statement ran; nothing matched.")] : empty("No rows", "The statement gave no columns.")); return; }
    if (form === "chart") {
      if (!chartable(result)) { fill(place, empty("Nothing to draw", "A chart needs a column of numbers.")); return; }
      chart = drawChart(place, result);
      return;
    }
    fill(place, resultTable(result.names, result.rows, result.types, SHOWN), result.rows.length > SHOWN ? h("p.note.muted", null, `${number(SHOWN)} of ${number(result.rows.length)} rows are drawn; export has them all.`) : null);
  }

  async function save(kind) {
    setText(said, `exporting ${kind} …`);
    try {
      const body = await (await post("sql/export", { sql: editor.value, format: kind })).blob();
      const link = h("a", { href: URL.createObjectURL(body), download: `marketprism.${kind}` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
      setText(said, `${kind}: ${number(body.size)} bytes`);
    } catch (error) {
      refused(error);
    }
  }

  async function copyLink() {
    address();
    try {
      await navigator.clipboard.writeText(location.href);
      setText(said, "the link is in the clipboard");
    } catch {
      setText(said, "the link is in the address bar");
    }
  }

  function drawShelf(examples, tables) {
    const field = h("input", { type: "search", "data-search": true, placeholder: "find a table or column", "aria-label": "find a table or column" });
    const list = h("div.tables");
    const drawTables = () => {
      const wanted = field.value.toLowerCase();
      fill(list, tables.filter((t) => !wanted || t.name.includes(wanted) || t.columns.some(([c]) => c.includes(wanted))).slice(0, 80).map((t) => h("details", { open: wanted.length > 2 && t.columns.some(([c]) => c.includes(wanted)) && !t.name.includes(wanted) },
        h("summary", null, t.name.replace("marketprism_", "")), t.columns.map(([c, type, meaning]) => h("button", { title: `${type}\n${meaning}`, onclick: () => { editor.text.focus(); editor.text.setRangeText(c, editor.text.selectionStart, editor.text.selectionEnd, "end"); editor.draw(); } }, c, h("small", null, type))))));
    };
    field.addEventListener("input", drawTables);
    fill(shelf, h("h3", null, "Examples"), h("div.examples", null, examples.map((e) => h("button", { "data-example": e.name, title: e.purpose, onclick: () => { editor.value = e.sql; execute(); } }, h("b", null, e.name.replaceAll("_", " ")), h("small", null, e.purpose)))), h("h3", null, "Schema"), field, list);
    drawTables();
  }

  editor.value = query.get("q") ?? FIRST;
  Promise.all([get("examples"), get("schema")]).then(([examples, tables]) => { editor.tables = tables; drawShelf(examples, tables); }, (error) => fill(shelf, failed(error)));
  if (query.has("q")) execute();
  const onTheme = () => draw();
  window.addEventListener("themechange", onTheme);
  return { close() { running?.abort(); chart?.destroy?.(); window.removeEventListener("themechange", onTheme); } };
}
