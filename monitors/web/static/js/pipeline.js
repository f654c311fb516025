// The pipeline: stages as a picture with live rates, and below every exchange × data type with rate, lag and age.

import { get } from "./api.js";
import { fill, h, setText } from "./dom.js";
import { moment, number, rate, short, span } from "./format.js";
import { failed, loading, empty } from "./states.js";
import { watch } from "./stream.js";
import { openRows } from "./rows.js";

const HISTORY = 60;
const QUIET_MS = 5_000;

/** A stage's box; `set` draws its state. */
function stage(name, what) {
  const value = h("b.mono", null, "–");
  const note = h("span.mono", null, "");
  const dot = h("i");
  const spark = h("path", { fill: "none" });
  const box = h("button.stage", { "data-health": "unknown", title: what },
    h("header", null, dot, h("span", null, name)), value, note,
    h("svg.spark", { viewBox: "0 0 120 22", preserveAspectRatio: "none", "aria-hidden": "true" }, spark));
  const seen = [];
  return {
    box,
    set(health, text, small, sample) {
      if (box.dataset.health !== health) box.dataset.health = health;
      setText(value, text);
      setText(note, small);
      if (sample === undefined) return;
      seen.push(sample);
      if (seen.length > HISTORY) seen.shift();
      const most = Math.max(...seen, 1e-9);
      const step = 120 / (HISTORY - 1);
      spark.setAttribute("d", seen.map((v, i) => `${i ? "L" : "M"}${((HISTORY - seen.length + i) * step).toFixed(1)} ${(20 - 18 * v / most).toFixed(1)}`).join(""));
    },
  };
}

const pipe = () => h("div.pipe", { "aria-hidden": "true" }, h("i"));

function flowState(flow, now) {
  const age = now - flow.newest_ms;
  if (flow.rows_per_s > 0 && (flow.slow || age < QUIET_MS)) return ["ok", "flowing"];
  if (age > 86_400_000) return ["old", "recorded"];
  return flow.slow ? ["none", `quiet ${span(age)}`] : ["warn", `silent ${span(age)}`];
}

export function open(root, frame) {
  const exchanges = stage("Exchanges", "the venues that are collected");
  const collector = stage("Collector", "exchange messages to frames");
  const nats = stage("NATS JetStream", "frames waiting to be stored");
  const storage = stage("Storage", "frames to rows, exactly once");
  const hot = stage("ClickHouse", "rows in the hot tables");
  const views = stage("Feature views", "features by bucket and minute");
  const line = h("section.flow-line", { "aria-label": "data flow" },
    [exchanges, collector, nats, storage, hot, views].flatMap((each, i) => (i ? [pipe(), each.box] : [each.box])));
  const body = h("tbody");
  const note = h("span.muted");
  const table = h("section.card.flows", null,
    h("header", null, h("h2", null, "Flows"), note, h("span.spring"), h("span.muted", null, "a row opens to what is stored")),
    h("div.scroll", null, h("table.grid-table", { id: "flows" },
      h("thead", null, h("tr", null, ["exchange", "market", "data type", "state"].map((t) => h("th", null, t)),
        ["rate (rows/s)", "symbols", "exchange → us", "us → stored", "newest row (UTC)", "age"].map((t) => h("th.n", null, t)))),
      body)));
  const streams = h("tbody");
  const queue = h("section.card", null, h("header", null, h("h2", null, "Streams"), h("span.muted", null, "what NATS holds, and what is not stored yet")),
    h("div.scroll", null, h("table.grid-table", null, h("thead", null, h("tr", null, h("th", null, "stream"),
      ["messages", "size", "waiting", "rows stored", "stored/s"].map((t) => h("th.n", null, t)))), streams)));
  const waiting = h("section.card", null, loading(6));
  fill(root, line, waiting);
  let drawn = false;
  let moving = 0;
  const rows = new Map();

  line.querySelectorAll(".stage").forEach((box, i) => box.addEventListener("click", () => {
    (i >= 4 ? table : i === 2 || i === 3 ? queue : table).scrollIntoView({ behavior: "smooth", block: "start" });
  }));
  views.box.addEventListener("click", () => frame.go("/features"));

  function draw(state) {
    if (!drawn) { waiting.replaceWith(table, queue); drawn = true; }
    const now = state.time_ms;
    const live = state.flows.filter((f) => f.rows_per_s > 0);
    const total = live.filter((f) => !f.slow).reduce((sum, f) => sum + f.rows_per_s, 0);
    const venues = new Set(state.flows.map((f) => `${f.exchange} ${f.market_type}`));
    const flowing = new Set(live.map((f) => `${f.exchange} ${f.market_type}`));
    const col = state.services.collector ?? { up: false };
    const sto = state.services.storage ?? { up: false };
    const newest = Math.max(0, ...state.flows.filter((f) => !f.slow).map((f) => f.newest_ms));
    const age = newest ? now - newest : Infinity;
    const stored = Object.values(state.rows_per_s).reduce((a, b) => a + b, 0);
    const clickhouse = !state.problems.some((p) => p.startsWith("ClickHouse"));
    const lags = live.map((f) => f.store_lag_ms).filter((v) => v !== null).sort((a, b) => a - b);
    exchanges.set(flowing.size ? "ok" : "warn", `${flowing.size} of ${venues.size}`, [...flowing].join(", ") || "nothing arrives", flowing.size);
    collector.set(!col.up ? "down" : col.ready ? "ok" : "warn", col.up ? rate(total) : "down", col.up ? (col.ready ? `${col.details?.pending_frames ?? 0} frames to send` : "not ready") : "does not answer", total);
    nats.set(state.problems.some((p) => p.startsWith("NATS")) ? "down" : state.pending > 5000 ? "warn" : "ok", number(state.pending), "frames waiting", state.pending);
    storage.set(!sto.up ? "down" : sto.ready ? "ok" : "warn", sto.up ? rate(stored) : "down", sto.up ? `${span(lags.length ? lags[lags.length >> 1] : null)} to stored` : "does not answer", stored);
    hot.set(clickhouse ? "ok" : "down", short(Object.values(state.tables).reduce((a, b) => a + b, 0)), clickhouse ? "hot rows" : "does not answer", stored);
    views.set(!clickhouse ? "down" : age < QUIET_MS ? "ok" : "warn", newest ? span(Math.max(0, age)) : "–", "newest row's age", 1 / Math.max(age, 1));
    line.dataset.flowing = String(age < QUIET_MS);
    setText(note, `${state.flows.length} flows, ${live.length} moving`);
    moving = age;
    fillFlows(state, now);
    fillStreams(state);
    frame.banner(state.problems.join(" · "));
    if (!newest) frame.live("idle", "");
    else if (age > 86_400_000) frame.live("recorded", "recorded data");
    else if (!sto.up || age > QUIET_MS) frame.live("stale", `stale ${span(age)}`);
    else frame.live("live", "live");
  }

  function fillFlows(state, now) {
    if (!state.flows.length) {
      fill(body, h("tr", null, h("td", { colSpan: 10 }, empty("Nothing has been stored yet", "Rows appear here as soon as an exchange sends and the storage service stores."))));
      rows.clear();
      return;
    }
    if (!rows.size) fill(body);
    for (const flow of state.flows) {
      const key = `${flow.exchange}.${flow.market_type}.${flow.data_type}`;
      if (!rows.has(key)) {
        const cells = Array.from({ length: 10 }, (_, i) => h(i > 3 ? "td.n" : "td"));
        const chip = h("span.chip");
        cells[3].append(chip);
        const openIt = () => openRows(frame, flow);
        const row = h("tr", { tabindex: "0", "data-flow": key, onclick: openIt, onkeydown: (e) => { if (e.key === "Enter") openIt(); } }, cells);
        rows.set(key, { row, cells, chip });
        body.append(row);
      }
      const { cells, chip } = rows.get(key);
      const [tone, text] = flowState(flow, now);
      chip.dataset.tone = tone;
      setText(chip, text);
      const texts = [flow.exchange, flow.market_type, flow.data_type, null, flow.rows_per_s ? short(flow.rows_per_s) : "0", number(flow.symbols),
        span(flow.receive_lag_ms), span(flow.store_lag_ms), moment(flow.newest_ms), span(Math.max(0, now - flow.newest_ms))];
      texts.forEach((t, i) => { if (t !== null) setText(cells[i], t); });
    }
  }

  function fillStreams(state) {
    fill(streams, state.streams.map((s) => h("tr", null, h("td.mono", null, s.name), h("td.n", null, number(s.messages)), h("td.n", null, `${(s.bytes / 1048576).toFixed(1)} MB`),
      h("td.n", { class: s.pending > 1000 ? "n warn" : "n" }, number(s.pending)), h("td.n", { "data-stored": s.data_type }, number(state.tables[s.data_type] ?? 0)), h("td.n", null, rate(state.rows_per_s[s.data_type] ?? 0)))));
  }

  const stop = watch({ view: "pipeline" }, {
    pipeline: draw,
    trouble: (t) => { if (t && !drawn) fill(waiting, failed(new Error(t.error))); },
  }, (state) => { if (state !== "live") frame.live(state, state); else if (moving < QUIET_MS) frame.live("live", "live"); });
  get("pipeline").then(draw).catch((error) => { if (!drawn) fill(waiting, failed(error)); });
  return { close: stop };
}
