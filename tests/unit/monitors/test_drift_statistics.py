"""PSI, KS and health of two samples: laws, scipy as an independent reading, and the thresholds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitors.drift.statistics import ENOUGH, Drift, compare, ks, psi, quantile_edges, shares

RNG = np.random.default_rng(7)
SAMPLE = arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6, width=32))


@settings(deadline=None)
@given(SAMPLE, SAMPLE)
def test_ks_is_that_of_scipy(current: np.ndarray, reference: np.ndarray) -> None:
    from scipy import stats  # slow to load, for each process that collects tests

    expected = stats.ks_2samp(current, reference, method="asymp").statistic
    assert ks(current, reference) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(SAMPLE, SAMPLE)
def test_shares_are_whole_and_psi_is_symmetric_and_not_negative(current: np.ndarray, reference: np.ndarray) -> None:
    edges = quantile_edges(reference)
    p, q = shares(current, edges), shares(reference, edges)
    assert p.sum() == pytest.approx(1)
    assert psi(p, q) >= 0
    assert psi(p, q) == pytest.approx(psi(q, p))
    assert psi(p, p) == 0


def test_psi_by_hand() -> None:
    p, q = np.array([0.2, 0.8]), np.array([0.5, 0.5])
    assert psi(p, q) == pytest.approx(-0.3 * math.log(0.4) + 0.3 * math.log(1.6))


def test_a_value_on_an_edge_is_below_it() -> None:
    assert shares(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0])).tolist() == pytest.approx([1 / 3] * 3)


def _level(shift: float, scale: float = 1.0) -> Drift:
    return compare(RNG.normal(shift, scale, 5000), RNG.normal(0, 1, 20000))


def test_levels() -> None:
    """PSI of two normal distributions a distance d apart is d² before binning (bins lose a little)."""
    assert _level(0.0).level == "ok"
    assert 0.10 < _level(0.36).psi < 0.15
    assert _level(0.36).level == "watch"
    assert _level(0.45).level == "warning"
    assert _level(0.6).level == "critical"


def test_too_few_values_say_nothing() -> None:
    drift = compare(RNG.normal(5, 1, ENOUGH - 1), RNG.normal(0, 1, 5000))
    assert drift.level == "few"
    assert math.isnan(drift.psi)


def test_health() -> None:
    reference = RNG.normal(0, 1, 1000)
    current = RNG.normal(0, 1, 1000)
    current[:100] = np.nan
    current[100:145] = 50.0
    drift = compare(current, reference)
    assert drift.missing == pytest.approx(0.1)
    assert drift.outliers == pytest.approx(0.05)
    assert not drift.constant
    assert compare(np.full(10, 3.0), reference).constant
    nothing = compare(np.full(10, np.nan), reference)
    assert (nothing.missing, nothing.constant, nothing.outliers) == (1.0, False, 0.0)
    assert compare(np.empty(0), np.empty(0)).missing == 1.0


def test_constant_reference_has_one_edge() -> None:
    drift = compare(RNG.normal(0, 1, 1000), np.zeros(1000))
    assert len(drift.edges) == 1
    assert drift.psi > 0.25
