"""What decides a symbol-day's bucket edges, and the integer thresholds that follow from it.

A bucket closes at the first trade at which *all* active thresholds of its mode are reached, or, before that, at the
first trade whose time is ``t_max_ms`` or more after the bucket's first trade (that trade opens the next bucket).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Final

SCALE: Final = 10**12
"""Quantities are integers at twelve decimals, as in ``Decimal(38, 12)``."""
MAX_ORDINAL: Final = 999_999
"""``bucket_id`` = YYYYMMDD · 1 000 000 + ordinal: the last ordinal of a day stays open until midnight."""
MODES: Final = ("volume", "count", "event", "adaptive", "time")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Closing conditions, all integers; 0 = not used. With none of them in use only time closes a bucket.

    ``volume``: base units at scale 12; ``trades``, ``updates``: counts; ``elapsed_ms``: since the first trade.
    ``cut``: what the closing trade is marked with.
    """

    volume: int
    trades: int
    updates: int
    elapsed_ms: int
    t_max_ms: int
    cut: str

    @property
    def active(self) -> bool:
        """Whether anything but time can close a bucket."""
        return bool(self.volume or self.trades or self.updates or self.elapsed_ms)


@dataclass(frozen=True, slots=True)
class DayPlan:
    """The frozen configuration of one symbol-day, as stored in ``marketprism_features.bucket_days``.

    ``q_bucket`` is an integer at scale 12. Adaptive closes when min(volume / q_bucket, elapsed / t_target,
    trades / n_min) ≥ quality_close. ``source``: config, expired, default or time.
    """

    trade_kind: str
    mode: str
    q_bucket: int = 0
    n_trades: int = 0
    n_updates: int = 0
    t_target_s: float = 30.0
    t_max_ms: int = 60_000
    n_min: int = 0
    quality_close: float = 0.8
    config_version: int = 0
    source: str = "time"

    def usable(self) -> bool:
        """Whether the mode has the figure it closes by, and a time limit, and ``bucket_days`` can hold them all."""
        needed = {"volume": self.q_bucket, "count": self.n_trades, "event": self.n_updates, "adaptive": self.q_bucket}
        fits = max(self.t_max_ms, self.n_trades, self.n_updates, self.n_min) < 1 << 32 and self.q_bucket < 10**38
        return self.mode in MODES and self.t_max_ms > 0 and needed.get(self.mode, 1) > 0 and fits

    def thresholds(self) -> Thresholds:
        """The closing conditions as exact integers; the text of ``quality_close`` counts, not its binary value."""
        volume = trades = updates = elapsed = 0
        if self.mode == "volume":
            volume = self.q_bucket
        elif self.mode == "count":
            trades = self.n_trades
        elif self.mode == "event":
            updates = self.n_updates
        elif self.mode == "adaptive":
            quality = Fraction(repr(self.quality_close))
            volume = ceil(quality * self.q_bucket)
            trades = ceil(quality * self.n_min)
            elapsed = ceil(quality * Fraction(repr(self.t_target_s)) * 1000)
        cut = "volume" if self.mode == "adaptive" else self.mode
        return Thresholds(volume, trades, updates, elapsed, self.t_max_ms, cut)
