"""The storage service: a worker per data type and owned partition, until told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import nats
from nats.aio.client import Client
from nats.errors import ConnectionClosedError, NoRespondersError, NoServersError
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import ServiceUnavailableError

from marketprism.errors import NatsUnreachable, SettingsError, StoreHalted
from marketprism.events import ROW_TYPES
from marketprism.logs import configure_logging
from marketprism.metrics import serve_health
from marketprism.settings import ClickHouseSettings, NatsSettings, StorageSettings
from marketprism.streams import ensure_streams
from marketprism.subjects import POSITIONS_BUCKET, partition_of
from marketprism.tasks import end_tasks
from storage_service import metrics
from storage_service.buckets.freeze import Freezer
from storage_service.buckets.resolve import Defaults
from storage_service.clickhouse_io import ClickHouseAway, InsertRefused, Warehouse
from storage_service.crew import Group, wait_for
from storage_service.days.keeper import DayKeeper, command_runner, end, start
from storage_service.days.queue import RebuildQueue
from storage_service.lease import Lease
from storage_service.ownership import BEATS_PER_LEASE, Ownership
from storage_service.position import Positions
from storage_service.pressure import watch_disk
from storage_service.registry import parse_partitions
from storage_service.worker import Worker

logger = logging.getLogger(__name__)

_KEEPER_AGAIN_S: Final = 60.0
_AWAY: Final = (NoServersError, NoRespondersError, ConnectionClosedError, ServiceUnavailableError)


async def connect_nats(settings: NatsSettings, name: str = "storage") -> Client:
    """A connection that reconnects for ever. Raises NatsUnreachable when the first attempt fails."""
    options: dict[str, Any] = {}
    if settings.user:
        options = {"user": settings.user, "password": settings.password.get_secret_value()}
    causes: list[Exception] = []

    async def on_error(error: Exception) -> None:
        if not causes:  # connect() itself only says that no server is left
            causes.append(error)
        logger.debug("nats: %s", error)

    try:
        client: Client = await nats.connect(
            settings.servers,
            name=name,
            max_reconnect_attempts=1,
            reconnect_time_wait=0.5,
            allow_reconnect=True,
            connect_timeout=3,
            error_cb=on_error,
            **options,
        )
    except (NatsError, OSError, TimeoutError) as error:
        raise NatsUnreachable.of(settings.url, causes[0] if causes else error) from error
    # said to connect() it would hold for the first attempt too: for ever, without a word, and deaf to SIGTERM
    client.options["max_reconnect_attempts"] = -1
    return client


def _in(partitions: frozenset[int], count: int, symbol: tuple[str, str, str]) -> bool:
    exchange, market_type, name = symbol
    return not partitions or partition_of(exchange, market_type, name, count) in partitions


class StorageService:
    """Connections and workers of one process. Settings are given, not read, so that tests can run it in process."""

    def __init__(
        self,
        clickhouse: ClickHouseSettings,
        nats_settings: NatsSettings,
        settings: StorageSettings,
        data_types: Sequence[str] = tuple(ROW_TYPES),
    ) -> None:
        self._clickhouse, self._nats, self._settings = clickhouse, nats_settings, settings
        self._data_types = data_types
        self._lease = Lease()
        self._warehouse = Warehouse(clickhouse, self._lease)
        self._freezer = Freezer(self._warehouse, Defaults(settings.default_q_notional, settings.default_t_max_ms))
        self._connections: list[Client] = []
        self._groups: dict[int, Group] = {}
        self._halted: list[BaseException] = []
        self._keeper: asyncio.Task[None] | None = None
        self._keeper_after = 0.0
        self.stop = asyncio.Event()
        try:
            self._fixed = parse_partitions(settings.partitions, nats_settings.partitions)
        except ValueError as error:
            raise SettingsError(f"{error}; set MARKETPRISM_STORAGE_PARTITIONS or --partitions") from error

    @property
    def workers(self) -> list[Worker]:
        """Those of every partition that is owned now."""
        return [worker for group in self._groups.values() for worker in group.workers]

    async def run(self) -> None:
        """Store until ``stop`` is set. Raises NatsUnreachable at the start, StoreHalted at the end."""
        try:
            ownership = await self._join()
        except (*_AWAY, TimeoutError) as error:
            raise NatsUnreachable.of(self._nats.url, error) from error
        watch = asyncio.create_task(watch_disk(self._warehouse, self._settings, self.stop))
        try:
            await self._own(ownership)
            halted = await self._end_all(ownership)
        finally:
            await end_tasks([watch])
            await self._close()
        if halted:
            raise halted[0]

    async def _join(self) -> Ownership:
        _, js = await self._connect("storage")
        await ensure_streams(js, self._nats)
        ownership = Ownership(
            await js.key_value(POSITIONS_BUCKET),
            self._lease,
            partitions=self._nats.partitions,
            lease_s=self._settings.lease_s,
            fixed=self._fixed,
        )
        await ownership.beat()
        return ownership

    async def _own(self, ownership: Ownership) -> None:
        """Beat; start workers of what became ours, end those of what should not be or is no longer."""
        pause = self._settings.lease_s / BEATS_PER_LEASE
        while not self.stop.is_set():
            await self._start_missing(ownership.owned - ownership.surplus)
            for partition in ownership.surplus & self._groups.keys():
                self._groups[partition].stop.set()
            for partition in self._groups.keys() - ownership.owned:
                await self._groups.pop(partition).abandon()
            try:
                await self._keep_days()
            except (NatsUnreachable, NatsError, OSError, TimeoutError) as error:
                logger.warning("days are not looked after yet, trying again", extra={"error": error})
            await wait_for(self.stop, pause)
            ended = {p for p, group in self._groups.items() if group.stop.is_set() and group.task.done()}
            try:
                await ownership.beat(ended | (ownership.owned - self._groups.keys()))
            except (NatsError, OSError, TimeoutError) as error:
                logger.warning("no beat: the lease runs out unless NATS comes back", extra={"error": error})
            for partition in ended:  # what is ours again meanwhile starts again
                self._halted += await self._groups.pop(partition).end()
            try:
                await asyncio.wait_for(self._warehouse.read_clock(), pause)
            except (ClickHouseAway, InsertRefused, TimeoutError) as error:
                logger.debug("ClickHouse's clock is not known: %s", error)

    async def _keep_days(self) -> None:
        """Of all processes the one with the first partition looks after the days; on a shard each after its own."""
        mine = frozenset(self._fixed or ()) if self._settings.days_of == "own" else frozenset()
        first = min(mine, default=0)
        if self._keeper is not None and self._keeper.done():  # by an error that it has told
            await self._end_keeper()
            self._keeper_after = time.monotonic() + _KEEPER_AGAIN_S
        if first in self._groups and self._keeper is None and time.monotonic() >= self._keeper_after:
            _, js = await self._connect("storage days")
            queue = await RebuildQueue.open(js)
            parts = (queue, self._warehouse, self._settings, command_runner(self._clickhouse))
            self._keeper = start(DayKeeper(*parts, owns=partial(_in, mine, self._nats.partitions)))
        elif first not in self._groups and self._keeper is not None:
            await self._end_keeper()

    async def _end_keeper(self) -> None:
        if self._keeper is not None:
            await end(self._keeper)
            self._keeper = None

    async def _start_missing(self, wanted: frozenset[int]) -> None:
        for partition in sorted(wanted - self._groups.keys()):
            group = Group()
            try:
                for data_type in self._data_types:
                    group.workers.append(await self._worker(group, data_type, partition))
            except (NatsUnreachable, NatsError, OSError, TimeoutError) as error:
                logger.warning("no workers yet, trying again", extra={"partition": partition, "error": error})
                await group.disconnect()
                return
            group.run()
            self._groups[partition] = group

    async def _worker(self, group: Group, data_type: str, partition: int) -> Worker:
        # A connection each: the server cuts off one with 64 MB unsent, whoever is slow on it.
        nc = await connect_nats(self._nats, f"storage {data_type} {partition}")
        group.connections.append(nc)
        js = nc.jetstream(timeout=5)
        positions = Positions(await js.key_value(POSITIONS_BUCKET))
        parts = (self._warehouse, positions, self._freezer, self._settings, group.stop, self._lease)
        return Worker(data_type, partition, nc, js, *parts, partitions=self._nats.partitions)

    async def _end_all(self, ownership: Ownership) -> list[BaseException]:
        """Every worker finishes its batch; then others may have the partitions at once."""
        await self._end_keeper()
        groups = [*self._groups.values()]
        for group in groups:
            group.stop.set()
        ended = await asyncio.gather(*(group.end() for group in groups))
        halted = self._halted + [error for errors in ended for error in errors]
        try:
            await asyncio.wait_for(ownership.leave(), 2)
        except (NatsError, OSError, TimeoutError) as error:
            logger.warning("left without saying so: others wait for the lease", extra={"error": error})
        return halted

    async def _connect(self, name: str) -> tuple[Client, JetStreamContext]:
        nc = await connect_nats(self._nats, name)
        self._connections.append(nc)
        return nc, nc.jetstream(timeout=5)

    async def _close(self) -> None:
        for group in self._groups.values():
            await group.disconnect()
        for nc in self._connections:
            await nc.close()
        await self._warehouse.close()

    def state(self) -> dict[str, object]:
        """What ``/ready`` says."""
        halted = {f"{w.data_type}.{w.partition}": w.halted for w in self.workers if w.halted}
        return {
            "ready": self._lease.left > 0 and not halted,
            "workers": len(self.workers),
            "partitions": sorted(self._groups),
            "halted": halted,
            "pressure": self._warehouse.pressure,
        }


async def run(partitions: str = "") -> None:
    """Entry point: settings from the environment; SIGTERM and SIGINT finish the batch in flight."""
    configure_logging("storage")
    settings = StorageSettings()
    if partitions:
        settings = settings.model_copy(update={"partitions": partitions})
    service = StorageService(ClickHouseSettings(), NatsSettings(), settings)
    metrics.announce(ROW_TYPES)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stop.set)
    door = await serve_health(
        settings.metrics_port, ready=service.state, what="storage", setting="MARKETPRISM_STORAGE_METRICS_PORT"
    )
    try:
        await service.run()
    except StoreHalted:
        logger.error("stopped with halted workers")
        raise
    finally:
        await door.close()
