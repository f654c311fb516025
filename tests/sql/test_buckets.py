"""unified_buckets: edges, closes and when they became knowable."""

from __future__ import annotations

import datetime as dt
import time
from decimal import Decimal
from typing import Any

import pytest

from tests.sql.rows import assign_buckets, trade
from tests.sql.tape import EVENING_MS, by_bucket, flow, random_trades

NOON_MS = int(dt.datetime(2024, 8, 8, 12, 0, tzinfo=dt.UTC).timestamp() * 1000)
MIDNIGHT = dt.datetime(2024, 8, 9, tzinfo=dt.UTC)


def moment(milliseconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)


def utc(value: dt.datetime) -> dt.datetime:
    return value if value.tzinfo else value.replace(tzinfo=dt.UTC)


def test_closing_trade_belongs_to_the_bucket_it_closes(engine: Any, symbol: Any) -> None:
    name = symbol()
    rows = [
        trade(1, NOON_MS, "100", "4", "buy"),
        trade(2, NOON_MS + 10, "101", "7", "sell", received_at=NOON_MS * 1000 + 77_000),
        trade(3, NOON_MS + 10, "102", "1", "buy"),
    ]
    engine.trades(name, assign_buckets(rows, Decimal(10)))
    first, second = engine.feature("unified_buckets", name)
    assert first["bucket_id"] == 20240808000001
    assert (first["vol"], first["buy_vol"], first["sell_vol"], first["trades"]) == (11, 4, 7, 2)
    assert (first["open"], first["high"], first["low"], first["close"]) == (100, 101, 100, 101)
    assert (first["cut_trigger"], first["is_closed"], first["quality"]) == ("volume", True, "ok")
    assert first["notional"] == 4 * 100 + 7 * 101
    assert first["vwap"] == pytest.approx(1107 / 11, rel=1e-15)
    assert utc(first["available_at"]) == moment(NOON_MS + 77)
    assert utc(second["bucket_ts_start"]) == utc(first["bucket_ts_end"]), "two buckets share a millisecond"


@pytest.mark.parametrize(
    ("next_ms", "next_receipt_ms", "known_ms"),
    [(60_000, 60_020, 60_000), (60_000, 59_500, 60_000), (90_000, 90_020, 60_000)],
    ids=["boundary: clock first", "exchange clock ahead: not before the next trade happened", "after a pause"],
)
def test_time_cut_is_known_by_the_clock_or_by_the_next_trade(
    engine: Any, symbol: Any, next_ms: int, next_receipt_ms: int, known_ms: int
) -> None:
    name = symbol()
    rows = [
        trade(1, NOON_MS, "100", "1", "buy"),
        trade(2, NOON_MS + 59_400, "100", "1", "buy"),
        trade(3, NOON_MS + next_ms, "100", "1", "buy", received_at=(NOON_MS + next_receipt_ms) * 1000),
    ]
    engine.trades(name, assign_buckets(rows, Decimal(10)))
    first, second = engine.feature("unified_buckets", name)
    assert (first["trades"], second["trades"]) == (2, 1)
    assert (first["cut_trigger"], first["is_closed"]) == ("time", True)
    assert utc(first["available_at"]) == moment(NOON_MS + known_ms)


def test_no_bucket_is_available_before_its_last_trade_happened(engine: Any, symbol: Any) -> None:
    """The recorder of 2024-08-08 was 1.27 s behind the exchange."""
    name = symbol()
    rows = [
        trade(n, NOON_MS + n * 1000, "100", "6", "buy", received_at=(NOON_MS + n * 1000 - 1270) * 1000)
        for n in range(1, 5)
    ]
    engine.trades(name, assign_buckets(rows, Decimal(10)))
    for view in ("unified_buckets", "mid_by_bucket", "vpin_by_bucket", "returns_by_bucket"):
        told = engine.feature(view, name)
        assert [utc(row["available_at"]) for row in told] == [moment(NOON_MS + 2000), moment(NOON_MS + 4000)], view


def test_time_cut_is_never_available_before_its_own_last_trade_was_received(engine: Any, symbol: Any) -> None:
    name = symbol()
    rows = [
        trade(1, NOON_MS, "100", "1", "buy"),
        trade(2, NOON_MS + 59_990, "100", "1", "buy", received_at=(NOON_MS + 60_300) * 1000),
    ]
    engine.trades(name, assign_buckets(rows, Decimal(10)))
    (only,) = engine.feature("unified_buckets", name)
    assert utc(only["available_at"]) == moment(NOON_MS + 60_300)


@pytest.mark.parametrize(("days", "quality"), [(6, "ok"), (8, "gap")])
def test_windows_over_a_week_without_trades_say_gap(engine: Any, symbol: Any, days: int, quality: str) -> None:
    """Two days of an archive, loaded apart: the move between them is no return of one bucket."""
    name = symbol()
    rows = [
        trade(n, NOON_MS + n * 1000 + (n > 80) * days * 86_400_000, f"{100 + (n > 80) * 30 + n % 3}", "1", "buy")
        for n in range(1, 151)
    ]
    engine.trades(name, assign_buckets(rows, Decimal(1)))
    buckets = engine.feature("unified_buckets", name)
    assert [row["quality"] for row in buckets] == [quality if n == 80 else "ok" for n in range(150)]
    for view, window in (("returns_by_bucket", 61), ("volatility_by_bucket", 51), ("vpin_by_bucket", 50)):
        told = [row["quality"] for row in engine.feature(view, name)]
        assert told[80 : 80 + window] == [quality] * min(window, 70), view
        assert set(told[window - 1 : 80] + told[80 + window :]) == {"ok"}, view


def test_day_cut_at_midnight_and_restart_of_the_numbers(engine: Any, symbol: Any) -> None:
    name = symbol()
    before = int(MIDNIGHT.timestamp() * 1000) - 1
    rows = [trade(1, before, "100", "1", "buy"), trade(2, before + 1, "100", "1", "buy")]
    engine.trades(name, assign_buckets(rows, Decimal(10)))
    first, second = engine.feature("unified_buckets", name)
    assert (first["bucket_id"], second["bucket_id"]) == (20240808000001, 20240809000001)
    assert first["cut_trigger"] == "day"
    assert utc(first["available_at"]) == moment(before + 20), "the last trade was received after midnight"


def test_bucket_is_open_until_the_limit_has_passed(engine: Any, symbol: Any) -> None:
    name = symbol()
    now = int(dt.datetime.now(dt.UTC).timestamp() * 1000)
    engine.trades(name, assign_buckets([trade(1, now, "100", "1", "buy")], Decimal(10), t_max_ms=600_000))
    (row,) = engine.feature("unified_buckets", name)
    closed_by_midnight = row["cut_trigger"] == "day"
    assert closed_by_midnight or (row["is_closed"], row["cut_trigger"], row["quality"]) == (False, "", "partial")
    assert closed_by_midnight or row["available_at"] is None
    assert closed_by_midnight or engine.feature("vpin_by_bucket", name) == [], "an open bucket is in no window"


def test_the_clock_closes_a_bucket_when_what_was_received_before_is_in(engine: Any, symbol: Any) -> None:
    """A trade is on its way for a moment; a row that says "closed" without it would change."""
    name = symbol()
    first = int(dt.datetime.now(dt.UTC).timestamp() * 1000) - 10_200  # the limit passed a fifth of a second ago
    rows = assign_buckets(
        [trade(1, first, "100", "1", "buy"), trade(2, first + 9_900, "101", "2", "buy")], Decimal(10), t_max_ms=10_000
    )
    engine.trades(name, rows[:1])
    (row,) = engine.feature("unified_buckets", name)
    engine.trades(name, rows[1:])
    until = time.monotonic() + 30
    while not row["is_closed"] and time.monotonic() < until:
        assert (row["quality"], row["available_at"]) == ("partial", None)
        (row,) = engine.feature("unified_buckets", name)
    assert (row["trades"], row["quality"]) == (2, "ok")
    assert row["cut_trigger"] == "day" or utc(row["available_at"]) == moment(first + 10_000)


def test_a_range_knows_that_the_bucket_after_it_closed_its_last(engine: Any, symbol: Any) -> None:
    name = symbol()
    first = int(dt.datetime.now(dt.UTC).timestamp() * 1000) - 1_500
    rows = [trade(1 + n, first + 550 * n, "100", "1", "buy") for n in range(3)]
    engine.trades(name, assign_buckets(rows, Decimal(10), t_max_ms=1_000))
    ids = [row["bucket_id"] for row in engine.feature("unified_buckets", name)]
    for newest in (0, 1):
        bounds = f"from_bucket = {ids[0]}, to_bucket = {ids[0]}, newest = {newest}"
        (row,) = engine.feature(f"unified_buckets_between({bounds})", name)
        assert (row["bucket_id"], row["is_closed"], row["trades"]) == (ids[0], True, 2)


def test_prints_that_are_no_market_trade_stay_out(engine: Any, symbol: Any) -> None:
    name = symbol()
    rows = [
        trade(1, NOON_MS, "100", "1", "buy"),
        trade(2, NOON_MS + 1, "500", "1000", "buy", is_market=False),
        trade(3, NOON_MS + 2, "100", "1", "sell"),
    ]
    engine.trades(name, assign_buckets(rows, Decimal(10)))
    (row,) = engine.feature("unified_buckets", name)
    assert (row["trades"], row["vol"], row["high"]) == (2, 2, 100)
    assert engine.feature("trades_1m", name, "ts_1m")[0]["total_volume"] == 2
    assert engine.client.command(f"SELECT count() FROM marketprism_hot.trades WHERE symbol = '{name}'") == 3


def test_a_hole_marks_the_buckets_it_touches_until_it_is_repaired(engine: Any, symbol: Any) -> None:
    name = symbol()
    rows = [trade(n, NOON_MS + n * 1000, "100", "6", "buy") for n in (1, 2, 5, 6, 7, 8)]
    engine.trades(name, assign_buckets(rows, Decimal(10)))

    def tell(repaired: int) -> None:
        hole = f"fromUnixTimestamp64Milli({NOON_MS + 2001}), fromUnixTimestamp64Milli({NOON_MS + 5000})"
        engine.client.command(
            "INSERT INTO marketprism_hot.gaps (timestamp, received_at, exchange, market_type, symbol, sequence, "
            "of_type, from_sequence, to_sequence, from_time, to_time, cause, repaired) "
            f"SELECT fromUnixTimestamp64Milli({NOON_MS}), now64(6), 'binance', 'spot', '{name}', 3, "
            f"'trades', 3, 4, {hole}, 'sequence', {repaired}"
        )

    tell(0)
    assert [row["quality"] for row in engine.feature("unified_buckets", name)] == ["ok", "gap", "ok"]
    assert [row["quality"] for row in engine.feature("vpin_by_bucket", name)] == ["warmup", "gap", "gap"]
    tell(1)
    assert [row["quality"] for row in engine.feature("unified_buckets", name)] == ["ok", "ok", "ok"]


def test_a_late_trade_counts_in_its_bucket(engine: Any, symbol: Any) -> None:
    name = symbol()
    rows = assign_buckets([trade(n, NOON_MS + n, "100", "1", "buy") for n in range(1, 6)], Decimal(10))
    late = {**rows[2], "late": True, "price": "99", "received_at": (NOON_MS + 9000) * 1000}
    engine.trades(name, rows[:2] + rows[3:])
    engine.trades(name, [late])
    (row,) = engine.feature("unified_buckets", name)
    assert (row["vol"], row["low"], row["open"], row["close"]) == (5, 99, 100, 100)
    assert engine.rows(
        f"SELECT sum(late_trades) AS late FROM marketprism_features.bucket_flow WHERE symbol = '{name}'"
    ) == [{"late": 1}]


def test_buckets_equal_the_trades_they_are_made_of(engine: Any, symbol: Any) -> None:
    name = symbol()
    rows = random_trades(seed=1, count=3000)
    engine.trades(name, rows, batches=7)
    expected = by_bucket(rows)
    got = {row["bucket_id"]: row for row in engine.feature("unified_buckets", name)}
    assert list(got) == list(expected)
    for key, trades in expected.items():
        row = got[key]
        volume, buys, notional = flow(trades)
        assert (row["vol"], row["buy_vol"], row["notional"], row["trades"]) == (volume, buys, notional, len(trades))
        assert (row["open"], row["close"]) == (Decimal(trades[0]["price"]), Decimal(trades[-1]["price"]))
        prices = [Decimal(trade["price"]) for trade in trades]
        assert (row["high"], row["low"]) == (max(prices), min(prices))
        assert row["cut_trigger"] == (trades[-1]["bucket_cut"] or row["cut_trigger"])
        assert row["cut_trigger"] in ("volume", "time", "day")
        assert utc(row["available_at"]) >= moment(max(trade["received_at"] for trade in trades) / 1000)
    assert rows[0]["timestamp"] >= EVENING_MS


FEATURES = (
    ("unified_buckets", "bucket_id"),
    ("vpin_by_bucket", "bucket_id"),
    ("kyle_lambda_by_bucket", "bucket_id"),
    ("footprint_by_bucket", "bucket_id, px_bin"),
    ("footprint_profile_by_bucket", "bucket_id"),
    ("footprint_1m", "ts_1m, px_bin"),
    ("footprint_profile_1m", "ts_1m"),
    ("trades_1m", "ts_1m"),
)


@pytest.mark.parametrize("batches", [2, 13, 60])
def test_how_batches_are_cut_changes_no_bit(engine: Any, symbol: Any, batches: int) -> None:
    whole, cut = symbol(), symbol()
    rows = random_trades(seed=2, count=2400)
    engine.trades(whole, rows)
    engine.trades(cut, rows, batches=batches)
    for feature, order in FEATURES:
        first, second = (
            [{**row, "symbol": ""} for row in engine.feature(feature, name, order)] for name in (whole, cut)
        )
        assert first, feature
        assert first == second, feature
    seconds = (
        "SELECT ts_1s, sum(trades) AS trades, sum(vol) AS vol, sum(notional) AS notional, argMinMerge(open) AS open, "
        "argMaxMerge(close) AS close FROM marketprism_features.flow_1s "
        "WHERE symbol = '{}' GROUP BY ts_1s ORDER BY ts_1s"
    )
    assert engine.rows(seconds.format(whole)) == engine.rows(seconds.format(cut))
