"""What silence and refusals say about an address: which channels tell, what answers count, where to go next."""

from __future__ import annotations

import pytest

from collector.addresses import Addresses
from collector.venue import Stream
from collector.watchdog import FirstData
from tests.unit.collector.feeding import core


@pytest.mark.parametrize(("pairs", "dead_at"), [(1, 1860), (3, 660), (10, 180), (50, 180)])
def test_trades_that_stay_away_beside_living_books_are_a_sign_by_their_number_and_time(
    pairs: int, dead_at: int
) -> None:
    names = [f"S{number}" for number in range(pairs)]
    streams = [Stream(f"{name}@trade", "trades", name, 60) for name in names]
    watch = FirstData([*streams, Stream("a@depth", "orderbooks", "A", 30)], now=0)
    watch.seen("a@depth")
    found = ((now, watch.overdue(now).dead) for now in range(0, 4000, 20))
    assert next((now, dead) for now, dead in found if dead) == (dead_at, {"trades"})


def test_addresses() -> None:
    addresses = Addresses(["first", "second", "third"])
    refused = []
    for _ in range(9):
        refused.append(addresses.current)
        addresses.unreachable()
    assert refused == ["first"] * 3 + ["second"] + ["first"] * 3 + ["third", "first"]
    addresses.connected()
    addresses.unreachable()
    addresses.unreachable()
    assert addresses.at_first  # not three in a row
    silent = []
    for _ in range(4):
        addresses.silent()
        silent.append(addresses.current)
    assert silent == ["second", "third", "first", "second"]
    alone = Addresses(["only"])
    for _ in range(5):
        alone.unreachable()
        alone.silent()
    assert (alone.current, alone.at_first, alone.several) == ("only", True, False)


@pytest.mark.parametrize(
    ("venue", "answer"),
    [("okx.spot", b"pong"), ("bybit.spot", b'{"success":true,"ret_msg":"pong","op":"ping"}'),
     ("deribit.linear", b'{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}}')],
)  # fmt: skip
def test_answers_to_keep_alives_belong_to_no_stream(venue: str, answer: bytes) -> None:
    assert core(venue, {}).venue.parse(answer, 0).stream == ""


def test_trades_that_may_have_been_missed_are_told_once_and_of_options_each_time() -> None:
    pair, option = Stream("pair", "trades", "PAIR", 60.0), Stream("option", "trades", "OPTION")
    first = FirstData([pair, option, Stream("many", "trades"), Stream("book", "orderbooks", "PAIR", 30.0)], 0.0)
    told = [(now, [stream.name for stream in first.overdue(float(now)).unheard]) for now in range(0, 1000, 10)]
    assert [item for item in told if item[1]] == [(60, ["pair"]), (300, ["option"]), (900, ["option"])]
