"""Two samples of one feature → PSI, KS and health. Pure numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Level = Literal["few", "ok", "watch", "warning", "critical"]

BINS: Final = 10
ENOUGH: Final = 500
"""Fewer values on a side say nothing: two equal samples of 500 have a PSI of 0.04 by chance alone, of 100 of 0.18."""
WATCH, WARNING, CRITICAL = 0.10, 0.15, 0.25
OUTLIER_IQR: Final = 5.0
"""A value further than this many interquartile ranges from the nearer quartile of the reference is an outlier."""
_FLOOR: Final = 1e-4  # an empty bin would make the logarithm infinite


@dataclass(frozen=True, slots=True)
class Drift:
    """Of one feature. Shares are per bin, the first and the last bin open; ``edges`` lie between them.

    ``psi`` = Σ (p − q) ln(p / q) over bins of equal reference share (Siddiqi 2006); ``ks`` = max |F − G|
    (Kolmogorov–Smirnov). Both NaN when a side has fewer than ``ENOUGH`` values.
    """

    rows: int
    reference_rows: int
    psi: float
    ks: float
    missing: float
    constant: bool
    outliers: float
    mean: float
    reference_mean: float
    edges: tuple[float, ...]
    shares: tuple[float, ...]
    reference_shares: tuple[float, ...]

    @property
    def level(self) -> Level:
        """What the PSI means: watch from 0.1, warning from 0.15, critical from 0.25."""
        if np.isnan(self.psi):
            return "few"
        if self.psi > CRITICAL:
            return "critical"
        if self.psi > WARNING:
            return "warning"
        return "watch" if self.psi > WATCH else "ok"


def quantile_edges(reference: Floats, bins: int = BINS) -> Floats:
    """Edges between bins of equal share of the reference; fewer where values repeat."""
    return np.unique(np.quantile(reference, np.arange(1, bins) / bins))


def shares(values: Floats, edges: Floats) -> Floats:
    """Share of the values in each of ``len(edges) + 1`` bins; a value on an edge belongs to the bin below it."""
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return counts / max(1, len(values))


def psi(current: Floats, reference: Floats) -> float:
    """Population stability index of two arrays of shares."""
    p, q = np.maximum(current, _FLOOR), np.maximum(reference, _FLOOR)
    return float(np.sum((p - q) * np.log(p / q)))


def ks(current: Floats, reference: Floats) -> float:
    """Largest distance of the two empirical distribution functions."""
    a, b = np.sort(current), np.sort(reference)
    points = np.concatenate([a, b])
    distance = np.searchsorted(a, points, side="right") / len(a) - np.searchsorted(b, points, side="right") / len(b)
    return float(np.max(np.abs(distance)))


def compare(current: Floats, reference: Floats) -> Drift:
    """Everything about one feature; NaN in either array is a missing value."""
    values, base = current[np.isfinite(current)], reference[np.isfinite(reference)]
    edges = quantile_edges(base) if len(base) else np.empty(0)
    p, q = shares(values, edges), shares(base, edges)
    enough = min(len(values), len(base)) >= ENOUGH
    return Drift(
        rows=len(current),
        reference_rows=len(reference),
        psi=psi(p, q) if enough else float("nan"),
        ks=ks(values, base) if enough else float("nan"),
        missing=1 - len(values) / len(current) if len(current) else 1.0,
        constant=len(values) > 1 and bool(np.ptp(values) == 0),
        outliers=_outliers(values, base),
        mean=float(values.mean()) if len(values) else float("nan"),
        reference_mean=float(base.mean()) if len(base) else float("nan"),
        edges=tuple(edges.tolist()),
        shares=tuple(p.tolist()),
        reference_shares=tuple(q.tolist()),
    )


def _outliers(values: Floats, base: Floats) -> float:
    if not len(values) or not len(base):
        return 0.0
    low, high = np.quantile(base, [0.25, 0.75])
    margin = OUTLIER_IQR * (high - low)
    return float(np.mean((values < low - margin) | (values > high + margin)))
