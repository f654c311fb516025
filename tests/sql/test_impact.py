"""vpin_by_bucket and kyle_lambda_by_bucket against numpy and against worked cases of other packages."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.sql.rows import trade
from tests.sql.tape import EVENING_MS, by_bucket, impact, random_trades
from tests.worked import case

DAY = 20240808 * 1_000_000


def bucket_of(number: int, prints: list[tuple[str, str, str]], first_sequence: int) -> list[dict[str, Any]]:
    """One closed bucket of (price, quantity, side) prints."""
    rows = [
        trade(first_sequence + index, EVENING_MS + number * 1000, price, quantity, side, tick_size="0.0001")
        for index, (price, quantity, side) in enumerate(prints)
    ]
    for row in rows:
        row.update(bucket_id=DAY + number, bucket_cut="", bucket_t_max_ms=60_000)
    rows[-1]["bucket_cut"] = "volume"
    return rows


def same(value: float | None, expected: float | None, rel: float) -> bool:
    """Equal within a relative tolerance, or both absent."""
    if expected is None or value is None:
        return value is expected
    return value == pytest.approx(expected, rel=rel)


def test_windows_equal_numpy_across_midnight(engine: Any, symbol: Any) -> None:
    name = symbol()
    rows = random_trades(seed=3)
    engine.trades(name, rows, batches=5)
    buckets = by_bucket(rows)
    assert len({key // 1_000_000 for key in buckets}) == 2, "the tape must cross midnight"
    assert len(buckets) > 120
    expected = impact(buckets)
    vpin = {row["bucket_id"]: row for row in engine.feature("vpin_by_bucket", name)}
    kyle = {row["bucket_id"]: row for row in engine.feature("kyle_lambda_by_bucket", name)}
    assert list(vpin) == list(kyle) == list(buckets)
    for index, (key, values) in enumerate(expected.items()):
        assert vpin[key]["window_buckets"] == kyle[key]["window_buckets"] == min(index + 1, 50)
        assert same(vpin[key]["vpin"], values["vpin"], 1e-12)
        for column in ("kyle_lambda", "amihud_illiq"):
            assert same(kyle[key][column], values[column], 1e-12)
        for column in ("kyle_lambda_ols", "kyle_r2"):
            assert same(kyle[key][column], values[column], 1e-9)
        assert vpin[key]["quality"] == ("ok" if index >= 49 else "warmup")


def test_vpin_equals_finmlkit(engine: Any, symbol: Any, shared: Path) -> None:
    worked = case(shared, "vpin")
    given, window = worked["input"]["finmlkit"], worked["input"]["finmlkit"]["window"]
    name = symbol()
    # The case has a window of 4: 46 empty buckets before each four make ours of 50 the same sum.
    for index, expected in enumerate(worked["expected"]["finmlkit"]):
        if expected is None:
            continue
        label = f"{name}{index}"
        pairs = [(0.0, 0.0)] * 46 + list(zip(given["buy"], given["sell"], strict=True))[index + 1 - window : index + 1]
        rows = []
        for number, (buy, sell) in enumerate(pairs, start=1):
            rows += bucket_of(number, [("100", str(buy), "buy"), ("100", str(sell), "sell")], 2 * number)
        engine.trades(label, rows)
        assert engine.feature("vpin_by_bucket", label)[-1]["vpin"] == pytest.approx(expected, rel=1e-6)


def test_kyle_slope_equals_statsmodels(engine: Any, symbol: Any, shared: Path) -> None:
    worked = case(shared, "kyle_lambda")
    flows, changes = worked["input"]["signed_volume"], worked["input"]["dprice"]
    expected = worked["expected"]["ols_with_intercept"]
    name, rows = symbol(), []
    # 24 points do not fill 50 buckets: each twice, and their mean twice, leave slope and R² as they are.
    mean_flow = sum(Decimal(str(value)) for value in flows) / len(flows)
    mean_change = sum(Decimal(str(value)) for value in changes) / len(changes)
    points = [(Decimal(str(x)), Decimal(str(y))) for x, y in zip(flows, changes, strict=True)] * 2
    points += [(mean_flow, mean_change)] * 2
    for number, (signed, change) in enumerate(points, start=1):
        close = (100 + change).quantize(Decimal("1e-12"))
        quantity = abs(signed).quantize(Decimal("1e-12"))
        prints = [("100", "0", "buy"), (str(close), str(quantity), "buy" if signed > 0 else "sell")]
        rows += bucket_of(number, prints, 2 * number)
    engine.trades(name, rows)
    last = engine.feature("kyle_lambda_by_bucket", name)[-1]
    assert last["window_buckets"] == 50
    assert last["kyle_lambda_ols"] == pytest.approx(expected["lambda"], rel=1e-9)
    assert last["kyle_r2"] == pytest.approx(expected["r2"], rel=1e-9)


def test_amihud_equals_orderflowkit(engine: Any, symbol: Any, shared: Path) -> None:
    worked = case(shared, "amihud")
    prices, volumes, window = (worked["input"][key] for key in ("price", "volume", "window"))
    name, rows = symbol(), []
    # A print of no quantity opens each bucket at the price before, so that the bucket's return is the case's.
    for number in range(1, len(prices)):
        prints = [(str(prices[number - 1]), "0", "buy"), (str(prices[number]), str(volumes[number]), "buy")]
        rows += bucket_of(number, prints, 2 * number)
    engine.trades(name, rows)
    values = [None] + [row["amihud_illiq"] for row in engine.feature("kyle_lambda_by_bucket", name)]
    for index, expected in enumerate(worked["expected"]["simple_return_rolling5"]):
        if expected is not None:
            mean = sum(values[index + 1 - window : index + 1]) / window
            assert mean == pytest.approx(expected, rel=worked["tolerance"]["rel"])


def test_a_bucket_without_signed_flow_has_no_ratio(engine: Any, symbol: Any) -> None:
    name = symbol()
    engine.trades(name, bucket_of(1, [("100", "2", "buy"), ("101", "2", "sell")], 1))
    (row,) = engine.feature("kyle_lambda_by_bucket", name)
    assert (row["signed_volume"], row["price_change"]) == (0, 1)
    assert row["kyle_lambda"] is None


def test_a_constant_window_has_no_slope(engine: Any, symbol: Any) -> None:
    name, rows = symbol(), []
    for number in range(1, 51):
        rows += bucket_of(number, [("100", "1", "buy"), ("100", "1", "buy")], 2 * number)
    engine.trades(name, rows)
    last = engine.feature("kyle_lambda_by_bucket", name)[-1]
    assert (last["window_buckets"], last["kyle_lambda_ols"], last["kyle_r2"]) == (50, None, None)
    assert engine.feature("vpin_by_bucket", name)[-1]["vpin"] == 1.0


def test_a_range_of_ids_gives_the_same_rows_as_the_whole(engine: Any, symbol: Any) -> None:
    name = symbol()
    rows = random_trades(seed=4)
    engine.trades(name, rows)
    whole = {row["bucket_id"]: row for row in engine.feature("unified_features_by_bucket", name)}
    ids = list(whole)
    part = engine.rows(
        "SELECT * FROM marketprism_features.unified_features_since("
        f"from_bucket = {ids[-212]}, to_bucket = 99999999999999, newest = 0, since = '1970-01-02 00:00:00') "
        f"WHERE symbol = '{name}' ORDER BY bucket_id"
    )
    assert [row["bucket_id"] for row in part] == ids[-212:]
    assert part[181:] == [whole[key] for key in ids[-31:]]
    narrow = engine.rows(
        "SELECT * FROM marketprism_features.unified_features_between("
        f"from_bucket = {ids[-80]}, to_bucket = 99999999999999, newest = 0) WHERE symbol = '{name}' ORDER BY bucket_id"
    )
    assert [row["bucket_id"] for row in narrow] == ids[-80:]
    for row in narrow[49:]:
        assert row.items() <= {**whole[row["bucket_id"]], "available_at": row["available_at"]}.items()
    last = engine.rows(
        "SELECT * FROM marketprism_features.unified_features_last("
        f"exchange = 'binance', market_type = 'spot', symbol = '{name}', n = 40)"
    )
    assert last == [whole[key] for key in reversed(ids[-40:])]
