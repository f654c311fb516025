// Bars on the price panel: candles while they are narrow, footprint cells when there is room for them.

import { inPlot } from "./chart.js";

export const CELL_PX = 9;
const NUMBERS_PX = 64;

/** Groups columns bar, px, bid, ask, trades by bar. */
export function byBar(cells) {
  const bars = new Map();
  for (let i = 0; i < cells.bar.length; i += 1) {
    let rows = bars.get(cells.bar[i]);
    if (!rows) bars.set(cells.bar[i], rows = { px: [], bid: [], ask: [], most: 0 });
    rows.px.push(cells.px[i]);
    rows.bid.push(cells.bid[i]);
    rows.ask.push(cells.ask[i]);
    rows.most = Math.max(rows.most, cells.bid[i] + cells.ask[i]);
  }
  return bars;
}

/** Draw bars [from, to] of `bars` on the price panel. `foot`: {rows: Map, profiles: Map, height: price of a row}. */
export function drawBars(u, bars, from, to, foot, colours) {
  const ratio = devicePixelRatio;
  const width = Math.abs(u.valToPos(bars.left[from] + bars.width[from], "x", true) - u.valToPos(bars.left[from], "x", true));
  inPlot(u, (ctx) => {
    const cells = width >= CELL_PX * ratio && foot.rows.size > 0;
    for (let i = from; i <= to; i += 1) {
      const left = u.valToPos(bars.left[i], "x", true);
      const wide = u.valToPos(bars.left[i] + bars.width[i], "x", true) - left;
      const rows = cells ? foot.rows.get(bars.id[i]) : null;
      if (rows) footprint(u, ctx, left, wide, rows, foot, bars, i, colours, ratio);
      else candle(u, ctx, left, wide, bars, i, colours, ratio);
    }
  });
}

/** A volume in at most four characters: .07, 4.8, 12, 1.2k. */
function cellText(value) {
  if (value === 0) return "0";
  if (value < 0.995) return value < 0.005 ? "~0" : value.toFixed(2).slice(1);
  if (value < 9.95) return value.toFixed(1);
  if (value < 999.5) return value.toFixed(0);
  if (value < 999_500) return `${(value / 1e3).toFixed(value < 9950 ? 1 : 0)}k`;
  return `${(value / 1e6).toFixed(value < 9.95e6 ? 1 : 0)}M`;
}

function candle(u, ctx, left, wide, bars, i, colours, ratio) {
  const middle = left + wide / 2;
  const body = Math.max(ratio, Math.min(wide * 0.7, 14 * ratio));
  const up = bars.close[i] >= bars.open[i];
  const top = u.valToPos(Math.max(bars.open[i], bars.close[i]), "y", true);
  const bottom = u.valToPos(Math.min(bars.open[i], bars.close[i]), "y", true);
  ctx.fillStyle = up ? colours.buy : colours.sell;
  const high = u.valToPos(bars.high[i], "y", true);
  ctx.fillRect(middle - ratio / 2, high, ratio, u.valToPos(bars.low[i], "y", true) - high);
  ctx.fillRect(middle - body / 2, top, body, Math.max(ratio, bottom - top));
  if (wide > 3 * ratio && bars.poc?.[i]) {
    ctx.fillStyle = colours.warn;
    ctx.fillRect(left + wide * 0.1, u.valToPos(bars.poc[i], "y", true) - ratio / 2, wide * 0.8, ratio);
  }
}

function footprint(u, ctx, left, wide, rows, foot, bars, i, colours, ratio) {
  const gap = Math.min(8 * ratio, wide * 0.1);
  const inner = wide - gap - 5 * ratio;
  const start = left + gap / 2 + 5 * ratio;
  const tall = Math.abs(u.valToPos(0, "y", true) - u.valToPos(foot.height, "y", true));
  const profile = foot.profiles.get(bars.id[i]);
  const numbers = inner > NUMBERS_PX * ratio && tall >= 9.5 * ratio;
  let poc = -1;
  rows.px.forEach((px, k) => { if (profile && profile.poc >= px && profile.poc < px + foot.height * 0.9999) poc = k; });
  ctx.textBaseline = "middle";
  ctx.font = `${Math.min(11, Math.max(9, tall / ratio - 3)) * ratio}px ui-monospace, Menlo, Consolas, monospace`;
  for (let k = 0; k < rows.px.length; k += 1) {
    const total = rows.bid[k] + rows.ask[k];
    const delta = rows.ask[k] - rows.bid[k];
    const y = u.valToPos(rows.px[k] + foot.height, "y", true);
    const strength = Math.min(1, Math.abs(delta) / (rows.most || 1) * 1.15 + 0.04);
    ctx.globalAlpha = 0.10 + 0.62 * strength;
    ctx.fillStyle = delta >= 0 ? colours.buy : colours.sell;
    ctx.fillRect(start, y, inner, Math.max(1, tall - (tall > 5 * ratio ? ratio : 0)));
    ctx.globalAlpha = 1;
    if (!numbers) {
      ctx.fillStyle = colours.text;
      ctx.globalAlpha = 0.30;
      ctx.fillRect(start, y + tall * 0.3, inner * (total / (rows.most || 1)), Math.max(1, tall * 0.3));
      ctx.globalAlpha = 1;
    } else {
      ctx.fillStyle = colours.text;
      ctx.textAlign = "right";
      ctx.fillText(cellText(rows.bid[k]), start + inner / 2 - 5 * ratio, y + tall / 2);
      ctx.textAlign = "left";
      ctx.fillText(cellText(rows.ask[k]), start + inner / 2 + 5 * ratio, y + tall / 2);
    }
    if (k === poc) {
      ctx.strokeStyle = colours.warn;
      ctx.lineWidth = 1.5 * ratio;
      ctx.strokeRect(start, y + ratio / 2, inner, Math.max(2 * ratio, tall - 2 * ratio));
    }
  }
  spine(u, ctx, left + gap / 2 + 1.5 * ratio, bars, i, profile, colours, ratio);
}

/** Left of the cells: open to close as a body, and the value area as a bracket. */
function spine(u, ctx, x, bars, i, profile, colours, ratio) {
  const high = u.valToPos(bars.high[i], "y", true);
  ctx.fillStyle = bars.close[i] >= bars.open[i] ? colours.buy : colours.sell;
  ctx.fillRect(x - ratio / 2, high, ratio, u.valToPos(bars.low[i], "y", true) - high);
  const top = u.valToPos(Math.max(bars.open[i], bars.close[i]), "y", true);
  ctx.fillRect(x - 1.5 * ratio, top, 3 * ratio, Math.max(ratio, u.valToPos(Math.min(bars.open[i], bars.close[i]), "y", true) - top));
  if (!profile) return;
  const a = u.valToPos(profile.high, "y", true);
  const b = u.valToPos(profile.low, "y", true);
  ctx.strokeStyle = colours.warn;
  ctx.globalAlpha = 0.8;
  ctx.lineWidth = ratio;
  ctx.beginPath();
  ctx.moveTo(x + 4 * ratio, a);
  ctx.lineTo(x - 3.5 * ratio, a);
  ctx.lineTo(x - 3.5 * ratio, b);
  ctx.lineTo(x + 4 * ratio, b);
  ctx.stroke();
  ctx.globalAlpha = 1;
}
