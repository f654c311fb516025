"""The replay server: recorded frames over real WebSockets and HTTP on loopback, at the recorded pace or faster."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from marketprism.errors import RecordingError, ReplayError
from marketprism.replay.recording import Line, Recording, describe, read_lines
from marketprism.replay.registry import AnyVenue, venue_named, venue_of
from marketprism.replay.rest import ReplayRest
from marketprism.replay.snapshots import SnapshotDesk
from marketprism.replay.subscribed import SubscribedVenue
from marketprism.replay.venues import ReplayVenue
from marketprism.simulator.environment import collector_environment as point_collector
from marketprism.simulator.sockets import Key, StreamHub

log = logging.getLogger(__name__)

_YIELD_EVERY = 64  # frames; sends to a fast client never suspend, and requests must be answered in between


def collector_environment(recordings: Recording | Sequence[Recording], base_url: str) -> dict[str, str]:
    """Settings of a collector that takes everything these recordings hold from the server at ``base_url``."""
    if isinstance(recordings, Recording):
        recordings = [recordings]
    streams: dict[str, str] = {}
    venues: dict[str, None] = {}
    symbols: set[str] = set()
    for recording in recordings:
        for name in recording.venues:
            venue = venue_named(name)
            if isinstance(venue, SubscribedVenue):
                for (of, symbol), contract in recording.contracts.items():
                    if of == name:
                        venues[f"{name}.{contract.market_type}"] = None
                        symbols.add(f"{name}.{contract.market_type}:{symbol}")
                streams |= venue.settings([listing for of, listing in recording.listings if of == name])
                continue
            venues[name] = None
            symbols |= {symbol for of, symbol in recording.steps if of == name}
            streams[f"{venue.setting_prefix}_TRADE_STREAM"] = "{symbol}@" + recording.trade_kind[name]
            streams[f"{venue.setting_prefix}_DEPTH_STREAM"] = "{symbol}@" + recording.depth_suffix[name]
    return point_collector(base_url, venues=venues, symbols=sorted(symbols), streams=streams)


class ReplayServer:
    """Plays recordings, merged by receive time, once every stream in them has been subscribed.

    ``speed``: 1.0 = the recorded pace, 10.0 = ten times that, None = as fast as the client reads (TCP back-pressure).
    ``await finished()`` returns when all is sent and every client has read it; ``sent`` counts frames per stream.
    """

    def __init__(
        self,
        recordings: Sequence[Recording | Path | str],
        *,
        speed: float | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        subscribe_timeout_s: float = 60.0,
        snapshot_timeout_s: float = 10.0,
        settle_s: float = 0.05,
    ):
        if speed is not None and speed <= 0:
            raise ReplayError(f"a replay speed must be above 0, not {speed:g}; use max for no pace at all")
        self.recordings = [each if isinstance(each, Recording) else describe(each) for each in recordings]
        if not self.recordings:
            raise RecordingError("nothing to replay; name at least one recording")
        self._refuse_mixed_streams()
        self.sent: Counter[Key] = Counter()
        self.skipped: Counter[Key] = Counter()
        self.position_us = min(recording.first_us for recording in self.recordings)
        self.url = ""
        self._speed = speed
        self._host, self._port = host, port
        self._subscribe_timeout_s = subscribe_timeout_s
        self._settle_s = settle_s
        self._hub = StreamHub(lambda: self.position_us)
        snapshots = {key: line for each in reversed(self.recordings) for key, line in each.snapshots.items()}
        self._desk = SnapshotDesk(snapshots, fetch_timeout_s=snapshot_timeout_s)
        self._runner: web.AppRunner | None = None
        self._player: asyncio.Task[None] | None = None
        self._depth_begun: set[Key] = set()
        self._postponed: dict[Key, Line] = {}

    def _refuse_mixed_streams(self) -> None:
        for what in ("trade_kind", "depth_suffix"):
            chosen: dict[str, str] = {}
            for recording in self.recordings:
                for venue, kind in getattr(recording, what).items():
                    if chosen.setdefault(venue, kind) != kind:
                        raise RecordingError(
                            f"{recording.path}: has {venue} streams @{kind}, another file @{chosen[venue]}; "
                            "replay them one by one"
                        )

    @property
    def expected(self) -> frozenset[Key]:
        """Streams that the collector must have subscribed before anything is played."""
        keys = set()
        for recording in self.recordings:
            for venue, name in recording.streams:
                of = venue_named(venue)
                if isinstance(of, SubscribedVenue):
                    wanted = of.kind_of(name) != "other"
                else:
                    channel = name.partition("@")[2]
                    wanted = channel in (recording.trade_kind[venue], recording.depth_suffix[venue])
                if wanted or of.kind_of(name) == "mark":
                    keys.add((venue, name))
        return frozenset(keys)

    @property
    def environment(self) -> dict[str, str]:
        """The collector settings for this server; valid once it is started."""
        return collector_environment(self.recordings, self.url)

    # ------------------------------------------------------------------ life

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen, and start playing as soon as all expected streams are subscribed."""
        app = web.Application()
        for venue in {name: venue_named(name) for recording in self.recordings for name in recording.venues}.values():
            if isinstance(venue, SubscribedVenue):
                for path, route in venue.routes:
                    app.router.add_get(path, self._hub.handler(venue.name, route, dialect=venue.dialect))
                continue
            for path, route in venue.routes:
                app.router.add_get(f"{path}/stream", self._hub.handler(venue.name, route, combined=True))
                app.router.add_get(f"{path}/ws", self._hub.handler(venue.name, route, combined=False))
                app.router.add_get(f"{path}/ws/{{streams}}", self._hub.handler(venue.name, route, combined=False))
        ReplayRest(self.recordings, self._desk, lambda: self.position_us).add_routes(app.router)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise ReplayError(f"replay server: {self._host}:{self._port} is in use; choose another port") from error
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        self._player = asyncio.create_task(self._play(), name="replay")

    async def close(self) -> None:
        if self._player is not None:
            self._player.cancel()
            with suppress(asyncio.CancelledError, ReplayError, RecordingError):
                await self._player
        await self._hub.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def finished(self) -> None:
        """Wait until everything has been sent and read; raises ReplayError when the replay could not run."""
        if self._player is None:
            raise ReplayError("the replay server was not started")
        await asyncio.shield(self._player)

    # ------------------------------------------------------------------ the timeline

    async def _play(self) -> None:
        await self._all_subscribed()
        loop = asyncio.get_running_loop()
        lines = heapq.merge(*(read_lines(recording.path) for recording in self.recordings), key=_received_at)
        expected = self.expected
        started, first_us = loop.time(), self.position_us
        for number, line in enumerate(lines):
            venue = venue_of(line.url)
            if venue is None or line.direction == "out":
                continue
            if self._speed is not None:
                ahead = (line.received_us - first_us) / 1e6 / self._speed - (loop.time() - started)
                if ahead > 0:
                    await self._hub.flush()
                    await asyncio.sleep(ahead)
            self.position_us = line.received_us
            if line.transport == "http":
                if isinstance(venue, SubscribedVenue):
                    continue
                waited = loop.time()
                await self._snapshot(venue, line, expected)
                started += loop.time() - waited
            else:
                await self._frame(venue, line, expected)
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
        if not await self._hub.drained():
            log.warning("replay: a client left before it had read everything")

    async def _frame(self, venue: AnyVenue, line: Line, expected: frozenset[Key]) -> None:
        name = venue.stream_of(line.payload)
        if name is None:
            return
        key = (venue.name, name)
        if key in expected and not self._hub.subscribed(key):
            await self._resubscribed(key)
        if await self._hub.publish(key, line.received_us, line.payload):
            self.sent[key] += 1
        else:
            self.skipped[key] += 1
        if venue.kind_of(name) == "depth" and key in expected:
            book = (venue.name, venue.symbol_of(name))
            if book not in self._depth_begun:
                self._depth_begun.add(book)
                if book in self._postponed:
                    await self._release(book, self._postponed.pop(book))

    async def _snapshot(self, venue: ReplayVenue, line: Line, expected: frozenset[Key]) -> None:
        symbol = venue.snapshot_symbol(line.url)
        if symbol is None:
            return
        book = (venue.name, symbol)
        if not any(
            of == venue.name and venue.kind_of(name) == "depth" and venue.symbol_of(name) == symbol
            for of, name in expected
        ):
            return
        if book in self._depth_begun:
            await self._release(book, line)
        else:
            # The rule says: open the stream, then fetch. A collector may wait for a first frame before it asks.
            self._postponed[book] = line

    async def _release(self, book: Key, line: Line) -> None:
        await self._hub.flush()
        if await self._desk.release(book, line):
            # A client cannot say that it has applied the response; frames held back briefly make that the usual order.
            await asyncio.sleep(self._settle_s)

    async def _all_subscribed(self) -> None:
        try:
            async with asyncio.timeout(self._subscribe_timeout_s):
                while not all(self._hub.subscribed(key) for key in self.expected):
                    await self._hub.changed()
        except TimeoutError:
            absent = sorted(
                f"{venue} {name}" for venue, name in self.expected if not self._hub.subscribed((venue, name))
            )
            raise ReplayError(
                f"replay: not subscribed within {self._subscribe_timeout_s:g} s: {', '.join(absent[:6])}"
                f"{' …' if len(absent) > 6 else ''}; is the collector running with this server's environment?"
            ) from None

    async def _resubscribed(self, key: Key) -> None:
        """A client went away in the middle: wait for it, rather than play to nobody."""
        log.warning("replay: %s %s lost its subscriber; waiting", *key)
        try:
            async with asyncio.timeout(self._subscribe_timeout_s):
                while not self._hub.subscribed(key):
                    await self._hub.changed()
        except TimeoutError:
            raise ReplayError(f"replay: the client of {' '.join(key)} went away and did not come back") from None


def _received_at(line: Line) -> float:
    return line.received_at
