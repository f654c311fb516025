"""Returns, jumps and bulk volume by the rolling windows of pandas and the distributions of scipy."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from tests.parity.market import Market, agree

WINDOW = 50
SPANS = (1, 3, 5, 10, 30, 60)


def variance_measures(r: pd.Series, n: int) -> pd.DataFrame:
    """The measures of R highfrequency over the last ``n`` returns, from rolling medians, minima and products."""
    size = r.abs()
    pairs = size * size.shift(1)
    triples = pairs * size.shift(2)
    rv, bv = (r**2).rolling(n).sum(), math.pi / 2 * pairs.rolling(n - 1).sum()
    mu = 2 ** (2 / 3) * math.gamma(7 / 6) / math.gamma(1 / 2)
    tpq = n * n / (n - 2) / mu**3 * (triples ** (4 / 3)).rolling(n - 2).sum()
    theta = (math.pi / 2) ** 2 + math.pi - 5
    medians, minima = size.rolling(3).median() ** 2, size.rolling(2).min() ** 2
    return pd.DataFrame(
        {
            "realised_variance": rv,
            "bipower_variance": bv,
            "medrv": math.pi / (6 - 4 * math.sqrt(3) + math.pi) * n / (n - 2) * medians.rolling(n - 2).sum(),
            "minrv": math.pi / (math.pi - 2) * n / (n - 1) * minima.rolling(n - 1).sum(),
            "semivariance_down": (r.clip(upper=0) ** 2).rolling(n).sum(),
            "semivariance_up": (r.clip(lower=0) ** 2).rolling(n).sum(),
            "tripower_quarticity": tpq,
            "bns_z": (rv - bv) / np.sqrt(theta / n * tpq),
            "bns_ratio_z": (1 - bv / rv) / np.sqrt(theta / n * np.maximum(tpq / bv**2, 1)),
            "lee_mykland": r / np.sqrt(pairs.shift(1).rolling(n - 2).sum() / (n - 2)),
        }
    )


def volatility_by_bucket(market: Market) -> int:
    """All measures over 50 returns of bucket closes: 1e-8, since rolling sums keep the errors of what left them."""
    expected = variance_measures(np.log(market.bars["close"]).diff(), WINDOW)
    return compare_measures(market.feature("volatility_by_bucket", *expected), expected)


def compare_measures(rows: pd.DataFrame, expected: pd.DataFrame) -> int:
    """A z near 0 is a difference of variances: its tolerance is one of its range, not of its value."""
    near_zero = dict.fromkeys(("bns_z", "bns_ratio_z", "lee_mykland"), 1e-8)
    return sum(agree(rows[name], expected[name], rel=1e-8, absolute=near_zero.get(name, 1e-22)) for name in expected)


def returns_by_bucket(market: Market) -> int:
    """Returns, momentum, drawdown and impulse: 1e-8, absolutely 1e-11 where a return is near zero."""
    close, volume = np.log(market.bars["close"]), market.bars["volume"]
    step = close.diff()
    expected = {f"log_return_{span}": close.diff(span) for span in SPANS}
    for span in SPANS[1:]:
        size = np.sqrt((step**2).rolling(span).sum())
        expected[f"momentum_{span}"] = close.diff(span) / size.where(size > 1e-12)
    expected["drawdown_60"] = close - np.log(market.bars["high"].rolling(60).max())
    weighed = (step * market.bars["amount"]).rolling(10).sum()
    expected["price_volume_momentum_10"] = weighed / market.bars["amount"].where(step.notna()).rolling(10).sum()
    expected["trade_impulse"] = market.bars["signed"] / volume.shift(1).rolling(10).mean()
    rows = market.feature("returns_by_bucket", *expected)
    return sum(agree(rows[name], value, rel=1e-8, absolute=1e-11) for name, value in expected.items())


def bulk_volume(market: Market) -> int:
    """Volume times the normal distribution of the change of close over the deviation of the 50 before: 1e-8."""
    from scipy import stats  # slow to load, for each process that collects tests

    change, volume = market.bars["close"].diff(), market.bars["volume"]
    share = pd.Series(stats.norm.cdf(change / change.rolling(WINDOW).std().shift(1)), index=volume.index)
    tilt = ((2 * share - 1).abs() * volume).rolling(WINDOW).sum()
    expected = {"bvc_buy_volume": volume * share, "bvc_sell_volume": volume * (1 - share)}
    expected["vpin_bvc"] = tilt / volume.where(share.notna()).rolling(WINDOW).sum()
    rows = market.feature("bulk_volume_by_bucket", *expected)
    return sum(agree(rows[name], value, rel=1e-8, absolute=1e-9) for name, value in expected.items())


def vpin(market: Market) -> int:
    """Imbalance over volume of 50 buckets: 1e-10."""
    window = market.bars["signed"].abs().rolling(WINDOW).sum() / market.bars["volume"].rolling(WINDOW).sum()
    return agree(market.feature("vpin_by_bucket", "vpin")["vpin"], window, rel=1e-10)


def seconds(market: Market) -> pd.Series:
    """Last price of each second that traded."""
    return market.trades.groupby(market.trades["ms"] // 1000)["price"].last()


def variance_by_minute(market: Market) -> int:
    """rv_decomposition_1m from returns between seconds that traded: 1e-9; its jump part where it has a variance."""
    prices = np.log(seconds(market))
    at = prices.index.to_series()
    steps = prices.diff().where(at.diff() <= 60)
    minute = at // 60 * 60
    pairs = steps.abs() * steps.abs().shift(1).where(minute == minute.shift(1))
    many = steps.groupby(minute).count() >= 2
    total = (steps**2).groupby(minute).sum().where(many)
    bipower = math.pi / 2 * pairs.groupby(minute).sum().where(many)
    rows = market.feature("rv_decomposition_1m", "rv_total", "bipower", "n_returns", "rv_jump", key="ts_1m")
    expected = [total, bipower, steps.groupby(minute).count(), (total - bipower).clip(lower=0)]
    return sum(agree(rows[name], each, rel=1e-9, absolute=1e-18) for name, each in zip(rows, expected, strict=True))


def returns_by_second(market: Market) -> int:
    """Log returns over clock horizons, the price before found by merge_asof: 1e-9."""
    prices = seconds(market).rename_axis("at").reset_index()
    rows = market.feature("returns_1s", *(f"log_return_{name}" for name in ("1s", "10s", "1m", "5m")), key="ts_1s")
    compared = 0
    for name, span in zip(rows, (1, 10, 60, 300), strict=True):
        asked = prices[["at"]] - span
        base = pd.merge_asof(asked, prices.assign(found=prices["at"]), on="at")
        known = base["price"].where(base["at"] - base["found"] <= 60)
        compared += agree(rows[name], np.log(prices["price"] / known), rel=1e-9, absolute=1e-12)
    return compared


CHECKS = [
    volatility_by_bucket, returns_by_bucket, bulk_volume, vpin, variance_by_minute, returns_by_second,
]  # fmt: skip
