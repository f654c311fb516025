"""What a file's rows need of their symbol: price step and contract size, from metadata, else from the file itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, Final

import pyarrow as pa

from marketprism.clickhouse import COLD, HOT
from marketprism.errors import DayError
from storage_service.days.engine import Engine
from storage_service.days.install import Symbol
from storage_service.schema import arrow_schema

TABLE: Final = f"{COLD}.instruments"
_KNOWN: Final = f"""
SELECT tick_size, multiplier FROM (SELECT * FROM {HOT}.instruments UNION ALL SELECT * FROM {COLD}.instruments)
WHERE exchange = {{e:String}} AND market_type = {{m:String}} AND symbol = {{s:String}} AND tick_size > 0
ORDER BY valid_from <= {{day:Date}} DESC, abs(dateDiff('second', valid_from, toDateTime({{day:Date}}, 'UTC'))),
    created_at DESC
LIMIT 1"""


def contract_size(engine: Engine, symbol: Symbol, sizes: Mapping[str, int]) -> int:
    """Quote units of one inverse contract: the exchange's metadata, else the first pattern of ``sizes`` that matches.

    Archive files do not say it. Raises DayError when nothing does: a guess would scale every quantity.
    """
    rows = engine.rows(
        f"SELECT multiplier FROM {HOT}.instruments WHERE is_inverse AND multiplier > 0 "
        "AND exchange = {e:String} AND market_type = {m:String} AND symbol = {s:String} "
        "ORDER BY valid_from DESC LIMIT 1",
        dict(zip("ems", symbol, strict=True)),
    )
    if rows:
        return int(rows[0][0])
    for pattern, size in sizes.items():
        if fnmatchcase(symbol[2], pattern):
            return size
    raise DayError(f"the contract size of {symbol[2]} is not known; set MARKETPRISM_STORAGE_HISTORY_CONTRACT_SIZES")


def tick_size(engine: Engine, symbol: Symbol, day: date, table: str, condition: str) -> Decimal:
    """The price step on ``day``: the metadata's when every price of ``table`` is a multiple of it, else the largest
    power of ten that divides them all, which is then written down as metadata of the archive.
    """
    exchange, market_type, name = symbol
    rows = engine.rows(_KNOWN, {"e": exchange, "m": market_type, "s": name, "day": day})
    if rows:
        (known, _) = rows[0]
        off = engine.rows(
            f"SELECT count() FROM {table} WHERE {condition} "
            f"AND toInt128(price * 1000000000000) % {int(known.scaleb(12))} != 0"
        )[0][0]
        if not off:
            return Decimal(known)
    places = int(
        engine.rows(
            "SELECT max(length(splitByChar('.', toString(price))[2])) "
            f"FROM (SELECT DISTINCT price FROM {table} WHERE {condition}) "
            "SETTINGS output_format_decimal_trailing_zeros = 0"
        )[0][0]
        or 0
    )
    inferred = Decimal(1).scaleb(-places)
    _write(engine, symbol, day, inferred)
    return inferred


def _write(engine: Engine, symbol: Symbol, day: date, tick: Decimal) -> None:
    exchange, market_type, name = symbol
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    inverse = market_type == "inverse"
    row: dict[str, Any] = {
        "timestamp": start,
        "received_at": datetime.fromtimestamp(time.time(), UTC),
        "exchange": exchange,
        "market_type": market_type,
        "symbol": name,
        "sequence": int(start.timestamp() * 1000),
        "data_source": "archive",
        "canonical": "",
        "base": "",
        "quote": "",
        "settle": "",
        "type": "spot" if market_type == "spot" else "",
        "is_inverse": inverse,
        "multiplier": Decimal(1),
        "tick_size": tick,
        "lot_size": Decimal(0),
        "expiry": None,
        "strike": None,
        "option_side": "",
        "valid_from": start,
        "valid_to": None,
        "status": "inferred from prices",
        "stream_seq": 0,
    }
    engine.insert(TABLE, pa.RecordBatch.from_pylist([row], schema=arrow_schema("instruments")))
