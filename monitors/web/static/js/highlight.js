// SQL in colours: comments, strings, numbers, keywords, functions. Text in, elements out.

import { h } from "./dom.js";

export const KEYWORDS = new Set(`SELECT FROM WHERE GROUP BY ORDER LIMIT OFFSET HAVING WITH AS ON USING JOIN LEFT RIGHT INNER FULL OUTER CROSS ASOF ANY ALL AND OR NOT IN IS NULL LIKE ILIKE BETWEEN CASE WHEN THEN ELSE END UNION DISTINCT DESC ASC OVER PARTITION ROWS RANGE PRECEDING FOLLOWING UNBOUNDED CURRENT ROW INTERVAL SECOND MINUTE HOUR DAY WEEK MONTH YEAR CREATE TABLE VIEW MATERIALIZED ENGINE COMMENT SETTINGS CODEC DEFAULT REFRESH EVERY FORMAT EXPLAIN DESCRIBE SHOW TABLES COLUMNS DATABASES PREWHERE FINAL QUALIFY WINDOW ARRAY EXISTS TRUE FALSE GROUPING SETS ROLLUP TO`.split(" "));

const TOKEN = /(--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|('(?:[^'\\]|\\.|'')*'?)|(`[^`]*`?|"[^"]*"?)|(\b\d[\d._]*(?:e[+-]?\d+)?\b)|([A-Za-z_]\w*)(?=(\s*\()?)|([\s\S])/gi;

/** Spans for a text; `marks` are [start, end] ranges with an error. */
export function highlighted(text, mark = null) {
  const out = [];
  let plain = "";
  const flush = () => { if (plain) { out.push(plain); plain = ""; } };
  for (const found of text.matchAll(TOKEN)) {
    const [token, comment, string, name, digits, word, call] = found;
    const kind = comment ? "c" : string ? "s" : name ? "q" : digits ? "d" : word ? (KEYWORDS.has(word.toUpperCase()) ? "k" : call ? "f" : "") : "";
    const wrong = mark && found.index < mark[1] && found.index + token.length > mark[0];
    if (!kind && !wrong) { plain += token; continue; }
    flush();
    out.push(h(`span${kind ? `.t-${kind}` : ""}${wrong ? ".t-wrong" : ""}`, null, token));
  }
  flush();
  return out;
}
