"""What the storage service does by itself: the rebuild queue; once a day verify, archive, calibrate; feature jobs.

A job is the command that a person would run, as a child process: it takes nothing from the workers' memory and threads,
dies with the service, and may be killed at any step (DELIVERY.md, days). A day is due when its midnight and the hour of
grace are over and no row of it has been stored for ``days_quiet_s``: a replay of an old day is left alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import msgspec
from nats.errors import Error as NatsError

import marketprism
from marketprism import feature_jobs
from marketprism.clickhouse import HOT
from marketprism.settings import ClickHouseSettings, StorageSettings
from marketprism.tasks import end_tasks
from storage_service import metrics
from storage_service.clickhouse_io import ClickHouseAway, InsertRefused, Warehouse
from storage_service.days.install import partitions
from storage_service.days.queue import RebuildQueue, Waiting
from storage_service.days.tiers import is_closed

logger = logging.getLogger(__name__)

_BOUND: Final = Path(marketprism.__file__).parent / "supervisor" / "bound.py"
_RETRY_S: Final = 600.0
"""A job that failed on a day is tried again on it after this; other days are not held up."""
_SYMBOLS_AT_ONCE: Final = 500
_CALIBRATION_HOUR: Final = 23
"""UTC: late enough to know the day, and before the next one's first trade freezes its plan."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command ended with: its exit code and the JSON lines of its stdout."""

    code: int
    lines: list[dict[str, Any]]


Run = Callable[[Sequence[str]], Awaitable[Answer]]


def command_runner(clickhouse: ClickHouseSettings, environment: Mapping[str, str] = os.environ) -> Run:
    """Runs ``marketprism <arguments>`` against this ClickHouse in a child that is killed when it is cancelled."""
    variables = {
        **environment,
        "MARKETPRISM_CLICKHOUSE_URL": clickhouse.url,
        "MARKETPRISM_CLICKHOUSE_USER": clickhouse.user,
        "MARKETPRISM_CLICKHOUSE_PASSWORD": clickhouse.password.get_secret_value(),
    }

    async def run(arguments: Sequence[str]) -> Answer:
        bound = [sys.executable, "-I", "-S", str(_BOUND), str(os.getpid())]
        child = await asyncio.create_subprocess_exec(
            *bound, sys.executable, "-m", "marketprism", *arguments, env=variables, stdout=asyncio.subprocess.PIPE
        )
        try:
            output, _ = await child.communicate()
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        return Answer(child.returncode or 0, _decoded(output))

    return run


def _decoded(output: bytes) -> list[dict[str, Any]]:
    """The whole lines: a child that was killed may leave half of one."""
    lines = []
    for line in output.splitlines():
        try:
            lines.append(msgspec.json.decode(line, type=dict[str, Any]))
        except msgspec.DecodeError:
            logger.warning("a job on days wrote a line that is no JSON object", extra={"line": repr(line[:200])})
    return lines


def _succeeded(answer: Answer) -> bool:
    return answer.code == 0


def _compared(answer: Answer) -> bool:
    """``verify`` ends with 1 where something differs, and says what; so does Python after a crash, saying nothing."""
    return answer.code in (0, 1) and bool(answer.lines)


class DayKeeper:
    """``run`` looks every ``days_every_s`` until it is cancelled. ``clock`` and ``run_command`` are given by tests.

    ``owns``: whose symbols' days are looked after here; the others are on another shard.
    """

    def __init__(
        self,
        queue: RebuildQueue,
        warehouse: Warehouse,
        settings: StorageSettings,
        run_command: Run,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        owns: Callable[[tuple[str, str, str]], bool] = lambda _: True,
    ) -> None:
        self._queue, self._warehouse, self._settings = queue, warehouse, settings
        self._run, self._clock, self._owns = run_command, clock, owns
        self._finished: dict[str, date] = {}
        self._not_before: dict[tuple[str, date, str], datetime] = {}
        self._began: dict[str, datetime] = {}

    async def run(self) -> None:
        """The first look comes one interval after the start, so that short runs are not burdened."""
        try:
            while self._settings.days_every_s:
                await asyncio.sleep(self._settings.days_every_s)
                try:
                    await self.look()
                    await self.run_features()
                except (NatsError, ClickHouseAway, InsertRefused, OSError, TimeoutError) as error:
                    logger.warning("days could not be looked after, trying again", extra={"error": str(error)})
        finally:  # another process tells of them from now on: ours would alarm until we end
            metrics.REBUILD_QUEUE.set(0)
            metrics.VERIFY_MISMATCHES.set(0)

    async def look(self) -> None:
        """Do what is due now."""
        await self._rebuild_queued()
        now = self._clock()
        yesterday = now.date() - timedelta(days=1)
        if is_closed(yesterday, now - timedelta(seconds=self._settings.days_quiet_s)):
            await self._daily("verify", yesterday, self._verify)
            await self._daily("archive", yesterday, self._archive)
        if self._settings.calibrate_days and now.hour >= _CALIBRATION_HOUR:
            await self._daily("calibrate", now.date(), self._calibrate)

    async def run_features(self) -> None:
        """Run the jobs that compute features outside SQL, where they are due: until then these features are NULL."""
        often = self._settings.feature_jobs_every_s
        if not often:
            return
        for job, every in ((feature_jobs.REGISTRY, 86_400.0), *((name, often) for name in feature_jobs.PERIODIC)):
            now = self._clock()
            began = self._began.get(job)
            if began is not None and timedelta(0) <= now - began < timedelta(seconds=every):
                continue
            self._began[job] = now
            done, _ = await self._job(job, now.date(), ["features", "job", job, "--json"])
            if not done and job == feature_jobs.REGISTRY:
                del self._began[job]  # not a day later

    async def _rebuild_queued(self) -> None:
        waiting = await self._waiting()
        metrics.REBUILD_QUEUE.set(len(waiting))
        for (day, data_type), group in groupby(waiting, key=lambda entry: (entry.day, entry.data_type)):
            entries = list(group)[:_SYMBOLS_AT_ONCE]
            if self._may("rebuild", day, data_type) and await self._is_quiet(day, data_type):
                await self._rebuild(day, data_type, entries)
        metrics.REBUILD_QUEUE.set(len(await self._waiting()) if waiting else 0)

    async def _waiting(self) -> list[Waiting]:
        return [entry for entry in await self._queue.waiting() if self._owns(entry.symbol)]

    async def _rebuild(self, day: date, data_type: str, entries: list[Waiting]) -> None:
        names = sorted({entry.symbol[2] for entry in entries})
        options = [part for name in names for part in ("--symbol", name)]
        if data_type != "trades":
            options = ["--table", data_type, *options]
        arguments = ["buckets", "rebuild", "--day", str(day), "--missing-ok", "--json", *options]
        done, answer = await self._job("rebuild", day, arguments, table=data_type)
        if not done:
            return
        if answer.lines and not answer.lines[0]["symbols"]:  # gone since they were queued: no later try finds any
            told = {"day": str(day), "table": data_type, "symbols": names[:20]}
            logger.warning("nothing is left to rebuild", extra=told)
        for entry in entries:
            if not await self._queue.done(entry):
                logger.info("a row came while its day was rebuilt: once more", extra={"key": entry.key})

    async def _is_quiet(self, day: date, data_type: str) -> bool:
        now = self._clock()
        if not is_closed(day, now):
            return False
        query = f"SELECT count(), toUnixTimestamp(max(created_at)) FROM {HOT}.{data_type} WHERE {partitions([day])}"
        rows, newest = (await self._warehouse.rows(query))[0]
        return not rows or now.timestamp() - int(newest) >= self._settings.days_quiet_s

    async def _daily(self, job: str, day: date, work: Callable[[date], Awaitable[bool]]) -> None:
        if self._finished.get(job) != day and self._may(job, day) and await work(day):
            self._finished[job] = day

    async def _verify(self, day: date) -> bool:
        done, answer = await self._job("verify", day, ["buckets", "verify", "--day", str(day), "--json"], _compared)
        if not done:
            return False
        differences = answer.lines[0]["differences"]
        metrics.VERIFY_MISMATCHES.set(len(differences))
        metrics.VERIFIED_DAY.set(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        for line in differences:
            logger.error("recomputed buckets differ from those stored", extra={"day": str(day), "difference": line})
        return True

    async def _archive(self, day: date) -> bool:
        arguments = ["archive", "--json", "--quiet", str(self._settings.days_quiet_s)]
        wanted = [*arguments, "--drop"] if self._settings.archive_drop else arguments
        done, answer = await self._job("archive", day, wanted)
        for line in answer.lines:  # also when some table-days failed: the others are done
            if line["state"] in ("archived", "dropped"):
                metrics.TABLE_DAYS.labels(line["data_type"], line["state"]).inc()
        return done

    async def _calibrate(self, day: date) -> bool:
        arguments = ["calibrate", "--days", str(self._settings.calibrate_days), "--json"]
        done, _ = await self._job("calibrate", day, arguments)
        return done

    def _may(self, job: str, day: date, table: str = "") -> bool:
        waits = self._not_before.get((job, day, table), datetime.min.replace(tzinfo=UTC)) - self._clock()
        return not timedelta(0) < waits <= timedelta(seconds=_RETRY_S)  # longer: the clock has been put back

    async def _job(
        self, job: str, day: date, arguments: list[str], good: Callable[[Answer], bool] = _succeeded, table: str = ""
    ) -> tuple[bool, Answer]:
        """Whether the command did it, and what it said. One that failed is left alone for a while, on that day (and
        table)."""
        answer = await self._run(arguments)
        done = good(answer)
        metrics.DAY_JOBS.labels(job, "done" if done else "failed").inc()
        if done:
            self._not_before.pop((job, day, table), None)
            logger.info("job on days done", extra={"job": job, "arguments": " ".join(arguments)})
        else:
            self._not_before[job, day, table] = self._clock() + timedelta(seconds=_RETRY_S)
            logger.warning("a job on days failed", extra={"job": job, "day": str(day), "exit_code": answer.code})
        return done, answer


def start(keeper: DayKeeper) -> asyncio.Task[None]:
    """Run it beside the workers; what it did not expect is told at once."""

    def told(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            logger.error("days are not looked after for a minute", exc_info=task.exception())

    task = asyncio.create_task(keeper.run())
    task.add_done_callback(told)
    return task


async def end(keeper: asyncio.Task[None]) -> None:
    """Cancel the keeper and what it runs."""
    await end_tasks([keeper])
