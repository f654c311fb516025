"""Frames → JetStream, each stored exactly once and in order, with an acknowledgement window of our own.

``publish_async`` of nats-py 2.16 leaks its permit on an API error and never times out, and its reconnect would send
buffered frames ahead of lost ones. So: one connection object per connection, integer reply tokens under one wildcard
inbox, at most ``window`` frames in flight, and on *any* doubt (error, no answer within ``ack_timeout_s``, connection
gone) a new connection and every unacknowledged frame again, in order, under its Nats-Msg-Id, which is made from its
content: what the server already has it drops.

Back-pressure: ``offer`` never waits; readers of sockets await ``room()`` after each message, which blocks while more
than ``max_pending_bytes`` wait. With NATS away the collector therefore stops reading, bounded, and loses nothing.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from collector.framing import Frame
from collector.metrics import CollectorMetrics
from marketprism.errors import NatsUnreachable
from marketprism.events import CONTRACT_VERSION
from marketprism.logs import FLOW
from marketprism.settings import NatsSettings
from marketprism.subjects import HEADER_CONTRACT, HEADER_FRAME, HEADER_ROWS, frame_id

logger = logging.getLogger(__name__)
flow = logging.getLogger(FLOW)

Prepare = Callable[[Client], Awaitable[None]]
"""Called with each new connection before anything is sent on it (creates the streams)."""


class _AckError(msgspec.Struct):
    code: int = 0
    description: str = ""


class _Ack(msgspec.Struct):
    error: _AckError | None = None
    stream: str = ""
    seq: int = 0
    duplicate: bool = False


@dataclass(slots=True)
class _Flight:
    frame: Frame
    headers: dict[str, str]
    sent_at: float = 0.0
    token: int = -1
    acked: bool = False


class Publisher:
    """Owns the NATS connection. ``stored`` is called with each frame once it and all before it are acknowledged."""

    def __init__(
        self,
        settings: NatsSettings,
        metrics: CollectorMetrics,
        *,
        prepare: Prepare,
        stored: Callable[[Frame], None],
        window: int = 128,
        ack_timeout_s: float = 5.0,
        max_pending_bytes: int = 32 << 20,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._prepare = prepare
        self._stored = stored
        self._window = window
        self._ack_timeout_s = ack_timeout_s
        self._max_pending_bytes = max_pending_bytes
        self._queue: deque[Frame] = deque()
        self._flights: deque[_Flight] = deque()
        self._tokens: dict[int, _Flight] = {}
        self._next_token = 0
        self._pending_bytes = 0
        self._settled = 0
        self._trouble = ""
        self._wake = asyncio.Event()
        self._roomy = asyncio.Event()
        self._roomy.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self.connected = asyncio.Event()
        self.client: Client | None = None

    def offer(self, frame: Frame) -> None:
        """Queue a frame; never blocks."""
        self._queue.append(frame)
        self._pending_bytes += len(frame.payload)
        self._idle.clear()
        if self._pending_bytes > self._max_pending_bytes:
            self._roomy.clear()
        self._wake.set()

    @property
    def full(self) -> bool:
        """More waits than ``max_pending_bytes``: stop reading."""
        return not self._roomy.is_set()

    async def room(self) -> None:
        """Wait until less than the limit is pending."""
        await self._roomy.wait()

    async def drained(self) -> None:
        """Wait until every offered frame is acknowledged."""
        await self._idle.wait()

    @property
    def pending_frames(self) -> int:
        """Queued plus in flight."""
        return len(self._queue) + len(self._flights)

    @property
    def pending_bytes(self) -> int:
        return self._pending_bytes

    async def run(self) -> None:
        """Publish until cancelled; connects, and connects again, with back-off."""
        delay = 0.1
        while True:
            try:
                client = await self._connect()
            except (TimeoutError, NatsError, OSError) as error:
                logger.warning("%s", NatsUnreachable.of(self._settings.url, error))
                await asyncio.sleep(delay * random.uniform(0.5, 1.5))
                delay = min(delay * 2, 5.0)
                continue
            settled = self._settled
            try:
                await self._serve(client)
            finally:
                self.connected.clear()
                self.client = None
                await self._discard(client)
            if self._settled > settled:
                delay = 0.1
            self._metrics.publisher_reconnects.inc()
            logger.warning("NATS connection given up: %s; %d frames are sent again", self._trouble, len(self._flights))
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))
            delay = min(delay * 2, 5.0)

    async def _connect(self) -> Client:
        async def on_error(error: Exception) -> None:
            self._fail(f"{type(error).__name__}: {error}")

        async def on_disconnect() -> None:
            self._fail("disconnected")

        settings = self._settings
        client: Client = await nats.connect(
            settings.servers,
            user=settings.user or None,
            password=settings.password.get_secret_value() or None,
            name="marketprism-collector",
            allow_reconnect=False,
            connect_timeout=3,
            ping_interval=5,
            max_outstanding_pings=2,
            pending_size=16 << 20,
            error_cb=on_error,
            disconnected_cb=on_disconnect,
            closed_cb=on_disconnect,
        )
        self._trouble = ""
        try:
            await self._prepare(client)
        except BaseException:
            await self._discard(client)
            raise
        return client

    async def _serve(self, client: Client) -> None:
        inbox = client.new_inbox()
        prefix = len(inbox) + 1

        async def on_ack(message: Msg) -> None:
            self._acknowledge(message, int(message.subject[prefix:]))

        await client.subscribe(f"{inbox}.*", cb=on_ack, pending_msgs_limit=-1, pending_bytes_limit=-1)
        self.client = client
        self.connected.set()
        self._tokens.clear()
        for flight in self._flights:
            if not flight.acked:
                await self._send(client, inbox, flight)
        while not self._trouble:
            while self._queue and len(self._flights) < self._window and not self._trouble:
                flight = self._take(self._queue.popleft())
                await self._send(client, inbox, flight)
            self._wake.clear()
            if self._flights and time.monotonic() - self._flights[0].sent_at > self._ack_timeout_s:
                self._fail(f"no acknowledgement within {self._ack_timeout_s} s")
            if self._trouble or (self._queue and len(self._flights) < self._window):
                continue
            try:
                async with asyncio.timeout(self._ack_timeout_s / 4):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _take(self, frame: Frame) -> _Flight:
        identity = frame_id(frame.subject, frame.payload)
        flight = _Flight(
            frame,
            {
                "Nats-Msg-Id": identity,
                HEADER_CONTRACT: str(CONTRACT_VERSION),
                HEADER_ROWS: str(frame.rows),
                HEADER_FRAME: identity,
            },
        )
        self._flights.append(flight)
        return flight

    async def _send(self, client: Client, inbox: str, flight: _Flight) -> None:
        flight.token = self._next_token
        self._next_token += 1
        self._tokens[flight.token] = flight
        flight.sent_at = time.monotonic()
        try:
            await client.publish(
                flight.frame.subject, flight.frame.payload, reply=f"{inbox}.{flight.token}", headers=flight.headers
            )
        except (NatsError, OSError) as error:
            self._fail(f"{type(error).__name__}: {error}")

    def _acknowledge(self, message: Msg, token: int) -> None:
        flight = self._tokens.pop(token, None)
        if flight is None:
            return  # from before a resend; the frame itself is still waited for
        status = (message.headers or {}).get("Status", "")
        if status:
            self._fail(f"no stream takes {flight.frame.subject} (status {status})")
            return
        try:
            ack = msgspec.json.decode(message.data, type=_Ack)
        except msgspec.DecodeError as error:
            self._fail(f"unreadable acknowledgement: {error}")
            return
        if ack.error is not None:
            self._metrics.publish_errors.inc()
            self._fail(f"JetStream refuses {flight.frame.subject}: {ack.error.description} ({ack.error.code})")
            return
        flight.acked = True
        self._metrics.ack_latency.observe(time.monotonic() - flight.sent_at)
        if ack.duplicate:
            self._metrics.duplicate_frames.inc()
        if flow.isEnabledFor(logging.INFO):
            names = {"frame": flight.headers[HEADER_FRAME], "stream": ack.stream, "seq": ack.seq}
            flow.info("frame taken", extra={**names, "subject": flight.frame.subject, "rows": flight.frame.rows})
        self._settle()

    def _settle(self) -> None:
        flights = self._flights
        while flights and flights[0].acked:
            frame = flights.popleft().frame
            self._settled += 1
            self._pending_bytes -= len(frame.payload)
            self._metrics.count_frame(frame.data_type, frame.exchange, frame.market_type, frame.rows)
            self._stored(frame)
        if self._pending_bytes <= self._max_pending_bytes // 2:
            self._roomy.set()
        if not flights and not self._queue:
            self._idle.set()
        self._wake.set()

    def _fail(self, reason: str) -> None:
        self._trouble = self._trouble or reason
        self._wake.set()

    @staticmethod
    async def _discard(client: Client) -> None:
        try:
            async with asyncio.timeout(2):
                await client.close()
        except (NatsError, OSError, TimeoutError) as error:
            logger.debug("closing the NATS connection: %s", error)
