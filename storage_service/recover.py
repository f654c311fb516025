"""State of a worker from what is stored *below* its position: never from rows of the batch in flight.

Rows of this stream at or above the position are left out; rows of earlier, re-created streams (stored before ``epoch``,
by ClickHouse's own clock) count whatever their sequence.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from marketprism.clickhouse import COLD, HOT
from storage_service.allowed import FROM_FILES
from storage_service.buckets.book import BucketBook, Day, DayRequest, Symbol, SymbolDays, bucket_prefix
from storage_service.buckets.fold import DayState
from storage_service.buckets.freeze import Freezer
from storage_service.buckets.plan import SCALE
from storage_service.clickhouse_io import Warehouse
from storage_service.duplicates import CONTIGUOUS, Mark
from storage_service.groups import Key, key_columns
from storage_service.position import Ranges

_DAY_US: Final = 86_400_000_000
BELOW: Final = "NOT (stream_seq >= {position:UInt64} AND created_at >= fromUnixTimestamp64Micro({epoch:Int64}, 'UTC'))"


@dataclass(frozen=True, slots=True)
class Below:
    """The position: rows of the current stream below ``position`` count."""

    position: int
    epoch: int

    def parameters(self) -> dict[str, int]:
        return {"position": self.position, "epoch": self.epoch}


async def server_clock_us(warehouse: Warehouse) -> int:
    """ClickHouse's clock, µs since the epoch."""
    return int((await warehouse.rows("SELECT toUnixTimestamp64Micro(now64(6))"))[0][0])


async def recover_marks(warehouse: Warehouse, data_type: str, below: Below, holes: Ranges) -> dict[Key, Mark]:
    """Watermarks, and the open ``holes`` below them."""
    stored = await _tops(warehouse, data_type, f"{HOT}.{data_type}", BELOW, below.parameters())
    ranges = holes if data_type in CONTIGUOUS else {}
    if ranges:
        keys = [tuple(name.split("|")) for name in ranges]
        stored |= await _tops_in_cold(warehouse, data_type, [key for key in keys if key not in stored])
    newest_us = max((stored_us for _, stored_us in stored.values()), default=0)
    marks = {key: Mark(top, heard=-((newest_us - at_us) // _DAY_US)) for key, (top, at_us) in stored.items()}
    for name, open_holes in ranges.items():
        mark = marks.get(tuple(name.split("|")))
        if mark is not None:
            mark.holes = [(first, last) for first, last in open_holes if last < mark.top]
    return marks


async def read_marks(warehouse: Warehouse, data_type: str, below: Below, keys: Collection[Key]) -> dict[Key, Mark]:
    """Watermarks of symbols that a judge does not know, or no longer: from hot, else from cold.

    Days of theirs may have been dropped from hot, and would be taken once more. Of cold only rows that came live count:
    what files gave says nothing about what a recording brings.
    """
    same, asked = same_keys(key_columns(data_type), keys)
    parameters = {**below.parameters(), **asked}
    found = await _tops(warehouse, data_type, f"{HOT}.{data_type}", f"{BELOW} AND {same}", parameters)
    found |= await _tops_in_cold(warehouse, data_type, [key for key in keys if key not in found])
    return {key: Mark(found[key][0]) for key in keys if key in found}


async def not_stored(
    warehouse: Warehouse, data_type: str, below: Below, wanted: Collection[tuple[Key, int]]
) -> list[tuple[Key, int]]:
    """Of these (key, sequence), in their order, those that no row below the position has, nor any in cold."""
    by = key_columns(data_type)
    same, asked = same_keys(by, [key for key, _ in wanted])
    parameters = {**below.parameters(), **asked, "sequences": sorted({sequence for _, sequence in wanted})}
    where = f"{same} AND sequence IN {{sequences:Array(UInt64)}}"
    select = f"SELECT {', '.join(by)}, sequence FROM"
    found = await warehouse.rows(f"{select} {HOT}.{data_type} WHERE {where} AND {BELOW}", parameters)
    found += await warehouse.rows(f"{select} {COLD}.{data_type} WHERE {where}", parameters)
    known = {(tuple(row[:-1]), row[-1]) for row in found}
    return [one for one in wanted if one not in known]


def same_keys(by: Sequence[str], keys: Collection[tuple[str, ...]]) -> tuple[str, dict[str, list[str]]]:
    """Condition on the columns ``by``, and its parameters: of these keys, and perhaps of some more."""
    asked = {f"of_{column}": sorted({key[place] for key in keys}) for place, column in enumerate(by)}
    return " AND ".join(f"{column} IN {{of_{column}:Array(String)}}" for column in by), asked


async def _tops_in_cold(warehouse: Warehouse, data_type: str, keys: Collection[Key]) -> dict[Key, tuple[int, int]]:
    if not keys:
        return {}
    same, asked = same_keys(key_columns(data_type), keys)
    found = await _tops(warehouse, data_type, f"{COLD}.{data_type}", f"{same} AND NOT ({FROM_FILES})", asked)
    return {key: found[key] for key in keys if key in found}


async def _tops(
    warehouse: Warehouse, data_type: str, table: str, where: str, parameters: dict[str, Any]
) -> dict[Key, tuple[int, int]]:
    """Key → its highest sequence, and when its newest row was stored (µs)."""
    by = ", ".join(key_columns(data_type))
    query = (
        f"SELECT {by}, max(sequence), toUnixTimestamp64Micro(max(created_at)) FROM {table} WHERE {where} GROUP BY {by}"
    )
    return {tuple(row[:-2]): (row[-2], row[-1]) for row in await warehouse.rows(query, parameters)}


_OPEN_BUCKETS: Final = f"""
SELECT exchange, market_type, symbol, day, argMax(trade_kind, bucket_id), argMax(price, bucket_id),
    max(bucket_id) % 1000000, argMax(volume, bucket_id), argMax(trades, bucket_id), argMax(cut, bucket_id),
    argMax(first_ms, bucket_id), argMax(last_ms, bucket_id), max(last_ms)
FROM
(
    SELECT exchange, market_type, symbol, toInt32(toDate(timestamp)) AS day, bucket_id, any(trade_kind) AS trade_kind,
        any(t.price) AS price, sum(quantity) AS volume, count() AS trades, argMax(bucket_cut, sequence) AS cut,
        toUnixTimestamp64Milli(argMin(timestamp, sequence)) AS first_ms,
        toUnixTimestamp64Milli(max(timestamp)) AS last_ms
    FROM {HOT}.trades AS t
    WHERE bucket_id != 0 AND {BELOW} AND {{same}}
        AND (exchange, market_type, symbol, toDate(timestamp)) IN
        (
            SELECT exchange, market_type, symbol, arrayJoin([newest, newest - 1])
            FROM (SELECT exchange, market_type, symbol, max(toDate(timestamp)) AS newest FROM {HOT}.trades
                WHERE bucket_id != 0 AND {BELOW} AND {{same}} GROUP BY exchange, market_type, symbol)
        )
    GROUP BY exchange, market_type, symbol, day, bucket_id
)
GROUP BY exchange, market_type, symbol, day"""


async def recover_book(warehouse: Warehouse, freezer: Freezer, below: Below) -> BucketBook:
    """Open days of every symbol: their frozen plans, and where each fold stands."""
    book = BucketBook()
    await _read_days(warehouse, freezer, book, "true", below.parameters())
    return book


async def read_days(
    warehouse: Warehouse, freezer: Freezer, below: Below, book: BucketBook, symbols: Collection[Symbol]
) -> None:
    """Open days of symbols that the book does not know, or no longer."""
    same, asked = same_keys(("exchange", "market_type", "symbol"), symbols)
    await _read_days(warehouse, freezer, book, same, {**below.parameters(), **asked})


async def _read_days(
    warehouse: Warehouse, freezer: Freezer, book: BucketBook, same: str, parameters: dict[str, Any]
) -> None:
    rows = await warehouse.rows(_OPEN_BUCKETS.replace("{same}", same), parameters)
    rows = [row for row in rows if (row[0], row[1], row[2]) not in book.symbols]
    requests = [DayRequest((r[0], r[1], r[2]), r[3], r[4], int(r[5] * SCALE)) for r in rows]
    plans = {(symbol, day): plan for symbol, day, plan in await freezer.plans(requests)}
    read: dict[Symbol, SymbolDays] = {}
    for exchange, market_type, name, day, _, _, ordinal, volume, trades, cut, first_ms, last_ms, newest_ms in rows:
        symbol = (exchange, market_type, name)
        state = DayState(int(ordinal), cut == "", int(volume * SCALE), int(trades), 0, int(first_ms), int(last_ms))
        entry = read.setdefault(symbol, SymbolDays(heard=book.today))
        entry.days[day] = Day(plans[symbol, day], state, bucket_prefix(day))
        entry.max_ms = max(entry.max_ms, int(newest_ms))
    book.symbols |= read
