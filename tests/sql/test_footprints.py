"""Footprints, their profiles and minute bars against worked cases and plain Python."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest

from tests.sql.rows import assign_buckets, trade
from tests.sql.tape import EVENING_MS, by_bucket, random_trades
from tests.sql.test_impact import bucket_of
from tests.worked import case


def value_area(volumes: dict[int, Decimal]) -> tuple[int, int, int]:
    """(point of control, low, high) by walking outward one traded bin at a time, ties up."""
    bins = sorted(volumes)
    poc = max(range(len(bins)), key=lambda index: (volumes[bins[index]], -index))
    low = high = poc
    taken, total = volumes[bins[poc]], sum(volumes.values())
    while taken * 10 < total * 7:
        above = volumes[bins[high + 1]] if high + 1 < len(bins) else Decimal(-1)
        below = volumes[bins[low - 1]] if low else Decimal(-1)
        if above >= below:
            high, taken = high + 1, taken + above
        else:
            low, taken = low - 1, taken + below
    return bins[poc], bins[low], bins[high]


def test_footprint_and_profile_equal_a_plain_walk(engine: Any, symbol: Any) -> None:
    name = symbol()
    rows = random_trades(seed=5, count=4000)
    engine.trades(name, rows, batches=3)
    got: dict[int, dict[int, tuple[Decimal, ...]]] = defaultdict(dict)
    for row in engine.feature("footprint_by_bucket", name, "bucket_id, px_bin"):
        got[row["bucket_id"]][row["px_bin"]] = (row["ask_vol"], row["bid_vol"], row["trades"])
        assert row["px"] == row["px_bin"] * 0.5
        assert row["total_vol"] == row["ask_vol"] + row["bid_vol"]
        assert row["delta"] == row["ask_vol"] - row["bid_vol"]
    profiles = {row["bucket_id"]: row for row in engine.feature("footprint_profile_by_bucket", name)}
    for key, trades in by_bucket(rows).items():
        bins: dict[int, list[Any]] = defaultdict(lambda: [Decimal(0), Decimal(0), 0])
        for row in trades:
            cell = bins[row["price_tick"]]
            cell[0 if row["side"] == "buy" else 1] += Decimal(row["quantity"])
            cell[2] += 1
        assert got[key] == {tick: tuple(cell) for tick, cell in bins.items()}
        poc, low, high = value_area({tick: cell[0] + cell[1] for tick, cell in bins.items()})
        profile = profiles[key]
        assert (profile["poc_px"], profile["value_area_low"], profile["value_area_high"]) == (
            poc / 2,
            low / 2,
            high / 2,
        )
        assert profile["value_area_vol"] * 10 >= profile["total_vol"] * 7


@pytest.mark.parametrize("index", [0, 1, 2])
def test_profile_equals_market_profile(engine: Any, symbol: Any, shared: Any, index: int) -> None:
    worked = case(shared, "footprint")
    given, expected = worked["input"]["profiles"][index], worked["expected"]["poc_va_MarketProfile"][index]
    name = symbol()
    prints = [(str(px), str(vol), "buy") for px, vol in zip(given["levels"], given["volumes"], strict=True)]
    engine.trades(name, bucket_of(1, prints, 1))
    (row,) = engine.feature("footprint_profile_by_bucket", name)
    assert (row["poc_px"], row["value_area_low"], row["value_area_high"]) == (
        expected["poc"],
        expected["val"],
        expected["vah"],
    )


def tape(worked: dict[str, Any]) -> list[dict[str, Any]]:
    given = worked["input"]["tape"]
    sides = ["buy" if side > 0 else "sell" for side in given["side"]]
    columns = (given["id"], given["ts_ms"], given["price"], given["qty"], sides)
    rows = [trade(i, ts, str(px), str(qty), side) for i, ts, px, qty, side in zip(*columns, strict=True)]
    return assign_buckets(rows, Decimal(1000))


def test_minute_footprint_equals_finmlkit(engine: Any, symbol: Any, shared: Any) -> None:
    worked = case(shared, "footprint")
    name = symbol()
    engine.trades(name, tape(worked), batches=4)
    minutes: dict[Any, dict[int, tuple[float, float]]] = defaultdict(dict)
    for row in engine.feature("footprint_1m", name, "ts_1m, px_bin"):
        minutes[row["ts_1m"]][row["px_bin"]] = (float(row["ask_vol"]), float(row["bid_vol"]))
    expected = worked["expected"]["footprint"]
    assert len(minutes) == len(expected["levels"])
    for got, levels, buys, sells in zip(
        minutes.values(), expected["levels"], expected["buy"], expected["sell"], strict=True
    ):
        for level, buy, sell in zip(levels, buys, sells, strict=True):
            assert got.pop(level, (0, 0)) == pytest.approx((buy, sell), abs=worked["tolerance"]["abs"])
        assert got == {}


def test_minute_bars_equal_pandas(engine: Any, symbol: Any, shared: Any) -> None:
    worked = case(shared, "ohlcv_vwap_cvd")
    name = symbol()
    engine.trades(name, tape(worked), batches=2)
    rows = engine.feature("trades_1m", name, "ts_1m")
    expected = worked["expected"]
    columns = {"total_volume": "volume", "buy_volume": "buy", "sell_volume": "sell", "trade_count": "trades"}
    columns |= {key: key for key in ("open", "high", "low", "close", "vwap")}
    for ours, theirs in columns.items():
        assert [float(row[ours]) for row in rows] == pytest.approx(expected[theirs], rel=1e-12)
    running = 0.0
    for row, cvd in zip(rows, expected["cvd"], strict=True):
        running += float(row["buy_volume"] - row["sell_volume"])
        assert running == pytest.approx(cvd, rel=1e-12)


def test_a_trade_on_the_minute_belongs_to_the_minute_it_starts(engine: Any, symbol: Any) -> None:
    name = symbol()
    rows = [trade(1, EVENING_MS + 59_999, "100", "1", "buy"), trade(2, EVENING_MS + 60_000, "100", "2", "sell")]
    engine.trades(name, assign_buckets(rows, Decimal(1000)))
    first, second = engine.feature("trades_1m", name, "ts_1m")
    assert (first["total_volume"], second["total_volume"]) == (1, 2)
    assert (first["flow_imbalance"], second["flow_imbalance"]) == (1.0, -1.0)
    received = second["available_at"].replace(tzinfo=dt.UTC).timestamp()
    assert received == pytest.approx(EVENING_MS / 1000 + 120), "a minute is known when it is over"


def test_bins_of_two_tick_sizes_do_not_mix(engine: Any, symbol: Any) -> None:
    name = symbol()
    rows = [
        trade(1, EVENING_MS, "100", "1", "buy", tick_size="0.5"),
        trade(2, EVENING_MS + 1, "20", "2", "buy", tick_size="0.1"),
    ]
    engine.trades(name, assign_buckets(rows, Decimal(1000)))
    bins = engine.feature("footprint_by_bucket", name, "px")
    assert [(row["px_bin"], row["px"], float(row["total_vol"])) for row in bins] == [
        (200, 20.0, 2.0),
        (200, 100.0, 1.0),
    ]
