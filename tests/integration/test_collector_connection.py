"""One connection against real sockets: dead streams lead to the alternate address, old sockets are replaced in time."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

import collector.connection
from collector.complaints import Complaints
from collector.connection import Connection
from collector.metrics import CollectorMetrics
from collector.venue import ConnectionPlan, Parsed, Stream
from collector.venues.binance.channels import DIALECT
from tests.integration.test_collector_delivery import until
from tests.unit.collector.fake_exchange import FakeExchange

KEY = ("binance", "spot")


class Seen:
    """What a connection told its owner."""

    def __init__(self) -> None:
        self.trades: list[int] = []
        self.lost: list[str] = []
        self.metrics = CollectorMetrics(CollectorRegistry())

    def receive(self, raw: bytes) -> Parsed:
        message = json.loads(raw[17:])
        if "data" in message:
            self.trades.append(message["data"]["t"])
        return Parsed(message.get("stream", ""), ())

    def reconnects(self) -> dict[str, int]:
        return {key[-1]: count for key, count in self.metrics.counts["reconnects"].items()}


@asynccontextmanager
async def connected(
    *exchanges: FakeExchange,
    expect_s: float | None = 60.0,
    max_age_s: float = 3600.0,
    patience: float = 1.0,
    keepalive: tuple[float, str] | None = None,
    turn: Callable[[str, float], float] | None = None,
) -> AsyncIterator[tuple[Connection, Seen]]:
    seen = Seen()
    urls = tuple(f"ws://127.0.0.1:{exchange.port}/stream" for exchange in exchanges)
    plan = ConnectionPlan("test-0", urls, (Stream("btcusdt@trade", "trades", "BTCUSDT", expect_s),), 1)
    connection = Connection(
        KEY,
        plan,
        replace(DIALECT, send_interval_s=0.01, max_age_s=max_age_s, keepalive=keepalive, turn=turn),
        receive=seen.receive,
        lost=lambda _, cause: seen.lost.append(cause),
        room=lambda: None,
        metrics=seen.metrics,
        complaints=Complaints(0.0),
        patience=patience,
    )
    running = asyncio.create_task(connection.run())
    try:
        yield connection, seen
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_a_stream_that_is_acknowledged_but_dead_is_found_elsewhere() -> None:
    async with FakeExchange() as dead, FakeExchange() as alive:
        dead.mute = True
        async with connected(dead, alive, expect_s=0.3) as (_, seen):
            await asyncio.wait_for(alive.subscribed.wait(), 20)
            await alive.trade()
            await until(lambda: seen.trades == [1])
            assert seen.metrics.counts["resubscribes"][(*KEY, "trades")] == 1
            assert seen.reconnects() == {"silent": 1}
            assert seen.lost == ["disconnect"] * 2  # when it was asked for again, and when it was left


async def test_a_stream_that_is_asked_for_again_may_have_missed_trades() -> None:
    def turn(message: str, _: float) -> float:
        return 0.0 if "UNSUBSCRIBE" in message else 0.3

    async with FakeExchange() as exchange, connected(exchange, expect_s=1.5, turn=turn) as (connection, seen):
        await until(lambda: list(exchange.sockets.values()) == [{"btcusdt@trade"}])
        await until(lambda: list(exchange.sockets.values()) == [set()])
        await exchange.trade()  # nobody hears it
        await until(lambda: seen.lost == ["disconnect"])
        await until(lambda: list(exchange.sockets.values()) == [{"btcusdt@trade"}])
        await exchange.trade()
        await until(lambda: seen.trades == [2])
        assert connection.subscribed_at is not None
        assert not seen.reconnects()


async def test_an_old_socket_is_replaced_without_a_loss() -> None:
    async with FakeExchange() as exchange, connected(exchange, max_age_s=0.5) as (_, seen):
        await asyncio.wait_for(exchange.subscribed.wait(), 20)
        while seen.reconnects().get("planned", 0) < 3:
            await exchange.trade()
            await asyncio.sleep(0.005)
        last = await exchange.trade()
        await until(lambda: last in seen.trades)
        assert sorted(set(seen.trades)) == list(range(1, last + 1))
        assert seen.lost == []


async def test_an_address_that_does_not_answer_is_left_for_the_next() -> None:
    async with FakeExchange() as gone, FakeExchange() as alive:
        async with connected(gone, alive) as (connection, seen):
            await asyncio.wait_for(gone.subscribed.wait(), 20)
            await gone.__aexit__()
            await asyncio.wait_for(alive.subscribed.wait(), 20)
            await alive.trade()
            await until(lambda: 1 in seen.trades)
            assert connection.up
        assert set(seen.reconnects()) == {"closed", "unreachable"}


async def test_an_address_that_takes_everything_and_answers_nothing_is_left_for_the_next() -> None:
    async with FakeExchange() as dead, FakeExchange() as alive:
        dead.deaf = True
        async with connected(dead, alive, expect_s=0.6) as (_, seen):
            await asyncio.wait_for(alive.subscribed.wait(), 20)
            assert seen.reconnects() == {"silent": 1}


async def test_one_refused_connection_does_not_leave_the_first_address() -> None:
    async with FakeExchange() as first, FakeExchange() as other, connected(first, other) as (_, seen):
        await asyncio.wait_for(first.subscribed.wait(), 20)
        first.refusing = 1
        await first.cut()
        await asyncio.wait_for(first.subscribed.wait(), 20)
        assert seen.reconnects() == {"closed": 1, "unreachable": 1}
        assert not other.sockets


async def test_requests_wait_for_their_turn_and_are_not_made_twice_meanwhile() -> None:
    asked: list[str] = []

    def turn(message: str, _: float) -> float:
        asked.append(message)
        return 0.4

    async with FakeExchange() as exchange, connected(exchange, turn=turn) as (connection, _):
        await until(lambda: len(asked) == 1)
        assert connection.up
        connection.resubscribe(connection.plan.streams)
        await asyncio.sleep(0.1)
        assert not exchange.subscribed.is_set()
        await asyncio.wait_for(exchange.subscribed.wait(), 20)
        await until(lambda: connection.subscribed_at is not None)
        assert len(asked) == 1
        connection.resubscribe(connection.plan.streams)
        await until(lambda: len(asked) == 3)


async def test_what_cannot_be_reached_for_days_is_still_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(_: Connection) -> str:
        return "unreachable"

    monkeypatch.setattr(Connection, "_one_generation", refused)
    async with FakeExchange() as exchange, connected(exchange, patience=1e-5) as (_, seen):
        await until(lambda: seen.reconnects().get("unreachable", 0) > 1100, 30)
        assert set(seen.reconnects()) == {"unreachable"}


async def test_answers_to_keep_alives_are_no_data(caplog: pytest.LogCaptureFixture) -> None:
    ping = (0.1, json.dumps({"method": "SUBSCRIBE", "params": [], "id": 0}))
    async with FakeExchange() as exchange:
        with caplog.at_level(logging.WARNING):
            async with connected(exchange, expect_s=5.0, patience=0.1, keepalive=ping) as (_, seen):
                await asyncio.wait_for(exchange.subscribed.wait(), 20)
                await exchange.trade()
                await until(lambda: seen.reconnects().get("silent", 0) == 2, 20)
    said = [record.message for record in caplog.records if "nothing came" in record.message]
    # the second socket is given twice the time: a market can be as quiet
    assert [text.partition(";")[0] for text in said] == [f"test-0: nothing came for {wait} s" for wait in (1, 2)]


async def test_a_successor_that_is_refused_is_tried_again_and_the_old_socket_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(collector.connection, "_SUCCESSOR_S", 0.3)
    async with FakeExchange() as exchange, connected(exchange, max_age_s=3.0) as (connection, seen):
        await asyncio.wait_for(exchange.subscribed.wait(), 20)
        await exchange.trade()
        await until(lambda: seen.trades == [1])
        exchange.refusing = 2
        await until(lambda: exchange.refusing == 1, 20)
        await asyncio.sleep(0.1)
        assert connection.up
        assert connection.subscribed_at is not None
        await until(lambda: len(exchange.sockets) == 2, 2)
        await exchange.trade()
        await until(lambda: seen.reconnects() == {"planned": 1})
        assert seen.lost == []


async def test_an_old_socket_that_ends_before_its_successor_has_data_is_told_as_lost() -> None:
    async with FakeExchange() as exchange, connected(exchange, max_age_s=1.0) as (_, seen):
        await asyncio.wait_for(exchange.subscribed.wait(), 20)
        await exchange.trade()
        await until(lambda: seen.trades == [1])
        exchange.mute = True
        await until(lambda: len(exchange.sockets) == 2, 20)
        exchange.mute = False
        await next(iter(exchange.sockets)).close()
        await until(lambda: seen.lost == ["disconnect"], 2)
        assert seen.reconnects() == {"closed": 1}


@pytest.mark.parametrize(
    "target", ["https://www.example.com/blocked", "http://[bad", "ws://host:99999999/", "ws://a..b/"]
)
async def test_a_redirect_to_nowhere_ends_nothing_and_is_left_for_the_next_address(target: str) -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    server = await asyncio.start_server(redirect, "127.0.0.1", 0)
    async with server, FakeExchange() as alive:
        blocked = FakeExchange()
        blocked.port = server.sockets[0].getsockname()[1]
        async with connected(blocked, alive, patience=0.01) as (_, seen):
            await asyncio.wait_for(alive.subscribed.wait(), 20)
            assert seen.reconnects() == {"address": 3}


async def test_streams_that_are_taken_later_show_a_standstill_too() -> None:
    book = Stream("ethusdt@depth", "orderbooks", "ETHUSDT", 0.6)
    async with FakeExchange() as exchange, connected(exchange, expect_s=None) as (connection, seen):
        await asyncio.wait_for(exchange.subscribed.wait(), 20)
        connection.take([book])
        await until(lambda: seen.reconnects() == {"silent": 1}, 10)
        connection.drop([book])
        await asyncio.sleep(3)
        assert seen.reconnects() == {"silent": 1}  # what is left may be silent
