"""The collector service: settings from the environment, sessions, one publisher, a clean end.

Order of the end (SIGTERM, SIGINT): sockets stop, pending book rows and frames leave, acknowledgements are awaited,
positions are written. Only NATS staying away longer than ``_DRAIN_S`` cuts it short; the next start then repairs from
the positions.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Awaitable, Iterable, Iterator
from typing import Final

from nats.aio.client import Client
from nats.errors import Error as NatsError

from collector.clock import Clock, make_clock
from collector.framing import Framer
from collector.lease import BEAT_S, Gate, Lease
from collector.market import BookOptions, Market
from collector.metrics import CollectorMetrics
from collector.positions import Positions
from collector.publisher import Publisher
from collector.recorder import Limits, Recorder
from collector.rest import RestClient
from collector.session import Session
from collector.venues import make_venue
from marketprism.metrics import serve_health
from marketprism.settings import CollectorSettings, NatsSettings
from marketprism.streams import ensure_streams
from marketprism.tasks import end_tasks

logger = logging.getLogger(__name__)

_DRAIN_S: Final = 8.0
_SAVE_POSITIONS_S: Final = 1.0
_BEGUN_TOGETHER_S: Final = 0.02
_HELD_US: Final = 20_000_000
"""Longer than a request for a book takes; the books of a wide start wait minutes for their turn to be asked for."""


class CollectorService:
    """Everything of one collector process. ``run`` until cancelled; then it ends as the module says."""

    def __init__(
        self, settings: CollectorSettings, nats_settings: NatsSettings, metrics: CollectorMetrics | None = None
    ) -> None:
        self.settings = settings
        self.metrics = metrics or CollectorMetrics()
        self.positions = Positions()
        self.sessions: list[Session] = []
        self.leases: list[Lease] = []
        self._nats = nats_settings
        self._clock: Clock = make_clock(settings.clock)
        self._loaded = asyncio.Event()
        self.publisher = Publisher(
            nats_settings,
            self.metrics,
            prepare=self._prepare,
            stored=self.positions.stored,
            window=settings.publish_window,
            ack_timeout_s=settings.publish_ack_timeout_s,
            max_pending_bytes=settings.publish_max_pending_mb << 20,
        )
        self.framer = Framer(
            self.publisher.offer,
            max_rows=settings.frame_max_rows,
            max_bytes=settings.frame_max_bytes,
            partitions=nats_settings.partitions,
        )
        self.recorder: Recorder | None = None
        if settings.record_dir is not None:
            limits = Limits(
                settings.record_file_mb << 20,
                settings.record_file_s,
                settings.record_total_mb << 20,
                settings.record_days * 86400.0,
            )
            self.recorder = Recorder(settings.record_dir, limits)
        self.metrics.watch(self._gauges)
        self.metrics.watch_venues(lambda: [(session.key, session.ready) for session in self.sessions])

    def ready(self) -> dict[str, object]:
        """For /ready: NATS, every venue's connections, and the age of the newest row of each type and venue."""
        venues = {".".join(session.key): session.ready for session in self.sessions}
        connected = self.publisher.connected.is_set()
        return {
            "ready": connected and bool(venues) and all(venues.values()),
            "nats": connected,
            "venues": venues,
            "pending_frames": self.publisher.pending_frames,
            "leases": sum(lease.held for lease in self.leases),
            "age_s": {
                ".".join(key): round(self._clock.now() / 1e6 - newest / 1000, 3)
                for key, newest in sorted(self.metrics.last_event_ms.items())
            },
        }

    async def run(self) -> None:
        """Until cancelled."""
        async with RestClient(self._clock, self.metrics) as client:
            client.tap = self.recorder.add if self.recorder is not None else None
            self.sessions = [self._session(name, client) for name in self.settings.venues]
            publishing = [
                asyncio.create_task(self.publisher.run()),
                asyncio.create_task(self._flush_frames()),
                asyncio.create_task(self._save_positions()),
            ]
            leasing = [asyncio.create_task(lease.run(lambda: self.publisher.client)) for lease in self.leases]
            try:
                await self._loaded.wait()  # where to go on from is in JetStream
                async with asyncio.TaskGroup() as group:
                    group.create_task(_none_may_end([*publishing, *leasing]))
                    if self.recorder is not None:
                        group.create_task(self.recorder.run())
                    for lease in self.leases:
                        await lease.asked.wait()
                    for session in self.sessions:
                        group.create_task(session.run())
            finally:
                await asyncio.shield(self._finish(publishing, leasing))

    def _session(self, name: str, client: RestClient) -> Session:
        settings = self.settings
        venue = make_venue(name, settings, client)
        options = BookOptions(
            settings.depth_levels,
            settings.depth_interval_ms,
            settings.best_quotes,
            held_us=None if self._clock.stamped else _HELD_US,
        )
        self.metrics.announce(venue.exchange, venue.market_type)
        lease = Lease((venue.exchange, venue.market_type), settings.lease_s)
        gate = Gate(self.framer.add, lease, settings.lease_s + 4 * BEAT_S)
        market = Market(venue, options, self.metrics, gate, self.positions.get)
        tap = self.recorder.add if self.recorder is not None else None
        session = Session(venue, market, settings, self._clock, self.metrics, self.positions, self._room, tap)

        def taken() -> None:
            gate.open()
            session.tell_instruments()

        lease.on_taken(taken)
        self.leases.append(lease)
        return session

    def _room(self) -> Awaitable[None] | None:
        return self.publisher.room() if self.publisher.full else None

    async def _prepare(self, client: Client) -> None:
        await ensure_streams(client.jetstream(timeout=5), self._nats)
        if not self._loaded.is_set():
            await self.positions.load(client)
            self._loaded.set()

    async def _flush_frames(self) -> None:
        while True:
            await asyncio.sleep(self.settings.frame_max_ms / 1000)
            self.framer.flush()

    async def _save_positions(self) -> None:
        """All of them each second, but the first of a series at once."""
        due = time.monotonic()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.positions.begun.wait(), max(due - time.monotonic(), 0.0))
            await asyncio.sleep(_BEGUN_TOGETHER_S)
            if (client := self.publisher.client) is None:
                continue
            if time.monotonic() < due:
                await self.positions.save_begun(client)
            else:
                await self.positions.save(client)
                due = time.monotonic() + _SAVE_POSITIONS_S

    async def _finish(self, publishing: list[asyncio.Task[None]], leasing: list[asyncio.Task[None]]) -> None:
        await end_tasks(leasing)  # what is released shall not be taken again
        for session in self.sessions:
            session.market.close()
        self.framer.flush()
        try:
            async with asyncio.timeout(_DRAIN_S):
                await self.publisher.drained()
                if self.publisher.client is not None:
                    await self.positions.save(self.publisher.client)
                for lease in self.leases:
                    await lease.release(self.publisher.client)
                logger.info("everything received is in JetStream")
        except (TimeoutError, NatsError):
            logger.error(
                "%d frames are not in JetStream: NATS did not answer within %.0f s; trades are fetched again at the "
                "next start",
                self.publisher.pending_frames,
                _DRAIN_S,
            )
        if self.recorder is not None:
            await self.recorder.close()
        await end_tasks(publishing)

    def _gauges(self) -> Iterator[tuple[str, str, float]]:
        yield "queue_frames", "frames queued or in flight", self.publisher.pending_frames
        yield "queue_bytes", "bytes of frames queued or in flight", self.publisher.pending_bytes
        held = sum(item.held for session in self.sessions for item in session.market.sequences.values())
        yield "held_trades", "trades held back behind a hole", held
        up = sum(connection.up for session in self.sessions for connection in session.connections)
        yield "leases_held", "venues whose sampled types this process publishes", sum(it.held for it in self.leases)
        yield "connections_up", "WebSocket connections that are up", up


async def _none_may_end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """They run for ever: one that ends has failed, and takes the service with it instead of leaving it half alive."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def run() -> None:
    """The entry point: until SIGTERM or SIGINT. Raises SettingsError, PortInUse."""
    service = CollectorService(CollectorSettings(), NatsSettings())
    health = await serve_health(
        service.settings.metrics_port,
        ready=service.ready,
        what="collector",
        setting="MARKETPRISM_COLLECTOR_METRICS_PORT",
    )
    work = asyncio.create_task(service.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await work
    finally:
        await health.close()
