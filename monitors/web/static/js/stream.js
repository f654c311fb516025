// The pushed part: one EventSource for the view that is shown, none while the tab is hidden.

import { get } from "./api.js";

const SILENT_MS = 25_000;
const HIDDEN_MS = 5_000;

/** Watch `parameters`; `on` maps kinds to functions. onState gets "connecting", "live" or "reconnecting". */
export function watch(parameters, on, onState) {
  let source = null;
  let silent = 0;
  let hidden = 0;
  let closed = false;
  const query = new URLSearchParams(parameters);

  function heard() {
    clearTimeout(silent);
    silent = setTimeout(() => { stop(); start("reconnecting"); }, SILENT_MS);
    onState("live");
  }

  function start(state) {
    if (closed || source) return;
    onState(state);
    source = new EventSource(`/api/stream?${query}`);
    for (const [kind, run] of Object.entries(on)) {
      if (kind !== "trouble") source.addEventListener(kind, (event) => { heard(); run(JSON.parse(event.data)); });
    }
    source.addEventListener("beat", heard);
    const troubles = new Map();
    for (let look = 0; look < 3; look += 1) {  // each look of the server tells its own trouble
      source.addEventListener(`trouble_${look}`, (event) => {
        heard();
        troubles.set(look, JSON.parse(event.data));
        on.trouble?.([...troubles.values()].find(Boolean) ?? null);
      });
    }
    source.onerror = () => {
      onState("reconnecting");
      if (source && source.readyState === EventSource.CLOSED) {  // refused: the browser does not try again by itself
        stop();
        get("pipeline").catch((error) => on.trouble?.({ error: error.message }));
        setTimeout(() => start("reconnecting"), 2000);
      }
    };
  }

  function stop() {
    clearTimeout(silent);
    source?.close();
    source = null;
  }

  function visibility() {
    clearTimeout(hidden);
    if (document.hidden) hidden = setTimeout(stop, HIDDEN_MS);  // a browser has six connections a host: leave them to who looks
    else start("connecting");
  }

  // A page that was left may be kept for "back", frozen and with its connections: six of them and the next page waits for 20 s.
  function left() {
    clearTimeout(hidden);
    stop();
  }

  function back(event) {
    if (event.persisted) start("connecting");
  }

  document.addEventListener("visibilitychange", visibility);
  window.addEventListener("pagehide", left);
  window.addEventListener("pageshow", back);
  start("connecting");
  return () => {
    closed = true;
    document.removeEventListener("visibilitychange", visibility);
    window.removeEventListener("pagehide", left);
    window.removeEventListener("pageshow", back);
    stop();
  };
}
