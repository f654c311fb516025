"""Minute features over windows of the last 50 minutes (impact, bulk volume, trend) against numpy over the same rows."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tests.sql.catalogue_tape import Tape, by_minute, epoch_us, insert, make_tape, same, touched
from tests.sql.rows import assign_buckets, book, trade
from tests.sql.tape import EVENING_MS, Rows
from tests.sql.test_catalogue_impact import amount, line

IMPACT = ("kyle_lambda_mid", "kyle_mid_stderr", "kyle_mid_r2", "kyle_lambda_wls", "kyle_wls_stderr", "kyle_wls_r2")


@pytest.fixture(scope="module")
def tape(engine: Any) -> Tape:
    made = make_tape("WINDOWUSDT", 83, count=6000)
    insert(engine.client, made)
    insert(engine.client, make_tape(made.symbol, 183, count=400), market_type="linear")
    return made


def minutes(engine: Any, view: str, symbol: str) -> dict[dt.datetime, dict[str, Any]]:
    rows = engine.rows(
        f"SELECT * FROM marketprism_features.{view} WHERE symbol = '{symbol}' AND market_type = 'spot' ORDER BY ts_1m"
    )
    assert len({row["ts_1m"] for row in rows}) == len(rows)
    return {row["ts_1m"]: row for row in rows}


def within(times: list[dt.datetime], at: dt.datetime, first: int, last: int) -> list[dt.datetime]:
    """The minutes from ``first`` to ``last`` minutes before."""
    return [one for one in times if last <= (at - one).total_seconds() / 60 <= first]


def mids(tape: Tape) -> dict[dt.datetime, float]:
    out = {}
    for at, books in by_minute(tape.books).items():
        for row in books:
            if row["asks"]:
                out[at] = (row["bids"][0][0] + row["asks"][0][0]) / 2
    return out


def closes(trades: dict[dt.datetime, Rows]) -> dict[dt.datetime, float]:
    return {at: float(rows[-1]["price"]) for at, rows in trades.items()}


def changes(times: list[dt.datetime], of: dict[dt.datetime, float]) -> dict[dt.datetime, float]:
    """The change since the last value of the five minutes before, where both are there."""
    out = {}
    for at in times:
        before = [of[one] for one in within(times, at, 5, 1) if one in of]
        if at in of and before:
            out[at] = of[at] - before[-1]
    return out


def known_at(tape: Tape, used: list[dt.datetime]) -> int:
    """When every row of the minutes had been received, µs; a minute is over first."""
    trades, books = by_minute(tape.trades), by_minute(tape.books)
    receipts = [
        max(row["received_at"] for row in [*trades[at], *(one for one in books.get(at, []) if one["asks"])])
        for at in used
    ]
    return max([*receipts, *(epoch_us(at) + 60_000_000 for at in used)])


def test_impact_by_minute(engine: Any, tape: Tape) -> None:
    rows = minutes(engine, "impact_1m", tape.symbol)
    trades = by_minute(tape.trades)
    times = list(trades)
    assert list(rows) == times
    flow = {at: sum(amount(r) * (1 if r["side"] == "buy" else -1) for r in part) for at, part in trades.items()}
    root = {at: sum(math.sqrt(amount(r)) * (1 if r["side"] == "buy" else -1) for r in p) for at, p in trades.items()}
    notional = {at: sum(map(amount, part)) for at, part in trades.items()}
    volume = {at: float(sum(Decimal(r["quantity"]) for r in part)) for at, part in trades.items()}
    change = changes(times, mids(tape))
    move = changes(times, {at: math.log(price) for at, price in closes(trades).items()})
    full = 0
    for at, row in rows.items():
        window = within(times, at, 49, 0)
        points = [one for one in window if one in change]
        assert (row["window_minutes"], row["window_mids"]) == (len(window), len(points))
        expected: tuple[float | None, ...] = (None,) * 6
        if len(points) >= 20:
            full += 1
            x, y, w = (np.array([of[one] for one in points]) for of in (flow, change, volume))
            expected = (*line(x, y, np.ones(len(x))), *line(x, y, w))
        for name, value in zip(IMPACT, expected, strict=True):
            assert same(row[name], value, rel=1e-6, absolute=1e-12), (name, at)
        moved = [one for one in window if one in move]
        if len(moved) < 20:
            assert (row["hasbrouck_lambda"], row["hasbrouck_t"], row["amihud_lambda"], row["amihud_mean"]) == (
                None,
            ) * 4
        else:
            x, y, spent = (np.array([of[one] for one in moved]) for of in (root, move, notional))
            slope = (x * y).sum() / (x**2).sum()
            rest = ((y - slope * x) ** 2).sum() / (len(x) - 1)
            assert same(row["hasbrouck_lambda"], slope)
            assert same(row["hasbrouck_t"], slope / math.sqrt(rest / (x**2).sum()), absolute=1e-9)
            assert same(row["amihud_lambda"], (spent * abs(y)).sum() / (spent**2).sum(), absolute=0)
            assert same(row["amihud_mean"], (abs(y) / spent).mean(), absolute=0)
        assert epoch_us(row["available_at"]) >= known_at(tape, within(times, at, 54, 0))
        holed = any(touched(tape, one) for one in within(times, at, 54, 0))
        short = "warmup" if len(window) < 20 else "stale" if len(points) < 20 else "ok"
        assert row["quality"] == ("gap" if holed else short)
    assert full > 30
    assert {row["quality"] for row in rows.values()} >= {"ok", "warmup", "gap"}


def test_impact_of_a_range_reads_trades_since_then(engine: Any, tape: Tape) -> None:
    """Hasbrouck's lambda needs each trade: without those of the window it is none; the rest is as in the whole."""
    whole = minutes(engine, "impact_1m", tape.symbol)
    last = max(whole)
    (row,) = engine.rows(
        "SELECT * FROM marketprism_features.impact_1m_between("
        f"from_ts = '{min(whole)}', to_ts = '{last}', since = '{last - dt.timedelta(minutes=4)}') "
        f"WHERE symbol = '{tape.symbol}' AND market_type = 'spot' AND ts_1m = '{last}'"
    )
    assert row == {**whole[last], "hasbrouck_lambda": None, "hasbrouck_t": None}
    assert whole[last]["hasbrouck_lambda"] is not None


def test_bulk_volume_by_minute(engine: Any, tape: Tape) -> None:
    rows = minutes(engine, "bulk_volume_1m", tape.symbol)
    trades = by_minute(tape.trades)
    times = list(trades)
    assert list(rows) == times
    volume = {at: float(sum(Decimal(r["quantity"]) for r in part)) for at, part in trades.items()}
    change = changes(times, closes(trades))
    shares: dict[dt.datetime, float] = {}
    for at, row in rows.items():
        before = [change[one] for one in within(times, at, 50, 1) if one in change]
        if at in change and len(before) >= 20:
            shares[at] = 0.5 * (1 + math.erf(change[at] / np.std(before, ddof=1) / math.sqrt(2)))
        share = shares.get(at)
        assert same(row["bvc_buy_volume"], None if share is None else volume[at] * share)
        assert same(row["bvc_sell_volume"], None if share is None else volume[at] * (1 - share), absolute=1e-12)
        assert same(row["bvc_imbalance"], None if share is None else 2 * share - 1, absolute=1e-12)
        window = [one for one in within(times, at, 49, 0) if one in shares]
        assert row["window_shares"] == len(window)
        expected = None
        if len(window) >= 20:
            tilted = sum(abs(2 * shares[one] - 1) * volume[one] for one in window)
            expected = tilted / sum(volume[one] for one in window)
        assert same(row["vpin_bvc"], expected)
        holed = any(touched(tape, one) for one in within(times, at, 104, 0))
        assert row["quality"] == ("gap" if holed else "warmup" if len(window) < 20 else "ok")
    assert any(row["vpin_bvc"] is not None for row in rows.values())


def test_trend_by_minute(engine: Any, tape: Tape) -> None:
    """Walked forward: in at 1.5, held down to 0.5; a state that has not been entered for two hours is flat."""
    rows = minutes(engine, "trend_state_1m", tape.symbol)
    returns = minutes(engine, "returns_1m", tape.symbol)
    assert list(rows) == list(returns)
    held = "flat"
    for at, row in rows.items():
        momentum = returns[at]["momentum_30"]
        assert row["momentum_30"] == momentum
        if momentum is None or abs(momentum) < 0.5:
            held = "flat"
        elif abs(momentum) >= 1.5 or (held == "up") != (momentum > 0):
            sign = "up" if momentum > 0 else "down"
            held = sign if abs(momentum) >= 1.5 or held == sign else "flat"
        assert row["trend_state"] == held, at
        grade = returns[at]["quality"]
        assert row["quality"] == ("gap" if grade == "gap" else "warmup" if momentum is None else "ok")
    assert len({row["trend_state"] for row in rows.values()}) > 1


def test_no_change_reaches_over_more_than_five_minutes(engine: Any) -> None:
    """Minutes 0 to 5, then 12 on: the first after the pause has no change, no move and no share."""
    at = [number for number in range(60) if not 5 < number < 12]
    trades = [trade(n, EVENING_MS + n * 60_000, str(100 + n % 7), "1", "buy" if n % 3 else "sell") for n in at]
    engine.trades("PAUSEDUSDT", assign_buckets(trades, Decimal(1000)))
    engine.books(
        "PAUSEDUSDT",
        [book(n + 1, EVENING_MS + n * 60_000 + 500, [(99.0 + n % 5, 1)], [(101.0 + n % 5, 1)]) for n in at],
    )
    rows = list(minutes(engine, "impact_1m", "PAUSEDUSDT").values())
    counts = [row["window_mids"] for row in rows]
    assert counts[:8] == [0, 1, 2, 3, 4, 5, 5, 6], "the minute after the pause adds none"
    returns = list(minutes(engine, "returns_1m", "PAUSEDUSDT").values())
    assert returns[6]["log_return_1"] is None
    bulk = list(minutes(engine, "bulk_volume_1m", "PAUSEDUSDT").values())
    assert bulk[6]["bvc_buy_volume"] is None
    assert bulk[-1]["bvc_buy_volume"] is not None


def test_the_impulse_waits_for_ten_minutes(engine: Any) -> None:
    trades = [trade(n, EVENING_MS + n * 60_000, "100", "2", "buy") for n in (0, 1, 9, 10, 12)]
    engine.trades("IMPULSEUSDT", assign_buckets(trades, Decimal(1000)))
    rows = list(minutes(engine, "returns_1m", "IMPULSEUSDT").values())
    assert [row["trade_impulse"] for row in rows[:3]] == [None] * 3, "less than ten minutes are known"
    assert same(rows[3]["trade_impulse"], 2 / (6 / 10)), "minutes 0, 1 and 9 of the ten before"
    assert same(rows[4]["trade_impulse"], 2 / (4 / 10)), "minutes 9 and 10"
