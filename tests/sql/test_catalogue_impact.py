"""Impact by regression, spreads by bucket, bulk volume classification and exact VPIN against numpy and worked cases."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.sql.catalogue_tape import Tape, epoch_us, insert, make_tape, quoted, same
from tests.sql.rows import trade
from tests.sql.tape import EVENING_MS, Rows, by_bucket
from tests.worked import case

DAY = 20240808 * 1_000_000


@pytest.fixture(scope="module")
def tape(engine: Any) -> Tape:
    made = make_tape("IMPACTUSDT", 71, count=5000)
    insert(engine.client, made)
    return made


def amount(row: dict[str, Any]) -> float:
    return float(Decimal(row["price"]) * Decimal(row["quantity"]))


def line(x: Any, y: Any, w: Any) -> tuple[float, float, float]:
    """(slope, standard error, R²) of a weighted regression with intercept, by the normal equations."""
    design = np.column_stack([np.ones(len(x)), x])
    root = np.sqrt(w)[:, None]
    beta, *_ = np.linalg.lstsq(design * root, y * root[:, 0], rcond=None)
    rest = float((w * (y - design @ beta) ** 2).sum())
    covariance = rest / (len(x) - 2) * np.linalg.inv((design * w[:, None]).T @ design)
    mean = (w * y).sum() / w.sum()
    return float(beta[1]), math.sqrt(covariance[1, 1]), 1 - rest / float((w * (y - mean) ** 2).sum())


def as_of_mids(tape: Tape, buckets: dict[int, Rows]) -> list[float | None]:
    times = np.array([row["timestamp"] for row in tape.books])
    out: list[float | None] = []
    for trades in buckets.values():
        end = max(row["timestamp"] for row in trades)
        at = int(np.searchsorted(times, end, side="right")) - 1
        known = at >= 0 and end - times[at] <= 60_000 and tape.books[at]["asks"]
        out.append((tape.books[at]["bids"][0][0] + tape.books[at]["asks"][0][0]) / 2 if known else None)
    return out


def test_regressions_over_fifty_buckets(engine: Any, tape: Tape) -> None:
    rows = engine.feature("impact_by_bucket", tape.symbol)
    buckets = by_bucket(tape.trades)
    assert [row["bucket_id"] for row in rows] == list(buckets)
    mids = as_of_mids(tape, buckets)
    closes = [float(trades[-1]["price"]) for trades in buckets.values()]
    signs = [[1 if r["side"] == "buy" else -1 for r in trades] for trades in buckets.values()]
    amounts = [[amount(r) for r in trades] for trades in buckets.values()]
    volumes = np.array([float(sum(Decimal(r["quantity"]) for r in trades)) for trades in buckets.values()])
    flow = np.array([sum(s * a for s, a in zip(*pair, strict=True)) for pair in zip(signs, amounts, strict=True)])
    root = np.array(
        [sum(s * math.sqrt(a) for s, a in zip(*pair, strict=True)) for pair in zip(signs, amounts, strict=True)]
    )
    notional = np.array([sum(part) for part in amounts])
    moves = np.diff(np.log(closes), prepend=np.nan)
    full = missing = 0
    for i, row in enumerate(rows):
        window = range(max(0, i - 49), i + 1)
        points = [j for j in window if j and mids[j] is not None and mids[j - 1] is not None]
        assert (row["window_mids"], row["window_buckets"]) == (len(points), min(i + 1, 51))
        names = (
            "kyle_lambda_mid",
            "kyle_mid_stderr",
            "kyle_mid_r2",
            "kyle_lambda_wls",
            "kyle_wls_stderr",
            "kyle_wls_r2",
        )
        if len(points) == 50:
            change = np.array([mids[j] - mids[j - 1] for j in points])
            expected = (*line(flow[points], change, np.ones(50)), *line(flow[points], change, volumes[points]))
            full += 1
        else:
            expected = (None,) * 6
            missing += i >= 50
        for name, value in zip(names, expected, strict=True):
            assert same(row[name], value, rel=1e-6, absolute=1e-12), (name, row[name], value)
        if i >= 50:
            part = slice(i - 49, i + 1)
            slope = (root[part] * moves[part]).sum() / (root[part] ** 2).sum()
            rest = ((moves[part] - slope * root[part]) ** 2).sum() / 49
            assert same(row["hasbrouck_lambda"], slope)
            assert same(row["hasbrouck_t"], slope / math.sqrt(rest / (root[part] ** 2).sum()), absolute=1e-9)
            absolute = np.abs(moves[part])
            assert same(
                row["amihud_lambda"], (notional[part] * absolute).sum() / (notional[part] ** 2).sum(), absolute=0
            )
            assert same(row["amihud_mean"], (absolute / notional[part]).mean(), absolute=0)
        else:
            assert (row["hasbrouck_lambda"], row["amihud_lambda"], row["quality"]) == (None, None, "warmup")
    assert full
    assert missing, "a window with a missing mid must be there"


def one_bucket(number: int, prints: list[tuple[str, str, str]]) -> Rows:
    rows = [
        trade(number * 10 + at, EVENING_MS + number * 1000, *each, tick_size="0.0001") for at, each in enumerate(prints)
    ]
    for row in rows:
        row.update(bucket_id=DAY + number, bucket_cut="", bucket_t_max_ms=60_000)
    rows[-1]["bucket_cut"] = "volume"
    return rows


def test_lambdas_through_the_origin_equal_statsmodels(engine: Any, shared: Path) -> None:
    worked = case(shared, "kyle_lambda")
    flows, changes = worked["input"]["signed_volume"], worked["input"]["dprice"]
    price = Decimal(str(worked["input"]["price_before_first"]))
    # 24 points do not fill 50 buckets: 27 before them have neither flow nor a return, and add nothing to either sum.
    rows = [row for number in range(1, 28) for row in one_bucket(number, [(str(price), "0", "buy")])]
    for number, (signed, change) in enumerate(zip(flows, changes, strict=True), start=28):
        price += Decimal(str(change))
        rows += one_bucket(number, [(str(price), str(abs(signed)), "buy" if signed > 0 else "sell")])
    engine.trades("LAMBDAUSDT", rows)
    last = engine.feature("impact_by_bucket", "LAMBDAUSDT")[-1]
    assert last["hasbrouck_lambda"] == pytest.approx(worked["expected"]["hasbrouck_correct_no_intercept"][0], rel=1e-10)
    assert last["amihud_lambda"] == pytest.approx(worked["expected"]["amihud_lambda_no_intercept"][0], rel=1e-10)
    assert last["quality"] == "stale", "there is no book"


def test_spreads_by_bucket(engine: Any, tape: Tape) -> None:
    shown = {row["bucket_id"]: row for row in engine.feature("spreads_by_bucket", tape.symbol)}
    settled = {row["bucket_id"]: row for row in engine.feature("realised_spread_by_bucket", tape.symbol)}
    buckets = by_bucket(quoted(tape))
    assert list(shown) == list(settled) == list(buckets)

    def mean(rows: Rows, at: str) -> tuple[float | None, float | None]:
        usable = [row for row in rows if row["before"] and row[at]]
        mids = [sum(row["before"]) / 2 for row in usable]
        weights = [mid * float(row["quantity"]) for mid, row in zip(mids, usable, strict=True)]
        if not weights:
            return None, None
        paid = [
            2e4 * (1 if row["side"] == "buy" else -1) * (float(row["price"]) - sum(row[at]) / 2) / mid
            for mid, row in zip(mids, usable, strict=True)
        ]
        width = [1e4 * (row["before"][1] - row["before"][0]) / mid for mid, row in zip(mids, usable, strict=True)]
        return float(np.average(paid, weights=weights)), float(np.average(width, weights=weights))

    for key, trades in buckets.items():
        effective, width = mean(trades, "before")
        assert same(shown[key]["effective_spread"], effective)
        assert same(shown[key]["quoted_spread"], width)
        kept, _ = mean(trades, "later")
        whole, _ = mean([row for row in trades if row["later"]], "before")
        assert same(settled[key]["realised_spread"], kept)
        difference = None if kept is None or whole is None else whole - kept
        assert same(settled[key]["price_impact"], difference, absolute=1e-9)
        end = max(row["timestamp"] for row in trades)
        assert epoch_us(settled[key]["available_at"]) >= (end + 5000) * 1000
        assert epoch_us(shown[key]["available_at"]) <= epoch_us(settled[key]["available_at"])


def test_bulk_volume_classification(engine: Any, tape: Tape) -> None:
    rows = engine.feature("bulk_volume_by_bucket", tape.symbol)
    buckets = by_bucket(tape.trades)
    closes = np.array([float(trades[-1]["price"]) for trades in buckets.values()])
    volumes = np.array([float(sum(Decimal(r["quantity"]) for r in trades)) for trades in buckets.values()])
    changes = np.diff(closes, prepend=np.nan)
    shares = np.full(len(closes), np.nan)
    for i, row in enumerate(rows):
        if i >= 51:
            sigma = changes[i - 50 : i].std(ddof=1)
            shares[i] = 0.5 * (1 + math.erf(changes[i] / sigma / math.sqrt(2)))
            assert same(row["bvc_buy_volume"], volumes[i] * shares[i])
            assert same(row["bvc_buy_volume"] + row["bvc_sell_volume"], volumes[i])
        else:
            assert (row["bvc_buy_volume"], row["vpin_bvc"]) == (None, None)
        if i >= 100:
            part = slice(i - 49, i + 1)
            tilt = (np.abs(2 * shares[part] - 1) * volumes[part]).sum()
            assert same(row["vpin_bvc"], tilt / volumes[part].sum())
        elif i >= 51:
            assert row["vpin_bvc"] is None
    assert len(rows) > 120


def split(trades: Rows, size: Decimal) -> list[tuple[Decimal, Decimal]]:
    """(buy, sell) volume of each full bucket, a crossing trade divided."""
    out: list[tuple[Decimal, Decimal]] = []
    held = {"buy": Decimal(0), "sell": Decimal(0)}
    for row in trades:
        left = Decimal(row["quantity"])
        while left:
            part = min(left, size - sum(held.values()))
            held[row["side"]] += part
            left -= part
            if sum(held.values()) == size:
                out.append((held["buy"], held["sell"]))
                held = {"buy": Decimal(0), "sell": Decimal(0)}
    return out


@pytest.mark.parametrize("size", ["20", "0.7", "33.333333333333"])
def test_exact_vpin_splits_crossing_trades(engine: Any, tape: Tape, size: str) -> None:
    trades = [row for row in tape.trades if row["bucket_id"] // 1_000_000 == 20240808]
    expected = split(trades, Decimal(size))
    rows = engine.rows(
        "SELECT * FROM marketprism_features.vpin_exact(exchange = 'binance', market_type = 'spot', "
        f"symbol = '{tape.symbol}', day = '2024-08-08', bucket_volume = '{size}') ORDER BY bucket_seq"
    )
    assert [row["bucket_seq"] for row in rows] == list(range(len(expected)))
    for i, row in enumerate(rows):
        assert same(row["buy_volume"], expected[i][0], rel=1e-14)
        assert same(row["sell_volume"], expected[i][1], rel=1e-14)
        window = expected[max(0, i - 49) : i + 1]
        value = sum(abs(buy - sell) for buy, sell in window) / (50 * Decimal(size)) if i >= 49 else None
        assert same(row["vpin"], value, rel=1e-12)
    assert len(rows) > 60
