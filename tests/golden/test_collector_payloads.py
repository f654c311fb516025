"""Every real Binance message of the payloads folder, parsed, with its fields checked literally."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.limiter import Budget
from collector.rest import Response, RestError
from collector.venue import Poll
from collector.venues.binance.messages import AggTradeMessage, DepthSnapshot, FundingInfo
from collector.venues.binance.rows import book_snapshot
from tests.unit.collector.feeding import Core, core

RAW = {"binance_linear_trade_stream": "{symbol}@trade", "binance_linear_depth_stream": "{symbol}@depth@0ms"}
AT = 1_790_000_000_000_000


def receive(played: Core, path: Path) -> list[Any]:
    played.market.receive(path.read_bytes().strip(), AT)
    assert played.errors() == {}
    return played.rows


def linear(symbol: str, tick: str = "0.1", **settings: str) -> Core:
    return core("binance.linear", {symbol: tick}, **settings)


def polled(played: Core, name: str, path: Path, newest: int = 0) -> list[Any]:
    """What a poll makes of a recorded answer."""

    async def answer(*_: object, budget: Budget, **__: object) -> Response:
        return Response(path.read_bytes(), AT)

    played.venue._api._client.get = answer  # type: ignore[method-assign]
    (poll,) = [each for each in played.venue.polls() if each.name == name]
    assert isinstance(poll, Poll)
    return list(asyncio.run(poll.fetch("BTCUSDT", newest)))


def test_spot_trade(shared: Path) -> None:
    (row,) = receive(core("binance.spot", {"BTCUSDT": "0.01"}), shared / "payloads/binance_spot/trade.json")
    assert (row.sequence, row.trade_kind, row.price, row.quantity) == (
        3735683259,
        "trade",
        "61837.63000000",
        "0.02000000",
    )
    assert (row.side, row.is_maker, row.timestamp, row.price_tick) == ("sell", True, 1723161255342, 6183763)
    assert (row.received_at, row.first_trade_id, row.last_trade_id) == (AT, 3735683259, 3735683259)


def test_spot_agg_trade(shared: Path) -> None:
    played = core("binance.spot", {"NKNUSDT": "0.0001"}, binance_spot_trade_stream="{symbol}@aggTrade")
    (row,) = receive(played, shared / "payloads/binance_spot/aggTrade.json")
    assert (row.sequence, row.trade_kind, row.price, row.quantity) == (
        15683430,
        "agg_trade",
        "0.35280000",
        "58.00000000",
    )
    assert (row.first_trade_id, row.last_trade_id, row.side, row.price_tick) == (19862790, 19862790, "buy", 3528)


def test_usdm_agg_trade_of_2026_and_2021(shared: Path) -> None:
    (row,) = receive(linear("BTCUSDT"), shared / "payloads/binance_usdm/aggTrade.json")
    assert (row.sequence, row.trade_kind, row.price, row.quantity) == (3404749954, "agg_trade", "64990.90", "0.002")
    assert (row.first_trade_id, row.last_trade_id, row.timestamp) == (7960913511, 7960913511, 1786171884471)
    assert (row.side, row.price_tick) == ("sell", 649909)
    (row,) = receive(linear("CTKUSDT", "0.001"), shared / "payloads/binance_usdm/aggTrade_2021.json")
    assert (row.sequence, row.price, row.price_tick, row.side) == (16599292, "1.01100", 1011, "buy")


def test_usdm_raw_trades(shared: Path) -> None:
    (row,) = receive(linear("BTCUSDT", **RAW), shared / "payloads/binance_usdm/trade.json")
    assert (row.sequence, row.is_market, row.quantity) == (3535186032, True, "0.002")
    (row,) = receive(linear("BTCUSDT", **RAW), shared / "payloads/binance_usdm/trade_insurance_fund.json")
    assert (row.sequence, row.is_market, row.price, row.trade_kind) == (3535191080, False, "28722.50", "trade")


def test_a_print_without_size_is_kept_and_flagged() -> None:
    played = linear("BTCUSDT", **RAW)
    data = {"e": "trade", "E": 1, "T": 1, "s": "BTCUSDT", "t": 7, "p": "0", "q": "0", "X": "NA", "m": True}
    played.market.receive(json.dumps({"stream": "btcusdt@trade", "data": data}).encode(), AT)
    (row,) = played.rows
    assert (row.sequence, row.is_market, row.price_tick, row.quantity) == (7, False, 0, "0")


@pytest.mark.parametrize(
    ("venue", "folder", "symbol", "settings", "last_id", "bids", "asks", "timestamp"),
    [
        ("binance.spot", "binance_spot", "BTCUSDT", {}, 50093239202, 3, 0, 1723161255208),
        ("binance.linear", "binance_usdm", "BTCUSDT", RAW, 2710246765597, 4, 3, 1680652700586),
    ],
)
def test_depth_diffs(
    shared: Path,
    venue: str,
    folder: str,
    symbol: str,
    settings: dict[str, str],
    last_id: int,
    bids: int,
    asks: int,
    timestamp: int,
) -> None:
    payload = (shared / "payloads" / folder / "depth_diff.json").read_bytes()
    (update,) = core(venue, {symbol: "0.1"}, **settings).venue.parse(payload, AT).items
    assert (update.last_id, len(update.bids), update.timestamp) == (last_id, bids, timestamp)
    assert len(update.asks) >= asks
    assert update.asks[0] == (("61837.64000000", "1.54698000") if venue == "binance.spot" else ("28145.20", "6.961"))


@pytest.mark.parametrize(
    ("folder", "last_id", "best_bid", "time"),
    [
        ("binance_spot", 35346513512, ("2683.80000000", "3.02920000"), 0),
        ("binance_usdm", 2710246765483, ("28145.10", "3.818"), 1680652700580),
    ],
)
def test_depth_snapshots(shared: Path, folder: str, last_id: int, best_bid: tuple[str, str], time: int) -> None:
    payload = (shared / "payloads" / folder / "depth_snapshot.rest.json").read_bytes()
    snapshot = book_snapshot("X", msgspec.json.decode(payload, type=DepthSnapshot), AT)
    assert (snapshot.last_id, snapshot.bids[0], snapshot.timestamp, snapshot.snapshot) == (
        last_id,
        best_bid,
        time,
        True,
    )


def test_mark_price_of_2023_and_2026(shared: Path) -> None:
    (row,) = receive(linear("BTCUSDT"), shared / "payloads/binance_usdm/markPrice.json")
    assert (row.funding_rate, row.funding_kind, row.funding_time) == ("0.00002754", "predicted", 1680652800000)
    assert (row.mark_price, row.index_price, row.timestamp) == ("28147.27373413", "28159.75642857", 1680652701000)
    played = linear("BTCUSDT", binance_linear_mark_stream="{symbol}@markPrice")
    (row,) = receive(played, shared / "payloads/binance_usdm/markPrice_2026.json")
    assert (row.funding_rate, row.funding_time, row.mark_price) == ("0.00003936", 1786176000000, "64991.37858696")


def test_a_delivery_contract_has_no_funding() -> None:
    played = linear("BTCUSDT_261225")
    data = {"e": "markPriceUpdate", "E": 1, "s": "BTCUSDT_261225", "p": "1", "i": "1", "P": "1", "r": "", "T": 0}
    played.market.receive(json.dumps({"stream": "btcusdt_261225@markPrice@1s", "data": data}).encode(), AT)
    assert played.rows == []
    assert played.errors() == {}


def test_force_orders(shared: Path) -> None:
    (row,) = receive(linear("BTCUSDT"), shared / "payloads/binance_usdm/forceOrder_arr.json")
    assert (row.side, row.price, row.price_kind, row.quantity) == ("sell", "82651.90", "fill", "0.190")
    assert (row.timestamp, row.liquidation_time, row.sampled) == (1791565602120, 1791565602120, True)
    played = linear("STGUSDT", "0.0001", binance_linear_liquidation_stream="{symbol}@forceOrder")
    (row,) = receive(played, shared / "payloads/binance_usdm/forceOrder.json")
    assert (row.symbol, row.price, row.quantity) == ("STGUSDT", "0.1355000", "5")
    (row,) = receive(linear("IOTXUSDT", "0.00001"), shared / "payloads/binance_usdm/forceOrder_2021.json")
    assert (row.price, row.quantity) == ("0.06669", "3661")
    assert receive(linear("ETHUSDT"), shared / "payloads/binance_usdm/forceOrder_arr.json") == []


@pytest.mark.parametrize("outside", [True, False])
def test_coin_margined_liquidations_on_the_merged_stream_are_left_out(shared: Path, outside: bool) -> None:
    message = json.loads((shared / "payloads/binance_usdm/forceOrder_arr.json").read_text())
    message["data"]["o"].pop("st")
    (message["data"] if outside else message["data"]["o"])["st"] = 2
    played = linear("BTCUSDT")
    played.market.receive(json.dumps(message).encode(), AT)
    assert played.rows == []


def test_settled_funding(shared: Path) -> None:
    rows = polled(linear("BTCUSDT"), "settled funding", shared / "payloads/binance_usdm/fundingRate.rest.json")
    assert (rows[0].funding_rate, rows[0].funding_time, rows[0].funding_kind) == (
        "-0.00012359",
        1577836800000,
        "settled",
    )
    assert (rows[0].funding_interval_h, rows[0].mark_price) == (0, None)  # unknown before fundingInfo was read
    assert (rows[1].funding_rate, rows[1].funding_interval_h) == ("-0.00012383", 8)
    assert rows[1].next_funding_time == 1577865600000 + 8 * 3_600_000
    newer = polled(
        linear("BTCUSDT"), "settled funding", shared / "payloads/binance_usdm/fundingRate.rest.json", rows[1].timestamp
    )
    assert [row.timestamp for row in newer] == [row.timestamp for row in rows[2:]]


def test_funding_info(shared: Path) -> None:
    answer = msgspec.json.decode(
        (shared / "payloads/binance_usdm/fundingInfo.rest.json").read_bytes(), type=list[FundingInfo]
    )
    assert (answer[0].symbol, answer[0].fundingIntervalHours) == ("GTCUSDT", 8)
    assert (answer[1].symbol, answer[1].fundingIntervalHours) == ("LPTUSDT", 4)


def test_open_interest(shared: Path) -> None:
    path = shared / "payloads/binance_usdm/openInterest.rest.json"
    (row,) = polled(linear("BTCUSDT"), "open interest", path)
    assert (row.open_interest, row.open_interest_native, row.timestamp) == ("83782.317", "83782.317", 1702244985273)
    assert row.open_interest_value is None
    assert polled(linear("BTCUSDT"), "open interest", path, 1702244985273) == []


def test_long_short_ratios(shared: Path) -> None:
    folder = shared / "payloads/binance_usdm"
    rows = polled(linear("BTCUSDT"), "top position ratio", folder / "topLongShortPositionRatio.rest.json")
    assert [row.timestamp for row in rows] == [1602988800000, 1602989100000, 1602989400000]
    assert (rows[0].long_position_ratio, rows[0].short_position_ratio, rows[0].period) == ("0.5310", "0.4690", "5m")
    rows = polled(
        linear("BTCUSDT"), "account ratio", folder / "globalLongShortAccountRatio.rest.json", newest=1602989400000
    )
    assert [(row.timestamp, row.long_account_ratio, row.short_account_ratio) for row in rows] == [
        (1602989700000, "0.5801", "0.4199"),
        (1602990000000, "0.5810", "0.4190"),
    ]


def test_agg_trades_from_rest(shared: Path) -> None:
    payload = (shared / "payloads/binance_usdm/aggTrades.rest.json").read_bytes()
    rows = msgspec.json.decode(payload, type=list[AggTradeMessage])
    assert (rows[0].id, rows[0].price, rows[0].quantity) == (154676475, "11376.16", "0.001")
    assert [row.id for row in rows] == list(range(rows[0].id, rows[0].id + len(rows)))


def test_an_answer_of_another_shape_is_an_error_that_says_so(shared: Path) -> None:
    with pytest.raises(RestError, match="unexpected answer"):
        polled(linear("BTCUSDT"), "open interest", shared / "payloads/binance_usdm/fundingInfo.rest.json")


def test_the_recorded_exchange_info(shared: Path) -> None:
    """binance_usdm_202107_alts holds the whole exchangeInfo of its day."""
    from tests.unit.collector.feeding import recorded

    (line,) = [
        line
        for line in recorded(shared / "recordings/binance_usdm_202107_alts.jsonl.zst")
        if line.url.endswith("exchangeInfo")
    ]
    played = linear("BTCUSDT")

    async def answer(*args: Any, **_: object) -> Response:
        if "exchangeInfo" in args[1]:
            return Response(line.payload.encode(), AT)
        raise RestError(404, "not recorded")

    played.venue._api._client.get = answer  # type: ignore[method-assign]
    listed = {row.symbol: row for row in asyncio.run(played.venue.fetch_instruments())}
    assert len(listed) == len(json.loads(line.payload)["symbols"])
    sushi = listed["SUSHIUSDT"]
    assert (sushi.canonical, sushi.tick_size, sushi.lot_size) == ("SUSHI-USDT:USDT-PERP", "0.0010", "1")
    assert (sushi.type, sushi.expiry, sushi.status, sushi.settle) == ("perpetual", None, "TRADING", "USDT")
    futures = [row for row in listed.values() if row.type == "future"]
    assert futures
    for row in futures:
        assert row.canonical == f"{row.base}-USDT:USDT-{row.symbol.split('_')[1]}"
        assert row.expiry is not None
