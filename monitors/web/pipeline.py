"""The pipeline view: every stage's health, and rate, lag and age of each exchange × data type."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final, Literal

import msgspec

from marketprism.clickhouse import HOT
from marketprism.events import ROW_TYPES
from marketprism.status import ServiceStatus, Status, StatusReader, StreamStatus
from monitors.web.endpoints import Refused
from monitors.web.reading import Reader, ReadError, Value

FAST: Final = ("trades", "orderbooks", "best_quotes")
_FAST_S: Final = 10
_SLOW_S: Final = 600
_NEWEST_EVERY_S: Final = 30.0
_FRESH_S: Final = 0.5
_ROWS: Final = 100

Health = Literal["ok", "warn", "down"]


class Flow(msgspec.Struct, kw_only=True):
    """One data type of one exchange. Rates over the last 10 s (slow types: 10 min); lags are medians over as long.

    ``receive_lag_ms``: exchange time to receipt; ``store_lag_ms``: receipt to stored; null when nothing came.
    """

    data_type: str
    exchange: str
    market_type: str
    rows_per_s: float
    newest_ms: int
    symbols: int
    receive_lag_ms: float | None = None
    store_lag_ms: float | None = None
    slow: bool = False


class Pipeline(msgspec.Struct, kw_only=True):
    """Everything the picture shows. ``tables``: rows of each hot table; ``rows_per_s``: what storage added lately."""

    time_ms: int
    services: dict[str, ServiceStatus]
    streams: list[StreamStatus]
    tables: dict[str, int]
    rows_per_s: dict[str, float]
    flows: list[Flow]
    problems: list[str]
    pending: int


class RowsAsked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The rows behind a cell: a data type, of one exchange or of all."""

    data_type: str
    exchange: str = ""
    market_type: str = ""


class Table(msgspec.Struct, kw_only=True):
    """Names of columns, rows of values, and the statement to go on with."""

    names: list[str]
    rows: list[list[Any]]
    sql: str


def _window(data_type: str) -> str:
    seconds = _FAST_S if data_type in FAST else _SLOW_S
    return f"""
SELECT '{data_type}' AS data_type, toString(exchange) AS exchange, toString(market_type) AS market_type,
       count() / {seconds} AS rows_per_s, toUnixTimestamp64Milli(max(timestamp)) AS newest_ms,
       uniqExact(symbol) AS symbols,
       median(dateDiff('microsecond', timestamp, received_at)) / 1000 AS receive_lag_ms,
       median(dateDiff('microsecond', received_at, created_at)) / 1000 AS store_lag_ms,
       {int(data_type not in FAST)} AS slow
FROM {HOT}.{data_type} WHERE timestamp > now64(3) - INTERVAL {seconds} SECOND
GROUP BY exchange, market_type"""


FLOWS: Final = "\nUNION ALL".join(_window(data_type) for data_type in ROW_TYPES if data_type != "gaps")


def _newest(data_type: str) -> str:
    return f"""
SELECT '{data_type}' AS data_type, toString(exchange) AS exchange, toString(market_type) AS market_type,
       0 AS rows_per_s, toUnixTimestamp64Milli(max(timestamp)) AS newest_ms, uniqExact(symbol) AS symbols,
       NULL AS receive_lag_ms, NULL AS store_lag_ms, {int(data_type not in FAST)} AS slow
FROM {HOT}.{data_type} WHERE _partition_id = (
    SELECT max(partition_id) FROM system.parts WHERE active AND database = '{HOT}' AND table = '{data_type}')
GROUP BY exchange, market_type"""


NEWEST: Final = "\nUNION ALL".join(_newest(data_type) for data_type in ROW_TYPES if data_type != "gaps")
"""The newest stored day of each type: what was there before it fell silent."""


class PipelineLook:
    """Looks again and again; what is quiet is asked for less often."""

    def __init__(self, reader: Reader, status: StatusReader) -> None:
        self._reader = reader
        self._status = status
        self._silent: dict[tuple[str, str, str], Flow] = {}
        self._silent_at = -_NEWEST_EVERY_S
        self._lock = asyncio.Lock()
        self._last: tuple[float, Pipeline] | None = None

    async def shared(self) -> Pipeline:
        """A look that is not older than half a second: all pages and symbols have one."""
        async with self._lock:  # the connections serve one look at a time
            if self._last is None or time.monotonic() - self._last[0] > _FRESH_S:
                self._last = (time.monotonic(), await self.look())
            return self._last[1]

    async def look(self) -> Pipeline:
        """Whatever can be read; what cannot is in ``problems``."""
        status: Status = await self._status.read()
        flows: dict[tuple[str, str, str], Flow] = {}
        try:
            if time.monotonic() - self._silent_at >= _NEWEST_EVERY_S:
                self._silent = {_key(flow): flow for flow in await self._flows(NEWEST)}
                self._silent_at = time.monotonic()
            flows = {**self._silent, **{_key(flow): flow for flow in await self._flows(FLOWS)}}
        except ReadError as error:
            if not any("ClickHouse" in problem for problem in status.problems):
                status.problems.append(str(error))
        return Pipeline(
            time_ms=status.time_ms,
            services=status.services,
            streams=status.streams,
            tables=status.tables,
            rows_per_s=status.rows_per_s,
            flows=sorted(flows.values(), key=_key),
            problems=status.problems,
            pending=status.pending,
        )

    async def _flows(self, sql: str) -> list[Flow]:
        rows = await self._reader.rows(sql)
        return [msgspec.convert({**row, "slow": bool(row["slow"])}, Flow, strict=False) for row in rows]


def _key(flow: Flow) -> tuple[str, str, str]:
    return flow.exchange, flow.market_type, flow.data_type


async def rows_behind(reader: Reader, asked: RowsAsked) -> Table:
    """The newest rows of a hot table. Raises Refused for a type that is none of ours."""
    if asked.data_type not in ROW_TYPES:
        raise Refused(404, f"no data type {asked.data_type[:60]!r}; there are {', '.join(ROW_TYPES)}")
    source = f"{HOT}.{asked.data_type}"
    given: dict[str, Value] = {
        name: value for name, value in (("exchange", asked.exchange), ("market_type", asked.market_type)) if value
    }
    newest = f"""(
    SELECT max(partition_id) FROM system.parts
    WHERE active AND database = '{HOT}' AND table = '{asked.data_type}')"""
    where = " AND ".join([f"_partition_id = {newest}", *(f"{name} = {{{name}:String}}" for name in given)])
    columns = await reader.columns(
        f"SELECT * FROM {source} WHERE {where} ORDER BY timestamp DESC LIMIT {_ROWS}", **given
    )
    shown = " AND ".join(f"{name} = {_quoted(str(value))}" for name, value in given.items())
    return Table(
        names=list(columns),
        rows=[list(row) for row in zip(*columns.values(), strict=True)],
        sql=f"SELECT *\nFROM {source}\n{f'WHERE {shown}' if shown else ''}\nORDER BY timestamp DESC\nLIMIT {_ROWS}",
    )


def _quoted(text: str) -> str:
    """A literal for the statement that is shown, and run only when the person sends it through the SQL view."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
