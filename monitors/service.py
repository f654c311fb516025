"""The monitors' process: look on a clock, tell what was seen, and never die of what is down."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable
from typing import Any

import aiohttp
from aiohttp import web
from clickhouse_connect.driver.exceptions import ClickHouseError
from nats.errors import Error as NatsError

from marketprism.clickhouse import connect_async
from marketprism.errors import MarketPrismError
from marketprism.metrics import serve_health
from marketprism.settings import ClickHouseSettings, MonitorSettings, NatsSettings
from marketprism.status import StatusReader, connect_nats, status_json, stream_states
from monitors import looks
from monitors.gauges import Gauges

log = logging.getLogger(__name__)

_DOWN = (MarketPrismError, ClickHouseError, aiohttp.ClientError, NatsError, OSError)
"""Everything that an absent or broken server makes a look raise."""


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

    def ready(self) -> dict[str, object]:
        """Ready when the last look at both succeeded."""
        return {
            "ready": not self._problems,
            "problems": dict(self._problems),
            "last_look_s": self._last_look_s,
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
            await look
        except _DOWN as error:
            text = " ".join(str(error).split())[:300] or type(error).__name__
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
            self._gauges.set_newest(await looks.newest(self._clickhouse))
            self._gauges.set_buckets(await looks.buckets(self._clickhouse, limit))
            self._gauges.set_features(await looks.features(self._clickhouse, limit))
        except _DOWN:
            await self.close()
            raise

    async def _look_at_nats(self) -> None:
        client = await connect_nats(self._nats_settings)
        try:
            self._gauges.set_streams(await stream_states(client, self._nats_settings))
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


async def run() -> None:
    """Serve /metrics, /health, /ready and /status until SIGTERM or SIGINT. Raises PortInUse."""
    settings, clickhouse, nats = MonitorSettings(), ClickHouseSettings(), NatsSettings()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    monitor = Monitor(settings, clickhouse, nats, Gauges())
    services = {"collector": settings.collector_url, "storage": settings.storage_url}
    async with StatusReader(clickhouse, nats, services) as reader:
        door = await serve_health(
            settings.metrics_port,
            ready=monitor.ready,
            what="monitor metrics",
            setting="MARKETPRISM_MONITOR_METRICS_PORT",
            routes=[_status_route(reader)],
        )
        log.info("monitors on port %d, a look every %g s", door.port, settings.interval_s)
        try:
            await _look_until(stop, monitor, settings.interval_s)
        finally:
            await monitor.close()
            await door.close()


async def _look_until(stop: asyncio.Event, monitor: Monitor, interval_s: float) -> None:
    while not stop.is_set():
        await monitor.look()
        try:
            await asyncio.wait_for(stop.wait(), interval_s)
        except TimeoutError:
            continue
