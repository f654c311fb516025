"""Calibration: rates of minutes, figures that scale with the instrument, and the real COIN-M day it has to meet."""

from __future__ import annotations

import io
import zipfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from storage_service.buckets.calibrate import Measured, Rate, adaptive_t_max_s, calibrate
from storage_service.buckets.fold import DayState, Quantities, advance
from storage_service.buckets.plan import SCALE, DayPlan

NOTHING = Rate()
COIN_M = "vision/data/futures/cm/daily/aggTrades/BTCUSD_PERP/BTCUSD_PERP-aggTrades-2026-05-08.zip"
CONTRACT_USD = 100


def test_minutes_without_a_trade_count_as_nothing() -> None:
    rate = Rate.of(np.array([60.0, 120.0, 180.0]), 10)
    assert (rate.p50, rate.p80, rate.mean) == pytest.approx((0.0, 1.2, 0.6))
    assert Rate.of(np.array([]), 0) == Rate()
    assert Rate.of(np.array([600.0]), 10).usual == pytest.approx(1.0)  # nine of ten minutes empty: the mean


def test_figures_scale_with_the_instrument() -> None:
    rates = Measured(Rate(0.001, 0.0040049, 0.003), Rate(0.5, 2.0, 1.0), NOTHING, 1440)
    found = calibrate(rates, "volume", 30.0, 60.0)
    assert found is not None
    assert (found.q_bucket, found.q_min, found.q_max) == (Decimal("0.12"), Decimal("0.03"), Decimal("0.481"))
    assert (found.n_trades, found.n_min, found.n_max, found.n_updates) == (60, 15, 240, 0)
    for scale in (Decimal("1e-9"), Decimal("1e9")):
        factor = float(scale)
        volume = Rate(0.001 * factor, 0.0040049 * factor, 0.003 * factor)
        scaled = calibrate(Measured(volume, rates.trades, NOTHING, 1440), "volume", 30.0, 60.0)
        assert scaled is not None
        assert scaled.q_bucket == found.q_bucket * scale
    assert calibrate(Measured(NOTHING, NOTHING, NOTHING, 1440), "volume", 30.0, 60.0) is None


def test_adaptive_waits_longer_where_trades_come_in_bursts() -> None:
    bursts = Measured(Rate(0.03, 0.09, 0.07), Rate(1.0, 2.0, 1.5), NOTHING, 1440)
    found = calibrate(bursts, "adaptive", 30.0, 60.0)
    assert found is not None
    assert (found.t_max_s, found.n_min) == (120.0, 30)
    steady = calibrate(Measured(Rate(0.08, 0.09, 0.08), bursts.trades, NOTHING, 1440), "adaptive", 30.0, 60.0)
    assert steady is not None
    assert steady.t_max_s == pytest.approx(1.5 * 2.7 / 0.08)
    assert (adaptive_t_max_s(1.0, 1.0, 30.0), adaptive_t_max_s(1.0, 0.0, 30.0)) == (30.0, 120.0)


def coin_m(shared: Path) -> tuple[np.ndarray, np.ndarray]:
    """Times (ms) and base quantities at scale 12 of the real day."""
    path = shared / COIN_M
    if not path.exists():
        pytest.skip(f"the archive file is not there: {path}")
    with zipfile.ZipFile(path) as archive:
        rows = pl.read_csv(io.BytesIO(archive.read(archive.namelist()[0])))
    base = [round(float(q) * CONTRACT_USD / p * SCALE) for q, p in rows.select("quantity", "price").iter_rows()]
    return rows["transact_time"].to_numpy(), np.array(base, dtype=np.int64)


def buckets(times: np.ndarray, base: np.ndarray, q_bucket: Decimal) -> tuple[float, float, int]:
    """Median length (s), share of time cuts, number of closed buckets."""
    quantities = Quantities(np.stack([base, np.zeros_like(base)], axis=1))
    plan = DayPlan("agg_trade", "volume", q_bucket=int(q_bucket * SCALE), t_max_ms=60_000)
    closed = advance(DayState(), plan.thresholds(), times, quantities).closed
    return float(np.median(closed.durations_ms)) / 1000, closed.triggers.count("time") / len(closed), len(closed)


def measured_until(times: np.ndarray, base: np.ndarray, hours: int) -> tuple[Measured, np.ndarray]:
    seconds = (times - times[0] // 86_400_000 * 86_400_000) // 1000
    before = seconds < hours * 3600
    sums = np.bincount(seconds[before] // 60, weights=base[before] / SCALE)
    counts = np.bincount(seconds[before] // 60).astype(float)
    return Measured(Rate.of(sums, hours * 60), Rate.of(counts, hours * 60), NOTHING, hours * 60), before


@pytest.mark.parametrize("hours", [8, 10, 12])
def test_the_first_part_of_a_real_day_sets_buckets_of_30_s_for_the_rest(shared: Path, hours: int) -> None:
    times, base = coin_m(shared)
    measured, before = measured_until(times, base, hours)
    config = calibrate(measured, "volume", 30.0, 60.0)
    assert config is not None
    p50, time_cuts, count = buckets(times[~before], base[~before], config.q_bucket)
    print(f"after {hours} h: q {config.q_bucket:.2f}; then {count} buckets, p50 {p50:.1f} s, {time_cuts:.1%} by time")
    assert 25 <= p50 <= 35
    assert time_cuts < 0.4
