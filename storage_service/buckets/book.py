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

from storage_service.buckets.fold import Closed, DayState, Quantities, absorb, advance
from storage_service.buckets.plan import DayPlan, Thresholds
from storage_service.duplicates import SILENT_DAYS
from storage_service.groups import Groups, Key, grouped, in_turn, key_columns, spans

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
    prefix: int
    limit: Thresholds = field(init=False)

    def __post_init__(self) -> None:
        self.limit = self.plan.thresholds()


@dataclass(slots=True)
class SymbolDays:
    """``max_ms``: running maximum of the symbol's bearing trades, which closes its days. ``heard``: the book's day of
    the newest of them."""

    max_ms: int = 0
    heard: int = 0
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
        self.today = 0

    def begin_day(self) -> None:
        """A day of the process's own, whatever the calendar: symbols that have been silent go.

        Who comes back is ``unknown``, and what is stored of it must be read again.
        """
        self.today += 1
        for symbol in [s for s, known in self.symbols.items() if known.heard + SILENT_DAYS < self.today]:
            del self.symbols[symbol]

    def unknown(self, groups: Groups) -> set[Symbol]:
        """Symbols of which nothing is known, or nothing any more."""
        symbols = {(exchange, market_type, name) for (exchange, market_type, name, _), _ in groups}
        return symbols - self.symbols.keys()

    def missing_days(self, rows: pl.DataFrame, groups: Groups | None = None) -> list[DayRequest]:
        """Symbol-days in ``rows`` (accepted, in order) that have no plan yet, each with its first market trade.

        ``groups``: the rows by key, where the caller has them already.
        """
        groups = grouped(rows, key_columns("trades")) if groups is None else groups
        if self.knows_days(rows, groups):
            return []
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

    def knows_days(self, rows: pl.DataFrame, groups: Groups) -> bool:
        """Whether every symbol-day of these rows has its plan."""
        return all(self._knows(key, *span) for key, *span in spans(groups, rows["timestamp"].to_numpy() // DAY_MS))

    def _knows(self, key: Key, first: int, last: int) -> bool:
        exchange, market_type, name, _ = key
        known = self.symbols.get((exchange, market_type, name))
        return known is not None and all(day in known.days for day in range(first, last + 1))

    def open_days(self, plans: Iterable[tuple[Symbol, int, DayPlan]]) -> None:
        """Give days their plans. A day that is open already keeps its own."""
        for symbol, day, plan in plans:
            self.symbols.setdefault(symbol, SymbolDays(heard=self.today)).days.setdefault(
                day, Day(plan, DayState(), bucket_prefix(day))
            )

    def assign(self, rows: pl.DataFrame, late: Bools, groups: Groups | None = None) -> Buckets:
        """Fold accepted rows (in order; ``late`` ones bear nothing until their day is rebuilt) into the open days.

        Most symbols' rows of a batch end no bucket: they are taken in whole, from sums made for all symbols at once.
        """
        size = rows.height
        result = Buckets(
            np.zeros(size, np.uint64), np.full(size, "", dtype=object), np.zeros(size, np.uint32), late.copy()
        )
        groups = grouped(rows, key_columns("trades")) if groups is None else groups
        keys, order, lengths = _bearing(rows, late, in_turn(groups))
        if not len(order):
            return result
        starts = np.cumsum(lengths) - lengths
        times = rows["timestamp"].to_numpy()[order]
        quantities = Quantities.of(_decimal_array(rows["quantity"])).take(order)
        oldest, newest = np.minimum.reduceat(times, starts).tolist(), np.maximum.reduceat(times, starts).tolist()
        sums = quantities.sums(starts)
        volumes = sums.tolist() if sums is not None else [None] * len(keys)
        ids, limits = [0] * len(keys), [0] * len(keys)
        rest: list[int] = []
        waiting: set[Key] = set()
        for n, (key, count) in enumerate(zip(keys, lengths.tolist(), strict=True)):
            symbol = key[:3]
            day = None if symbol in waiting else self._absorb(key, count, oldest[n], newest[n], volumes[n])
            if day is None:
                rest.append(n)
                waiting.add(symbol)
            else:
                ids[n], limits[n] = day.prefix + day.state.ordinal, day.limit.t_max_ms
        result.bucket_id[order] = np.repeat(np.array(ids, dtype=np.uint64), lengths)
        result.t_max_ms[order] = np.repeat(np.array(limits, dtype=np.uint32), lengths)
        for n in rest:
            part = slice(starts[n], starts[n] + lengths[n])
            self._assign_symbol(keys[n], order[part], times[part], quantities.take(part), result)
        for exchange, market_type, name, _ in (keys[n] for n in rest):
            self._forget_days((exchange, market_type, name))
        return result

    def _absorb(self, key: Key, count: int, oldest: int, newest: int, volume: int | None) -> Day | None:
        """The day that has taken all rows of a symbol into its open bucket; None = look at them one by one."""
        exchange, market_type, name, kind = key
        known = self.symbols[exchange, market_type, name]
        known.heard = self.today
        number = newest // DAY_MS
        day = known.days.get(number)
        usual = (
            day is not None
            and volume is not None
            and oldest >= number * DAY_MS
            and known.max_ms < (number + 1) * DAY_MS + GRACE_MS
            and day.plan.trade_kind == kind
        )
        if day is None or volume is None or not usual or not absorb(day.state, day.limit, count, newest, volume):
            return None
        known.max_ms = max(known.max_ms, newest)
        return day

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

    def _forget_days(self, symbol: Symbol) -> None:
        """After a whole batch: its other trade kind may reach back to a day that this one has left."""
        known = self.symbols[symbol]
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
        result.bucket_id[rows] = part.ordinals + entry.prefix
        result.t_max_ms[rows] = entry.limit.t_max_ms
        if part.closed:
            result.cut[rows[part.closing]] = entry.limit.cut
            result.closed.append((symbol, day, part.closed))


def _bearing(rows: pl.DataFrame, late: Bools, groups: Groups) -> tuple[list[Key], Int64s, Int64s]:
    """Keys of symbols; the indices of their rows that bear buckets, symbol after symbol; how many each has."""
    if not groups:
        return [], np.zeros(0, np.int64), np.zeros(0, np.int64)
    order = np.concatenate([indices for _, indices in groups])
    lengths = np.array([len(indices) for _, indices in groups])
    bears = (rows["is_market"].to_numpy() & ~late)[order]
    if not bears.all():
        owner = np.repeat(np.arange(len(groups)), lengths)[bears]
        order, lengths = order[bears], np.bincount(owner, minlength=len(groups))
    return [key for (key, _), count in zip(groups, lengths, strict=True) if count], order, lengths[lengths > 0]


def _decimal_array(column: pl.Series) -> pa.Array:
    array = column.rechunk().to_arrow()
    return array if array.type == pa.decimal128(38, 12) else array.cast(pa.decimal128(38, 12))
