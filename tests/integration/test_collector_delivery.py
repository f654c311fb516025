"""The collector against a real nats-server and a small exchange: what reaches the streams, after each mishap."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import nats
import pytest
from prometheus_client import CollectorRegistry

from collector.metrics import CollectorMetrics
from collector.service import CollectorService
from marketprism.kv import stored_keys
from marketprism.settings import CollectorSettings, NatsSettings
from marketprism.subjects import COLLECTOR_BUCKET, frame_id, stream_name
from tests.unit.collector.fake_exchange import FakeExchange

SERVER = Path(sys.executable).parent / "nats-server"


class Nats:
    """A real nats-server that can be killed and started again on its data."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.url = f"nats://127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(SERVER), "-js", "-sd", str(self.folder), "-a", "127.0.0.1", "-p", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    async def frames(self, data_type: str) -> list[tuple[str, dict[str, str], bytes]]:
        """(subject, headers, payload) of everything stored of a type."""
        client = await nats.connect(self.url, max_reconnect_attempts=50, reconnect_time_wait=0.1)
        try:
            js = client.jetstream()
            state = (await js.stream_info(stream_name(data_type))).state
            found = []
            for sequence in range(max(1, state.first_seq), state.last_seq + 1):
                message = await js.get_msg(stream_name(data_type), sequence, direct=True)
                found.append((message.subject, dict(message.headers or {}), message.data or b""))
            return found
        finally:
            await client.close()

    async def rows(self, data_type: str) -> list[dict[str, Any]]:
        return [json.loads(line) for _, _, data in await self.frames(data_type) for line in data.splitlines()]


@pytest.fixture
def broker(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Nats]:
    server = Nats(tmp_path / "nats", free_port())
    server.start()
    yield server
    server.kill()


@asynccontextmanager
async def collecting(exchange: FakeExchange, broker: Nats, **settings: Any) -> AsyncIterator[CollectorService]:
    """A collector in this process, subscribed; it ends as on SIGTERM."""
    chosen = {"venues": ["binance.spot"], "publish_ack_timeout_s": 1.0, **exchange.settings(), **settings}
    service = CollectorService(
        CollectorSettings(_env_file=None, **chosen),
        NatsSettings(_env_file=None, url=broker.url, stream_max_bytes=8 << 20),
        CollectorMetrics(CollectorRegistry()),
    )
    work = asyncio.create_task(service.run())
    try:
        async with asyncio.timeout(20):
            await exchange.subscribed.wait()
        yield service
    finally:
        work.cancel()
        await asyncio.wait([work])


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for what another task brings about."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def published(service: CollectorService, data_type: str = "trades") -> int:
    return service.metrics.counts["published_rows"][(data_type, "binance", "spot")]


async def check_trades(broker: Nats, exchange: FakeExchange, symbol: str = "BTCUSDT") -> list[dict[str, Any]]:
    """Every trade of the ledger, once, in order, with its own numbers."""
    rows = [row for row in await broker.rows("trades") if row["symbol"] == symbol]
    said = [(row["sequence"], row["price"], row["quantity"], row["side"]) for row in rows]
    ledger = exchange.trades[symbol]
    assert said == [(row["t"], row["p"], row["q"], "sell" if row["m"] else "buy") for row in ledger]
    return rows


async def test_frames_carry_the_contract(broker: Nats) -> None:
    async with FakeExchange() as exchange, collecting(exchange, broker) as service:
        for _ in range(450):
            await exchange.trade()
        await until(lambda: published(service) == 450)
        frames = await broker.frames("trades")
        for subject, headers, payload in frames:
            assert subject == "md.trades.binance.spot.BTCUSDT"
            assert headers["Nats-Msg-Id"] == headers["Mp-Frame"] == frame_id(subject, payload)
            assert (headers["Mp-Contract"], headers["Mp-Rows"]) == ("1", str(len(payload.splitlines())))
            assert len(payload.splitlines()) <= 200
        rows = await check_trades(broker, exchange)
        assert [row["received_at"] for row in rows] == sorted({row["received_at"] for row in rows})
        assert all(row["tick_size"] == "0.01000000" and row["is_market"] for row in rows)
        (instrument,) = await broker.rows("instruments")
        assert (instrument["canonical"], instrument["lot_size"]) == ("BTC-USDT", "0.00010000")


async def test_the_first_position_of_a_series_is_written_at_once(broker: Nats, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is killed before a second has passed has published trades that a restart must go on from."""
    monkeypatch.setattr("collector.service._SAVE_POSITIONS_S", 3600.0)
    async with FakeExchange() as exchange, collecting(exchange, broker) as service:
        for count in (1, 2):
            await exchange.trade()
            await until(lambda count=count: published(service) == count)
        client = await nats.connect(broker.url)
        try:
            async with asyncio.timeout(20):
                while "trades.binance.spot.BTCUSDT" not in await stored_keys(client.jetstream(), COLLECTOR_BUCKET):
                    await asyncio.sleep(0.02)
        finally:
            await client.close()


async def test_a_cut_socket_loses_and_doubles_nothing(broker: Nats) -> None:
    async with FakeExchange() as exchange:
        async with collecting(exchange, broker) as service:
            for _ in range(50):
                await exchange.trade()
                await exchange.depth()
            await until(lambda: published(service) == 50)
            await until(lambda: service.sessions[0].market.keepers["BTCUSDT"].live)
            await exchange.depth()
            await until(lambda: published(service, "orderbooks") > 0)
            await exchange.cut()
            for _ in range(30):
                await exchange.trade(quietly=True)
                await exchange.depth(quietly=True)
            await until(exchange.subscribed.is_set)
            for _ in range(50):
                await exchange.trade()
                await exchange.depth()
            await until(lambda: published(service) == 130)
            keeper = service.sessions[0].market.keepers["BTCUSDT"]
            await until(lambda: keeper.live and keeper.last_id == exchange.update_id["BTCUSDT"])
            await exchange.depth()
            await until(lambda: keeper.last_id == exchange.update_id["BTCUSDT"])
        rows = await check_trades(broker, exchange)
        assert {row["sequence"] for row in rows if row["data_source"] == "rest"} >= set(range(51, 81))
        gaps = {gap["of_type"]: gap for gap in await broker.rows("gaps")}
        assert gaps["trades"]["repaired"] is True
        assert (gaps["trades"]["cause"], gaps["orderbooks"]["cause"]) == ("disconnect", "disconnect")
        assert gaps["trades"]["from_sequence"] == 51
        assert gaps["trades"]["to_sequence"] >= 80
        books = await broker.rows("orderbooks")
        assert [book["sequence"] for book in books] == sorted({book["sequence"] for book in books})
        last = books[-1]
        bids = sorted(((float(price), float(size)) for price, size in exchange.bids["BTCUSDT"].items()), reverse=True)
        assert list(zip(last["bid_prices"], last["bid_quantities"], strict=True)) == bids


async def test_nats_killed_and_back(broker: Nats) -> None:
    async with FakeExchange() as exchange, collecting(exchange, broker) as service:
        for number in range(300):
            await exchange.trade()
            if number == 100:
                broker.kill()
            if number == 200:
                await until(lambda: not service.publisher.connected.is_set())
                broker.start()
            await asyncio.sleep(0.002)
        await until(lambda: published(service) == 300, 30)
        await check_trades(broker, exchange)


async def test_back_pressure_stops_reading_while_nats_is_away(broker: Nats) -> None:
    """With 1 MB of room and NATS away nothing more is read than fits; afterwards everything arrives."""
    async with FakeExchange() as exchange, collecting(exchange, broker, publish_max_pending_mb=1) as service:
        await exchange.trade()
        await until(lambda: published(service) == 1)
        broker.kill()
        count = 12_000  # about 5 MB of rows
        sending = asyncio.create_task(_many_trades(exchange, count))
        await until(lambda: service.publisher.full)
        await asyncio.sleep(0.2)
        assert service.publisher.pending_bytes < 2 << 20
        assert service.metrics.counts["rows"][("trades", "binance", "spot")] < count
        broker.start()
        await sending
        await until(lambda: published(service) == count + 1, 60)
        await check_trades(broker, exchange)


async def _many_trades(exchange: FakeExchange, count: int) -> None:
    for _ in range(count):
        await exchange.trade()


async def test_a_restart_goes_on_from_the_last_published_trade(broker: Nats) -> None:
    async with FakeExchange() as exchange:
        async with collecting(exchange, broker) as service:
            for _ in range(40):
                await exchange.trade()
            await until(lambda: published(service) == 40)
        exchange.subscribed.clear()
        for _ in range(1500):
            await exchange.trade(quietly=True)
        async with collecting(exchange, broker) as service:
            await exchange.trade()
            await until(lambda: published(service) == 1501)
        await check_trades(broker, exchange)


async def test_what_was_missed_arrives_though_nothing_more_is_traded(broker: Nats) -> None:
    """After a restart and after a lost connection: the market has paused, no trade tells of the hole."""
    async with FakeExchange(("BTCUSDT", "ETHUSDT")) as exchange:
        async with collecting(exchange, broker) as service:
            for _ in range(5):
                await exchange.trade()
            await exchange.trade("ETHUSDT")
            await until(lambda: published(service) == 6)
        exchange.subscribed.clear()
        for _ in range(2_200):
            await exchange.trade(quietly=True)
        exchange.failing["/api/v3/historicalTrades"] = 1  # asked again
        async with collecting(exchange, broker) as service:
            await until(lambda: published(service) == 2_200, 60)
            await exchange.cut()
            for _ in range(3):
                await exchange.trade(quietly=True)
                await exchange.trade("ETHUSDT", quietly=True)
            await until(lambda: published(service) == 2_206, 60)
        for symbol in exchange.symbols:
            await check_trades(broker, exchange, symbol)
        gaps = {(row["symbol"], row["from_sequence"], row["to_sequence"]) for row in await broker.rows("gaps")}
        assert gaps == {("BTCUSDT", 6, 2_205), ("BTCUSDT", 2_206, 2_208), ("ETHUSDT", 2, 4)}
        assert all(row["repaired"] for row in await broker.rows("gaps"))


async def test_a_hole_that_rest_cannot_fill_becomes_a_gap(broker: Nats) -> None:
    async with FakeExchange(("BTCUSDT", "ETHUSDT")) as exchange:
        exchange.failing["/api/v3/historicalTrades"] = 1  # the first answer is a 503: asked again
        async with collecting(exchange, broker) as service:
            await exchange.trade()
            await exchange.trade(quietly=True)
            await exchange.trade()
            await exchange.trade("ETHUSDT")  # not held back by the other symbol
            await until(lambda: published(service) >= 1)
            await until(lambda: published(service) == 4)
            skipped = {**exchange.trades["BTCUSDT"][-1], "t": 5}  # the exchange never has an id 4
            exchange.trades["BTCUSDT"].append(skipped)
            await exchange.send("btcusdt@trade", {"e": "trade", "s": "BTCUSDT", **skipped})
            await until(lambda: published(service) == 5)
        gaps = [(gap["from_sequence"], gap["to_sequence"], gap["repaired"]) for gap in await broker.rows("gaps")]
        assert gaps == [(2, 2, True), (4, 4, False)]
        assert [row["sequence"] for row in await broker.rows("trades") if row["symbol"] == "BTCUSDT"] == [1, 2, 3, 5]


async def test_a_slow_symbol_delays_no_other(broker: Nats) -> None:
    """REST does not answer for one symbol, whose book and trades wait for it; the other goes on in time."""
    async with FakeExchange(("BTCUSDT", "ETHUSDT")) as exchange, collecting(exchange, broker) as service:
        exchange.slow["ETHUSDT"] = asyncio.Event()
        for symbol in exchange.symbols:
            await exchange.depth(symbol)
            await exchange.trade(symbol)
            await exchange.trade(symbol, quietly=True)
            await exchange.trade(symbol)
        keepers = service.sessions[0].market.keepers
        await until(lambda: published(service) == 4 and keepers["BTCUSDT"].live, 5)  # 3 of one, 1 of the other
        assert not keepers["ETHUSDT"].live
        exchange.slow["ETHUSDT"].set()
        await until(lambda: published(service) == 6 and keepers["ETHUSDT"].live)
        for symbol in exchange.symbols:
            await check_trades(broker, exchange, symbol)


async def test_bad_input_costs_nothing_but_itself(broker: Nats) -> None:
    async with FakeExchange() as exchange, collecting(exchange, broker) as service:
        await exchange.trade()
        for text in (
            "{not json",
            json.dumps({"stream": "btcusdt@trade", "data": {"e": "trade"}}),
            json.dumps({"stream": "nobody@trade", "data": {}}),
            json.dumps({"stream": "btcusdt@trade", "data": _trade("BTCUSDT", price="cheap")}),
            json.dumps({"stream": "btcusdt@trade", "data": _trade("DOGEUSDT", price="1.0")}),
        ):
            await exchange.send("btcusdt@trade", text)
        await exchange.trade()
        await until(lambda: published(service) == 2)
        errors = {key[-1]: count for key, count in service.metrics.counts["errors"].items()}
        assert errors == {"malformed": 2, "unknown_stream": 1, "number": 1, "unknown_symbol": 1}
        assert len(exchange.sockets) == 1
        await check_trades(broker, exchange)


def _trade(symbol: str, price: str) -> dict[str, Any]:
    return {"e": "trade", "E": 1, "s": symbol, "t": 99, "p": price, "q": "1", "T": 1, "m": True}


async def test_sigterm_flushes_and_leaves_with_zero(broker: Nats, free_port: Callable[[], int]) -> None:
    port = free_port()
    async with FakeExchange() as exchange:
        settings = {**exchange.settings(), "venues": ["binance.spot"], "metrics_port": port, "frame_max_ms": 60_000}
        environment = {
            f"MARKETPRISM_COLLECTOR_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for name, value in settings.items()
        }
        environment |= {"MARKETPRISM_NATS_URL": broker.url, "MARKETPRISM_NATS_STREAM_MAX_BYTES": str(8 << 20)}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "collector", env={**os.environ, **environment}, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(30):
            await exchange.subscribed.wait()
        await exchange.depth()
        await until(lambda: "/api/v3/depth" in exchange.requests)
        for _ in range(25):  # far below a frame, whose time is a minute: only the end can flush it
            await exchange.depth()
            await exchange.trade()
        await received(port, 25)
        assert await broker.rows("trades") == []
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            _, stderr = await process.communicate()
        assert process.returncode == 0, stderr.decode()
        await check_trades(broker, exchange)
        books = await broker.rows("orderbooks")
        assert books[-1]["sequence"] == exchange.update_id["BTCUSDT"]


async def received(port: int, trades: int) -> None:
    """Wait until the collector's own metrics count that many trades."""
    wanted = f'marketprism_collector_rows_total{{data_type="trades",exchange="binance",market_type="spot"}} {trades}.0'
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        while True:
            async with session.get(f"http://127.0.0.1:{port}/metrics") as response:
                if wanted in await response.text():
                    return
            await asyncio.sleep(0.02)
