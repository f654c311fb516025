"""The monitors' process: look on a clock, tell what was seen, and never die of what is down."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import time
from collections.abc import Awaitable
from typing import Any

from aiohttp import web

from marketprism.clickhouse import connect_async
from marketprism.metrics import serve_health
from marketprism.settings import ClickHouseSettings, MonitorSettings, NatsSettings
from marketprism.status import StatusReader, connect_nats, status_json, stream_states
from marketprism.tasks import end_tasks
from monitors import looks
from monitors.audits import AuditClock, AuditResult, load_audits, run_audit
from monitors.drift.gauges import DriftGauges
from monitors.gauges import Gauges
from monitors.quality_gauges import QualityGauges
from monitors.quality_round import look_at_quality
from monitors.rounds import DOWN, Round, RoundMetrics, one_line
from monitors.serving.checker import HealthCheck
from monitors.serving.gauges import ServingGauges
from monitors.serving.machine import Limits

log = logging.getLogger(__name__)

_AUDIT_POLL_S = 1.0


class Monitor:
    """One look after another at ClickHouse and NATS. ``ready()`` is what /ready says."""

    def __init__(self, settings: MonitorSettings, clickhouse: ClickHouseSettings, nats: NatsSettings, gauges: Gauges):
        self._settings = settings
        self._clickhouse_settings = clickhouse
        self._nats_settings = nats
        self._gauges = gauges
        self._clickhouse: Any = None
        self._problems: dict[str, str] = {"clickhouse": "not looked yet", "nats": "not looked yet"}
        self._last_look_s = 0.0
        self._newest: dict[str, float] = {}

    def ready(self) -> dict[str, object]:
        """Ready when the last look at both succeeded; ``age_s``: of the newest stored row of each type and venue."""
        return {
            "ready": not self._problems,
            "problems": dict(self._problems),
            "last_look_s": self._last_look_s,
            "age_s": {name: round(time.time() - at, 3) for name, at in sorted(self._newest.items())},
        }

    async def look(self) -> None:
        """Once, at everything."""
        began = time.monotonic()
        await self._target("clickhouse", self._look_at_clickhouse())
        await self._target("nats", self._look_at_nats())
        self._last_look_s = time.time()
        self._gauges.look_duration.observe(time.monotonic() - began)

    async def _target(self, name: str, look: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._settings.look_timeout_s):  # a server that hangs does not answer
                await look
        except DOWN as error:
            text = one_line(error)
            if self._problems.get(name) != text:
                log.warning("%s: %s", name, text)
            self._problems[name] = text
            self._gauges.up.labels(name).set(0)
        else:
            if self._problems.pop(name, None):
                log.info("%s: looks are fine", name)
            self._gauges.up.labels(name).set(1)

    async def _look_at_clickhouse(self) -> None:
        limit = self._settings.max_symbols
        if self._clickhouse is None:
            self._clickhouse = await connect_async(self._clickhouse_settings)
        try:
            self._gauges.set_tables(await looks.tables(self._clickhouse))
            newest = await looks.newest(self._clickhouse)
            self._newest |= {f"{row.data_type}.{row.exchange}.{row.market_type}": row.timestamp_s for row in newest}
            for gone in self._gauges.set_newest(newest):
                self._newest.pop(".".join(gone), None)
            self._gauges.set_buckets(await looks.buckets(self._clickhouse, limit))
            self._gauges.set_features(await looks.features(self._clickhouse, limit))
        except (*DOWN, asyncio.CancelledError):  # cancelled: it took too long
            await self.close()
            raise

    async def _look_at_nats(self) -> None:
        client = await connect_nats(self._nats_settings)
        try:
            states = await stream_states(client, self._nats_settings)
            self._gauges.set_streams(states, self._nats_settings.stream_max_bytes)
        finally:
            await client.close()

    async def close(self) -> None:
        """Give up the connection; the next look makes a new one."""
        if self._clickhouse is not None:
            client, self._clickhouse = self._clickhouse, None
            await client.close()


def _status_route(reader: StatusReader) -> web.RouteDef:
    lock = asyncio.Lock()  # the reader's connections serve one look at a time

    async def answer(_: web.Request) -> web.Response:
        async with lock:
            return web.Response(text=status_json(await reader.read()), content_type="application/json")

    return web.get("/status", answer)


class Audits:
    """The audits on their clock, and what each found last."""

    def __init__(self, gauges: QualityGauges) -> None:
        audits = load_audits()
        self._clock = AuditClock(audits)
        self._gauges = gauges
        self.results: dict[str, AuditResult] = {}
        gauges.announce(audits)

    async def __call__(self, client: Any) -> None:
        """Run those that are due, one after the other."""
        for audit in self._clock.due():
            try:
                result = await run_audit(client, audit)
            except DOWN:
                self._clock.missed(audit)
                raise
            before = self.results.get(audit.name)
            self.results[audit.name] = result
            self._gauges.set_audit(result)
            if result.error:
                log.warning("audit %s could not run: %s", audit.name, result.error)
            elif result.rows and (before is None or len(before.rows) != len(result.rows)):
                log.warning("audit %s: %d rows; first %s", audit.name, len(result.rows), result.rows[0])

    def route(self) -> web.RouteDef:
        """``/audits``: the last result of each as JSON."""

        async def answer(_: web.Request) -> web.Response:
            told = [result.told() for _, result in sorted(self.results.items())]
            return web.Response(text=json.dumps(told, default=str), content_type="application/json")

        return web.get("/audits", answer)


def _rounds(
    settings: MonitorSettings, clickhouse: ClickHouseSettings, gauges: QualityGauges, audits: Audits
) -> list[Round]:
    """What runs beside the quick look, each over its own connection."""
    metrics = RoundMetrics()
    limits = Limits(settings.degrade_stale_s, settings.degrade_slow_s, settings.recover_buckets)

    drift = DriftGauges()

    async def quality(client: Any) -> None:
        await look_at_quality(client, gauges, drift, settings.max_symbols)

    return [
        Round(
            "health check", settings.health_interval_s, HealthCheck(limits, ServingGauges()), clickhouse, metrics, 10.0
        ),
        Round("quality", settings.quality_interval_s, quality, clickhouse, metrics),
        Round("audits", _AUDIT_POLL_S, audits, clickhouse, metrics),
    ]


async def run() -> None:
    """Serve /metrics, /health, /ready, /status and /audits until SIGTERM or SIGINT. Raises PortInUse."""
    settings, clickhouse, nats = MonitorSettings(), ClickHouseSettings(), NatsSettings()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    monitor = Monitor(settings, clickhouse, nats, Gauges())
    quality = QualityGauges()
    audits = Audits(quality)
    services = {"collector": settings.collector_url, "storage": settings.storage_url}
    async with StatusReader(clickhouse, nats, services) as reader:
        door = await serve_health(
            settings.metrics_port,
            ready=monitor.ready,
            what="monitor metrics",
            setting="MARKETPRISM_MONITOR_METRICS_PORT",
            routes=[_status_route(reader), audits.route()],
        )
        log.info("monitors on port %d, a look every %g s", door.port, settings.interval_s)
        rounds = [asyncio.create_task(each.run(stop)) for each in _rounds(settings, clickhouse, quality, audits)]
        try:
            await _look_until(stop, monitor, settings.interval_s, rounds)
        finally:
            stop.set()
            _, late = await asyncio.wait(rounds, timeout=2)
            await end_tasks(late)
            await monitor.close()
            await door.close()


async def _look_until(
    stop: asyncio.Event, monitor: Monitor, interval_s: float, rounds: list[asyncio.Task[None]]
) -> None:
    """A round ends only by a defect of ours: then the service ends too, and says why."""
    while not stop.is_set():
        await monitor.look()
        for task in rounds:
            if task.done():
                task.result()
        try:
            await asyncio.wait_for(stop.wait(), interval_s)
        except TimeoutError:
            continue
