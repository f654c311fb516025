"""Messages and REST answers of every venue that the simulator speaks, kept in ``corpus.jsonl.zst`` beside this file.

``python -m tests.fuzz.corpus`` makes it anew: the real collector on the built-in simulator, everything it receives
recorded, of which the first few of each stream and each path are kept. Binance options, which the simulator has not,
are written by hand below, by the documented shapes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import zstandard

from marketprism.events import Instrument

FILE: Final = Path(__file__).parent / "corpus.jsonl.zst"
OPTION: Final = "binance.option"
AT: Final = 1_790_000_000_000_000
_KEPT_WS, _KEPT_HTTP, _LONGEST = 8, 2, 40_000
_CALL: Final = "BTC-261225-100000-C"


class Recorded(msgspec.Struct, frozen=True):
    """One thing that came in. ``url`` of a REST answer has its question; ``received_at`` in µs."""

    venue: str
    transport: str
    url: str
    payload: str
    received_at: int


class Corpus(msgspec.Struct, frozen=True):
    """What was received, and the instruments that the collector followed, by venue."""

    records: list[Recorded]
    instruments: dict[str, list[Instrument]]

    def messages(self, venue: str) -> list[tuple[bytes, int]]:
        return [(r.payload.encode(), r.received_at) for r in self.records if (r.venue, r.transport) == (venue, "ws")]

    def answers(self, venue: str) -> dict[str, list[bytes]]:
        """Bodies by path."""
        found: dict[str, list[bytes]] = {}
        for record in self.records:
            if (record.venue, record.transport) == (venue, "http"):
                found.setdefault(path_of(record.url), []).append(record.payload.encode())
        return found


def path_of(url: str) -> str:
    """``/api/v5/public/…`` of an address, without host and question."""
    return re.sub(r"^\w+://[^/]+", "", url).partition("?")[0]


@cache
def corpus() -> Corpus:
    """The kept corpus and the hand-written option messages."""
    kept = msgspec.json.decode(zstandard.ZstdDecompressor().decompress(FILE.read_bytes(), 1 << 28), type=Corpus)
    return Corpus([*kept.records, *_option_records()], {**kept.instruments, OPTION: [_option()]})


def _option() -> Instrument:
    return Instrument(
        timestamp=1, received_at=1000, exchange="binance", market_type="option", symbol=_CALL, sequence=1,
        canonical="BTC-USDT:USDT-261225-100000-C", base="BTC", quote="USDT", settle="USDT", type="option",
        is_inverse=False, multiplier="0.1", tick_size="5", lot_size="0.01", valid_from=1, status="TRADING",
        expiry=1_798_185_600_000, strike="100000", option_side="call",
    )  # fmt: skip


def _option_records() -> Iterator[Recorded]:
    ms = AT // 1000
    streams: dict[str, Any] = {
        "btcusdt@optionTrade": {
            "e": "trade", "E": ms, "T": ms, "s": _CALL, "t": 42, "p": "5200", "q": "0.10", "X": "MARKET", "S": "BUY",
            "m": False,
        },
        "btcusdt@optionMarkPrice": [{"e": "markPrice", "E": ms, "s": _CALL, "mp": "5190", "vo": "0.525", "b": "-1"}],
        "btcusdt@openInterest@261225": [{"e": "openInterest", "E": ms, "s": _CALL, "o": "120.5", "h": "12050000"}],
        "btc-261225-100000-c@depth@100ms": {
            "e": "depthUpdate", "E": ms, "T": ms, "s": _CALL, "U": 11, "u": 12, "pu": 10, "b": [["5110", "4"]],
            "a": [["5200", "2"]],
        },
    }  # fmt: skip
    info = {
        "symbol": _CALL, "side": "CALL", "strikePrice": "100000.00", "underlying": "BTCUSDT", "unit": 1,
        "expiryDate": 1_798_185_600_000, "quoteAsset": "USDT",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "5", "maxPrice": "100000", "tickSize": "5"},
            {"filterType": "LOT_SIZE", "minQty": "0.01", "maxQty": "600", "stepSize": "0.01"},
        ],
    }  # fmt: skip
    answers: dict[str, Any] = {
        "/eapi/v1/exchangeInfo": {
            "optionContracts": [
                {"underlying": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT", "settleAsset": "USDT"}
            ],
            "optionSymbols": [info, {**info, "symbol": "BTC-261225-90000-P", "side": "PUT"}],
            "rateLimits": [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 3000}],
        },
        "/eapi/v1/depth": {"lastUpdateId": 10, "T": 5, "bids": [["5100", "3"]], "asks": [["5200", "2"]]},
        "/eapi/v1/trades": [{"id": 1, "tradeId": 43, "price": "5200", "qty": "-1", "time": 9, "side": -1}],
        "/eapi/v1/openInterest": [
            {"symbol": _CALL, "sumOpenInterest": "7", "sumOpenInterestUsd": "700", "timestamp": str(ms)}
        ],
        "/eapi/v1/ticker": [{"symbol": _CALL, "amount": "12.5", "volume": "3"}],
    }
    for number, (stream, data) in enumerate(streams.items()):
        yield Recorded(OPTION, "ws", "", json.dumps({"stream": stream, "data": data}), AT + number)
    for path, body in answers.items():
        yield Recorded(OPTION, "http", path, json.dumps(body), AT)


def _kind(venue: str, transport: str, url: str, payload: str) -> str:
    """What makes two records alike: path, or the payload with its numbers and quoted values left out."""
    shape = path_of(url) if transport == "http" else re.sub(r'"[^"]*"(?!:)|[\d.]+', "", payload)[:60]
    return f"{venue} {transport} {shape}"


async def record(folder: Path) -> Corpus:
    """Play the simulator on every venue for a short while, and keep what is of different kinds."""
    from prometheus_client import CollectorRegistry

    from collector.metrics import CollectorMetrics
    from collector.recorder import SUFFIX
    from collector.rest import RestError
    from collector.service import CollectorService
    from marketprism.settings import NatsSettings
    from marketprism.simulator import Simulator, SimulatorOptions
    from marketprism.simulator.environment import INVERSE, LINEAR, SPOT
    from marketprism.simulator.mirror_specs import BYBIT_VENUES, MIRRORS
    from marketprism.supervisor.ports import free_ports
    from tests.integration.test_collector_delivery import Nats
    from tests.integration.test_collector_recorder import settings

    broker = Nats(folder / "nats", free_ports(1)[0])
    broker.start()
    extra = {"OPEN_INTEREST_INTERVAL_S": "2", "FUNDING_INTERVAL_S": "2", "RATIO_INTERVAL_S": "2"}
    options = SimulatorOptions(
        seed=11, symbols=("BTCUSDT",), venues=(SPOT, LINEAR, INVERSE, *MIRRORS, *BYBIT_VENUES), history_hours=0.02,
        extra=extra,
    )  # fmt: skip
    try:
        async with Simulator(options) as exchange:
            said = settings(exchange.environment, record_dir=folder / "recorded")
            nats_settings = NatsSettings(_env_file=None, url=broker.url, stream_max_bytes=32 << 20)
            service = CollectorService(said, nats_settings, CollectorMetrics(CollectorRegistry()))
            work = asyncio.create_task(service.run())
            await asyncio.sleep(25)
            for session in service.sessions:
                with contextlib.suppress(RestError):
                    await session.venue.fetch_volumes()
                for symbol in session._symbols[:1]:
                    with contextlib.suppress(RestError):
                        await session.venue.fetch_book(symbol)
                    for key, sequence in session.market.sequences.items():
                        if key[0] == symbol and session.venue.can_repair(key[1]) and sequence.last:
                            await session.venue.fetch_trades(*key, sequence.last - 5, sequence.last)
            work.cancel()
            await asyncio.wait([work])
            followed = {
                ".".join(session.key): [row for row in session._listing.known if row.symbol in session._symbols]
                for session in service.sessions
            }
    finally:
        broker.kill()
    seen: Counter[str] = Counter()
    records = []
    for path in sorted((folder / "recorded").glob(f"*{SUFFIX}")):
        venue = path.name.rpartition("_")[0].rpartition("_")[0]
        with zstandard.open(path, "rt") as file:
            for line in map(json.loads, file):
                kind = _kind(venue, line["transport"], line["url"], line["payload"])
                seen[kind] += 1
                most = _KEPT_WS if line["transport"] == "ws" else _KEPT_HTTP
                if seen[kind] <= most and len(line["payload"]) <= _LONGEST:
                    records.append(
                        Recorded(
                            venue, line["transport"], line["url"] if line["transport"] == "http" else "",
                            line["payload"], round(line["received_at"] * 1e6),
                        )
                    )  # fmt: skip
    return Corpus(records, followed)


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="marketprism-corpus-"))
    try:
        found = asyncio.run(record(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    FILE.write_bytes(zstandard.ZstdCompressor(19).compress(msgspec.json.encode(found)))
    for name, count in sorted(Counter(f"{record.venue} {record.transport}" for record in found.records).items()):
        print(f"{name:<24} {count}")
    print(f"{FILE.name}: {FILE.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
