"""Push with back-pressure: one look for all pages of a topic, and per page only the newest message of each kind.

A topic is looked at while somebody is subscribed. A subscriber holds at most one message of a kind: when its browser is
slow, newer ones replace older ones, and nothing queues. A browser that takes nothing for a while is let go; it
reconnects by itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from aiohttp import web
from prometheus_client import Counter, Gauge, Histogram

from marketprism.errors import MarketPrismError
from monitors.web.endpoints import Refused

log = logging.getLogger(__name__)

BEAT_S: Final = 10.0
STUCK_S: Final = 20.0
_LINGER_S: Final = 5.0
_REST_S: Final = 1.0
_HIGH_WATER: Final = 256 << 10

STREAMS: Final = Gauge("marketprism_web_streams", "pages that are open")
MESSAGES: Final = Counter("marketprism_web_messages", "messages pushed", ("kind",))
DROPPED: Final = Counter("marketprism_web_dropped_messages", "messages replaced before a slow page took them")

LOOK_SECONDS: Final = Histogram("marketprism_web_look_seconds", "time of one look at ClickHouse for the pages")

Publish = Callable[[str, Any], None]
Look = Callable[[Publish], Awaitable[None]]
"""Looks once, and publishes (kind, body) of what it saw."""


@dataclass(eq=False, slots=True)
class Subscriber:
    """The mailbox of a page: at most one message of a kind."""

    waiting: dict[str, bytes] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    dropped: int = 0

    def offer(self, kind: str, body: bytes) -> None:
        """A message of the kind that still waits is replaced."""
        if kind in self.waiting:
            self.dropped += 1
            DROPPED.inc()
        self.waiting[kind] = body
        self.news.set()

    async def take(self, within_s: float) -> dict[str, bytes]:
        """What waits, oldest kind first; empty when nothing came ``within_s``."""
        try:
            await asyncio.wait_for(self.news.wait(), within_s)
        except TimeoutError:
            return {}
        self.news.clear()
        taken, self.waiting = self.waiting, {}
        return taken


class Topic:
    """What some pages look at. Every look runs on its own clock while there is a subscriber: (look, seconds)."""

    def __init__(self, *looks: tuple[Look, float]) -> None:
        self._looks = looks
        self._subscribers: set[Subscriber] = set()
        self._latest: dict[str, bytes] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def join(self, subscriber: Subscriber) -> None:
        """What is known now comes at once."""
        self._subscribers.add(subscriber)
        for kind, body in self._latest.items():
            subscriber.offer(kind, body)
        if self._asleep:
            self._latest.clear()  # what it knew is old
        for number, (look, every_s) in enumerate(self._looks):  # they fall asleep one by one
            if number not in self._tasks or self._tasks[number].done():
                self._tasks[number] = asyncio.create_task(self._run(number, look, every_s), name="look of a page")

    def leave(self, subscriber: Subscriber) -> None:
        self._subscribers.discard(subscriber)

    @property
    def idle(self) -> bool:
        return self._asleep and not self._subscribers

    @property
    def _asleep(self) -> bool:
        return all(task.done() for task in self._tasks.values())

    def publish(self, kind: str, body: Any) -> None:
        """To every subscriber, unless it is what they have already."""
        encoded = msgspec.json.encode(body)
        if self._latest.get(kind) == encoded:
            return
        self._latest[kind] = encoded
        for subscriber in self._subscribers:
            subscriber.offer(kind, encoded)

    async def _run(self, number: int, look: Look, every_s: float) -> None:
        loop = asyncio.get_running_loop()
        seen = loop.time()
        while True:
            began = loop.time()
            if self._subscribers:
                seen = began
                await self._one(number, look)
            elif began - seen > _LINGER_S:
                return
            took = loop.time() - began
            LOOK_SECONDS.observe(took)
            # a look that took long is followed by a rest: pages leave room for other readers
            await asyncio.sleep(max(every_s - took, min(took, _REST_S)))

    async def _one(self, number: int, look: Look) -> None:
        kind = f"trouble_{number}"
        try:
            await look(self.publish)
        except MarketPrismError as error:
            self.publish(kind, {"error": str(error)})
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("a look of the page failed")
            self.publish(kind, {"error": "the page server failed at this look; its log says why"})
        else:
            self.publish(kind, None)

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Hub:
    """The topics that are looked at."""

    def __init__(self, max_streams: int) -> None:
        self._topics: dict[str, Topic] = {}
        self._max = max_streams
        self._open = 0

    @asynccontextmanager
    async def subscribed(self, key: str, make: Callable[[], Topic]) -> AsyncIterator[Subscriber]:
        """Raises Refused 503 when too many pages are open."""
        if self._open >= self._max:
            raise Refused(503, f"{self._open} pages are open already; close one, or raise MARKETPRISM_WEB_MAX_STREAMS")
        self._topics = {name: topic for name, topic in self._topics.items() if not topic.idle}
        topic = self._topics.setdefault(key, make()) if key not in self._topics else self._topics[key]
        subscriber = Subscriber()
        self._open += 1
        STREAMS.set(self._open)
        topic.join(subscriber)
        try:
            yield subscriber
        finally:
            topic.leave(subscriber)
            self._open -= 1
            STREAMS.set(self._open)

    async def close(self) -> None:
        """End every look."""
        await asyncio.gather(*(topic.close() for topic in self._topics.values()))


async def push(subscriber: Subscriber, request: web.Request) -> web.StreamResponse:
    """Server-sent events until the browser goes, or takes nothing for STUCK_S."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    if request.transport is not None:
        request.transport.set_write_buffer_limits(high=_HIGH_WATER)
    try:
        await response.write(b"retry: 1000\n\n")
        while True:
            messages = await subscriber.take(BEAT_S)
            text = b"".join(b"event: %s\ndata: %s\n\n" % (kind.encode(), body) for kind, body in messages.items())
            async with asyncio.timeout(STUCK_S):
                await response.write(text or b"event: beat\ndata: {}\n\n")
            for kind in messages:
                MESSAGES.labels(kind).inc()
    except TimeoutError:
        log.info("a page took nothing for %g s and was let go", STUCK_S)
    except ConnectionError:
        log.debug("a page left")
    return response
