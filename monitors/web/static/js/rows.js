// The rows behind a flow, and any result as a table.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { failed, loading } from "./states.js";

const NUMBER = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i;

function cell(value) {
  if (value === null || value === undefined) return h("td.null", null, "NULL");
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  const shown = text.length > 120 ? `${text.slice(0, 117)}…` : text;
  return h(typeof value === "number" || NUMBER.test(text) ? "td.n" : "td", { title: text.length > 120 ? text.slice(0, 4000) : null }, shown);
}

/** A table of names and rows; at most `most` rows are drawn. */
export function resultTable(names, rows, types = [], most = 500) {
  return h("table.grid-table.result", null,
    h("thead", null, h("tr", null, names.map((name, i) => h("th", { title: types[i] }, name, types[i] && h("small", null, types[i].replace(/LowCardinality\((.*)\)/, "$1")))))),
    h("tbody", null, rows.slice(0, most).map((row) => h("tr", null, row.map(cell)))));
}

/** A dialog with the newest rows of a flow. */
export async function openRows(frame, flow) {
  const place = h("div.scroll.rows-behind", null, loading(5));
  const link = h("a.button", { href: "/sql", "data-link": true, onclick: () => dialog.close() }, "Go on in SQL");
  const dialog = frame.dialog(h("header.dialog-head", null, h("h2", null, `${flow.data_type} · ${flow.exchange} ${flow.market_type}`), h("span.spring"), link,
    h("form", { method: "dialog" }, h("button", null, "Close"))), place);
  try {
    const found = await get("rows", { data_type: flow.data_type, exchange: flow.exchange, market_type: flow.market_type });
    link.setAttribute("href", `/sql?q=${encodeURIComponent(found.sql)}`);
    fill(place, resultTable(found.names, found.rows));
  } catch (error) {
    fill(place, failed(error));
  }
}
