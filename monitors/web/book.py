"""The newest book and the newest prints of a symbol: raw rows, hot first, cold when hot has none."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

import msgspec

from marketprism.clickhouse import COLD, HOT
from monitors.web.reading import Columns, Reader
from monitors.web.symbol import KEY, Symbol

TAPE: Final = 60
_LARGE_OF: Final = 2000
_LARGE_QUANTILE: Final = 0.99


class Where(NamedTuple):
    """Which database and day hold the newest rows of a symbol; day 0 = none does."""

    database: str
    day: int

    def book(self) -> str:
        return f"""
SELECT toUnixTimestamp64Milli(timestamp) AS timestamp_ms, last_update_id,
       bid_prices, bid_quantities, ask_prices, ask_quantities
FROM {self.database}.orderbooks WHERE {KEY} AND toYYYYMMDD(timestamp) = {{day:UInt32}}
ORDER BY timestamp DESC, sequence DESC LIMIT 1"""

    def tape(self) -> str:
        return f"""
SELECT toUnixTimestamp64Milli(timestamp) AS timestamp_ms, sequence, toFloat64(price) AS price,
       toFloat64(quantity) AS quantity, toString(side) AS side, is_market
FROM {self.database}.trades WHERE {KEY} AND toYYYYMMDD(timestamp) = {{day:UInt32}}
ORDER BY timestamp DESC, sequence DESC LIMIT {TAPE}"""

    def large(self) -> str:
        return f"""
SELECT quantileExact({_LARGE_QUANTILE})(toFloat64(quantity)) AS large FROM (
    SELECT quantity FROM {self.database}.trades
    WHERE {KEY} AND toYYYYMMDD(timestamp) = {{day:UInt32}} ORDER BY timestamp DESC, sequence DESC LIMIT {_LARGE_OF}
)"""


class Book(msgspec.Struct, kw_only=True):
    """The newest published book; prices best first, quote units; quantities in base units."""

    timestamp_ms: int
    last_update_id: int
    bid_prices: list[float]
    bid_quantities: list[float]
    ask_prices: list[float]
    ask_quantities: list[float]


class Tape(msgspec.Struct, kw_only=True):
    """The newest prints, newest first. ``large``: quantity from which a print is marked, base units."""

    large: float | None
    trades: Columns


async def newest_day(reader: Reader, symbol: Symbol, table: Literal["orderbooks", "trades"]) -> Where:
    """Where its newest rows are. One column of one symbol: it is asked once a while, not at each look."""
    for database in (HOT, COLD):
        sql = f"SELECT toYYYYMMDD(max(timestamp)) AS day FROM {database}.{table} WHERE {KEY}"
        found = await reader.rows(sql, **symbol.key)
        if found and found[0]["day"] > 19700101:
            return Where(database, int(found[0]["day"]))
    return Where(HOT, 0)


async def book(reader: Reader, symbol: Symbol, where: Where | None = None) -> Book | None:
    """None when no book of the symbol is stored."""
    where = where or await newest_day(reader, symbol, "orderbooks")
    found = await reader.rows(where.book(), **symbol.key, day=where.day)
    return msgspec.convert(found[0], Book) if found else None


async def tape(reader: Reader, symbol: Symbol, where: Where | None = None, large: float | None = None) -> Tape:
    """The last prints. ``large`` None = the 99 % quantile of the last two thousand."""
    where = where or await newest_day(reader, symbol, "trades")
    if large is None:
        large = await large_quantity(reader, symbol, where)
    trades = await reader.columns(where.tape(), **symbol.key, day=where.day)
    return Tape(large=large, trades=trades)


async def large_quantity(reader: Reader, symbol: Symbol, where: Where) -> float | None:
    """From which quantity a print is marked as large; None without prints."""
    found: list[dict[str, Any]] = await reader.rows(where.large(), **symbol.key, day=where.day)
    return float(found[0]["large"]) if found and found[0]["large"] is not None else None
