"""The local book against plain dictionaries, on random updates; and the edges that recordings do not show."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.books import LocalBook, price_key, price_text
from collector.decimals import ONE, checked, positive, price_tick, scaled, text_of

prices = st.integers(1, 30).map(lambda step: f"{step / 10:.2f}")
quantities = st.sampled_from(["0", "0.000", "0.5", "1.25", "3", "1000000000000.000000000001"])
updates = st.lists(
    st.tuples(st.lists(st.tuples(prices, quantities), max_size=8), st.lists(st.tuples(prices, quantities), max_size=8)),
    max_size=25,
)
decimals = st.decimals(min_value=-(10**15), max_value=10**15, places=12, allow_nan=False)


def flow(before: list[tuple[Decimal, Decimal]], after: list[tuple[Decimal, Decimal]], rank: int, sign: int) -> Decimal:
    """Cont's e_n of one side; a missing rank is worse than any price and holds nothing."""
    old = before[rank] if rank < len(before) else (Decimal(-sign) * 10**9, Decimal(0))
    new = after[rank] if rank < len(after) else (Decimal(-sign) * 10**9, Decimal(0))
    better_or_same = sign * new[0] >= sign * old[0]
    worse_or_same = sign * new[0] <= sign * old[0]
    return (new[1] if better_or_same else Decimal(0)) - (old[1] if worse_or_same else Decimal(0))


@settings(max_examples=300, deadline=None)
@given(updates)
def test_every_number_equals_a_plain_recomputation(run: list) -> None:
    book = LocalBook()
    book.load([("1.00", "1")], [("2.00", "1")])
    sides: dict[int, dict[Decimal, Decimal]] = {1: {Decimal(1): Decimal(1)}, -1: {Decimal(2): Decimal(1)}}
    ofi = [Decimal(0)] * 5
    added = {1: Decimal(0), -1: Decimal(0)}
    cancelled = {1: Decimal(0), -1: Decimal(0)}
    for bids, asks in run:
        tops = {sign: sorted(side.items(), reverse=sign > 0)[:5] for sign, side in sides.items()}
        for sign, levels in ((1, bids), (-1, asks)):
            for price, quantity in levels:
                delta = Decimal(quantity) - sides[sign].pop(Decimal(price), Decimal(0))
                added[sign] += max(delta, Decimal(0))
                cancelled[sign] -= min(delta, Decimal(0))
                if Decimal(quantity):
                    sides[sign][Decimal(price)] = Decimal(quantity)
        after = {sign: sorted(side.items(), reverse=sign > 0)[:5] for sign, side in sides.items()}
        for rank in range(5):
            ofi[rank] += flow(tops[1], after[1], rank, 1) - flow(tops[-1], after[-1], rank, -1)
        book.apply(bids, asks)
        assert book.best_changed == (tops[1][:1] != after[1][:1] or tops[-1][:1] != after[-1][:1])
        best_bid, best_ask = max(sides[1], default=None), min(sides[-1], default=None)
        assert book.crossed == (best_bid is not None and best_ask is not None and best_bid >= best_ask)
    assert book.ofi == [int(value * ONE) for value in ofi]
    for side, sign in ((book.bids, 1), (book.asks, -1)):
        expected = sorted(sides[sign].items(), reverse=sign > 0)
        assert list(zip(*side.levels(1000), strict=True)) == [(int(p * ONE), int(q * ONE)) for p, q in expected]
        assert (side.added, side.cancelled) == (int(added[sign] * ONE), int(cancelled[sign] * ONE))


@given(decimals)
def test_decimal_text_survives_the_round_trip(value: Decimal) -> None:
    text = format(value, "f")
    assert Decimal(text_of(scaled(text))) == value
    assert checked(text) == text
    assert positive(text) == (value > 0)


@given(st.integers(1, 10**15 - 1), st.integers(0, 12), st.integers(0, 3))
def test_a_price_of_fifteen_digits_has_a_float_of_its_own(digits: int, places: int, zeros: int) -> None:
    exact = Decimal(digits).scaleb(-places)
    text = format(exact, "f") + ("0" * min(zeros, 12 - places) if places else "")
    if exact < 10**12:
        assert Decimal(price_text(price_key(text))) == exact
        assert price_text(price_key(text)) == text_of(scaled(text))
        next_one = format(exact + Decimal(1).scaleb(-places), "f")
        assert digits == 10**15 - 1 or price_key(next_one) > price_key(text)


@pytest.mark.parametrize("text", ["", "abc", "NaN", "1e5", "1_000", " 1", "1.", ".5", "٣", "1.0000000000001", "--1"])
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a decimal number"):
        scaled(text)
    with pytest.raises(ValueError, match="not a decimal number"):
        checked(text)
    with pytest.raises(ValueError, match="not a decimal number"):
        positive(text)


@pytest.mark.parametrize(
    "level",
    [
        ("abc", "1"),
        ("1.0000000000001", "1"),
        ("12345678901234567", "1"),
        ("nan", "1"),
        ("1e300", "1"),
        ("1.0", "-1.0"),
        ("1.0", "x.y"),
        ("1.0", "1.0000000000001"),
    ],
)
def test_a_level_that_is_no_number_is_refused(level: tuple[str, str]) -> None:
    book = LocalBook()
    book.load([("1.0", "1")], [("2.0", "1")])
    with pytest.raises(ValueError):
        book.apply([level], [])


@given(st.integers(1, 10**7), st.integers(1, 10**7))
def test_price_tick_rounds_half_up(price: int, tick: int) -> None:
    exact = Decimal(price) / Decimal(tick)
    assert abs(Decimal(price_tick(price, tick)) - exact) <= Decimal("0.5")
    assert price_tick(3 * tick, 2 * tick) == 2
    assert price_tick(price, 0) == 0
