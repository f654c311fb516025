"""OKX, Deribit and Bybit without a network: venues that know the recorded instruments, and a plain second book."""

from __future__ import annotations

import asyncio
import heapq
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import zstandard
from prometheus_client import CollectorRegistry

from collector.clock import SystemClock
from collector.market import BookOptions, Market
from collector.metrics import CollectorMetrics
from collector.rest import Response, RestClient, RestError
from collector.venue import Poll
from collector.venues import make_venue
from marketprism.events import Instrument, Row
from marketprism.settings import CollectorSettings
from tests.unit.collector.feeding import Core, Line

AT = 1_790_000_000_000_000
Answers = Callable[[str, Mapping[str, Any]], str]
ONE = 10**12


def lines_of(path: Path) -> list[Line]:
    """Incoming lines of a recording, in order."""
    with path.open("rb") as file:
        text = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file))
        records = [json.loads(line) for line in text]
    return [
        Line(round(record["received_at"] * 1_000_000), record["transport"], record["url"], record["payload"])
        for record in records
        if record["direction"] == "in"
    ]


def nothing(url: str, params: Mapping[str, Any]) -> str:
    """A REST interface that answers nothing."""
    raise RestError(404, f"{url} is not recorded")


def make_core(
    name: str,
    instruments: Sequence[Instrument] = (),
    answers: Answers = nothing,
    options: BookOptions | None = None,
    **settings: Any,
) -> Core:
    """The pure core of a venue that follows ``instruments``; REST is ``answers(url, params)``."""
    metrics = CollectorMetrics(CollectorRegistry())
    rows: list[Row] = []
    client = RestClient(SystemClock(), metrics)

    async def get(_: tuple[str, str], url: str, params: Mapping[str, Any], **__: Any) -> Response:
        return Response(answers(url, params).encode(), AT)

    client.get = get  # type: ignore[method-assign]
    venue = make_venue(name, CollectorSettings(_env_file=None, **settings), client)
    core = Core(venue, Market(venue, options or BookOptions(), metrics, rows.append), metrics, rows)
    core.market.track(instruments)
    return core


def listed(core: Core) -> dict[str, Instrument]:
    """What the venue lists, by symbol."""
    return {row.symbol: row for row in asyncio.run(core.venue.fetch_instruments())}


def polled(core: Core, name: str, symbol: str, newest: int = 0) -> list[Any]:
    """What a poll makes of the answers."""
    (poll,) = [each for each in core.venue.polls() if each.name == name]
    assert isinstance(poll, Poll)
    return list(asyncio.run(poll.fetch(symbol, newest)))


def contract(exchange: str, market_type: str, symbol: str, tick: str = "0.1", **changes: Any) -> Instrument:
    """A hand-made instrument."""
    fields: dict[str, Any] = {
        "timestamp": 1, "received_at": 1000, "exchange": exchange, "market_type": market_type, "symbol": symbol,
        "sequence": 1, "canonical": symbol, "base": "BTC", "quote": "USDT", "settle": "USDT", "type": "perpetual",
        "is_inverse": market_type == "inverse", "multiplier": "1", "tick_size": tick, "lot_size": "1",
        "valid_from": 1, "status": "live",
    }  # fmt: skip
    return Instrument(**{**fields, **changes})


# ------------------------------------------------------------------ a second, slower book


def units(number: str | Decimal) -> int:
    """In units of 10⁻¹², read by ``decimal``; must be whole."""
    value = Decimal(number) * ONE
    assert value == int(value)
    return int(value)


def base_units(native: str | Decimal, price: str | Decimal, instrument: Instrument) -> int:
    """Base units of a quantity in 10⁻¹², by exact fractions, rounded half to even."""
    value = Fraction(Decimal(native)) * Fraction(Decimal(instrument.multiplier))
    if instrument.is_inverse:
        value /= Fraction(Decimal(price))
    return round(value * ONE)


Change = tuple[int, int, list[int], int, int, int, int]
Level = tuple[Any, Any]


@dataclass
class PlainBook:
    """Plain dictionaries in base units; the whole side is searched for its best levels. Updates are numbered by ids."""

    instrument: Instrument
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)
    flows: list[Change] = field(default_factory=list)
    quotes: list[tuple[int, int, int, int, int]] = field(default_factory=list)

    def load(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            side.clear()
            side |= {units(price): base_units(size, price, self.instrument) for price, size in levels}

    def search(self) -> list[list[tuple[int, int]]]:
        tops = [heapq.nlargest(5, self.bids.items()), heapq.nsmallest(5, self.asks.items())]
        ends = [(-(ONE**9), 0), (ONE**9, 0)]  # where there is no such rank
        return [top + [end] * (5 - len(top)) for top, end in zip(tops, ends, strict=True)]

    def apply(self, time: int, last_id: int, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        before, changes = self.search(), []
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            added = cancelled = 0
            for price_text, size in levels:
                price, quantity = units(price_text), base_units(size, price_text, self.instrument)
                delta = quantity - side.get(price, 0)
                added += max(delta, 0)
                cancelled += max(-delta, 0)
                if quantity:
                    side[price] = quantity
                else:
                    side.pop(price, None)
            changes += [added, cancelled]
        after = self.search()
        ofi = []
        for rank in range(5):
            (bid_0, size_0), (bid_1, size_1) = before[0][rank], after[0][rank]
            flow = (size_1 if bid_1 >= bid_0 else 0) - (size_0 if bid_1 <= bid_0 else 0)
            (ask_0, size_0), (ask_1, size_1) = before[1][rank], after[1][rank]
            flow += (size_0 if ask_1 >= ask_0 else 0) - (size_1 if ask_1 <= ask_0 else 0)
            ofi.append(flow)
        best = (before[0][0], before[1][0]), (after[0][0], after[1][0])
        if self.bids and self.asks and (not self.flows or best[0] != best[1]):
            self.quotes.append((last_id, *after[0][0], *after[1][0]))
        self.flows.append((time, last_id, ofi, changes[0], changes[1], changes[2], changes[3]))


def check_book(core: Core, symbol: str, plain: PlainBook, width: int = 100) -> None:
    """Quotes, sampled rows with their flow, and the final book are those of the plain book."""
    quotes = [
        (row.last_update_id, *map(units, (row.bid_price, row.bid_quantity, row.ask_price, row.ask_quantity)))
        for row in core.of("best_quotes", symbol)
    ]
    assert quotes == plain.quotes
    for kind in ("best_quotes", "orderbooks"):
        sequences = [row.sequence for row in core.of(kind, symbol)]
        assert all(before < after for before, after in pairwise(sequences))
    book = core.market.keepers[symbol].book
    for side, expected in ((book.bids, plain.bids), (book.asks, plain.asks)):
        prices, quantities = side.levels(len(side))
        assert dict(zip(prices, quantities, strict=True)) == expected
    rows = core.of("orderbooks", symbol)
    start = 0
    for row, number in zip(rows, list(_published(plain.flows, width)) if rows else (), strict=True):
        part = plain.flows[start : number + 1]
        start = number + 1
        assert (row.timestamp, row.last_update_id, row.updates) == (part[-1][0], part[-1][1], len(part))
        assert row.ofi_l5 == [sum(flow[2][rank] for flow in part) / ONE for rank in range(5)]
        flows = (row.bid_added_quantity, row.bid_cancelled_quantity, row.ask_added_quantity, row.ask_cancelled_quantity)
        assert flows == tuple(sum(flow[3 + which] for flow in part) / ONE for which in range(4))  # type: ignore[misc]
    if rows:
        last = rows[-1]
        bids, asks = heapq.nlargest(20, plain.bids), heapq.nsmallest(20, plain.asks)
        assert (last.bids_count, last.asks_count) == (len(plain.bids), len(plain.asks))
        assert (last.bid_prices, last.ask_prices) == ([p / ONE for p in bids], [p / ONE for p in asks])
        assert last.bid_quantities == [plain.bids[price] / ONE for price in bids]
        assert last.ask_quantities == [plain.asks[price] / ONE for price in asks]


def _published(flows: list[Change], width: int) -> Iterator[int]:
    """The numbers of the updates that become rows: see ``collector.sampling``."""
    slots = [time // width for time, *_ in flows]
    for number, slot in enumerate(slots):
        if number == 0 or slot > slots[number - 1] or number == len(slots) - 1 or slots[number + 1] >= slot + 2:
            yield number
