"""The parts of a run and their order: NATS and ClickHouse, the schema, storage, monitors, and last the collector.

Stopping goes the other way: the collector flushes first, what it published is stored, then the servers end: all
within ten seconds.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from marketprism.clickhouse import connect
from marketprism.embedded.nats import STORE_FAILED, jetstream_answers, prepare
from marketprism.errors import MarketPrismError
from marketprism.migrate import migrate
from marketprism.settings import (
    AppSettings,
    ClickHouseSettings,
    CollectorSettings,
    EmbeddedSettings,
    MonitorSettings,
    NatsSettings,
    StorageSettings,
    WebSettings,
)
from marketprism.status import connect_nats, stream_states
from marketprism.supervisor.child import Notify, Part
from marketprism.supervisor.directory import DataDirectory, Holder
from marketprism.supervisor.health import http_health
from marketprism.supervisor.ports import Ports, any_ports, configured_ports
from marketprism.supervisor.supervise import Supervisor

STOP_S: Final = 9.5
"""From the signal to the end of the last process: a person is promised ten seconds."""
DRAIN_S: Final = 2.0
"""How long a stop waits for the storage service to catch up; JetStream keeps the rest for the next start."""
_DRAIN_POLL_S: Final = 0.05
_LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Plan:
    """Where everything of one run is. ``embedded_*`` is false when a URL setting points at a server elsewhere."""

    command: str
    ports: Ports
    clickhouse_url: str
    nats_url: str
    embedded_clickhouse: bool
    embedded_nats: bool

    @property
    def services(self) -> dict[str, str]:
        """Name → base URL of the health door of each service."""
        return {
            "collector": f"http://{_LOOPBACK}:{self.ports.collector}",
            "storage": f"http://{_LOOPBACK}:{self.ports.storage}",
            "monitors": f"http://{_LOOPBACK}:{self.ports.monitor}",
        }

    @property
    def page_url(self) -> str:
        """Where a browser on this machine finds the page."""
        host = WebSettings().host
        return f"http://{_LOOPBACK if host in ('0.0.0.0', '::') else host}:{self.ports.web}"


def plan_run(command: str, *, any_port: bool) -> Plan:
    """Read the settings and choose ports: the configured ones, or free ones for a run of its own.

    A run on free ports is its own world: URLs of the settings do not apply to it. Raises PortInUse.
    """
    embedded, clickhouse, nats = EmbeddedSettings(), ClickHouseSettings(), NatsSettings()
    starts_clickhouse = any_port or "url" not in clickhouse.model_fields_set
    starts_nats = any_port or "url" not in nats.model_fields_set
    ports = (
        any_ports()
        if any_port
        else configured_ports(
            embedded,
            CollectorSettings(),
            StorageSettings(),
            MonitorSettings(),
            WebSettings(),
            starts_clickhouse=starts_clickhouse,
            starts_nats=starts_nats,
        )
    )
    host = _LOOPBACK if embedded.host in ("0.0.0.0", "::") else embedded.host
    return Plan(
        command=command,
        ports=ports,
        clickhouse_url=f"http://{host}:{ports.clickhouse}" if starts_clickhouse else clickhouse.url,
        nats_url=f"nats://{host}:{ports.nats}" if starts_nats else nats.url,
        embedded_clickhouse=starts_clickhouse,
        embedded_nats=starts_nats,
    )


class Stack:
    """One run of the embedded default in a data directory that we hold."""

    def __init__(self, plan: Plan, directory: DataDirectory, notify: Notify) -> None:
        self.plan = plan
        self.directory = directory
        self.notify = notify
        self.supervisor = Supervisor(directory.logs, notify)
        self._embedded = EmbeddedSettings()
        self.clickhouse = ClickHouseSettings(url=plan.clickhouse_url)
        if plan.embedded_clickhouse:
            self.clickhouse = ClickHouseSettings(
                url=plan.clickhouse_url, user="default", password=self._embedded.password
            )
        self.nats = NatsSettings(url=plan.nats_url)

    def environment(self) -> dict[str, str]:
        """What every child gets, so that all mean the same servers, ports and directory."""
        ports = self.plan.ports
        return {
            "MARKETPRISM_DATA_DIR": str(self.directory.path),
            "MARKETPRISM_LOG_LEVEL": AppSettings().log_level,
            "MARKETPRISM_CLICKHOUSE_URL": self.clickhouse.url,
            "MARKETPRISM_CLICKHOUSE_USER": self.clickhouse.user,
            "MARKETPRISM_CLICKHOUSE_PASSWORD": self.clickhouse.password.get_secret_value(),
            "MARKETPRISM_NATS_URL": self.nats.url,
            "MARKETPRISM_EMBEDDED_CLICKHOUSE_PORT": str(ports.clickhouse),
            "MARKETPRISM_EMBEDDED_NATS_PORT": str(ports.nats),
            "MARKETPRISM_COLLECTOR_METRICS_PORT": str(ports.collector),
            "MARKETPRISM_STORAGE_METRICS_PORT": str(ports.storage),
            "MARKETPRISM_MONITOR_METRICS_PORT": str(ports.monitor),
            "MARKETPRISM_WEB_PORT": str(ports.web),
            **self._page_user(),
            "MARKETPRISM_MONITOR_COLLECTOR_URL": self.plan.services["collector"],
            "MARKETPRISM_MONITOR_STORAGE_URL": self.plan.services["storage"],
        }

    def _page_user(self) -> dict[str, str]:
        """The page reads an embedded server as its read-only user; another server's is in the settings."""
        if not self.plan.embedded_clickhouse:
            return {}
        return {
            "MARKETPRISM_WEB_CLICKHOUSE_USER": self._embedded.readonly_user,
            "MARKETPRISM_WEB_CLICKHOUSE_PASSWORD": self._embedded.readonly_password.get_secret_value(),
        }

    def _python(self, name: str, module: str, health: str, environment: Mapping[str, str] | None = None) -> Part:
        return Part(
            name,
            (sys.executable, "-m", module),
            http_health(health),
            {**self.environment(), **(environment or {})},
        )

    async def start_servers(self, *, views_stand_still: bool = False) -> None:
        """NATS and ClickHouse side by side, then the schema. Views refresh themselves as the settings say, or not."""
        starting = []
        if self.plan.embedded_nats:
            starting.append(self.supervisor.start(self._nats_part()))
        if self.plan.embedded_clickhouse:
            own = {"MARKETPRISM_EMBEDDED_REFRESH_VIEWS": "false"} if views_stand_still else {}
            part = self._python("clickhouse", "marketprism.embedded", f"{self.clickhouse.url}/ping", own)
            starting.append(self.supervisor.start(part))
        for done in await asyncio.gather(*starting, return_exceptions=True):
            if isinstance(done, BaseException):
                raise done
        if applied := await asyncio.to_thread(self._migrate):
            self.notify(f"schema: {len(applied)} migrations applied")

    def _migrate(self) -> list[str]:
        client = connect(self.clickhouse)
        try:
            return migrate(client)
        finally:
            client.close()

    def _nats_part(self) -> Part:
        port = self.plan.ports.nats
        host = _LOOPBACK if self._embedded.host == "0.0.0.0" else self._embedded.host
        command = prepare(self.directory.nats, port=port, embedded=self._embedded, settings=self.nats)

        async def healthy() -> bool:
            return await jetstream_answers(host, port)

        return Part("nats", tuple(command), healthy, stop_timeout_s=2.0, unfit=STORE_FAILED)

    async def start_services(self) -> None:
        """Storage, monitors and the page; the collector comes when its source is known."""
        services = self.plan.services
        await asyncio.gather(
            self.supervisor.start(self._python("storage", "storage_service", f"{services['storage']}/health")),
            self.supervisor.start(self._python("monitors", "monitors", f"{services['monitors']}/health")),
            self.supervisor.start(self._python("web", "monitors.web", f"{self.plan.page_url}/health")),
        )

    async def start_collector(self, environment: Mapping[str, str]) -> None:
        """``environment``: where the exchanges are; empty for the real ones."""
        url = f"{self.plan.services['collector']}/health"
        await self.supervisor.start(self._python("collector", "collector", url, environment))

    def publish(self, source: str) -> None:
        """Tell other commands, through the lock file, where this run listens."""
        services = self.plan.services
        self.directory.publish(
            Holder(
                pid=os.getpid(),
                command=self.plan.command,
                clickhouse_url=self.clickhouse.url,
                nats_url=self.nats.url,
                collector_url=services["collector"],
                storage_url=services["storage"],
                monitor_url=services["monitors"],
                page_url=self.plan.page_url,
                source=source,
            )
        )

    async def drained(self, timeout_s: float) -> bool:
        """Wait until everything published is stored and acknowledged. False when time is over first."""
        deadline = time.monotonic() + timeout_s
        try:
            client = await connect_nats(self.nats)
        except MarketPrismError:
            return False
        try:
            while any(state.pending for state in await stream_states(client, self.nats)):
                if time.monotonic() > deadline:
                    return False
                await asyncio.sleep(_DRAIN_POLL_S)
        finally:
            await client.close()
        return True

    async def stop(self) -> bool:
        """Stop all in order, nothing lost. True when every part ended by itself in time.

        One budget for all: who needs less leaves more to those after it, and the servers' share is kept for them.
        """
        deadline = time.monotonic() + STOP_S

        def left(for_others_s: float) -> float:
            return max(0.5, deadline - time.monotonic() - for_others_s)

        clean = await self.supervisor.stop(["collector"], left(4.5))
        clean = await self.supervisor.stop(["simulator"], left(4.0)) and clean
        running = {state.name for state in self.supervisor.states() if state.running}
        if {"nats", "storage", "clickhouse"} <= running and not await self.drained(min(DRAIN_S, left(3.5))):
            self.notify("storage has not caught up; NATS keeps the rest, and the next start stores it")
        clean = await self.supervisor.stop(["storage", "monitors", "web"], left(2.0)) and clean
        return await self.supervisor.stop(["clickhouse", "nats"], left(0.0)) and clean
