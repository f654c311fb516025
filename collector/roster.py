"""Which socket carries which stream: new symbols go where there is room, those that are listed no more give it back.

Contracts are listed and expire every day. A socket for each listing would pass what an exchange allows an address in a
few days, and sockets that only carry what has expired would never end.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace

from collector.connection import Connection
from collector.venue import ConnectionPlan, Stream

Connect = Callable[[ConnectionPlan], tuple[Connection, asyncio.Task[None]]]
"""Begins a connection; the task is its life."""


class Roster:
    """The connections of one venue."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._kinds: dict[str, dict[Connection, asyncio.Task[None]]] = defaultdict(dict)
        self._numbers: dict[str, Iterator[int]] = defaultdict(itertools.count)
        self._trades_on: dict[str, Connection] = {}

    @property
    def connections(self) -> list[Connection]:
        """All of them, up or not."""
        return [connection for kind in self._kinds.values() for connection in kind]

    def take(self, plans: Iterable[ConnectionPlan]) -> None:
        """Subscribe what ``plans`` name: on sockets of the same name that have room, and on new ones."""
        for plan in plans:
            streams = list(plan.streams)
            for connection in self._kinds[plan.name]:
                room = max(0, plan.most - len(connection.plan.streams))
                self._note(connection, streams[:room])
                connection.take(streams[:room])
                del streams[:room]
            for start in range(0, len(streams), plan.most):
                some = tuple(streams[start : start + plan.most])
                name = f"{plan.name}-{next(self._numbers[plan.name])}"
                connection, task = self._connect(replace(plan, name=name, streams=some))
                self._kinds[plan.name][connection] = task
                self._note(connection, some)

    def drop(self, symbols: Collection[str]) -> list[Stream]:
        """Nothing is wanted of these any more; returns what was subscribed. A socket on which nothing else is ends."""
        for symbol in symbols:
            self._trades_on.pop(symbol, None)
        return self._end(lambda stream: stream.symbol in symbols)

    def drop_shared(self, names: Collection[str]) -> None:
        """No symbol is left for these streams of many."""
        self._end(lambda stream: stream.name in names)

    def _end(self, unwanted: Callable[[Stream], bool]) -> list[Stream]:
        dropped: list[Stream] = []
        for kind in self._kinds.values():
            for connection, task in list(kind.items()):
                streams = [stream for stream in connection.plan.streams if unwanted(stream)]
                connection.drop(streams)
                dropped += streams
                if not connection.plan.streams:
                    task.cancel()
                    del kind[connection]
        return dropped

    def books_of(self, symbol: str) -> list[tuple[Connection, Stream]]:
        """Where the book of a symbol is subscribed."""
        return [
            (connection, stream)
            for connection in self.connections
            for stream in connection.plan.streams
            if stream.channel == "orderbooks" and stream.symbol == symbol
        ]

    def subscribed_at(self, symbol: str) -> float | None:
        """Since when (monotonic) the trades of a symbol are subscribed; None while they are not."""
        connection = self._trades_on.get(symbol) or self._trades_on.get("")  # one stream may have every symbol
        return None if connection is None else connection.subscribed_at

    def _note(self, connection: Connection, streams: Iterable[Stream]) -> None:
        self._trades_on |= {stream.symbol: connection for stream in streams if stream.channel == "trades"}
