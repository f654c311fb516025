// uPlot in our clothes: theme, one shared x range and crosshair for a column of panels, wheel and drag.

import { css, onFrame } from "./dom.js";

export const AXIS_W = 68;

/** An axis in the colours of the theme. */
export function axis(options = {}) {
  return {
    stroke: () => css("--muted"), font: "11px ui-monospace, Menlo, Consolas, monospace", size: AXIS_W, gap: 6,
    grid: { stroke: () => css("--grid"), width: 1 }, ticks: { show: false }, border: { show: false }, ...options,
  };
}

/** Panels that share x. `domain()` gives [first, last] x of the data; `onRange(min, max)` hears of every move. */
export class Panels {
  constructor({ domain, onRange, onCursor }) {
    this.charts = [];
    this.domain = domain;
    this.onRange = onRange;
    this.onCursor = onCursor;
    this.min = 0;
    this.max = 1;
    this.sync = uPlot.sync(`panels-${Math.random()}`);
    this.apply = onFrame(() => this.draw());
    this.drawMs = [];
  }

  /** Make a panel in `host`; `xAxis` only on the lowest. */
  add(host, { series, axes, scales, hooks = {}, data, padding = [8, 10, 0, 0] }) {
    const chart = new uPlot({
      width: Math.max(100, host.clientWidth), height: Math.max(40, host.clientHeight), padding, legend: { show: false },
      cursor: { sync: { key: this.sync.key, setSeries: false, scales: ["x", null] }, drag: { x: false, y: false }, points: { show: false }, x: true, y: true },
      scales: { x: { time: false, range: () => [this.min, this.max] }, ...scales }, series, axes,
      hooks: { ...hooks, setCursor: [(u) => { if (u.cursor.event || u.cursor.left < 0) this.onCursor?.(u.cursor.left < 0 ? null : u.posToVal(u.cursor.left, "x")); }, ...(hooks.setCursor ?? [])] },
    }, data, host);
    this.charts.push(chart);
    this.wire(chart.over);
    new ResizeObserver(() => chart.setSize({ width: host.clientWidth, height: host.clientHeight })).observe(host);
    return chart;
  }

  /** Show [min, max], kept near the data. */
  range(min, max, { silent = false } = {}) {
    const [first, last] = this.domain();
    const width = Math.max(max - min, 1e-9);
    const margin = width * 0.6;
    if (min < first - margin) { min = first - margin; max = min + width; }
    if (max > last + margin) { max = last + margin; min = max - width; }
    this.min = min;
    this.max = max;
    this.apply();
    if (!silent) this.onRange?.(min, max);
  }

  zoom(factor, at = this.max) {
    const [first, last] = this.domain();
    const width = Math.min(Math.max((this.max - this.min) * factor, this.narrowest ?? 4), Math.max(last - first, 8) * 1.3);
    const share = (at - this.min) / (this.max - this.min);
    this.range(at - width * share, at + width * (1 - share));
  }

  pan(share) {
    const step = (this.max - this.min) * share;
    this.range(this.min + step, this.max + step);
  }

  draw() {
    const began = performance.now();
    for (const chart of this.charts) chart.batch(() => { chart.setScale("x", { min: this.min, max: this.max }); chart.redraw(true, true); });
    this.drawMs.push(performance.now() - began);
    if (this.drawMs.length > 600) this.drawMs.shift();
  }

  /** Wheel zooms at the pointer, drag pans, two fingers zoom. */
  wire(over) {
    const pointers = new Map();
    const at = (event) => this.min + (this.max - this.min) * ((event.clientX - over.getBoundingClientRect().left) / over.clientWidth);
    over.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.pan(event.deltaX / over.clientWidth);
      else this.zoom(Math.exp(event.deltaY * 0.0016), at(event));
    }, { passive: false });
    over.style.touchAction = "pan-y";
    over.style.cursor = "crosshair";
    over.addEventListener("pointerdown", (event) => { over.setPointerCapture(event.pointerId); pointers.set(event.pointerId, event.clientX); });
    over.addEventListener("pointermove", (event) => {
      if (!pointers.has(event.pointerId)) return;
      const before = pointers.get(event.pointerId);
      if (pointers.size === 2) {
        const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
        const was = Math.abs(before - other) || 1;
        const is = Math.abs(event.clientX - other) || 1;
        if (Math.abs(was - is) > 1) this.zoom(was / is, (this.min + this.max) / 2);
      } else {
        const step = (this.max - this.min) * ((before - event.clientX) / over.clientWidth);
        this.range(this.min + step, this.max + step);
      }
      pointers.set(event.pointerId, event.clientX);
    });
    for (const end of ["pointerup", "pointercancel"]) over.addEventListener(end, (event) => pointers.delete(event.pointerId));
  }

  destroy() {
    for (const chart of this.charts) chart.destroy();
    this.charts = [];
  }
}

/** Clip to the plot, draw, restore; device pixels. */
export function inPlot(u, draw) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  draw(ctx, bbox);
  ctx.restore();
}

const VPIN_STOPS = [0.08, 0.18, 0.28, 0.38, 0.5];

/** The colour of a VPIN, from calm blue to red; grey when the window is not full. */
export function vpinColour(vpin, colours) {
  if (vpin === null || vpin === undefined) return colours.faint;
  let i = 0;
  while (i < VPIN_STOPS.length - 1 && vpin > VPIN_STOPS[i]) i += 1;
  return colours.v[i];
}

/** The colours of the theme, read once per change of it. */
export function palette() {
  const name = (n) => css(`--${n}`);
  return {
    buy: name("buy"), sell: name("sell"), text: name("text"), muted: name("muted"), faint: name("faint"), grid: name("grid"),
    line: name("line"), accent: name("accent"), warn: name("warn"), bad: name("bad"), ok: name("ok"), violet: name("violet"),
    surface: name("surface"), raised: name("raised"), v: [0, 1, 2, 3, 4].map((i) => name(`v${i}`)),
  };
}
