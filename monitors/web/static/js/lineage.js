// The lineage as a picture: sources left, the feature marked, readers right; columns by longest path.

import { h } from "./dom.js";
import { empty } from "./states.js";

const W = 208;
const H = 28;
const GAP_X = 42;
const GAP_Y = 9;

export function lineagePicture(feature, go, catalogue) {
  const nodes = new Set([feature.name, ...feature.edges.flat()]);
  if (nodes.size < 2) return empty("No lineage", "It reads raw rows only, and nothing reads it.");
  const rank = new Map();
  const depth = (name, seen = new Set()) => {
    if (rank.has(name)) return rank.get(name);
    if (seen.has(name)) return 0;
    seen.add(name);
    const above = feature.edges.filter(([, to]) => to === name).map(([from]) => depth(from, seen) + 1);
    rank.set(name, Math.max(0, ...above));
    return rank.get(name);
  };
  nodes.forEach((name) => depth(name));
  const columns = [];
  for (const name of nodes) (columns[rank.get(name)] ??= []).push(name);
  const place = new Map();
  const tallest = Math.max(...columns.map((c) => c.length));
  columns.forEach((names, x) => names.sort().forEach((name, y) => place.set(name, [x * (W + GAP_X) + 4, 6 + (y + (tallest - names.length) / 2) * (H + GAP_Y)])));
  const width = columns.length * (W + GAP_X) - GAP_X + 8;
  const height = tallest * (H + GAP_Y) + 8;
  const known = new Set(catalogue.map((f) => f.name));
  const short = (name) => name.replace("marketprism_features.", "").replace("marketprism_", "");
  const box = h("div.scroll.lineage", null, h("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `lineage of ${feature.name}` },
    feature.edges.map(([from, to]) => {
      const [ax, ay] = place.get(from);
      const [bx, by] = place.get(to);
      const near = from === feature.name || to === feature.name;
      return h(near ? "path.edge.near" : "path.edge", { d: `M${ax + W} ${ay + H / 2}C${ax + W + GAP_X / 2} ${ay + H / 2} ${bx - GAP_X / 2} ${by + H / 2} ${bx} ${by + H / 2}` });
    }),
    [...place].map(([name, [x, y]]) => {
      const kind = name === feature.name ? "here" : name.includes("_hot.") || name.includes("_cold.") ? "raw" : "node";
      const text = short(name);
      return h(`g.${kind}`, { tabindex: known.has(name) ? "0" : null, onclick: known.has(name) ? () => go(name) : null, onkeydown: (e) => { if (e.key === "Enter" && known.has(name)) go(name); } },
        h("title", { svg: true }, name), h("rect", { x, y, width: W, height: H, rx: 6 }), h("text", { x: x + 10, y: y + H / 2 + 4 }, text.length > 30 ? `${text.slice(0, 29)}…` : text));
    })));
  // a long lineage begins far to the left: what was opened is what is seen first
  requestAnimationFrame(() => { box.scrollLeft = Math.max(0, place.get(feature.name)[0] + W + 24 - box.clientWidth); });
  return box;
}
