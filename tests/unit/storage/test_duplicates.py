"""Content windows and the bounds of what is remembered (sequences and holes: test_pipeline)."""

from __future__ import annotations

import msgspec
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storage_service import duplicates
from storage_service.batching import clean
from storage_service.duplicates import ContentJudge, Mark, SequenceJudge
from storage_service.frames import Frame
from storage_service.groups import SYMBOL, grouped
from tests.unit.storage.samples import MS, row


def rates(values: list[tuple[int, str]]) -> pl.DataFrame:
    lines = [row("funding_rates", timestamp=MS + t, funding_rate=v) for t, v in values]
    payload = b"\n".join(msgspec.json.encode(line) for line in lines)
    rows, dead = clean("funding_rates", [Frame.of(1, "md.funding_rates.binance.linear.BTCUSDT", payload, 0)])
    assert not dead
    return rows


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.sampled_from(["0.1", "0.2"])), min_size=1, max_size=40), st.integers(1, 7)
)
def test_a_row_that_says_the_same_is_stored_once(values, size):
    judge = ContentJudge("funding_rates")
    kept: list[tuple[int, str]] = []
    for start in range(0, len(values), size):
        part = values[start : start + size]
        keep = judge.judge(rates(part)).keep
        kept += [value for value, new in zip(part, keep, strict=True) if new]
    assert kept == list(dict.fromkeys(values))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["0.1", "0.2"])), min_size=1, max_size=40), st.integers(1, 7)
)
@example([(0, "0.1"), (0, "0.2"), (1, "0.1"), (1, "0.2"), (0, "0.1"), (0, "0.2")], 4)
@example([(0, "0.1"), (0, "0.2"), (1, "0.1"), (1, "0.2"), (2, "0.1"), (0, "0.1"), (0, "0.2")], 7)
@example([(0, "0.1"), (0, "0.1"), (0, "0.2"), (1, "0.1"), (1, "0.2"), (0, "0.1")], 3)
@example([(0, "0.1"), (0, "0.1"), (0, "0.2"), (1, "0.1"), (1, "0.2"), (0, "0.2")], 3)
def test_a_row_of_before_the_window_is_stored_once_when_what_is_stored_is_told(values, size):
    kept: list[tuple[int, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "WINDOW_ROWS", 3)
        judge = ContentJudge("funding_rates")
        for start in range(0, len(values), size):
            part = values[start : start + size]
            rows = rates(part)
            for first, last in judge.beyond(rows, grouped(rows, SYMBOL)).values():
                stored = [(t, rate) for t, rate in kept if first <= t + MS <= last]
                if stored:
                    judge.recall(rates(stored))
            keep = judge.judge(rows).keep
            kept += [value for value, new in zip(part, keep, strict=True) if new]
    assert kept == list(dict.fromkeys(values))


def test_sequences_beyond_signed_integers_go_on_after_a_restart():
    """Bybit's spot trades: 1.8e19, and the mark of a start comes from the table."""
    first = 17_952_576_457_950_000_000
    lines = [row("trades", exchange="bybit", sequence=first + at) for at in (0, 100_000, 100_001)]
    payload = b"\n".join(msgspec.json.encode(line) for line in lines)
    rows, dead = clean("trades", [Frame.of(1, "md.trades.bybit.linear.BTCUSDT", payload, 0)])
    assert not dead
    for start in (None, first - 7):
        judge = SequenceJudge("trades")
        if start is not None:
            judge.marks[judge.judge(rows[:1]).groups[0][0]] = Mark(start)
        assert judge.judge(rows).keep.all()
        assert not judge.judge(rows).keep.any()
        assert [mark.top for mark in judge.marks.values()] == [first + 100_001]


def test_symbols_that_fell_silent_are_forgotten():
    """Option chains roll for months: what no valid row can repeat is not remembered."""
    judge, day = ContentJudge("funding_rates"), 86_400_000
    for number in range(30):
        rows = rates([(0, "0.1")]).with_columns(
            pl.col("timestamp") + number * day, pl.lit(f"CONTRACT{number}").alias("symbol")
        )
        assert judge.judge(rows).keep.all()
        assert not judge.judge(rows).keep.any()
    assert {key[2] for key in judge.windows} == {f"CONTRACT{number}" for number in range(20, 30)}
    assert judge.windows.keys() == judge._known.keys()


def test_how_a_row_came_is_not_what_it_says():
    judge = ContentJudge("funding_rates")
    rows = rates([(1, "0.1")])
    assert judge.judge(rows).keep.all()
    later = rows.with_columns(pl.lit("rest").alias("data_source"), received_at=pl.col("received_at") + 9)
    assert not judge.judge(later).keep.any()


def test_the_window_is_bounded_and_keeps_the_newest(monkeypatch):
    monkeypatch.setattr(duplicates, "WINDOW_ROWS", 4)
    judge = ContentJudge("funding_rates")
    judge.judge(rates([(t, "0.1") for t in range(10)]))
    assert [t - MS for t, _ in sorted(next(iter(judge.windows.values())))] == [6, 7, 8, 9]


def sequences(*values: int) -> pl.DataFrame:
    size = len(values)
    names = {"exchange": "x", "market_type": "spot", "symbol": "s", "trade_kind": "trade"}
    return pl.DataFrame({**{k: [v] * size for k, v in names.items()}, "sequence": pl.Series(values, dtype=pl.UInt64)})


def test_open_holes_are_bounded_and_the_oldest_is_forgotten(monkeypatch):
    monkeypatch.setattr(duplicates, "MAX_HOLES", 2)
    judge = SequenceJudge("trades")
    assert judge.judge(sequences(1, 3, 5, 7)).forgotten == 1
    [mark] = judge.marks.values()
    assert mark.holes == [(4, 4), (6, 6)]
    again = judge.judge(sequences(2, 4))
    assert (again.keep.tolist(), again.late.tolist(), again.forgotten) == ([False, True], [False, True], 0)


def test_what_is_known_to_be_missing_is_taken_once_whatever_is_remembered():
    judge = SequenceJudge("trades", {("x", "spot", "s", "trade"): Mark(9, [(6, 7)])})
    for sequence in (3, 6, 8, 12):
        judge.expect(("x", "spot", "s", "trade"), sequence)
    found = judge.judge(sequences(3, 2, 3, 8, 12, 12))
    assert found.keep.tolist() == [True, False, False, True, True, False]
    assert found.late.tolist() == [True, False, False, True, False, False]
    [mark] = judge.marks.values()
    assert (mark.top, mark.holes) == (12, [(6, 7), (10, 11)])
    judge.expect(("x", "spot", "s", "trade"), 2)
    judge.judge(sequences(13))
    assert not judge.judge(sequences(2)).keep.any(), "of one batch"


def test_a_frame_that_is_known_to_be_missing_has_more_rows_than_a_symbol_may_have_holes():
    holes = [(1000 + 2 * n, 1000 + 2 * n) for n in range(duplicates.MAX_HOLES)]
    judge = SequenceJudge("trades", {("x", "spot", "s", "trade"): Mark(2000, list(holes))})
    wanted = range(1, 4 * duplicates.MAX_HOLES)
    for sequence in wanted:
        judge.expect(("x", "spot", "s", "trade"), sequence)
    found = judge.judge(sequences(*wanted))
    assert found.keep.all()
    assert found.forgotten == 0
    [mark] = judge.marks.values()
    assert mark.holes == holes, "what is open is still watched"


def test_a_row_in_the_middle_of_a_hole_leaves_two():
    judge = SequenceJudge("trades", {("x", "spot", "s", "trade"): Mark(9, [(3, 7)])})
    judge.judge(sequences(5))
    [mark] = judge.marks.values()
    assert mark.holes == [(3, 4), (6, 7)]
    assert judge.holes_changed


def test_books_have_no_holes():
    judge = SequenceJudge("orderbooks")
    judge.judge(sequences(10, 25, 90).drop("trade_kind"))
    [mark] = judge.marks.values()
    assert mark.holes == []
    assert not judge.judge(sequences(26).drop("trade_kind")).keep.any()


def test_ids_that_only_rise_open_no_holes():
    judge = SequenceJudge("trades")
    rows = sequences(5, 9, 20, 9, 7).with_columns(pl.lit("bybit").alias("exchange"))
    assert judge.judge(rows).keep.tolist() == [True, True, True, False, False]
    assert [mark.holes for mark in judge.marks.values()] == [[]]
    assert not judge.holes_changed
