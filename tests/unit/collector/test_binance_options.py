"""Binance options by the documented shapes: no real message of them is at hand, so nothing here proves the exchange."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from collector.rest import Response
from collector.roster import Roster
from marketprism.events import Instrument
from tests.unit.collector.feeding import Core, core, instrument
from tests.unit.collector.test_roster import Plans

AT = 1_790_000_000_000_000
CALL = "BTC-261225-100000-C"
EXPIRY = 1_798_185_600_000


def listed(**changes: Any) -> Instrument:
    fields = {"type": "option", "expiry": EXPIRY, "strike": "100000", "option_side": "call", "multiplier": "1"}
    return instrument("option", CALL, "5", lot_size="0.01", **{**fields, **changes})


def option(**changes: Any) -> Core:
    return core("binance.option", {CALL: "5"}, instruments=[listed(**changes)])


def receive(played: Core, stream: str, data: Any) -> list[Any]:
    played.market.receive(json.dumps({"stream": stream, "data": data}).encode(), AT)
    assert played.errors() == {}
    return played.rows


def answering(played: Core, body: Any) -> None:
    async def answer(*_: object, **__: object) -> Response:
        return Response(json.dumps(body).encode(), AT)

    played.venue._api._client.get = answer  # type: ignore[attr-defined]


def test_streams_cover_an_underlying_once() -> None:
    played = core("binance.option", {})
    put = instrument("option", "BTC-261225-90000-P", expiry=EXPIRY, type="option", option_side="put")
    played.market.track([listed(), put])
    names = [[stream.name for stream in plan.streams] for plan in played.venue.plan([CALL, put.symbol])]
    assert names == [
        ["btc-261225-100000-c@depth@100ms", "btcusdt@optionTrade", "btc-261225-90000-p@depth@100ms"],
        ["btcusdt@optionMarkPrice", "btcusdt@openInterest@261225", "!optionSymbol"],
    ]


def test_streams_of_an_expiry_end_with_it_and_begin_again() -> None:
    played, roster = core("binance.option", {}), Roster(Plans().connect)
    day, daily = 86_400_000, {"type": "option", "option_side": "call"}
    for number in range(60):
        new, old = f"BTC-{number}-C", f"BTC-{number - 3}-C"
        played.market.track([instrument("option", new, expiry=EXPIRY + number * day, **daily)])
        roster.take(played.venue.plan([new]))
        roster.drop_shared(played.venue.forget(roster.drop({old})))
    names = [stream.name for connection in roster.connections for stream in connection.plan.streams]
    assert sorted(name for name in names if "depth" not in name) == [
        "!optionSymbol", "btcusdt@openInterest@270220", "btcusdt@openInterest@270221", "btcusdt@openInterest@270222",
        "btcusdt@optionMarkPrice", "btcusdt@optionTrade",
    ]  # fmt: skip
    roster.drop_shared(played.venue.forget(roster.drop({f"BTC-{number}-C" for number in range(60)})))
    assert [stream.name for each in roster.connections for stream in each.plan.streams] == ["!optionSymbol"]
    played.market.track([instrument("option", new, expiry=EXPIRY + number * day, **daily)])
    assert [stream.name for plan in played.venue.plan([new]) for stream in plan.streams] == [
        f"{new.lower()}@depth@100ms", "btcusdt@optionTrade", "btcusdt@optionMarkPrice", "btcusdt@openInterest@270222",
    ]  # fmt: skip


def test_trades_in_contracts_of_unit_and_blocks_flagged() -> None:
    played = option(multiplier="0.1")
    data = {"e": "trade", "E": 1, "T": 1790000000499, "s": CALL, "t": 42, "p": "5200", "q": "0.10", "X": "MARKET"}
    data |= {"S": "BUY", "m": False}
    receive(played, "btcusdt@optionTrade", data)
    receive(played, "btcusdt@optionTrade", {**data, "t": 43, "X": "BLOCK", "m": True})
    receive(played, "btcusdt@optionTrade", {**data, "s": "BTC-261225-1-P"})  # not collected
    first, block = played.rows
    assert (first.sequence, first.price, first.quantity, first.native_quantity) == (42, "5200", "0.01", "0.10")
    assert (first.side, first.is_market, first.timestamp, first.price_tick) == ("buy", True, 1790000000499, 1040)
    assert (block.sequence, block.is_market, block.side) == (43, False, "sell")


def test_volatility_becomes_percent() -> None:
    played = option()
    mark = {"e": "markPrice", "E": 1790000000000, "s": CALL, "mp": "5190", "vo": "0.525", "b": "-1"}
    receive(played, "btcusdt@optionMarkPrice", [mark, {**mark, "s": "BTC-261225-1-P"}, {**mark, "vo": "-1"}])
    (row,) = played.rows
    assert (row.data_type, row.symbol, row.index_value, row.kind) == ("volatility_indices", CALL, "52.5", "mark_iv")
    assert (row.underlying_asset, row.maturity_date, row.timestamp) == ("BTC", EXPIRY, 1790000000000)


def test_open_interest_from_the_stream_and_from_rest() -> None:
    (row,) = receive(
        option(multiplier="0.1"),
        "btcusdt@openInterest@261225",
        [{"e": "openInterest", "E": 1790000000000, "s": CALL, "o": "120.5", "h": "12050000"}],
    )
    assert (row.open_interest, row.open_interest_native, row.open_interest_value) == ("12.05", "120.5", "12050000")
    played = core("binance.option", {CALL: "5"}, instruments=[listed()], binance_option_interest_stream="")
    answering(
        played,
        [{"symbol": CALL, "sumOpenInterest": "7", "sumOpenInterestUsd": "700", "timestamp": "1790000000000"}],
    )
    (poll,) = played.venue.polls()
    (row,) = asyncio.run(poll.fetch("", 0))
    assert (row.open_interest, row.open_interest_value, row.timestamp) == ("7", "700", 1790000000000)


def test_an_expiry_that_is_told_later_than_another_keeps_its_open_interest() -> None:
    late = instrument("option", "BTC-270326-100000-C", expiry=EXPIRY + 91 * 86_400_000, type="option")
    played = core("binance.option", {}, instruments=[listed(), late], binance_option_interest_stream="")
    (poll,) = played.venue.polls()
    minute, newest = 1_790_000_040_000, 0
    times = {"261225": minute, late.symbol[4:10]: minute - 60_000}

    async def answer(_: object, __: str, params: dict[str, str], **___: object) -> Response:
        row = {
            "symbol": f"BTC-{params['expiration']}-100000-C",
            "sumOpenInterest": "4.01",
            "sumOpenInterestUsd": "4880",
        }
        return Response(json.dumps([{**row, "timestamp": str(times[params["expiration"]])}]).encode(), AT)

    played.venue._api._client.get = answer  # type: ignore[attr-defined]
    for _ in range(2):
        found = asyncio.run(poll.fetch("", newest))
        played.market.publish_polled(found)
        newest = max((row.timestamp for row in found), default=newest)
        times[late.symbol[4:10]] = minute
    assert [(row.symbol, row.timestamp) for row in played.rows] == [
        (CALL, minute), (late.symbol, minute - 60_000), (late.symbol, minute),
    ]  # fmt: skip


def test_a_book_from_a_snapshot_and_diffs() -> None:
    played = option(multiplier="0.1")
    answering(played, {"lastUpdateId": 10, "T": 5, "bids": [["5100", "3"]], "asks": [["5200", "2"]]})
    assert played.market.snapshot(asyncio.run(played.venue.fetch_book(CALL)))
    data = {"e": "depthUpdate", "E": 7, "T": 6, "s": CALL, "U": 11, "u": 12, "pu": 10, "b": [["5110", "4"]], "a": []}
    receive(played, "btc-261225-100000-c@depth@100ms", data)
    quote = played.of("best_quotes")[-1]
    assert (quote.bid_price, quote.bid_quantity, quote.ask_price, quote.ask_quantity) == ("5110", "0.4", "5200", "0.2")


def test_missing_trades_from_the_recent_page() -> None:
    played = option()
    rows = [
        {"id": 1, "tradeId": number, "price": "5200", "qty": "-1" if number % 2 else "1", "time": 9, "side": side}
        for number, side in ((43, -1), (44, 1), (45, -1))
    ]
    answering(played, rows)
    page = asyncio.run(played.venue.fetch_trades(CALL, "trade", 44, 44))
    assert [(trade.sequence, trade.side, trade.data_source) for trade in page.trades] == [(44, "buy", "rest")]
    assert page.covered == 44


def test_exchange_info() -> None:
    played = core("binance.option", {})
    info = {
        "symbol": "BTC-261225-100000-P", "side": "PUT", "strikePrice": "100000.00000000", "underlying": "BTCUSDT",
        "unit": 1, "expiryDate": EXPIRY, "quoteAsset": "USDT",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "5", "maxPrice": "100000", "tickSize": "5"},
            {"filterType": "LOT_SIZE", "minQty": "0.01", "maxQty": "600", "stepSize": "0.01"},
        ],
    }  # fmt: skip
    contract = {"underlying": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT", "settleAsset": "USDT"}
    limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 3000}]
    answering(
        played,
        {
            "optionContracts": [contract],
            "optionSymbols": [info, {**info, "side": "BOTH"}, {**info, "underlying": "NOUSDT"}],
            "rateLimits": limits,
        },
    )
    (row,) = asyncio.run(played.venue.fetch_instruments())
    assert row.canonical == "BTC-USDT:USDT-261225-100000-P"
    assert (row.type, row.option_side, row.strike, row.expiry) == ("option", "put", "100000.00000000", EXPIRY)
    assert (row.multiplier, row.tick_size, row.lot_size, row.is_inverse) == ("1", "5", "0.01", False)
    api = played.venue._api  # type: ignore[attr-defined]
    assert api._client.limiter(api._budget)._capacity == 3000 * 0.8
