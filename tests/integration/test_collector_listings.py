"""Symbols come and go every day: sockets, memory and stored positions do not grow with them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nats

from collector.service import CollectorService
from marketprism.kv import stored_keys
from marketprism.subjects import COLLECTOR_BUCKET
from tests.integration.test_collector_delivery import Nats, check_trades, collecting, published, until
from tests.integration.test_collector_delivery import broker as broker
from tests.unit.collector.fake_exchange import FakeExchange

FAST: dict[str, Any] = {"symbols": ["*"], "instruments_interval_s": 0.1, "forget_unlisted_s": 0.3}


def subscribed(exchange: FakeExchange) -> list[set[str]]:
    return [{name.partition("@")[0].upper() for name in streams} for streams in exchange.sockets.values()]


def remembered(service: CollectorService) -> set[str]:
    market = service.sessions[0].market
    venue: Any = market.venue
    return {
        *market.keepers, *(symbol for symbol, _ in market.sequences), *market._units, *market._whole, *market._causes,
        *venue._tracked, *(name.partition("@")[0].upper() for name in venue._routes),
        *service.positions.symbols("binance", "spot"),
    }  # fmt: skip


async def positions(broker: Nats) -> set[str]:
    client = await nats.connect(broker.url)
    try:
        return {key for key in await stored_keys(client.jetstream(), COLLECTOR_BUCKET) if key.startswith("trades.")}
    finally:
        await client.close()


async def test_symbols_come_and_go_on_one_socket(broker: Nats) -> None:
    async with FakeExchange() as exchange, collecting(exchange, broker, **FAST) as service:
        sockets = list(exchange.sockets)
        for number in range(5):
            name = f"OPT{number}USDT"
            exchange.list_symbol(name)
            await until(lambda name=name: subscribed(exchange) == [{"BTCUSDT", name}])  # type: ignore[misc]
            before = published(service)
            for _ in range(3):
                await exchange.depth(name)
                await exchange.trade(name)
                await exchange.trade()
            await until(lambda before=before: published(service) == before + 6)  # type: ignore[misc]
            exchange.delist_symbol(name)
            await until(lambda: subscribed(exchange) == [{"BTCUSDT"}])
        await until(lambda: remembered(service) == {"BTCUSDT"})
        async with asyncio.timeout(20):
            while await positions(broker) != {"trades.binance.spot.BTCUSDT"}:
                await asyncio.sleep(0.1)
        assert list(exchange.sockets) == sockets
        assert not service.metrics.counts["reconnects"]
        for number in range(5):
            assert len(await check_trades(broker, exchange, f"OPT{number}USDT")) == 3
        assert len(await check_trades(broker, exchange)) == 15


async def test_what_expired_while_nobody_ran_is_forgotten_and_what_is_missing_for_a_moment_is_not(
    broker: Nats, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    async with FakeExchange(("BTCUSDT", "OLDUSDT", "ETHUSDT")) as exchange:
        async with collecting(exchange, broker, **FAST) as service:
            for symbol in exchange.symbols:
                await exchange.trade(symbol)
            await until(lambda: published(service) == 3)
        assert len(await positions(broker)) == 3
        exchange.subscribed.clear()
        exchange.delist_symbol("OLDUSDT")
        async with collecting(exchange, broker, **{**FAST, "forget_unlisted_s": 1.0}) as service:
            await until(lambda: {"BTCUSDT", "ETHUSDT"} in subscribed(exchange))
            exchange.symbols, whole = ("BTCUSDT",), exchange.symbols
            looks = exchange.requests.count("/api/v3/exchangeInfo")
            await until(lambda: exchange.requests.count("/api/v3/exchangeInfo") > looks + 2)
            exchange.symbols = whole
            async with asyncio.timeout(20):
                while "trades.binance.spot.OLDUSDT" in await positions(broker):
                    await asyncio.sleep(0.1)
            assert await positions(broker) == {"trades.binance.spot.BTCUSDT", "trades.binance.spot.ETHUSDT"}
            await exchange.trade("ETHUSDT")
            await until(lambda: published(service) == 1)
            assert not service.metrics.counts["reconnects"]
        await check_trades(broker, exchange, "ETHUSDT")


async def test_what_is_listed_again_with_ids_that_start_over_is_collected(broker: Nats) -> None:
    async with FakeExchange(("BTCUSDT", "NEWUSDT")) as exchange, collecting(exchange, broker, **FAST) as service:
        for _ in range(5):
            await exchange.trade("NEWUSDT")
        await until(lambda: published(service) == 5)
        exchange.delist_symbol("NEWUSDT")
        await until(lambda: subscribed(exchange) == [{"BTCUSDT"}])
        exchange.list_symbol("NEWUSDT")
        await until(lambda: subscribed(exchange) == [{"BTCUSDT", "NEWUSDT"}])
        await exchange.trade("NEWUSDT")
        await until(lambda: published(service) == 6)
        rows = [row for row in await broker.rows("trades") if row["symbol"] == "NEWUSDT"]
        assert [row["sequence"] for row in rows] == [1, 2, 3, 4, 5, 1]
