// Elements without markup strings: text is always text, so nothing that was stored can become a script.

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "g", "path", "rect", "line", "text", "circle", "title", "defs", "marker", "polygon", "polyline"]);

/** h("div.card", {title: "x", onclick: f}, child, "text") */
export function h(tag, props, ...children) {
  const [name, ...classes] = tag.split(".");
  const svg = SVG_TAGS.has(name) && name !== "title" || name === "title" && props?.svg;
  const element = svg ? document.createElementNS(SVG, name) : document.createElement(name || "div");
  if (classes.length) element.setAttribute("class", classes.join(" "));
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false || key === "svg") continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "style") for (const [n, v] of Object.entries(value)) element.style.setProperty(n, v);
    else if (key in element && !svg && typeof value !== "string") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** Replace everything inside. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/** Set text only when it changed: a page that stands still costs nothing. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const $ = (selector, root = document) => root.querySelector(selector);

/** Call at most once a frame. */
export function onFrame(run) {
  let asked = 0;
  return () => {
    if (!asked) asked = requestAnimationFrame(() => { asked = 0; run(); });
  };
}

/** Call after `ms` of quiet. */
export function quiet(run, ms) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...given), ms);
  };
}

export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
