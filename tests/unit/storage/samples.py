"""One valid row of every data type, and rows at the edges of what validation lets through."""

from __future__ import annotations

from typing import Any

import msgspec
import polars as pl

from marketprism.events import ROW_TYPES
from storage_service.schema import DECIMAL, stored, wire_columns

MS = 1_700_000_000_123

_TEXT = {
    "exchange": "binance",
    "market_type": "linear",
    "symbol": "BTCUSDT",
    "data_source": "marketprism",
    "side": "buy",
    "trade_kind": "trade",
    "funding_kind": "predicted",
    "price_kind": "fill",
    "type": "perpetual",
    "cause": "sequence",
    "of_type": "trades",
}


def row(data_type: str, **changed: Any) -> dict[str, Any]:
    """A valid row as JSON values."""
    values: dict[str, Any] = {}
    for column in wire_columns(data_type):
        by_kind = {
            "decimal": "1.5",
            "ms": MS,
            "us": MS * 1000 + 7,
            "uint": 3,
            "int": 3,
            "float": 0.25,
            "floats": [1.0, 2.5],
            "bool": True,
            "text": _TEXT.get(column.name, "x"),
        }
        values[column.name] = by_kind[column.kind]
    assert set(values) == set(ROW_TYPES[data_type].__struct_fields__)
    return {**values, **changed}


def quotes(symbol: str, first: int, count: int) -> list[tuple[str, bytes]]:
    """(subject, payload) of best quotes with rising sequences, a frame each."""
    rows = [row("best_quotes", symbol=symbol, sequence=first + i) for i in range(count)]
    return [(f"md.best_quotes.binance.linear.{symbol}", msgspec.json.encode(each) + b"\n") for each in rows]


def edge_frame(data_type: str) -> pl.DataFrame:
    """Two rows as after validation: the smallest and the largest values."""
    edges = {
        "decimal": ["-999999999999.999999999999", "999999999999.999999999999"],
        "ms": [0, MS],
        "us": [0, MS * 1000 + 7],
        "uint": [0, 2**16 - 1],
        "int": [-(2**63), 2**63 - 1],
        "float": [-1e300, 5e-324],
        "floats": [[], [0.1, 1e22]],
        "bool": [True, False],
        "text": ["EDGE", "EDGE"],
    }
    columns = {}
    for column in stored(data_type):
        values: list[Any] = list(edges[column.kind])
        if column.nullable:
            values[0] = None
        if column.name == "stream_seq":
            values = [1, 2**63]
        series = pl.Series(column.name, values, dtype=column.parsed, strict=False)
        columns[column.name] = series.cast(DECIMAL) if column.kind == "decimal" else series
    return pl.DataFrame(columns)
