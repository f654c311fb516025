"""lob_top5, mid_1m and mid_by_bucket against worked cases and numpy."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.sql.rows import assign_buckets, book, trade
from tests.sql.tape import EVENING_MS, by_bucket, mids, random_books, random_trades
from tests.sql.test_impact import same
from tests.worked import case


def test_top_of_book_equals_orderflowkit(engine: Any, symbol: Any, shared: Any) -> None:
    worked = case(shared, "microprice")
    name = symbol()
    given = worked["input"]["tob"]
    books = [
        book(n, EVENING_MS + n, [(row["bid"], row["bid_qty"])], [(row["ask"], row["ask_qty"])])
        for n, row in enumerate(given, start=1)
    ]
    engine.books(name, books)
    for row, expected in zip(engine.feature("lob_top5", name, "sequence"), worked["expected"]["tob"], strict=True):
        assert row["mid_price"] == pytest.approx(expected["mid"], rel=1e-12)
        assert row["microprice"] == pytest.approx(expected["microprice"], rel=1e-12)
        assert row["tob_imbalance"] == pytest.approx(expected["queue_imbalance"], rel=1e-12)
        assert row["spread_bps"] == pytest.approx(expected["spread_bps"], rel=1e-12)
        assert row["weighted_imbalance_5"] == pytest.approx(row["tob_imbalance"], rel=1e-12), "one level"


def test_five_levels_and_no_more(engine: Any, symbol: Any) -> None:
    name = symbol()
    bids = [(100.0 - level, 1.0 + level) for level in range(7)]
    asks = [(101.0 + level, 2.0) for level in range(7)]
    engine.books(name, [book(1, EVENING_MS, bids, asks)])
    (row,) = engine.feature("lob_top5", name, "sequence")
    assert row["bid_prices_5"] == [100, 99, 98, 97, 96]
    assert row["ask_quantities_5"] == [2, 2, 2, 2, 2]
    bid = sum((1 + level) / (level + 1) for level in range(5))
    ask = sum(2 / (level + 1) for level in range(5))
    assert row["weighted_imbalance_5"] == pytest.approx((bid - ask) / (bid + ask), rel=1e-12)


@pytest.mark.parametrize(
    ("bids", "asks"),
    [([], []), ([(100.0, 1.0)], []), ([], [(101.0, 1.0)]), ([(100.0, 0.0)], [(101.0, 0.0)])],
    ids=["empty", "no asks", "no bids", "no quantity"],
)
def test_a_book_without_a_side_is_stored_and_has_no_mid(engine: Any, symbol: Any, bids: Any, asks: Any) -> None:
    name = symbol()
    engine.books(name, [book(1, EVENING_MS, bids, asks)])
    (row,) = engine.feature("lob_top5", name, "sequence")
    two_sided = bool(bids and asks)
    assert row["mid_price"] == (100.5 if two_sided else None)
    assert row["microprice"] is None
    assert (row["spread_bps"] is None) is not two_sided
    assert len(engine.feature("mid_1m", name, "ts_1m")) == two_sided


def test_mid_by_bucket_equals_a_scan_of_the_books(engine: Any, symbol: Any) -> None:
    name = symbol()
    trades = random_trades(seed=6)
    books = random_books(6, trades)
    engine.trades(name, trades)
    engine.books(name, books)
    expected = mids(by_bucket(trades), books)
    got = {row["bucket_id"]: row for row in engine.feature("mid_by_bucket", name)}
    assert list(got) == list(expected)
    kinds = set()
    for key, (mid, mean, age) in expected.items():
        row = got[key]
        assert (row["mid"], row["staleness_ms"]) == (mid, age)
        assert same(row["mid_avg"], mean, 1e-12)
        assert row["quality"] == ("ok" if mid is not None and age is not None and age <= 3000 else "stale")
        kinds.add((mid is None, mean is None, row["quality"]))
    assert len(kinds) >= 3, "the tape must have fresh, stale and absent books"


def test_a_book_at_the_very_end_counts_and_a_later_one_does_not(engine: Any, symbol: Any) -> None:
    name = symbol()
    rows = [trade(1, EVENING_MS, "100", "1", "buy"), trade(2, EVENING_MS + 500, "100", "9", "buy")]
    engine.trades(name, assign_buckets(rows, Decimal(10)))
    levels = ([(100.0, 1.0)], [(102.0, 1.0)]), ([(200.0, 1.0)], [(202.0, 1.0)]), ([(300.0, 1.0)], [(302.0, 1.0)])
    times = (EVENING_MS + 500, EVENING_MS + 500, EVENING_MS + 501)
    engine.books(name, [book(n, ts, *side) for n, (ts, side) in enumerate(zip(times, levels, strict=True), start=1)])
    (row,) = engine.feature("mid_by_bucket", name)
    assert (row["mid"], row["staleness_ms"], row["mid_avg"]) == (201.0, 0, 151.0), "the higher sequence of one moment"


def test_a_book_older_than_a_minute_is_no_price(engine: Any, symbol: Any) -> None:
    name = symbol()
    engine.trades(name, assign_buckets([trade(1, EVENING_MS + 60_001, "100", "10", "buy")], Decimal(10)))
    engine.books(name, [book(1, EVENING_MS, [(100.0, 1.0)], [(102.0, 1.0)])])
    (row,) = engine.feature("mid_by_bucket", name)
    assert (row["mid"], row["quality"]) == (None, "stale")


def test_spot_and_perpetual_of_one_name_do_not_mix(engine: Any, symbol: Any) -> None:
    name = symbol()
    rows = assign_buckets([trade(1, EVENING_MS, "100", "10", "buy")], Decimal(10))
    for market_type, price in (("spot", 100.0), ("linear", 200.0)):
        engine.trades(name, rows, market_type=market_type)
        engine.books(name, [book(1, EVENING_MS, [(price, 1.0)], [(price + 2, 1.0)])], market_type=market_type)
    got = engine.feature("unified_features_by_bucket", name, "market_type")
    assert [(row["market_type"], row["mid"], row["trades"]) for row in got] == [
        ("linear", 201.0, 1),
        ("spot", 101.0, 1),
    ]


def test_minute_mid_is_the_last_book_of_the_minute(engine: Any, symbol: Any) -> None:
    name = symbol()
    engine.books(
        name,
        [
            book(1, EVENING_MS + 1000, [(100.0, 1.0)], [(102.0, 1.0)]),
            book(2, EVENING_MS + 59_999, [(200.0, 1.0)], [(202.0, 1.0)]),
            book(3, EVENING_MS + 60_000, [(300.0, 1.0)], [(302.0, 1.0)]),
        ],
    )
    first, second = engine.feature("mid_1m", name, "ts_1m")
    assert (first["mid"], first["mid_avg"], first["books"], first["staleness_ms"]) == (201.0, 151.0, 2, 1)
    assert (second["mid"], second["staleness_ms"]) == (301.0, 60_000)
