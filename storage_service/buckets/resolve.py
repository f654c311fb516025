"""Which plan a symbol-day gets: a valid configuration, else the last expired one, else the built-in default, else time.
A row that cannot be used (no figure to close by, or one that no column holds) does not hide one that can.

Pure: rows of ``bucket_config`` come in, a DayPlan comes out, and says in ``source`` which step it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fnmatch import fnmatchcase
from typing import Final

from storage_service.buckets.book import DAY_MS, DayRequest
from storage_service.buckets.plan import SCALE, DayPlan

_THREE_DIGITS: Final = Context(prec=3, rounding=ROUND_HALF_EVEN)
QUALITY_CLOSE: Final = 0.8


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """What counts of a ``bucket_config`` row. Times in ms, ``q_bucket`` at scale 12."""

    mode: str
    q_bucket: int
    n_trades: int
    n_updates: int
    n_min: int
    t_target_s: float
    t_max_s: float
    valid_from: int
    valid_to: int
    version: int


@dataclass(frozen=True, slots=True)
class Defaults:
    """The built-in default: quote units that make about 30 s of a liquid instrument, by pattern; and the time limit.

    ``q_notional``: ``<exchange>.<market_type>.<symbol>`` pattern → notional; the first match counts.
    """

    q_notional: Mapping[str, float]
    t_max_ms: int = 60_000


def resolve(request: DayRequest, configs: Sequence[ConfigRow], defaults: Defaults) -> DayPlan:
    """The plan of a symbol-day, looked at as of the start of the day."""
    start = request.day * DAY_MS
    valid = [row for row in configs if row.valid_from <= start < row.valid_to]
    expired = [row for row in configs if row.valid_to <= start]
    candidates = [(row, "config") for row in sorted(valid, key=lambda row: (-row.version, -row.valid_from))]
    candidates += [(row, "expired") for row in sorted(expired, key=lambda row: (-row.valid_to, -row.version))]
    for row, source in candidates:
        plan = _from_row(request, row, source)
        if plan.usable() and plan.mode != "event":  # a trade row does not count book updates: see DELIVERY.md
            return plan
    return _built_in(request, defaults)


def _from_row(request: DayRequest, row: ConfigRow, source: str) -> DayPlan:
    return DayPlan(
        trade_kind=request.trade_kind,
        mode=row.mode,
        q_bucket=row.q_bucket,
        n_trades=row.n_trades,
        n_updates=row.n_updates,
        t_target_s=row.t_target_s,
        t_max_ms=round(row.t_max_s * 1000),
        n_min=row.n_min,
        quality_close=QUALITY_CLOSE,
        config_version=row.version,
        source=source,
    )


def _built_in(request: DayRequest, defaults: Defaults) -> DayPlan:
    name = ".".join(request.symbol)
    notional = next((n for pattern, n in defaults.q_notional.items() if fnmatchcase(name, pattern)), 0.0)
    if notional <= 0 or request.price <= 0:
        return DayPlan(request.trade_kind, "time", t_max_ms=defaults.t_max_ms, source="time")
    units = _THREE_DIGITS.divide(Decimal(repr(notional)), Decimal(request.price).scaleb(-12))
    q_bucket = int((units * SCALE).to_integral_value())
    plan = DayPlan(request.trade_kind, "volume", q_bucket=q_bucket, t_max_ms=defaults.t_max_ms, source="default")
    return plan if plan.usable() else DayPlan(request.trade_kind, "time", t_max_ms=defaults.t_max_ms, source="time")
