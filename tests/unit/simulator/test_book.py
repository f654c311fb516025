"""The book and its update ids: a snapshot of any moment plus the later diffs is the book, by the venue's own rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketprism.simulator.book import Book, Side
from marketprism.simulator.events import DepthChange

SPOT, LINEAR = True, False


class Follower:
    """A client's book in plain dicts, after Binance's rule; the test's own reading of exchange documentation."""

    def __init__(self, spot: bool, last_id: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]]):
        self.spot, self.last_id, self.fresh = spot, last_id, True
        self.bids, self.asks = dict(bids), dict(asks)
        self.gaps = 0

    def feed(self, change: DepthChange) -> None:
        if self.spot:
            if change.last_id <= self.last_id:
                return
            chained = change.first_id <= self.last_id + 1
        elif self.fresh:
            if change.last_id < self.last_id:
                return
            chained = change.first_id <= self.last_id <= change.last_id
        else:
            chained = change.previous_id == self.last_id
        self.gaps += not chained
        for side, levels in ((self.bids, change.bids), (self.asks, change.asks)):
            for price, lots in levels:
                if lots:
                    side[price] = lots
                else:
                    side.pop(price, None)
        self.last_id, self.fresh = change.last_id, False


operations = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.booleans(), st.integers(1, 15), st.integers(0, 3)),
        st.just(("emit",)),
    ),
    max_size=60,
)


@pytest.mark.parametrize("spot", [SPOT, LINEAR])
@given(operations=operations, moment=st.integers(0, 60))
def test_snapshot_of_any_moment_and_the_diffs_around_it_give_the_book(
    spot: bool, operations: list[tuple], moment: int
) -> None:
    book = Book(0, first_id=500, consecutive=spot)
    book.put(book.bids, 1, 1, 0)
    changes, follower = [], None
    for step, (what, *values) in enumerate(operations):
        if step == moment:
            follower = Follower(spot, *book.snapshot(1000))
        if what == "put":
            bid, price, lots = values
            book.put(book.bids if bid else book.asks, price if bid else 20 + price, lots, step)
        elif change := book.take_change(step):
            changes.append(change)
    if follower is None:
        follower = Follower(spot, *book.snapshot(1000))
    book.put(book.asks, 99, 7, 60)
    changes.append(book.take_change(60))
    for change in changes:
        follower.feed(change)
    assert follower.gaps == 0
    assert (follower.bids, follower.asks) == (dict(iter(book.bids)), dict(iter(book.asks)))


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5)), max_size=80), st.sampled_from([1, -1]))
def test_side_is_sorted_best_first_and_holds_what_was_put(puts: list[tuple[int, int]], sign: int) -> None:
    side, expected = Side(sign), {}
    for price, lots in puts:
        side.put(price, lots)
        expected[price] = lots
    expected = {price: lots for price, lots in expected.items() if lots}
    assert list(side) == sorted(expected.items(), key=lambda level: -sign * level[0])
    assert side.top(3) == list(side)[:3]
    if expected:
        assert side.best() == next(iter(side))[0]
        assert side.worst() == list(side)[-1][0]


@pytest.mark.parametrize("spot", [SPOT, LINEAR])
@pytest.mark.parametrize("pending", [True, False])
def test_skipped_ids_are_a_gap_by_the_venues_rule_and_a_new_snapshot_heals_it(spot: bool, pending: bool) -> None:
    book = Book(0, first_id=100, consecutive=spot)
    book.put(book.bids, 10, 1, 0)
    first = book.take_change(0)
    follower = Follower(spot, *book.snapshot(10))
    if pending:
        book.put(book.bids, 11, 1, 1)
    book.skip_ids(17)
    book.put(book.bids, 12, 1, 2)
    second = book.take_change(2)
    follower.feed(first)
    follower.feed(second)
    assert follower.gaps == 1
    healed = Follower(spot, *book.snapshot(10))
    book.put(book.asks, 20, 1, 3)
    for change in (second, book.take_change(3)):
        healed.feed(change)
    assert healed.gaps == 0
    assert healed.bids == dict(iter(book.bids))
