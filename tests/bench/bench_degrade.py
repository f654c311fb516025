"""Seconds from a stall to the fallback row and from recovery to the bucket row, over 20 runs: at most 10 s each.

python -m tests.bench.bench_degrade

Ten symbols stall and come back twice each, out of step, on an embedded ClickHouse over HTTP with the health check of
the monitors as it runs (a look every 2 s). Only the threshold is shorter: a symbol is stale after 5 s, not 300 s. Times
run from the instant the threshold is crossed (newest close + 5 s; the tenth bucket since recovery began) until a reader
of ``serving_features`` sees the other form.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from prometheus_client import CollectorRegistry

from marketprism.clickhouse import connect, connect_async
from marketprism.migrate import migrate
from marketprism.settings import ClickHouseSettings
from monitors.rounds import Round, RoundMetrics
from monitors.serving.checker import HealthCheck
from monitors.serving.gauges import ServingGauges
from monitors.serving.machine import Limits
from tests.integration.embedded_process import EmbeddedServer
from tests.sql.rows import assign_buckets, trade, trades_table

SYMBOLS: Final = [f"STALL{number}USDT" for number in range(10)]
ROUNDS: Final = 2
LIMITS: Final = Limits(stale_s=5.0)
FEED_S: Final = 0.5
LIMIT_S: Final = 10.0


class Symbol:
    """Feeds one symbol a bucket every 0.5 s, except while it stalls; keeps when each bucket was stored."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows: list[dict[str, Any]] = []
        self.stored_s: list[float] = []
        self.feeding = True

    def next_row(self) -> pa.Table:
        """One trade of one unit of now: it closes its bucket."""
        now = time.time()
        self.rows.append(trade(len(self.rows) + 1, int(now * 1000), "100", "1", "buy"))
        row = {**assign_buckets(self.rows[-1:], Decimal(1))[0], "received_at": int(now * 1e6)}
        row["bucket_id"] += len(self.rows) - 1
        return trades_table([row], self.name)


async def feed_all(settings: ClickHouseSettings, symbols: list[Symbol]) -> None:
    """One insert for all that do not stall."""
    async with await connect_async(settings) as client:
        while True:
            began = time.time()
            fed = [symbol for symbol in symbols if symbol.feeding]
            if fed:
                rows = pa.concat_tables([symbol.next_row() for symbol in fed])
                await client.insert_arrow("marketprism_hot.trades", rows)
                for symbol in fed:
                    symbol.stored_s.append(time.time())
            await asyncio.sleep(max(0.0, FEED_S - (time.time() - began)))


class Reader:
    """A reader of serving_features: what each symbol is served by, asked again at once."""

    def __init__(self) -> None:
        self.served: dict[str, str] = {}
        self.looked = asyncio.Condition()

    async def run(self, settings: ClickHouseSettings) -> None:
        async with await connect_async(settings) as client:
            while True:
                answer = await client.query("SELECT symbol, served FROM marketprism_features.serving_features")
                async with self.looked:
                    self.served = dict(answer.result_rows)
                    self.looked.notify_all()
                await asyncio.sleep(0.05)

    async def until(self, name: str, form: str, within_s: float = 60) -> float:
        """When it was seen."""
        async with asyncio.timeout(within_s), self.looked:
            await self.looked.wait_for(lambda: self.served.get(name) == form)
        return time.time()


async def _since(client: Any, symbol: str, state: str) -> float:
    """When the newest transition to ``state`` was written."""
    answer = await client.query(
        "SELECT toFloat64(max(created_at)) FROM marketprism_features.serving_transitions "
        f"WHERE symbol = '{symbol}' AND state = '{state}'"
    )
    return float(answer.result_rows[0][0])


async def until_minutes(client: Any) -> None:
    """A symbol that is younger than the newest minute has nothing to fall back on."""
    query = "SELECT uniqExact(symbol) FROM marketprism_features.latest_minutes"
    async with asyncio.timeout(180):
        while int((await client.query(query)).result_rows[0][0]) < len(SYMBOLS):
            await asyncio.sleep(0.5)


async def run_symbol(
    client: Any, reader: Reader, symbol: Symbol, offset_s: float, row: list[float], down: list[float], back: list[float]
) -> None:
    await reader.until(symbol.name, "bucket", within_s=180)
    await asyncio.sleep(offset_s)
    await reader.until(symbol.name, "bucket")
    for _ in range(ROUNDS):
        symbol.feeding = False
        await asyncio.sleep(2 * FEED_S)  # an insert may be under way
        crossed = symbol.rows[-1]["timestamp"] / 1000 + LIMITS.stale_s
        down.append(await reader.until(symbol.name, "minute") - crossed)
        row.append(await _since(client, symbol.name, "degraded") - crossed)
        symbol.feeding = True
        shown = await reader.until(symbol.name, "bucket")
        began = await _since(client, symbol.name, "recovering")
        closes = zip(symbol.rows, symbol.stored_s, strict=False)
        fresh = [stored for one, stored in closes if one["timestamp"] / 1000 > began]
        back.append(shown - fresh[LIMITS.buckets - 1])


async def measure(settings: ClickHouseSettings) -> tuple[list[float], list[float], list[float]]:
    registry, stop = CollectorRegistry(), asyncio.Event()
    check = Round(
        "health check", 2.0, HealthCheck(LIMITS, ServingGauges(registry)), settings, RoundMetrics(registry), 10.0
    )
    symbols = [Symbol(name) for name in SYMBOLS]
    client = await connect_async(settings)
    reader = Reader()
    checking = asyncio.create_task(check.run(stop))
    background = [asyncio.create_task(feed_all(settings, symbols)), asyncio.create_task(reader.run(settings))]
    row: list[float] = []
    down: list[float] = []
    back: list[float] = []
    try:
        await until_minutes(client)
        await asyncio.gather(
            *(run_symbol(client, reader, symbol, 0.7 * i, row, down, back) for i, symbol in enumerate(symbols)),
        )
    finally:
        stop.set()
        for task in background:
            task.cancel()
        await asyncio.gather(checking, *background, return_exceptions=True)
        await client.close()
    return row, down, back


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="marketprism-bench-") as folder:
        server = EmbeddedServer(Path(folder)).start()
        settings = ClickHouseSettings(url=server.url)
        try:
            client = connect(settings)
            migrate(client)
            client.close()
            row, down, back = asyncio.run(measure(settings))
        finally:
            server.stop()
    for name, values in (
        ("stall to transition", row),
        ("stall to fallback row", down),
        ("recovery to bucket row", back),
    ):
        ordered = sorted(values)
        print(
            f"{name:<24} {len(values)} runs: median {ordered[len(ordered) // 2]:.2f} s, max {ordered[-1]:.2f} s "
            f"(limit {LIMIT_S:g} s after the threshold)"
        )
    return 0 if max(*row, *down, *back) <= LIMIT_S and len(down) == len(back) == 20 else 1


if __name__ == "__main__":
    sys.exit(main())
