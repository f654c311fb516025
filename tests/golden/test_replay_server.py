"""The replay server against a client of its own: every frame of real recordings, in order, with its own stamp."""

from __future__ import annotations

import asyncio
import io
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import zstandard

from marketprism.errors import RecordingError, ReplayError
from marketprism.replay import ReplayServer, describe
from tests.integration.exchange_client import Client
from tests.unit.replay.recordings import depth, line, snapshot, ticker, trade, write

RECORDINGS = ("binance_spot", "binance_usdm", "binance_usdm_20240808", "binance_usdm_202107_alts")
PATHS = {"binance.spot": ("/spot", "/api/v3"), "binance.linear": ("/linear/public", "/fapi/v1")}


@asynccontextmanager
async def clients(server: ReplayServer) -> AsyncIterator[dict[str, Client]]:
    """One client a venue, subscribed to everything expected, which fetches each book after its first depth frame."""
    made, tasks = {}, []
    async with aiohttp.ClientSession() as session:
        for venue in {venue for venue, _ in server.expected}:
            path, rest = PATHS[venue]
            client = Client(server.url.replace("http", "ws") + path, [n for v, n in server.expected if v == venue])
            made[venue] = client
            tasks += [
                asyncio.create_task(client.run()),
                asyncio.create_task(fetch_books(session, client, f"{server.url}{rest}/depth")),
            ]
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def fetch_books(session: aiohttp.ClientSession, client: Client, url: str) -> None:
    fetched: set[str] = set()
    client.books = {}  # type: ignore[attr-defined]
    seen = 0
    while True:
        await client.until(seen + 1)
        for frame in client.frames[seen:]:
            seen += 1
            symbol = frame.text[11:40].partition("@")[0].upper()
            if "@depth" in frame.text[:60] and symbol not in fetched:
                fetched.add(symbol)
                async with session.get(url, params={"symbol": symbol, "limit": 1000}) as answer:
                    stamp = int(answer.headers["X-Received-At"])
                    client.books[symbol] = (stamp, await answer.text())  # type: ignore[attr-defined]


def independent_reading(path: Path) -> tuple[dict[str, list[tuple[int, str]]], dict[str, tuple[int, str]]]:
    """Stream → [(µs, text)], symbol → (µs, REST body); with nothing but zstandard and json."""
    streams, books = defaultdict(list), {}
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        for raw in io.TextIOWrapper(stream, encoding="utf-8"):
            message = json.loads(raw)
            at = round(message["received_at"] * 1e6)
            if message["transport"] == "http":
                if "/depth?" in message["url"]:
                    books[message["url"].partition("symbol=")[2].partition("&")[0]] = (at, message["payload"])
            else:
                streams[json.loads(message["payload"])["stream"]].append((at, message["payload"]))
    return streams, books


@pytest.mark.parametrize("name", RECORDINGS)
async def test_every_frame_arrives_in_order_with_its_own_receive_time(shared: Path, name: str) -> None:
    path = shared / "recordings" / f"{name}.jsonl.zst"
    streams, books = independent_reading(path)
    async with ReplayServer([path]) as server, clients(server) as of_venue:
        await server.finished()
        (client,) = of_venue.values()
        received = defaultdict(list)
        for frame in client.frames:
            received[frame.text[11:].partition('"')[0]].append((frame.received_us, frame.text))
        wanted = {stream for stream in streams if "bookTicker" not in stream and "kline" not in stream}
        assert set(received) == wanted
        for stream in wanted:
            assert received[stream] == streams[stream]
        assert client.books == books  # type: ignore[attr-defined]
        assert [frame.received_us for frame in client.frames] == sorted(frame.received_us for frame in client.frames)
        assert sum(server.sent.values()) == len(client.frames)


async def test_exchange_info_serves_the_symbols_of_the_recording(shared: Path) -> None:
    async with (
        ReplayServer([shared / "recordings" / "binance_usdm.jsonl.zst"]) as server,
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/fapi/v1/exchangeInfo") as answer,
    ):
        (symbol,) = (await answer.json())["symbols"]
        assert symbol["symbol"] == "BTCUSDT"
        assert {f["filterType"]: f.get("tickSize", f.get("stepSize")) for f in symbol["filters"]} == {
            "PRICE_FILTER": "0.1",
            "LOT_SIZE": "0.001",
        }
        assert int(answer.headers["X-Received-At"]) == server.recordings[0].first_us


# ------------------------------------------------------------------------------------- hand-made recordings


async def test_nothing_is_played_before_all_streams_are_subscribed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zst", [depth(1.0, 1, 2), trade(2.0, 7)])
    async with ReplayServer([path]) as server:
        base = server.url.replace("http", "ws") + "/spot"
        early, late = Client(base, ["btcusdt@trade"]), Client(base, ["btcusdt@depth@100ms"])
        tasks = [asyncio.create_task(early.run())]
        await early.subscribed.wait()
        assert early.acks == [{"result": None, "id": 1}]
        assert not server.sent
        tasks.append(asyncio.create_task(late.run()))
        await server.finished()
        assert [len(client.frames) for client in (early, late)] == [1, 1]
        for task in tasks:
            task.cancel()


async def test_nobody_subscribes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zst", [depth(1.0, 1, 2), trade(2.0, 7)])
    async with ReplayServer([path], subscribe_timeout_s=0.05) as server:
        with pytest.raises(
            ReplayError, match=r"not subscribed within .*btcusdt@depth@100ms, binance.spot btcusdt@trade"
        ):
            await server.finished()


async def test_a_snapshot_recorded_before_the_first_depth_frame_waits_for_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zst", [snapshot(1.0, 2), trade(1.5, 1), depth(2.0, 1, 3), depth(3.0, 4, 5)])
    async with ReplayServer([path]) as server, clients(server) as of_venue:
        await asyncio.wait_for(server.finished(), 5)
        client = of_venue["binance.spot"]
        assert len(client.frames) == 3
        assert client.books["BTCUSDT"][0] == 1_000_000  # type: ignore[attr-defined]


async def test_books_may_be_fetched_one_at_a_time_in_another_order(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.zst",
        [
            depth(1.0, 1, 2), depth(1.0, 1, 2, "ETHUSDT"),
            snapshot(1.1, 2), depth(1.2, 3, 3), depth(1.2, 3, 3, "ETHUSDT"), snapshot(1.3, 3, "ETHUSDT"),
            depth(1.4, 4, 4, "ETHUSDT"),
        ],
    )  # fmt: skip
    async with ReplayServer([path]) as server, aiohttp.ClientSession() as session:
        client = Client(server.url.replace("http", "ws") + "/spot", [name for _, name in server.expected])
        task = asyncio.create_task(client.run())
        await client.until(2)
        for symbol, last_id in (("ETHUSDT", 3), ("BTCUSDT", 2)):
            async with session.get(f"{server.url}/api/v3/depth", params={"symbol": symbol}) as answer:
                assert (await answer.json())["lastUpdateId"] == last_id
        await asyncio.wait_for(server.finished(), 5)
        assert len(client.frames) == 5
        task.cancel()


async def test_a_snapshot_nobody_fetches_is_served_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a.zst", [depth(1.0, 1, 2), snapshot(1.1, 2), trade(1.2, 1)])
    async with ReplayServer([path], snapshot_timeout_s=0.05) as server, aiohttp.ClientSession() as session:
        client = Client(server.url.replace("http", "ws") + "/spot", [name for _, name in server.expected])
        task = asyncio.create_task(client.run())
        await asyncio.wait_for(server.finished(), 5)
        assert "nobody fetched the binance.spot snapshot of BTCUSDT" in caplog.text
        bodies = []
        for _ in range(2):
            async with session.get(f"{server.url}/api/v3/depth", params={"symbol": "BTCUSDT"}) as answer:
                bodies.append(await answer.text())
        assert bodies[0] == bodies[1]
        assert json.loads(bodies[0])["lastUpdateId"] == 2
        task.cancel()


async def test_the_pace_is_the_recorded_one_times_speed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zst", [trade(1.0, 1), trade(2.0, 2), trade(3.0, 3)])
    loop = asyncio.get_running_loop()
    async with ReplayServer([path], speed=10) as server:
        client = Client(server.url.replace("http", "ws") + "/spot", ["btcusdt@trade"])
        task = asyncio.create_task(client.run())
        await client.until(1)
        started = loop.time()
        await server.finished()
        assert 0.19 <= loop.time() - started < 1.0
        task.cancel()


async def test_raw_streams_get_the_bare_data_and_unwanted_streams_nothing(tmp_path: Path) -> None:
    import websockets

    path = write(tmp_path / "a.zst", [ticker(1.0), trade(2.0, 7)])
    async with ReplayServer([path]) as server:
        url = server.url.replace("http", "ws") + "/spot/ws/btcusdt@trade"
        async with websockets.connect(url) as socket:
            raw = await asyncio.wait_for(socket.recv(), 5)
            assert raw[:17] == "0000000002000000 "
            assert json.loads(raw[17:])["t"] == 7
            await server.finished()
        assert dict(server.skipped) == {("binance.spot", "btcusdt@bookTicker"): 1}


async def test_what_is_not_recorded_is_answered_emptily(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zst", [trade(2.0, 7)])
    async with ReplayServer([path]) as server, aiohttp.ClientSession() as session:
        for query, status, body in (
            ("/api/v3/historicalTrades?symbol=BTCUSDT", 200, []),
            ("/futures/data/topLongShortPositionRatio?symbol=BTCUSDT&period=5m", 200, []),
            ("/api/v3/ping", 200, {}),
            ("/api/v3/depth?symbol=BTCUSDT", 400, {"code": -1121, "msg": "Invalid symbol."}),
            ("/fapi/v1/openInterest", 404, {"code": -5000, "msg": "Path /fapi/v1/openInterest, Method GET is invalid"}),
        ):
            async with session.get(server.url + query) as answer:
                assert (answer.status, await answer.json()) == (status, body)
                assert answer.headers["X-Received-At"] == "0000000002000000"


async def test_files_are_merged_by_receive_time_and_mixed_speeds_are_refused(tmp_path: Path) -> None:
    first = write(tmp_path / "a.zst", [trade(1.0, 1), trade(3.0, 3)])
    second = write(tmp_path / "b.zst", [trade(2.0, 2, symbol="ETHUSDT")])
    async with ReplayServer([first, second]) as server, clients(server) as of_venue:
        await server.finished()
        assert [frame.body["data"]["t"] for frame in of_venue["binance.spot"].frames] == [1, 2, 3]
    slow = depth(1.0, 1, 2).replace("depth@100ms", "depth@1000ms")
    with pytest.raises(RecordingError, match="replay them one by one"):
        ReplayServer([write(tmp_path / "c.zst", [slow]), write(tmp_path / "d.zst", [depth(1.0, 1, 2)])])


async def test_a_client_that_comes_back_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zst", [trade(float(number), number) for number in range(1, 40)])
    async with ReplayServer([path], speed=100) as server:
        url = server.url.replace("http", "ws") + "/spot"
        first = Client(url, ["btcusdt@trade"])
        task = asyncio.create_task(first.run())
        await first.until(3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        second = Client(url, ["btcusdt@trade"])
        task = asyncio.create_task(second.run())
        await asyncio.wait_for(server.finished(), 10)
        assert second.frames[-1].body["data"]["t"] == 39
        task.cancel()


async def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zst", [trade(1.0, 1)])
    async with ReplayServer([path]) as server:
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(ReplayError, match=rf"^replay server: 127.0.0.1:{port} is in use"):
            await ReplayServer([path], port=port).start()


def test_a_recording_of_another_venue_is_refused(tmp_path: Path) -> None:
    other = line(1.0, "wss://ws.example.org/stream", {"stream": "x@trade", "data": {}})
    with pytest.raises(RecordingError, match="unknown venue"):
        describe(write(tmp_path / "a.zst", [other]))
