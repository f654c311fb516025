"""Every real COIN-M message of the payloads folder, and options as documented, parsed; fields checked literally."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.limiter import Budget
from collector.rest import Response, RestError
from collector.venues.binance.messages import DepthSnapshot
from collector.venues.binance.rows import book_snapshot
from marketprism.events import Row
from tests.unit.collector.feeding import Core, core, instrument, recorded

AT = 1_790_000_000_000_000
DOLLARS = {"BTC": 100}


def inverse(symbol: str, tick: str = "0.1", **settings: str) -> Core:
    listed = instrument(
        "inverse", symbol, tick, is_inverse=True, multiplier=str(DOLLARS.get(symbol[:3], 10)), settle="BTC"
    )
    return core("binance.inverse", {symbol: tick}, instruments=[listed], **settings)


def base(contracts: str, dollars: int, price: str) -> Decimal:
    return (Decimal(contracts) * dollars / Decimal(price)).quantize(Decimal("1e-12"), ROUND_HALF_EVEN)


def receive(played: Core, path: Path) -> list[Any]:
    played.market.receive(path.read_bytes().strip(), AT)
    assert played.errors() == {}
    return played.rows


def polled(played: Core, name: str, answers: Mapping[str, bytes], newest: int = 0) -> list[Any]:
    """What a poll makes of answers by the last part of their path; ``asked`` of the played core keeps the questions."""

    async def answer(_: object, url: str, params: dict[str, Any], *, budget: Budget, **__: object) -> Response:
        asked.append((url, params))
        body = answers.get(url.rpartition("/")[2])
        if body is None:
            raise RestError(404, f"{url} was not recorded")
        return Response(body, AT)

    asked: list[tuple[str, dict[str, Any]]] = []
    played.venue._api._client.get = answer  # type: ignore[attr-defined]
    (poll,) = [each for each in played.venue.polls() if each.name == name]
    rows: list[Row] = list(asyncio.run(poll.fetch(next(iter(played.venue._tracked)), newest)))  # type: ignore[attr-defined]
    polled.asked = asked  # type: ignore[attr-defined]
    return rows


def test_agg_trade_counts_contracts_of_ten_dollars(shared: Path) -> None:
    (row,) = receive(inverse("BCHUSD_PERP", "0.01"), shared / "payloads/binance_coinm/aggTrade.json")
    assert (row.market_type, row.sequence, row.trade_kind, row.price) == ("inverse", 11285749, "agg_trade", "427.91")
    assert (row.native_quantity, Decimal(row.quantity)) == ("3", base("3", 10, "427.91"))
    assert (row.side, row.timestamp, row.price_tick) == ("sell", 1626916403852, 42791)


def test_raw_trade_counts_contracts_of_a_hundred_dollars(shared: Path) -> None:
    played = inverse("BTCUSD_PERP", binance_inverse_trade_stream="{symbol}@trade")
    (row,) = receive(played, shared / "payloads/binance_coinm/trade.json")
    assert (row.sequence, row.price, row.native_quantity, row.side) == (849714402, "61804.8", "4", "buy")
    assert row.quantity == "0.006471989231" == str(base("4", 100, "61804.8"))
    assert row.is_market is True


def test_depth_diff_and_snapshot(shared: Path) -> None:
    played = inverse("ETHUSD_PERP", "0.01", binance_inverse_depth_stream="{symbol}@depth@0ms")
    payload = (shared / "payloads/binance_coinm/depth_diff.json").read_bytes()
    (update,) = played.venue.parse(payload, AT).items
    assert (update.first_id, update.last_id, update.previous_id) == (1007198631216, 1007198631578, 1007198631180)
    assert (len(update.bids), len(update.asks), update.bids[1]) == (6, 10, ("2680.97", "4095"))
    assert update.timestamp == 1723161257434
    said = json.loads((shared / "payloads/binance_coinm/depth_snapshot.rest.json").read_text())
    played = inverse("BTCUSD_PERP")
    snapshot = book_snapshot("BTCUSD_PERP", msgspec.json.decode(json.dumps(said), type=DepthSnapshot), AT)
    assert played.market.snapshot(snapshot)
    book = played.market.keepers["BTCUSD_PERP"].book
    assert (snapshot.last_id, snapshot.timestamp) == (1007198635033, 1723161257823)
    for side, key in ((book.bids, "bids"), (book.asks, "asks")):
        prices, quantities = side.levels(len(side))
        assert [(price, quantity) for price, quantity in zip(prices, quantities, strict=True)] == [
            (int(Decimal(price) * 10**12), int(base(contracts, 100, price) * 10**12)) for price, contracts in said[key]
        ]


def test_force_order_is_converted_at_its_average_price(shared: Path) -> None:
    played = inverse("BTCUSD_200925", binance_inverse_liquidation_stream="{symbol}@forceOrder")
    (row,) = receive(played, shared / "payloads/binance_coinm/forceOrder.json")
    assert (row.side, row.price, row.price_kind, row.native_quantity) == ("sell", "9352.7", "fill", "3")
    assert Decimal(row.quantity) == base("3", 100, "9352.7")
    assert (row.timestamp, row.sampled) == (1594622954021, True)


@pytest.mark.parametrize(("market", "rows"), [(2, 1), (1, 0)])
def test_merged_liquidations_are_told_apart(shared: Path, market: int, rows: int) -> None:
    message = json.loads((shared / "payloads/binance_coinm/forceOrder.json").read_text())
    message["stream"], message["data"]["o"]["st"] = "!forceOrder@arr", market
    played = inverse("BTCUSD_200925")
    played.market.receive(json.dumps(message).encode(), AT)
    assert len(played.rows) == rows


def test_mark_price_without_an_index(shared: Path) -> None:
    """COIN-M's stream of before 2026 has no index price (as documented; no recording has one)."""
    played = inverse("BTCUSD_PERP")
    data = {"e": "markPriceUpdate", "E": 1596095725000, "s": "BTCUSD_PERP", "p": "10934.62", "P": "10962.17"}
    data |= {"r": "0.00010000", "T": 1596096000000}
    played.market.receive(json.dumps({"stream": "btcusd_perp@markPrice@1s", "data": data}).encode(), AT)
    (row,) = played.rows
    assert (row.funding_kind, row.funding_rate, row.mark_price, row.index_price) == (
        "predicted",
        "0.00010000",
        "10934.62",
        None,
    )


def test_settled_funding(shared: Path) -> None:
    body = (shared / "payloads/binance_coinm/fundingRate.rest.json").read_bytes()
    rows = polled(inverse("BTCUSD_PERP"), "settled funding", {"fundingRate": body})
    said = json.loads(body)
    assert [(row.funding_rate, row.funding_time) for row in rows] == [
        (each["fundingRate"], each["fundingTime"]) for each in said
    ]
    assert [row.funding_interval_h for row in rows] == [0, 8, 8, 8, 8]
    assert {(row.funding_kind, row.mark_price) for row in rows} == {("settled", None)}


def test_open_interest_is_contracts_dollars_and_coins(shared: Path) -> None:
    folder = shared / "payloads/binance_coinm"
    answers = {name: (folder / f"{name}.rest.json").read_bytes() for name in ("openInterest", "premiumIndex")}
    (row,) = polled(inverse("BTCUSD_PERP"), "open interest", answers)
    assert (row.open_interest_native, row.open_interest_value, row.timestamp) == ("6784657", "678465700", 1702244982986)
    assert Decimal(row.open_interest) == base("6784657", 100, "26780.20000000")


def test_open_interest_takes_the_streams_mark_price(shared: Path) -> None:
    played = inverse("BTCUSD_PERP")
    data = {"e": "markPriceUpdate", "E": 1, "s": "BTCUSD_PERP", "p": "50000", "r": "0.0001", "T": 9}
    played.market.receive(json.dumps({"stream": "btcusd_perp@markPrice@1s", "data": data}).encode(), AT)
    body = (shared / "payloads/binance_coinm/openInterest.rest.json").read_bytes()
    (row,) = polled(played, "open interest", {"openInterest": body})
    assert Decimal(row.open_interest) == Decimal(6784657 * 100) / 50000


def test_long_short_ratios_are_asked_by_pair(shared: Path) -> None:
    folder = shared / "payloads/binance_coinm"
    played = inverse("BTCUSD_PERP")
    read_contracts(played, shared)
    body = (folder / "topLongShortPositionRatio.rest.json").read_bytes()
    rows = polled(played, "top position ratio", {"topLongShortPositionRatio": body})
    assert [(row.timestamp, row.long_position_ratio, row.short_position_ratio) for row in rows] == [
        (each["timestamp"], each["longPosition"], each["shortPosition"]) for each in json.loads(body)
    ]
    params = polled.asked[-1][1]  # type: ignore[attr-defined]
    assert (params["pair"], params["contractType"], "symbol" in params) == ("BTCUSD", "PERPETUAL", False)
    body = (folder / "globalLongShortAccountRatio.rest.json").read_bytes()
    rows = polled(played, "account ratio", {"globalLongShortAccountRatio": body}, newest=1603937400000)
    assert [(row.timestamp, row.long_account_ratio) for row in rows] == [
        (each["timestamp"], each["longAccount"]) for each in json.loads(body) if each["timestamp"] > 1603937400000
    ]


def read_contracts(played: Core, shared: Path) -> list[Any]:
    (line,) = [
        line
        for line in recorded(shared / "recordings/binance_coinm_202107.jsonl.zst")
        if line.url.endswith("exchangeInfo")
    ]

    async def answer(_: object, url: str, *__: object, **___: object) -> Response:
        if "exchangeInfo" in url:
            return Response(line.payload.encode(), AT)
        raise RestError(404, "not recorded")

    played.venue._api._client.get = answer  # type: ignore[attr-defined]
    return [json.loads(line.payload), asyncio.run(played.venue.fetch_instruments())]


def test_the_recorded_exchange_info(shared: Path) -> None:
    said, listed = read_contracts(inverse("BTCUSD_PERP"), shared)
    assert len(listed) == len(said["symbols"]) == 36
    for row, info in zip(listed, said["symbols"], strict=True):
        assert (row.symbol, row.base, row.quote, row.settle) == (
            info["symbol"],
            info["baseAsset"],
            info["quoteAsset"],
            info["marginAsset"],
        )
        assert (row.multiplier, row.is_inverse, row.status) == (
            str(info["contractSize"]),
            True,
            info["contractStatus"],
        )
        filters = {each["filterType"]: each for each in info["filters"]}
        assert (row.tick_size, row.lot_size) == (filters["PRICE_FILTER"]["tickSize"], filters["LOT_SIZE"]["stepSize"])
        tail = info["symbol"].partition("_")[2]
        assert row.canonical == f"{row.base}-USD:{row.settle}-{tail}"
        assert row.expiry == (None if tail == "PERP" else info["deliveryDate"])
        assert row.type == ("perpetual" if tail == "PERP" else "future")
