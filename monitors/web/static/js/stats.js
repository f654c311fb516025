// The strip of newest values above the charts.

import { h, setText } from "./dom.js";
import { absent, bucketNumber, number, short } from "./format.js";

const LABELS = [["mid", "mid (quote)"], ["spread", "spread (bps)"], ["imbalance", "top imbalance"], ["vpin", "VPIN"], ["lambda", "Kyle λ (quote/base)"],
  ["r2", "R²"], ["poc", "POC (quote)"], ["bucket", "bucket"], ["quality", "quality"]];

export class Stats {
  constructor() {
    this.values = Object.fromEntries(LABELS.map(([id]) => [id, h("b.mono", { id: `stat-${id}` }, "–")]));
    this.element = h("section.strip", { "aria-label": "newest values" }, LABELS.map(([id, label]) => h(`div.stat.stat-${id}`, null, h("span", null, label), this.values[id])));
    this.latest = null;
  }

  draw(latest, decimals) {
    this.latest = latest;
    const set = (id, text) => setText(this.values[id], text);
    const fixed = (value, digits) => (absent(value) ? "–" : value.toFixed(digits));
    set("mid", number(latest?.mid_price, decimals + 1));
    set("spread", fixed(latest?.spread_bps, 4));
    set("imbalance", fixed(latest?.tob_imbalance, 3));
    set("vpin", fixed(latest?.vpin, 4));
    set("lambda", short(latest?.kyle_lambda_ols, 4));
    set("r2", fixed(latest?.kyle_r2, 3));
    set("poc", number(latest?.poc_px, decimals));
    set("bucket", latest ? `#${bucketNumber(latest.bucket_id)} ${latest.cut_trigger}` : "–");
    set("quality", latest?.quality ?? "–");
    this.values.quality.dataset.tone = latest?.quality === "ok" ? "ok" : "warn";
    this.values.vpin.dataset.bucket = latest?.bucket_id ?? "";
  }
}
