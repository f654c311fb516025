"""Bybit, a venue written against the seam alone: no real message of it is at hand, the shapes are documented ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.rest import RestError
from collector.venues.bybit.books import Ordinals
from tests.golden.venues import AT, contract, listed, make_core, polled
from tests.unit.collector.feeding import Core

LINEAR = contract("bybit", "linear", "BTCUSDT", "0.10", status="Trading")


def linear() -> Core:
    return make_core("bybit.linear", [LINEAR])


def say(core: Core, topic: str, data: Any, at: int = AT, **more: Any) -> None:
    core.market.receive(json.dumps({"topic": topic, "ts": 1790000000000, "data": data, **more}).encode(), at)


def trade(seq: int, number: int, **more: Any) -> dict[str, Any]:
    return {
        "T": 1790000000000 + number, "s": "BTCUSDT", "S": "Buy", "v": "0.001", "p": "16578.50", "L": "PlusTick",
        "i": f"20f43950-{number}", "BT": False, "RPI": False, "seq": seq, **more,
    }  # fmt: skip


def test_trades_have_numbers_that_rise_and_duplicates_are_told() -> None:
    core = linear()
    say(core, "publicTrade.BTCUSDT", [trade(7, 1), trade(7, 2, S="Sell"), trade(9, 3, BT=True)])
    say(core, "publicTrade.BTCUSDT", [trade(9, 3), trade(9, 4)])
    say(core, "publicTrade.BTCUSDT", [trade(7, 1)])  # an overlapping connection
    rows = core.of("trades")
    assert [(row.sequence, row.trade_id, row.side, row.is_market) for row in rows] == [
        (700000, "20f43950-1", "buy", True),
        (700001, "20f43950-2", "sell", True),
        (900000, "20f43950-3", "buy", False),
        (900001, "20f43950-4", "buy", True),
    ]
    assert core.of("gaps") == []
    assert (rows[0].price_tick, rows[0].quantity, rows[0].is_maker) == (165785, "0.001", False)


@settings(deadline=None)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=20), st.data())
def test_two_connections_number_alike(shared_by: list[int], data: st.DataObject) -> None:
    prints = [(seq, f"{seq}-{place}") for seq, count in enumerate(shared_by, 1) for place in range(count)]
    first, second = Ordinals(), Ordinals()
    numbers = [first.number("S", *each) for each in prints]
    assert all(a < b for a, b in pairwise(numbers))
    at = 0
    for position, each in enumerate(prints):  # the other one hears some of them again
        assert second.number("S", *each) == numbers[position]
        at = data.draw(st.integers(0, position))
        assert second.number("S", *prints[at]) <= numbers[position]


def test_a_lost_connection_without_trades_says_nothing_of_them() -> None:
    core = linear()
    (plan,) = core.venue.plan(["BTCUSDT"])
    say(core, "publicTrade.BTCUSDT", [trade(7, 1)])
    core.market.lost([stream for stream in plan.streams if stream.channel == "funding_rates"], "disconnect")
    say(core, "publicTrade.BTCUSDT", [trade(20, 2)])
    assert core.of("gaps") == []


def test_what_is_listed_again_with_a_sequence_that_starts_over_is_collected() -> None:
    core = linear()
    (plan,) = core.venue.plan(["BTCUSDT"])
    say(core, "publicTrade.BTCUSDT", [trade(7_000, 1)])
    core.venue.forget(plan.streams)
    core.market.forget({"BTCUSDT"})
    core.market.track([LINEAR])
    say(core, "publicTrade.BTCUSDT", [trade(7, 2), trade(7, 3), trade(8, 4)])
    assert [row.sequence for row in core.of("trades")] == [700_000_000, 700_000, 700_001, 800_000]
    assert core.of("gaps") == []


def test_a_lost_connection_is_said_because_ids_do_not_tell() -> None:
    core = linear()
    (plan,) = core.venue.plan(["BTCUSDT"])
    say(core, "publicTrade.BTCUSDT", [trade(7, 1)])
    core.market.lost(plan.streams, "disconnect")
    say(core, "publicTrade.BTCUSDT", [trade(20, 2), trade(30, 3)])
    (gap,) = core.of("gaps")
    assert (gap.of_type, gap.cause, gap.repaired) == ("trades", "disconnect", False)
    assert (gap.from_sequence, gap.to_sequence, gap.from_time, gap.to_time) == (
        700001,
        1999999,
        1790000000001,
        1790000000002,
    )
    assert len(core.of("trades")) == 3


def book(number: int, size: str = "1") -> dict[str, Any]:
    return {"s": "BTCUSDT", "b": [["16493.50", size]], "a": [["16611.00", "2"]], "u": number, "seq": 7 * number}


def test_books_rise_by_one_and_a_restart_of_the_service_starts_them_over() -> None:
    core = linear()
    topic = "orderbook.200.BTCUSDT"
    say(core, topic, book(10), type="snapshot", cts=1790000000000)
    for number in (11, 12):
        say(core, topic, book(number, str(number)), type="delta", cts=1790000000000 + number)
    assert core.market.keepers["BTCUSDT"].last_id == 12
    say(core, topic, book(14), type="delta", cts=1790000000100)
    assert core.market.wants_books() == ["BTCUSDT"]
    say(core, topic, book(14, "4"), type="snapshot", cts=1790000000200)
    say(core, topic, book(15, "5"), type="delta", cts=1790000000300)
    say(core, topic, book(1, "6"), type="snapshot", cts=1790000000400)
    say(core, topic, book(2, "7"), type="delta", cts=1790000000500)
    keeper = core.market.keepers["BTCUSDT"]
    assert (keeper.live, keeper.last_id) == (True, 2)
    assert keeper.book.bids.best == (16493_5 * 10**11, 7 * 10**12)
    assert core.errors() == {}


@pytest.mark.parametrize("depth", [50, 200])
def test_a_book_from_rest_is_not_joined_to_a_stream_that_counts_otherwise(depth: int) -> None:
    """REST says ``u`` of the 1000 levels: taken for the stream's, every update after it is an old one, for ever."""
    body = json.dumps({"retCode": 0, "result": {**book(230704), "cts": 1790000000500}})
    core = make_core("bybit.linear", [LINEAR], lambda *_: body, bybit_book_depth=depth)
    topic = f"orderbook.{depth}.BTCUSDT"
    say(core, topic, book(10), type="snapshot", cts=1790000000000)
    say(core, topic, book(12, "2"), type="delta", cts=1790000000200)
    with pytest.raises(RestError):
        core.market.snapshot(asyncio.run(core.venue.fetch_book("BTCUSDT")))
    assert core.market.wants_books() == ["BTCUSDT"]
    say(core, topic, book(12, "2"), type="snapshot", cts=1790000000400)
    say(core, topic, book(13, "3"), type="delta", cts=1790000000500)
    assert core.market.keepers["BTCUSDT"].last_id == 13


def test_tickers_carry_funding_and_open_interest() -> None:
    core = linear()
    whole = {
        "symbol": "BTCUSDT", "markPrice": "17217.33", "indexPrice": "17227.36", "openInterest": "68744.761",
        "openInterestValue": "1183601235.91", "fundingRate": "-0.000212", "nextFundingTime": "1790006400000",
        "fundingIntervalHour": "8", "bid1Price": "17215.50",
    }  # fmt: skip
    say(core, "tickers.BTCUSDT", whole, type="snapshot", ts=1790000000000)
    say(core, "tickers.BTCUSDT", {"symbol": "BTCUSDT", "fundingRate": "0.0003"}, type="delta", ts=1790000000500)
    say(core, "tickers.BTCUSDT", {"symbol": "BTCUSDT", "markPrice": "17300"}, type="delta", ts=1790000001000)
    fundings = core.of("funding_rates")
    assert [(row.funding_rate, row.mark_price, row.timestamp) for row in fundings] == [
        ("-0.000212", "17217.33", 1790000000000),
        ("0.0003", "17300", 1790000001000),
    ]
    assert {(row.funding_kind, row.funding_interval_h, row.funding_time, row.index_price) for row in fundings} == {
        ("predicted", 8, 1790006400000, "17227.36")
    }
    (interest,) = core.of("open_interests")
    assert (interest.open_interest, interest.open_interest_value) == ("68744.761", "1183601235.91")


def test_a_dated_future_pays_no_funding() -> None:
    """Its history is of perpetuals only, and its ticker may say 0 where there is nothing to say."""
    future = contract("bybit", "linear", "BTC-25DEC26", type="future", expiry=1798185600000, status="Trading")
    core = make_core("bybit.linear", [future])
    data = {"symbol": future.symbol, "openInterest": "5", "fundingRate": "0", "nextFundingTime": "0"}
    say(core, f"tickers.{future.symbol}", data, type="snapshot")
    assert [row.data_type for row in core.rows] == ["open_interests"]
    assert polled(core, "settled funding", future.symbol) == []
    assert core.errors() == {}


def test_a_closed_long_is_a_forced_sell() -> None:
    core = linear()
    say(core, "allLiquidation.BTCUSDT", [{"T": 1790000000001, "s": "BTCUSDT", "S": "Buy", "v": "0.2", "p": "16500.1"}])
    (row,) = core.of("liquidations")
    assert (row.side, row.price, row.price_kind, row.quantity, row.sampled) == (
        "sell", "16500.1", "bankruptcy", "0.2", False,
    )  # fmt: skip


def test_instruments_come_in_pages() -> None:
    info = {
        "symbol": "BTCUSDT", "contractType": "LinearPerpetual", "status": "Trading", "baseCoin": "BTC",
        "quoteCoin": "USDT", "settleCoin": "USDT", "deliveryTime": "0", "priceFilter": {"tickSize": "0.10"},
        "lotSizeFilter": {"qtyStep": "0.001"},
    }  # fmt: skip
    future = {**info, "symbol": "BTC-25DEC26", "contractType": "LinearFutures", "deliveryTime": "1798185600000"}

    def answer(url: str, params: Mapping[str, Any]) -> str:
        assert params["category"] == "linear"
        last = params.get("cursor") == "x"
        page = {"list": [future if last else info], "nextPageCursor": "" if last else "x"}
        return json.dumps({"retCode": 0, "retMsg": "OK", "result": page})

    rows = listed(make_core("bybit.linear", answers=answer))
    assert {symbol: (row.canonical, row.type) for symbol, row in rows.items()} == {
        "BTCUSDT": ("BTC-USDT:USDT-PERP", "perpetual"),
        "BTC-25DEC26": ("BTC-USDT:USDT-261225", "future"),
    }
    spot = {**info, "lotSizeFilter": {"basePrecision": "0.000001"}}
    body = json.dumps({"retCode": 0, "result": {"list": [spot]}})
    (row,) = listed(make_core("bybit.spot", answers=lambda *_: body)).values()
    assert (row.canonical, row.lot_size, row.type) == ("BTC-USDT", "0.000001", "spot")


def test_protocol_and_rest() -> None:
    core = linear()
    for text in ('{"success":true,"ret_msg":"pong","op":"ping"}', '{"success":true,"ret_msg":"","op":"subscribe"}'):
        assert list(core.venue.parse(text.encode(), AT).items) == []
    (refused,) = core.venue.parse(b'{"success":false,"ret_msg":"handler not found","op":"subscribe"}', AT).items
    assert refused.refused == "subscribe: handler not found"  # type: ignore[union-attr]
    messages = core.venue.dialect.subscribe([f"publicTrade.{number}" for number in range(25)])
    assert [len(json.loads(text)["args"]) for text in messages] == [10, 10, 5]
    body = json.dumps({"retCode": 0, "result": {**book(5), "ts": 1790000000000}})
    deep = make_core("bybit.linear", [LINEAR], lambda *_: body, bybit_book_depth=1000)
    snapshot = asyncio.run(deep.venue.fetch_book("BTCUSDT"))
    assert (snapshot.last_id, snapshot.snapshot, snapshot.timestamp) == (5, True, 1790000000000)
    funding = [
        {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingRateTimestamp": str(time)}
        for time in (1790006400000, 1789977600000)
    ]
    body = json.dumps({"retCode": 0, "result": {"list": funding}})
    rows = polled(make_core("bybit.linear", [LINEAR], lambda *_: body), "settled funding", "BTCUSDT")
    assert [(row.timestamp, row.funding_interval_h) for row in rows] == [(1789977600000, 0), (1790006400000, 8)]


def test_spot_has_trades_and_books_only() -> None:
    core = make_core("bybit.spot", [contract("bybit", "spot", "BTCUSDT", "0.01")])
    (plan,) = core.venue.plan(["BTCUSDT"])
    assert plan.urls == ("wss://stream.bybit.com/v5/public/spot",)
    assert [stream.name for stream in plan.streams] == ["publicTrade.BTCUSDT", "orderbook.200.BTCUSDT"]
    assert core.venue.polls() == ()


def test_a_book_that_breaks_tells_that_prints_may_be_missing_too() -> None:
    """A connection that lost messages and lives on: ids of prints do not show it, those of books do."""
    core = linear()

    def book(number: int, kind: str = "delta") -> None:
        data = {"s": "BTCUSDT", "b": [["16578.4", "1"]], "a": [["16578.6", "1"]], "u": number, "seq": number}
        say(core, "orderbook.200.BTCUSDT", data, type=kind)

    book(100, "snapshot")
    say(core, "publicTrade.BTCUSDT", [trade(7, 1)])
    book(101)
    assert core.of("gaps") == []
    say(core, "publicTrade.BTCUSDT", [trade(20, 2)])  # after what was lost, and told before the book shows it
    book(105)
    say(core, "publicTrade.BTCUSDT", [trade(30, 3)])
    book(200, "snapshot")
    book(201)
    say(core, "publicTrade.BTCUSDT", [trade(40, 4)])
    book(202)
    say(core, "publicTrade.BTCUSDT", [trade(50, 5)])
    told = [(gap.from_sequence, gap.to_sequence, gap.cause) for gap in core.of("gaps") if gap.of_type == "trades"]
    at_the_break, before_the_next_print, at_the_snapshot, behind_it = told
    assert at_the_break == (700001, 2000000, "sequence")
    assert before_the_next_print == (2000001, 2999999, "sequence")
    assert at_the_snapshot == (2000001, 3000000, "sequence")
    assert behind_it == (3000001, 3999999, "sequence")


def test_prints_before_the_first_book_may_be_missing_too() -> None:
    """A connection that stood still before its first snapshot: nothing vouches for the prints until then."""
    core = linear()
    topic = "orderbook.200.BTCUSDT"
    say(core, "publicTrade.BTCUSDT", [trade(7, 1)])
    say(core, "publicTrade.BTCUSDT", [trade(20, 2)])  # after what was lost
    say(core, topic, book(10), type="snapshot", cts=1790000000000)
    told = [(gap.from_sequence, gap.to_sequence, gap.cause) for gap in core.of("gaps")]
    assert told == [(700001, 2000000, "sequence")]
    say(core, topic, book(11, "2"), type="delta", cts=1790000000011)
    assert len(core.of("gaps")) == 1
