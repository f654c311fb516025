"""One planned connection for as long as the collector runs: subscribe, read, keep alive, come back.

A socket that ends is replaced after a jittered back-off; one that grows old is replaced *before* the exchange cuts it,
by a successor that overlaps until it has data (books and trades drop what they already hold). Reading stops while the
publisher is full: the library's bounded queue fills, TCP closes its window, nothing is lost here.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from collector.addresses import Addresses
from collector.complaints import Complaints
from collector.metrics import CollectorMetrics
from collector.venue import ConnectionPlan, Control, Dialect, Parsed, Stream
from collector.watchdog import FirstData, Standstill
from marketprism.tasks import end_tasks

logger = logging.getLogger(__name__)

_MAX_MESSAGE: Final = 32 << 20
_BREATHE_EVERY: Final = 64
"""Messages after which the loop is given to others, when the socket always has more."""
_HEALTHY_S: Final = 30.0
_PING_S: Final = 20.0
_LONGEST_S: Final = 30.0
"""The longest wait before another try."""
_DOUBLINGS: Final = 7
"""Of a quarter of a second: 32 s. Failures go on for days, and 2**1024 is no float."""
_OVERLAP_S: Final = 10.0
_SUCCESSOR_S: Final = 60.0
"""Before another try to replace an old socket that still runs."""
_MOST_TOLERANT: Final = 8
"""The wait for data doubles with each socket that was replaced for its silence, up to so many times the first."""
_LONG_S: Final = 3600.0
"""A socket that lived for so long says nothing any more of how quiet its market is."""

Receive = Callable[[bytes], Parsed | None]
Lost = Callable[[Iterable[Stream], str], None]
Room = Callable[[], Awaitable[None] | None]


@dataclass(slots=True, eq=False)
class _Open:
    """An open socket: what is still to be sent on it, when (monotonic) the last subscription was, and how much came:
    messages of its streams, and moments of waiting for room. Answers to keep-alives say nothing about the streams."""

    watch: FirstData
    requests: asyncio.Queue[str] = field(default_factory=lambda: asyncio.Queue[str]())
    subscribed_at: float | None = None
    received: int = 0


class Connection:
    """Runs one ``ConnectionPlan``. ``receive`` handles a raw frame; ``lost`` hears of each end; ``room`` is
    back-pressure: None to go on, or something to await first. ``patience`` scales the waits before something silent
    counts as dead, and the longest wait before another try; a replay may stand still as a whole
    (``silence_is_trouble`` false)."""

    def __init__(
        self,
        key: tuple[str, str],
        plan: ConnectionPlan,
        dialect: Dialect,
        *,
        receive: Receive,
        lost: Lost,
        room: Room,
        metrics: CollectorMetrics,
        complaints: Complaints,
        patience: float = 1.0,
        silence_is_trouble: bool = True,
    ) -> None:
        self.plan = plan
        self._key = key
        self._dialect = dialect
        self._receive = receive
        self._lost = lost
        self._room = room
        self._metrics = metrics
        self._complaints = complaints
        self._patience = patience
        self._silence_is_trouble = silence_is_trouble
        self._channels = {stream.name: stream.channel for stream in plan.streams}
        self._addresses = Addresses(plan.urls)
        self._open: list[_Open] = []  # the newest last; two while one replaces the other
        self._tolerance = 1  # factor on the standstill that ends a socket

    @property
    def up(self) -> bool:
        """Some socket is open."""
        return bool(self._open)

    @property
    def subscribed_at(self) -> float | None:
        """When (monotonic) the last of a socket's subscriptions was sent; None until then."""
        return next((each.subscribed_at for each in self._open if each.subscribed_at is not None), None)

    def take(self, streams: Sequence[Stream]) -> None:
        """Carry these as well, from now on."""
        if not streams:  # nothing would be sent that says when all is subscribed
            return
        self._carry((*self.plan.streams, *streams))
        for opened in self._open:
            opened.watch.watch(streams, time.monotonic())
            opened.subscribed_at = None
            self._say_all(opened.requests, self._dialect.subscribe, streams)

    def drop(self, streams: Sequence[Stream]) -> None:
        """Carry these no more."""
        self._carry(stream for stream in self.plan.streams if stream not in streams)
        for opened in self._open:
            opened.watch.leave(streams)
            self._say_all(opened.requests, self._dialect.unsubscribe, streams)

    def _carry(self, streams: Iterable[Stream]) -> None:
        self.plan = replace(self.plan, streams=tuple(streams))
        self._channels = {stream.name: stream.channel for stream in self.plan.streams}

    def resubscribe(self, streams: Sequence[Stream]) -> None:
        """Unsubscribe and subscribe again on the newest socket, for streams that start with a snapshot.

        Nothing while its first subscriptions wait for their turn: each brings the snapshot."""
        if self._open and self._open[-1].subscribed_at is not None:
            self._ask_again(self._open[-1].requests, streams)

    def _ask_again(self, requests: asyncio.Queue[str], streams: Sequence[Stream]) -> None:
        self._say_all(requests, self._dialect.unsubscribe, streams)
        self._say_all(requests, self._dialect.subscribe, streams)

    @staticmethod
    def _say_all(requests: asyncio.Queue[str], say: Callable[[Sequence[str]], list[str]], of: Sequence[Stream]) -> None:
        for message in say([stream.name for stream in of]):
            requests.put_nowait(message)

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            started = time.monotonic()
            cause = await self._one_generation()
            self._lost(self.plan.streams, "disconnect")
            self._metrics.counts["reconnects"][(*self._key, cause)] += 1
            if cause != "silent":
                self._tolerance = 1
            failures = 0 if time.monotonic() - started > _HEALTHY_S * self._patience else failures + 1
            delay = min(0.25 * 2 ** min(failures, _DOUBLINGS), _LONGEST_S * self._patience)
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))

    async def _one_generation(self) -> str:
        """A socket and its planned successors, until one of them ends by itself; returns why."""
        current = asyncio.create_task(self._socket(asyncio.Event()))
        successor: asyncio.Task[str] | None = None
        wait_s = self._dialect.max_age_s
        try:
            while True:
                done, _ = await asyncio.wait({current}, timeout=wait_s * random.uniform(0.97, 1.0))
                if done:
                    return current.result()
                ready = asyncio.Event()
                successor = asyncio.create_task(self._socket(ready))
                waiter = asyncio.create_task(ready.wait())
                await asyncio.wait({current, successor, waiter}, return_when=asyncio.FIRST_COMPLETED)
                waiter.cancel()
                if current.done() and not ready.is_set():
                    return current.result()  # nothing was sure to be heard on the other: an end like any
                if successor.done():
                    wait_s = min(_SUCCESSOR_S * self._patience, self._dialect.max_age_s)
                    continue  # it could not even begin; the old one still runs
                await _stop(current)
                current, successor = successor, None
                wait_s, self._tolerance = self._dialect.max_age_s, 1
                self._metrics.counts["reconnects"][(*self._key, "planned")] += 1
        finally:
            await _stop(current, successor)

    async def _socket(self, ready: asyncio.Event) -> str:
        """The life of one socket; returns the bounded reason of its end."""
        url = self._addresses.current
        if self._dialect.gate is not None:
            await asyncio.sleep(self._dialect.gate.delay(time.monotonic()))
        opened: _Open | None = None
        try:
            async with connect(
                url,
                max_size=_MAX_MESSAGE,
                max_queue=256,
                compression=None,
                open_timeout=10,
                close_timeout=1,
                ping_interval=_PING_S * self._patience,
                ping_timeout=_PING_S * self._patience,
            ) as socket:
                opened = self._opened()
                self._addresses.connected()
                logger.info("%s connected to %s, %d streams", self.plan.name, url, len(self.plan.streams))
                return await self._serve(socket, opened, ready)
        except ConnectionClosed as closed:
            self._say(f"closed: {closed}")
            return "closed"
        except (InvalidURI, ValueError) as error:  # also where a redirect leads: to a page, or to no URL
            self._say(f"cannot use the address {url}: {error}; see the …_WS_URL settings")
            self._addresses.unreachable()
            return "address"
        except (OSError, TimeoutError, InvalidHandshake) as error:
            self._say(f"cannot connect to {url}: {type(error).__name__} {error}")
            self._addresses.unreachable()
            return "unreachable"
        finally:
            if opened is not None:
                self._open.remove(opened)

    def _opened(self) -> _Open:
        """A socket on which everything is yet to be asked for."""
        streams = self.plan.streams
        opened = _Open(FirstData(streams, time.monotonic(), self._patience))
        for message in self._dialect.greeting:
            opened.requests.put_nowait(message)
        self._say_all(opened.requests, self._dialect.subscribe, streams)
        self._open.append(opened)
        return opened

    async def _serve(self, socket: ClientConnection, opened: _Open, ready: asyncio.Event) -> str:
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        tasks = [
            asyncio.create_task(self._send_requests(socket, opened)),
            asyncio.create_task(self._watch(socket, opened, ready, ended)),
        ]
        if self._dialect.keepalive is not None:
            tasks.append(asyncio.create_task(_keep_alive(socket, *self._dialect.keepalive)))
        try:
            return await self._read(socket, opened, ended)
        finally:
            await _stop(*tasks)

    async def _read(self, socket: ClientConnection, opened: _Open, ended: asyncio.Future[str]) -> str:
        messages = self._metrics.counts["messages"]
        counted = 0
        while True:
            try:
                raw = await socket.recv(decode=False)
            except ConnectionClosed:
                if ended.done():
                    return ended.result()
                raise
            parsed = self._receive(raw)
            if parsed is None:
                opened.received += 1  # it could not be read: no answer to a keep-alive
            else:
                channel = self._channels.get(parsed.stream)
                messages[(*self._key, channel or "control")] += 1
                if channel is not None:
                    opened.received += 1
                    opened.watch.seen(parsed.stream)
                if (reason := self._control(parsed, opened.requests)) is not None:
                    return reason
            if (waiting := self._room()) is not None:
                await waiting
                opened.received += 1
            counted += 1
            if counted % _BREATHE_EVERY == 0:
                await asyncio.sleep(0)

    def _control(self, parsed: Parsed, requests: asyncio.Queue[str]) -> str | None:
        """Act on what the protocol says; a reason when the socket must be replaced."""
        for item in parsed.items:
            if type(item) is not Control:
                continue
            if item.reply:
                requests.put_nowait(item.reply)
            if item.refused:
                self._metrics.counts["errors"][(*self._key, "refused")] += 1
                self._complaints.say(f"{self.plan.name} refused", f"{self.plan.name}: refused: {item.refused}")
            if item.restart:
                logger.info("%s reconnects: %s", self.plan.name, item.restart)
                return "announced"
        return None

    async def _send_requests(self, socket: ClientConnection, opened: _Open) -> None:
        """One request at a time, below the venue's message rate."""
        while True:
            message = await opened.requests.get()
            if self._dialect.turn is not None:
                await asyncio.sleep(self._dialect.turn(message, time.monotonic()))
            try:
                await socket.send(message)
            except ConnectionClosed:
                return
            if opened.subscribed_at is None and opened.requests.empty():
                opened.subscribed_at = time.monotonic()
            await asyncio.sleep(self._dialect.send_interval_s)

    async def _watch(
        self, socket: ClientConnection, opened: _Open, ready: asyncio.Event, ended: asyncio.Future[str]
    ) -> None:
        """Silent streams are subscribed again; a channel that stays dead sends us to the next documented address."""
        started, watch = time.monotonic(), opened.watch
        standstill = Standstill(self.plan.streams, started, self._patience * self._tolerance)
        while True:
            await asyncio.sleep(min(0.5, 2.5 * self._patience))
            now = time.monotonic()
            if now - started > _OVERLAP_S or not watch.waiting:
                ready.set()
            silence = watch.overdue(now)
            standstill.expect(self.plan.streams, now)
            if self._silence_is_trouble and standstill.reached(opened.received, now) and self._room() is None:
                if not watch.alive:
                    self._addresses.silent()
                if watch.alive or self._addresses.at_first:  # no address is left to blame: a market can be as quiet
                    tolerance = self._tolerance if now - started < _LONG_S * self._patience else 1
                    self._tolerance = min(2 * tolerance, _MOST_TOLERANT)
                self._say(f"nothing came for {standstill.limit_s:.0f} s; connecting to {self._addresses.current}")
                await _hang_up(socket, ended)
                return
            if silence.dead and self._addresses.several:
                self._addresses.silent()
                self._say(f"no data on {', '.join(sorted(silence.dead))}; trying {self._addresses.current}")
                await _hang_up(socket, ended)
                return
            for stream in silence.streams:
                self._metrics.counts["resubscribes"][(*self._key, stream.channel)] += 1
            names = [stream.name for stream in silence.streams if stream.expect_s is not None]
            if names:  # those that may well be silent are asked for without a word
                more = " …" if len(names) > 5 else ""
                self._say(f"no data yet on {', '.join(names[:5])}{more}; subscribing again")
            if silence.streams:
                self._ask_again(opened.requests, silence.streams)
                opened.subscribed_at = None
                self._lost(silence.unheard, "disconnect")

    def _say(self, text: str) -> None:
        self._complaints.say(f"{self.plan.name}{text[:12]}", f"{self.plan.name}: {text}")


async def _hang_up(socket: ClientConnection, ended: asyncio.Future[str]) -> None:
    ended.set_result("silent")
    await socket.close()


async def _keep_alive(socket: ClientConnection, every_s: float, text: str) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await socket.send(text)
        except ConnectionClosed:
            return


async def _stop(*tasks: asyncio.Task[str] | asyncio.Task[None] | None) -> None:
    """Cancel and wait; how they end is of no interest any more."""
    await end_tasks(task for task in tasks if task is not None)
