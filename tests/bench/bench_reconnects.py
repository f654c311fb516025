"""Forced reconnects of a whole collector: tasks, objects and resident memory before and after, and nothing lost.

``main()`` gives the counts after 20 reconnects and their growth over 180 more.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import tempfile
from pathlib import Path

from prometheus_client import CollectorRegistry

from collector.metrics import CollectorMetrics
from collector.service import CollectorService
from marketprism.settings import CollectorSettings, NatsSettings
from tests.integration.test_collector_delivery import Nats, published, until
from tests.unit.collector.fake_exchange import FakeExchange
from tests.unit.storage.rig import free_port

WARM_UP, RECONNECTS = 20, 200
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


async def reconnect(exchange: FakeExchange, service: CollectorService) -> None:
    """Cut every socket; back are a trade and a depth update of every symbol."""
    await exchange.cut()
    async with asyncio.timeout(20):
        await exchange.subscribed.wait()
    for symbol in exchange.symbols:
        await exchange.depth(symbol)
        await exchange.trade(symbol)
    wanted = sum(map(len, exchange.trades.values()))
    await until(lambda: published(service) == wanted)


def _settled(service: CollectorService) -> bool:
    """Nothing is under way that a reconnect began, such as the snapshot of a book."""
    return all(task.done() for session in service.sessions for task in session._busy.values())


async def _fewest_tasks(before: float | None) -> int:
    """What happens to be under way ends, what a reconnect left behind stays.

    A connection that does not answer its own closing is given up after ten seconds: tasks that are more than ``before``
    have twice as long. The first count is the fewest of one second.
    """
    clock = asyncio.get_running_loop().time
    until_s = clock() + (1 if before is None else 20)
    fewest = len(asyncio.all_tasks())
    while clock() < until_s and (before is None or fewest > before):
        await asyncio.sleep(0.05)
        fewest = min(fewest, len(asyncio.all_tasks()))
    return fewest


async def measure(folder: Path, warm_up: int, reconnects: int) -> dict[str, float]:
    """Figures after ``warm_up`` reconnects, and how they grew until ``reconnects``."""
    broker = Nats(folder, free_port())
    broker.start()
    try:
        async with FakeExchange(SYMBOLS) as exchange:
            settings = CollectorSettings(
                _env_file=None,
                venues=["binance.spot"],
                patience=0.0005,
                book_snapshot_levels=100,  # of a weight that so many reconnects may ask for in a minute
                **exchange.settings(),
            )
            nats_settings = NatsSettings(_env_file=None, url=broker.url, stream_max_bytes=8 << 20)
            service = CollectorService(settings, nats_settings, CollectorMetrics(CollectorRegistry()))
            work = asyncio.create_task(service.run())
            async with asyncio.timeout(20):
                await exchange.subscribed.wait()
            figures: dict[str, float] = {}
            for number in range(1, reconnects + 1):
                await reconnect(exchange, service)
                if number in (warm_up, reconnects):
                    await until(lambda: _settled(service))
                    tasks = await _fewest_tasks(figures.get("tasks"))
                    gc.collect()
                    found = {
                        "tasks": float(tasks),
                        "objects": float(len(gc.get_objects())),
                        "resident_mb": _resident_mb(),
                    }
                    grown = {f"{name}_growth": value - figures[name] for name, value in found.items() if figures}
                    figures |= grown or found
            work.cancel()
            await asyncio.wait([work])
            return figures
    finally:
        broker.kill()


def main() -> dict[str, float]:
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="bench-reconnects-") as folder:
        return asyncio.run(measure(Path(folder), WARM_UP, RECONNECTS))


if __name__ == "__main__":
    print(json.dumps({name: round(value, 1) for name, value in main().items()}, indent=1))
