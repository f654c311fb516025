"""Mutated exchange messages into every parser: nothing raises, and each row is kept or refused by storage.

The messages are the first of each recording beside the checkout, and of the simulator's wire for venues without one.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from marketprism.subjects import Subject
from storage_service.batching import clean
from storage_service.frames import Frame
from tests.fuzz.mutations import mutated
from tests.golden.venues import lines_of, make_core
from tests.unit.collector.feeding import Core, instrument

MESSAGES: Final = 300
LOOKED_AT: Final = 20_000
_FAST: Final = {"trade_stream": "{symbol}@trade", "depth_stream": "{symbol}@depth@0ms"}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a venue's messages come from: a recording ('' = those below), its symbols with ticks, and settings."""

    recording: str
    ticks: dict[str, str]
    settings: dict[str, str] = field(default_factory=dict)


VENUES: Final[dict[str, Source]] = {
    "binance.spot": Source("binance_spot", {"BTCUSDT": "0.01", "ETHUSDT": "0.01"}),
    "binance.linear": Source(
        "binance_usdm_20240808",
        {"BTCUSDT": "0.1", "ETHUSDT": "0.01"},
        {f"binance_linear_{name}": value for name, value in _FAST.items()},
    ),
    "binance.inverse": Source(
        "binance_coinm",
        {"BTCUSD_PERP": "0.1", "ETHUSD_PERP": "0.01"},
        {f"binance_inverse_{name}": value for name, value in _FAST.items()},
    ),
    "okx.spot": Source("okx", {"BTC-USDT": "0.1"}, {"okx_trade_channel": "trades"}),
    "okx.inverse": Source("okx", {"UNI-USD-SWAP": "0.001", "BTC-USD-220527": "0.1"}, {"okx_trade_channel": "trades"}),
    "deribit.option": Source(
        "deribit",
        {"ETH-30JUL21-2800-C": "0.0005", "ETH-27AUG21-4000-P": "0.0005"},
        {"deribit_interval": "raw"},
    ),
    "bybit.linear": Source("", {"BTCUSDT": "0.1"}),
}
BYBIT: Final = (
    b'{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486868,"data":[{"T":1672304486865,"s":"BTCUSDT",'
    b'"S":"Buy","v":"0.001","p":"16578.50","L":"PlusTick","i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false}]}',
    b'{"topic":"orderbook.200.BTCUSDT","type":"snapshot","ts":1672304484978,"data":{"s":"BTCUSDT","b":[["16493.50",'
    b'"0.006"]],"a":[["16611.00","0.029"]],"u":18521288,"seq":7961638724},"cts":1672304484976}',
    b'{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"symbol":"BTCUSDT","markPrice":"17217.33","indexPrice":'
    b'"17227.36","openInterest":"68744.761","fundingRate":"-0.000212","nextFundingTime":"1673280000000"},"ts":1673272861686}',
)  # fmt: skip


def _core(name: str) -> Core:
    exchange, _, market = name.partition(".")
    source = VENUES[name]
    listed = [
        msgspec.structs.replace(instrument(market, symbol, tick), exchange=exchange, is_inverse=market == "inverse")
        for symbol, tick in source.ticks.items()
    ]
    core = make_core(name, listed, **source.settings)
    core.venue.plan(list(source.ticks))
    return core


def messages(name: str, recordings: Path) -> list[tuple[bytes, int]]:
    """(text, receipt in µs) of a venue's first messages that it can use; [] when its recording is absent."""
    recording = VENUES[name].recording
    path = recordings / f"{recording}.jsonl.zst"
    if recording and not path.is_file():
        return []
    lines = (line for line in lines_of(path) if line.transport == "ws") if recording else iter(())
    said = [(line.payload.encode(), line.received_at) for line in islice(lines, LOOKED_AT)]
    core, usable = _core(name), []
    for text, received_at in said or [(text, 1_672_304_487_000_000) for text in BYBIT]:
        if core.market.receive(text, received_at) is not None:
            usable.append((text, received_at))
    return usable[:: max(1, len(usable) // MESSAGES)]


def fuzz_payloads(name: str, base: Sequence[tuple[bytes, int]], seed: int, count: int) -> Counter[str]:
    """``count`` messages, nine of ten mutated, into one venue. Raises AssertionError for a row that vanishes."""
    chance, counts = random.Random(f"{name}{seed}"), Counter[str]()
    texts = [text for text, _ in base]
    done = 0
    while done < count:
        core = _core(name)
        for _ in range(min(2000, count - done)):
            text, received_at = chance.choice(base)
            if chance.random() < 0.9:
                text = mutated(chance, text, texts)
            core.market.receive(text, received_at)
            done += 1
        core.market.close()
        counts["refused"] += sum(core.errors().values())
        counts += _into_storage(name, core.rows)
    counts["messages"] = done
    return counts


def _into_storage(name: str, rows: Sequence[object]) -> Counter[str]:
    """What the storage service makes of the rows: each is kept, or refused with a reason."""
    exchange, _, market = name.partition(".")
    counts: Counter[str] = Counter()
    for data_type, part in _by_type(rows):
        subject = str(Subject(data_type, exchange, market, "_0"))
        payload = b"\n".join(msgspec.json.encode(row) for row in part)
        kept, dead = clean(data_type, [Frame.of(1, subject, payload, 0, "1")])
        assert kept.height + len(dead) == len(part)
        counts += Counter(rows=kept.height, refused_by_storage=len(dead))
    return counts


def _by_type(rows: Sequence[object]) -> Iterator[tuple[str, list[object]]]:
    parts: dict[str, list[object]] = {}
    for row in rows:
        parts.setdefault(row.data_type, []).append(row)  # type: ignore[attr-defined]
    yield from parts.items()
