"""Bucket edges of a whole symbol-day: the vectorised fold, and the few rows that say which trade is in which bucket.

Buckets are contiguous in sequence, so an edge is (first sequence, bucket id): ClickHouse assigns millions of trades by
an ASOF join on a few thousand edges, and only times and quantities travel to Python.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage_service.buckets.book import bucket_prefix
from storage_service.buckets.fold import DayState, Quantities, advance
from storage_service.buckets.plan import DayPlan
from storage_service.days.engine import STAGING, Engine
from storage_service.days.install import Symbol
from storage_service.days.locks import drop_left, identity

SCHEMA: Final = pa.schema(
    [
        pa.field("exchange", pa.string(), nullable=False),
        pa.field("market_type", pa.string(), nullable=False),
        pa.field("symbol", pa.string(), nullable=False),
        pa.field("day", pa.date32(), nullable=False),
        pa.field("first_sequence", pa.uint64(), nullable=False),
        pa.field("bucket_id", pa.uint64(), nullable=False),
        pa.field("closing_sequence", pa.uint64(), nullable=False),
        pa.field("trade_kind", pa.string(), nullable=False),
        pa.field("cut", pa.string(), nullable=False),
        pa.field("t_max_ms", pa.uint32(), nullable=False),
        pa.field("trades", pa.uint64(), nullable=False),
    ]
)
_CREATE: Final = """CREATE TABLE {table} (exchange LowCardinality(String), market_type LowCardinality(String),
    symbol LowCardinality(String), day Date, first_sequence UInt64, bucket_id UInt64, closing_sequence UInt64,
    trade_kind LowCardinality(String), cut LowCardinality(String), t_max_ms UInt32, trades UInt64)
ENGINE = MergeTree ORDER BY (exchange, market_type, symbol, day, first_sequence) COMMENT '{owner}'"""
_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Tape:
    """Market trades of one symbol-day in sequence order."""

    sequences: npt.NDArray[np.uint64]
    times_ms: npt.NDArray[np.int64]
    quantities: Quantities

    @classmethod
    def by_day(cls, table: pa.Table) -> dict[date, Tape]:
        """The same from several days in sequence order; a column ``day`` (days since 1970) says which."""
        days = table["day"].to_numpy()
        return {
            _EPOCH + timedelta(days=int(day)): cls.of(table.filter(pa.array(days == day))) for day in np.unique(days)
        }

    @classmethod
    def of(cls, table: pa.Table) -> Tape:
        """From the columns sequence (UInt64), ms (Int64), quantity (Decimal(38, 12))."""
        table = table.combine_chunks()
        quantity = table["quantity"].combine_chunks().cast(pa.decimal128(38, 12))
        return cls(
            table["sequence"].to_numpy().astype(np.uint64),
            table["ms"].to_numpy().astype(np.int64),
            Quantities.of(quantity.chunk(0) if isinstance(quantity, pa.ChunkedArray) else quantity),
        )


def edges_of(symbol: Symbol, day: date, plan: DayPlan, tape: Tape) -> pa.RecordBatch:
    """One row per bucket of the symbol-day. ``closing_sequence`` is 0 where time or midnight closed it."""
    assigned = advance(DayState(), plan.thresholds(), tape.times_ms, tape.quantities)
    first = np.flatnonzero(np.diff(assigned.ordinals, prepend=-1))
    size = len(first)
    last = np.append(first[1:], len(assigned.ordinals)) - 1 if size else first
    closed = assigned.closing[last]
    prefix = bucket_prefix((day - _EPOCH).days)
    columns = [
        *(pa.array([part] * size, pa.string()) for part in symbol),
        pa.array([day] * size, pa.date32()),
        pa.array(tape.sequences[first], pa.uint64()),
        pa.array((assigned.ordinals[first] + prefix).astype(np.uint64), pa.uint64()),
        pa.array(np.where(closed, tape.sequences[last], 0).astype(np.uint64), pa.uint64()),
        pa.array([plan.trade_kind] * size, pa.string()),
        pa.array(np.where(closed, plan.thresholds().cut, "").tolist(), pa.string()),
        pa.array([plan.t_max_ms] * size, pa.uint32()),
        pa.array((last - first + 1).astype(np.uint64), pa.uint64()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def bearing(made: Sequence[pa.RecordBatch]) -> dict[tuple[Symbol, date], int]:
    """How many trades of each symbol-day bear a bucket."""
    counts: dict[tuple[Symbol, date], int] = {}
    for batch in made:
        if batch.num_rows:
            exchange, market_type, symbol, day = (batch.column(n)[0].as_py() for n in range(4))
            counts[(exchange, market_type, symbol), day] = int(batch.column("trades").to_numpy().sum())
    return counts


@contextmanager
def edges_table(engine: Engine) -> Iterator[str]:
    """An empty table of edges for the block, of this job alone; what jobs that died left of theirs goes, too."""
    drop_left(engine, "edges_")
    table = f"{STAGING}.edges_{uuid.uuid4().hex[:12]}"
    engine.run(_CREATE.format(table=table, owner=identity()))
    try:
        yield table
    finally:
        engine.run(f"DROP TABLE IF EXISTS {table} SYNC")


BUCKET_COLUMNS: Final = {
    "bucket_id": "if({bears}, e.bucket_id, 0)",
    "bucket_cut": "if({bears} AND e.closing_sequence = s.sequence, e.cut, '')",
    "bucket_t_max_ms": "if({bears}, e.t_max_ms, 0)",
}
"""SQL of the bucket columns of ``s`` beside its edge ``e``; ``{bears}`` says whether the row bears buckets at all."""

JOIN: Final = (
    "ASOF LEFT JOIN (SELECT day, first_sequence, bucket_id, closing_sequence, trade_kind, cut, t_max_ms FROM {edges} "
    "WHERE {symbol}) AS e ON e.day = toDate(s.timestamp) AND s.sequence >= e.first_sequence"
)
"""Of one symbol: a key of three strings beside the day would be hashed for every trade."""
