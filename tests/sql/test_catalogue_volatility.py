"""Realised variance, jumps, implied spreads and the regime against R highfrequency's numbers and numpy."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.sql.catalogue_tape import Tape, insert, make_tape, same
from tests.sql.rows import assign_buckets, trade
from tests.sql.tape import Rows, by_bucket
from tests.worked import case

NOON_MS = int(dt.datetime(2024, 8, 7, 12, 0, tzinfo=dt.UTC).timestamp() * 1000)
CRITICAL = 5.77747760631933
"""(C_n + 4.6001 S_n) of Lee and Mykland for n = 1,440 tests at 1 %."""


def measures(r: Any) -> dict[str, float]:
    """The measures of one window of log returns, by their textbook formulas."""
    n, a = len(r), np.abs(r)
    rv, bv = float((r**2).sum()), math.pi / 2 * float((a[1:] * a[:-1]).sum())
    triples = np.column_stack([a[:-2], a[1:-1], a[2:]])
    mu = 2 ** (2 / 3) * math.gamma(7 / 6) / math.gamma(1 / 2)
    tpq = n * n / (n - 2) * mu**-3 * float((triples.prod(axis=1) ** (4 / 3)).sum())
    theta = math.pi**2 / 4 + math.pi - 5
    return {
        "realised_variance": rv,
        "bipower_variance": bv,
        "medrv": math.pi
        / (6 - 4 * math.sqrt(3) + math.pi)
        * n
        / (n - 2)
        * float((np.median(triples, axis=1) ** 2).sum()),
        "minrv": math.pi / (math.pi - 2) * n / (n - 1) * float((np.minimum(a[1:], a[:-1]) ** 2).sum()),
        "semivariance_down": float((r[r < 0] ** 2).sum()),
        "semivariance_up": float((r[r > 0] ** 2).sum()),
        "tripower_quarticity": tpq,
        "jump_share": max(1 - bv / rv, 0),
        "bns_z": math.sqrt(n) * (rv - bv) / math.sqrt(theta * tpq),
        "bns_ratio_z": math.sqrt(n) * (1 - bv / rv) / math.sqrt(theta * max(1, tpq / bv**2)),
        "lee_mykland": float(r[-1]) / math.sqrt(float((a[1:-1] * a[:-2]).sum()) / (n - 2)),
    }


def spread_of(one: tuple[float, float], two: tuple[float, float]) -> float:
    """Corwin and Schultz' spread of two neighbouring (high, low), a negative alpha as 0."""
    beta = math.log(one[0] / one[1]) ** 2 + math.log(two[0] / two[1]) ** 2
    gamma = math.log(max(one[0], two[0]) / min(one[1], two[1])) ** 2
    k = 3 - 2 * math.sqrt(2)
    alpha = max((math.sqrt(2 * beta) - math.sqrt(beta)) / k - math.sqrt(gamma / k), 0)
    return 2 * (math.exp(alpha) - 1) / (1 + math.exp(alpha))


def test_days_equal_r_highfrequency(engine: Any, shared: Path) -> None:
    worked = case(shared, "realised_variance")
    rows: Rows = []
    for name, prices in worked["input"]["one_minute_prices_by_day"].items():
        midnight = int(dt.datetime.fromisoformat(name).replace(tzinfo=dt.UTC).timestamp() * 1000)
        rows += [
            trade(len(rows) + n, midnight + n * 60_000, str(price), "1", "buy", tick_size="0.0001")
            for n, price in enumerate(prices)
        ]
    for n, row in enumerate(rows, start=1):
        row["sequence"] = n
    engine.trades("RVUSDT", assign_buckets(rows, Decimal(1000)))
    got = {str(row["day"]): row for row in engine.feature("volatility_1d", "RVUSDT", "day")}
    names = {
        "rRVar": "realised_variance",
        "BPV_no_small_sample": "bipower_variance",
        "rMedRVar": "medrv",
        "rMinRVar": "minrv",
        "rTPQuar": "tripower_quarticity",
        "rSVar_down": "semivariance_down",
        "rSVar_up": "semivariance_up",
        "bns_linear_z": "bns_z",
        "bns_ratio_max_TP_z": "bns_ratio_z",
    }
    assert len(worked["expected"]) == 5
    for name, expected in worked["expected"].items():
        shown = got[name]
        assert shown["n_returns"] == expected["n"]
        for theirs, ours in names.items():
            assert shown[ours] == pytest.approx(expected[theirs], rel=1e-9), (name, theirs)


@pytest.fixture(scope="module")
def minutes(engine: Any) -> list[tuple[list[float], int]]:
    """200 minutes of (prices, number), the 150th without a trade and one jump; and put in as trades."""
    rng = random.Random(7)
    price, rows, out = 60_000.0, [], []
    for number in range(200):
        prices = []
        for at in range(rng.randrange(3, 9)):
            price += rng.choice((-3, -1, -0.5, 0.5, 1, 3)) + (400 if (number, at) == (120, 2) else 0)
            prices.append(price)
        if number == 150:
            continue
        out.append((prices, number))
        for at, each in enumerate(prices):
            rows.append(trade(len(rows) + 1, NOON_MS + number * 60_000 + at * 5000, f"{each:.1f}", "0.1", "buy"))
    engine.trades("VOLUSDT", assign_buckets(rows, Decimal(5)))
    return out


def test_last_hour_of_minutes(engine: Any, minutes: list[tuple[list[float], int]]) -> None:
    rows = engine.feature("volatility_1m", "VOLUSDT", "ts_1m")
    assert len(rows) == len(minutes)
    bars = {number: prices for prices, number in minutes}
    steps = {n: math.log(bars[n][-1] / bars[n - 1][-1]) for n in bars if n - 1 in bars}
    spreads = {n: spread_of(*((max(bars[m]), min(bars[m])) for m in (n, n - 1))) for n in steps}
    jumps, full = [], 0
    for row, (_, number) in zip(rows, minutes, strict=True):
        window = [n for n in range(number - 59, number + 1) if n in steps]
        if len(window) < 60:
            assert (row["realised_variance"], row["lee_mykland"], row["corwin_schultz_bps"]) == (None, None, None)
            assert row["quality"] == "warmup"
            continue
        full += 1
        expected = measures(np.array([steps[n] for n in window]))
        for name, value in expected.items():
            assert same(row[name], value, rel=1e-8, absolute=1e-15), (name, row[name], value)
        assert same(row["corwin_schultz_bps"], 1e4 * sum(spreads[n] for n in window) / 60)
        assert row["is_jump"] == (abs(expected["lee_mykland"]) > CRITICAL)
        jumps += [number] if row["is_jump"] else []
    assert full > 80
    assert jumps == [120]


def test_regime_by_fixed_bounds_while_the_day_is_short(engine: Any) -> None:
    rows = []
    for number, (price, count) in enumerate([("100", 1), ("101", 120), ("101.01", 20), ("101.01", 120)]):
        rows += [trade(len(rows) + n, NOON_MS + number * 60_000 + n, price, "1", "buy") for n in range(1, count + 1)]
    for n, row in enumerate(rows, start=1):
        row["sequence"] = n
    engine.trades("REGIMEUSDT", assign_buckets(rows, Decimal(10_000)))
    assert [row["regime"] for row in engine.feature("volatility_1m", "REGIMEUSDT", "ts_1m")] == [
        "normal",
        "high",
        "low",
        "normal",
    ]


def test_last_fifty_buckets(engine: Any) -> None:
    tape: Tape = make_tape("VOLBUCKETUSDT", 81, count=4000)
    insert(engine.client, tape)
    rows = engine.feature("volatility_by_bucket", tape.symbol)
    buckets = list(by_bucket(tape.trades).values())
    prices = [[float(row["price"]) for row in trades] for trades in buckets]
    steps = [math.log(b[-1] / a[-1]) for a, b in itertools.pairwise(prices)]
    spreads = [spread_of((max(b), min(b)), (max(a), min(a))) for a, b in itertools.pairwise(prices)]
    assert len(rows) == len(buckets)
    for i, row in enumerate(rows):
        if i < 50:
            assert (row["realised_variance"], row["bns_z"], row["corwin_schultz_bps"]) == (None, None, None)
            continue
        expected = measures(np.array(steps[i - 50 : i]))
        for name, value in expected.items():
            assert same(row[name], value, rel=1e-8, absolute=1e-15), (name, row[name], value)
        assert same(row["corwin_schultz_bps"], 1e4 * sum(spreads[i - 50 : i]) / 50)
    assert {"ok", "gap", "warmup"} == {row["quality"] for row in rows}
