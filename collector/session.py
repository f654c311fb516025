"""One venue at work: its instruments, connections, polls, and the network's part in books and continuity."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import Any, Final

from collector.catchup import CatchUp
from collector.clock import Clock
from collector.complaints import Complaints
from collector.connection import Connection
from collector.instruments import Listing, select, wants_volumes
from collector.market import Market
from collector.metrics import CollectorMetrics
from collector.polling import run_poll
from collector.positions import Positions
from collector.repair import Repair
from collector.rest import RestError
from collector.roster import Roster
from collector.venue import ConnectionPlan, Control, Parsed, Stream, Venue
from marketprism.events import Instrument
from marketprism.settings import CollectorSettings
from marketprism.subjects import is_token

logger = logging.getLogger(__name__)

_TICK_S: Final = 0.02
_QUIET_MS: Final = 500
_QUIET_EVERY: Final = 5
_SNAPSHOT_PATIENCE_S: Final = 5.0
_REQUESTS: Final = 6
"""Subscriptions for a snapshot, where REST has given the book meanwhile."""
_LISTING_PAUSE_S: Final = 2.0
"""Listing events come in bursts, and REST may know a little later."""

Tap = Callable[[tuple[str, str], int, str, str, bytes], None]
"""Sees every raw message: (venue, received_at, "ws", address, payload). The seam of the recorder."""


class Session:
    """Runs a ``Venue``. ``room`` is the publisher's back-pressure."""

    def __init__(
        self,
        venue: Venue,
        market: Market,
        settings: CollectorSettings,
        clock: Clock,
        metrics: CollectorMetrics,
        positions: Positions,
        room: Callable[[], Awaitable[None] | None],
        tap: Tap | None = None,
    ) -> None:
        self.venue = venue
        self.market = market
        self.key = (venue.exchange, venue.market_type)
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._positions = positions
        self._room = room
        self._tap = tap
        self._complaints = Complaints()
        self._listing = Listing()
        self._left_out: set[str] = set()
        self._symbols: list[str] = []
        self._streamed: set[str] = set()
        self._relisted = asyncio.Event()
        self._busy: dict[tuple[str, ...], asyncio.Task[None]] = {}
        self._repair = Repair(market, settings, self._start, self._complaints)
        self._group: asyncio.TaskGroup | None = None
        self._roster = Roster(self._connect)
        self._unlisted: dict[str, float] = {}
        self._traded: dict[str, float] = {}
        self._catch_up = CatchUp(
            market, self._roster.subscribed_at, self._exclusively, self._complaints, settings.repair_max_trades
        )

    @property
    def connections(self) -> list[Connection]:
        """All of them, up or not."""
        return self._roster.connections

    @property
    def ready(self) -> bool:
        """Instruments are known and every connection is up."""
        return bool(self.connections) and all(connection.up for connection in self.connections)

    async def run(self) -> None:
        """Until cancelled."""
        instruments = await self._first_instruments()
        async with asyncio.TaskGroup() as self._group:
            self._listed(instruments, await self._volumes(instruments))
            self._group.create_task(self._housekeeping())
            self._group.create_task(self._watch_listings())
            self._group.create_task(self._catch_up.run())
            for poll in self.venue.polls():
                self._group.create_task(
                    run_poll(poll, self.market, self._positions, lambda: self._symbols, self._complaints)
                )

    def receive(self, url: str, raw: bytes) -> Parsed | None:
        """A raw WebSocket frame of a connection to ``url``."""
        try:
            received_at, payload = self._clock.frame(raw)
        except ValueError as error:
            self.market.complain("stamp", str(error), raw)
            return None
        if self._tap is not None:
            self._tap(self.key, received_at, "ws", url, payload)
        parsed = self.market.receive(payload, received_at)
        if parsed is not None:
            for item in parsed.items:
                if type(item) is Control and item.listing:
                    logger.info("%s announces: %s", ".".join(self.key), item.listing)
                    self._relisted.set()
        return parsed

    def tell_instruments(self) -> None:
        """Publish what is known of every instrument: from now on it is ours to tell."""
        for row in self._listing.known:
            self.market.publish(row)

    async def _first_instruments(self) -> list[Instrument]:
        delay = 0.5
        while True:
            try:
                return await self._instruments()
            except RestError as error:
                self._complaints.say("instruments", f"{'.'.join(self.key)} waits for its symbol list: {error}")
            await asyncio.sleep(delay)
            delay = min(delay * 2, 30.0)

    async def _instruments(self) -> list[Instrument]:
        """What is listed and has a name that a subject can carry: one that has not must not end the others."""
        listed = await self.market.asked(self.venue.fetch_instruments())
        found = [item for item in listed if is_token(item.symbol)]
        for name in {item.symbol for item in listed} - {item.symbol for item in found} - self._left_out:
            self._left_out.add(name)
            logger.warning("instrument %r of %s is left out: no subject can have its name", name, ".".join(self.key))
        return found

    async def _volumes(self, instruments: list[Instrument]) -> dict[str, float]:
        """For filters by volume: the last that were told; before any were those choose by name, and that stays."""
        if wants_volumes(self._settings.symbols, instruments):
            try:
                self._traded = await self.market.asked(self.venue.fetch_volumes())
            except RestError as error:
                self._complaints.say("volumes", f"{'.'.join(self.key)} does not tell its volumes: {error}")
        return self._traded

    def _listed(self, instruments: list[Instrument], volumes: dict[str, float]) -> None:
        """Publish what is news, follow what matches, open connections for symbols that are new."""
        assert self._group is not None
        for row in self._listing.news(instruments):
            self.market.publish(row)
        chosen, unknown = select(self._settings.symbols, instruments, volumes)
        for name in unknown:
            self.market.complain(
                "unknown_symbol", f"{name!r} is not traded here; check MARKETPRISM_COLLECTOR_SYMBOLS", b""
            )
        trading = {item.symbol: item for item in select(["*"], instruments)[0]}
        # what was chosen once stays, also when others trade more now; what trades no more is asked for no more
        self._symbols = [symbol for symbol in self._symbols if symbol in trading]
        self._symbols += [item.symbol for item in chosen if item.symbol not in self._symbols]
        self.market.track(trading[symbol] for symbol in self._symbols)
        added = [symbol for symbol in self._symbols if symbol not in self._streamed]
        self._streamed.update(added)
        if added:
            self._roster.take(self.venue.plan(added))
            self._catch_up.doubt(added)
        self._forget_unlisted({item.symbol for item in instruments})

    def _forget_unlisted(self, listed: set[str]) -> None:
        """What has not been listed for a while leaves its sockets, the memory and the stored positions."""
        if not listed:
            return
        now = time.monotonic()
        stored = self._positions.symbols(*self.key) if self.venue.lists_all else set[str]()
        gone = (self._streamed | stored) - listed
        self._unlisted = {symbol: self._unlisted.get(symbol, now) for symbol in gone}
        over = {symbol for symbol, since in self._unlisted.items() if now - since >= self._settings.forget_unlisted_s}
        mended = {name[1] for name, task in self._busy.items() if name[0] == "trades" and not task.done()}
        if not (over := over - mended):
            return
        for name in [name for name in self._busy if name[1] in over]:
            self._busy.pop(name).cancel()
        self._roster.drop_shared(self.venue.forget(self._roster.drop(over)))
        self.market.forget(over)
        self._catch_up.forget(over)
        self._positions.forget(*self.key, over)
        self._streamed -= over

    def _connect(self, plan: ConnectionPlan) -> tuple[Connection, asyncio.Task[None]]:
        assert self._group is not None
        connection = Connection(
            self.key,
            plan,
            self.venue.dialect,
            receive=partial(self.receive, plan.urls[0]),
            lost=self._lost,
            room=self._room,
            metrics=self._metrics,
            complaints=self._complaints,
            patience=self._settings.patience,
            silence_is_trouble=not self._clock.stamped,
        )
        return connection, self._group.create_task(connection.run())

    def _lost(self, streams: Iterable[Stream], cause: str) -> None:
        streams = list(streams)
        self.market.lost(streams, cause)
        symbols = [stream.symbol for stream in streams if stream.channel == "trades"]
        self._catch_up.doubt(self._symbols if "" in symbols else symbols)  # one stream may have every symbol

    async def _watch_listings(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._settings.instruments_interval_s):
                    await self._relisted.wait()
                    await asyncio.sleep(_LISTING_PAUSE_S)
            except TimeoutError:
                pass
            self._relisted.clear()
            try:
                instruments = await self._instruments()
            except RestError as error:
                self._complaints.say("instruments", f"{'.'.join(self.key)} keeps its old symbol list: {error}")
            else:
                self._listed(instruments, await self._volumes(instruments))

    async def _housekeeping(self) -> None:
        """Start whatever the market waits for. Nothing here waits itself: a slow symbol delays no other."""
        for tick in itertools.count():
            await asyncio.sleep(_TICK_S)
            self._repair.look()
            for symbol in self.market.wants_books():
                self._start(("book", symbol), self._sync_book(symbol))
            if tick % _QUIET_EVERY == 0 and not self._clock.stamped:
                # a replay's pace says nothing about the market's: there trailing rows come with the next update
                quiet_ms = 2 * self._settings.depth_interval_ms + _QUIET_MS
                self.market.quiet(self._clock.now() - quiet_ms * 1000)

    async def _exclusively(self, name: tuple[str, ...], work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` to its end, unless the same is under way: that may take minutes, and others wait."""
        if self._start(name, work):
            await asyncio.wait([self._busy[name]])

    def _start(self, name: tuple[str, ...], work: Coroutine[Any, Any, None]) -> bool:
        """Run ``work`` unless the same is under way; whether it was begun."""
        running = self._busy.get(name)
        if self._group is None or (running is not None and not running.done()):
            work.close()
            return False
        self._busy[name] = self._group.create_task(work)
        return True

    async def _sync_book(self, symbol: str) -> None:
        if self.venue.book_resubscribes:
            await self._resubscribe_book(symbol)
            return
        delay = 0.25
        while symbol in self.market.wants_books():
            if await self._rest_book(symbol):
                return
            await asyncio.sleep(delay)
            delay = min(delay * 2, 10.0)

    async def _resubscribe_book(self, symbol: str) -> None:
        """Until the stream begins anew with its snapshot: a request can be lost, and a book from REST would then stand
        still. A venue that never sends one is asked a few times."""
        streams = self._roster.books_of(symbol)
        if (keeper := self.market.keepers.get(symbol)) is None:
            return  # since this was begun the contract has changed its size: its book starts over
        snapshots, requests, patience_s = keeper.snapshots, 0, _SNAPSHOT_PATIENCE_S
        while symbol in self.market.wants_books() or (keeper.snapshots == snapshots and requests < _REQUESTS):
            keeper.asked = True
            for connection, stream in streams:
                connection.resubscribe([stream])
            requests += 1
            await asyncio.sleep(patience_s)  # for the snapshot to come before it is asked for again
            patience_s = min(patience_s * 2, 60.0)  # subscriptions are counted by the hour
            if symbol in self.market.wants_books():
                await self._rest_book(symbol)

    async def _rest_book(self, symbol: str) -> bool:
        """Ask REST for a snapshot; False when there is none, or it is too old for what waits."""
        try:
            return self.market.snapshot(await self.market.asked(self.venue.fetch_book(symbol)))
        except RestError as error:
            self._complaints.say("snapshot", f"book of {symbol} ({'.'.join(self.key)}) waits: {error}")
            return False
