"""Mutated exchange messages into every parser: nothing raises, and each row is kept or refused by storage.

The messages are the first of each recording beside the checkout, and of each venue that the simulator speaks
(``corpus``).
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

from collector.venues import VENUES
from marketprism.events import Instrument
from marketprism.subjects import Subject
from storage_service.batching import clean
from storage_service.frames import Frame
from tests.fuzz.corpus import corpus
from tests.fuzz.mutations import mutated
from tests.golden.venues import lines_of, make_core
from tests.unit.collector.feeding import Core, instrument

MESSAGES: Final = 300
LOOKED_AT: Final = 20_000
PER_CORE: Final = 25
"""Messages until the venue begins anew: a mutated id may put everything that follows behind a hole."""
_FAST: Final = {"trade_stream": "{symbol}@trade", "depth_stream": "{symbol}@depth@0ms"}


@dataclass(frozen=True, slots=True)
class Source:
    """Where messages come from: a recording ('' = the corpus) with its symbols and ticks, and the venue's settings."""

    venue: str
    recording: str = ""
    ticks: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str | int] = field(default_factory=dict)

    def instruments(self) -> list[Instrument]:
        if not self.recording:
            return corpus().instruments[self.venue]
        exchange, _, market = self.venue.partition(".")
        return [
            msgspec.structs.replace(instrument(market, symbol, tick), exchange=exchange, is_inverse=market == "inverse")
            for symbol, tick in self.ticks.items()
        ]


_RECORDED: Final = (
    Source("binance.spot", "binance_spot", {"BTCUSDT": "0.01", "ETHUSDT": "0.01"}),
    Source(
        "binance.linear",
        "binance_usdm_20240808",
        {"BTCUSDT": "0.1", "ETHUSDT": "0.01"},
        {f"binance_linear_{name}": value for name, value in _FAST.items()},
    ),
    Source(
        "binance.inverse",
        "binance_coinm",
        {"BTCUSD_PERP": "0.1", "ETHUSD_PERP": "0.01"},
        {f"binance_inverse_{name}": value for name, value in _FAST.items()},
    ),
    Source("okx.spot", "okx", {"BTC-USDT": "0.1"}, {"okx_trade_channel": "trades"}),
    Source("okx.inverse", "okx", {"UNI-USD-SWAP": "0.001", "BTC-USD-220527": "0.1"}, {"okx_trade_channel": "trades"}),
    Source(
        "deribit.option",
        "deribit",
        {"ETH-30JUL21-2800-C": "0.0005", "ETH-27AUG21-4000-P": "0.0005"},
        {"deribit_interval": "raw"},
    ),
)
SOURCES: Final[dict[str, Source]] = {
    **{f"{source.venue} recorded": source for source in _RECORDED},
    **{venue: Source(venue) for venue in VENUES},
}
"""By name: every venue of the collector from the corpus, and those that are recorded."""


def make(source: Source) -> Core:
    """The venue's pure core, following the source's instruments."""
    listed = source.instruments()
    core = make_core(source.venue, listed, **source.settings)
    core.venue.plan([row.symbol for row in listed])
    return core


def messages(name: str, recordings: Path) -> list[tuple[bytes, int]]:
    """(text, receipt in µs) of a source's first messages that it can use; [] when its recording is absent."""
    source = SOURCES[name]
    path = recordings / f"{source.recording}.jsonl.zst"
    if not source.recording:
        said = corpus().messages(source.venue)
    elif path.is_file():
        lines = (line for line in lines_of(path) if line.transport == "ws")
        said = [(line.payload.encode(), line.received_at) for line in islice(lines, LOOKED_AT)]
    else:
        return []
    core = make(source)
    usable = [(text, at) for text, at in said if core.market.receive(text, at) is not None]
    return usable[:: max(1, len(usable) // MESSAGES)]


def fuzz_payloads(name: str, base: Sequence[tuple[bytes, int]], seed: int, count: int) -> Counter[str]:
    """``count`` messages, nine of ten mutated, into one venue. Raises AssertionError for a row that vanishes."""
    chance, counts = random.Random(f"{name}{seed}"), Counter[str]()
    texts = [text for text, _ in base]
    done = 0
    while done < count:
        core = make(SOURCES[name])
        for _ in range(min(PER_CORE, count - done)):
            text, received_at = chance.choice(base)
            if chance.random() < 0.9:
                text = mutated(chance, text, texts)
            core.market.receive(text, received_at)
            done += 1
        core.market.close()
        counts["refused"] += sum(core.errors().values())
        counts += into_storage(SOURCES[name].venue, core.rows)
    counts["messages"] = done
    return counts


def into_storage(venue: str, rows: Sequence[object]) -> Counter[str]:
    """What the storage service makes of the rows: each is kept, or refused with a reason."""
    exchange, _, market = venue.partition(".")
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
