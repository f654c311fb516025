"""From volume, trades and book updates per second to a symbol's bucket configuration. Pure.

A bucket should last ``t_target_s``. Trades come in bursts, and buckets are counted where the volume is, so the median
second says little about the median bucket: with the 0.5 quantile half the buckets of the COIN-M day last under 9 s. The
0.8 quantile of the minutes meets 30 s (docs/operations.md, calibration). Every bound scales with the instrument: a coin
that trades a millionth of a unit gets a bucket of millionths.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from storage_service.buckets.plan import MODES

Floats = npt.NDArray[np.float64]

QUANTILE: Final = 0.8
_LONGEST_TO_TARGET: Final = (1.0, 4.0)
"""Bounds of the adaptive time limit in target lengths: 30 and 120 s of 30."""
_STRETCH: Final = 1.5
_THREE_DIGITS: Final = Context(prec=3, rounding=ROUND_HALF_EVEN)
_SMALLEST: Final = Decimal(1).scaleb(-12)
_MOST: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Rate:
    """Something per second over the minutes of a window: its median, its 0.8 quantile, its mean."""

    p50: float = 0.0
    p80: float = 0.0
    mean: float = 0.0

    @classmethod
    def of(cls, per_minute: Floats, minutes: int) -> Rate:
        """``per_minute``: sums of the minutes that had any; the others of ``minutes`` were empty and count as 0."""
        filled = np.zeros(max(minutes, len(per_minute)))
        filled[: len(per_minute)] = per_minute
        if not len(filled):
            return cls()
        p50, p80 = np.quantile(filled, [0.5, QUANTILE]) / 60
        return cls(float(p50), float(p80), float(filled.mean() / 60))

    @property
    def usual(self) -> float:
        """What a bucket is measured by; where most minutes are empty, the mean."""
        return self.p80 or self.mean


@dataclass(frozen=True, slots=True)
class Measured:
    """Rates of one symbol over a window of ``minutes``."""

    volume: Rate
    trades: Rate
    updates: Rate
    minutes: int


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The figures of a ``bucket_config`` row; volumes in base units."""

    mode: str
    t_target_s: float
    t_max_s: float
    q_bucket: Decimal
    q_min: Decimal
    q_max: Decimal
    n_trades: int
    n_min: int
    n_max: int
    n_updates: int
    u_min: int
    u_max: int


def calibrate(measured: Measured, mode: str, t_target_s: float, t_max_s: float) -> Calibrated | None:
    """The configuration of a symbol; None when it did not trade in the window (time buckets are the answer then).

    In mode adaptive the time limit is 1.5 times what a bucket takes at the median rate, 1 to 4 target lengths.
    """
    if mode not in MODES or measured.volume.usual <= 0:
        return None
    q_bucket, q_min, q_max = (_units(t_target_s * rate) for rate in _bounds(measured.volume))
    trades = [_count(t_target_s * rate) for rate in _bounds(measured.trades)]
    updates = [_count(t_target_s * rate) for rate in _bounds(measured.updates)]
    if mode == "adaptive":
        t_max_s = adaptive_t_max_s(float(q_bucket), measured.volume.p50, t_target_s)
        trades[1] = _count(t_target_s * measured.trades.p50)
    return Calibrated(
        mode, t_target_s, t_max_s, q_bucket, q_min, q_max, *trades, *(updates if measured.updates.usual else (0, 0, 0))
    )


def adaptive_t_max_s(q_bucket: float, vps: float, t_target_s: float) -> float:
    """clip(1.5 q / vps, 30, 120) seconds for a target of 30; the longest limit where nothing trades."""
    shortest, longest = (t_target_s * factor for factor in _LONGEST_TO_TARGET)
    wanted = _STRETCH * q_bucket / vps if vps > 0 else longest
    return round(min(max(wanted, shortest), longest), 3)


def _bounds(rate: Rate) -> tuple[float, float, float]:
    """The rate, and a quarter and four times of it: what an adjustment may not leave."""
    return rate.usual, rate.usual / 4, rate.usual * 4


def _units(amount: float) -> Decimal:
    """Three digits, and never nothing."""
    rounded = _THREE_DIGITS.create_decimal(repr(amount)).quantize(_SMALLEST)
    return max(rounded, _SMALLEST)


def _count(amount: float) -> int:
    return min(max(round(amount), 1), _MOST)
