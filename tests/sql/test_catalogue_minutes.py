"""The minute forms of impact, spread, toxicity, variance and book dynamics against plain Python over the same rows."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest

from tests.sql.catalogue_tape import SINCE, Tape, by_minute, epoch_us, insert, make_tape, quoted, same, touched


@pytest.fixture(scope="module", params=[41, 42], ids=["best_quotes", "books_only"])
def tape(engine: Any, request: pytest.FixtureRequest) -> Tape:
    made = make_tape(f"MINUTES{request.param}USDT", request.param)
    insert(engine.client, made)
    other = make_tape(made.symbol, request.param + 100, count=400)
    insert(engine.client, other, market_type="linear")  # the same name elsewhere must not show
    return made


def minutes(engine: Any, name: str, tape: Tape) -> dict[Any, dict[str, Any]]:
    rows = engine.rows(
        f"SELECT * FROM marketprism_features.{name} "
        f"WHERE symbol = '{tape.symbol}' AND market_type = 'spot' ORDER BY ts_1m"
    )
    assert len({row["ts_1m"] for row in rows}) == len(rows)
    return {row["ts_1m"]: row for row in rows}


def spread(rows: list[dict[str, Any]], at: str) -> tuple[float | None, float | None, float | None]:
    """(effective or realised, quoted, weight sum) in basis points, weighed by the mid before."""
    cost = width = value = 0.0
    for row in rows:
        if row["before"] is None or row[at] is None:
            continue
        sign = 1 if row["side"] == "buy" else -1
        mid, then = sum(row["before"]) / 2, sum(row[at]) / 2
        weight = mid * float(row["quantity"])
        cost += weight * 2 * sign * (float(row["price"]) - then) / mid
        width += weight * (row["before"][1] - row["before"][0]) / mid
        value += weight
    return (cost / value * 1e4, width / value * 1e4, value) if value else (None, None, None)


def test_quotes_are_strictly_before_and_horizons_have_passed(engine: Any, tape: Tape) -> None:
    rows = engine.rows(
        "SELECT sequence, bid, ask, later_bid, later_ask, dateDiff('millisecond', timestamp, available_at) AS after_ms "
        f"FROM marketprism_features.quoted_trades WHERE symbol = '{tape.symbol}' AND market_type = 'spot' "
        "ORDER BY sequence"
    )
    expected = quoted(tape)
    assert [row["sequence"] for row in rows] == [row["sequence"] for row in expected]
    for row, want in zip(rows, expected, strict=True):
        for columns, key in ((("bid", "ask"), "before"), (("later_bid", "later_ask"), "later")):
            got = tuple(None if row[name] is None else float(row[name]) for name in columns)
            assert got == (want[key] or (None, None)), (row, want)
        assert row["after_ms"] >= 5000
    known = [row["before"] is not None for row in expected]
    assert any(known)
    assert not all(known)


def test_price_impact(engine: Any, tape: Tape) -> None:
    got = minutes(engine, "price_impact_1m", tape)
    expected = by_minute(quoted(tape))
    assert list(got) == list(expected)
    for at, trades in expected.items():
        row = got[at]
        buys = sum((Decimal(t["quantity"]) for t in trades if t["side"] == "buy"), Decimal(0))
        sells = sum((Decimal(t["quantity"]) for t in trades if t["side"] == "sell"), Decimal(0))
        change = Decimal(trades[-1]["price"]) - Decimal(trades[0]["price"])
        amount = sum(Decimal(t["price"]) * Decimal(t["quantity"]) for t in trades)
        assert (row["signed_volume"], row["price_change"], row["trades"]) == (buys - sells, change, len(trades))
        assert same(row["kyle_lambda"], change / (buys - sells))
        assert same(row["amihud_illiq"], abs(change / Decimal(trades[0]["price"])) / amount)
        for side in ("buy", "sell"):
            effective, _, _ = spread([t for t in trades if t["side"] == side], "before")
            assert same(row[f"effective_spread_{side}"], effective)
        stale = not any(t["before"] for t in trades)
        assert row["quality"] == ("gap" if touched(tape, at) else "stale" if stale else "ok")
        assert epoch_us(row["available_at"]) >= max(t["received_at"] for t in trades)


def test_spreads(engine: Any, tape: Tape) -> None:
    shown, settled = minutes(engine, "spread_analysis_1m", tape), minutes(engine, "realised_spread_1m", tape)
    expected = by_minute(quoted(tape))
    assert list(shown) == list(settled) == list(expected)
    for at, trades in expected.items():
        effective, width, _ = spread(trades, "before")
        assert same(shown[at]["effective_spread"], effective)
        assert same(shown[at]["quoted_spread"], width)
        assert same(shown[at]["spread_ratio"], effective / width if effective is not None and width else None)
        assert shown[at]["quoted_trades"] == sum(t["before"] is not None for t in trades)
        kept, _, _ = spread(trades, "later")
        both, _, _ = spread([t for t in trades if t["later"]], "before")
        assert same(settled[at]["realised_spread"], kept)
        assert same(settled[at]["effective_spread"], both)
        assert same(settled[at]["price_impact"], None if kept is None or both is None else both - kept, absolute=1e-9)
        last = max(t["timestamp"] for t in trades)
        assert epoch_us(settled[at]["available_at"]) >= (last + 5000) * 1000


def test_vpin(engine: Any, tape: Tape) -> None:
    got = minutes(engine, "vpin_1m", tape)
    expected: dict[Any, float] = {}
    for at, trades in by_minute(tape.trades).items():
        signed = sum(Decimal(t["quantity"]) * (1 if t["side"] == "buy" else -1) for t in trades)
        expected[at] = float(abs(signed) / sum(Decimal(t["quantity"]) for t in trades))
        assert same(got[at]["vpin_approx"], expected[at])
        window = [value for then, value in expected.items() if (at - then).total_seconds() <= 240]
        assert got[at]["window_minutes"] == len(window)
        assert same(got[at]["vpin_approx_5m"], sum(window) / 5 if len(window) == 5 else None)
    assert list(got) == list(expected)
    assert {"ok", "warmup", "gap"} <= {row["quality"] for row in got.values()}


def second_closes(tape: Tape) -> list[tuple[int, float]]:
    """(second, last price by sequence) of the seconds that traded."""
    closes: dict[int, tuple[int, float]] = {}
    for row in tape.trades:
        second = row["timestamp"] // 1000
        closes[second] = max(closes.get(second, (0, 0.0)), (row["sequence"], float(row["price"])))
    return [(second, close[1]) for second, close in sorted(closes.items())]


def test_variance(engine: Any, tape: Tape) -> None:
    got = minutes(engine, "rv_decomposition_1m", tape)
    returns: dict[int, list[float]] = {}
    closes = second_closes(tape)
    for index, (second, price) in enumerate(closes):
        steps = returns.setdefault(second // 60 * 60, [])
        if index and second - closes[index - 1][0] <= 60:
            steps.append(math.log(price / closes[index - 1][1]))
    assert [epoch_us(at) // 1_000_000 for at in got] == list(returns)
    for row, steps in zip(got.values(), returns.values(), strict=True):
        assert row["n_returns"] == len(steps)
        if len(steps) < 2:
            assert (row["rv_total"], row["bipower"], row["jump_ratio"]) == (None, None, None)
            continue
        total = sum(step**2 for step in steps)
        bipower = math.pi / 2 * sum(abs(a * b) for a, b in zip(steps[1:], steps, strict=False))
        assert same(row["rv_total"], total)
        assert same(row["rv_continuous"], min(total, bipower))
        assert same(row["rv_jump"], max(total - bipower, 0), absolute=1e-18)
        assert same(row["jump_ratio"], max(total - bipower, 0) / total if total else None)


def test_a_minute_of_one_trade_has_no_variance(engine: Any) -> None:
    insert(engine.client, Tape("ONEUSDT", make_tape("ONEUSDT", 43, count=6).trades[:1], [], [], None))
    (row,) = engine.feature("rv_decomposition_1m", "ONEUSDT", "ts_1m")
    assert (row["n_returns"], row["rv_total"], row["jump_ratio"], row["quality"]) == (0, None, None, "warmup")


def test_book_dynamics(engine: Any, tape: Tape) -> None:
    got = minutes(engine, "lob_dynamics_1m", tape)
    expected = by_minute(tape.books)
    assert list(got) == list(expected)
    previous = None
    for at, books in expected.items():
        row, seconds, counted = got[at], 0.0, []
        for book in books:
            if previous is not None and book["timestamp"] - previous <= 5000:
                seconds += (book["timestamp"] - previous) / 1000
                counted.append(book)
            previous = book["timestamp"]
        assert same(row["observed_s"], seconds)
        names = ("bid_add_rate", "bid_cancel_rate", "ask_add_rate", "ask_cancel_rate")
        for position, name in enumerate(names):
            total = sum(book["since"][position] for book in counted)
            assert same(row[name], total / seconds if seconds else None), (name, SINCE[position])
        assert same(row["bid_net_rate"], row["bid_add_rate"] - row["bid_cancel_rate"], absolute=1e-9)
        assert row["ofi_l5"] == [sum(book["ofi"][level] for book in books) for level in range(5)]
        assert row["ofi_l1"] == row["ofi_l5"][0]
        assert row["quality"] == ("partial" if seconds < 54 else "ok")
    assert {"ok", "partial"} == {row["quality"] for row in got.values()}
