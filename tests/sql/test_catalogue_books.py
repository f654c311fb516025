"""The shape and the dynamics of the book against plain Python over the same levels, by book, minute and bucket."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.sql.catalogue_tape import Tape, by_minute, epoch_us, insert, make_tape, same
from tests.sql.rows import assign_buckets, book, trade
from tests.sql.tape import EVENING_MS, by_bucket
from tests.worked import case

Levels = list[tuple[float, float]]


@pytest.fixture(scope="module")
def tape(engine: Any) -> Tape:
    made = make_tape("SHAPEUSDT", 51, count=2000)
    insert(engine.client, made)
    insert(engine.client, make_tape("SHAPEUSDT", 151, count=300), market_type="linear")
    return made


def walk(levels: Levels, amount: float = 10_000) -> float | None:
    """Mean price of taking ``amount`` quote units; None when the levels hold less."""
    left, base = amount, 0.0
    for price, quantity in levels:
        part = min(left, price * quantity)
        left, base = left - part, base + part / price
    return amount / base if left <= 0 else None


def one_side(levels: Levels, mid: float, sign: int) -> dict[str, float | None]:
    away = [sign * (price - mid) / mid * 1e4 for price, _ in levels[:20]]
    sizes = [quantity for _, quantity in levels[:20]]
    total, depths = sum(sizes), np.cumsum(sizes)
    shares = [size / total for size in sizes]
    price = walk(levels)
    return {
        "depth_5": sum(sizes[:5]),
        "depth_10": sum(sizes[:10]),
        "depth_20": total,
        "density_10": sum(p * q for p, q in levels[:10]) / away[:10][-1],
        "slope_10": float(np.polyfit(away[:10], depths[:10], 1)[0]) if len(sizes) >= 10 else None,
        "convexity_10": (sum(sizes[5:10]) - sum(sizes[:5])) / sum(sizes[:10]) if len(sizes) >= 10 else None,
        "tail_width_bps": next(a for a, depth in zip(away, depths, strict=True) if depth >= 0.9 * total),
        "entropy": -sum(s * math.log(s) for s in shares) / math.log(len(shares)) if len(shares) > 1 else None,
        "gravity_bps": sum(a * q for a, q in zip(away, sizes, strict=True)) / total,
        "impact": None if price is None else sign * (price / mid - 1) * 1e4,
    }


def shape(row: dict[str, Any]) -> dict[str, float | None]:
    """Every value of book_features of a two-sided book."""
    bids, asks = row["bids"], row["asks"]
    (bid, bid_size), (ask, ask_size) = bids[0], asks[0]
    mid = (bid + ask) / 2
    buy, sell = one_side(asks, mid, 1), one_side(bids, mid, -1)
    vwap_bid, vwap_ask = (sum(p * q for p, q in side[:5]) / sum(q for _, q in side[:5]) for side in (bids, asks))
    out: dict[str, float | None] = {
        "mid": mid,
        "spread_bps": (ask - bid) / mid * 1e4,
        "microprice": (bid * ask_size + ask * bid_size) / (bid_size + ask_size),
        "weighted_mid": (vwap_bid * buy["depth_5"] + vwap_ask * sell["depth_5"]) / (buy["depth_5"] + sell["depth_5"]),
        "buy_impact_bps": buy.pop("impact"),
        "sell_impact_bps": sell.pop("impact"),
    }
    for levels in (1, 5, 10, 20):
        held, offered = (sum(q for _, q in side[:levels]) for side in (bids, asks))
        out[f"imbalance_{levels}"] = (held - offered) / (held + offered)
    known = out["buy_impact_bps"] is not None and out["sell_impact_bps"] is not None
    impact = (out["buy_impact_bps"] + out["sell_impact_bps"]) / 2 if known else None
    out["impact_linear"] = None if impact is None else impact / 10_000
    out["impact_sqrt"] = None if impact is None else impact / 100
    return (
        out | {f"bid_{key}": value for key, value in sell.items()} | {f"ask_{key}": value for key, value in buy.items()}
    )


def agree(row: dict[str, Any], expected: dict[str, float | None]) -> None:
    for key, value in expected.items():
        assert same(row[key], value, absolute=1e-9), (key, row[key], value)


def of_spot(engine: Any, view: str, symbol: str, order: str) -> list[dict[str, Any]]:
    return engine.rows(
        f"SELECT * FROM marketprism_features.{view} WHERE symbol = '{symbol}' AND market_type = 'spot' ORDER BY {order}"
    )


def test_every_book(engine: Any, tape: Tape) -> None:
    rows = of_spot(engine, "book_features", tape.symbol, "sequence")
    assert len(rows) == len(tape.books)
    for row, given in zip(rows, tape.books, strict=True):
        assert epoch_us(row["available_at"]) == given["received_at"]
        if not given["asks"]:
            assert (row["mid"], row["bid_slope_10"], row["quality"]) == (None, None, "partial")
            continue
        agree(row, shape(given))
        depth = (row["bid_depth_5"] + row["ask_depth_5"]) / 10
        assert same(row["ofi_multi"], sum(given["ofi"]) / 5 / (2 * depth))
        assert row["quality"] == "ok"
    assert any(row["buy_impact_bps"] for row in rows)


def test_thin_books_have_no_walk_and_no_slope(engine: Any) -> None:
    engine.books("THINUSDT", [book(1, EVENING_MS, [(100.0, 1.0)], [(101.0, 2.0), (102.0, 0.0)])])
    (row,) = engine.feature("book_features", "THINUSDT", "sequence")
    assert (row["buy_impact_bps"], row["impact_sqrt"], row["bid_slope_10"], row["bid_entropy"]) == (None,) * 4
    assert (row["ask_entropy"], row["ask_convexity_10"], row["quality"]) == (0.0, None, "ok")


def test_microprice_and_imbalance_equal_orderflowkit(engine: Any, shared: Path) -> None:
    worked = case(shared, "microprice")
    for number, top in enumerate(worked["input"]["tob"]):
        symbol = f"MICRO{number}USDT"
        engine.books(symbol, [book(1, EVENING_MS, [(top["bid"], top["bid_qty"])], [(top["ask"], top["ask_qty"])])])
        (row,) = engine.feature("book_features", symbol, "sequence")
        expected = worked["expected"]["tob"][number]
        names = {"mid": "mid", "microprice": "microprice", "queue_imbalance": "imbalance_1", "spread_bps": "spread_bps"}
        for theirs, ours in names.items():
            assert row[ours] == pytest.approx(expected[theirs], rel=1e-11)


def test_last_book_of_each_minute(engine: Any, tape: Tape) -> None:
    rows = {row["ts_1m"]: row for row in of_spot(engine, "book_features_1m", tape.symbol, "ts_1m")}
    expected = by_minute([row for row in tape.books if row["asks"]])
    assert list(rows) == list(expected)
    for at, books in expected.items():
        agree(rows[at], shape(books[-1]))
        age = epoch_us(at) // 1000 + 60_000 - books[-1]["timestamp"]
        assert rows[at]["staleness_ms"] == age
        assert rows[at]["quality"] == ("stale" if age > 3000 else "ok")


def test_book_as_of_each_bucket_end(engine: Any, tape: Tape) -> None:
    rows = {row["bucket_id"]: row for row in of_spot(engine, "book_features_by_bucket", tape.symbol, "bucket_id")}
    times = np.array([row["timestamp"] for row in tape.books])
    known = 0
    for key, trades in by_bucket(tape.trades).items():
        end = max(row["timestamp"] for row in trades)
        position = int(np.searchsorted(times, end, side="right")) - 1
        if position < 0 or end - times[position] > 60_000:
            assert key not in rows
            continue
        last, row = tape.books[position], rows[key]
        known += 1
        assert row["staleness_ms"] == end - last["timestamp"]
        assert epoch_us(row["available_at"]) >= last["received_at"]
        if last["asks"]:
            agree(row, shape(last))
        else:
            assert (row["mid"], row["imbalance_10"]) == (None, None)
    assert 0 < known == len(rows) < len(by_bucket(tape.trades))


def test_dynamics_while_a_bucket_filled(engine: Any, tape: Tape) -> None:
    rows = {row["bucket_id"]: row for row in of_spot(engine, "lob_dynamics_by_bucket", tape.symbol, "bucket_id")}
    buckets = by_bucket(tape.trades)
    assert list(rows) == list(buckets)
    times = [row["timestamp"] for row in tape.books]
    for key, trades in buckets.items():
        start, end = min(row["timestamp"] for row in trades), max(row["timestamp"] for row in trades)
        inside = [n for n, at in enumerate(times) if start < at <= end]
        passed = [times[n] - times[n - 1] for n in inside if n]
        counted = [n for n in inside if n and times[n] - times[n - 1] <= 5000]
        seconds = sum(step for step in passed if step <= 5000) / 1000
        row = rows[key]
        assert (row["books"], row["updates"]) == (len(inside), len(inside))
        assert same(row["observed_s"], seconds)
        for position, name in enumerate(("bid_add_rate", "bid_cancel_rate", "ask_add_rate", "ask_cancel_rate")):
            total = sum(tape.books[n]["since"][position] for n in counted)
            assert same(row[name], total / seconds if seconds else None)
        assert row["ofi_l5"] == [sum(tape.books[n]["ofi"][level] for n in inside) for level in range(5)]
        if inside:
            assert epoch_us(row["available_at"]) >= tape.books[inside[-1]]["received_at"]
            rest = (end - times[inside[-1]]) / 1000
            seen = seconds + (rest if rest <= 5 else 0)
            assert row["quality"] in ("gap", "partial" if seen < 0.9 * (end - start) / 1000 - 1e-9 else "ok")
        else:
            assert row["quality"] in ("gap", "stale")
    assert any(row["books"] == 0 for row in rows.values())
    assert {row["quality"] for row in rows.values()} == {"ok", "gap", "stale", "partial"}


@pytest.mark.parametrize(
    ("name", "at_s", "quality", "rate"),
    [
        ("each second", range(60), "ok", 1.0),
        ("then a pause", [*range(11), 59], "partial", 1.0),
        ("4 to 6 s apart", [0, 4, 10, 14, 20, 24, 30, 34, 40, 44, 50, 54], "partial", 1.0),
        ("too far apart", range(0, 60, 6), "partial", None),
    ],
)
def test_a_rate_is_of_the_seconds_it_counts(
    engine: Any, symbol: Callable[[], str], name: str, at_s: Sequence[int], quality: str, rate: float | None
) -> None:
    """One unit is added to each side in every second, however far apart the books are."""
    made, since = [], 0
    for number, at in enumerate(at_s, start=1):
        row = book(number, EVENING_MS + at * 1000, [(99.0, 1.0)], [(101.0, 1.0)])
        made.append({**row, "since": [at - since, 0.0, at - since, 0.0], "ofi": [float(at - since)] * 5})
        since = at
    trades = [trade(n, EVENING_MS + at, "100", "1", "buy") for n, at in enumerate((0, 59_900), start=1)]
    tape = Tape(symbol(), assign_buckets(trades, Decimal(2)), made, [], None)
    insert(engine.client, tape)
    (bucket,) = engine.feature("lob_dynamics_by_bucket", tape.symbol)
    (minute,) = engine.feature("lob_dynamics_1m", tape.symbol, "ts_1m")
    for row in (bucket, minute):
        assert (row["bid_add_rate"], row["ask_net_rate"], row["quality"]) == (rate, rate, quality), name
        assert row["ofi_l1"] == since, "sums are whole"
