"""Trades leave in order, once, without holes, whatever the way to us did to them."""

from __future__ import annotations

import time

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.continuity import TradeSequence
from marketprism.events import Gap, Trade


def trade(sequence: int) -> Trade:
    return Trade(
        timestamp=sequence * 10,
        received_at=sequence * 10_000,
        exchange="binance",
        market_type="spot",
        symbol="BTCUSDT",
        sequence=sequence,
        trade_id=str(sequence),
        trade_kind="trade",
        price="1",
        quantity="1",
        native_quantity="1",
        side="buy",
        is_maker=False,
        trade_time=sequence * 10,
        first_trade_id=sequence,
        last_trade_id=sequence,
        tick_size="1",
        price_tick=1,
    )


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[int, int, list[int]]:
    """(first, last, what arrives): ids first…last with some dropped, some doubled, in any order after the first."""
    first = draw(st.integers(1, 1000))
    last = first + draw(st.integers(1, 40))
    rest = list(range(first + 1, last + 1))
    kept = [sequence for sequence in rest if draw(st.booleans())]
    doubled = draw(st.lists(st.sampled_from([first, *kept]), max_size=10))
    return first, last, [first, *draw(st.permutations([*kept, *doubled]))]


def run(sequence: TradeSequence, arriving: list[int]) -> list[int]:
    return [row.sequence for each in arriving for row in sequence.offer(trade(each))]


@settings(max_examples=400, deadline=None)
@given(arrivals())
def test_with_a_repairer_everything_leaves_once_in_order(case: tuple[int, int, list[int]]) -> None:
    first, last, arriving = case
    sequence = TradeSequence()
    out = run(sequence, [*arriving, last + 1])  # the last trade of all always arrives
    while (hole := sequence.hole) is not None:  # the repairer answers in pages of three
        for missing in range(hole.first, min(hole.last, hole.first + 2) + 1):
            out += [row.sequence for row in sequence.offer(trade(missing))]
    assert out == list(range(first, last + 2))
    assert sequence.held == 0


@settings(max_examples=400, deadline=None)
@given(arrivals())
def test_without_one_rows_and_gaps_cover_the_run_exactly(case: tuple[int, int, list[int]]) -> None:
    first, last, arriving = case
    sequence = TradeSequence()
    out = run(sequence, [*arriving, last + 1])
    gaps: list[Gap] = []
    while (hole := sequence.hole) is not None:
        lost, rows = sequence.give_up(hole.last, "sequence")
        gaps += lost
        out += [row.sequence for row in rows]
    arrived = sorted({*arriving, last + 1})
    assert out == arrived
    missing = [number for gap in gaps for number in range(gap.from_sequence, gap.to_sequence + 1)]
    assert missing == sorted(set(range(first, last + 2)) - set(arrived))
    for gap in gaps:
        assert gap.from_time == (gap.from_sequence - 1) * 10
        assert gap.from_time < gap.to_time
        assert gap.from_sequence - 1 in arrived
        assert gap.to_sequence + 1 in arrived


@settings(deadline=None)
@given(arrivals(), st.integers(0, 60))
def test_giving_up_in_parts_loses_nothing_that_could_still_come(case: tuple[int, int, list[int]], part: int) -> None:
    first, last, arriving = case
    sequence = TradeSequence()
    out = run(sequence, [*arriving, last + 1])
    through = first + part
    lost, rows = sequence.give_up(through, "sequence")
    out += [row.sequence for row in rows]
    assert all(gap.to_sequence <= through for gap in lost)
    while (hole := sequence.hole) is not None:
        assert hole.first > through
        out += [row.sequence for row in sequence.offer(trade(hole.first))]
    gone = {number for gap in lost for number in range(gap.from_sequence, gap.to_sequence + 1)}
    assert out == [number for number in range(first, last + 2) if number not in gone]


def test_a_restart_waits_for_what_came_in_between() -> None:
    sequence = TradeSequence(100, 1000)
    assert sequence.offer(trade(100)) == []
    assert sequence.duplicates == 1
    assert sequence.offer(trade(103)) == []
    hole = sequence.hole
    assert hole is not None
    assert (hole.first, hole.last) == (101, 102)
    gap = sequence.repaired(hole, trade(103), 1000, "disconnect")
    assert (gap.from_sequence, gap.to_sequence, gap.from_time, gap.to_time) == (101, 102, 1000, 1030)
    assert (gap.repaired, gap.cause, gap.of_type) == (True, "disconnect", "trades")


def _covering(first: int, last: int) -> Trade:
    """A row that covers several ids, as OKX's channel ``trades`` has them."""
    return msgspec.structs.replace(trade(last), trade_kind="trade", first_trade_id=first, last_trade_id=last)


@settings(deadline=None)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=30), st.data())
def test_rows_that_cover_several_ids_leave_in_order_with_holes_filled(sizes: list[int], data: st.DataObject) -> None:
    """Lost aggregates come back from REST one by one: every id is covered exactly once."""
    bounds, last = [], 0
    for size in sizes:
        bounds.append((last + 1, last + size))
        last += size
    kept = [bound for number, bound in enumerate(bounds) if number in (0, len(bounds) - 1) or data.draw(st.booleans())]
    sequence, out = TradeSequence(), []
    for bound in kept:
        out += sequence.offer(_covering(*bound))
        if data.draw(st.booleans()):
            out += sequence.offer(_covering(*bound))
    while (hole := sequence.hole) is not None:
        for number in range(hole.first, hole.last + 1):
            out += sequence.offer(_covering(number, number))
    covered = [number for row in out for number in range(row.first_trade_id, row.last_trade_id + 1)]
    assert covered == list(range(1, last + 1))


def test_a_row_that_covers_what_left_already_is_a_duplicate_and_its_rest_a_hole() -> None:
    sequence = TradeSequence()
    sequence.offer(_covering(1, 1))
    sequence.offer(_covering(2, 2))
    assert sequence.offer(_covering(2, 4)) == []
    assert sequence.offer(_covering(5, 6)) == []
    assert (sequence.hole.first, sequence.hole.last) == (3, 4)


def test_given_up_behind_a_row_that_covers_several() -> None:
    sequence = TradeSequence()
    sequence.offer(_covering(1, 3))
    sequence.offer(_covering(7, 9))
    (gap,), out = sequence.give_up(6, "sequence")
    assert (gap.from_sequence, gap.to_sequence, [row.sequence for row in out]) == (4, 6, [9])
    assert sequence.last == 9


def test_ids_with_holes_of_their_own_are_let_out_as_they_come() -> None:
    sequence = TradeSequence(consecutive=False)
    seen = [len(sequence.offer(_covering(number, number))) for number in (5, 9, 9, 7, 20)]
    assert seen == [1, 1, 0, 0, 1]
    assert (sequence.hole, sequence.duplicates, sequence.last) == (None, 2, 20)


def test_a_row_behind_its_successors_is_told_once_where_ids_have_holes_of_their_own() -> None:
    sequence = TradeSequence(consecutive=False)
    for number in (5, 9, 20):
        sequence.offer(_covering(number, number))
    told = []
    for number in (9, 7, 20, 7, 3):  # 3: from before the start
        assert sequence.offer(_covering(number, number)) == []
        told.append(sequence.late(_covering(number, number)))
    gap = told[1]
    assert gap is not None
    assert (gap.from_sequence, gap.to_sequence, gap.repaired) == (7, 7, False)
    assert told == [None, gap, None, None, None]
    assert TradeSequence().late(_covering(7, 7)) is None


def test_a_deep_hole_costs_a_trade_no_more_than_a_shallow_one() -> None:
    """Filling what 20,000 trades wait for: each may not look at all of them (it did, and a page took seconds)."""

    def seconds(held: int) -> float:
        sequence, missing = TradeSequence(0), [trade(number) for number in range(1, 1001)]
        for number in range(held):
            sequence.offer(trade(2_000 + number))
        began = time.process_time()
        for each in missing:
            sequence.offer(each)
            assert sequence.hole is not None
        return time.process_time() - began

    assert seconds(20_000) < 20 * seconds(20) + 0.05
