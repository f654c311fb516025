"""Settlements and long/short ratios of a long outage come at the next look."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from collector.rest import RestError
from tests.golden.venues import AT, contract, make_core, polled

HOUR_MS = 3_600_000
NOW = 497_222 * HOUR_MS
EVER = range(NOW - 3000 * HOUR_MS, NOW + 1, HOUR_MS)
Answer = Callable[[Mapping[str, Any]], str]


def binance(params: Mapping[str, Any]) -> str:
    """From ``startTime`` on, else the newest; oldest first."""
    if "startTime" in params:
        times = [time for time in EVER if time >= params["startTime"]][: params["limit"]]
    else:
        times = list(EVER)[-params["limit"] :]
    return json.dumps(
        [{"symbol": "BTC", "fundingRate": "0.0001", "fundingTime": time, "markPrice": ""} for time in times]
    )


def bybit(params: Mapping[str, Any]) -> str:
    """Up to ``endTime``, newest first, 200 at most; ``startTime`` alone is refused."""
    assert "startTime" not in params
    times = [time for time in EVER if time <= params.get("endTime", NOW)][-min(params["limit"], 200) :]
    rows = [{"symbol": "BTC", "fundingRate": "0.0001", "fundingRateTimestamp": str(time)} for time in reversed(times)]
    return json.dumps({"retCode": 0, "result": {"list": rows}})


def okx(params: Mapping[str, Any]) -> str:
    """Before ``after``, newest first, 100 at most."""
    times = [time for time in EVER if time < params.get("after", NOW + 1)][-min(params["limit"], 100) :]
    rows = [
        {"instId": "BTC-SWAP", "fundingRate": "0.0001", "realizedRate": "", "fundingTime": str(time)} for time in times
    ]
    return json.dumps({"code": "0", "data": rows[::-1]})


def deribit(params: Mapping[str, Any]) -> str:
    """A month at most."""
    times = [time for time in EVER if params["start_timestamp"] <= time <= params["end_timestamp"]][-744:]
    rows = [{"timestamp": time, "interest_1h": 1e-5, "interest_8h": 8e-5} for time in times]
    return json.dumps({"jsonrpc": "2.0", "result": rows})


@pytest.mark.parametrize(
    ("venue", "answer", "first", "few"),
    [
        ("binance.linear", binance, 1000, 10),
        ("binance.inverse", binance, 1000, 10),
        ("bybit.linear", bybit, 3000, 10),
        ("deribit.inverse", deribit, 3000, 24),
        ("okx.linear", okx, 3000, 100),
    ],
)
@pytest.mark.parametrize("hours", [0, 1, 40, 240, 2000])
def test_no_settlement_of_an_outage_is_lost(venue: str, answer: Answer, first: int, few: int, hours: int) -> None:
    exchange, market_type = venue.split(".")
    symbol = "BTC-SWAP" if exchange == "okx" else "BTC"
    core = make_core(venue, [contract(exchange, market_type, symbol)], lambda _, params: answer(params))
    if exchange == "deribit":
        ticker = {"timestamp": NOW + 5, "instrument_name": "BTC", "mark_price": 83212.14}
        message = {"method": "subscription", "params": {"channel": "ticker.BTC.100ms", "data": ticker}}
        core.market.receive(json.dumps(message).encode(), AT)
    newest = NOW - hours * HOUR_MS
    found = polled(core, "settled funding", symbol, newest)
    assert [row.timestamp for row in found] == [newest + number * HOUR_MS for number in range(1, min(hours, first) + 1)]
    assert {row.funding_interval_h for row in found} <= {1}
    if hours > first:  # the rest comes at the next look
        assert polled(core, "settled funding", symbol, found[-1].timestamp)[-1].timestamp == NOW
    assert len(polled(core, "settled funding", symbol)) == few


def test_a_ticker_with_an_absurd_time_does_not_ask_for_ever() -> None:
    asked = 0

    def answer(_: str, params: Mapping[str, Any]) -> str:
        nonlocal asked
        asked += 1
        return deribit(params)

    core = make_core("deribit.inverse", [contract("deribit", "inverse", "BTC")], answer)
    ticker = {"timestamp": 1000 * NOW, "instrument_name": "BTC", "mark_price": 83212.14}
    message = {"method": "subscription", "params": {"channel": "ticker.BTC.100ms", "data": ticker}}
    core.market.receive(json.dumps(message).encode(), AT)
    assert polled(core, "settled funding", "BTC", NOW) == []
    assert asked <= 13


PERIOD_MS = 300_000
REACH = 1440
"""Periods that OKX gives out."""


def okx_ratios(params: Mapping[str, Any]) -> str:
    """Before ``end``, newest first, 100 at most."""
    ends = range(NOW - REACH * PERIOD_MS, NOW + 1, PERIOD_MS)
    times = [time for time in ends if time < int(params.get("end", NOW + 1))][-params["limit"] :]
    return json.dumps({"code": "0", "data": [[str(time), "1.25"] for time in reversed(times)]})


@pytest.mark.parametrize("poll", ["top position ratio", "account ratio"])
@pytest.mark.parametrize("periods", [0, 1, 99, 100, 101, 1000, 3000])
def test_no_ratio_of_an_outage_is_lost_at_okx(poll: str, periods: int) -> None:
    core = make_core("okx.linear", [contract("okx", "linear", "BTC")], lambda _, params: okx_ratios(params))
    found = polled(core, poll, "BTC", NOW - periods * PERIOD_MS)
    told = min(periods, REACH + 1)
    assert [row.timestamp for row in found] == [NOW - number * PERIOD_MS for number in range(told - 1, -1, -1)]
    assert len(polled(core, poll, "BTC")) == 100


DAYS_30 = 30 * 24 * HOUR_MS


def binance_ratios(params: Mapping[str, Any], newest: bool) -> str:
    """30 days, 500 at most; of a longer stretch its ``newest`` or its oldest, which is not documented."""
    first, last = params.get("startTime", NOW - DAYS_30), params.get("endTime", NOW)
    if first < NOW - DAYS_30:
        raise RestError(400, "startTime is invalid")
    ends = [end for end in range(NOW - DAYS_30, NOW + 1, PERIOD_MS) if first <= end <= last]
    limit = min(params["limit"], 500)
    ends = ends[-limit:] if newest or "startTime" not in params else ends[:limit]
    row = {"symbol": "BTC", "longShortRatio": "1.5", "longAccount": "0.6", "shortAccount": "0.4"}
    return json.dumps([{**row, "timestamp": end} for end in ends])


@pytest.mark.parametrize("newest", [True, False])
@pytest.mark.parametrize("poll", ["top position ratio", "account ratio"])
@pytest.mark.parametrize("periods", [0, 1, 29, 30, 31, 499, 500, 501, 531, 4000, 20_000])
def test_no_ratio_of_an_outage_is_lost_at_binance(poll: str, periods: int, newest: bool) -> None:
    core = make_core(
        "binance.linear", [contract("binance", "linear", "BTC")], lambda _, asked: binance_ratios(asked, newest)
    )
    found = polled(core, poll, "BTC", NOW - periods * PERIOD_MS)
    told = min(periods, (DAYS_30 - HOUR_MS) // PERIOD_MS + 1)
    assert [row.timestamp for row in found] == [NOW - number * PERIOD_MS for number in range(told - 1, -1, -1)]
    assert len(polled(core, poll, "BTC")) == 30


def test_ratios_that_binance_refuses_keep_no_others_back() -> None:
    def answer(_: str, params: Mapping[str, Any]) -> str:
        if "startTime" in params:
            raise RestError(400, "startTime is invalid")
        return binance_ratios(params, newest=True)

    core = make_core("binance.linear", [contract("binance", "linear", "BTC")], answer)
    assert len(polled(core, "account ratio", "BTC", NOW - 4000 * PERIOD_MS)) == 30
