"""First data per stream: an exchange acknowledges subscriptions that then stay dead, so only data proves a stream."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from collector.venue import Stream

_SLOWEST = 2
"""A stream whose data is due is asked for again at least every so many times its first patience: a request can be lost,
or acknowledged and forgotten, more than once."""
_SLOWEST_QUIET = 8
"""The same where silence is normal."""
_QUIET_S = 300.0
"""The first patience where silence is normal: an acknowledged subscription may be dead there too."""
_AT_WILL = "trades"
"""The channel that brings nothing while nobody does anything: no snapshot, no mark price."""
_AT_WILL_PATIENCES = 30
"""What that channel may take, over all its streams: half an hour without a trade for one pair, minutes for ten."""


@dataclass(slots=True)
class _Watch:
    stream: Stream
    since: float
    patience_s: float
    slowest_s: float
    due: float


@dataclass(slots=True)
class Silence:
    """What is overdue. ``dead``: whole channels of which no stream of this connection has ever had data, long enough
    for a sign of a dead address. ``unheard``: trades of a symbol of which some may be missing without a sign."""

    streams: list[Stream]
    dead: set[str]
    unheard: list[Stream]


class FirstData:
    """Watches one connection. Times are monotonic seconds, passed in."""

    def __init__(self, streams: Iterable[Stream], now: float, patience: float = 1.0) -> None:
        self._waiting: dict[str, _Watch] = {}
        self._patience = patience
        self._alive: set[str] = set()
        self._asked_again: set[str] = set()
        self.watch(streams, now)

    def watch(self, streams: Iterable[Stream], now: float) -> None:
        """These were subscribed just now."""
        for stream in streams:
            expect_s, slowest = (stream.expect_s, _SLOWEST) if stream.expect_s else (_QUIET_S, _SLOWEST_QUIET)
            first = expect_s * self._patience
            self._waiting[stream.name] = _Watch(stream, now, first, slowest * first, now + first)

    def leave(self, streams: Iterable[Stream]) -> None:
        """Nothing is expected of these any more."""
        for stream in streams:
            self._waiting.pop(stream.name, None)
            self._asked_again.discard(stream.name)

    @property
    def alive(self) -> bool:
        """Some stream has had data."""
        return bool(self._alive)

    @property
    def waiting(self) -> bool:
        """Some stream of which data is due has had none yet."""
        return any(watch.stream.expect_s is not None for watch in self._waiting.values())

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
            if watch.stream.name in self._asked_again and self._tells(watch.stream, now)
        } - self._alive
        # What comes while it is asked for is not heard. A pair tells of it by its next trade, and REST for hundreds of
        # quiet ones every two minutes is most of a limit: once is enough. An option may never trade again.
        unheard = [
            watch.stream
            for watch in late
            if watch.stream.channel == _AT_WILL
            and watch.stream.symbol
            and (watch.stream.expect_s is None or watch.stream.name not in self._asked_again)
        ]
        for watch in late:
            self._asked_again.add(watch.stream.name)
            watch.patience_s = min(watch.patience_s * 2, watch.slowest_s)
            watch.due = now + watch.patience_s
        return Silence([watch.stream for watch in late], dead, unheard)

    def _tells(self, stream: Stream, now: float) -> bool:
        """Whether the silence of its channel says something about the address by now."""
        if stream.expect_s is None or stream.channel != _AT_WILL:
            return stream.expect_s is not None
        waited = sum(now - watch.since for watch in self._waiting.values() if watch.stream.channel == _AT_WILL)
        return waited >= _AT_WILL_PATIENCES * stream.expect_s * self._patience


class Standstill:
    """Tells when a whole connection is silent, though it still answers pings.

    ``limit_s`` is twice the time within which its most talkative stream brings data; None where silence is normal.
    """

    def __init__(self, streams: Iterable[Stream], now: float, patience: float = 1.0) -> None:
        self._patience = patience
        self.limit_s: float | None = None
        self._count = -1
        self._since = now
        self.expect(streams, now)

    def expect(self, streams: Iterable[Stream], now: float) -> None:
        """These are carried by now: the time begins anew where another limit holds for them."""
        expected = [stream.expect_s for stream in streams if stream.expect_s is not None]
        limit_s = 2 * min(expected) * self._patience if expected else None
        if limit_s != self.limit_s:
            self.limit_s, self._since = limit_s, now

    def reached(self, count: int, now: float) -> bool:
        """``count``: messages with data so far; it may be told more than once that nothing has come since."""
        if count != self._count:
            self._count, self._since = count, now
        return self.limit_s is not None and now - self._since > self.limit_s
