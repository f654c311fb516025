// Coverage: a calendar of symbol × day. Colour: minutes with trades. Notch: holes. Corner: archived and verified.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { clock, moment, number, span } from "./format.js";
import { empty, failed, loading } from "./states.js";

const SPANS = [14, 35, 90, 180];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export async function open(root, frame, path, query) {
  let days = SPANS.includes(Number(query.get("days"))) ? Number(query.get("days")) : 35;
  let until = query.get("until") ?? "";
  let chosen = path.length >= 4 ? { exchange: path[0], market_type: path[1], symbol: path[2], day: path[3] } : null;
  const filter = h("input", { type: "search", "data-search": true, placeholder: "filter symbols", "aria-label": "filter symbols", value: query.get("find") ?? "", oninput: () => draw() });
  const spans = h("div.segment", null, SPANS.map((n) => h("button", { "aria-pressed": String(n === days), onclick: (e) => { days = n; [...spans.children].forEach((b) => b.setAttribute("aria-pressed", String(b === e.target))); load(); } }, `${n} d`)));
  const back = h("button", { title: "earlier", onclick: () => { until = shifted(-days); load(); } }, "←");
  const forth = h("button", { title: "later", onclick: () => { until = shifted(days); load(); } }, "→");
  frame.tools(filter, h("span.spring"), back, forth, spans);
  const grid = h("section.card", null, loading(6));
  const detail = h("section.card.day-detail", { hidden: true });
  fill(root, grid, detail);
  let data = null;

  const shifted = (n) => new Date(Date.parse(`${data.last}T00:00:00Z`) + n * 86400e3).toISOString().slice(0, 10);

  function address() {
    const at = new URLSearchParams();
    if (days !== 35) at.set("days", days);
    if (until) at.set("until", until);
    const tail = chosen ? `/${chosen.exchange}/${chosen.market_type}/${encodeURIComponent(chosen.symbol)}/${chosen.day}` : "";
    frame.address(`/coverage${tail}${at.size ? `?${at}` : ""}`);
  }

  async function load() {
    try {
      data = await get("coverage", { days, until });
      draw();
      address();
    } catch (error) {
      fill(grid, failed(error, load));
    }
  }

  function draw() {
    if (!data) return;
    const list = Array.from({ length: days }, (_, i) => new Date(Date.parse(`${data.first}T00:00:00Z`) + i * 86400e3).toISOString().slice(0, 10));
    const bySymbol = new Map();
    for (const d of data.days) {
      const key = `${d.exchange}|${d.market_type}|${d.symbol}`;
      if (!bySymbol.has(key)) bySymbol.set(key, new Map());
      bySymbol.get(key).set(d.day, d);
    }
    const status = new Map(data.status.map((s) => [`${s.exchange}|${s.day}`, s]));
    const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const keys = [...bySymbol.keys()].filter((k) => wanted.every((w) => k.toLowerCase().includes(w)));
    if (!keys.length) {
      fill(grid, empty(data.days.length ? "No symbol of that name" : "No data in these days", data.days.length ? "Change the filter above." : "Go back in time, or collect first."));
      return;
    }
    const today = new Date().toISOString().slice(0, 10);
    fill(grid, h("header", null, h("h2", null, "Coverage"), h("span.muted", null, `${data.first} to ${data.last}, UTC days`), h("span.spring"), legend()),
      h("div.scroll", null, h("table.calendar", { id: "calendar" },
        h("thead", null, h("tr", null, h("th"), list.map((d) => h("th", { class: d.endsWith("-01") ? "month" : null, title: d }, d.endsWith("-01") ? MONTHS[Number(d.slice(5, 7)) - 1] : d.slice(8))))),
        h("tbody", null, keys.map((key) => {
          const [exchange, market_type, symbol] = key.split("|");
          return h("tr", null, h("th", { scope: "row" }, h("b", null, symbol), h("small", null, ` ${exchange} ${market_type}`)),
            list.map((day) => h("td", null, cell({ exchange, market_type, symbol, day }, bySymbol.get(key).get(day), status.get(`${exchange}|${day}`), status.get(`|${day}`), today))));
        })))));
    const wide = grid.querySelector(".scroll");
    wide.scrollLeft = wide.scrollWidth;
  }

  function cell(key, d, dayArchive, install, today) {
    const archive = d?.minutes ? dayArchive : undefined; // a day without trades of this symbol has nothing archived
    const passed = key.day === today ? Math.max(1, (Date.now() - Date.parse(`${today}T00:00:00Z`)) / 60e3) : 1440;
    const share = d ? Math.min(1, d.minutes / passed) : 0;
    const level = !d || !d.minutes ? 0 : share > 0.985 ? 4 : share > 0.75 ? 3 : share > 0.3 ? 2 : 1;
    const what = d ? `${number(d.minutes)} minutes, ${number(d.trades)} trades` : "no data";
    const holes = d?.holes ? `\n${d.holes} holes, ${span(d.hole_s * 1000)}, ${number(d.missing)} trades missing` : d?.repaired ? `\n${d.repaired} repaired holes` : "";
    const selected = chosen && Object.keys(chosen).every((k) => chosen[k] === key[k]);
    return h("button.day", { "data-level": level, "data-holes": d?.holes ? "true" : null, "data-key": `${key.exchange}.${key.market_type}.${key.symbol}.${key.day}`, "data-trades": d?.trades, "data-archive": archive?.state, "aria-pressed": String(Boolean(selected)), disabled: !d,
      title: `${key.symbol} ${key.day}\n${what}${holes}${archive ? `\n${archive.text}` : ""}${install ? `\n${install.text}` : ""}`, onclick: () => { chosen = key; draw(); address(); openDay(); } });
  }

  async function openDay() {
    detail.hidden = false;
    fill(detail, loading(4));
    try {
      const found = await get("coverage/day", chosen);
      fill(detail, dayView(chosen, found, frame));
    } catch (error) {
      fill(detail, failed(error, openDay));
    }
  }

  await load();
  if (chosen) openDay();
  return {};
}

function legend() {
  return h("span.legend", null, "minutes with trades", [0, 1, 2, 3, 4].map((l) => h("i.day", { "data-level": l })), "full",
    h("i.day", { "data-level": 3, "data-holes": "true" }), "holes", h("i.day", { "data-level": 4, "data-archive": "archived" }), "archived");
}

function dayView(key, found, frame) {
  const most = Math.max(1, ...found.minutes);
  const bars = found.minutes.map((n, m) => (n ? h("rect", { x: m, y: 48 - 46 * Math.sqrt(n / most), width: 1, height: 46 * Math.sqrt(n / most) }) : null));
  const start = Date.parse(`${key.day}T00:00:00Z`);
  const marks = found.holes.map((hole) => h("rect.hole", { "data-repaired": String(hole.repaired), x: Math.max(0, (hole.from_ms - start) / 60e3), y: 50, width: Math.max(3, (hole.to_ms - hole.from_ms) / 60e3), height: 8 }));
  const open = found.holes.filter((hole) => !hole.repaired).length;
  return [
    h("header", null, h("h2", null, `${key.symbol} · ${key.day}`), h("span.muted", null, `${key.exchange} ${key.market_type}`), h("span.spring"),
      h("span.chip", { "data-tone": open ? "bad" : "ok" }, open ? `${open} open ${open === 1 ? "hole" : "holes"}` : "no open hole"),
      h("a.button", { href: `/symbol/${key.exchange}/${key.market_type}/${encodeURIComponent(key.symbol)}?clock=time`, "data-link": true }, "Look at the symbol")),
    h("div.day-strip", null,
      h("svg", { viewBox: "0 0 1440 60", preserveAspectRatio: "none", role: "img", "aria-label": "trades by minute" }, bars, marks),
      h("div.hours.mono", null, [0, 4, 8, 12, 16, 20, 24].map((hour) => h("span", null, `${String(hour).padStart(2, "0")}:00`)))),
    found.holes.length ? h("div.scroll", null, h("table.grid-table", null, h("thead", null, h("tr", null, ["data type", "from (UTC)", "to (UTC)", "cause", "state"].map((t) => h("th", null, t)), h("th.n", null, "length"), h("th.n", null, "first missing"), h("th.n", null, "last missing"))),
      h("tbody", null, found.holes.map((hole) => h("tr", null, h("td", null, hole.of_type), h("td.mono", null, clock(hole.from_ms, true)), h("td.mono", null, clock(hole.to_ms, true)), h("td", null, hole.cause),
        h("td", null, h("span.chip", { "data-tone": hole.repaired ? "ok" : "bad" }, hole.repaired ? "repaired" : "open")), h("td.n", null, span(hole.to_ms - hole.from_ms)), h("td.n", null, hole.from_sequence), h("td.n", null, hole.to_sequence))))))
      : h("p.note.muted", null, "No gap was recorded on this day."),
    found.status.length ? h("div.scroll", null, h("table.grid-table", null, h("thead", null, h("tr", null, h("th", null, "archived type"), h("th.n", null, "rows"), h("th", null, "verified"), h("th", null, "hot"), h("th", null, "at (UTC)"))),
      h("tbody", null, found.status.map((s) => h("tr", null, h("td", null, s.data_type), h("td.n", null, number(s.records_archived)), h("td", null, s.verified ? "yes" : "no"), h("td", null, s.hot_dropped ? "dropped" : "kept"), h("td.mono", null, moment(Date.parse(`${s.archived_at.replace(" ", "T")}Z`)))))))) 
      : h("p.note.muted", null, "Not archived: the day is in the hot tables only."),
    found.files.length ? h("div.scroll", null, h("table.grid-table", null, h("thead", null, h("tr", null, h("th", null, "archive file"), h("th", null, "state"), h("th.n", null, "rows"), h("th.n", null, "missing ids"), h("th", null, "note"))),
      h("tbody", null, found.files.map((f) => h("tr", null, h("td.mono", null, f.path), h("td", null, f.state), h("td.n", null, number(f.rows)), h("td.n", null, number(f.missing_ids)), h("td", null, f.error || f.note)))))) : null,
  ];
}
