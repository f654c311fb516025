"""Books that chain by the id before (OKX, Deribit): resets, keep-alives, overlapping connections, lost messages."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.book_sync import SAME_MS, BookKeeper
from collector.books import LocalBook
from collector.sampling import BookSampler
from collector.venue import BookUpdate, Verdict
from collector.venues.okx.books import sequence_rule
from marketprism.events import Row
from tests.golden.venues import AT, contract, make_core


def update(previous: int, own: int, time: int = 1000, size: str = "1") -> BookUpdate:
    return BookUpdate("S", previous + 1, own, previous, time, time * 1000, [("99", size)], [])


def snapshot(own: int, time: int = 1000) -> BookUpdate:
    return BookUpdate("S", own, own, 0, time, time * 1000, [("99", "1")], [("101", "1")], snapshot=True)


class Kept:
    """A keeper and its rows."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        book = LocalBook()
        sampler = BookSampler(book, ("okx", "linear"), 5, 0, False, self.rows.append)
        self.keeper = BookKeeper("S", sequence_rule, sampler, book, self.rows.append)

    def feed(self, *updates: BookUpdate) -> BookKeeper:
        for each in updates:
            self.keeper.update(each)
        return self.keeper

    @property
    def causes(self) -> list[str]:
        return [row.cause for row in self.rows if row.data_type == "gaps"]  # type: ignore[attr-defined]


def test_an_update_follows_the_id_before() -> None:
    keeper = Kept().feed(snapshot(10), update(10, 15), update(15, 21))
    assert (keeper.live, keeper.last_id, keeper.resyncs) == (True, 21, 0)


def test_a_snapshot_that_was_asked_for_is_taken_although_the_book_is_live() -> None:
    """REST gave the book meanwhile; what its stream left out is a hole in the flow, told at once."""
    kept = Kept()
    keeper = kept.feed(snapshot(10), update(10, 15))
    keeper.asked = True
    kept.feed(snapshot(40, time=1100))
    assert (keeper.live, keeper.last_id, keeper.resyncs, keeper.asked) == (True, 40, 1, False)
    kept.feed(update(40, 41, time=1200))
    assert (keeper.last_id, kept.causes) == (41, ["resync"])
    kept.feed(snapshot(60, time=1300))  # of a connection that overlaps: nobody asked
    assert (keeper.last_id, keeper.resyncs) == (41, 1)


def test_a_reset_of_the_engine_is_followed_to_smaller_ids() -> None:
    keeper = Kept().feed(snapshot(1000), update(1000, 1005), update(1005, 3), update(3, 9))
    assert (keeper.live, keeper.last_id, keeper.resyncs) == (True, 9, 0)


def test_a_keep_alive_changes_nothing_and_makes_no_row() -> None:
    kept = Kept()
    kept.feed(snapshot(10), update(10, 15))
    before = len(kept.rows)
    alive = BookUpdate("S", 16, 15, 15, 90_000, 90_000_000, [], [])
    keeper = kept.feed(alive, alive)
    assert (keeper.live, keeper.last_id, len(kept.rows)) == (True, 15, before)


def test_a_missing_update_is_a_gap_until_a_snapshot() -> None:
    kept = Kept()
    keeper = kept.feed(snapshot(10), update(10, 15), update(18, 21))
    assert keeper.wants_snapshot
    kept.feed(snapshot(30), update(30, 31))
    assert keeper.live
    assert kept.causes == ["sequence"]


def test_a_keep_alive_that_is_ahead_shows_a_lost_update() -> None:
    keeper = Kept().feed(snapshot(10), BookUpdate("S", 19, 18, 18, 1000, 1, [], []))
    assert not keeper.live


def test_a_reset_that_was_lost_does_not_leave_the_book_behind() -> None:
    """All ids after it look like old ones; that they are younger than the book gives it away."""
    kept = Kept()
    keeper = kept.feed(snapshot(1000), update(1000, 1005), update(3, 9, time=1500))
    assert keeper.live  # may be the other of two connections
    kept.feed(update(9, 12, time=1000 + SAME_MS + 1))
    assert not keeper.live
    kept.feed(snapshot(20, time=8000), update(20, 25, time=8001))
    assert (keeper.live, keeper.last_id) == (True, 25)


def test_what_waited_before_a_snapshot_on_the_stream_is_in_it() -> None:
    """After a reset the waiting ids are larger than the snapshot's, and still older."""
    kept = Kept()
    keeper = kept.feed(snapshot(10), update(12, 15), update(15, 1005))
    kept.feed(snapshot(7), update(7, 8))
    assert (keeper.live, keeper.last_id) == (True, 8)


def test_a_snapshot_of_an_overlapping_connection_is_no_hole() -> None:
    kept = Kept()
    keeper = kept.feed(snapshot(10), update(10, 15), snapshot(14), update(10, 15), update(14, 15), update(15, 20))
    assert (keeper.live, keeper.last_id, keeper.resyncs, kept.causes) == (True, 20, 0, [])


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=3, max_size=30), st.data())
def test_two_connections_with_their_own_cuts_make_one_book(steps: list[int], data: st.DataObject) -> None:
    """Each connection batches by its own clock; whatever way they interleave, the book ends where both end."""
    ids = [10]
    for step in steps:
        ids.append(ids[-1] + step)
    streams = []
    for _ in range(2):
        cuts = sorted({*data.draw(st.sets(st.sampled_from(ids))), ids[0], ids[-1]})
        streams.append([update(a, b, size=str(b)) for a, b in pairwise(cuts)])
    kept = Kept()
    kept.feed(snapshot(10))
    while any(streams):
        stream = data.draw(st.sampled_from([stream for stream in streams if stream]))
        other = streams[1 - streams.index(stream)] if len(streams) == 2 else []
        # neither socket is ahead by more than what is on its way
        if other and stream and stream[0].previous_id > kept.keeper.last_id:
            stream = other
        kept.feed(stream.pop(0))
    assert (kept.keeper.live, kept.keeper.last_id, kept.causes) == (True, ids[-1], [])
    assert kept.keeper.book.bids.best == (99 * 10**12, ids[-1] * 10**12)


def test_the_rule_itself() -> None:
    assert sequence_rule(10, update(10, 12), False) is Verdict.APPLY
    assert sequence_rule(10, update(8, 12), True) is Verdict.APPLY  # a snapshot from REST
    assert sequence_rule(10, update(5, 9), True) is Verdict.SKIP
    assert sequence_rule(10, update(11, 12), False) is Verdict.GAP


def test_rows_go_on_rising_when_the_ids_start_over() -> None:
    """Storage keeps what is above the highest sequence of a symbol: small ids would be taken for old rows."""
    core = make_core("okx.linear", [contract("okx", "linear", "A-USDT-SWAP")])
    ids = [(-1, 1000), (1000, 1005), (1005, 3), (3, 9), (9, 20)]
    for number, (previous, own) in enumerate(ids):
        sides = {"bids": [["99", str(number + 1), "0", "1"]], "asks": [["101", "1", "0", "1"]]}
        data = {**sides, "ts": str(1_790_000_000_000 + 100 * number), "seqId": own, "prevSeqId": previous}
        action = "update" if number else "snapshot"
        message = {"arg": {"channel": "books", "instId": "A-USDT-SWAP"}, "action": action, "data": [data]}
        core.market.receive(json.dumps(message).encode(), AT + number)
    assert core.errors() == {}
    for kind in ("orderbooks", "best_quotes"):
        rows = core.of(kind)
        assert [row.last_update_id for row in rows] == [1005, 3, 9, 20]
        assert all(before.sequence < after.sequence for before, after in pairwise(rows))
