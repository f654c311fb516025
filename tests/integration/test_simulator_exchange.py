"""The simulated exchange over real sockets: everything traded arrives, books follow, misbehaviour can be repaired."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest

from marketprism.errors import ReplayError
from marketprism.simulator import Simulator, SimulatorOptions
from marketprism.simulator.faults import Faults
from tests.integration.exchange_client import Client

NOW_MS = 1_790_000_000_000
SYMBOLS = ("BTCUSDT", "ETHUSDT")
ROUTES = {
    "/spot": ("{}@trade", "{}@aggTrade", "{}@depth@100ms"),
    "/linear/public": ("{}@depth@100ms", "{}@trade"),
    "/linear/market": ("{}@aggTrade", "{}@markPrice@1s"),
}


def options(**changes: object) -> SimulatorOptions:
    """Ten minutes of history up to a fixed moment, and then the end."""
    values = {"seed": 3, "history_hours": 1 / 6, "clock_ms": lambda: NOW_MS, "end_ms": NOW_MS, "settle_s": 0.2}
    return SimulatorOptions(**(values | changes))  # type: ignore[arg-type]


@asynccontextmanager
async def listening(exchange: Simulator) -> AsyncIterator[dict[str, Client]]:
    made = {
        path: Client(
            exchange.url.replace("http", "ws") + path,
            [name.format(symbol.lower()) for symbol in SYMBOLS for name in names]
            + (["!forceOrder@arr"] if path.endswith("market") else []),
        )
        for path, names in ROUTES.items()
    }
    tasks = [asyncio.create_task(client.run()) for client in made.values()]
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def by_stream(client: Client) -> dict[str, list[dict]]:
    found = defaultdict(list)
    for frame in client.frames:
        body = frame.body
        found[body["stream"]].append(body["data"])
    return found


def follow(spot: bool, snapshot: dict, diffs: list[dict]) -> tuple[int, dict, dict]:
    """(last id, bids, asks) by Binance's rule, in plain dicts; asserts that nothing is missing."""
    bids, asks, last_id, fresh = dict(snapshot["bids"]), dict(snapshot["asks"]), snapshot["lastUpdateId"], True
    for diff in diffs:
        if spot:
            if diff["u"] <= last_id:
                continue
            assert diff["U"] <= last_id + 1
        elif fresh:
            if diff["u"] < last_id:
                continue
            assert diff["U"] <= last_id <= diff["u"]
        else:
            assert diff["pu"] == last_id
        last_id, fresh = diff["u"], False
        for side, changes in ((bids, diff["b"]), (asks, diff["a"])):
            for price, quantity in changes:
                if float(quantity):
                    side[price] = quantity
                else:
                    side.pop(price, None)
    return last_id, bids, asks


async def get(session: aiohttp.ClientSession, url: str, **params: object) -> tuple[int, object]:
    async with session.get(url, params={name: str(value) for name, value in params.items()}) as answer:
        return answer.status, await answer.json()


async def test_history_reaches_the_clients_whole_and_in_order(tmp_path: Path) -> None:
    async with Simulator(options(ledger=tmp_path / "ledger.jsonl")) as exchange, listening(exchange) as clients:
        await asyncio.wait_for(exchange.finished(), 60)
        ledger = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
        for path, venue in (("/spot", "binance.spot"), ("/linear/public", "binance.linear")):
            streams = by_stream(clients[path])
            for symbol in SYMBOLS:
                traded = [row for row in ledger if (row["venue"], row["symbol"]) == (venue, symbol)]
                received = streams[f"{symbol.lower()}@trade"]
                assert len(traded) > 1000
                assert [
                    (row["id"], float(row["price"]), float(row["quantity"]), row["side"], row["time"], row["kind"])
                    for row in traded
                ] == [
                    (
                        data["t"], float(data["p"]), float(data["q"]), "sell" if data["m"] else "buy", data["T"],
                        data.get("X", "MARKET"),
                    )
                    for data in received
                ]  # fmt: skip
        aggregates = by_stream(clients["/linear/market"])["btcusdt@aggTrade"]
        ids = [data["a"] for data in aggregates]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        assert len(by_stream(clients["/linear/market"])["btcusdt@markPrice@1s"]) == 600
        for client in clients.values():
            stamps = [frame.received_us for frame in client.frames]
            assert stamps == sorted(stamps)
            for frame in client.frames:
                assert 0 <= frame.received_us - frame.body["data"]["E"] * 1000 < 50_000


async def test_books_fetched_in_the_middle_of_history_end_as_the_exchanges_own() -> None:
    async with (
        Simulator(options()) as exchange,
        listening(exchange) as clients,
        aiohttp.ClientSession() as session,
    ):
        taken = defaultdict(list)
        for threshold in (1, 2000, 9000):
            for path, prefix in (("/spot", "/api/v3"), ("/linear/public", "/fapi/v1")):
                await clients[path].until(threshold)
                for symbol in SYMBOLS:
                    status, body = await get(session, f"{exchange.url}{prefix}/depth", symbol=symbol, limit=1000)
                    assert status == 200
                    taken[path, symbol].append(body)
        await asyncio.wait_for(exchange.finished(), 60)
        assert len({str(body) for body in taken["/spot", "BTCUSDT"]}) == 3
        for (path, symbol), snapshots in taken.items():
            venue = "binance.spot" if path == "/spot" else "binance.linear"
            book = exchange.market.book_of(venue, symbol)
            assert book is not None
            diffs = by_stream(clients[path])[f"{symbol.lower()}@depth@100ms"]
            assert book.book.take_change(0) is None  # the end of the market tells the makers' last answer too
            for snapshot in snapshots:
                last_id, bids, asks = follow(path == "/spot", snapshot, diffs)
                told = {"bids": bids, "asks": asks}
                assert last_id == book.book.last_id
                for name, side in (("bids", book.book.bids), ("asks", book.book.asks)):
                    assert told[name] == {book.spec.wire_price(p): book.spec.wire_quantity(q) for p, q in side}


async def test_rest_answers_what_a_collector_asks() -> None:
    async with Simulator(options()) as exchange, listening(exchange), aiohttp.ClientSession() as session:
        await asyncio.wait_for(exchange.finished(), 60)
        url = exchange.url
        spot, linear = (exchange.market.book_of(venue, "BTCUSDT") for venue in ("binance.spot", "binance.linear"))
        assert spot is not None
        assert linear is not None
        first = spot.next_trade_id - 700
        _, page = await get(session, f"{url}/api/v3/historicalTrades", symbol="BTCUSDT", fromId=first, limit=1000)
        assert [row["id"] for row in page] == list(range(first, spot.next_trade_id))
        first = linear.next_aggregate_id - 100
        _, page = await get(session, f"{url}/fapi/v1/aggTrades", symbol="BTCUSDT", fromId=first, limit=40)
        assert [row["a"] for row in page] == list(range(first, first + 40))
        _, window = await get(
            session, f"{url}/fapi/v1/aggTrades", symbol="BTCUSDT", startTime=page[3]["T"], endTime=page[9]["T"]
        )
        assert {row["a"] for row in page[4:9]} <= {row["a"] for row in window}
        _, interest = await get(session, f"{url}/fapi/v1/openInterest", symbol="BTCUSDT")
        assert interest["time"] == NOW_MS
        assert float(interest["openInterest"]) > 0
        for path in ("topLongShortPositionRatio", "topLongShortAccountRatio", "globalLongShortAccountRatio"):
            _, rows = await get(session, f"{url}/futures/data/{path}", symbol="BTCUSDT", period="5m", limit=3)
            assert [NOW_MS // 300_000 * 300_000 - row["timestamp"] for row in rows] == [600_000, 300_000, 0]
            assert all(abs(float(row["longAccount"]) + float(row["shortAccount"]) - 1) < 1e-9 for row in rows)
        _, rates = await get(session, f"{url}/fapi/v1/fundingRate", symbol="BTCUSDT", limit=2)
        assert rates[1]["fundingTime"] - rates[0]["fundingTime"] == 8 * 3_600_000
        assert await get(session, f"{url}/fapi/v1/fundingInfo") == (200, [])
        _, info = await get(session, f"{url}/fapi/v1/exchangeInfo")
        assert [symbol["symbol"] for symbol in info["symbols"]] == list(SYMBOLS)
        assert {f["filterType"]: f.get("tickSize") for f in info["symbols"][0]["filters"]}["PRICE_FILTER"] == "0.1"
        status, error = await get(session, f"{url}/api/v3/depth", symbol="NOSUCH")
        assert (status, error["code"]) == (400, -1121)
        status, error = await get(session, f"{url}/api/v3/historicalTrades", symbol="BTCUSDT", fromId="x")
        assert (status, error["code"]) == (400, -1102)


async def test_real_time_follows_history() -> None:
    async with (
        Simulator(SimulatorOptions(seed=1, history_hours=0.01, settle_s=0.2)) as exchange,
        listening(exchange) as clients,
        aiohttp.ClientSession() as session,
    ):
        await asyncio.wait_for(exchange.history_done(), 30)
        _, state = await get(session, f"{exchange.url}/simulator/state")
        assert state["history_done"] is True
        assert state["clients"] == 3
        seen = len(by_stream(clients["/spot"])["btcusdt@depth@100ms"])
        await clients["/spot"].until(len(clients["/spot"].frames) + 60)
        diffs = by_stream(clients["/spot"])["btcusdt@depth@100ms"][seen + 1 :]
        gaps = {b["E"] - a["E"] for a, b in pairwise(diffs)}
        assert gaps == {100}
        assert exchange.state()["behind_ms"] < 3000


async def test_a_lost_connection_leaves_trades_that_rest_can_fill() -> None:
    faults = Faults()
    async with (
        Simulator(options(faults=faults)) as exchange,
        aiohttp.ClientSession() as session,
    ):
        url = exchange.url.replace("http", "ws") + "/spot"
        trades: dict[int, dict] = {}
        client = Client(url, ["btcusdt@trade"])
        task = asyncio.create_task(client.run())
        await client.until(500)
        faults.once("cut")
        with pytest.raises(Exception, match="close frame"):
            await task
        trades |= {data["t"]: data for data in by_stream(client)["btcusdt@trade"]}
        again = Client(url, ["btcusdt@trade"])
        task = asyncio.create_task(again.run())
        await asyncio.wait_for(exchange.finished(), 60)
        received = by_stream(again)["btcusdt@trade"]
        trades |= {data["t"]: data for data in received}
        book = exchange.market.book_of("binance.spot", "BTCUSDT")
        assert book is not None
        first = min(trades)
        missing = sorted(set(range(first, book.next_trade_id)) - trades.keys())
        assert missing  # frames that were on their way are gone
        _, page = await get(
            session, f"{exchange.url}/api/v3/historicalTrades", symbol="BTCUSDT", fromId=missing[0], limit=1000
        )
        assert set(missing) <= {row["id"] for row in page}
        task.cancel()


async def test_a_stream_on_the_wrong_route_is_acknowledged_and_silent() -> None:
    async with Simulator(options()) as exchange:
        base = exchange.url.replace("http", "ws")
        right, wrong = (
            Client(f"{base}/linear/market", ["btcusdt@aggTrade"]),
            Client(f"{base}/linear", ["btcusdt@aggTrade"]),
        )
        tasks = [asyncio.create_task(client.run()) for client in (right, wrong)]
        await asyncio.wait_for(exchange.finished(), 60)
        assert wrong.acks == right.acks == [{"result": None, "id": 1}]
        assert right.frames
        assert not wrong.frames
        for task in tasks:
            task.cancel()


async def test_too_many_requests_is_refused_with_when_to_come_back() -> None:
    faults = Faults()
    async with Simulator(options(faults=faults)) as exchange, aiohttp.ClientSession() as session:
        async with session.post(f"{exchange.url}/simulator/fault/too_many_requests") as answer:
            assert answer.status == 200
        async with session.get(f"{exchange.url}/api/v3/ping") as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
        async with session.get(f"{exchange.url}/api/v3/ping") as answer:
            assert answer.status == 200


async def start_process(*arguments: str) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "marketprism.simulator", *arguments, stderr=asyncio.subprocess.PIPE, env={**os.environ}
    )
    assert process.stderr is not None
    line = (await asyncio.wait_for(process.stderr.readline(), 30)).decode()
    assert line.startswith("simulator ready at http://127.0.0.1:")
    return process, line.split()[3]


async def test_the_process_goes_on_after_a_restart_without_a_hole(tmp_path: Path) -> None:
    last = {}
    for run in (1, 2):
        process, url = await start_process(
            "--seed", "5", "--history-hours", "0.02", "--symbols", "BTCUSDT", "--state", str(tmp_path / "state.json")
        )
        try:
            client = Client(url.replace("http", "ws") + "/spot", ["btcusdt@trade"])
            task = asyncio.create_task(client.run())
            await asyncio.wait_for(client.until(20), 30)
            ids = [data["t"] for data in by_stream(client)["btcusdt@trade"]]
            times = [data["T"] for data in by_stream(client)["btcusdt@trade"]]
            assert ids == list(range(ids[0], ids[0] + len(ids)))
            if run == 2:
                async with aiohttp.ClientSession() as session:
                    _, page = await get(
                        session, f"{url}/api/v3/historicalTrades", symbol="BTCUSDT", fromId=last["id"] + 1, limit=1000
                    )
                assert [row["id"] for row in page][: ids[0] - last["id"]] == list(range(last["id"] + 1, ids[0] + 1))
                assert times[0] >= last["time"]
            last = {"id": ids[-1], "time": times[-1]}
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 10) == 0
            await asyncio.gather(task, return_exceptions=True)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--fault", "drip"), "simulator: fault 'drip' is not KIND or KIND=RATE"),
        (("--symbols", "BTCEUR"), "simulator: symbol 'BTCEUR' is not <BASE>USDT"),
    ],
)
async def test_bad_arguments_are_one_clear_line(arguments: tuple[str, ...], expected: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "marketprism.simulator", *arguments, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    assert errors.decode().startswith(expected)
    assert errors.decode().count("\n") == 1


async def test_a_port_in_use_is_one_clear_line() -> None:
    async with Simulator(options()) as exchange:
        port = int(exchange.url.rpartition(":")[2])
        with pytest.raises(ReplayError, match=rf"^simulator: 127.0.0.1:{port} is in use; choose another port$"):
            await Simulator(options(port=port)).start()


class HeldUp(Simulator):
    """A step waits for a client until that has been cut off twice."""

    cuts = 0
    ended = False

    async def _step(self, step_ms: int) -> None:
        while self.cuts < 2:
            await asyncio.sleep(0.001)
        self.ended = True

    def _cut_slow_clients(self) -> None:
        assert not self.ended
        self.cuts += 1


async def test_a_client_that_holds_up_a_step_is_cut_off_and_the_others_hear_the_rest_of_it() -> None:
    exchange = HeldUp(SimulatorOptions(slow_client_s=0.02))
    await exchange._timely_step(100)
    assert (exchange.cuts, exchange.ended) == (2, True)
