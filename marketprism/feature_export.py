"""Rows of one feature as a parquet file, streamed, and by days where it has windows: memory is bounded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from marketprism import ranges
from marketprism.arrow import with_times
from marketprism.catalogue import Feature, find
from marketprism.clickhouse import COLD, HOT
from marketprism.errors import QueryError


def export_parquet(client: Any, name: str, out: Path, symbols: list[str], start: str | None, end: str | None) -> int:
    """Write the rows of a feature to ``out``, a file with its columns when there are none; returns how many.

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
    times = with_times({column.name: column.type for column in each.columns}, for_files=True)
    rows = 0
    writer: pq.ParquetWriter | None = None
    try:
        for source, bounds in _pieces(client, each, parameters.get("start"), parameters.get("end")):
            kept = " AND ".join([*conditions, *bounds])
            query = f"SELECT *{times} FROM (SELECT * FROM {source} AS v{f' WHERE {kept}' if kept else ''})"
            with client.query_arrow_stream(query, parameters=parameters, use_strings=True) as stream:
                for batch in stream:
                    writer = writer or pq.ParquetWriter(out, batch.schema, compression="zstd")
                    writer.write_table(batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch]))
                    rows += batch.num_rows
        if writer is None:  # a stream without rows has no batch that would tell the columns
            query = f"SELECT *{times} FROM (SELECT * FROM {each.name} WHERE 0)"
            pq.write_table(client.query_arrow(query, use_strings=True), out, compression="zstd")
    finally:
        if writer is not None:
            writer.close()
    return rows


def _pieces(client: Any, each: Feature, start: str | None, end: str | None) -> Iterator[tuple[str, list[str]]]:
    """What to read one after the other, and conditions on it that keep every row of the range in one of them.

    A view with windows is read in pieces of a day, or of as many days as its windows reach back to.
    """
    form = ranges.form_of(client, each.name.split(".", 1)[1], [column.name for column in each.columns])
    if not form.parameters:
        yield each.name, []
        return
    days, done = _days(client, start, end), dt.datetime.min
    if not days:
        yield each.name, ["0"]  # an empty file has columns, too
    for day in days:
        if day < done:
            continue
        from_ = ranges.reach(client, form, day)
        done = day + dt.timedelta(days=max(1, (day - from_.at).days))
        yield ranges.source(form, from_, done), [ranges.at_or_after(form, day), ranges.before(form, done)]


def _days(client: Any, start: str | None, end: str | None) -> list[dt.datetime]:
    """Midnights of the days with rows that can have become known from ``start`` to ``end``, in order.

    What became known from ``start`` on rests on a row received since, or on a bucket's limit of time that ran out.
    """
    first, last = dt.datetime(1970, 1, 2), dt.datetime(2100, 1, 1)
    if start:
        since = client.query(
            f"SELECT min(day) FROM ({_EACH_DAY.format('received_at >= {start:String}')})", parameters={"start": start}
        ).first_item["min(day)"]
        first = min(_midnight(since), _midnight(dt.datetime.fromisoformat(start))) - dt.timedelta(days=1)
    if end:
        last = _midnight(dt.datetime.fromisoformat(end))
    days = client.query(
        f"SELECT DISTINCT day FROM ({_EACH_DAY.format('timestamp >= {first:String}')}) WHERE day <= {{last:Date}} "
        "ORDER BY day",
        parameters={"first": f"{first:%Y-%m-%d}", "last": last.date()},
    ).result_rows
    return [_midnight(day) for (day,) in days]


_EACH_DAY: Final = " UNION ALL ".join(
    f"SELECT DISTINCT toDate(timestamp) AS day FROM {database}.{table} WHERE {{0}}"
    for database in (HOT, COLD)
    for table in ("trades", "orderbooks")
)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day)


def _moment(text: str) -> str:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise QueryError(f"{text!r} is no time; write it as 2024-08-08T12:00:00") from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return f"{aware.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S.%f}"
