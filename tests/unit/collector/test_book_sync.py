"""Snapshot, chain, gap, resync, and the grid of published books."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.book_sync import BookKeeper
from collector.books import LocalBook
from collector.sampling import BookSampler
from collector.venue import BookRule, BookUpdate, Verdict
from collector.venues.binance.books import futures_rule, spot_rule
from marketprism.events import Row

KEY = ("binance", "spot")


def update(
    first: int, last: int, previous: int = 0, *, time: int = 0, bid: str = "1.0", quantity: str = "1"
) -> BookUpdate:
    return BookUpdate("BTCUSDT", first, last, previous, time or last * 10, last * 1000, [(bid, quantity)], [])


def snapshot(last: int, bids: tuple[tuple[str, str], ...] = (("1.0", "5"),)) -> BookUpdate:
    return BookUpdate("BTCUSDT", last, last, 0, 0, 0, list(bids), [("2.0", "5")], snapshot=True)


def keeper(
    rule: BookRule = spot_rule, interval_ms: int = 0, held_us: int | None = None
) -> tuple[BookKeeper, list[Row]]:
    rows: list[Row] = []
    book = LocalBook()
    sampler = BookSampler(book, KEY, 5, interval_ms, True, rows.append)
    return BookKeeper("BTCUSDT", rule, sampler, book, rows.append, held_us), rows


def ids(rows: list[Row], kind: str = "orderbooks") -> list[int]:
    return [row.sequence for row in rows if row.data_type == kind]


@pytest.mark.parametrize(
    ("rule", "last", "given_update", "fresh", "verdict"),
    [
        (spot_rule, 100, update(90, 100), True, Verdict.SKIP),
        (spot_rule, 100, update(99, 101), True, Verdict.APPLY),
        (spot_rule, 100, update(101, 105), False, Verdict.APPLY),
        (spot_rule, 100, update(102, 105), False, Verdict.GAP),
        (spot_rule, 100, update(102, 105), True, Verdict.GAP),
        (futures_rule, 100, update(90, 99, 80), True, Verdict.SKIP),
        (futures_rule, 100, update(90, 100, 80), True, Verdict.SKIP),
        (futures_rule, 100, update(95, 110, 90), True, Verdict.APPLY),
        (futures_rule, 100, update(105, 110, 98), True, Verdict.APPLY),  # the snapshot lies between two updates
        (futures_rule, 100, update(105, 110, 103), True, Verdict.GAP),
        (futures_rule, 100, update(105, 110, 100), False, Verdict.APPLY),
        (futures_rule, 100, update(105, 110, 98), False, Verdict.GAP),
        (futures_rule, 100, update(90, 100, 80), False, Verdict.SKIP),
    ],
)
def test_rules(rule: BookRule, last: int, given_update: BookUpdate, fresh: bool, verdict: Verdict) -> None:
    assert rule(last, given_update, fresh) is verdict


@given(st.integers(0, 9))
def test_rows_do_not_depend_on_when_the_snapshot_comes(arrival: int) -> None:
    def play(at: int) -> list[Row]:
        kept, rows = keeper()
        for number in range(10):
            if number == at:
                kept.snapshot(snapshot(5))
            kept.update(update(number + 1, number + 1, quantity=str(number + 1)))
        if not kept.live:
            kept.snapshot(snapshot(5))
        return rows

    assert play(arrival) == play(9)
    assert ids(play(arrival)) == [6, 7, 8, 9, 10]


def test_a_book_that_waits_for_its_turn_holds_the_newest_updates_only() -> None:
    kept, rows = keeper(held_us=200_000)
    for number in range(1, 5001):
        kept.update(update(number, number))  # a millisecond after the one before
        assert len(kept._waiting) <= 201
    assert not kept.snapshot(snapshot(4798))  # older than what is held: another one is asked for
    assert kept.snapshot(snapshot(4799))
    assert (kept.live, ids(rows)) == (True, list(range(4800, 5001)))
    slow, rows = keeper(held_us=1000)
    for number in range(1, 101):
        slow.update(update(number, number))
    assert slow.snapshot(snapshot(0))  # a hundred are held however old
    assert ids(rows) == list(range(1, 101))


def test_a_snapshot_older_than_what_waits_is_fetched_again() -> None:
    kept, rows = keeper()
    kept.update(update(10, 12))
    assert kept.wants_snapshot
    assert not kept.snapshot(snapshot(5))
    assert kept.wants_snapshot
    assert kept.snapshot(snapshot(11))
    assert ids(rows) == [12]


def test_a_broken_chain_is_a_gap_and_a_new_snapshot() -> None:
    kept, rows = keeper()
    kept.update(update(1, 1))
    kept.snapshot(snapshot(0))
    kept.update(update(5, 5))
    assert not kept.live
    assert kept.wants_snapshot
    assert kept.snapshot(snapshot(5, (("1.5", "7"),)))
    kept.update(update(6, 6, bid="1.4"))
    (gap,) = [row for row in rows if row.data_type == "gaps"]
    assert (gap.from_sequence, gap.to_sequence, gap.from_time, gap.to_time) == (2, 5, 10, 60)
    assert (gap.cause, gap.repaired, gap.of_type) == ("sequence", False, "orderbooks")
    assert ids(rows) == [1, 6]
    assert rows[-1].best_bid_price == "1.5"


def test_a_crossed_book_is_never_published() -> None:
    kept, rows = keeper()
    kept.update(update(1, 1))
    kept.snapshot(snapshot(0))
    kept.update(update(2, 2, bid="2.0"))
    assert not kept.live
    assert ids(rows) == [1]
    kept.update(update(3, 3))
    kept.snapshot(snapshot(2))
    assert [row.cause for row in rows if row.data_type == "gaps"] == ["crossed"]
    assert ids(rows) == [1, 3]


def test_flow_that_a_crossed_book_spoils_is_inside_the_gap() -> None:
    kept, rows = keeper(interval_ms=100)
    kept.update(update(1, 1, time=1000))
    kept.snapshot(snapshot(0))
    kept.update(update(2, 2, time=1010))  # pending: its row would have come in the next slot
    kept.update(update(3, 3, time=1020, bid="2.0"))
    kept.update(update(4, 4, time=1030))
    kept.snapshot(snapshot(3))
    (gap,) = [row for row in rows if row.data_type == "gaps"]
    assert (gap.cause, gap.from_sequence, gap.to_sequence, gap.from_time) == ("crossed", 2, 3, 1000)
    assert ids(rows) == [1, 4]


def test_an_update_that_is_no_number_costs_a_resync() -> None:
    kept, rows = keeper()
    kept.update(update(1, 1))
    kept.snapshot(snapshot(0))
    with pytest.raises(ValueError, match="not a decimal"):
        kept.update(update(2, 2, quantity="much"))
    assert not kept.live
    kept.update(update(3, 3))
    assert kept.snapshot(snapshot(2))
    assert [row.cause for row in rows if row.data_type == "gaps"] == ["resync"]
    assert ids(rows) == [1, 3]


def test_a_gap_that_no_update_ends_is_reported_at_the_end() -> None:
    kept, rows = keeper()
    kept.update(update(1, 1))
    kept.snapshot(snapshot(0))
    kept.lose("disconnect")
    kept.close()
    assert [(row.cause, row.from_sequence) for row in rows if row.data_type == "gaps"] == [("disconnect", 2)]


def test_the_grid() -> None:
    """Leading rows, trailing rows after an empty slot and at the end; each update's flow is in exactly one row."""
    kept, rows = keeper(interval_ms=100)
    kept.update(update(1, 1, time=1000))
    kept.snapshot(snapshot(0))
    times = [1010, 1099, 1100, 1150, 1399, 1400, 1499]
    for number, time in enumerate(times, start=2):
        kept.update(update(number, number, time=time, quantity=str(number)))
    #  id    1     2     3     4     5     6     7     8
    #  time  1000  1010  1099  1100  1150  1399  1400  1499
    assert ids(rows) == [1, 4, 5, 6, 7]
    kept.close()
    assert ids(rows) == [1, 4, 5, 6, 7, 8]
    books = [row for row in rows if row.data_type == "orderbooks"]
    assert [row.updates for row in books] == [1, 3, 1, 1, 1, 1]
    assert sum(row.ofi_l1 for row in books) == 8 - 5
    assert [row.timestamp for row in books] == [1000, 1100, 1150, 1399, 1400, 1499]


def test_a_quiet_book_publishes_its_last_state_once() -> None:
    kept, rows = keeper(interval_ms=100)
    kept.update(update(1, 1, time=1000))
    kept.snapshot(snapshot(0))
    kept.update(update(2, 2, time=1050, quantity="9"))
    kept.quiet(received_before=2000)
    assert ids(rows) == [1]
    kept.quiet(received_before=2001)
    kept.quiet(received_before=10**9)
    assert ids(rows) == [1, 2]
    kept.update(update(3, 3, time=1310))
    assert ids(rows) == [1, 2, 3]


def test_quotes_follow_every_change_of_the_best() -> None:
    kept, rows = keeper(interval_ms=100)
    kept.update(update(1, 1))
    kept.snapshot(snapshot(0))
    kept.update(update(2, 2, bid="0.9"))  # not the best
    kept.update(update(3, 3, bid="1.0", quantity="4"))
    kept.update(update(4, 4, bid="1.0", quantity="4"))  # nothing new
    quotes = [
        (row.sequence, row.bid_price, row.bid_quantity, row.ask_price) for row in rows if row.data_type == "best_quotes"
    ]
    assert quotes == [(1, "1", "1", "2"), (3, "1", "4", "2")]
