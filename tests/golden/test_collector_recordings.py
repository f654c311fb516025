"""The recordings of Binance through the collector's core, against an independent reading of the same JSON."""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, setcontext
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.unit.collector.feeding import Core, Line, core, feed, instrument, recorded

SPOT = ("binance_spot", "binance.spot", {"BTCUSDT": "0.01", "ETHUSDT": "0.01"}, {})
USDM_STREAMS = {
    "binance_linear_trade_stream": "{symbol}@trade",
    "binance_linear_depth_stream": "{symbol}@depth@0ms",
}
USDM = ("binance_usdm", "binance.linear", {"BTCUSDT": "0.1"}, USDM_STREAMS)
USDM_2024 = ("binance_usdm_20240808", "binance.linear", {"BTCUSDT": "0.1", "ETHUSDT": "0.01"}, USDM_STREAMS)
ALTS = (
    "binance_usdm_202107_alts",
    "binance.linear",
    {"AKROUSDT": "0.00001", "CTKUSDT": "0.001", "KEEPUSDT": "0.0001", "SUSHIUSDT": "0.001"},
    {},
)
COINM = (
    "binance_coinm",
    "binance.inverse",
    {"BTCUSD_PERP": "0.1", "ETHUSD_PERP": "0.01"},
    {"binance_inverse_trade_stream": "{symbol}@trade", "binance_inverse_depth_stream": "{symbol}@depth@0ms"},
)
COINM_2021 = (
    "binance_coinm_202107",
    "binance.inverse",
    {
        "BTCUSD_211231": "0.1",
        "ETHUSD_210924": "0.01",
        "BCHUSD_210924": "0.01",
        "LINKUSD_211231": "0.001",
        "BCHUSD_PERP": "0.01",
        "EOSUSD_PERP": "0.001",
        "ETCUSD_PERP": "0.001",
        "LINKUSD_PERP": "0.001",
        "TRXUSD_PERP": "0.00001",
        "XRPUSD_PERP": "0.0001",
    },
    {},
)
ALL = {
    name: (name, venue, ticks, streams)
    for name, venue, ticks, streams in (SPOT, USDM, USDM_2024, ALTS, COINM, COINM_2021)
}


pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("collector_recordings")]  # each recording is read once

E12 = Decimal(10**12)
Top = list[tuple[int, int]]
Change = tuple[int, int, list[int], int, int, int, int]


@lru_cache(maxsize=1 << 20)
def units(text: str) -> int:
    """Text in units of 10⁻¹², read by ``decimal``."""
    value = Decimal(text) * E12
    number = int(value)
    assert value == number
    return number


def dollars(symbol: str) -> int:
    """Of a COIN-M contract; 0 for symbols that are counted in base units."""
    if "USD_" not in symbol:
        return 0
    return 100 if symbol.startswith("BTC") else 10


setcontext(Context(prec=60))
_STEP = Decimal("1e-12")


@lru_cache(maxsize=1 << 20)
def base(symbol: str, quantity: str, price: str) -> Decimal:
    """Base units by ``decimal``: contracts · dollars / price, once rounded half to even."""
    if not dollars(symbol):
        return Decimal(quantity)
    return (Decimal(quantity) * dollars(symbol) / Decimal(price)).quantize(_STEP, ROUND_HALF_EVEN)


@dataclass
class PlainBook:
    """A second, slower implementation: plain dictionaries, a whole side searched for its best when they may differ."""

    symbol: str
    bids: dict[int, int]
    asks: dict[int, int]
    flows: list[Change] = field(default_factory=list)
    quotes: list[tuple[int, int, int, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.best = self.search()

    def search(self) -> tuple[Top, Top]:
        return (
            [(price, self.bids[price]) for price in heapq.nlargest(5, self.bids)],
            [(price, self.asks[price]) for price in heapq.nsmallest(5, self.asks)],
        )

    @staticmethod
    def best_of(side: dict[int, int], before: Top, levels: list[list[str]], pick: Callable[..., list[int]]) -> Top:
        """The best five after ``levels``: among those before and the new ones, unless one of them has gone."""
        old = {price for price, _ in before}
        if all(price in side for price in old):
            among = old | {units(price) for price, _ in levels}
            return [(price, side[price]) for price in pick(5, among & side.keys())]
        return [(price, side[price]) for price in pick(5, side)]

    def apply(self, update: dict[str, list[list[str]]], time: int, last_id: int) -> None:
        before = self.best
        changes = []
        for side, levels in ((self.bids, update["b"]), (self.asks, update["a"])):
            added = cancelled = 0
            for price_text, quantity_text in levels:
                price, quantity = units(price_text), int(base(self.symbol, quantity_text, price_text) * E12)
                delta = quantity - side.get(price, 0)
                added += max(delta, 0)
                cancelled += max(-delta, 0)
                if quantity == 0:
                    side.pop(price, None)
                else:
                    side[price] = quantity
            changes += [added, cancelled]
        after = (
            self.best_of(self.bids, before[0], update["b"], heapq.nlargest),
            self.best_of(self.asks, before[1], update["a"], heapq.nsmallest),
        )
        self.best = after
        ofi = []
        for rank in range(5):
            (bid_0, size_0), (bid_1, size_1) = before[0][rank], after[0][rank]
            flow = (size_1 if bid_1 >= bid_0 else 0) - (size_0 if bid_1 <= bid_0 else 0)
            (ask_0, size_0), (ask_1, size_1) = before[1][rank], after[1][rank]
            flow += (size_0 if ask_1 >= ask_0 else 0) - (size_1 if ask_1 <= ask_0 else 0)
            ofi.append(flow)
        if not self.flows or (before[0][0], before[1][0]) != (after[0][0], after[1][0]):
            self.quotes.append((last_id, *after[0][0], *after[1][0]))
        self.flows.append((time, last_id, ofi, *changes))


def plain_trades(lines: list[Line], symbol: str) -> Iterator[dict[str, Any]]:
    for line in lines:
        if f"{symbol.lower()}@" not in line.payload[:60]:
            continue
        message = json.loads(line.payload)
        if message.get("stream", "").lower() in (f"{symbol.lower()}@trade", f"{symbol.lower()}@aggtrade"):
            yield {"received_at": line.received_at, **message["data"]}


def plain_book(lines: list[Line], symbol: str) -> PlainBook:
    """Synchronised by the documentation: drop up to the snapshot, apply the rest."""
    (snapshot,) = [
        json.loads(line.payload)
        for line in lines
        if "/depth" in line.url and parse_qs(urlsplit(line.url).query).get("symbol") == [symbol]
    ]
    bids, asks = (
        {units(price): int(base(symbol, quantity, price) * E12) for price, quantity in snapshot[side]}
        for side in ("bids", "asks")
    )
    book = PlainBook(symbol, bids, asks)
    last = snapshot["lastUpdateId"]
    for line in lines:
        if line.transport == "ws" and f"{symbol.lower()}@depth" in line.payload[:60]:
            update = json.loads(line.payload)["data"]
            if update["u"] > last:
                book.apply(update, update.get("T", update["E"]), update["u"])
                last = update["u"]
    return book


@dataclass
class Case:
    lines: list[Line]
    ticks: dict[str, str]
    played: Core
    books: dict[str, PlainBook]
    quiet: bool
    """Half a minute of many contracts: some have no trade in it."""


@pytest.fixture(scope="module", params=ALL)
def case(request: pytest.FixtureRequest, shared: Path) -> Case:
    name, venue, ticks, streams = ALL[request.param]
    path = shared / "recordings" / f"{name}.jsonl.zst"
    listed = [
        instrument(
            venue.partition(".")[2],
            symbol,
            tick,
            is_inverse=bool(dollars(symbol)),
            multiplier=str(dollars(symbol) or 1),
        )
        for symbol, tick in ticks.items()
    ]
    played = core(venue, ticks, instruments=listed, **streams)
    # the recorder's bookTicker and kline streams are nobody's business here, and most of the lines
    lines = [line for line in recorded(path) if not re.search(r"@(bookTicker|kline)", line.payload[:60])]
    feed(played, iter(lines))
    return Case(lines, ticks, played, {symbol: plain_book(lines, symbol) for symbol in ticks}, "_2021" in name)


def test_nothing_is_missing_and_nothing_refused(case: Case) -> None:
    played = case.played
    assert played.of("gaps") == []
    assert played.errors() == {}
    assert all(keeper.live and keeper.resyncs == 0 for keeper in played.market.keepers.values())


def test_every_trade_says_what_the_exchange_said(case: Case) -> None:
    for symbol, tick in case.ticks.items():
        rows = case.played.of("trades", symbol)
        expected = list(plain_trades(case.lines, symbol))
        assert expected or case.quiet
        assert len(rows) == len(expected)
        for row, said in zip(rows, expected, strict=True):
            sequence = said.get("t", said.get("a"))
            assert (row.sequence, row.trade_id) == (sequence, str(sequence))
            assert row.trade_kind == said["e"].replace("aggTrade", "agg_trade")
            assert (row.price, row.native_quantity) == (said["p"], said["q"])
            assert Decimal(row.quantity) == base(symbol, said["q"], said["p"])
            assert (row.side, row.is_maker) == ("sell" if said["m"] else "buy", said["m"])
            assert (row.timestamp, row.trade_time, row.received_at) == (said["T"], said["T"], said["received_at"])
            assert (row.first_trade_id, row.last_trade_id) == (said.get("f", sequence), said.get("l", sequence))
            assert row.is_market is (said.get("X", "MARKET") == "MARKET")
            ticks_of_price = (Decimal(said["p"]) / Decimal(tick)).to_integral_value(ROUND_HALF_UP)
            assert (row.tick_size, row.price_tick) == (tick, int(ticks_of_price))


def test_the_insurance_fund_print_is_kept_and_flagged(shared: Path) -> None:
    name, venue, ticks, streams = USDM
    played = core(venue, ticks, **streams)
    feed(played, (line for line in recorded(shared / "recordings" / f"{name}.jsonl.zst") if "@trade" in line.payload))
    flagged = [(row.sequence, row.price) for row in played.of("trades") if not row.is_market]
    assert flagged == [(3535191080, "28722.50")]


def test_books_quotes_and_flow_equal_a_plain_recomputation(case: Case) -> None:
    for symbol, plain in case.books.items():
        quotes = [
            (row.sequence, *map(units, (row.bid_price, row.bid_quantity, row.ask_price, row.ask_quantity)))
            for row in case.played.of("best_quotes", symbol)
        ]
        assert quotes == plain.quotes
        check_rows(case.played.of("orderbooks", symbol), plain)


def check_rows(rows: list, plain: PlainBook) -> None:
    slots = [time // 100 for time, *_ in plain.flows]
    published = [
        number
        for number, slot in enumerate(slots)
        if number == 0
        or slot > slots[number - 1]  # the first of its slot
        or number == len(slots) - 1  # the end
        or slots[number + 1] >= slot + 2  # the last before a whole empty slot
    ]
    assert [row.last_update_id for row in rows] == [plain.flows[number][1] for number in published]
    start = 0
    for row, number in zip(rows, published, strict=True):
        part = plain.flows[start : number + 1]
        start = number + 1
        assert (row.timestamp, row.updates) == (part[-1][0], len(part))
        assert row.ofi_l5 == [sum(flow[2][rank] for flow in part) / 10**12 for rank in range(5)]
        assert row.ofi_l1 == row.ofi_l5[0]
        assert row.bid_added_quantity == sum(flow[3] for flow in part) / 10**12
        assert row.bid_cancelled_quantity == sum(flow[4] for flow in part) / 10**12
        assert row.ask_added_quantity == sum(flow[5] for flow in part) / 10**12
        assert row.ask_cancelled_quantity == sum(flow[6] for flow in part) / 10**12
    last = rows[-1]
    bids, asks = heapq.nlargest(20, plain.bids), heapq.nsmallest(20, plain.asks)
    assert (last.bids_count, last.asks_count) == (len(plain.bids), len(plain.asks))
    assert last.bid_prices == [price / 10**12 for price in bids]
    assert last.ask_prices == [price / 10**12 for price in asks]
    assert last.bid_quantities == [plain.bids[price] / 10**12 for price in bids]
    assert last.ask_quantities == [plain.asks[price] / 10**12 for price in asks]
    assert (units(last.best_bid_price), units(last.best_ask_price)) == (bids[0], asks[0])
    assert (units(last.best_bid_quantity), units(last.best_ask_quantity)) == (plain.bids[bids[0]], plain.asks[asks[0]])


def test_the_whole_book_ends_as_the_recording_says(case: Case) -> None:
    for symbol, plain in case.books.items():
        book = case.played.market.keepers[symbol].book
        for side, expected in ((book.bids, plain.bids), (book.asks, plain.asks)):
            prices, quantities = side.levels(len(side))
            found = dict(zip(prices, quantities, strict=True))
            assert found == expected


def test_predicted_funding_follows_the_mark_price_stream(shared: Path) -> None:
    name, venue, ticks, streams = USDM
    path = shared / "recordings" / f"{name}.jsonl.zst"
    played = core(venue, ticks, **streams)
    feed(played, recorded(path))
    said = [json.loads(line.payload)["data"] for line in recorded(path) if "@markPrice" in line.payload[:60]]
    rows = played.of("funding_rates")
    assert len(rows) == len(said) == 514
    for row, message in zip(rows, said, strict=True):
        assert (row.timestamp, row.sequence, row.funding_kind) == (message["E"], message["E"], "predicted")
        assert (row.funding_rate, row.mark_price, row.index_price) == (message["r"], message["p"], message["i"])
        assert row.funding_time == message["T"]
    assert {row.funding_time for row in rows} == {1680652800000, 1680681600000}
