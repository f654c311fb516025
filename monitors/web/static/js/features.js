// Features: the catalogue with search; one opens to meaning, SQL, lineage, values, distribution and drift.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { clock, moment, number, short } from "./format.js";
import { lineagePicture } from "./lineage.js";
import { highlighted } from "./highlight.js";
import { empty, failed, loading } from "./states.js";

const brief = (name) => name.split(".")[1] ?? name;

export async function open(root, frame, path, query) {
  const field = h("input.find", { type: "search", "data-search": true, placeholder: "search names, meanings, columns", "aria-label": "search features", value: query.get("find") ?? "" });
  frame.tools(field);
  const list = h("nav.feature-list.card", { "aria-label": "catalogue" }, loading(8));
  const place = h("div.feature-place", null, loading(6));
  fill(root, list, place);
  const catalogue = await get("features");
  let name = path[0] ? (catalogue.find((f) => f.name === path[0] || brief(f.name) === path[0])?.name ?? path[0]) : "marketprism_features.vpin_by_bucket";
  let column = query.get("column") ?? "";

  function found() {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    return catalogue.filter((f) => { const text = `${f.name} ${f.comment} ${f.purpose} ${f.columns.join(" ")}`.toLowerCase(); return words.every((w) => text.includes(w)); });
  }

  function draw() {
    const some = found();
    fill(list, h("p.count.muted", null, `${some.length} of ${catalogue.length} objects`),
      some.length ? some.map((f) => h("a", { href: `/features/${brief(f.name)}`, "aria-current": f.name === name ? "true" : null, onclick: (e) => { e.preventDefault(); e.stopPropagation(); name = f.name; column = ""; draw(); show(); if (innerWidth < 900) place.scrollIntoView(); } },
        h("b", null, brief(f.name)), h("small", null, f.comment))) : empty("Nothing of that name", "Search in names, meanings and columns."));
    list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }

  async function show() {
    frame.address(`/features/${brief(name)}${column ? `?column=${column}` : ""}`);
    fill(place, h("section.card", null, loading(6)));
    try {
      const feature = await get("feature", { name });
      if (feature.name === name) drawFeature(feature);
    } catch (error) {
      fill(place, h("section.card", null, failed(error, show)));
    }
  }

  function drawFeature(f) {
    const numeric = f.columns.filter((c) => c.numeric);
    column = numeric.some((c) => c.name === column) ? column : (numeric.find((c) => ["vpin", "kyle_lambda_ols", "effective_spread", "flow_imbalance"].includes(c.name)) ?? numeric.find((c) => c.type.includes("Float")) ?? numeric[0])?.name ?? "";
    const values = h("section.card.values", null, column ? loading(4) : empty("No numeric column", "Read it in the SQL view."));
    const facts = [["grain", f.grain], ["time", f.time], ["freshness", f.freshness], ["lookahead", f.lookahead], ["formula", f.source]];
    fill(place,
      h("section.card", null,
        h("header", null, h("h2", null, brief(f.name)), h("span.muted.mono", null, f.name.split(".")[0]), h("span.spring"), h("a.button", { href: `/sql?q=${encodeURIComponent(`SELECT *\nFROM ${f.name}\nLIMIT 100`)}`, "data-link": true }, "Query")),
        h("div.meaning", null, h("p", null, f.purpose), h("dl", null, facts.map(([k, v]) => [h("dt", null, k), h("dd", null, v)])))),
      values,
      h("section.card", null, h("header", null, h("h2", null, "Lineage"), h("span.muted", null, "what it is computed from, and what reads it")), lineagePicture(f, (n) => frame.go(`/features/${brief(n)}`), catalogue)),
      f.columns.length ? h("section.card", null, h("header", null, h("h2", null, "Columns")), h("div.scroll", null, h("table.grid-table", null, h("thead", null, h("tr", null, ["column", "type", "meaning"].map((t) => h("th", null, t)))),
        h("tbody", null, f.columns.map((c) => h("tr", { tabindex: c.numeric ? "0" : null, "aria-selected": String(c.name === column), onclick: c.numeric ? () => { column = c.name; frame.address(`/features/${brief(name)}?column=${column}`); loadValues(f, values); values.scrollIntoView({ block: "nearest", behavior: "smooth" }); } : null },
          h("td.mono", null, c.name), h("td.mono.faint", null, c.type), h("td.wrap", null, c.comment))))))) : null,
      h("section.card", null, h("header", null, h("h2", null, "SQL")), h("pre.code", null, highlighted(f.sql))));
    if (column) loadValues(f, values);
  }

  async function loadValues(f, place) {
    const mine = column;
    const pick = h("select", { "aria-label": "column", onchange: (e) => { column = e.target.value; frame.address(`/features/${brief(name)}?column=${column}`); loadValues(f, place); } }, f.columns.filter((c) => c.numeric).map((c) => h("option", { value: c.name, selected: c.name === mine }, c.name)));
    const about = f.columns.find((c) => c.name === mine);
    const head = h("header", null, h("h2", null, "Values"), pick, h("span.muted.cut", { title: about?.comment }, about?.comment), h("span.spring"));
    const body = h("div", null, loading(4));
    fill(place, head, body);
    try {
      const found = await get("feature/values", { name: f.name, column: mine });
      if (mine !== column || !place.isConnected) return;
      head.append(h("a.button", { href: `/sql?q=${encodeURIComponent(found.sql)}`, "data-link": true }, "SQL"));
      fill(body, found.symbols.length ? valuesTable(found) : empty("No value in the last six hours of data", "It may need more history first: windows fill bucket by bucket."));
    } catch (error) {
      fill(body, failed(error, () => loadValues(f, place)));
    }
  }

  field.addEventListener("input", draw);
  draw();
  await show();
  return {};
}

function valuesTable(found) {
  return h("div.scroll", null, h("table.grid-table.values-table", { id: "values" },
    h("thead", null, h("tr", null, h("th", null, "symbol"), h("th.n", null, "newest"), h("th.n", null, "at (UTC)"), h("th.n", null, "p10"), h("th.n", null, "median"), h("th.n", null, "p90"), h("th", null, "distribution, 6 h"), h("th", null, "drift: p10 – median – p90 by 15 min"), h("th.n", { title: "newest median less that of the window, in widths p90 − p10" }, "shift"), h("th.n", { title: "population stability index of the last marketprism drift of a day" }, "PSI"))),
    h("tbody", null, found.symbols.map((s) => h("tr", null, h("td", null, h("b", null, s.symbol), h("small.muted", null, ` ${s.exchange} ${s.market_type}`)), h("td.n", { "data-value": s.value, "data-at": s.at_ms, "data-key": `${s.exchange}.${s.market_type}.${s.symbol}` }, short(s.value, 4)), h("td.n.faint", { title: moment(s.at_ms) }, clock(s.at_ms)),
      h("td.n", null, short(s.p10)), h("td.n", null, short(s.p50)), h("td.n", null, short(s.p90)), h("td", null, histogram(s)), h("td", null, drift(s)),
      h("td.n", null, s.shift === null ? "–" : h("span.chip", { "data-tone": Math.abs(s.shift) > 0.5 ? "warn" : "ok" }, `${s.shift > 0 ? "+" : ""}${s.shift.toFixed(2)}`)), h("td.n", null, s.level ? h("span.chip", { "data-tone": s.level === "ok" || s.level === "few" ? "ok" : s.level === "watch" ? "warn" : "bad" }, s.psi === null ? s.level : s.psi.toFixed(3)) : "–"))))));
}

function histogram(s) {
  if (!s.bins.length) return "–";
  const [low, high] = [s.bins[0][0], s.bins.at(-1)[1]];
  const width = high - low || 1;
  const density = s.bins.map(([a, b, n]) => n / Math.max(b - a, width / 200));
  const most = Math.max(...density);
  const x = (v) => (v - low) / width * 178 + 1;
  return h("svg.histogram", { viewBox: "0 0 180 34", role: "img", "aria-label": `from ${short(low)} to ${short(high)}` }, h("title", { svg: true }, `${short(low)} … ${short(high)}, ${number(s.n)} values`),
    s.bins.map(([a, b], i) => h("rect", { x: x(a), y: 33 - 32 * density[i] / most, width: Math.max(1, x(b) - x(a) - 0.5), height: 32 * density[i] / most })), h("line", { x1: x(s.value), x2: x(s.value), y1: 0, y2: 34 }));
}

function drift(s) {
  if (s.slices.length < 2) return h("span.faint", null, "too short");
  const low = Math.min(...s.slices.map((p) => p.p10));
  const high = Math.max(...s.slices.map((p) => p.p90));
  const x = (i) => 2 + 216 * i / (s.slices.length - 1);
  const y = (v) => 32 - 30 * (v - low) / (high - low || 1);
  const points = (key) => s.slices.map((p, i) => `${x(i).toFixed(1)},${y(p[key]).toFixed(1)}`);
  return h("svg.drift", { viewBox: "0 0 220 34", role: "img", "aria-label": "quantiles over time" }, h("polygon", { points: [...points("p90"), ...points("p10").reverse()].join(" ") }), h("polyline", { points: points("p50").join(" ") }));
}
