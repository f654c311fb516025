"""Rows of one feature as a parquet file, streamed: bounded memory whatever the range."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from marketprism.catalogue import Feature, features
from marketprism.errors import QueryError


def find(name: str) -> Feature:
    """The feature of this name, with or without its database. Raises QueryError."""
    for each in features():
        if name in (each.name, each.name.split(".", 1)[1]):
            return each
    raise QueryError(f"no feature {name!r}; `marketprism features list` names them")


def export_parquet(client: Any, name: str, out: Path, symbols: list[str], start: str | None, end: str | None) -> int:
    """Write the rows of a feature to ``out``; returns how many.

    ``start`` and ``end`` (ISO, UTC) bound ``available_at``: [start, end). Raises QueryError for an unknown feature, a
    bound that is no time, or a bound on a feature without available_at.
    """
    each = find(name)
    if not each.columns:
        raise QueryError(f"{each.name} takes parameters; read it with `marketprism query`")
    conditions, parameters = [], dict[str, Any]()
    if symbols:
        conditions.append("symbol IN {symbols:Array(String)}")
        parameters["symbols"] = symbols
    for word, sign, given in (("start", ">=", start), ("end", "<", end)):
        if given is not None:
            if not any(column.name == "available_at" for column in each.columns):
                raise QueryError(f"{each.name} has no available_at; export it without --start and --end")
            conditions.append(f"available_at {sign} {{{word}:DateTime64(6, 'UTC')}}")
            parameters[word] = _moment(given)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = 0
    writer: pq.ParquetWriter | None = None
    try:
        stream = client.query_arrow_stream(f"SELECT * FROM {each.name}{where}", parameters=parameters, use_strings=True)
        with stream:
            for batch in stream:
                writer = writer or pq.ParquetWriter(out, batch.schema, compression="zstd")
                writer.write_table(batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch]))
                rows += batch.num_rows
    finally:
        if writer is not None:
            writer.close()
    return rows


def _moment(text: str) -> str:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise QueryError(f"{text!r} is no time; write it as 2024-08-08T12:00:00") from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return f"{aware.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S.%f}"
