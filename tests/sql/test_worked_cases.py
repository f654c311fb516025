"""What the worked cases say beyond the feature their own file tests; and every case is read by some test."""

from __future__ import annotations

import csv
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.sql.rows import assign_buckets, book, trade
from tests.sql.tape import EVENING_MS, Rows
from tests.sql.test_footprints import tape
from tests.sql.test_impact import bucket_of
from tests.worked import case

TESTS = Path(__file__).parent.parent
READ_BY = {
    "amihud": "sql/test_impact.py",
    "footprint": "sql/test_footprints.py",
    "hhi": "sql/test_catalogue_trades.py",
    "kyle_lambda": "sql/test_catalogue_impact.py",
    "microprice": "sql/test_books.py",
    "ofi": "unit/collector/test_ofi_cases.py",
    "ohlcv_vwap_cvd": "sql/test_footprints.py",
    "realised_variance": "sql/test_catalogue_volatility.py",
    "volume_bars": "sql/test_volume_bars.py",
    "vpin": "sql/test_impact.py",
}
NO_FEATURE = {"info_share", "rsi_macd"}
"""Cases of what the catalogue does not offer."""
CORWIN_SCHULTZ_BPS = {
    50: 5.060634065506935,
    60: 4.6281106998054335,
    100: 6.169100163443279,
}
"""Bar → mean of its last 50 spreads, by RiskLabAI 2.0.1 (BSD, too much of it to install) with ``window_span=1`` on the
highs and lows of mlfinlab_dollar_bar_sample.csv."""


def test_every_case_is_read(shared: Path) -> None:
    folder = shared / "reference" / "cases"
    if not folder.is_dir():
        missing(f"no worked cases: {folder} is absent")
    assert {path.stem for path in folder.glob("*.json")} == READ_BY.keys() | NO_FEATURE
    for name, test in READ_BY.items():
        assert name in (TESTS / test).read_text(), f"{test} does not name {name}"


def dollar_bars(shared: Path, count: int) -> list[dict[str, str]]:
    with (shared / "reference" / "cases" / "mlfinlab_dollar_bar_sample.csv").open() as file:
        return list(csv.DictReader(file))[:count]


def test_corwin_schultz_equals_risklabai(engine: Any, symbol: Any, shared: Path) -> None:
    name, rows = symbol(), []
    for number, bar in enumerate(dollar_bars(shared, 101), start=1):
        prints = [(bar[each], "1", "buy") for each in ("open", "high", "low", "close")]
        rows += bucket_of(number, prints, 4 * number)
    engine.trades(name, rows)
    got = [row["corwin_schultz_bps"] for row in engine.feature("volatility_by_bucket", name)]
    assert {at: got[at] for at in CORWIN_SCHULTZ_BPS} == pytest.approx(CORWIN_SCHULTZ_BPS, rel=1e-9)


def bar_buckets(shared: Path, count: int) -> Rows:
    """A bucket for each bar but the first: from the close before to its own, all its volume on the side of the move."""
    bars, rows = dollar_bars(shared, count), []
    for number, (before, bar) in enumerate(pairwise(bars), start=1):
        side = "buy" if Decimal(bar["close"]) >= Decimal(before["close"]) else "sell"
        rows += bucket_of(number, [(before["close"], "0", side), (bar["close"], bar["cum_vol"], side)], 2 * number)
    return rows


def test_kyle_ratio_equals_the_bar_based_one_of_mlfinlab(engine: Any, symbol: Any, shared: Path) -> None:
    worked = case(shared, "kyle_lambda")
    expected, window = worked["expected"]["mlfinlab_bar"]["kyle"], worked["input"]["window"]
    name = symbol()
    engine.trades(name, bar_buckets(shared, 1001))
    ratios = [row["kyle_lambda"] for row in engine.feature("kyle_lambda_by_bucket", name)]
    means = [sum(ratios[at - window : at]) / window for at in range(window, len(ratios) + 1)]
    assert max(means) == pytest.approx(expected["max"], rel=1e-10)
    assert sum(means) / len(means) == pytest.approx(expected["mean"], rel=1e-10)
    assert means[25 - window] == pytest.approx(expected["at25"], rel=1e-10)


def test_amihud_mean_equals_the_log_form(engine: Any, symbol: Any, shared: Path) -> None:
    """The case averages five; ours averages those of 50 buckets that traded, so 45 before them trade nothing."""
    worked = case(shared, "amihud")
    prices, volumes = worked["input"]["price"], worked["input"]["volume"]
    for last in (5, 12, 23):
        name, rows = f"{symbol()}{last}", []
        points = [(prices[last - 5], 0)] * 46 + list(zip(prices, volumes, strict=True))[last - 4 : last + 1]
        for number, (price, volume) in enumerate(points, start=1):
            rows += bucket_of(number, [(str(price), str(volume), "buy")], number)
        engine.trades(name, rows)
        shown = engine.feature("impact_by_bucket", name)[-1]["amihud_mean"]
        assert shown == pytest.approx(worked["expected"]["log_return_rolling5"][last], rel=worked["tolerance"]["rel"])


def test_several_levels_equal_orderflowkit(engine: Any, symbol: Any, shared: Path) -> None:
    worked = case(shared, "microprice")
    given, expected = worked["input"]["multi"], worked["expected"]["multi"]
    for levels in (1, 2, 3):
        name = symbol()
        bids, asks = ([(float(px), float(size)) for px, size in given[side][:levels]] for side in ("bids", "asks"))
        engine.books(name, [book(1, EVENING_MS, bids, asks)])
        (row,) = engine.feature("book_features", name, "sequence")
        assert row["imbalance_20"] == pytest.approx(expected[f"imb_{levels}"], rel=1e-12)
        assert row["imbalance_1"] == pytest.approx(expected["imb_1"], rel=1e-12)
        assert row["microprice"] == pytest.approx(expected["microprice"], rel=1e-12)


def test_points_of_control_equal_finmlkit(engine: Any, symbol: Any, shared: Path) -> None:
    worked = case(shared, "footprint")
    name = symbol()
    engine.trades(name, tape(worked))
    profiles = engine.feature("footprint_profile_1m", name, "ts_1m")
    tick = worked["input"]["tick"]
    assert [row["poc_px"] for row in profiles] == [level * tick for level in worked["expected"]["footprint"]["cot"]]


def test_concentration_of_a_tape(engine: Any, symbol: Any, shared: Path) -> None:
    worked = case(shared, "hhi")
    name = symbol()
    sizes = worked["input"]["tape_qty"]
    rows = [trade(n, EVENING_MS + n, "1", str(size), "sell") for n, size in enumerate(sizes, start=1)]
    engine.trades(name, assign_buckets(rows, Decimal(1000)))
    (row,) = engine.feature("trade_flow_1m", name, "ts_1m")
    assert row["sell_hhi"] == pytest.approx(worked["expected"]["tape_qty_hhi"], rel=1e-12)
