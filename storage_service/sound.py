"""Whether few rows are sound beyond doubt, asked of whole columns in Python.

Thirty expressions take polars two milliseconds to set up, whatever the number of rows, and nearly every batch is sound.
Here is said yes or "look closer": the rules, and the words for who breaks one, are in ``validate`` alone. Stricter than
they are wherever that is simpler; never laxer (tests/unit/storage/test_sound.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import polars as pl

from marketprism.subjects import Subject
from storage_service.allowed import (
    EARLIEST_MS,
    FREE_TEXT,
    LATEST_MS,
    MAX_MS,
    ONE_OF,
    PARALLEL,
    POSITIVE,
    UINT16_MAX,
    names_one_symbol,
)
from storage_service.frames import Frame
from storage_service.schema import Column, wire_columns

_SMALL: Final = re.compile(r"[0-9]{1,11}(?:\.[0-9]{1,12})?").fullmatch
"""Decimal text that is below every limit and not negative."""
_NOT_ZERO: Final = re.compile(r"[1-9]").search


def sound(data_type: str, rows: pl.DataFrame, frames: Sequence[Frame]) -> bool:
    """True when no rule of ``validate`` can find fault with any of the decoded rows."""
    if not rows.height:
        return True
    columns = wire_columns(data_type)
    names = {column.name for column in columns}
    return (
        all(_column_is_sound(column, rows.get_column(column.name)) for column in columns)
        and all(a not in names or _lengths(rows, a) == _lengths(rows, b) for a, b in PARALLEL)
        and _timely(rows)
        and _of_their_subjects(rows, frames)
    )


def _lengths(rows: pl.DataFrame, name: str) -> list[int]:
    return list(map(len, rows.get_column(name).to_list()))


def _column_is_sound(column: Column, values: pl.Series) -> bool:
    if values.null_count():
        if not column.nullable or column.kind != "decimal":
            return False
        values = values.drop_nulls()
    if not len(values):
        return True
    kind = column.kind
    if kind == "ms" or kind == "us":
        return _within(values, 0, MAX_MS * (1 if kind == "ms" else 1000))
    if kind == "uint" and column.clean == pl.UInt16():
        return _within(values, 0, UINT16_MAX)
    if kind == "decimal":
        texts = set(values.to_list())
        return all(map(_SMALL, texts)) and (column.name not in POSITIVE or all(map(_NOT_ZERO, texts)))
    if kind == "text":
        words = values.to_list()
        if column.name in ONE_OF:
            return set(words).issubset(ONE_OF[column.name])
        return column.name in FREE_TEXT or all(words)
    if kind == "float":
        return all(map(math.isfinite, values.to_list()))
    if kind == "floats":
        numbers = list(chain.from_iterable(values.to_list()))
        return None not in numbers and all(map(math.isfinite, numbers))
    return True  # what the wire contract bounds already


def _within(values: pl.Series, least: int, greatest: int) -> bool:
    low, high = _span(values)
    return bool(least <= low and high <= greatest)


def _span(values: pl.Series) -> tuple[Any, Any]:
    return values.min(), values.max()


def _timely(rows: pl.DataFrame) -> bool:
    """Whatever the source: no time is too early or too late for the reception of any row."""
    (first, last), (earliest, latest) = _span(rows.get_column("timestamp")), _span(rows.get_column("received_at"))
    return bool(first - latest // 1000 >= EARLIEST_MS and last - earliest // 1000 <= LATEST_MS)


def _of_their_subjects(rows: pl.DataFrame, frames: Sequence[Frame]) -> bool:
    said = (rows.get_column(name).to_list() for name in ("_frame", "exchange", "market_type", "symbol"))
    subjects: dict[int, Subject] = {}
    for index, exchange, market_type, symbol in set(zip(*said, strict=True)):
        if (subject := subjects.get(index)) is None:
            subject = subjects[index] = frames[index].parsed_subject()
        if (exchange, market_type) != (subject.exchange, subject.market_type):
            return False
        if names_one_symbol(subject.symbol) and symbol != subject.symbol:
            return False
    return True
