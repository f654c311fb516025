"""Law: however trades are cut into batches, the fold equals a plain loop over the definition."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage_service.buckets import fold
from storage_service.buckets.fold import DayState, Quantities, advance
from storage_service.buckets.plan import DayPlan


@dataclass
class Expected:
    ordinals: list[int]
    closing: list[bool]
    triggers: list[str]


def by_definition(plan: DayPlan, ts: list[int], quantities: list[int], updates: list[int]) -> Expected:
    """The definition read literally, on rationals; shares nothing with the fold."""
    result = Expected([], [], [])
    bucket: list[tuple[int, int, int]] = []
    ordinal = 0
    for t, q, u in zip(ts, quantities, updates, strict=True):
        if bucket and t >= bucket[0][0] + plan.t_max_ms:
            result.triggers.append("time")
            bucket = []
        if not bucket:
            ordinal += 1
        bucket.append((t, q, u))
        volume = Fraction(sum(b[1] for b in bucket))
        elapsed_s = Fraction(max(b[0] for b in bucket) - bucket[0][0], 1000)
        if plan.mode == "volume":
            closes = volume >= plan.q_bucket
        elif plan.mode == "count":
            closes = len(bucket) >= plan.n_trades
        elif plan.mode == "event":
            closes = sum(b[2] for b in bucket) >= plan.n_updates
        elif plan.mode == "adaptive":
            parts = (
                volume / plan.q_bucket,
                elapsed_s / Fraction(str(plan.t_target_s)),
                Fraction(len(bucket), plan.n_min),
            )
            closes = min(parts) >= Fraction(str(plan.quality_close))
        else:
            closes = False
        result.ordinals.append(ordinal)
        result.closing.append(closes)
        if closes:
            result.triggers.append("volume" if plan.mode == "adaptive" else plan.mode)
            bucket = []
    return result


@st.composite
def days(draw: st.DrawFn) -> tuple[DayPlan, list[int], list[int], list[int]]:
    size = draw(st.integers(1, 220))
    step = draw(st.sampled_from([1, 40, 3_000, 40_000]))
    scale = draw(st.sampled_from([1, 10**4, 10**12, 10**17, 10**24]))
    base = 1_700_000_000_000
    gaps = draw(st.lists(st.integers(-step // 2, step), min_size=size, max_size=size))
    ts = [base + x for x in np.cumsum(gaps).tolist()]
    quantities = [q * scale for q in draw(st.lists(st.integers(0, 50), min_size=size, max_size=size))]
    if draw(st.booleans()):
        quantities = [q + draw(st.integers(0, 3)) if i % 7 == 0 else q for i, q in enumerate(quantities)]
    updates = draw(st.lists(st.integers(0, 5), min_size=size, max_size=size))
    plan = DayPlan(
        trade_kind="trade",
        mode=draw(st.sampled_from(["volume", "count", "event", "adaptive", "time"])),
        q_bucket=max(1, draw(st.integers(1, 400)) * scale + draw(st.integers(-2, 2))),
        n_trades=draw(st.integers(1, 60)),
        n_updates=draw(st.integers(1, 60)),
        t_target_s=draw(st.sampled_from([0.5, 7.25, 30.0])),
        t_max_ms=draw(st.sampled_from([1, 60, 5_000, 60_000, 10**7])),
        n_min=draw(st.integers(1, 20)),
        quality_close=draw(st.sampled_from([0.8, 0.1, 1.0])),
    )
    return plan, ts, quantities, updates


def run(plan: DayPlan, ts: list[int], quantities: list[int], updates: list[int], cuts: list[int]) -> Expected:
    state = DayState()
    result = Expected([], [], [])
    edges = [0, *sorted({c % (len(ts) + 1) for c in cuts}), len(ts)]
    for start, end in pairwise(edges):
        part = advance(
            state,
            plan.thresholds(),
            np.array(ts[start:end], dtype=np.int64),
            Quantities.of_integers(quantities[start:end]),
            np.array(updates[start:end], dtype=np.int64),
        )
        result.ordinals += part.ordinals.tolist()
        result.closing += part.closing.tolist()
        result.triggers += part.closed.triggers
    return result


@settings(max_examples=400, deadline=None)
@given(days(), st.lists(st.integers(0, 10_000), max_size=6), st.booleans())
def test_any_cut_equals_the_definition(day, cuts, vectorised_only):
    plan, ts, quantities, updates = day
    before = fold._LOOP_BELOW
    fold._LOOP_BELOW = 2 if vectorised_only else before
    try:
        got = run(plan, ts, quantities, updates, cuts)
    finally:
        fold._LOOP_BELOW = before
    expected = by_definition(plan, ts, quantities, updates)
    assert got == expected


@pytest.mark.parametrize("low", [0, 1])
def test_ten_trades_of_two_million_units_do_not_wrap(low):
    """int64 at scale 12 holds 9.2 million units: the sums here pass it."""
    quantities = [2_000_000 * 10**12 + low] * 200
    plan = DayPlan("trade", "volume", q_bucket=20_000_000 * 10**12, t_max_ms=10**9)
    got = run(plan, list(range(200)), quantities, [0] * 200, [])
    assert got.ordinals == [i // 10 + 1 for i in range(200)]
    assert got.triggers == ["volume"] * 20


def test_quantities_read_the_arrow_buffer_with_its_offset():
    column = pa.array([Decimal("1.5"), Decimal("2"), Decimal("99999999999999.000000000001")], pa.decimal128(38, 12))
    assert Quantities.of(column.slice(1)).integers() == [2 * 10**12, 99999999999999 * 10**12 + 1]


@settings(max_examples=80, deadline=None)
@given(days())
def test_the_loop_and_the_vectors_end_alike(day):
    """Also in what a bucket that closed was like, and in where the day stands."""
    plan, ts, quantities, updates = day
    found = []
    for below in (2, 10**9):
        state = DayState()
        before, fold._LOOP_BELOW = fold._LOOP_BELOW, below
        try:
            part = advance(
                state, plan.thresholds(), np.array(ts), Quantities.of_integers(quantities), np.array(updates)
            )
        finally:
            fold._LOOP_BELOW = before
        if not state.is_open:  # nothing of a closed bucket counts but its number
            state = DayState(ordinal=state.ordinal)
        found.append((state, part.closed, part.ordinals.tolist()))
    assert found[0] == found[1]


@pytest.mark.parametrize("mode", ["count", "volume"])
def test_the_last_ordinal_of_a_day_stays_open(mode):
    state = DayState(ordinal=fold.MAX_ORDINAL - 1)
    plan = DayPlan("trade", mode, n_trades=1, q_bucket=1, t_max_ms=1)
    part = advance(state, plan.thresholds(), np.arange(100, dtype=np.int64) * 10, Quantities.of_integers([1] * 100))
    assert set(part.ordinals.tolist()) == {fold.MAX_ORDINAL}
    assert not part.closing.any()


def test_a_missing_figure_makes_a_plan_unusable():
    assert not DayPlan("trade", "volume").usable()
    assert not DayPlan("trade", "strange", q_bucket=1).usable()
    assert DayPlan("trade", "time").usable()
