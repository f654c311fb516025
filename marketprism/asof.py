"""Point-in-time join: for each (instrument, instant) the newest row of a feature that was known by then.

The join looks backward on ``available_at`` alone. It runs day by day, so memory is that of one day of the asked
features and not of the range. Of rows that became known late, only those count that are newer than every row known
before.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
import pyarrow as pa

from marketprism import ranges
from marketprism.arrow import with_times
from marketprism.clickhouse import FEATURES, LABELS
from marketprism.errors import QueryError

Entity = ranges.Key
KEY: Final = ("exchange", "market_type", "symbol")
DEFAULT_VIEW: Final = "unified_features_by_bucket"
DEFAULT_MAX_AGE: Final = dt.timedelta(seconds=300)
SETS: Final = frozenset({"footprint_candidates", "footprint_clusters"})
"""Views of which each run of a job writes a set of rows for an instrument: none of them is the newest."""
_STAMP: Final = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True)
class Source:
    """Columns of one view with their types, how to read a stretch of it, and how old a row may be."""

    columns: dict[str, str]
    form: ranges.Form
    tie: str
    """SQL that orders rows of the same time: the exchange's sequence where the view has one."""
    max_age: dt.timedelta
    is_alone: bool = True
    """Whether no other source reads this view: with several age limits each feature has an age of its own."""

    @property
    def view(self) -> str:
        return self.form.view

    @property
    def ages(self) -> list[str]:
        """Names of the columns that say how long before the instant the row became known."""
        if self.is_alone:
            return [f"{self.view}_age_ms"]
        return [f"{self.view}.{column}_age_ms" for column in self.columns]


def sources(
    client: Any, features: Sequence[str], max_age: dt.timedelta | Mapping[str, dt.timedelta] = DEFAULT_MAX_AGE
) -> list[Source]:
    """The views of ``features``, each "view.column" or a column of unified_features_by_bucket, grouped by age limit.

    Raises QueryError for an unknown view or column, a view that does not say when its rows were known or that has
    several rows of an instrument and a time, or an age limit of what is not asked for.
    """
    if isinstance(max_age, Mapping) and (strange := sorted(set(max_age) - set(features))):
        raise QueryError(f"max_age names {strange[0]!r}, which is not among the features asked for")
    asked: dict[tuple[str, dt.timedelta], list[str]] = {}
    for feature in features:
        view, _, column = feature.removeprefix(f"{FEATURES}.").rpartition(".")
        limit = max_age.get(feature, DEFAULT_MAX_AGE) if isinstance(max_age, Mapping) else max_age
        asked.setdefault((view or DEFAULT_VIEW, limit), []).append(column)
    views = [view for view, _ in asked]
    found = []
    for (view, limit), columns in asked.items():
        known = _columns(client, view)
        unknown = sorted(set(columns) - set(known))
        if unknown:
            raise QueryError(f"{view} has no column {unknown[0]}; `marketprism features show {view}` lists them")
        if "available_at" not in known:
            raise QueryError(f"{view} does not say when its rows were known (available_at); read it by itself")
        if view in SETS or not set(KEY) <= set(known):
            raise QueryError(f"{view} has not one row per instrument and time; read it by itself, with available_at")
        tie = "v.sequence" if "sequence" in known else "0"
        form = ranges.form_of(client, view, list(known))
        found.append(Source({name: known[name] for name in columns}, form, tie, limit, views.count(view) == 1))
    return found


def _columns(client: Any, view: str) -> dict[str, str]:
    columns = "SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {view:String}"
    rows = client.query(columns, parameters={"database": FEATURES, "view": view}).result_rows
    if rows:
        return dict(rows)
    label = view.removeprefix(f"{LABELS}.")
    if client.query(columns, parameters={"database": LABELS, "view": label}).result_rows:
        raise QueryError(f"{view} looks ahead: labels are joined to their buckets or instants, never as of a moment")
    raise QueryError(f"no feature {view!r}; `marketprism features list` names them")


def join(
    client: Any, wanted: pl.DataFrame, asked: Sequence[Source], *, keep_excluded: bool = False
) -> Iterator[pl.DataFrame]:
    """``wanted`` (exchange, market_type, symbol, timestamp, in any order) with the features, one frame a UTC day.

    Each view adds its columns, and ``<view>_age_ms``: how long before the instant its row became known; NULL where none
    was known, or none young enough; with several age limits for one view, ``<view>.<feature>_age_ms`` of each feature.
    Instants inside excluded_intervals are left out unless ``keep_excluded``, and days of which none is left.
    """
    wanted = wanted.with_columns(pl.col("timestamp").cast(_STAMP)).with_row_index("_row")
    is_empty = True
    for _, day in wanted.group_by(pl.col("timestamp").dt.date(), maintain_order=True):
        part = day if keep_excluded else _without_excluded(client, day)
        if part.is_empty():
            continue
        for source in asked:
            part = _joined(client, part, source)
        is_empty = False
        yield part.sort("_row").drop("_row")
    if is_empty:  # the columns all the same
        part = wanted.clear().drop("_row")
        for source in asked:
            new = [*_names(part, source).values(), *source.ages]
            part = part.with_columns(pl.lit(None).alias(name) for name in new)
        yield part


def _names(part: pl.DataFrame, source: Source) -> dict[str, str]:
    """What the columns of a source are called beside those that are there: with their view where a name is taken."""
    return {column: column if column not in part.columns else f"{source.view}.{column}" for column in source.columns}


def _joined(client: Any, part: pl.DataFrame, source: Source) -> pl.DataFrame:
    known = "_known"
    rows = _read(client, source, part)
    rows = rows.rename({column: f"_{column}" for column in source.columns})
    joined = part.sort("timestamp").join_asof(
        rows,
        left_on="timestamp",
        right_on=known,
        by=list(KEY),
        strategy="backward",
        tolerance=source.max_age,
        check_sortedness=False,
    )
    names = {f"_{column}": name for column, name in _names(part, source).items()}
    elapsed = (pl.col("timestamp") - pl.col(known)).dt.total_milliseconds()
    return joined.with_columns(elapsed.alias(age) for age in source.ages).drop(known).rename(names)


def _read(client: Any, source: Source, part: pl.DataFrame) -> pl.DataFrame:
    """Rows of the view that could be the newest known at an instant of ``part``, by when they became known.

    Rows known before the first instant less the age limit are too old to show, but the newest of them hides what is
    older and became known late. A row known more than a day after its time is no answer.
    """
    first: dt.datetime = part["timestamp"].min() - source.max_age  # type: ignore[operator, assignment]
    last: dt.datetime = part["timestamp"].max()  # type: ignore[assignment]
    oldest = (first - dt.timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    columns = ", ".join(f"v.{column} AS {column}" for column in source.columns)
    order = {"bucket_id": "v.bucket_id", "timestamp": "toUnixTimestamp64Milli(v.timestamp)"}
    grain = order.get(source.form.grain, f"toUnixTimestamp(v.{source.form.grain})")
    keys = list(part.select(KEY).unique().iter_rows())
    view = ranges.source(source.form, ranges.reach(client, source.form, oldest, keys), last)
    table = client.query_arrow(
        f"SELECT * EXCEPT _before{with_times(source.columns)} FROM (SELECT exchange, market_type, symbol, "
        f"{columns}, toInt64({grain}) AS _grain, toUInt64({source.tie}) AS _tie, "
        "toUnixTimestamp64Micro(assumeNotNull(v.available_at)) AS _known, "
        "max(if(v.available_at < {first:DateTime64(6, 'UTC')}, _grain, -1)) OVER (PARTITION BY exchange, market_type, "
        f"symbol) AS _before FROM {view} AS v WHERE {ranges.at_or_after(source.form, oldest)} "
        f"AND {ranges.KEYED} "
        "AND v.available_at <= {last:DateTime64(6, 'UTC')}) "
        "WHERE _known >= toUnixTimestamp64Micro({first:DateTime64(6, 'UTC')}) AND _grain >= _before",
        parameters={
            "keys": keys,
            "first": _text(first),
            "last": _text(last),
        },
        use_strings=True,
    )
    rows = to_polars(table).with_columns(pl.from_epoch("_known", "us").cast(_STAMP)).sort("_known", "_grain", "_tie")
    return rows.filter(pl.col("_grain") == pl.col("_grain").cum_max().over(KEY)).drop("_grain", "_tie")


def _without_excluded(client: Any, part: pl.DataFrame) -> pl.DataFrame:
    """The instants that lie in no excluded interval of their instrument."""
    table = client.query_arrow(
        "SELECT exchange, market_type, symbol, toUnixTimestamp64Milli(from_time) AS _from, "
        f"toUnixTimestamp64Milli(to_time) AS _to FROM {FEATURES}.excluded_intervals "
        "WHERE from_time <= {last:DateTime64(6, 'UTC')} AND to_time >= {first:DateTime64(6, 'UTC')}",
        parameters={"first": _text(part["timestamp"].min()), "last": _text(part["timestamp"].max())},
        use_strings=True,
    )
    holes = to_polars(table).with_columns(
        pl.from_epoch("_from", "ms").cast(_STAMP), pl.from_epoch("_to", "ms").cast(_STAMP)
    )
    inside = (
        part.select("_row", *KEY, "timestamp")
        .join(holes, on=list(KEY))
        .filter(pl.col("timestamp").is_between("_from", "_to"))
    )
    return part.join(inside.select("_row").unique(), on="_row", how="anti")


def grid(
    entities: Sequence[Entity], start: dt.datetime, end: dt.datetime, step: dt.timedelta
) -> Iterator[pl.DataFrame]:
    """Every instrument at every multiple of ``step`` in [start, end), one frame a UTC day. Raises QueryError."""
    if step <= dt.timedelta(0):
        raise QueryError(f"grid={step}: a grid needs a positive step")
    names = pl.DataFrame(entities, schema=dict.fromkeys(KEY, pl.String), orient="row")
    day = start
    while day < end:
        stop = min(end, (day + dt.timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0))
        steps = -(-(stop - start) // step)
        done = -(-(day - start) // step)
        instants = pl.DataFrame(
            {"timestamp": [start + step * number for number in range(done, steps)]}, {"timestamp": _STAMP}
        )
        yield instants.join(names, how="cross").select(*KEY, "timestamp")
        day = stop


def to_polars(table: pa.Table) -> pl.DataFrame:
    """Wide decimals (notionals, Decimal(76, 24); also in arrays) become Float64: polars has no 256-bit decimal."""
    for index, field in enumerate(table.schema):
        if pa.types.is_decimal256(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(pa.float64()))
        elif pa.types.is_list(field.type) and pa.types.is_decimal256(field.type.value_type):
            table = table.set_column(index, field.name, table.column(index).cast(pa.list_(pa.float64())))
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)  # from_arrow gives a Series only for an array
    return frame


def _text(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}"
