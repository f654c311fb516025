"""Rows of types without an exchange id: which contents are stored below a worker's position.

A window of the newest is in memory. What a batch has of before it (messages that are read again after the cell was
lost, a collector that was long behind) is asked of ClickHouse: it would be taken as new.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from marketprism.clickhouse import HOT
from storage_service.clickhouse_io import Warehouse
from storage_service.duplicates import WINDOW_ROWS, ContentJudge
from storage_service.groups import Key, key_columns
from storage_service.recover import BELOW, Below, same_keys
from storage_service.schema import wire_columns


async def recover_contents(warehouse: Warehouse, data_type: str, below: Below) -> ContentJudge:
    """The windows: of each symbol its newest rows."""
    by = ", ".join(key_columns(data_type))
    newest = f"WHERE {BELOW} ORDER BY timestamp DESC LIMIT {2 * WINDOW_ROWS} BY {by}"
    rows = await _rows(warehouse, data_type, newest, below.parameters())
    judge = ContentJudge(data_type)
    if rows.height:
        judge.judge(rows)
    return judge


async def stored_contents(
    warehouse: Warehouse, data_type: str, below: Below, spans: Mapping[Key, tuple[int, int]]
) -> pl.DataFrame:
    """The stored rows of these symbols, each from its earliest time to its latest (ms), and perhaps some more."""
    same, asked = same_keys(key_columns(data_type), spans)
    bounds = {"earliest": min(first for first, _ in spans.values()), "latest": max(last for _, last in spans.values())}
    between = " AND ".join(
        f"timestamp {sign} fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC')"
        for sign, name in ((">=", "earliest"), ("<=", "latest"))
    )
    return await _rows(
        warehouse, data_type, f"WHERE {BELOW} AND {same} AND {between}", {**below.parameters(), **asked, **bounds}
    )


async def _rows(warehouse: Warehouse, data_type: str, where: str, parameters: Mapping[str, Any]) -> pl.DataFrame:
    """Times as the integers that travel, so that the hashes are those of live rows."""
    names = []
    for column in wire_columns(data_type):
        if column.kind in ("ms", "us"):
            function = "toUnixTimestamp64Milli" if column.kind == "ms" else "toUnixTimestamp64Micro"
            names.append(f"{function}(t.{column.name}) AS {column.name}")
        else:
            names.append(f"t.{column.name} AS {column.name}")
    query = f"SELECT {', '.join(names)} FROM (SELECT * FROM {HOT}.{data_type} {where}) AS t"
    table = await warehouse.arrow(query, dict(parameters))
    casts = [pl.col(column.name).cast(column.clean) for column in wire_columns(data_type)]
    return pl.DataFrame(pl.from_arrow(table)).select(casts) if table.num_rows else pl.DataFrame()
