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
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

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

Receive = Callable[[bytes], Parsed | None]
Lost = Callable[[Iterable[Stream], str], None]
Room = Callable[[], Awaitable[None] | None]


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
        self.up = False
        self.subscribed_at: float | None = None
        """When (monotonic) the last of the socket's subscriptions was sent; None until then."""
        self._key = key
        self._dialect = dialect
        self._receive = receive
        self._lost = lost
        self._room = room
        self._metrics = metrics
        self._complaints = complaints
        self._patience = patience
        self._silence_is_trouble = silence_is_trouble
        self._received = 0  # messages, and moments of waiting for room
        self._channels = {stream.name: stream.channel for stream in plan.streams}
        self._url_number = 0
        self._requests: asyncio.Queue[str] | None = None  # of the newest socket; each has its own

    def resubscribe(self, streams: Sequence[Stream]) -> None:
        """Unsubscribe and subscribe again on the newest socket, for streams that start with a snapshot."""
        if self._requests is not None:
            self._ask_again(self._requests, streams)

    def _ask_again(self, requests: asyncio.Queue[str], streams: Sequence[Stream]) -> None:
        names = [stream.name for stream in streams]
        for message in (*self._dialect.unsubscribe(names), *self._dialect.subscribe(names)):
            requests.put_nowait(message)

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            started = time.monotonic()
            cause = await self._one_generation()
            self._lost(self.plan.streams, "disconnect")
            self._metrics.counts["reconnects"][(*self._key, cause)] += 1
            failures = 0 if time.monotonic() - started > _HEALTHY_S * self._patience else failures + 1
            delay = min(0.25 * 2 ** min(failures, _DOUBLINGS), _LONGEST_S * self._patience)
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))

    async def _one_generation(self) -> str:
        """A socket and its planned successors, until one of them ends by itself; returns why."""
        current = asyncio.create_task(self._socket(asyncio.Event()))
        successor: asyncio.Task[str] | None = None
        try:
            while True:
                done, _ = await asyncio.wait({current}, timeout=self._dialect.max_age_s * random.uniform(0.97, 1.0))
                if done:
                    return current.result()
                ready = asyncio.Event()
                successor = asyncio.create_task(self._socket(ready))
                waiter = asyncio.create_task(ready.wait())
                await asyncio.wait({successor, waiter}, return_when=asyncio.FIRST_COMPLETED)
                waiter.cancel()
                if successor.done():
                    continue  # it could not even begin; the old one still runs, and is replaced when it ends
                await _stop(current)
                current, successor = successor, None
                self.up = True
                self.subscribed_at = time.monotonic()
                self._metrics.counts["reconnects"][(*self._key, "planned")] += 1
        finally:
            await _stop(current, successor)

    async def _socket(self, ready: asyncio.Event) -> str:
        """The life of one socket; returns the bounded reason of its end."""
        url = self.plan.urls[self._url_number % len(self.plan.urls)]
        if self._dialect.gate is not None:
            await asyncio.sleep(self._dialect.gate.delay(time.monotonic()))
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
                self.up = True
                logger.info("%s connected to %s, %d streams", self.plan.name, url, len(self.plan.streams))
                return await self._serve(socket, ready)
        except ConnectionClosed as closed:
            self._say(f"closed: {closed}")
            return "closed"
        except InvalidURI as error:
            self._say(f"cannot use the address {url}: {error}; see the …_WS_URL settings")
            return "address"
        except (OSError, TimeoutError, InvalidHandshake) as error:
            self._say(f"cannot connect to {url}: {type(error).__name__} {error}")
            self._url_number += 1
            return "unreachable"
        finally:
            self.up = False
            self.subscribed_at = None

    async def _serve(self, socket: ClientConnection, ready: asyncio.Event) -> str:
        watch = FirstData(self.plan.streams, time.monotonic(), self._patience)
        self._requests = requests = asyncio.Queue[str]()
        names = [stream.name for stream in self.plan.streams]
        for message in (*self._dialect.greeting, *self._dialect.subscribe(names)):
            requests.put_nowait(message)
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        tasks = [
            asyncio.create_task(self._send_requests(socket, requests)),
            asyncio.create_task(self._watch(socket, requests, watch, ready, ended)),
        ]
        if self._dialect.keepalive is not None:
            tasks.append(asyncio.create_task(_keep_alive(socket, *self._dialect.keepalive)))
        try:
            return await self._read(socket, requests, watch, ended)
        finally:
            await _stop(*tasks)

    async def _read(
        self, socket: ClientConnection, requests: asyncio.Queue[str], watch: FirstData, ended: asyncio.Future[str]
    ) -> str:
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
            if parsed is not None:
                channel = self._channels.get(parsed.stream)
                messages[(*self._key, channel or "control")] += 1
                if channel is not None:
                    watch.seen(parsed.stream)
                if (reason := self._control(parsed, requests)) is not None:
                    return reason
            self._received += 1
            if (waiting := self._room()) is not None:
                await waiting
                self._received += 1
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

    async def _send_requests(self, socket: ClientConnection, requests: asyncio.Queue[str]) -> None:
        """One request at a time, below the venue's message rate."""
        while True:
            message = await requests.get()
            try:
                await socket.send(message)
            except ConnectionClosed:
                return
            if self.subscribed_at is None and requests.empty():
                self.subscribed_at = time.monotonic()
            await asyncio.sleep(self._dialect.send_interval_s)

    async def _watch(
        self,
        socket: ClientConnection,
        requests: asyncio.Queue[str],
        watch: FirstData,
        ready: asyncio.Event,
        ended: asyncio.Future[str],
    ) -> None:
        """Silent streams are subscribed again; a channel that stays dead sends us to the next documented address."""
        started = time.monotonic()
        standstill = Standstill(self.plan.streams, started, self._patience)
        while watch.watching or self._silence_is_trouble:
            await asyncio.sleep(min(0.5, 2.5 * self._patience))
            now = time.monotonic()
            if now - started > _OVERLAP_S or not watch.waiting:
                ready.set()
            if self._silence_is_trouble and standstill.reached(self._received, now) and self._room() is None:
                self._say(f"nothing came for {standstill.limit_s:.0f} s, though it had data; connecting again")
                ended.set_result("silent")
                await socket.close()
                return
            silence = watch.overdue(now)
            if silence.dead and len(self.plan.urls) > 1:
                self._url_number += 1
                dead = ", ".join(sorted(silence.dead))
                self._say(f"no data on {dead}; trying {self.plan.urls[self._url_number % len(self.plan.urls)]}")
                ended.set_result("silent")
                await socket.close()
                return
            if silence.streams:
                for stream in silence.streams:
                    self._metrics.counts["resubscribes"][(*self._key, stream.channel)] += 1
                names = [stream.name for stream in silence.streams if stream.expect_s is not None]
                if names:  # those that may well be silent are asked for without a word
                    more = " …" if len(names) > 5 else ""
                    self._say(f"no data yet on {', '.join(names[:5])}{more}; subscribing again")
                self._ask_again(requests, silence.streams)
        ready.set()

    def _say(self, text: str) -> None:
        self._complaints.say(f"{self.plan.name}{text[:12]}", f"{self.plan.name}: {text}")


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
