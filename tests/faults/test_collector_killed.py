"""``kill -9`` of a collector in the middle of the market, a restart half a minute of market later: nothing is missing.

Real processes: nats-server and the collector; the exchange runs here on a fast clock. What was published after the last
saved position (at most a second) is published again, as it was; the storage service knows it by its sequence
(``tests/faults/test_schedules.py`` holds that with the tables).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import nats
import pytest

from marketprism.kv import stored_keys
from marketprism.simulator.environment import INVERSE, LINEAR, SPOT
from marketprism.simulator.server import Simulator, SimulatorOptions
from marketprism.subjects import COLLECTOR_BUCKET
from tests.faults.exchange_plan import FastClock, _printed
from tests.integration.test_collector_delivery import Nats

BEFORE_MS = 12_000
AWAY_MS = 30_000


@pytest.mark.faults
async def test_nothing_is_missing_after_thirty_seconds_without_a_collector(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    broker = Nats(tmp_path / "nats", free_port())
    broker.start()
    clock = FastClock()
    options = SimulatorOptions(
        seed=5,
        symbols=("BTCUSDT",),
        venues=(SPOT, LINEAR, INVERSE),
        history_hours=0,
        history_step_ms=100,
        settle_s=0.2,
        clock_ms=clock,
        ledger=tmp_path / "ledger.jsonl",
    )
    try:
        async with Simulator(options) as exchange, asyncio.timeout(90):
            environment = {
                **os.environ,
                **exchange.environment,
                "MARKETPRISM_NATS_URL": broker.url,
                "MARKETPRISM_NATS_STREAM_MAX_BYTES": str(32 << 20),
                "MARKETPRISM_COLLECTOR_METRICS_PORT": str(free_port()),
            }
            first = await collector(environment)
            while not exchange.hub.subscribed_keys():
                await exchange.hub.changed()
            clock.begin()
            await exchange.history_done()
            await passed(exchange, BEFORE_MS)
            first.kill()
            assert await first.wait() == -signal.SIGKILL
            await passed(exchange, AWAY_MS)
            newest = newest_ids(exchange)
            second = await collector(environment)
            while not reached(newest, await stored(broker)):
                await asyncio.sleep(0.5)
            options.end_ms = exchange.market.time_ms
            await exchange.finished()
            second.send_signal(signal.SIGTERM)
            assert await second.wait() == 0
        check(await broker.rows("trades"), await broker.rows("gaps"), options.ledger or tmp_path)
    finally:
        broker.kill()


async def collector(environment: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "collector", env=environment, stderr=asyncio.subprocess.DEVNULL
    )


async def passed(exchange: Simulator, market_ms: int) -> None:
    """Let the market go on for so long."""
    until_ms = exchange.market.time_ms + market_ms
    while exchange.market.time_ms < until_ms:
        await asyncio.sleep(0.02)


async def positions_of_all(broker: Nats) -> None:
    """Until the collector has written how far it has come with the trades of each of the three symbols."""
    client = await nats.connect(broker.url)
    try:
        while len(await stored_keys(client.jetstream(), COLLECTOR_BUCKET, "trades.>")) < 3:
            await asyncio.sleep(0.02)
    finally:
        await client.close()


def newest_ids(exchange: Simulator) -> dict[tuple[str, str], int]:
    return {
        (book.spec.venue, book.spec.symbol): (book.next_trade_id if book.spec.venue == SPOT else book.next_aggregate_id)
        - 1
        for book in exchange.market.books
    }


def reached(wanted: dict[tuple[str, str], int], found: dict[tuple[str, str], int]) -> bool:
    return all(found.get(key, 0) >= number for key, number in wanted.items())


async def stored(broker: Nats) -> dict[tuple[str, str], int]:
    """The newest trade of each symbol in the streams."""
    newest: dict[tuple[str, str], int] = {}
    for row in await broker.rows("trades"):
        newest[f"binance.{row['market_type']}", row["symbol"]] = row["sequence"]
    return newest


def check(rows: list[dict[str, Any]], gaps: list[dict[str, Any]], ledger: Path) -> None:
    """By symbol: what rises above the newest before is every trade since the first; the rest was there already."""
    printed = _printed(ledger)
    kept: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    again = 0
    for row in rows:
        of = kept.setdefault((f"binance.{row['market_type']}", row["symbol"]), {})
        if row["sequence"] in of:
            again += 1
            told = of[row["sequence"]]
            assert {**row, "received_at": 0, "data_source": ""} == {**told, "received_at": 0, "data_source": ""}
        else:
            assert not of or row["sequence"] > max(of)
            of[row["sequence"]] = row
    assert len(kept) == 3
    for key, of in kept.items():
        expected = printed[key]["id" if key[0] == SPOT else "aggregate"]
        since = {number for number in expected if number >= min(of)}
        assert set(of) == since, f"{key}: {sorted(since ^ set(of))[:5]}"
        for number, row in of.items():
            assert Decimal(row["native_quantity"]) == expected[number]["quantity"]
            assert (Decimal(row["price"]), row["side"]) == (
                Decimal(expected[number]["price"]),
                expected[number]["side"],
            )
    assert again < 300  # about a second of the fast market
    assert {gap["of_type"] for gap in gaps if not gap["repaired"]} <= {"orderbooks"}
    assert any(gap["of_type"] == "trades" for gap in gaps if gap["repaired"])
