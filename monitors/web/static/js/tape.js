// The tape: newest prints first, large ones marked.

import { h, setText } from "./dom.js";
import { clock, number, short } from "./format.js";

export class Tape {
  constructor(rows = 60) {
    this.rows = Array.from({ length: rows }, () => {
      const cells = [h("span.mono"), h("span.mono"), h("span.mono")];
      return { cells, element: h("div.print", { hidden: true }, cells) };
    });
    this.note = h("span.muted");
    this.element = h("div.tape", { id: "tape" }, h("div.ladder-head", null, h("span", null, "time (UTC)"), h("span", null, "price (quote)"), h("span", null, "size (base)")),
      h("div.prints", null, this.rows.map((row) => row.element)));
  }

  draw(tape, decimals) {
    const { trades, large } = tape;
    const n = trades.sequence.length;
    this.element.dataset.sequence = trades.sequence[0] ?? "";
    setText(this.note, large ? `large from ${short(large)}` : "");
    this.rows.forEach((row, i) => {
      row.element.hidden = i >= n;
      if (i >= n) return;
      const big = large !== null && trades.quantity[i] >= large;
      const kind = `print ${trades.side[i]}${big ? " large" : ""}${trades.is_market[i] ? "" : " aside"}`;
      if (row.element.className !== kind) row.element.className = kind;
      setText(row.cells[0], clock(trades.timestamp_ms[i]));
      setText(row.cells[1], number(trades.price[i], decimals));
      setText(row.cells[2], short(trades.quantity[i]));
    });
  }
}
