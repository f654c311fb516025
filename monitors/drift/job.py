"""Measure drift: read each view twice, compare column by column and symbol by symbol, write ``feature_drift``."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
from clickhouse_connect.driver.exceptions import ClickHouseError

from marketprism.clickhouse import FEATURES
from marketprism.jobs import JobResult, Run
from monitors.drift.objects import Measured, measured
from monitors.drift.statistics import Drift, compare

log = logging.getLogger(__name__)

TABLE: Final = "feature_drift"
_KEY: Final = ["exchange", "market_type", "symbol"]
_STAMP: Final = pa.timestamp("us", "UTC")


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, UTC; ``end`` is the first instant outside."""

    start: dt.datetime
    end: dt.datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What is compared: windows by the name of their period (day, week), and the reference of all of them."""

    periods: dict[str, Window]
    reference: Window
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measurement:
    """One feature of one symbol over one period."""

    key: tuple[str, str, str]
    object: str
    feature: str
    period: str
    window: Window
    drift: Drift


def plan_for(day: dt.date, reference_days: int = 14, reference: Window | None = None) -> Plan:
    """The day and the week that ends with it, against the ``reference_days`` before that week."""
    end = _midnight(day + dt.timedelta(days=1))
    week = Window(end - dt.timedelta(days=7), end)
    before = reference or Window(week.start - dt.timedelta(days=reference_days), week.start)
    return Plan({"day": Window(_midnight(day), end), "week": week}, before)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


class DriftJob:
    """A job of ``marketprism.jobs``; ``found`` has its measurements afterwards, ``unread`` the views that the engine
    refused to read, each with the reason: one broken view does not end the run."""

    __name__ = "drift"

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.found: list[Measurement] = []
        self.unread: dict[str, str] = {}

    def __call__(self, client: Any, run: Run) -> JobResult:
        rows = 0
        for view in measured(self._plan.objects):
            reference = self._read(client, view, self._plan.reference)
            if reference is None or not reference.height:
                continue
            for period, window in self._plan.periods.items():
                current = self._read(client, view, window)
                if current is not None:
                    rows += current.height
                    self.found += _compare(view, period, window, current, reference)
            rows += reference.height
        written = run.insert(client, TABLE, _table(run, self._plan.reference, self.found))
        return JobResult(rows, written)

    def _read(self, client: Any, view: Measured, window: Window) -> pl.DataFrame | None:
        """Columns as Float64, NULL as NaN. None when the engine refuses."""
        values = ", ".join(f"toFloat64(ifNull(toNullable({name}), nan)) AS {name}" for name in view.columns)
        query = (
            f"SELECT exchange, market_type, symbol, {values} FROM (SELECT * FROM {view.name} WHERE "
            f"{view.clock} >= {{start:DateTime64(3, 'UTC')}} AND {view.clock} < {{end:DateTime64(3, 'UTC')}})"
        )
        parameters = {"start": window.start.strftime("%F %T"), "end": window.end.strftime("%F %T")}
        try:
            table = client.query_arrow(query, parameters=parameters, use_strings=True)
        except ClickHouseError as error:
            self.unread[view.name] = " ".join(str(error).split())[:200]
            log.warning("drift leaves out %s: %s", view.name, self.unread[view.name])
            return None
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        return frame


def _compare(
    view: Measured, period: str, window: Window, current: pl.DataFrame, reference: pl.DataFrame
) -> Iterator[Measurement]:
    before = {tuple(key): rows for key, rows in reference.group_by(_KEY)}
    for key, rows in current.group_by(_KEY):
        base = before.get(tuple(key))
        if base is None:
            continue
        exchange, market, symbol = (str(part) for part in key)
        for name in view.columns:
            drift = compare(_floats(rows[name]), _floats(base[name]))
            if name in view.levels:
                drift = _health_only(drift)
            yield Measurement((exchange, market, symbol), view.name.partition(".")[2], name, period, window, drift)


def _floats(column: pl.Series) -> np.ndarray[Any, np.dtype[np.float64]]:
    return column.cast(pl.Float64).to_numpy().astype(np.float64)


def _health_only(drift: Drift) -> Drift:
    from dataclasses import replace

    return replace(drift, psi=float("nan"), ks=float("nan"))


def _table(run: Run, reference: Window, found: Iterable[Measurement]) -> pa.Table:
    rows = list(found)

    def stamps(values: list[dt.datetime]) -> pa.Array:
        return pa.array(values, _STAMP)

    def numbers(name: str) -> pa.Array:
        values = [float(getattr(row.drift, name)) for row in rows]
        return pa.array([None if value != value else value for value in values], pa.float64())

    def lists(name: str) -> pa.Array:
        return pa.array([list(getattr(row.drift, name)) for row in rows], pa.list_(pa.float64()))

    return pa.table(
        {
            "run_id": [run.run_id] * len(rows),
            "measured_at": stamps([run.at] * len(rows)),
            **{name: [row.key[i] for row in rows] for i, name in enumerate(_KEY)},
            "object": [row.object for row in rows],
            "feature": [row.feature for row in rows],
            "period": [row.period for row in rows],
            "window_from": stamps([row.window.start for row in rows]),
            "window_to": stamps([row.window.end for row in rows]),
            "reference_from": stamps([reference.start] * len(rows)),
            "reference_to": stamps([reference.end] * len(rows)),
            "rows": pa.array([row.drift.rows for row in rows], pa.uint64()),
            "reference_rows": pa.array([row.drift.reference_rows for row in rows], pa.uint64()),
            "psi": numbers("psi"),
            "ks": numbers("ks"),
            "level": [row.drift.level for row in rows],
            "missing_ratio": numbers("missing"),
            "is_constant": pa.array([row.drift.constant for row in rows], pa.bool_()),
            "outlier_ratio": numbers("outliers"),
            "mean": numbers("mean"),
            "reference_mean": numbers("reference_mean"),
            "edges": lists("edges"),
            "shares": lists("shares"),
            "reference_shares": lists("reference_shares"),
        },
        schema=_SCHEMA,
    )


_SCHEMA: Final = pa.schema(
    [("run_id", pa.string()), ("measured_at", _STAMP)]
    + [(name, pa.string()) for name in (*_KEY, "object", "feature", "period")]
    + [(name, _STAMP) for name in ("window_from", "window_to", "reference_from", "reference_to")]
    + [("rows", pa.uint64()), ("reference_rows", pa.uint64()), ("psi", pa.float64()), ("ks", pa.float64())]
    + [("level", pa.string()), ("missing_ratio", pa.float64()), ("is_constant", pa.bool_())]
    + [(name, pa.float64()) for name in ("outlier_ratio", "mean", "reference_mean")]
    + [(name, pa.list_(pa.float64())) for name in ("edges", "shares", "reference_shares")]
)
NEWEST: Final = f"(SELECT argMax(run_id, measured_at) FROM {FEATURES}.{TABLE})"
