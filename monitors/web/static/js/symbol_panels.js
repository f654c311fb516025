// The four panels of a symbol on one time or bucket axis, and the lane of events below the price.

import { Bars } from "./bars.js";
import { AXIS_W, Panels, axis, inPlot, palette, vpinColour } from "./chart.js";
import { h } from "./dom.js";
import { drawBars } from "./footprint.js";
import { bucketNumber, clock, day, number, short } from "./format.js";

const LANE_PX = 15;
const RIGHT = 52;
/** Every plot ends where the panel with a second axis ends, or the crosshair would lie. */
const PAD = [8, RIGHT, 7, 0];
const TRIGGERS = { volume: "V", count: "C", event: "E", time: "T", day: "D", "": "·" };

export class SymbolPanels {
  /** `model`: {clock, bars, buckets, foot, events, decimals}; see symbol.js. */
  constructor(model, hosts, { onRange, onCursor }) {
    this.model = model;
    this.colours = palette();
    this.panels = new Panels({ domain: () => this.domain(), onRange, onCursor });
    const xAxis = (show) => axis({ size: show ? 30 : 0, splits: (u) => this.xSplits(u), values: (u, splits) => splits.map((x) => this.xText(x)), space: 90, show });
    const yRange = (values) => () => this.yRange(values);
    this.price = this.panels.add(hosts.price, {
      data: [[0], [0]], padding: [8, RIGHT, LANE_PX, 0], series: [{}, { paths: () => null, points: { show: false } }],
      axes: [xAxis(false), axis({ values: (u, s) => s.map((v) => number(v, model.decimals)) })], scales: { y: { range: () => this.priceRange() } },
      hooks: { draw: [(u) => this.drawPrice(u)] },
    });
    this.volume = this.panels.add(hosts.volume, {
      data: [[0], [0]], padding: PAD, series: [{}, { paths: () => null, points: { show: false } }],
      axes: [xAxis(false), axis({ values: (u, s) => s.map((v) => short(v)), space: 26 })], scales: { y: { range: yRange(["volume"]) } }, hooks: { draw: [(u) => this.drawVolume(u)] },
    });
    const line = (stroke, scale) => ({ scale, stroke: () => this.colours[stroke], width: 1.5, spanGaps: false, points: { show: (u, s, from, to) => to - from < 25, size: 4 } });
    this.impact = this.panels.add(hosts.impact, {
      data: [[0], [null], [null]], series: [{}, line("violet", "y"), line("accent", "s")],
      axes: [xAxis(false), axis({ values: (u, s) => s.map((v) => short(v)), space: 26 }),
        axis({ side: 1, scale: "s", size: RIGHT, grid: { show: false }, values: (u, s) => s.map((v) => short(v)), space: 26 })],
      scales: { y: { range: yRange(["kyle_lambda_ols"]) }, s: { range: yRange(["spread_bps"]) } }, padding: [8, 0, 7, 0],
    });
    this.delta = this.panels.add(hosts.delta, {
      data: [[0], [null]], padding: [8, RIGHT, 0, 0], series: [{}, { ...line("ok", "y"), fill: () => `${this.colours.ok}1c` }],
      axes: [xAxis(true), axis({ values: (u, s) => s.map((v) => short(v)), space: 26 })], scales: { y: { range: yRange(["cvd"]) } },
    });
  }

  get bucketClock() { return this.model.clock === "bucket"; }

  /** Recompute the x of every bar after the model changed. */
  place() {
    const { bars, buckets } = this.model;
    const byBucket = this.bucketClock;
    const ordinals = Array.from({ length: buckets.length }, (_, i) => i - buckets.shift);
    const b = buckets.columns;
    this.b = {
      ...b, id: buckets.id, left: byBucket ? ordinals : (b.start_ms ?? []).map((ms) => ms / 1000),
      width: byBucket ? ordinals.map(() => 1) : (b.start_ms ?? []).map((ms, i) => Math.max(0.2, (b.end_ms[i] - ms) / 1000)),
      poc: b.poc_px,
    };
    const m = bars.columns;
    this.bars = byBucket ? this.b : { ...m, id: bars.id, left: bars.id, width: bars.id.map(() => 60), poc: null };
    const x = this.b.left.map((left, i) => left + this.b.width[i] / 2);
    this.middles = x;
    const at = (name) => b[name] ?? x.map(() => null);
    this.price.setData([x, at("close")], false);
    this.volume.setData([x, at("volume")], false);
    this.impact.setData([x, at("kyle_lambda_ols"), at("spread_bps")], false);
    this.delta.setData([x, at("cvd")], false);
    this.panels.narrowest = byBucket ? 4 : 180;
  }

  domain() {
    const bars = this.bars;
    const n = bars?.left?.length ?? 0;
    if (!n) return [0, 1];
    return [Math.min(bars.left[0], this.b.left[0] ?? Infinity), Math.max(bars.left[n - 1] + bars.width[n - 1], (this.b.left.at(-1) ?? 0) + (this.b.width.at(-1) ?? 0))];
  }

  visible(bars = this.bars) { return Bars.visible(bars.left, this.panels.min, this.panels.max); }

  priceRange() {
    const bars = this.bars;
    if (!bars?.left?.length) return [0, 1];
    const [from, to] = this.visible();
    let low = Infinity;
    let high = -Infinity;
    for (let i = from; i <= to; i += 1) {
      if (bars.left[i] + bars.width[i] < this.panels.min || bars.left[i] > this.panels.max) continue;
      if (bars.low[i] < low) low = bars.low[i];
      if (bars.high[i] > high) high = bars.high[i];
    }
    if (!(high >= low)) return [0, 1];
    const room = (high - low || high * 1e-4) * 0.06;
    return [low - room, high + Math.max(room, this.model.foot.rows.size ? this.model.foot.height * 1.2 : 0)];
  }

  yRange(names) {
    let low = Infinity;
    let high = -Infinity;
    if (this.b?.left?.length) {
      const [from, to] = this.visible(this.b);
      for (const name of names) {
        const values = this.b[name] ?? [];
        for (let i = from; i <= to; i += 1) {
          const v = values[i];
          if (v === null || v === undefined) continue;
          if (v < low) low = v;
          if (v > high) high = v;
        }
      }
    }
    if (!(high >= low)) return [0, 1];
    if (names[0] === "volume") return [0, high * 1.18 || 1];
    const room = (high - low || Math.abs(high) * 0.1 || 1) * 0.12;
    return [low - room, high + room];
  }

  /** Ticks: round clock times, or bucket numbers. */
  xSplits(u) {
    const { min, max } = this.panels;
    const wanted = Math.max(2, Math.floor(u.width / 110));
    const steps = this.bucketClock ? [1, 2, 5, 10, 20, 50, 100, 200, 500] : [60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
    const step = steps.find((s) => (max - min) / s <= wanted) ?? steps.at(-1) * Math.ceil((max - min) / steps.at(-1) / wanted);
    const found = [];
    for (let x = Math.ceil(min / step) * step; x <= max; x += step) found.push(x);
    return found;
  }

  xText(x) {
    if (!this.bucketClock) return x % 86400 === 0 ? day(x * 1000).slice(5) : clock(x * 1000).slice(0, 5);
    const i = x + this.model.buckets.shift;
    const id = this.b?.id?.[i];
    return id === undefined ? "" : `#${bucketNumber(id)} ${clock(this.b.start_ms[i]).slice(0, 5)}`;
  }

  drawPrice(u) {
    if (this.bars?.left?.length) {
      const [from, to] = this.visible();
      drawBars(u, this.bars, from, to, this.model.foot, this.colours);
    }
    this.drawLane(u);
  }

  drawVolume(u) {
    const b = this.b;
    if (!b?.left?.length) return;
    const ratio = devicePixelRatio;
    const [from, to] = this.visible(b);
    inPlot(u, (ctx) => {
      ctx.font = `${9 * ratio}px ui-monospace, Menlo, monospace`;
      ctx.textAlign = "center";
      for (let i = from; i <= to; i += 1) {
        const left = u.valToPos(b.left[i], "x", true);
        const wide = Math.max(ratio, u.valToPos(b.left[i] + b.width[i], "x", true) - left);
        const top = u.valToPos(b.volume[i] ?? 0, "y", true);
        const bottom = u.valToPos(0, "y", true);
        const open = !b.quality?.[i];
        ctx.fillStyle = vpinColour(b.vpin?.[i], this.colours);
        ctx.globalAlpha = open ? 0.45 : 1;
        ctx.fillRect(left + Math.min(ratio, wide * 0.08), top, Math.max(ratio, wide - Math.min(2 * ratio, wide * 0.16)), bottom - top);
        ctx.globalAlpha = 1;
        if (wide > 9 * ratio) {
          ctx.fillStyle = b.cut_trigger?.[i] === "time" ? this.colours.warn : this.colours.muted;
          ctx.fillText(open ? "…" : TRIGGERS[b.cut_trigger?.[i] ?? ""] ?? "?", left + wide / 2, top - 3 * ratio);
        } else if (b.cut_trigger?.[i] === "time") {
          ctx.fillStyle = this.colours.warn;
          ctx.fillRect(left, top - 2 * ratio, Math.max(ratio, wide * 0.8), ratio);
        }
      }
    });
  }

  /** The lane below the price: gaps, rebuilds, alerts where they were. */
  drawLane(u) {
    const { ctx, bbox } = u;
    const ratio = devicePixelRatio;
    const y = bbox.top + bbox.height + 3 * ratio;
    const tall = (LANE_PX - 5) * ratio;
    ctx.save();
    ctx.fillStyle = this.colours.grid;
    ctx.fillRect(bbox.left, y, bbox.width, tall);
    ctx.beginPath();
    ctx.rect(bbox.left, y, bbox.width, tall);
    ctx.clip();
    const tone = { gap: "bad", repaired: "ok", rebuild: "violet", alert: "warn" };
    for (const event of this.model.events) {
      const a = u.valToPos(this.xOf(event.from_ms), "x", true);
      const b = u.valToPos(this.xOf(event.to_ms), "x", true);
      if (b < bbox.left || a > bbox.left + bbox.width) continue;
      ctx.fillStyle = this.colours[tone[event.kind]];
      ctx.globalAlpha = event.kind === "rebuild" ? 0.5 : 0.9;
      ctx.fillRect(a, y + (event.kind === "rebuild" ? tall * 0.7 : 0), Math.max(3 * ratio, b - a), event.kind === "rebuild" ? tall * 0.3 : tall);
    }
    ctx.globalAlpha = 1;
    ctx.fillStyle = this.colours.faint;
    ctx.font = `${9 * ratio}px ui-monospace, Menlo, monospace`;
    ctx.restore();
    ctx.save();
    ctx.fillStyle = this.colours.faint;
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    ctx.font = `${10 * ratio}px ui-monospace, Menlo, monospace`;
    ctx.fillText("events", bbox.left - 8 * ratio, y + tall / 2);
    ctx.restore();
  }

  /** Where a moment lies on the axis. */
  xOf(ms) {
    if (!this.bucketClock) return ms / 1000;
    const starts = this.b.start_ms ?? [];
    let a = 0;
    let b = starts.length;
    while (a < b) { const m = (a + b) >> 1; if (starts[m] <= ms) a = m + 1; else b = m; }
    const i = Math.max(0, a - 1);
    const length = Math.max(1, (this.b.end_ms?.[i] ?? 0) - (starts[i] ?? 0));
    return (this.b.left[i] ?? 0) + Math.min(1, Math.max(0, (ms - (starts[i] ?? 0)) / length));
  }

  /** The bucket under x. */
  bucketAt(x) {
    const [from, to] = Bars.visible(this.b?.left ?? [], x, x);
    for (let i = to; i >= from; i -= 1) if (this.b.left[i] !== undefined && this.b.left[i] <= x) return i;
    return -1;
  }

  /** The height in pixels of `price` quote units on the price panel. */
  pixels(price) {
    const range = this.priceRange();
    return price / (range[1] - range[0]) * (this.price.bbox.height / devicePixelRatio);
  }

  barPixels() {
    const width = this.price.bbox.width / devicePixelRatio;
    return (this.bucketClock ? 1 : 60) / (this.panels.max - this.panels.min) * width;
  }

  retheme() {
    this.colours = palette();
    for (const chart of this.panels.charts) chart.redraw();
  }
}

/** A panel's frame: title with units on the left, readout on the right, the plot below. */
export function panelFrame(id, title, unit) {
  const readout = h("span.readout.mono");
  const plot = h("div.plot", { id: `plot-${id}` });
  const element = h(`section.panel.panel-${id}`, null, h("header", null, h("b", null, title), h("small", null, unit), h("span.spring"), readout), plot);
  element.style.setProperty("--axis", `${AXIS_W}px`);
  return { element, plot, readout };
}
