"""Features of a nasty market, recomputed from raw rows by what their columns say of themselves, in plain Python.

Written from the catalogue page, not from the SQL: one-trade buckets, equal times, silent minutes, a price that does not
move for a hundred buckets, midnight, a second market with the same symbol; books with few levels, wide ones, none.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from decimal import Decimal
from itertools import groupby, pairwise
from statistics import NormalDist
from typing import Any

import pytest

from tests.sql.rows import assign_buckets, book, trade

EVENING_MS = 1_741_388_400_000
"""2025-03-07 23:00 UTC."""
Rows = list[dict[str, Any]]


def market(seed: int) -> Rows:
    """4,000 trades over two hours and midnight."""
    chance, rows, now, tick = random.Random(seed), [], EVENING_MS, 2000
    for number in range(1, 4001):
        now += chance.choice([0, 0, 5, 200, 900, 2500])
        if chance.random() < 0.002:
            now += 200_000
        if not 1200 < number < 2200:
            tick += chance.choice([-3, -1, 0, 0, 1, 3])
        size = chance.choice(["0.001", "0.7", "2", "2", "9", "60"])
        side = chance.choice(["buy", "sell"]) if not 3000 < number < 3200 else "buy"
        rows.append(trade(number, now, str(Decimal(tick) / 2), size, side))
    return assign_buckets(rows, Decimal(40))


@pytest.fixture(scope="module")
def trades(engine: Any) -> Rows:
    rows = market(5)
    engine.trades("BYDEFUSDT", rows, batches=7)
    engine.trades("BYDEFUSDT", market(6), market_type="linear")
    return rows


def feature(engine: Any, name: str) -> Rows:
    where = "symbol = 'BYDEFUSDT' AND market_type = 'spot'"
    found: Rows = engine.rows(f"SELECT * FROM marketprism_features.{name} WHERE {where} ORDER BY bucket_id")
    return found


def buckets(trades: Rows) -> dict[int, Rows]:
    return {key: list(rows) for key, rows in groupby(trades, key=lambda row: row["bucket_id"])}


def value(row: dict[str, Any], name: str) -> float:
    return float(Decimal(row[name]))


def quote(row: dict[str, Any]) -> float:
    return value(row, "price") * value(row, "quantity")


def sign(row: dict[str, Any]) -> int:
    return 1 if row["side"] == "buy" else -1


def share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def agree(rows: Rows, expected: list[dict[str, float | None]], tolerance: float = 1e-9) -> None:
    assert len(rows) == len(expected)
    for row, wanted in zip(rows, expected, strict=True):
        for name, figure in wanted.items():
            got = row[name] if row[name] is None else float(row[name])
            where = (row.get("bucket_id", row.get("sequence")), name, got, figure)
            if figure is None or got is None:
                assert got is figure, where
            else:
                assert math.isclose(got, figure, rel_tol=tolerance, abs_tol=tolerance), where


def hhi(rows: Rows) -> float | None:
    amounts = [quote(row) for row in rows]
    return sum((amount / sum(amounts)) ** 2 for amount in amounts) if amounts else None


def time_weighted(rows: Rows) -> float | None:
    held, running = 0.0, 0.0
    rows = sorted(rows, key=lambda row: (row["timestamp"], row["sequence"]))
    for row, after in pairwise(rows):
        running += sign(row) * value(row, "quantity")
        held += running * (after["timestamp"] - row["timestamp"])
    return share(held, rows[-1]["timestamp"] - rows[0]["timestamp"])


def test_trade_flow(engine: Any, trades: Rows) -> None:
    expected, day, cvd = [], 0, 0.0
    for number, rows in buckets(trades).items():
        cvd, day = (cvd if number // 1_000_000 == day else 0.0), number // 1_000_000
        signed = sum(sign(row) * value(row, "quantity") for row in rows)
        cvd += signed
        buys, sells = [r for r in rows if r["side"] == "buy"], [r for r in rows if r["side"] == "sell"]
        seconds = (max(r["timestamp"] for r in rows) - min(r["timestamp"] for r in rows)) / 1000
        same = sum(a["side"] == b["side"] for a, b in pairwise(rows))
        retail = [sign(r) * quote(r) for r in rows if quote(r) <= 1000]
        large = [sign(r) * quote(r) for r in rows if quote(r) >= 50_000]
        expected.append(
            {
                "flow_imbalance": share(signed, sum(value(r, "quantity") for r in rows)),
                "cvd": cvd,
                "vwap": sum(map(quote, rows)) / sum(value(r, "quantity") for r in rows),
                "trades_per_s": share(len(rows), seconds),
                "direction_persistence": share(same, len(rows) - 1),
                "retail_imbalance": share(sum(retail), sum(map(abs, retail))),
                "large_imbalance": share(sum(large), sum(map(abs, large))),
                "buy_hhi": hhi(buys),
                "sell_hhi": hhi(sells),
                "tw_cvd": time_weighted(rows),
                "signed_sqrt_quote": sum(sign(r) * math.sqrt(quote(r)) for r in rows),
            }
        )
    agree(feature(engine, "trade_flow_by_bucket"), expected, 1e-7)


def test_returns(engine: Any, trades: Rows) -> None:
    parts = list(buckets(trades).values())
    close = [value(rows[-1], "price") for rows in parts]
    high = [max(value(row, "price") for row in rows) for rows in parts]
    volume = [sum(value(row, "quantity") for row in rows) for rows in parts]
    signed = [sum(sign(row) * value(row, "quantity") for row in rows) for rows in parts]
    notional = [sum(map(quote, rows)) for rows in parts]
    steps = [math.nan, *(math.log(b / a) for a, b in pairwise(close))]
    expected = []
    for at in range(len(parts)):
        row: dict[str, float | None] = {}
        for back in (1, 3, 5, 10, 30, 60):
            moved = math.log(close[at] / close[at - back]) if at >= back else None
            row[f"log_return_{back}"] = moved
            if back > 1:
                root = math.sqrt(sum(x * x for x in steps[at - back + 1 : at + 1])) if at >= back else 0
                row[f"momentum_{back}"] = share(moved, root) if moved is not None else None
        row["drawdown_60"] = math.log(close[at] / max(high[at - 59 : at + 1])) if at >= 59 else None
        before = volume[at - 10 : at] if at >= 10 else []
        row["trade_impulse"] = signed[at] / (sum(before) / 10) if before else None
        if at >= 10:
            window = range(at - 9, at + 1)
            weighed = sum(steps[i] * notional[i] for i in window)
            row["price_volume_momentum_10"] = weighed / sum(notional[i] for i in window)
        expected.append(row)
    agree(feature(engine, "returns_by_bucket"), expected)


def windows(trades: Rows, back: int) -> list[list[Rows] | None]:
    parts = list(buckets(trades).values())
    return [parts[at + 1 - back : at + 1] if at + 1 >= back else None for at in range(len(parts))]


def test_vpin_and_bulk_volume(engine: Any, trades: Rows) -> None:
    imbalance = [abs(sum(sign(r) * value(r, "quantity") for r in rows)) for rows in buckets(trades).values()]
    volume = [sum(value(r, "quantity") for r in rows) for rows in buckets(trades).values()]
    close = [value(rows[-1], "price") for rows in buckets(trades).values()]
    vpin: list[dict[str, float | None]] = []
    bulk: list[dict[str, float | None]] = []
    changes = [math.nan, *(b - a for a, b in pairwise(close))]
    for at in range(len(volume)):
        full = slice(at - 49, at + 1)
        vpin.append({"vpin": sum(imbalance[full]) / sum(volume[full]) if at >= 49 else None})
        past = changes[at - 50 : at] if at >= 51 else []
        mean = sum(past) / 50
        deviation = math.sqrt(sum((x - mean) ** 2 for x in past) / 49) if past else 0.0
        bought = volume[at] * NormalDist().cdf(changes[at] / deviation) if deviation > 1e-12 else None
        bulk.append({"bvc_buy_volume": bought, "bvc_sell_volume": None if bought is None else volume[at] - bought})
    agree(feature(engine, "vpin_by_bucket"), vpin)
    agree(feature(engine, "bulk_volume_by_bucket"), bulk, 1e-7)


def test_volatility(engine: Any, trades: Rows) -> None:
    close = [value(rows[-1], "price") for rows in buckets(trades).values()]
    steps = [math.log(b / a) for a, b in pairwise(close)]
    median: Callable[[list[float]], float] = lambda three: sorted(three)[1]  # noqa: E731
    expected = []
    for at in range(len(close)):
        names = ("realised_variance", "bipower_variance", "medrv", "minrv", "semivariance_down", "jump_share")
        row: dict[str, float | None] = dict.fromkeys(names)
        if at >= 50:
            r = [abs(x) for x in steps[at - 50 : at]]
            n, squares = 50, sum(x * x for x in r)
            bipower = math.pi / 2 * sum(a * b for a, b in pairwise(r))
            medians = sum(median(r[i - 1 : i + 2]) ** 2 for i in range(1, n - 1))
            minima = sum(min(a, b) ** 2 for a, b in pairwise(r))
            row = {
                "realised_variance": squares,
                "bipower_variance": bipower,
                "medrv": math.pi / (6 - 4 * math.sqrt(3) + math.pi) * n / (n - 2) * medians,
                "minrv": math.pi / (math.pi - 2) * n / (n - 1) * minima,
                "semivariance_down": sum(x * x for x in steps[at - 50 : at] if x < 0),
                "jump_share": max(0.0, 1 - bipower / squares) if squares else 0.0,  # a price that stood did not jump
            }
        expected.append(row)
    agree(feature(engine, "volatility_by_bucket"), expected)


def levels(chance: random.Random, first: float, step: float, count: int) -> list[tuple[float, float]]:
    return [(round(first + step * i * chance.choice([1, 1, 3]), 2), chance.choice([0.5, 1, 7])) for i in range(count)]


def shape(row: dict[str, Any]) -> dict[str, float | None]:
    bids, asks = row["bids"], row["asks"]
    if not bids or not asks:
        return dict.fromkeys(("mid", "spread_bps", "microprice", "imbalance_1", "imbalance_5", "bid_entropy"))
    (bid, bid_size), (ask, ask_size) = bids[0], asks[0]
    mid = (bid + ask) / 2
    found: dict[str, float | None] = {
        "mid": mid,
        "spread_bps": (ask - bid) / mid * 1e4,
        "microprice": (bid * ask_size + ask * bid_size) / (bid_size + ask_size),
    }
    for count in (1, 5, 10, 20):
        b, a = sum(q for _, q in bids[:count]), sum(q for _, q in asks[:count])
        found[f"imbalance_{count}"] = (b - a) / (b + a)
    for name, side, way in (("bid", bids, -1), ("ask", asks, 1)):
        top = side[:20]
        total = sum(q for _, q in top)
        far = [abs(p - mid) / mid * 1e4 for p, _ in top]
        found[f"{name}_gravity_bps"] = sum(d * q for d, (_, q) in zip(far, top, strict=True)) / total
        disorder = -sum(q / total * math.log(q / total) for _, q in top)
        found[f"{name}_entropy"] = share(disorder, math.log(len(top)))
        sums = [sum(q for _, q in side[:n]) for n in (5, 10)]
        found[f"{name}_depth_10"] = sums[1]
        left, paid, got = 10_000.0, 0.0, 0.0
        for p, q in side:
            taken = min(left, p * q)
            left, paid, got = left - taken, paid + taken, got + taken / p
        reached = (paid / got / mid - 1) * 1e4 * way if left <= 0 else None
        found["sell_impact_bps" if name == "bid" else "buy_impact_bps"] = reached
    return found


def test_book_shape(engine: Any) -> None:
    chance, rows = random.Random(9), []
    for number in range(1, 301):
        bids = levels(chance, 999.5, -0.5, chance.choice([1, 2, 4, 9, 10, 20, 25]))
        asks = levels(chance, 1000.5, 0.5, chance.choice([1, 3, 10, 20]))
        bids, asks = sorted(dict(bids).items(), reverse=True), sorted(dict(asks).items())
        if number % 40 == 0:
            bids = []
        rows.append(book(number, EVENING_MS + number * 100, bids, asks))
    engine.books("BYDEFBOOKS", rows)
    found = engine.rows(
        "SELECT * FROM marketprism_features.book_features WHERE symbol = 'BYDEFBOOKS' ORDER BY sequence"
    )
    agree(found, [shape(row) for row in rows], 1e-7)
