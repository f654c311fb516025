// Loaded bars of a symbol, by id, oldest first: columns that grow at both ends.

export class Bars {
  constructor(key) {
    this.key = key;
    this.columns = {};
    this.length = 0;
    this.shift = 0;
  }

  get id() { return this.columns[this.key] ?? []; }
  get last() { return this.id[this.length - 1] ?? 0; }
  get first() { return this.id[0] ?? 0; }

  /** Take columns, oldest first: bars that are known are replaced, older go before, newer after. */
  merge(columns) {
    const ids = columns[this.key] ?? [];
    if (!ids.length) return;
    if (!this.length) {
      for (const name of Object.keys(columns)) this.columns[name] = [...columns[name]];
      this.length = ids.length;
      return;
    }
    const before = [];
    for (let i = 0; i < ids.length; i += 1) {
      if (ids[i] < this.first) before.push(i);
      else this.put(columns, i);
    }
    if (before.length) {
      for (const name of Object.keys(this.columns)) {
        this.columns[name] = [...before.map((i) => columns[name]?.[i] ?? null), ...this.columns[name]];
      }
      this.length += before.length;
      this.shift += before.length;
    }
  }

  /** One bar out of columns, at or after the first. */
  put(columns, i) {
    const id = columns[this.key][i];
    let at = this.length - 1;
    while (at >= 0 && this.id[at] > id) at -= 1;
    const known = this.id[at] === id;
    for (const name of new Set([...Object.keys(this.columns), ...Object.keys(columns)])) {
      this.columns[name] ??= new Array(this.length).fill(null);
      const value = columns[name]?.[i] ?? null;
      if (known) this.columns[name][at] = value ?? (name in columns ? value : this.columns[name][at]);
      else this.columns[name].splice(at + 1, 0, value);
    }
    if (!known) this.length += 1;
  }

  /** Index range whose left edge lies in [min, max] of `left`, one wider at both ends. */
  static visible(left, min, max) {
    let a = lowerBound(left, min) - 1;
    let b = lowerBound(left, max);
    a = Math.max(0, a);
    b = Math.min(left.length - 1, b);
    return [a, b];
  }
}

export function lowerBound(sorted, value) {
  let a = 0;
  let b = sorted.length;
  while (a < b) {
    const middle = (a + b) >> 1;
    if (sorted[middle] < value) a = middle + 1;
    else b = middle;
  }
  return a;
}
