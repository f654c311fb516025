"""Two collectors of the same symbols, as real processes: trades by both, what is sampled by one, and by the other soon
after the first is killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import nats
import pytest
from nats.aio.client import Client

from collector.lease import BEAT_S, PREFIX, Gate, Lease
from marketprism.events import Row
from marketprism.settings import NatsSettings
from marketprism.simulator import Simulator, SimulatorOptions
from marketprism.streams import ensure_streams
from marketprism.subjects import COLLECTOR_BUCKET
from tests.integration.test_collector_delivery import Nats, until
from tests.unit.collector.feeding import instrument

MOVES_S = 5.0


@pytest.fixture
async def broker(tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[Nats]:
    server = Nats(tmp_path / "nats", free_port())
    server.start()
    yield server
    server.kill()


async def client(broker: Nats) -> Client:
    connection = await nats.connect(broker.url, max_reconnect_attempts=50, reconnect_time_wait=0.1)
    await ensure_streams(
        connection.jetstream(), NatsSettings(_env_file=None, url=broker.url, stream_max_bytes=32 << 20)
    )
    return connection


@contextlib.asynccontextmanager
async def beating(connection: Client, seconds: float) -> AsyncIterator[tuple[Lease, list[str]]]:
    lease, taken = Lease(("binance", "spot"), seconds), []
    lease.on_taken(lambda: taken.append("taken"))
    task = asyncio.create_task(lease.run(lambda: connection))
    try:
        await asyncio.wait_for(lease.asked.wait(), 10)
        yield lease, taken
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_one_holds_it_and_the_next_takes_it_when_it_is_silent_or_leaves(broker: Nats) -> None:
    connection = await client(broker)
    async with beating(connection, 1.0) as (second_first, taken):
        assert (second_first.held, taken) == (True, ["taken"])
        async with beating(connection, 1.0) as (other, _):
            assert not other.held
            await asyncio.sleep(2 * BEAT_S)
            assert (second_first.held, other.held) == (True, False)
            await second_first.release(connection)  # (its task asks for it again: whoever is first has it)
            await until(lambda: second_first.held != other.held)
    async with beating(connection, 1.0) as (third, _):  # both are gone without a word
        assert not third.held
        silent_since = time.monotonic()
        await until(lambda: third.held, 5)
        assert 0.5 < time.monotonic() - silent_since < 1.0 + 4 * BEAT_S
    await connection.close()


async def test_it_is_kept_while_jetstream_is_away_and_left_when_another_has_it(broker: Nats) -> None:
    connection = await client(broker)
    async with beating(connection, 1.0) as (lease, taken):
        broker.kill()
        await asyncio.sleep(2.0)
        assert lease.held
        broker.start()
        other = await client(broker)
        bucket = await other.jetstream().key_value(COLLECTOR_BUCKET)
        await bucket.put(f"{PREFIX}binance.spot", b"another")
        await until(lambda: not lease.held, 20)
        await until(lambda: lease.held, 5)  # the other is silent
        assert taken == ["taken", "taken"]
        await other.close()
    await connection.close()


def test_what_is_kept_back_leaves_when_the_gate_opens() -> None:
    out: list[Row] = []
    lease = Lease(("binance", "spot"), 3.0)
    gate = Gate(out.append, lease, 5.0)
    row = instrument("spot", "BTCUSDT")
    gate(row)
    assert out == []
    lease.held = True
    gate.open()
    gate(row)
    assert out == [row, row]


async def test_a_killed_publisher_is_followed_within_five_seconds(
    broker: Nats, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    options = SimulatorOptions(seed=3, history_hours=0, settle_s=0.2, symbols=("BTCUSDT",), venues=("binance.spot",))
    async with Simulator(options) as exchange, asyncio.timeout(60):
        ports = [free_port(), free_port()]
        processes = []
        for port in ports:
            processes.append(await collector(exchange, broker, port))
            await ready(port)
        try:
            holders = [await leases(port) for port in ports]
            assert holders == [1, 0]
            while len(trades := await sequences(broker)) == len(
                set(trades)
            ):  # both publish them, storage keeps each once
                await asyncio.sleep(0.1)
            killed_at = time.monotonic()
            processes[0].send_signal(signal.SIGKILL)
            while await leases(ports[1]) != 1:
                await asyncio.sleep(0.05)
            assert time.monotonic() - killed_at < MOVES_S
            await asyncio.sleep(1.0)
        finally:
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)
                await process.wait()
    books = await broker.rows("orderbooks")
    ids = [row["last_update_id"] for row in books]
    kept = list(dict.fromkeys(ids))
    assert kept == sorted(kept)
    assert len(ids) - len(kept) < 10 * MOVES_S  # what the second repeats is at most what it kept
    slots = [row["timestamp"] // 100 for row in books]
    assert max(later - earlier for earlier, later in pairwise(slots)) <= 3  # nothing is missing
    trades = await sequences(broker)
    assert set(trades) == set(range(min(trades), max(trades) + 1))


async def sequences(broker: Nats) -> list[int]:
    """Of all trades that were published, as often as they were."""
    return [row["sequence"] for row in await broker.rows("trades")]


async def collector(exchange: Simulator, broker: Nats, port: int) -> asyncio.subprocess.Process:
    environment = {
        **os.environ,
        **exchange.environment,
        "MARKETPRISM_COLLECTOR_CLOCK": "stamped",
        "MARKETPRISM_COLLECTOR_METRICS_PORT": str(port),
        "MARKETPRISM_NATS_URL": broker.url,
        "MARKETPRISM_NATS_STREAM_MAX_BYTES": str(32 << 20),
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "collector", env=environment, stderr=asyncio.subprocess.DEVNULL
    )


async def answer(port: int) -> dict[str, Any]:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/ready") as response:
            said: dict[str, Any] = json.loads(await response.read())
            return said
    except aiohttp.ClientError:
        return {}


async def ready(port: int) -> None:
    while not (await answer(port)).get("ready"):
        await asyncio.sleep(0.05)


async def leases(port: int) -> int:
    return int((await answer(port)).get("leases", -1))
