"""Which socket carries what, as symbols come and go."""

from __future__ import annotations

import asyncio
import random
from typing import cast

from prometheus_client import CollectorRegistry

from collector.complaints import Complaints
from collector.connection import Connection
from collector.metrics import CollectorMetrics
from collector.roster import Roster
from collector.venue import ConnectionPlan, Stream
from collector.venues.binance.channels import DIALECT


class Plans:
    """Opens connections that never run."""

    def __init__(self) -> None:
        self.opened: list[Connection] = []
        self.ended: list[str] = []

    def connect(self, plan: ConnectionPlan) -> tuple[Connection, asyncio.Task[None]]:
        connection = Connection(
            ("binance", "option"), plan, DIALECT, receive=lambda _: None, lost=lambda *_: None, room=lambda: None,
            metrics=CollectorMetrics(CollectorRegistry()), complaints=Complaints(),
        )  # fmt: skip
        self.opened.append(connection)
        ends = lambda: self.ended.append(plan.name)  # noqa: E731
        return connection, cast("asyncio.Task[None]", type("Task", (), {"cancel": lambda _: ends()})())


def of(*symbols: str) -> list[ConnectionPlan]:
    """Trades and books of each, ten streams on a socket; books apart."""
    books = tuple(Stream(f"{symbol}@depth", "orderbooks", symbol) for symbol in symbols)
    trades = tuple(Stream(f"{symbol}@trade", "trades", symbol) for symbol in symbols)
    return [ConnectionPlan("books", ("ws://a",), books, 10), ConnectionPlan("trades", ("ws://b",), trades, 10)]


def carried(roster: Roster) -> dict[str, int]:
    return {connection.plan.name: len(connection.plan.streams) for connection in roster.connections}


def test_new_streams_go_where_there_is_room() -> None:
    plans = Plans()
    roster = Roster(plans.connect)
    roster.take(of(*(f"S{number}" for number in range(12))))
    assert carried(roster) == {"books-0": 10, "books-1": 2, "trades-0": 10, "trades-1": 2}
    roster.take(of("A", "B"))
    roster.drop({"S0", "S1", "S2"})
    assert carried(roster) == {"books-0": 7, "books-1": 4, "trades-0": 7, "trades-1": 4}
    roster.take(of(*(f"T{number}" for number in range(10))))
    assert carried(roster) == {
        "books-0": 10,
        "books-1": 10,
        "books-2": 1,
        "trades-0": 10,
        "trades-1": 10,
        "trades-2": 1,
    }
    assert plans.ended == []


def test_a_full_socket_is_not_touched_by_new_streams() -> None:
    plans = Plans()
    roster = Roster(plans.connect)
    roster.take(of(*(f"S{number}" for number in range(10))))
    full = plans.opened[0]
    opened = full._opened()
    opened.subscribed_at = 1.0
    asked = opened.requests.qsize()
    roster.take(of("A"))
    assert (full.subscribed_at, opened.requests.qsize()) == (1.0, asked)
    full.resubscribe(full.plan.streams[:1])
    assert opened.requests.qsize() == asked + 2


def test_a_socket_with_nothing_on_it_ends() -> None:
    plans = Plans()
    roster = Roster(plans.connect)
    roster.take(of(*(f"S{number}" for number in range(12))))
    dropped = roster.drop({"S10", "S11"})
    assert sorted(stream.name for stream in dropped) == ["S10@depth", "S10@trade", "S11@depth", "S11@trade"]
    assert sorted(plans.ended) == ["books-1", "trades-1"]
    roster.take(of("A"))
    roster.take(of("B", "C"))
    assert sorted(carried(roster)) == ["books-0", "books-2", "trades-0", "trades-2"]


def test_every_stream_is_on_one_socket_and_no_more_sockets_than_needed_are_open_for_long() -> None:
    chance = random.Random(5)
    roster = Roster(Plans().connect)
    listed: set[str] = set()
    for day in range(200):
        gone = {symbol for symbol in listed if chance.random() < 0.3}
        roster.drop(gone)
        listed -= gone
        new = [f"D{day}-{number}" for number in range(chance.randint(0, 12))]
        roster.take(of(*new))
        listed |= {*new}
        names = [stream.name for connection in roster.connections for stream in connection.plan.streams]
        assert sorted(names) == sorted(f"{symbol}@{kind}" for symbol in listed for kind in ("depth", "trade"))
        for symbol in listed:
            ((connection, stream),) = roster.books_of(symbol)
            assert stream in connection.plan.streams
    assert len(roster.connections) <= 2 * (len(listed) // 10 + 4)
