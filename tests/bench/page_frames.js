// Runs inside the page: 10 000 buckets and 200 price levels live; resolves to draw times and frame intervals, ms.
// arguments: buckets, levels, visible bars, frames, done
const [buckets, levels, visible, frames, done] = arguments;
(async () => {
  const { SymbolPanels } = await import("/static/js/symbol_panels.js");
  const { Bars } = await import("/static/js/bars.js");
  const host = document.createElement("div");
  host.style.cssText = "position:fixed;inset:0;z-index:99;display:grid;grid-template-rows:5fr 1.4fr 1.4fr 1.6fr;background:var(--surface)";
  document.body.append(host);
  const hosts = Object.fromEntries(["price", "volume", "impact", "delta"].map((name) => {
    const place = document.createElement("div");
    place.style.cssText = "min-height:0;overflow:hidden";
    host.append(place);
    return [name, place];
  }));
  const model = { clock: "bucket", bars: new Bars("minute"), buckets: new Bars("bucket_id"), foot: { rows: new Map(), profiles: new Map(), height: 1 }, events: [], decimals: 1 };
  const price = (i) => 50_000 + 400 * Math.sin(i / 90) + 60 * Math.sin(i / 7);
  const columns = { bucket_id: [], start_ms: [], end_ms: [], open: [], high: [], low: [], close: [], volume: [], delta: [], trades: [], cut_trigger: [], vpin: [], kyle_lambda_ols: [], kyle_r2: [], poc_px: [], quality: [], cvd: [], spread_bps: [] };
  for (let i = 0; i < buckets; i += 1) {
    const row = { bucket_id: 20261121000001 + i, start_ms: 1.79e12 + i * 3e4, end_ms: 1.79e12 + i * 3e4 + 29_000, open: price(i), close: price(i + 1), high: price(i) + 100, low: price(i) - 100, volume: 20 + 10 * Math.sin(i), delta: 5 * Math.sin(i * 3), trades: 100, cut_trigger: i % 9 ? "volume" : "time", vpin: 0.2 + 0.2 * Math.sin(i / 50), kyle_lambda_ols: 3 + Math.sin(i / 20), kyle_r2: 0.4, poc_px: price(i), quality: "ok", cvd: 100 * Math.sin(i / 100), spread_bps: 0.1 + 0.05 * Math.sin(i / 11) };
    for (const name of Object.keys(columns)) columns[name].push(row[name]);
  }
  model.buckets.merge(columns);
  for (let i = buckets - visible - 2; i < buckets; i += 1) {
    const rows = { px: [], bid: [], ask: [], most: 12 };
    for (let level = 0; level < levels; level += 1) { rows.px.push(price(i) - 100 + level); rows.bid.push(6 * Math.abs(Math.sin(i + level))); rows.ask.push(6 * Math.abs(Math.cos(i * level))); }
    model.foot.rows.set(20261121000001 + i, rows);
    model.foot.profiles.set(20261121000001 + i, { poc: price(i), low: price(i) - 50, high: price(i) + 50 });
  }
  const panels = new SymbolPanels(model, hosts, {});
  panels.place();
  panels.panels.range(buckets - visible, buckets, { silent: true });
  const measure = async (step) => {
    const draws = [];
    const gaps = [];
    let before = 0;
    for (let frame = 0; frame < frames; frame += 1) {
      const now = await new Promise(requestAnimationFrame);
      if (before) gaps.push(now - before);
      before = now;
      const began = performance.now();
      step(frame);
      panels.panels.draw();
      draws.push(performance.now() - began);
    }
    const at = (values, share) => [...values].sort((a, b) => a - b)[Math.floor(values.length * share)];
    return { draw_p50_ms: at(draws, 0.5), draw_p95_ms: at(draws, 0.95), frame_p50_ms: at(gaps, 0.5), frame_p95_ms: at(gaps, 0.95) };
  };
  const live = await measure((frame) => {
    if (frame % 6) return;  // ten updates a second; the server pushes two to four
    const rows = model.foot.rows.get(20261121000000 + buckets);
    rows.ask[frame % levels] += 1;
    model.buckets.put({ bucket_id: [20261121000000 + buckets], volume: [20 + frame % 10], close: [price(buckets) + frame % 5] }, 0);
    panels.place();
  });
  const pan = await measure((frame) => { const x = buckets - visible - (frame % 60); panels.panels.min = x; panels.panels.max = x + visible; });
  panels.panels.min = 0;
  panels.panels.max = buckets;
  const whole = await measure(() => panels.place());
  panels.panels.destroy();
  host.remove();
  done({ live, pan, whole });
})().catch((error) => done({ error: String(error) }));
