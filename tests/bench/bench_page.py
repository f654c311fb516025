"""The page in a real Chromium: first paint, bytes, frame time of a busy symbol, and what open pages cost the server.

python -m tests.bench.bench_page
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from tests.browser.chromium import Browser, installed
from tests.integration.running import Running

BUCKETS, LEVELS, VISIBLE, FRAMES = 10_000, 200, 24, 90
SYMBOL = "/symbol/binance/linear/BTCUSDT"
KEYS = [(market, symbol) for market in ("linear", "spot") for symbol in ("BTCUSDT", "ETHUSDT")]
SECONDS = 10.0


def loading(browser: Browser) -> dict[str, Any]:
    """A first visit: nothing is cached."""
    browser.driver.get_log("performance")
    browser.open(SYMBOL)
    browser.until("Number(document.querySelector('#view').dataset.footprint) > 3", within_s=60)
    drawn = browser.run("performance.now()")
    paint = browser.run("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    events = [json.loads(entry["message"])["message"] for entry in browser.driver.get_log("performance")]
    urls = {
        event["params"]["requestId"]: event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    sizes = [
        (urls.get(event["params"]["requestId"], ""), event["params"]["encodedDataLength"])
        for event in events
        if event["method"] == "Network.loadingFinished"
    ]
    static = [size for url, size in sizes if "/static/" in url or url.endswith(SYMBOL)]
    return {
        "first_contentful_paint_ms": round(paint),
        "footprint_drawn_ms": round(drawn),
        "static_bytes": round(sum(static)),
        "static_files": len(static),
        "data_bytes": round(sum(size for url, size in sizes if "/api/" in url)),
    }


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def open_pages(url: str, pages: int, pids: dict[str, int]) -> dict[str, Any]:
    """``pages`` streams of a symbol view, spread over the symbols; CPU of the servers meanwhile."""
    received = [0]

    async def page(number: int, session: aiohttp.ClientSession) -> None:
        market, symbol = KEYS[number % len(KEYS)]
        query = {"view": "symbol", "exchange": "binance", "market_type": market, "symbol": symbol}
        async with session.get(f"{url}/api/stream", params=query) as response:
            async for chunk in response.content.iter_any():
                received[0] += len(chunk)

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        tasks = [asyncio.create_task(page(number, session)) for number in range(pages)]
        await asyncio.sleep(3)
        received[0] = 0
        before = {name: cpu_s(pid) for name, pid in pids.items()}
        began = time.monotonic()
        await asyncio.sleep(SECONDS)
        elapsed = time.monotonic() - began
        used = {f"{name}_cpu": round((cpu_s(pid) - before[name]) / elapsed, 3) for name, pid in pids.items()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return {"pages": pages, **used, "kB_per_page_s": round(received[0] / elapsed / max(1, pages) / 1000, 1)}


def main() -> int:
    if installed() is None:
        print("skipped: no Chromium (apt-get install chromium chromium-driver)")
        return 0
    with tempfile.TemporaryDirectory(prefix="marketprism-bench-page-") as folder:
        run = Running(Path(folder), "--simulate", "--history-hours", "0.5")
        try:
            run.until(lambda s: sum(bool(row.get("bucket_id")) for row in s["symbols"]) == 4, timeout_s=240)
            url = f"http://127.0.0.1:{run.environment['MARKETPRISM_WEB_PORT']}"
            run.until(lambda s: s["pending"] < 500, timeout_s=120)
            browser = Browser(url, Path(folder))
            try:
                print(json.dumps({"loading": loading(browser)}), flush=True)
                script = (Path(__file__).with_name("page_frames.js")).read_text()
                browser.driver.set_script_timeout(200)
                frames = browser.driver.execute_async_script(script, BUCKETS, LEVELS, VISIBLE, FRAMES)
                print(
                    json.dumps({"buckets": BUCKETS, "levels": LEVELS, "visible": VISIBLE, "frames": frames}), flush=True
                )
            finally:
                browser.close()
            pids = {name: pid for name, pid in run.pids().items() if name in ("web", "clickhouse")}
            for pages in (0, 1, 10, 50):
                print(json.dumps(asyncio.run(open_pages(url, pages, pids))), flush=True)
        finally:
            run.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
