"""The storage service: a worker per data type and partition, until told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Sequence
from typing import Any, Final

import nats
from nats.aio.client import Client
from nats.errors import ConnectionClosedError, NoRespondersError, NoServersError
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import ServiceUnavailableError

from marketprism.errors import NatsUnreachable, StoreHalted
from marketprism.events import ROW_TYPES
from marketprism.logs import configure_logging
from marketprism.metrics import serve_health
from marketprism.settings import ClickHouseSettings, NatsSettings, StorageSettings
from marketprism.streams import ensure_streams
from marketprism.subjects import POSITIONS_BUCKET
from storage_service.buckets.freeze import Freezer
from storage_service.buckets.resolve import Defaults
from storage_service.clickhouse_io import Warehouse
from storage_service.position import Positions
from storage_service.worker import Worker

logger = logging.getLogger(__name__)

_AWAY: Final = (NoServersError, NoRespondersError, ConnectionClosedError, ServiceUnavailableError)


async def connect_nats(settings: NatsSettings, name: str = "storage") -> Client:
    """A connection that reconnects for ever. Raises NatsUnreachable when the first attempt fails."""
    options: dict[str, Any] = {}
    if settings.user:
        options = {"user": settings.user, "password": settings.password.get_secret_value()}

    async def on_error(error: Exception) -> None:
        logger.debug("nats: %s", error)

    try:
        return await nats.connect(
            settings.url,
            name=name,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.5,
            allow_reconnect=True,
            connect_timeout=3,
            error_cb=on_error,
            **options,
        )
    except (NatsError, OSError, TimeoutError) as error:
        raise NatsUnreachable.of(settings.url, error) from error


class StorageService:
    """Connections and workers of one process. Settings are given, not read, so that tests can run it in process."""

    def __init__(
        self,
        clickhouse: ClickHouseSettings,
        nats_settings: NatsSettings,
        settings: StorageSettings,
        data_types: Sequence[str] = tuple(ROW_TYPES),
    ) -> None:
        self._nats, self._settings = nats_settings, settings
        self._data_types = data_types
        self._warehouse = Warehouse(clickhouse)
        self._connections: list[Client] = []
        self.stop = asyncio.Event()
        self.workers: list[Worker] = []

    async def run(self) -> None:
        """Store until ``stop`` is set. Raises NatsUnreachable at the start, StoreHalted at the end."""
        try:
            await self._make_workers()
        except (*_AWAY, TimeoutError) as error:
            raise NatsUnreachable.of(self._nats.url, error) from error
        results = await asyncio.gather(*(worker.run() for worker in self.workers), return_exceptions=True)
        await self._close()
        halted = [result for result in results if isinstance(result, BaseException)]
        if halted:
            raise halted[0]

    async def _make_workers(self) -> None:
        defaults = Defaults(self._settings.default_q_notional, self._settings.default_t_max_ms)
        freezer = Freezer(self._warehouse, defaults)
        _, js = await self._connect("storage")
        await ensure_streams(js, self._nats)
        for data_type in self._data_types:
            for partition in range(self._nats.partitions):
                # A connection each: the server cuts off one with 64 MB unsent, whoever is slow on it.
                nc, js = await self._connect(f"storage {data_type} {partition}")
                positions = Positions(await js.key_value(POSITIONS_BUCKET))
                self.workers.append(
                    Worker(data_type, partition, nc, js, self._warehouse, positions, freezer, self._settings, self.stop)
                )

    async def _connect(self, name: str) -> tuple[Client, JetStreamContext]:
        nc = await connect_nats(self._nats, name)
        self._connections.append(nc)
        return nc, nc.jetstream(timeout=5)

    async def _close(self) -> None:
        for nc in self._connections:
            await nc.close()
        await self._warehouse.close()

    def state(self) -> dict[str, object]:
        """What ``/ready`` says."""
        halted = {f"{w.data_type}.{w.partition}": w.halted for w in self.workers if w.halted}
        return {"ready": bool(self.workers) and not halted, "workers": len(self.workers), "halted": halted}


async def run() -> None:
    """Entry point: settings from the environment; SIGTERM and SIGINT finish the batch in flight."""
    configure_logging("storage")
    settings = StorageSettings()
    service = StorageService(ClickHouseSettings(), NatsSettings(), settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stop.set)
    door = await serve_health(settings.metrics_port, ready=service.state)
    try:
        await service.run()
    except StoreHalted:
        logger.error("stopped with halted workers")
        raise
    finally:
        await door.close()
