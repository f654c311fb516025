"""Returns, momentum and the trade-flow features against plain Python over the same trades."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.sql.catalogue_tape import Tape, by_minute, epoch_us, insert, make_tape, same, touched
from tests.sql.rows import assign_buckets, trade
from tests.sql.tape import EVENING_MS, Rows, by_bucket
from tests.worked import case

SPANS = (1, 3, 5, 10, 30, 60)


@pytest.fixture(scope="module")
def tape(engine: Any) -> Tape:
    made = make_tape("FLOWUSDT", 61, count=4000)
    insert(engine.client, made)
    insert(engine.client, make_tape("FLOWUSDT", 161, count=300), market_type="linear")
    return made


def of_spot(engine: Any, view: str, symbol: str, order: str) -> list[dict[str, Any]]:
    return engine.rows(
        f"SELECT * FROM marketprism_features.{view} WHERE symbol = '{symbol}' AND market_type = 'spot' ORDER BY {order}"
    )


def amount(row: dict[str, Any]) -> Decimal:
    return Decimal(row["price"]) * Decimal(row["quantity"])


def signed(rows: Rows) -> Decimal:
    return sum((Decimal(r["quantity"]) * (1 if r["side"] == "buy" else -1) for r in rows), Decimal(0))


def volume(rows: Rows) -> Decimal:
    return sum((Decimal(r["quantity"]) for r in rows), Decimal(0))


def test_returns_by_bucket(engine: Any, tape: Tape) -> None:
    rows = of_spot(engine, "returns_by_bucket", tape.symbol, "bucket_id")
    groups = list(by_bucket(tape.trades).items())
    assert [row["bucket_id"] for row in rows] == [key for key, _ in groups]
    closes = np.array([float(trades[-1]["price"]) for _, trades in groups])
    highs = [max(float(r["price"]) for r in trades) for _, trades in groups]
    amounts = np.array([float(sum(map(amount, trades))) for _, trades in groups])
    steps = np.diff(np.log(closes), prepend=np.nan)
    for i, (row, (_, trades)) in enumerate(zip(rows, groups, strict=True)):
        for span in SPANS:
            value = math.log(closes[i] / closes[i - span]) if i >= span else None
            assert same(row[f"log_return_{span}"], value, absolute=1e-12)
            if span > 1:
                size = math.sqrt(float((steps[i - span + 1 : i + 1] ** 2).sum())) if i >= span else 0
                assert same(
                    row[f"momentum_{span}"], value / size if value is not None and size else None, absolute=1e-9
                )
        peak = max(highs[i - 59 : i + 1]) if i >= 59 else None
        assert same(row["drawdown_60"], math.log(closes[i] / peak) if peak else None, absolute=1e-12)
        ten = slice(i - 9, i + 1)
        mean = float((steps[ten] * amounts[ten]).sum() / amounts[ten].sum()) if i >= 10 else None
        assert same(row["price_volume_momentum_10"], mean, absolute=1e-12)
        before = sum((volume(g[1]) for g in groups[i - 10 : i]), Decimal(0)) / 10 if i >= 10 else None
        assert same(row["trade_impulse"], float(signed(trades) / before) if before else None)
        assert row["window_buckets"] == min(i + 1, 61)
        assert epoch_us(row["available_at"]) >= max(r["received_at"] for r in trades)
    assert {"warmup", "gap", "ok"} == {row["quality"] for row in rows}


def seconds(tape: Tape) -> dict[int, float]:
    last: dict[int, tuple[int, float]] = {}
    for row in tape.trades:
        at = row["timestamp"] // 1000
        last[at] = max(last.get(at, (0, 0.0)), (row["sequence"], float(row["price"])))
    return {at: price for at, (_, price) in sorted(last.items())}


def test_returns_over_clock_horizons(engine: Any, tape: Tape) -> None:
    rows = of_spot(engine, "returns_1s", tape.symbol, "ts_1s")
    prices = seconds(tape)
    at, values = np.array(list(prices)), list(prices.values())
    assert [epoch_us(row["ts_1s"]) // 1_000_000 for row in rows] == list(prices)
    spans = {"1s": 1, "5s": 5, "10s": 10, "30s": 30, "1m": 60, "5m": 300, "15m": 900, "30m": 1800, "60m": 3600}
    missing = 0
    for i, row in enumerate(rows):
        for name, span in spans.items():
            j = int(np.searchsorted(at, at[i] - span, side="right")) - 1
            known = j >= 0 and at[i] - span - at[j] <= 60
            missing += not known
            value = math.log(values[i] / values[j]) if known else None
            assert same(row[f"log_return_{name}"], value, absolute=1e-12), (name, row)
    assert missing


def test_returns_by_minute(engine: Any, tape: Tape) -> None:
    rows = of_spot(engine, "returns_1m", tape.symbol, "ts_1m")
    minutes = {epoch_us(at) // 60_000_000: trades for at, trades in by_minute(tape.trades).items()}
    assert [epoch_us(row["ts_1m"]) // 60_000_000 for row in rows] == list(minutes)
    ids = list(minutes)
    close = {at: float(trades[-1]["price"]) for at, trades in minutes.items()}
    step = {b: math.log(close[b] / close[a]) for a, b in itertools.pairwise(ids) if b - a <= 5}
    for at, row in zip(ids, rows, strict=True):
        for span in SPANS:
            base = next((at - span - age for age in range(5) if at - span - age in close), None)
            value = None if base is None else math.log(close[at] / close[base])
            assert same(row[f"log_return_{span}"], value, absolute=1e-12)
            if span > 1:
                size = math.sqrt(sum(step[m] ** 2 for m in range(at - span + 1, at + 1) if m in step))
                assert same(
                    row[f"momentum_{span}"], value / size if value is not None and size else None, absolute=1e-9
                )
        last = [m for m in range(at - 59, at + 1) if m in close]
        top = max(float(r["price"]) for m in last for r in minutes[m])
        assert same(row["drawdown_60"], math.log(close[at] / top), absolute=1e-12)
        ten = [m for m in range(at - 9, at + 1) if m in step]
        weights = [float(sum(map(amount, minutes[m]))) for m in ten]
        mean = sum(step[m] * w for m, w in zip(ten, weights, strict=True)) / sum(weights) if len(ten) == 10 else None
        assert same(row["price_volume_momentum_10"], mean, absolute=1e-12)
        before = [volume(minutes[m]) for m in range(at - 10, at) if m in minutes]
        is_warm = any(m in close for m in range(at - 64, at - 9))
        impulse = float(signed(minutes[at]) / (sum(before) / 10)) if before and is_warm else None
        assert same(row["trade_impulse"], impulse)
        assert row["window_minutes"] == len(last)


def hhi(values: list[float]) -> float | None:
    return sum(v * v for v in values) / sum(values) ** 2 if values else None


def flow_of(rows: Rows, start_ms: int, end_ms: int) -> dict[str, Any]:
    """The values of trade_flow of these trades, whose period is [start, end]."""
    length = (end_ms - start_ms) / 1000
    prices = np.array([float(r["price"]) for r in rows])
    signs = [1 if r["side"] == "buy" else -1 for r in rows]
    amounts = [float(amount(r)) for r in rows]
    change = np.diff(prices)
    level = Decimal(0)
    area = Decimal(0)
    for i, row in enumerate(rows):
        level += signs[i] * Decimal(row["quantity"])
        following = rows[i + 1]["timestamp"] if i + 1 < len(rows) else end_ms
        area += level * (following - row["timestamp"])
    total = volume(rows)
    out: dict[str, Any] = {
        "trades": len(rows),
        "signed_volume": signed(rows),
        "flow_imbalance": float(signed(rows) / total),
        "vwap": float(sum(map(amount, rows)) / total),
        "avg_trade_size": float(total / len(rows)),
        "avg_trade_quote": sum(amounts) / len(rows),
        "trades_per_s": len(rows) / length if length else None,
        "quote_per_s": sum(amounts) / length if length else None,
        "direction_persistence": sum(a == b for a, b in itertools.pairwise(signs)) / (len(rows) - 1)
        if len(rows) > 1
        else None,
        "buy_hhi": hhi([a for a, s in zip(amounts, signs, strict=True) if s == 1]),
        "sell_hhi": hhi([a for a, s in zip(amounts, signs, strict=True) if s == -1]),
        "tw_cvd": float(area) / 1000 / length if length else None,
        "signed_sqrt_quote": sum(s * math.sqrt(a) for a, s in zip(amounts, signs, strict=True)),
    }
    covariance = float(np.cov(change[1:], change[:-1])[0, 1]) if len(rows) >= 4 else None
    out["roll_spread_bps"] = None if covariance is None else 2 * math.sqrt(max(-covariance, 0)) / out["vwap"] * 1e4
    for name, keep in (("large", lambda a: a >= 50_000), ("retail", lambda a: a <= 1_000)):
        sums = {}
        for side, sign in (("buy", 1), ("sell", -1)):
            chosen = [amount(r) for r, s in zip(rows, signs, strict=True) if s == sign and keep(amount(r))]
            sums[side] = out[f"{name}_{side}_quote"] = sum(chosen, Decimal(0))
        both = sums["buy"] + sums["sell"]
        out[f"{name}_imbalance"] = float((sums["buy"] - sums["sell"]) / both) if both else None
    return out


@pytest.mark.parametrize(("view", "key"), [("trade_flow_by_bucket", "bucket_id"), ("trade_flow_1m", "ts_1m")])
def test_trade_flow(engine: Any, tape: Tape, view: str, key: str) -> None:
    rows = {row[key]: row for row in of_spot(engine, view, tape.symbol, key)}
    groups: dict[Any, Rows] = dict(by_bucket(tape.trades) if key == "bucket_id" else by_minute(tape.trades))
    assert list(rows) == list(groups)
    cvd: dict[Any, Decimal] = defaultdict(Decimal)
    for at, trades in groups.items():
        if key == "bucket_id":
            day, stamps = at // 1_000_000, [r["timestamp"] for r in trades]
            start, end = min(stamps), max(stamps)
        else:
            day, start = at.date(), epoch_us(at) // 1000
            end = start + 60_000
            assert rows[at]["quality"] == ("gap" if touched(tape, at) else "ok")
        expected = flow_of(trades, start, end)
        cvd[day] += expected["signed_volume"]
        assert rows[at]["cvd"] == cvd[day]
        for name, value in expected.items():
            if isinstance(value, Decimal):
                assert rows[at][name] == value, name
            elif name == "roll_spread_bps":
                # a covariance that is 0 in exact arithmetic may come out as ±1e-17, and the root makes 1e-9 of it
                assert same(rows[at][name], value, rel=1e-7, absolute=1e-3), (at, rows[at][name], value)
            else:
                assert same(rows[at][name], value, rel=1e-9, absolute=1e-9), (name, at, rows[at][name], value)
    assert len(cvd) == 2, "the tape must cross midnight"
    assert any(row["large_imbalance"] is not None for row in rows.values())
    assert any(row["retail_imbalance"] is not None for row in rows.values())


def test_concentration_equals_the_published_example(engine: Any, shared: Path) -> None:
    worked = case(shared, "hhi")
    rows = [
        trade(n, EVENING_MS + n, "1", str(share), "buy") for n, share in enumerate(worked["input"]["shares"], start=1)
    ]
    engine.trades("HHIUSDT", assign_buckets(rows, Decimal(1000)))
    (row,) = engine.feature("trade_flow_1m", "HHIUSDT", "ts_1m")
    assert row["buy_hhi"] == pytest.approx(worked["expected"]["hhi"], rel=1e-12)
    assert row["sell_hhi"] is None
