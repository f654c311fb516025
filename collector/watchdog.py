"""First data per stream: an exchange acknowledges subscriptions that then stay dead, so only data proves a stream."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from collector.venue import Stream

_SLOWEST = 8
"""A stream is asked for again at least every so many times its first patience: a request can be lost too."""
_QUIET_S = 300.0
"""The first patience where silence is normal: an acknowledged subscription may be dead there too."""


@dataclass(slots=True)
class _Watch:
    stream: Stream
    patience_s: float
    slowest_s: float
    due: float


@dataclass(slots=True)
class Silence:
    """What is overdue. ``dead``: whole channels of which no stream of this connection has ever had data."""

    streams: list[Stream]
    dead: set[str]


class FirstData:
    """Watches one connection. Times are monotonic seconds, passed in."""

    def __init__(self, streams: Iterable[Stream], now: float, patience: float = 1.0) -> None:
        self._waiting: dict[str, _Watch] = {}
        for stream in streams:
            first = (_QUIET_S if stream.expect_s is None else stream.expect_s) * patience
            self._waiting[stream.name] = _Watch(stream, first, _SLOWEST * first, now + first)
        self._alive: set[str] = set()
        self._asked_again: set[str] = set()

    @property
    def waiting(self) -> bool:
        """Some stream of which data is due has had none yet."""
        return any(watch.stream.expect_s is not None for watch in self._waiting.values())

    @property
    def watching(self) -> bool:
        """Some stream has had no data yet, though that may be normal."""
        return bool(self._waiting)

    def seen(self, name: str) -> None:
        """Data came on a stream."""
        if self._waiting and (watch := self._waiting.pop(name, None)) is not None:
            self._alive.add(watch.stream.channel)

    def overdue(self, now: float) -> Silence:
        """Streams to subscribe again (each time with twice the patience), and channels that are dead even so."""
        late = [watch for watch in self._waiting.values() if watch.due <= now]
        dead = {
            watch.stream.channel
            for watch in late
            if watch.stream.name in self._asked_again and watch.stream.expect_s is not None
        } - self._alive
        for watch in late:
            self._asked_again.add(watch.stream.name)
            watch.patience_s = min(watch.patience_s * 2, watch.slowest_s)
            watch.due = now + watch.patience_s
        return Silence([watch.stream for watch in late], dead)


class Standstill:
    """Tells when a whole connection has fallen silent, though its streams had data and it still answers pings.

    ``limit_s`` is twice the time within which its most talkative stream brings data; None where silence is normal.
    """

    def __init__(self, streams: Iterable[Stream], now: float, patience: float = 1.0) -> None:
        expected = [stream.expect_s for stream in streams if stream.expect_s is not None]
        self.limit_s = 2 * min(expected) * patience if expected else None
        self._count = -1
        self._since = now

    def reached(self, count: int, now: float) -> bool:
        """``count``: messages so far; it may be told more than once that nothing has come since."""
        if count != self._count:
            self._count, self._since = count, now
        return self.limit_s is not None and now - self._since > self.limit_s
