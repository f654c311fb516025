"""Which sequence holes are open by what ClickHouse holds, where the record of them may be older or newer than the rows.

A cell that was deleted, and a KV bucket of which an older copy was put back, leave the record beside rows that it does
not know of: a row that closed a hole would be stored twice, one for a hole that was opened since would be dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from marketprism.clickhouse import COLD, HOT
from storage_service.allowed import FROM_FILES
from storage_service.clickhouse_io import Warehouse
from storage_service.duplicates import CONTIGUOUS, MAX_HOLES, RISING
from storage_service.groups import key_columns
from storage_service.position import Cell, Holes, Ranges

Range = tuple[int, int]
_ISLANDS: Final = """
SELECT min(sequence) AS first, max(sequence) FROM
(
    SELECT sequence, sequence - row_number() OVER (ORDER BY sequence) AS island FROM
    (
        SELECT DISTINCT sequence FROM
        (
            SELECT sequence FROM {hot} WHERE {same} AND sequence BETWEEN {{low:UInt64}} AND {{high:UInt64}}
            UNION ALL
            SELECT sequence FROM {cold} WHERE {same} AND {live} AND sequence BETWEEN {{low:UInt64}} AND {{high:UInt64}}
            UNION ALL
            SELECT max(sequence) FROM {hot} WHERE {same} HAVING count() > 0
            UNION ALL
            SELECT max(sequence) FROM {cold} WHERE {same} AND {live} HAVING count() > 0
        )
    )
)
GROUP BY island ORDER BY first"""
"""Stretches of stored sequences without a hole in them, and the highest of all: a hole lies below a row."""


async def holes_left(warehouse: Warehouse, data_type: str, holes: Holes | None, cell: Cell | None = None) -> Ranges:
    """What is open of the record, before or after its batch, and of what was skipped by rows stored after ``cell``."""
    if data_type not in CONTIGUOUS:
        return {}
    looked_at: dict[str, list[Range]] = {}
    for ranges in (holes.holes_before, holes.holes_after) if holes is not None else ():
        for name, of_key in ranges.items():
            looked_at.setdefault(name, []).extend((first, last) for first, last in of_key)
    for name, span in (await _stored_since(warehouse, data_type, cell)).items() if cell is not None else ():
        looked_at.setdefault(name, []).append(span)
    left = {}
    for name, spans in looked_at.items():
        stored = await _islands(warehouse, data_type, name, min(spans)[0], max(last for _, last in spans))
        newest = stored[-1][1] if stored else 0
        open_holes = [hole for hole in without(united(spans), stored) if hole[1] < newest]
        if open_holes:
            left[name] = open_holes[-MAX_HOLES:]
    return left


async def _stored_since(warehouse: Warehouse, data_type: str, cell: Cell) -> dict[str, Range]:
    """Key → from the first sequence that was due to the newest, of keys with rows that the cell does not tell of."""
    by = ", ".join(key_columns(data_type))
    beyond = "stream_seq > {last:UInt64} AND created_at >= fromUnixTimestamp64Micro({epoch:Int64}, 'UTC')"
    query = (
        f"SELECT {by}, countIf(NOT ({beyond})), maxIf(sequence, NOT ({beyond})), minIf(sequence, {beyond}), "
        f"max(sequence) FROM {HOT}.{data_type} WHERE ({by}) IN "
        f"(SELECT {by} FROM {HOT}.{data_type} WHERE {beyond}) GROUP BY {by}"
    )
    rows = await warehouse.rows(query, {"last": cell.last, "epoch": cell.epoch})
    spans = {
        "|".join(key): (below + 1 if known else lowest, newest)
        for *key, known, below, lowest, newest in rows
        if key[0] not in RISING
    }
    return {name: (first, last) for name, (first, last) in spans.items() if first <= last}


async def _islands(warehouse: Warehouse, data_type: str, name: str, low: int, high: int) -> list[Range]:
    by = key_columns(data_type)
    same = " AND ".join(f"{column} = {{of_{column}:String}}" for column in by)
    query = _ISLANDS.format(hot=f"{HOT}.{data_type}", cold=f"{COLD}.{data_type}", same=same, live=f"NOT ({FROM_FILES})")
    asked = {f"of_{column}": part for column, part in zip(by, name.split("|"), strict=True)}
    return [(first, last) for first, last in await warehouse.rows(query, {**asked, "low": low, "high": high})]


def united(spans: Sequence[Range]) -> list[Range]:
    """The same sequences as ascending ranges that do not touch."""
    out: list[Range] = []
    for first, last in sorted(spans):
        if out and first <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return out


def without(spans: Sequence[Range], stored: Sequence[Range]) -> list[Range]:
    """What of ascending ``spans`` no range of ascending ``stored`` holds."""
    out: list[Range] = []
    for first, last in spans:
        for low, high in stored:
            if high < first or low > last:
                continue
            if low > first:
                out.append((first, low - 1))
            first = high + 1
        if first <= last:
            out.append((first, last))
    return out
