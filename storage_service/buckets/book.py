"""Bucket assignment of live batches: every symbol's open days, folded on from batch to batch.

Days are told apart by each trade's own UTC date. A day stays open until its symbol's trades are an hour past its
midnight; what comes later is stored, marked late, bears no bucket, and its day is rebuilt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from storage_service.buckets.fold import Closed, DayState, Quantities, advance
from storage_service.buckets.plan import DayPlan, Thresholds
from storage_service.groups import Key, grouped, key_columns

DAY_MS: Final = 86_400_000
GRACE_MS: Final = 3_600_000
"""How long past midnight yesterday takes trades."""
KEPT_DAYS: Final = 2
"""Plans of older days are read again from ``bucket_days`` when a very late trade asks for them."""

Symbol = tuple[str, str, str]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def bucket_prefix(day: int) -> int:
    """YYYYMMDD · 1 000 000 of a day number (days since the epoch, UTC)."""
    date = datetime.fromtimestamp(day * 86_400, UTC)
    return (date.year * 10_000 + date.month * 100 + date.day) * 1_000_000


@dataclass(slots=True)
class Day:
    """An open symbol-day."""

    plan: DayPlan
    state: DayState
    limit: Thresholds = field(init=False)
    prefix: int = 0

    def __post_init__(self) -> None:
        self.limit = self.plan.thresholds()


@dataclass(slots=True)
class SymbolDays:
    """``max_ms``: running maximum of the symbol's bearing trades, which closes its days."""

    max_ms: int = 0
    days: dict[int, Day] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DayRequest:
    """A symbol-day that needs a plan: its first bearing trade."""

    symbol: Symbol
    day: int
    trade_kind: str
    price: int  # at scale 12


@dataclass(slots=True)
class Buckets:
    """Per row of the batch; ``late`` are rows that came after their day had closed."""

    bucket_id: npt.NDArray[np.uint64]
    cut: list[str] | npt.NDArray[Any]
    t_max_ms: npt.NDArray[np.uint32]
    late: Bools
    closed: list[tuple[Symbol, int, Closed]] = field(default_factory=list)


class BucketBook:
    """State of all symbols of a partition. Pure: plans are given to it, time comes from the trades."""

    def __init__(self) -> None:
        self.symbols: dict[Symbol, SymbolDays] = {}

    def missing_days(self, rows: pl.DataFrame) -> list[DayRequest]:
        """Symbol-days in ``rows`` (accepted, in order) that have no plan yet, each with its first market trade."""
        market = rows.filter(pl.col("is_market"))
        if not market.height:
            return []
        first = (
            market.with_columns((pl.col("timestamp") // DAY_MS).alias("_day"))
            .group_by(*key_columns("trades")[:3], "_day", maintain_order=True)
            .agg(pl.col("trade_kind").first(), pl.col("price").first().cast(pl.Decimal(38, 12)))
        )
        requests = []
        for exchange, market_type, name, day, kind, price in first.iter_rows():
            symbol = (exchange, market_type, name)
            known = self.symbols.get(symbol)
            if known is None or day not in known.days:
                requests.append(DayRequest(symbol, day, kind, int(price.scaleb(12))))
        return requests

    def open_days(self, plans: Iterable[tuple[Symbol, int, DayPlan]]) -> None:
        """Give days their plans. A day that is open already keeps its own."""
        for symbol, day, plan in plans:
            self.symbols.setdefault(symbol, SymbolDays()).days.setdefault(day, Day(plan, DayState()))

    def assign(self, rows: pl.DataFrame, late: Bools) -> Buckets:
        """Fold accepted rows (in order; ``late`` ones bear nothing until their day is rebuilt) into the open days."""
        size = rows.height
        result = Buckets(
            np.zeros(size, np.uint64), np.full(size, "", dtype=object), np.zeros(size, np.uint32), late.copy()
        )
        market = rows["is_market"].to_numpy() & ~late
        times = rows["timestamp"].to_numpy()
        quantities = Quantities.of(_decimal_array(rows["quantity"]))
        for key, indices in grouped(rows, key_columns("trades")):
            bearing = indices[market[indices]]
            if len(bearing):
                self._assign_symbol(key, bearing, times[bearing], quantities.take(bearing), result)
        return result

    def _assign_symbol(self, key: Key, rows: Int64s, times: Int64s, quantities: Quantities, result: Buckets) -> None:
        exchange, market_type, name, kind = key
        symbol = (exchange, market_type, name)
        known = self.symbols[symbol]
        first_day, last_day = int(times.min()) // DAY_MS, int(times.max()) // DAY_MS
        if first_day != last_day or known.max_ms >= (first_day + 1) * DAY_MS + GRACE_MS:
            self._assign_days(symbol, kind, rows, times, quantities, result)
        elif known.days[first_day].plan.trade_kind == kind:  # the usual case: one open day
            known.max_ms = max(known.max_ms, int(times.max()))
            self._fold(symbol, first_day, rows, times, quantities, result)
        for day in [day for day in known.days if day + KEPT_DAYS < known.max_ms // DAY_MS]:
            del known.days[day]

    def _assign_days(
        self, symbol: Symbol, kind: str, rows: Int64s, times: Int64s, quantities: Quantities, result: Buckets
    ) -> None:
        """Trades of several days, or of one that may be over."""
        known = self.symbols[symbol]
        day_numbers = times // DAY_MS
        bears = np.ones(len(rows), dtype=np.bool_)
        for day in np.unique(day_numbers).tolist():
            if known.days[day].plan.trade_kind != kind:
                bears &= day_numbers != day
        rows, times, quantities, day_numbers = rows[bears], times[bears], quantities.take(bears), day_numbers[bears]
        if not len(rows):
            return
        running = np.maximum(np.maximum.accumulate(times), known.max_ms)
        known.max_ms = int(running[-1])
        expired = running >= (day_numbers + 1) * DAY_MS + GRACE_MS
        result.late[rows[expired]] = True
        for day in np.unique(day_numbers).tolist():
            taken = (day_numbers == day) & ~expired
            if taken.any():
                self._fold(symbol, day, rows[taken], times[taken], quantities.take(taken), result)

    def _fold(
        self, symbol: Symbol, day: int, rows: Int64s, times: Int64s, quantities: Quantities, result: Buckets
    ) -> None:
        entry = self.symbols[symbol].days[day]
        part = advance(entry.state, entry.limit, times, quantities)
        if not entry.prefix:
            entry.prefix = bucket_prefix(day)
        result.bucket_id[rows] = part.ordinals + entry.prefix
        result.t_max_ms[rows] = entry.limit.t_max_ms
        if part.closing.any():
            result.cut[rows[part.closing]] = entry.limit.cut
        result.closed += [(symbol, day, closed) for closed in part.closed]


def _decimal_array(column: pl.Series) -> pa.Array:
    array = column.rechunk().to_arrow()
    return array if array.type == pa.decimal128(38, 12) else array.cast(pa.decimal128(38, 12))
