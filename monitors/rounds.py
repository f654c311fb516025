"""A round: work over one ClickHouse connection of its own, again and again, that outlives whatever is down.

Each has its own connection and task, so that a slow audit never delays the health check.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
from clickhouse_connect.driver.exceptions import ClickHouseError
from nats.errors import Error as NatsError
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

from marketprism.clickhouse import connect_async
from marketprism.errors import MarketPrismError
from marketprism.settings import ClickHouseSettings

log = logging.getLogger(__name__)

DOWN: Final = (MarketPrismError, ClickHouseError, aiohttp.ClientError, NatsError, OSError)
"""Everything that an absent or broken server makes a look raise."""


def one_line(error: BaseException) -> str:
    """The text of an error, short enough for a log line."""
    return " ".join(str(error).split())[:300] or type(error).__name__


class RoundMetrics:
    """When each round last succeeded, how long it took, and how often it failed."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        prefix, labels = "marketprism_monitor_round", ("round",)
        self.succeeded = Gauge(
            f"{prefix}_success_timestamp_seconds",
            "when a round of the monitors last succeeded, their start until it has",
            labels,
            registry=registry,
        )
        self.seconds = Gauge(f"{prefix}_duration_seconds", "time of its last run", labels, registry=registry)
        self.failures = Counter(f"{prefix}_failures", "runs that failed", labels, registry=registry)

    def announce(self, name: str) -> None:
        """A round is late from its start on: without a time nothing would grow old for one that never succeeds."""
        self.failures.labels(name).inc(0)
        self.succeeded.labels(name).set(time.time())


class Round:
    """``work(client)`` every ``every_s`` seconds until ``stop`` is set; one that takes ``timeout_s`` has failed."""

    def __init__(
        self,
        name: str,
        every_s: float,
        work: Callable[[Any], Awaitable[None]],
        clickhouse: ClickHouseSettings,
        metrics: RoundMetrics,
        timeout_s: float = 120.0,
    ) -> None:
        self.name = name
        self.problem = "not run yet"
        self._every_s = every_s
        self._work = work
        self._settings = clickhouse
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._client: Any = None

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop``; then the connection is closed."""
        self._metrics.announce(self.name)
        try:
            while not stop.is_set():
                began = time.monotonic()
                await self.once()
                rest = max(0.05, self._every_s - (time.monotonic() - began))
                try:
                    await asyncio.wait_for(stop.wait(), rest)
                except TimeoutError:
                    continue
        finally:
            await self._close()

    async def once(self) -> None:
        """One run. What is down is told once, and the next run makes a new connection."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                if self._client is None:
                    self._client = await connect_async(self._settings)
                await self._work(self._client)
        except DOWN as error:
            await self._close()
            self._metrics.failures.labels(self.name).inc()
            text = one_line(error)
            if text != self.problem:
                log.warning("%s: %s", self.name, text)
            self.problem = text
        else:
            if self.problem:
                log.info("%s: runs are fine", self.name)
            self.problem = ""
            self._metrics.succeeded.labels(self.name).set(time.time())
        self._metrics.seconds.labels(self.name).set(time.monotonic() - began)

    async def _close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()
