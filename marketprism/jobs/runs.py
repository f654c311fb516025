"""One run of a job: its id, the instant it looks at, and its row in ``job_runs``, also when it fails."""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa

from marketprism.clickhouse import FEATURES
from marketprism.errors import JobError, MarketPrismError
from marketprism.migrate import shipped

logger = logging.getLogger(__name__)

RUNS = f"{FEATURES}.job_runs"


def statement(name: str) -> str:
    """The SELECT of sql/jobs/<name>.sql: in a file of its own, so that ``lint-sql`` judges it like every feature."""
    return (shipped("sql") / "jobs" / f"{name}.sql").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Run:
    """``run_id`` marks the rows a run writes; nothing that became known after ``at`` (UTC) may enter it."""

    job: str
    run_id: str
    at: dt.datetime
    taken: Callable[[], dt.timedelta] = lambda: dt.timedelta(0)
    """How long the run has taken so far."""

    def insert_dated(self, client: Any, table: str, rows: pl.DataFrame) -> int:
        """Write rows with ``run_ts``, ``run_id``, and ``available_at``: after the instant by what the run took."""
        at = self.at.astimezone(dt.UTC)
        dated = rows.with_columns(
            run_ts=pl.lit(at).cast(pl.Datetime("ms", "UTC")),
            run_id=pl.lit(self.run_id),
            available_at=pl.lit(at + self.taken()).cast(pl.Datetime("us", "UTC")),
        )
        return self.insert(client, table, _plain(dated))

    def insert(self, client: Any, table: str, rows: pa.Table) -> int:
        """Write rows under a token of the run, so that a retry writes them once; returns how many."""
        if rows.num_rows:
            settings = {"insert_deduplication_token": f"{self.run_id}:{table}", "async_insert": 0}
            client.insert_arrow(f"{FEATURES}.{table}", rows, settings=settings)
        return int(rows.num_rows)


@dataclass(frozen=True, slots=True)
class JobResult:
    """Rows that a run read and wrote."""

    rows_read: int
    rows_written: int


Job = Callable[[Any, Run], JobResult]


def run_job(
    client: Any, job: Job, at: dt.datetime | None = None, clock: Callable[[], dt.datetime] | None = None
) -> Run:
    """Run ``job`` as of ``at`` (None: now), record it, and return the run.

    Raises what the job raises, after its failure is recorded: JobError for what is not the job's own error.
    """
    now = clock or (lambda: dt.datetime.now(dt.UTC))
    started = now()
    run = Run(job.__name__, uuid.uuid4().hex, at or started, lambda: now() - started)
    result, failure = JobResult(0, 0), ""
    try:
        result = job(client, run)
    except MarketPrismError as error:
        failure = str(error)
        raise
    except Exception as error:
        failure = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise JobError(f"job {run.job} failed: {failure}; its run is in {RUNS}") from error
    finally:
        _record(client, run, started, now(), result, failure)
    logger.info("job %s: %d rows read, %d written", run.job, result.rows_read, result.rows_written)
    return run


def _record(
    client: Any, run: Run, started: dt.datetime, finished: dt.datetime, result: JobResult, failure: str
) -> None:
    stamp = pa.timestamp("us", "UTC")
    row = pa.table(
        {
            "job": [run.job],
            "run_id": [run.run_id],
            "started_at": pa.array([started], stamp),
            "finished_at": pa.array([finished], stamp),
            "state": ["failed" if failure else "done"],
            "rows_read": pa.array([result.rows_read], pa.uint64()),
            "rows_written": pa.array([result.rows_written], pa.uint64()),
            "error": [failure],
        }
    )
    run.insert(client, "job_runs", row)


def _plain(rows: pl.DataFrame) -> pa.Table:
    """As Arrow with plain strings, which the engine reads as they are."""
    table = rows.to_arrow()
    for index, field in enumerate(table.schema):
        if pa.types.is_large_string(field.type) or pa.types.is_string_view(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(pa.string()))
    return table
