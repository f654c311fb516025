// The symbol view: loads and merges bars, follows the stream, keeps the address, and hands the drawing to its parts.

import { get } from "./api.js";
import { Bars } from "./bars.js";
import { fill, h, onFrame, quiet, setText } from "./dom.js";
import { byBar, CELL_PX } from "./footprint.js";
import { absent, bucketNumber, clock, decimalsOf, moment, number, short, span } from "./format.js";
import { Ladder } from "./ladder.js";
import { empty, failed, loading } from "./states.js";
import { Stats } from "./stats.js";
import { watch } from "./stream.js";
import { SymbolPanels, panelFrame } from "./symbol_panels.js";
import { picker } from "./picker.js";
import { Tape } from "./tape.js";

const STALE_MS = 5_000;
const FIRST = 300;
const ROW_PX = 13;
const DAY_MS = 86_400_000;

export async function open(root, frame, path, query) {
  fill(root, h("section.card", null, loading(9)));
  const symbols = await get("symbols");
  if (!symbols.length) {
    fill(root, h("section.card", null, empty("No symbol has traded yet", "Symbols appear here with their first stored trade.", h("button", { onclick: () => frame.go("/symbol") }, "Look again"))));
    return {};
  }
  if (path.length < 3) {
    const first = symbols[0];
    frame.go(`/symbol/${first.exchange}/${first.market_type}/${encodeURIComponent(first.symbol)}${location.search}`, { replace: true });
    return {};
  }
  return new SymbolView(root, frame, { exchange: path[0], market_type: path[1], symbol: path[2] }, symbols, query);
}

class SymbolView {
  constructor(root, frame, key, symbols, query) {
    this.root = root;
    this.frame = frame;
    this.keyOf = key;
    this.closed = false;
    this.follow = !query.has("to");
    this.wanted = query.has("from") ? [Number(query.get("from")), Number(query.get("to"))] : null;
    this.model = {
      clock: query.get("clock") === "time" ? "time" : "bucket", bars: new Bars("minute"), buckets: new Bars("bucket_id"),
      foot: { rows: new Map(), profiles: new Map(), height: 1 }, events: [], decimals: 0,
    };
    this.tick = 0;
    this.footKey = "";
    frame.title(key.symbol);
    this.build(symbols);
    this.redraw = onFrame(() => { if (!this.closed) { this.panels.place(); this.panels.panels.apply(); } });
    this.askFootprint = quiet(() => this.loadFootprint(), 140);
    this.saveAddress = quiet(() => this.address(), 300);
    this.onTheme = () => this.panels?.retheme();
    window.addEventListener("themechange", this.onTheme);
    this.start();
  }

  build(symbols) {
    const { frame, keyOf } = this;
    this.clockSwitch = h("div.segment", { role: "group", "aria-label": "clock" }, ["bucket", "time"].map((name) => h("button", { "data-clock": name, onclick: () => this.setClock(name), title: `${name} clock (c)` }, name)));
    this.newest = h("button.quiet", { onclick: () => this.toNewest(), title: "newest (End)" }, "→ now");
    frame.tools(picker(symbols, keyOf, frame), h("span.spring"), this.newest, this.clockSwitch);
    this.stats = new Stats();
    this.frames = {
      price: panelFrame("price", "Footprint", "bid × ask volume by price, base units · ▭ point of control · [ value area"),
      volume: panelFrame("volume", "Buckets", "volume, base units · colour: VPIN · V volume T time C count E event D day"),
      impact: panelFrame("impact", "Kyle λ · spread", "λ quote/base (violet, left) · spread bps (blue, right)"),
      delta: panelFrame("delta", "Cumulative delta", "base units since 00:00 UTC"),
    };
    this.frames.volume.element.querySelector("header").insertBefore(h("span.scale", { title: "VPIN: below 0.08 … above 0.38" }, "0", h("i"), "0.5"), this.frames.volume.readout);
    this.ladder = new Ladder();
    this.tape = new Tape();
    this.book = h("section.card.book", null, h("header", null, h("h2", null, "Book"), h("span.spring"), this.bookAge = h("span.muted.mono")), this.ladder.element);
    this.prints = h("section.card.tape-card", null, h("header", null, h("h2", null, "Tape"), h("span.spring"), this.tape.note), this.tape.element);
    this.charts = h("section.card.charts", null, Object.values(this.frames).map((f) => f.element));
    this.cover = h("div.cover", null, loading(8));
    this.charts.append(this.cover);
    fill(this.root, this.stats.element, h("div.symbol-grid", null, this.charts, h("div.side", null, this.book, this.prints)));
    this.panels = new SymbolPanels(this.model, Object.fromEntries(Object.entries(this.frames).map(([n, f]) => [n, f.plot])), {
      onRange: () => this.moved(), onCursor: (x) => this.readout(x),
    });
    this.resize = new ResizeObserver(() => { this.ladder.fit(this.ladder.element.clientHeight); this.ladder.draw(this.lastBook, this.model.decimals); });
    this.resize.observe(this.ladder.element);
  }

  async start() {
    this.pressClock();
    this.stop = watch({ view: "symbol", ...this.keyOf }, {
      book: (b) => this.onBook(b), tape: (t) => this.onTape(t), latest: (l) => this.stats.draw(l, this.model.decimals), buckets: (b) => this.onBuckets(b), filling: (b) => this.onFilling(b), health: (s) => this.onHealth(s),
      trouble: (t) => { this.trouble = t?.error ?? ""; this.frame.banner(this.trouble); },
    }, (state) => { this.connection = state; this.badge(); });
    this.timer = setInterval(() => { this.badge(); if (this.model.clock === "time" && this.follow) this.loadMinutes(); }, 1000);
    try {
      await this.load();
      this.cover.remove();
    } catch (error) {
      fill(this.cover, failed(error, () => { fill(this.cover, loading(8)); this.load().then(() => this.cover.remove(), (e) => fill(this.cover, failed(e))); }));
    }
  }

  /** Bars for the first picture, and its range. */
  async load() {
    const { model } = this;
    const before = this.wanted && model.clock === "bucket" ? this.wanted[1] + 40 : 0;
    const buckets = await get("buckets", { ...this.keyOf, last: FIRST, before });
    if (this.closed) return;
    model.buckets.merge(buckets);
    if (!model.buckets.length) {
      fill(this.cover, empty("No closed bucket yet", "Buckets close by volume or after their time limit; the first ones are on their way."));
      this.charts.append(this.cover);
    }
    if (model.clock === "time") await this.loadMinutes(true);
    this.panels.place();
    const columns = model.buckets.columns;
    if (!this.tick && columns.close) model.decimals = Math.min(8, decimalsOf(columns.close.slice(-50)));
    if (this.wanted) {
      const [from, to] = this.wanted;
      const x = (id) => (model.clock === "time" ? id : (model.buckets.id.indexOf(id) - model.buckets.shift));
      this.panels.panels.range(x(from), x(to) + 1, { silent: true });
      this.wanted = null;
    } else this.toNewest(true);
    this.moved(true);
    this.loadEvents();
  }

  /** The newest minutes, or as many as a first picture needs; whoever asks while they load waits for the same. */
  loadMinutes(whole = false) {
    this.loadingMinutes ??= this.fetchMinutes(whole).finally(() => { this.loadingMinutes = null; });
    return this.loadingMinutes;
  }

  async fetchMinutes(whole) {
    const { bars } = this.model;
    const known = bars.length && !whole;
    try {
      const range = known ? { last: 3 } : this.wanted ? { from_s: this.wanted[0] - 7200, to_s: this.wanted[1] + 3600 } : { last: 600 };
      const found = await get("minutes", { ...this.keyOf, ...range });
      if (!this.closed) { bars.merge(found); if (known) { this.redraw(); this.keepUp(); } }
    } catch (error) {
      this.frame.banner(error.message);
    }
  }

  async loadOlder() {
    const { model } = this;
    if (this.loadingOlder || this.oldest) return;
    this.loadingOlder = true;
    try {
      const count = model.buckets.length;
      model.buckets.merge(await get("buckets", { ...this.keyOf, last: FIRST, before: model.buckets.first }));
      let grown = model.buckets.length > count;
      if (model.clock === "time" && model.bars.length) {
        const minutes = model.bars.length;
        model.bars.merge(await get("minutes", { ...this.keyOf, from_s: model.bars.first - 600 * 60, to_s: model.bars.first - 60 }));
        grown ||= model.bars.length > minutes;
      }
      this.oldest = !grown;
      this.redraw();
      this.loadEvents();
    } catch (error) {
      this.frame.banner(error.message);
    } finally {
      this.loadingOlder = false;
    }
  }

  async loadEvents() {
    const b = this.model.buckets.columns;
    if (!b.start_ms?.length) return;
    try {
      this.model.events = await get("events", { ...this.keyOf, from_ms: b.start_ms[0], to_ms: Date.now() > b.end_ms.at(-1) + DAY_MS ? b.end_ms.at(-1) : Date.now() });
      this.redraw();
    } catch (error) {
      this.frame.banner(error.message);
    }
  }

  /** Cells of the bars that are shown, in rows that can be read; of the newest bars only, when the rest is there. */
  async loadFootprint(newestOnly = false) {
    const { model, panels } = this;
    const bars = panels.bars;
    if (!bars?.left?.length || this.closed) return;
    if (panels.barPixels() < CELL_PX) { model.foot.rows = new Map(); this.footKey = ""; this.redraw(); return; }
    const [from, to] = panels.visible();
    const range = panels.priceRange();
    const tick = this.tick || 10 ** -model.decimals;
    const raw = (range[1] - range[0]) * ROW_PX / Math.max(60, panels.price.bbox.height / devicePixelRatio) / tick;
    const power = 10 ** Math.floor(Math.log10(Math.max(raw, 1)));
    let step = Math.max(1, [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw) ?? power);
    if (newestOnly && this.footStep) step = this.footStep;
    const wide = Math.max(4, Math.ceil((to - from) / 2));
    const [first, last] = newestOnly ? [bars.id[Math.max(0, bars.id.length - 3)], bars.id.at(-1) + 3600] : [bars.id[Math.max(0, from - wide)], bars.id[Math.min(bars.id.length - 1, to + wide)]];
    const key = `${model.clock}/${step}/${first}/${last}`;
    if (!newestOnly && key === this.footKey) return;
    try {
      const found = await get("footprint", { ...this.keyOf, clock: model.clock, first, last, step });
      if (this.closed || model.clock !== key.split("/")[0]) return;
      if (!this.tick && found.tick_size) { this.tick = found.tick_size; this.written(decimalsOf([found.tick_size])); }
      const rows = byBar(found.cells);
      const profiles = new Map(found.profiles.bar.map((id, i) => [id, { poc: found.profiles.poc_px[i], low: found.profiles.value_area_low[i], high: found.profiles.value_area_high[i] }]));
      if (newestOnly && this.footStep === step) {
        for (const [id, cells] of rows) model.foot.rows.set(id, cells);
        for (const [id, profile] of profiles) model.foot.profiles.set(id, profile);
      } else if (!newestOnly) {
        model.foot.rows = rows;
        model.foot.profiles = profiles;
        model.foot.height = step * found.tick_size;
        this.footStep = step;
        this.footKey = key;
      }
      this.root.dataset.footprint = String(model.foot.rows.size);
      this.redraw();
    } catch (error) {
      this.frame.banner(error.message);
    }
  }

  moved(first = false) {
    const { panels } = this;
    const [start, end] = panels.domain();
    const { min, max } = panels.panels;
    this.follow = max >= end - (panels.bucketClock ? 0.5 : 30);
    this.newest.hidden = this.follow;
    if (min < start + (max - min) * 0.3) this.loadOlder();
    this.askFootprint();
    if (!first) this.saveAddress();
  }

  /** What the address says: the clock always, the range when it does not follow. */
  address() {
    if (this.closed) return;
    const query = new URLSearchParams();
    if (this.model.clock === "time") query.set("clock", "time");
    if (!this.follow && this.panels.bars.id.length) {
      const { min, max } = this.panels.panels;
      const [from, to] = this.panels.visible();
      if (this.model.clock === "time") { query.set("from", Math.round(min)); query.set("to", Math.round(max)); }
      else { query.set("from", this.panels.bars.id[Math.min(from + 1, to)]); query.set("to", this.panels.bars.id[Math.max(to - 1, from)]); }
    }
    this.frame.address(`${location.pathname}${query.size ? `?${query}` : ""}`);
  }

  toNewest(first = false) {
    const [, end] = this.panels.domain();
    const unit = this.panels.bucketClock ? 1 : 60;
    const plot = this.panels.price.bbox.width / devicePixelRatio || 900;
    const width = first || !this.follow ? unit * Math.max(5, Math.round(plot / 82)) : this.panels.panels.max - this.panels.panels.min;
    this.follow = true;
    this.panels.panels.range(end - width + unit * 0.6, end + unit * 0.6, { silent: first });
  }

  keepUp() {
    if (!this.follow) return;
    const [, end] = this.panels.domain();
    const { min, max } = this.panels.panels;
    const unit = this.panels.bucketClock ? 1 : 60;
    this.panels.panels.range(end - (max - min) + unit * 0.6, end + unit * 0.6, { silent: true });
  }

  setClock(name) {
    if (name === this.model.clock) return;
    const [a, b] = [this.panels.panels.min, this.panels.panels.max];
    const times = !this.follow && this.spanOf(a, b);
    this.model.clock = name;
    this.model.foot = { rows: new Map(), profiles: new Map(), height: 1 };
    this.footKey = "";
    this.pressClock();
    const done = () => {
      this.panels.place();
      if (times) this.panels.panels.range(this.panels.xOf(times[0]), this.panels.xOf(times[1]));
      else this.toNewest(true);
      this.moved();
      this.redraw();
    };
    if (name === "time" && !this.model.bars.length) this.loadMinutes(true).then(done);
    else done();
  }

  /** The moments at both ends of what is shown. */
  spanOf(min, max) {
    if (this.model.clock === "time") return [min * 1000, max * 1000];
    const [from, to] = this.panels.visible();
    const { start_ms, end_ms } = this.model.buckets.columns;
    return [start_ms[from], end_ms[to]];
  }

  pressClock() {
    for (const button of this.clockSwitch.children) button.setAttribute("aria-pressed", String(button.dataset.clock === this.model.clock));
    setText(this.frames.price.element.querySelector("header b"), this.model.clock === "time" ? "Footprint · 1 min" : "Footprint · bucket");
  }

  onBook(book) {
    this.lastBook = book;
    if (book) {
      const decimals = decimalsOf([...book.bid_prices.slice(0, 10), ...book.ask_prices.slice(0, 10)]);
      if (!this.tick && decimals > this.model.decimals) this.written(decimals);
      this.bookMs = book.timestamp_ms;
    }
    this.ladder.draw(book, this.model.decimals);
    this.badge();
  }

  onTape(tape) {
    this.tape.draw(tape, this.model.decimals);
    this.tradeMs = tape.trades.timestamp_ms[0] ?? 0;
  }

  /** Prices are written with as many decimals as the tick has; what was written with fewer is written again. */
  written(decimals) {
    this.model.decimals = decimals;
    this.stats.draw(this.stats.latest, decimals);
  }

  onBuckets(columns) {
    const { buckets } = this.model;
    if (!buckets.length) { if (columns.bucket_id.length && !this.cover.isConnected) this.load(); return; }
    if (columns.bucket_id[0] > buckets.last) get("buckets", { ...this.keyOf, last: FIRST }).then((c) => { buckets.merge(c); this.redraw(); });
    else buckets.merge(columns);
    this.redraw();
    this.keepUp();
    this.loadEvents();
  }

  /** The bucket that is filling is the last bar; its cells are read with those of the bar before. */
  onFilling(bucket) {
    const { buckets } = this.model;
    if (bucket && buckets.length && bucket.bucket_id >= buckets.last) {
      const row = Object.fromEntries(Object.entries({ ...bucket, quality: "", cut_trigger: "" }).map(([k, v]) => [k, [v]]));
      buckets.put(row, 0);
      this.redraw();
      this.keepUp();
    }
    if (this.follow && !document.hidden) this.loadFootprint(Boolean(this.footStep));
  }

  onHealth(health) {
    this.health = health;
    this.badge();
  }

  /** Live, stale, recorded, reconnecting: one word in the corner, and why in the banner. */
  badge() {
    const { frame, connection } = this;
    if (!connection || connection !== "live") { frame.live(connection ?? "connecting", connection ?? "connecting"); return; }
    const newest = Math.max(this.bookMs ?? 0, this.tradeMs ?? 0);
    const age = Math.max(0, Date.now() - newest);
    setText(this.bookAge, newest ? (age > DAY_MS ? moment(newest) : `${span(age)} old`) : "");
    const down = Object.entries(this.health?.services ?? {}).filter(([, s]) => !s.up).map(([name]) => name);
    if (!newest) frame.live("connecting", "waiting for data");
    else if (age > DAY_MS) frame.live("recorded", `recorded ${moment(newest).slice(0, 10)}`);
    else if (age > STALE_MS || down.length) frame.live("stale", age > 1000 ? `stale ${span(age)}` : "stale");
    else frame.live("live", "live");
    this.root.classList.toggle("is-stale", age > STALE_MS && age < DAY_MS);
    if (!this.trouble) frame.banner(age < DAY_MS && down.length ? `${down.join(" and ")} does not answer: values stand still until it is back` : age < DAY_MS ? (this.health?.problems ?? []).join(" · ") : "");
  }

  /** What is under the crosshair, in the head of each panel. */
  readout(x) {
    const { frames } = this;
    const i = x === null ? -1 : this.panels.bucketAt(x);
    const b = this.panels.b;
    if (i < 0) { for (const f of Object.values(frames)) setText(f.readout, ""); return; }
    const d = this.model.decimals;
    setText(frames.price.readout, `#${bucketNumber(b.id[i])} ${clock(b.start_ms[i])}–${clock(b.end_ms[i])}  O ${number(b.open[i], d)} H ${number(b.high[i], d)} L ${number(b.low[i], d)} C ${number(b.close[i], d)}  POC ${number(b.poc_px?.[i], d)}`);
    setText(frames.volume.readout, `vol ${short(b.volume[i])}  Δ ${short(b.delta?.[i])}  n ${b.trades?.[i] ?? "–"}  VPIN ${absent(b.vpin?.[i]) ? "–" : b.vpin[i].toFixed(4)}  ${b.cut_trigger?.[i] || "open"}`);
    setText(frames.impact.readout, `λ ${short(b.kyle_lambda_ols?.[i])}  R² ${absent(b.kyle_r2?.[i]) ? "–" : b.kyle_r2[i].toFixed(2)}  spread ${absent(b.spread_bps?.[i]) ? "–" : b.spread_bps[i].toFixed(3)} bps`);
    setText(frames.delta.readout, `CVD ${short(b.cvd?.[i], 4)}`);
    const at = this.model.clock === "time" ? x * 1000 : (b.start_ms[i] + (x - b.left[i]) * (b.end_ms[i] - b.start_ms[i]));
    const near = this.model.events.find((e) => this.panels.xOf(e.from_ms) - 0.5 <= x && x <= this.panels.xOf(e.to_ms) + 0.5 && e.kind !== "rebuild");
    if (near && !Number.isNaN(at)) setText(frames.delta.readout, `${near.kind}: ${near.text}`);
  }

  key(event) {
    const { panels } = this.panels;
    const moves = { ArrowLeft: () => panels.pan(-0.2), ArrowRight: () => panels.pan(0.2), "+": () => panels.zoom(0.7), "=": () => panels.zoom(0.7), "-": () => panels.zoom(1.4), End: () => this.toNewest(), Home: () => { const [first] = this.panels.domain(); panels.range(first, first + panels.max - panels.min); }, c: () => this.setClock(this.model.clock === "time" ? "bucket" : "time") };
    if (moves[event.key]) { event.preventDefault(); moves[event.key](); }
  }

  close() {
    this.closed = true;
    this.stop?.();
    clearInterval(this.timer);
    this.resize.disconnect();
    window.removeEventListener("themechange", this.onTheme);
    this.panels.panels.destroy();
  }
}
