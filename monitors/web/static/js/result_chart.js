// A result as a chart: x is its first time, else its first column of numbers; every other number is a line.

import { axis } from "./chart.js";
import { css, fill, h } from "./dom.js";
import { clock, day, short } from "./format.js";

const NUMBER = /^(Nullable\()?(U?Int|Float|Decimal)/;
const TIME = /^(Nullable\()?(Date)/;
const LINES = ["--accent", "--violet", "--ok", "--warn", "--bad", "--sell", "--buy", "--muted"];

const plain = (type) => type.replace(/^LowCardinality\((.*)\)$/, "$1");

export function chartable(result) {
  return result.types.some((t) => NUMBER.test(plain(t)));
}

/** Draws into `place`; gives {destroy}. */
export function drawChart(place, result) {
  const types = result.types.map(plain);
  const names = result.names;
  let x = types.findIndex((t) => TIME.test(t));
  if (x < 0) x = types.findIndex((t, i) => NUMBER.test(t) && types.slice(i + 1).some((o) => NUMBER.test(o)));
  const lines = names.map((_, i) => i).filter((i) => i !== x && NUMBER.test(types[i]));
  const on = new Set(lines.slice(0, 1));
  const split = names.findIndex((n, i) => n === "symbol" && types[i] === "String");
  const host = h("div.result-chart");
  let chart = null;

  const number = (v) => (v === null ? null : Number(v));
  const xOf = (row, i) => (x < 0 ? i : TIME.test(types[x]) ? Date.parse(`${String(row[x]).replace(" ", "T")}${String(row[x]).length > 10 ? "Z" : ""}`) / 1000 : Number(row[x]));

  function columns() {
    const groups = new Map();
    result.rows.forEach((row, i) => {
      const key = split >= 0 ? `${row[split]}${names.includes("market_type") ? ` ${row[names.indexOf("market_type")]}` : ""}` : "";
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push([xOf(row, i), row]);
    });
    const xs = [...new Set([...groups.values()].flat().map(([at]) => at))].sort((a, b) => a - b);
    const at = new Map(xs.map((v, i) => [v, i]));
    const series = [];
    for (const [key, rows] of [...groups].slice(0, 8)) {
      for (const line of on) {
        const values = new Array(xs.length).fill(null);
        for (const [px, row] of rows) values[at.get(px)] = number(row[line]);
        series.push({ label: [names[line], key].filter(Boolean).join(" · "), values });
      }
    }
    return [xs, series.slice(0, LINES.length)];
  }

  function draw() {
    chart?.destroy();
    const [xs, series] = columns();
    chart = new uPlot({
      width: host.clientWidth || 600, height: 380, padding: [14, 14, 0, 0], legend: { show: true, live: true }, tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "UTC"),
      scales: { x: { time: x >= 0 && TIME.test(types[x]) } }, cursor: { drag: { x: true, y: false } },
      axes: [axis({ size: 46, ...(x >= 0 && TIME.test(types[x]) ? { values: (u, s, i, space, step) => s.map((v) => (step >= 86400 || v % 86400 === 0 ? day(v * 1000) : clock(v * 1000).slice(0, step < 60 ? 8 : 5))) } : {}), label: x >= 0 ? `${names[x]}${TIME.test(types[x]) ? " (UTC)" : ""}` : "row", labelSize: 16, labelFont: "11px ui-monospace, monospace", space: 80 }), axis({ values: (u, s) => s.map((v) => short(v)), label: [...on].map((i) => names[i]).join(", "), labelSize: 16, labelFont: "11px ui-monospace, monospace", size: 74 })],
      series: [{ label: x >= 0 ? names[x] : "row", value: (u, v) => (v === null ? "–" : x >= 0 && TIME.test(types[x]) ? `${day(v * 1000)} ${clock(v * 1000)}` : short(v, 6)) }, ...series.map((s, i) => ({ label: s.label, stroke: css(LINES[i]), width: 1.6, spanGaps: true, points: { show: xs.length < 60, size: 4 }, value: (u, v) => short(v, 5) }))],
    }, [xs, ...series.map((s) => s.values)], host);
  }

  const chips = h("div.chart-lines", null, lines.map((i) => h("button", { "aria-pressed": String(on.has(i)), onclick: (e) => {
    if (on.has(i)) on.delete(i); else on.add(i);
    if (!on.size) on.add(i);
    e.target.setAttribute("aria-pressed", String(on.has(i)));
    draw();
  } }, names[i])));
  fill(place, chips, host);
  draw();
  const resize = new ResizeObserver(() => chart.setSize({ width: host.clientWidth, height: 380 }));
  resize.observe(host);
  return { destroy() { resize.disconnect(); chart.destroy(); } };
}
