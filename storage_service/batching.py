"""Frames → what is inserted: decode, validate, drop what is stored already, assign buckets, encode. No I/O.

Two halves, because a new symbol-day needs its plan from ClickHouse in between. Given the same state and frames the
result is the same to the byte: that is what a replay after a crash rests on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

from storage_service.buckets.book import DAY_MS, BucketBook, DayRequest, Symbol
from storage_service.buckets.fold import Closed
from storage_service.decode import decode
from storage_service.duplicates import Judge, Judgement
from storage_service.frames import Batch, DeadLetter, Frame
from storage_service.groups import SYMBOL, Groups, grouped, key_columns, spans
from storage_service.position import digest
from storage_service.schema import ipc_stream, stored, to_record_batch
from storage_service.validate import validate

MAX_DAYS: Final = 90
"""Partitions of one insert: the engine refuses a block over more than 100."""
THREAD_ABOVE_BYTES: Final = 256 << 10
"""Smaller batches are parsed faster than a thread is woken."""


class TooManyDays(Exception):
    """The batch must be cut at a frame before anything is recorded about it."""


@dataclass(slots=True)
class Cleaned:
    """A batch that is decoded and validated, ready to be judged."""

    batch: Batch
    rows: pl.DataFrame
    dead: list[DeadLetter]


@dataclass(slots=True)
class Accepted:
    """Rows that are new, by key; which of them closed a hole; the symbol-days that need a plan before ``finish``."""

    rows: pl.DataFrame
    groups: Groups
    late: np.ndarray
    dead: list[DeadLetter]
    duplicates: int
    missing_days: list[DayRequest] = field(default_factory=list)
    forgotten_holes: int = 0


@dataclass(slots=True)
class Prepared:
    """``body``: Arrow IPC stream of exactly one record batch, empty when no row is left, and its digest."""

    body: bytes
    digest: str
    names: list[str]
    rows: int
    dead: list[DeadLetter]
    duplicates: int
    late: int
    rebuild: list[tuple[str, str, str, int]]
    closed: list[tuple[Symbol, int, Closed]]
    newest_ms: dict[tuple[str, str], int]
    forgotten_holes: int = 0


def clean(data_type: str, frames: Sequence[Frame]) -> tuple[pl.DataFrame, list[DeadLetter]]:
    """Decode and validate; touches no state. Raises TooManyDays when the frames must be cut.

    One frame over too many days cannot be cut: its rows become dead letters.
    """
    rows, dead = validate(data_type, decode(data_type, frames), frames)
    if rows.height and len(np.unique(rows["timestamp"].to_numpy() // DAY_MS)) > MAX_DAYS:
        if len(frames) > 1:
            raise TooManyDays
        dead = [*dead, _whole(frames[0], f"one frame holds more than {MAX_DAYS} days")]
        rows = rows.clear()
    return rows, dead


def _whole(frame: Frame, error: str) -> DeadLetter:
    return DeadLetter(
        stream_seq=frame.seq,
        row_number=0,
        subject=frame.subject,
        payload=frame.payload.removesuffix(b"\n"),
        error=error,
        stored_us=frame.stored_us,
    )


def accept(
    rows: pl.DataFrame, dead: list[DeadLetter], judge: Judge, book: BucketBook | None, groups: Groups | None = None
) -> Accepted:
    """Drop what is stored already; from here on ``judge`` knows these rows. ``groups``: by key, where known."""
    judgement: Judgement = judge.judge(rows, groups)
    late, groups = judgement.late, judgement.groups
    if judgement.duplicates:
        rows, late = rows.filter(pl.Series(judgement.keep)), late[judgement.keep]
        groups = grouped(rows, key_columns("trades")) if book is not None else []
    missing = book.missing_days(rows, groups) if book is not None else []
    return Accepted(rows, groups, late, dead, judgement.duplicates, missing, judgement.forgotten)


def finish(data_type: str, accepted: Accepted, book: BucketBook | None) -> Prepared:
    """Assign buckets (trades) and encode. ``book`` holds a plan for every day of the rows by now."""
    rows, late = accepted.rows, accepted.late
    closed: list[tuple[Symbol, int, Closed]] = []
    newest: dict[tuple[str, str], int] = {}
    if book is not None:
        for key, _, time in spans(accepted.groups, rows["timestamp"].to_numpy()):
            newest[key[0], key[1]] = max(time, newest.get((key[0], key[1]), time))
        buckets = book.assign(rows, late, accepted.groups)
        closed, late = buckets.closed, buckets.late
        bucket = [
            pl.Series("bucket_id", buckets.bucket_id),
            pl.Series("bucket_cut", buckets.cut, dtype=pl.String),
            pl.Series("bucket_t_max_ms", buckets.t_max_ms),
            pl.Series("late", late),
        ]
        rows = rows.hstack(bucket)
    body = ipc_stream(to_record_batch(data_type, rows)) if rows.height else b""
    rebuild = []
    if late.any():
        days = rows.filter(pl.Series(late)).select(*SYMBOL, pl.col("timestamp") // DAY_MS).unique(maintain_order=True)
        rebuild = days.rows()
    return Prepared(
        body=body,
        digest=digest(body),
        names=[column.name for column in stored(data_type)],
        rows=rows.height,
        dead=accepted.dead,
        duplicates=accepted.duplicates,
        late=int(late.sum()),
        rebuild=rebuild,
        closed=closed,
        newest_ms=newest,
        forgotten_holes=accepted.forgotten_holes,
    )
