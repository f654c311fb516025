"""Laws of the market model: ids, trades at the book, never crossed, deterministic, the spot follows the perpetual."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketprism.errors import SettingsError
from marketprism.simulator.events import Aggregate, DepthChange, Event, Fill, ForcedOrder, Mark
from marketprism.simulator.market import Market
from marketprism.simulator.specs import default_specs
from marketprism.simulator.venue_book import FirstIds
from tests.unit.simulator.test_book import Follower

START_MS = 1_790_000_000_000
seeds = st.integers(0, 10_000)


def run(seed: int, steps: int, step_ms: int = 1000) -> tuple[Market, list[list[Event]]]:
    market = Market(seed=seed, start_ms=START_MS)
    return market, [market.advance(step_ms) for _ in range(steps)]


@settings(max_examples=8, deadline=None)
@given(seeds)
def test_trade_and_aggregate_ids_have_no_holes_and_times_do_not_go_back(seed: int) -> None:
    _, steps = run(seed, 60)
    fills, aggregates = defaultdict(list), defaultdict(list)
    for event in (event for step in steps for event in step):
        if isinstance(event, Fill):
            fills[event.book].append(event)
        elif isinstance(event, Aggregate):
            aggregates[event.book].append(event)
    assert set(fills) == {0, 1, 2, 3}
    for of_book in fills.values():
        assert [fill.trade_id for fill in of_book] == list(range(1, len(of_book) + 1))
        assert all(a.time_ms <= b.time_ms for a, b in pairwise(of_book))
    for book, of_book in aggregates.items():
        assert [each.aggregate_id for each in of_book] == list(range(1, len(of_book) + 1))
        parts = defaultdict(list)
        for fill in fills[book]:
            parts[fill.aggregate_id].append(fill)
        parts.pop(0, None)  # prints off the market belong to none
        for each in of_book:
            mine = parts.pop(each.aggregate_id)
            assert sum(fill.lots for fill in mine) == each.lots
            assert {(fill.price, fill.time_ms, fill.buyer_is_maker) for fill in mine} == {
                (each.price, each.time_ms, each.buyer_is_maker)
            }
            assert (mine[0].trade_id, mine[-1].trade_id) == (each.first_trade_id, each.last_trade_id)
        assert not parts


@settings(max_examples=8, deadline=None)
@given(seeds, st.sampled_from([100, 1000]))
def test_every_trade_is_at_the_best_price_of_the_moment_and_takes_what_rests_there(seed: int, step_ms: int) -> None:
    market = Market(seed=seed, start_ms=START_MS)
    for _ in range(60):
        shadow = [(dict(iter(book.book.bids)), dict(iter(book.book.asks))) for book in market.books]
        for event in market.advance(step_ms):
            if isinstance(event, Aggregate):
                bids, asks = shadow[event.book]
                side, best = (bids, max(bids)) if event.buyer_is_maker else (asks, min(asks))
                assert event.price == best
                assert 0 < event.lots <= side[best]
                side[best] -= event.lots
                if not side[best]:
                    del side[best]


@settings(max_examples=8, deadline=None)
@given(seeds, st.sampled_from([100, 1000]))
def test_books_are_never_crossed_nor_empty(seed: int, step_ms: int) -> None:
    market = Market(seed=seed, start_ms=START_MS)
    for _ in range(120):
        market.advance(step_ms)
        for book in market.books:
            assert book.book.bids.best() < book.book.asks.best()
            assert len(book.book.bids) > 50
            assert len(book.book.asks) > 50


@settings(max_examples=10, deadline=None)
@given(seeds, st.integers(0, 40))
def test_a_snapshot_of_any_moment_continues_with_the_stream(seed: int, moment: int) -> None:
    market = Market(seed=seed, start_ms=START_MS)
    followers: list[Follower] = []
    waiting: list[DepthChange] = []
    for step in range(50):
        if step == moment:
            followers = [
                Follower(book.spec.venue == "binance.spot", *book.book.snapshot(5000)) for book in market.books
            ]
            for change in waiting:
                followers[change.book].feed(change)
        for event in market.advance(200):
            if isinstance(event, DepthChange):
                followers[event.book].feed(event) if followers else waiting.append(event)
    for book, follower in zip(market.books, followers, strict=True):
        pending = book.book.take_change(market.time_ms)
        assert pending is not None
        follower.feed(pending)
        assert follower.gaps == 0
        assert (follower.bids, follower.asks) == (dict(iter(book.book.bids)), dict(iter(book.book.asks)))


def test_the_same_seed_is_the_same_market_and_another_is_another() -> None:
    assert run(7, 40)[1] == run(7, 40)[1]
    assert run(7, 40)[1] != run(8, 40)[1]


def test_a_later_start_continues_ids_and_prices_without_repeating_itself() -> None:
    first, steps = run(3, 30)
    ids = {
        (b.spec.venue, b.spec.symbol): FirstIds(b.next_trade_id, b.next_aggregate_id, b.book.last_id)
        for b in first.books
    }
    second = Market(seed=3, start_ms=first.time_ms, first_ids=ids, prices=first.prices())
    events = [event for _ in range(30) for event in second.advance(1000)]
    for book in first.books:
        mine = [event for event in events if isinstance(event, Fill) and event.book == book.index]
        assert mine[0].trade_id == book.next_trade_id
        assert abs(second.books[book.index].book.mid / book.book.mid - 1) < 0.01
    assert [event.time_ms - 30_000 for event in events] != [event.time_ms for step in steps for event in step]


def test_orders_cluster_in_time_and_persist_in_side() -> None:
    _, steps = run(11, 1800)
    counts, signs = [], []
    for step in steps:
        orders = [event for event in step if isinstance(event, Aggregate) and event.book == 0]
        counts.append(len(orders))
        signs += [-1 if order.buyer_is_maker else 1 for order in orders]
    tens = np.array(counts).reshape(-1, 10).sum(axis=1)
    signs_array = np.array(signs)
    assert tens.var() / tens.mean() > 2.5  # 1 would be Poisson
    assert np.mean(signs_array[1:] * signs_array[:-1]) > 0.25  # 0 would be coin tosses
    assert 5 < sum(isinstance(event, Fill) and event.book == 0 for step in steps for event in step) / 1800 < 15


@pytest.mark.parametrize("step_ms", [100, 1000])
def test_the_rate_of_trades_does_not_depend_on_the_step(step_ms: int) -> None:
    _, steps = run(5, 1_200_000 // step_ms, step_ms)
    fills = sum(isinstance(event, Fill) for step in steps for event in step)
    assert 5 < fills / 4 / 1200 < 15


def test_the_spot_follows_the_perpetual() -> None:
    market = Market(seed=2, start_ms=START_MS)
    spot, perpetual = market.book_of("binance.spot", "BTCUSDT"), market.book_of("binance.linear", "BTCUSDT")
    assert spot is not None
    assert perpetual is not None
    mids = []
    for _ in range(9000):
        market.advance(100)
        mids.append((spot.book.mid * spot.spec.tick, perpetual.book.mid * perpetual.spec.tick))
    returns = np.diff(np.log(np.array(mids)), axis=0)

    def correlation(lag: int) -> float:
        """Of the spot's return with the perpetual's ``lag`` steps before."""
        a, b = (
            returns[max(lag, 0) : len(returns) + min(lag, 0), 0],
            returns[max(-lag, 0) : len(returns) - max(lag, 0), 1],
        )
        return float(np.corrcoef(a, b)[0, 1])

    by_lag = {lag: correlation(lag) for lag in range(-6, 9)}
    assert max(by_lag, key=by_lag.__getitem__) in (3, 4, 5)  # 400 ms
    assert max(by_lag.values()) > 3 * max(by_lag[lag] for lag in range(-6, 0))
    assert np.corrcoef(np.array(mids).T)[0, 1] > 0.99


def test_marks_come_every_second_and_liquidations_at_most_once_a_second_per_symbol() -> None:
    _, steps = run(4, 3600)
    marks = defaultdict(list)
    forced = defaultdict(list)
    for event in (event for step in steps for event in step):
        if isinstance(event, Mark):
            marks[event.book].append(event)
        elif isinstance(event, ForcedOrder):
            forced[event.book].append(event)
    assert {book: len(of_book) for book, of_book in marks.items()} == {1: 3600, 3: 3600}
    assert sum(map(len, forced.values())) > 3
    for of_book in forced.values():
        seconds = [event.time_ms // 1000 for event in of_book]
        assert len(seconds) == len(set(seconds))
    for event in marks[1]:
        assert 0 < event.next_funding_ms - event.time_ms <= 8 * 3_600_000
        assert event.next_funding_ms % (8 * 3_600_000) == 0
        assert abs(event.mark / event.index - 1) < 0.005


def test_prints_off_the_market_happen_only_on_perpetuals_and_have_no_aggregate() -> None:
    _, steps = run(4, 5400)
    odd = [event for step in steps for event in step if isinstance(event, Fill) and event.kind != "MARKET"]
    assert odd
    assert {event.book for event in odd} <= {1, 3}
    assert {event.aggregate_id for event in odd} == {0}


@pytest.mark.parametrize("symbol", ["", "USDT", "BTCEUR", "btcusdt", "BT-CUSDT"])
def test_a_symbol_that_cannot_be_simulated_is_refused_in_one_line(symbol: str) -> None:
    with pytest.raises(SettingsError, match=r"^simulator: symbol .* name symbols such as BTCUSDT$"):
        default_specs((symbol,))


def test_any_base_can_be_simulated() -> None:
    market = Market(default_specs(("DOGEUSDT", "SOLUSDT")), seed=1, start_ms=START_MS)
    for _ in range(120):
        market.advance(1000)
    assert all(book.next_trade_id > 100 for book in market.books)
