"""What is going on: services, streams, tables and the newest feature values, read from where each is known.

Every piece may be down; what cannot be read is named in ``problems`` and the rest is still told. The
live table of ``marketprism up``, ``marketprism status`` and ``/status`` of the monitors show the same Status.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final, Self

import aiohttp
import msgspec
import nats
from clickhouse_connect.driver.exceptions import ClickHouseError
from nats.aio.client import Client as NatsClient
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from marketprism.clickhouse import FEATURES, HOT, connect_async
from marketprism.errors import MarketPrismError, NatsUnreachable
from marketprism.events import ROW_TYPES
from marketprism.settings import ClickHouseSettings, NatsSettings
from marketprism.subjects import durable_name, stream_name

RATE_WINDOW_S: Final = 10
_HTTP_TIMEOUT_S: Final = 2.0
_TABLES: Final = f"""
SELECT table, toUInt64(sum(rows)) AS rows FROM system.parts
WHERE active AND database = '{HOT}' GROUP BY table"""
_FLOW: Final = f"""
SELECT exchange, market_type, symbol,
       countIf(timestamp > now64(3) - INTERVAL {RATE_WINDOW_S} SECOND) / {RATE_WINDOW_S} AS trades_per_s,
       toUnixTimestamp64Milli(max(timestamp)) AS last_trade_ms
FROM {HOT}.trades WHERE timestamp > now64(3) - INTERVAL 1 MINUTE
GROUP BY exchange, market_type, symbol"""
_SERVING: Final = f"SELECT exchange, market_type, symbol, state, reason FROM {FEATURES}.serving_state"
_LATEST: Final = f"SELECT * FROM {FEATURES}.latest_features ORDER BY exchange, market_type, symbol"


class ServiceStatus(msgspec.Struct, kw_only=True):
    """One service: does it answer, is it ready, and what it says of itself."""

    up: bool
    ready: bool = False
    details: dict[str, Any] = {}


class StreamStatus(msgspec.Struct, kw_only=True):
    """One JetStream stream and how far the storage service is with it.

    ``pending``: messages not stored yet. ``lost``: messages that the stream's limits removed before they were stored.
    ``behind``: replicas of the stream that are offline or not up to date.
    """

    name: str
    data_type: str
    messages: int
    bytes: int
    last_sequence: int
    acked_sequence: int
    pending: int
    lost: int = 0
    behind: int = 0


class Status(msgspec.Struct, kw_only=True):
    """Everything. ``tables``: rows of each hot table; ``symbols``: rows of latest_features with the trade flow."""

    time_ms: int
    services: dict[str, ServiceStatus] = {}
    streams: list[StreamStatus] = []
    tables: dict[str, int] = {}
    rows_per_s: dict[str, float] = {}
    symbols: list[dict[str, Any]] = []
    problems: list[str] = []

    @property
    def pending(self) -> int:
        return sum(stream.pending for stream in self.streams)


async def stream_states(client: NatsClient, settings: NatsSettings) -> list[StreamStatus]:
    """Every stream that exists. Without its durable, all its messages are pending."""
    js = client.jetstream()
    states = []
    for data_type in ROW_TYPES:
        for partition in range(settings.partitions):
            name = stream_name(data_type, partition)
            try:
                info = await js.stream_info(name)
            except NotFoundError:
                continue
            acked, pending, lost = 0, info.state.messages, 0
            try:
                consumer = await js.consumer_info(name, durable_name(data_type, partition))
            except NotFoundError:
                pass
            else:
                acked = consumer.ack_floor.stream_seq if consumer.ack_floor else 0
                pending = (consumer.num_pending or 0) + (consumer.num_ack_pending or 0)
                lost = max(0, info.state.first_seq - acked - 1) if info.state.first_seq else 0
            copies = info.cluster.replicas if info.cluster and info.cluster.replicas else []
            states.append(
                StreamStatus(
                    name=name,
                    data_type=data_type,
                    messages=info.state.messages,
                    bytes=info.state.bytes,
                    last_sequence=info.state.last_seq,
                    acked_sequence=acked,
                    pending=pending,
                    lost=lost,
                    behind=sum(1 for copy in copies if copy.offline or not copy.current),
                )
            )
    return states


async def connect_nats(settings: NatsSettings) -> NatsClient:
    """A connection that tries once. Raises NatsUnreachable, whose text says what to do."""

    causes: list[Exception] = []

    async def remember(error: Exception) -> None:
        """connect() itself only says that no server is left."""
        causes.append(error)

    credentials = {"user": settings.user, "password": settings.password.get_secret_value()} if settings.user else {}
    try:
        # with the defaults nats-py goes on for two minutes before it admits that nobody listens
        return await nats.connect(
            settings.servers,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0.1,
            connect_timeout=2,
            error_cb=remember,
            **credentials,
        )
    except (NatsError, OSError) as error:
        raise NatsUnreachable.of(settings.url, causes[0] if causes else error) from error


class StatusReader:
    """``async with StatusReader(...) as reader: await reader.read()``, again and again over the same connections.

    ``services``: name → base URL of its health door.
    """

    def __init__(self, clickhouse: ClickHouseSettings, nats_settings: NatsSettings, services: Mapping[str, str]):
        self._clickhouse_settings = clickhouse
        self._nats_settings = nats_settings
        self._services = services
        self._clickhouse: Any = None
        self._nats: NatsClient | None = None
        self._before: tuple[float, dict[str, int]] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._clickhouse is not None:
            await self._clickhouse.close()
        if self._nats is not None:
            await self._nats.close()

    async def read(self) -> Status:
        """Look once, at everything side by side."""
        status = Status(time_ms=time.time_ns() // 1_000_000)
        await asyncio.gather(self._read_services(status), self._read_nats(status), self._read_clickhouse(status))
        return status

    async def _read_services(self, status: Status) -> None:
        timeout = aiohttp.ClientTimeout(total=_HTTP_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            found = await asyncio.gather(*(self._service(session, url) for url in self._services.values()))
        status.services = dict(zip(self._services, found, strict=True))
        status.problems += [f"{name} does not answer" for name, service in status.services.items() if not service.up]

    @staticmethod
    async def _service(session: aiohttp.ClientSession, url: str) -> ServiceStatus:
        try:
            async with session.get(f"{url}/ready") as response:
                return ServiceStatus(up=True, ready=response.status == 200, details=await response.json())
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return ServiceStatus(up=False)

    async def _read_nats(self, status: Status) -> None:
        try:
            if self._nats is None or not self._nats.is_connected:
                self._nats = await connect_nats(self._nats_settings)
            status.streams = await stream_states(self._nats, self._nats_settings)
        except MarketPrismError as error:
            status.problems.append(str(error))
        except (NatsError, OSError) as error:
            status.problems.append(f"NATS: {_one_line(error)}")
            if self._nats is not None:
                await self._nats.close()
            self._nats = None

    async def _read_clickhouse(self, status: Status) -> None:
        try:
            if self._clickhouse is None:
                self._clickhouse = await connect_async(self._clickhouse_settings)
            status.tables = {row["table"]: row["rows"] for row in await self._rows(_TABLES)}
            status.rows_per_s = self._rates(status.tables)
            flow = {_key(row): row for row in await self._rows(_FLOW)}
            latest = {_key(row): row for row in await self._rows(_LATEST)}
            serving = {_key(row): {"serving": row["state"], "why": row["reason"]} for row in await self._rows(_SERVING)}
            status.symbols = [
                {**latest.get(key, {}), **flow.get(key, {}), **serving.get(key, {})} for key in sorted(latest | flow)
            ]
        except MarketPrismError as error:
            status.problems.append(str(error))
        except (ClickHouseError, aiohttp.ClientError, OSError) as error:
            status.problems.append(f"ClickHouse: {_one_line(error)}")
            await self._clickhouse.close()
            self._clickhouse = None

    async def _rows(self, query: str) -> list[dict[str, Any]]:
        return list((await self._clickhouse.query(query)).named_results())

    def _rates(self, tables: dict[str, int]) -> dict[str, float]:
        """Rows a second of each table since the look before."""
        now, before = time.monotonic(), self._before
        self._before = (now, tables)
        if before is None:
            return {}  # one look has no rates
        elapsed = max(now - before[0], 1e-3)
        return {table: max(0, rows - before[1].get(table, 0)) / elapsed for table, rows in tables.items()}


def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["exchange"], row["market_type"], row["symbol"]


def _one_line(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300]


def status_json(status: Status, parts: list[dict[str, object]] | None = None) -> str:
    """A Status as one line of JSON, with ``parts`` (the processes of a run) when there are some.

    Decimals become text, times ISO text, and what is no number null.
    """
    body = {**msgspec.to_builtins(status), "pending": status.pending}
    if parts is not None:
        body["parts"] = parts
    return msgspec.json.encode(body, enc_hook=str).decode()
