// Numbers and times as people read them. Times are UTC everywhere.

const NONE = "–";
const cache = new Map();

function fixed(digits) {
  if (!cache.has(digits)) {
    cache.set(digits, new Intl.NumberFormat("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  }
  return cache.get(digits);
}

export const absent = (value) => value === null || value === undefined || Number.isNaN(value);

/** With thousands and `digits` decimals. */
export function number(value, digits = 0) {
  return absent(value) ? NONE : fixed(digits).format(value);
}

/** Three or so significant digits, whatever the size: 0.00461, 12.3, 1.24 k, 3.1 M. */
export function short(value, significant = 3) {
  if (absent(value)) return NONE;
  const size = Math.abs(value);
  if (size === 0) return "0";
  for (const [limit, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (size >= limit) {
      const scaled = value / (unit === "k" ? 1e3 : limit);
      return `${Number(scaled.toPrecision(significant))} ${unit}`;
    }
  }
  if (size < 1e-4) return value.toExponential(significant - 1).replace("e-", "e−");
  const digits = Math.max(0, Math.min(8, significant - 1 - Math.floor(Math.log10(size))));
  return fixed(digits).format(value);
}

/** Decimals that the numbers are written with, at most 8. */
export function decimalsOf(values) {
  let most = 0;
  for (const value of values) {
    const text = String(value);
    const mantissa = text.includes("e-") ? Number(text.split("e-")[1]) : (text.split(".")[1] ?? "").length;
    if (mantissa > most) most = mantissa;
  }
  return Math.min(most, 8);
}

const two = (n) => String(n).padStart(2, "0");

export function clock(ms, withMs = false) {
  const t = new Date(ms);
  const text = `${two(t.getUTCHours())}:${two(t.getUTCMinutes())}:${two(t.getUTCSeconds())}`;
  return withMs ? `${text}.${String(t.getUTCMilliseconds()).padStart(3, "0")}` : text;
}

export const day = (ms) => new Date(ms).toISOString().slice(0, 10);
export const moment = (ms) => (ms ? `${day(ms)} ${clock(ms)}` : NONE);

/** A length of time: 320 ms, 4.2 s, 3 min, 2 h, 5 d. */
export function span(ms) {
  if (absent(ms)) return NONE;
  const size = Math.abs(ms);
  if (size < 1000) return `${Math.round(ms)} ms`;
  if (size < 60e3) return `${(ms / 1000).toFixed(size < 10e3 ? 1 : 0)} s`;
  if (size < 3600e3) return `${Math.round(ms / 60e3)} min`;
  if (size < 48 * 3600e3) return `${(ms / 3600e3).toFixed(size < 10 * 3600e3 ? 1 : 0)} h`;
  return `${Math.round(ms / 86400e3)} d`;
}

/** Rows a second. */
export const rate = (value) => (absent(value) ? NONE : value === 0 ? "0/s" : value < 0.1 ? `${(value * 60).toFixed(1)}/min` : `${short(value)}/s`);

/** n of a bucket id YYYYMMDD·10⁶ + n. */
export const bucketNumber = (id) => id % 1_000_000;
