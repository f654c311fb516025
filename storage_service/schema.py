"""Column types of a data type in three forms: as parsed from JSON, as validated, as sent to ClickHouse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from marketprism.events import DECIMAL_SCALE, TRADE_STORAGE_COLUMNS, columns, stored_columns

DECIMAL = pl.Decimal(38, DECIMAL_SCALE)
FEW_ROWS: Final = 2_000
"""Below it a step on one core is over before polars has woken its threads (0.2 ms a step, on an idle machine)."""


@dataclass(frozen=True, slots=True)
class Column:
    """``kind``: decimal, ms, us, text, uint, int, float, bool or floats (an array)."""

    name: str
    kind: str
    nullable: bool
    parsed: pl.DataType
    """What the JSON parser must find."""
    clean: pl.DataType
    """What validation leaves."""
    arrow: pa.DataType
    """What is sent."""


_KINDS: dict[str, tuple[str, pl.DataType, pl.DataType, pa.DataType]] = {
    "Decimal(38, 12)": ("decimal", pl.String(), DECIMAL, pa.decimal128(38, DECIMAL_SCALE)),
    "DateTime64(3, 'UTC')": ("ms", pl.Int64(), pl.Int64(), pa.timestamp("ms", tz="UTC")),
    "DateTime64(6, 'UTC')": ("us", pl.Int64(), pl.Int64(), pa.timestamp("us", tz="UTC")),
    "LowCardinality(String)": ("text", pl.String(), pl.String(), pa.large_string()),
    "String": ("text", pl.String(), pl.String(), pa.large_string()),
    "UInt64": ("uint", pl.UInt64(), pl.UInt64(), pa.uint64()),
    "UInt32": ("uint", pl.UInt32(), pl.UInt32(), pa.uint32()),
    # parsed wider: read_ndjson of polars 2.1 panics on UInt16; validate holds the bound
    "UInt16": ("uint", pl.UInt32(), pl.UInt16(), pa.uint16()),
    "Int64": ("int", pl.Int64(), pl.Int64(), pa.int64()),
    "Float64": ("float", pl.Float64(), pl.Float64(), pa.float64()),
    "Bool": ("bool", pl.Boolean(), pl.Boolean(), pa.bool_()),
    "Array(Float64)": ("floats", pl.List(pl.Float64()), pl.List(pl.Float64()), pa.large_list(pa.float64())),
}


def _column(name: str, clickhouse: str) -> Column:
    nullable = clickhouse.startswith("Nullable(")
    bare = clickhouse.removeprefix("Nullable(").removesuffix(")") if nullable else clickhouse
    kind, parsed, clean, arrow = _KINDS[bare]
    return Column(name, kind, nullable, parsed, clean, arrow)


@cache
def wire_columns(data_type: str) -> tuple[Column, ...]:
    """The columns of a row as it travels, in order."""
    return tuple(_column(name, clickhouse) for name, clickhouse in columns(data_type).items())


@cache
def parse_schema(data_type: str) -> dict[str, pl.DataType]:
    """Schema for ``polars.read_ndjson``."""
    return {column.name: column.parsed for column in wire_columns(data_type)}


@cache
def stored(data_type: str) -> tuple[Column, ...]:
    """The columns that are inserted, in order."""
    return tuple(_column(name, clickhouse) for name, clickhouse in stored_columns(data_type).items())


@cache
def arrow_schema(data_type: str) -> pa.Schema:
    """Schema of the record batch that is sent."""
    return pa.schema([pa.field(c.name, c.arrow, nullable=c.nullable) for c in stored(data_type)])


def select(rows: pl.DataFrame, columns: Iterable[pl.Expr]) -> pl.DataFrame:
    """``rows.select``, on this thread alone where rows are few."""
    return rows.select_seq(columns) if rows.height < FEW_ROWS else rows.select(columns)


def with_columns(rows: pl.DataFrame, columns: Iterable[pl.Expr]) -> pl.DataFrame:
    """``rows.with_columns``, on this thread alone where rows are few."""
    return rows.with_columns_seq(columns) if rows.height < FEW_ROWS else rows.with_columns(columns)


def take(column: pl.Series, places: npt.NDArray[np.int64]) -> list[Any]:
    """The values at these places, on this thread alone where the column is short."""
    if len(column) < FEW_ROWS:
        values = column.to_list()
        return [values[place] for place in places.tolist()]
    return column.gather(places).to_list()


def to_record_batch(data_type: str, rows: pl.DataFrame) -> pa.RecordBatch:
    """Validated rows (with the storage columns) as exactly one Arrow record batch."""
    schema = arrow_schema(data_type)
    arrays = []
    for field in schema:  # by column: a table's cast and combine_chunks take twice as long for a few hundred rows
        array = rows.get_column(field.name).to_arrow()
        arrays.append(array if array.type == field.type else array.cast(field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def ipc_stream(batch: pa.RecordBatch) -> bytes:
    """The Arrow IPC stream of one record batch: the body of an insert."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


TRADE_EXTRAS = tuple(TRADE_STORAGE_COLUMNS)
