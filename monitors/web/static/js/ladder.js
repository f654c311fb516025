// The order book as a ladder: asks above, bids below, depth as bars; only what changed is touched.

import { fill, h, setText } from "./dom.js";
import { number, short } from "./format.js";
import { empty } from "./states.js";

export class Ladder {
  constructor(levels = 14) {
    this.levels = levels;
    this.asks = this.side("ask");
    this.bids = this.side("bid");
    this.spread = h("div.ladder-mid", null);
    this.body = h("div.ladder", { id: "ladder" }, h("div.ladder-head", null, h("span", null, "price (quote)"), h("span", null, "size (base)"), h("span", null, "sum")),
      this.asks.map((row) => row.element), this.spread, this.bids.map((row) => row.element));
    this.element = h("div.ladder-box", null, this.body);
    this.shown = true;
  }

  side(name) {
    return Array.from({ length: this.levels }, () => {
      const price = h("span.mono");
      const size = h("span.mono");
      const sum = h("span.mono");
      const depth = h("i");
      return { price, size, sum, depth, element: h(`div.level.${name}`, null, depth, price, size, sum), width: "" };
    });
  }

  /** Rows that fit the place. */
  fit(height) {
    const rows = Math.max(3, Math.floor((height - 58) / 2 / 18));
    this.asks.forEach((row, i) => { row.element.hidden = i < this.levels - rows; });
    this.bids.forEach((row, i) => { row.element.hidden = i >= rows; });
    this.rows = Math.min(rows, this.levels);
  }

  draw(book, decimals) {
    if (!book) {
      if (this.shown) fill(this.element, empty("No book", "No order book of this symbol has been stored."));
      this.shown = false;
      return;
    }
    if (!this.shown) { fill(this.element, this.body); this.shown = true; }
    this.body.dataset.update = book.last_update_id;
    const rows = this.rows ?? this.levels;
    const total = (side) => side.slice(0, rows).reduce((a, b) => a + b, 0);
    const most = Math.max(total(book.ask_quantities), total(book.bid_quantities), 1e-12);
    this.fillSide(this.asks, book.ask_prices, book.ask_quantities, most, decimals, true);
    this.fillSide(this.bids, book.bid_prices, book.bid_quantities, most, decimals, false);
    const [ask, bid] = [book.ask_prices[0], book.bid_prices[0]];
    if (ask === undefined || bid === undefined) { setText(this.spread, "one-sided book"); return; }
    const mid = (ask + bid) / 2;
    setText(this.spread, `${number(mid, decimals + 1)}   spread ${number(ask - bid, decimals)} · ${((ask - bid) / mid * 1e4).toFixed(3)} bps`);
  }

  fillSide(rows, prices, quantities, most, decimals, up) {
    let sum = 0;
    for (let level = 0; level < this.levels; level += 1) {
      const row = rows[up ? this.levels - 1 - level : level];
      const here = level < prices.length;
      sum += here ? quantities[level] : 0;
      setText(row.price, here ? number(prices[level], decimals) : "");
      setText(row.size, here ? short(quantities[level]) : "");
      setText(row.sum, here ? short(sum) : "");
      const width = here ? `${Math.min(100, 100 * sum / most).toFixed(1)}%` : "0";
      if (row.width !== width) { row.depth.style.width = width; row.width = width; }
    }
  }
}
