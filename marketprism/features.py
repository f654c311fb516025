"""Read features from Python: the newest values, point-in-time joins for training sets, panels on a grid; Arrow out."""

from __future__ import annotations

import datetime as dt
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import polars as pl
import pyarrow as pa

from marketprism import asof as point_in_time
from marketprism.arrow import with_times
from marketprism.asof import DEFAULT_MAX_AGE, Entity, to_polars
from marketprism.catalogue import find
from marketprism.clickhouse import FEATURES, connect
from marketprism.errors import QueryError
from marketprism.settings import ClickHouseSettings

Kind = Literal["arrow", "polars", "pandas"]
"""What a read gives: a pyarrow.Table, a polars.DataFrame, or a pandas.DataFrame."""
PANEL_FEATURES: Final = (
    *("vpin", "kyle_lambda_ols", "amihud_illiq", "log_return_1", "log_return_10", "momentum_30", "realised_variance"),
    *("jump_share", "flow_imbalance", "mid", "spread_bps", "imbalance_5", "ofi_l1", "effective_spread", "quality"),
)
"""What a panel shows unless it is told: columns of unified_features_by_bucket."""


class Features:
    """Feature reads over one ClickHouse connection.

    ``source``: ClickHouseSettings (None: from the environment), or an open clickhouse-connect client.
    """

    def __init__(self, source: ClickHouseSettings | Any | None = None) -> None:
        self._client: Any
        if source is None or isinstance(source, ClickHouseSettings):
            self._client = connect(source or ClickHouseSettings())
        else:
            self._client = source

    def latest(self, kind: Kind = "arrow") -> Any:
        """One row per (exchange, market_type, symbol): its newest closed bucket's features and its newest book.

        ``updated_at`` says when ClickHouse refreshed them, ``staleness_ms`` how old the bucket was then.
        """
        return give(
            self._arrow(f"SELECT * FROM {FEATURES}.latest_features ORDER BY exchange, market_type, symbol"), kind
        )

    def serving(self, kind: Kind = "arrow") -> Any:
        """One row per symbol to act on: bucket features while they are fresh, minute features otherwise."""
        times = with_times({column.name: column.type for column in find("serving_features").columns})
        return give(
            self._arrow(f"SELECT *{times} FROM {FEATURES}.serving_features ORDER BY exchange, market_type, symbol"),
            kind,
        )

    def buckets(self, exchange: str, market_type: str, symbol: str, last: int = 100, kind: Kind = "arrow") -> Any:
        """Every feature of the last closed buckets of a symbol, oldest first (columns of unified_features_by_bucket).

        Raises ValueError when ``last`` is below 1.
        """
        if last < 1:
            raise ValueError(f"last={last}: ask for at least one bucket")
        query = (
            f"SELECT * FROM {FEATURES}.unified_features_last(exchange = {{exchange:String}}, "
            "market_type = {market_type:String}, symbol = {symbol:String}, n = {last:UInt64}) ORDER BY bucket_id"
        )
        parameters = {"exchange": exchange, "market_type": market_type, "symbol": symbol, "last": last}
        return give(self._arrow(query, parameters), kind)

    def asof(
        self,
        entities: Sequence[Entity],
        timestamps: Sequence[dt.datetime],
        features: Sequence[str],
        *,
        max_age: dt.timedelta | Mapping[str, dt.timedelta] = DEFAULT_MAX_AGE,
        keep_excluded: bool = False,
        kind: Kind = "arrow",
    ) -> Any:
        """Point-in-time join: one row per (entity, timestamp) pair with what was known of the features by then.

        ``features``: "view.column", or a column of unified_features_by_bucket. ``max_age``: of all, or per feature.
        Instants in excluded_intervals are left out unless ``keep_excluded``. Rows come day by day, in the given order
        within a day; memory is that of a day (``asof_days`` gives the days one by one). Raises QueryError.
        """
        days = self.asof_days(entities, timestamps, features, max_age=max_age, keep_excluded=keep_excluded)
        return give(_together(days), kind)

    def asof_days(
        self,
        entities: Sequence[Entity],
        timestamps: Sequence[dt.datetime],
        features: Sequence[str],
        *,
        max_age: dt.timedelta | Mapping[str, dt.timedelta] = DEFAULT_MAX_AGE,
        keep_excluded: bool = False,
    ) -> Iterator[pl.DataFrame]:
        """``asof``, one frame a UTC day."""
        if len(entities) != len(timestamps):
            raise QueryError(
                f"{len(entities)} entities and {len(timestamps)} timestamps; give one timestamp per entity"
            )
        wanted = pl.DataFrame(
            [(*entity, _utc(moment)) for entity, moment in zip(entities, timestamps, strict=True)],
            schema={**dict.fromkeys(point_in_time.KEY, pl.String), "timestamp": pl.Datetime("us", "UTC")},
            orient="row",
        )
        asked = point_in_time.sources(self._client, features, max_age)
        yield from point_in_time.join(self._client, wanted, asked, keep_excluded=keep_excluded)

    def panel(
        self,
        symbols: Sequence[Entity],
        start: dt.datetime,
        end: dt.datetime,
        grid: dt.timedelta,
        features: Sequence[str] = PANEL_FEATURES,
        *,
        max_age: dt.timedelta | Mapping[str, dt.timedelta] = DEFAULT_MAX_AGE,
        keep_excluded: bool = False,
        kind: Kind = "arrow",
    ) -> Any:
        """``asof`` of every symbol at start, start + grid, … before end; marketprism.panel has books and flow."""
        asked = point_in_time.sources(self._client, features, max_age)
        days = (
            part
            for wanted in point_in_time.grid(symbols, _utc(start), _utc(end), grid)
            for part in point_in_time.join(self._client, wanted, asked, keep_excluded=keep_excluded)
        )
        return give(_together(days), kind)

    def latest_polars(self) -> pl.DataFrame:
        """``latest`` as polars."""
        return to_polars(self.latest())

    def buckets_polars(self, exchange: str, market_type: str, symbol: str, last: int = 100) -> pl.DataFrame:
        """``buckets`` as polars."""
        return to_polars(self.buckets(exchange, market_type, symbol, last))

    def _arrow(self, query: str, parameters: dict[str, Any] | None = None) -> pa.Table:
        return self._client.query_arrow(query, parameters=parameters, use_strings=True)


def latest(kind: Kind = "arrow") -> Any:
    """``Features().latest()`` of the ClickHouse that the environment names."""
    return Features().latest(kind)


def asof(entities: Sequence[Entity], timestamps: Sequence[dt.datetime], features: Sequence[str], **options: Any) -> Any:
    """``Features().asof(…)`` of the ClickHouse that the environment names."""
    return Features().asof(entities, timestamps, features, **options)


def panel(symbols: Sequence[Entity], start: dt.datetime, end: dt.datetime, grid: dt.timedelta, **options: Any) -> Any:
    """``Features().panel(…)`` of the ClickHouse that the environment names."""
    return Features().panel(symbols, start, end, grid, **options)


def give(table: pa.Table | pl.DataFrame, kind: Kind) -> Any:
    """The table as the caller wants it. Raises QueryError for an unknown kind."""
    if kind == "arrow":
        return table.to_arrow() if isinstance(table, pl.DataFrame) else table
    frame = table if isinstance(table, pl.DataFrame) else to_polars(table)
    if kind == "polars":
        return frame
    if kind == "pandas":
        if importlib.util.find_spec("pandas") is None:
            raise QueryError("kind='pandas' needs pandas: `pip install pandas`, or ask for arrow or polars")
        return frame.to_arrow().to_pandas()
    raise QueryError(f"kind={kind!r}: say arrow, polars or pandas")


def _together(days: Iterator[pl.DataFrame]) -> pl.DataFrame:
    parts = list(days)
    return pl.concat(parts, how="vertical_relaxed") if parts else pl.DataFrame()


def _utc(moment: dt.datetime) -> dt.datetime:
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
