"""Footprint candidates, clusters by job and dynamic levels against plain Python; a failed job leaves its run."""

from __future__ import annotations

import datetime as dt
import importlib.util
import math
from collections import defaultdict
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest

from marketprism.errors import JobError
from marketprism.jobs import footprint_candidates, footprint_clusters, run_job, trade_clusters
from marketprism.jobs.trade_clusters import summary
from tests.sql.catalogue_tape import MINUTE_MS, Tape, by_minute, insert, make_tape, same
from tests.sql.rows import assign_buckets, trade
from tests.sql.tape import EVENING_MS

needs_sklearn = pytest.mark.skipif(
    importlib.util.find_spec("sklearn") is None, reason="scikit-learn (extra `jobs`) is not installed"
)


@pytest.fixture(scope="module")
def tape(engine: Any) -> Tape:
    made = make_tape("PRINTUSDT", 99, count=3000)
    insert(engine.client, made)
    return made


def window(tape: Tape, at_ms: int, hours: int) -> dict[Any, Any]:
    """Minutes that were over, and wholly received, by then."""
    return {
        start: rows
        for start, rows in by_minute(tape.trades).items()
        if rows[0]["timestamp"] // MINUTE_MS * MINUTE_MS >= at_ms - hours * 3_600_000
        and max(rows[0]["timestamp"] // MINUTE_MS * MINUTE_MS + MINUTE_MS, max(r["received_at"] for r in rows) / 1000)
        <= at_ms
    }


@pytest.mark.parametrize("minutes_before_the_end", [-5, 3, 10])
def test_candidates(engine: Any, tape: Tape, minutes_before_the_end: int) -> None:
    at = tape.trades[-1]["timestamp"] - minutes_before_the_end * MINUTE_MS
    moment = dt.datetime.fromtimestamp(at / 1000, dt.UTC)
    rows = engine.rows(
        "SELECT * FROM marketprism_features.footprint_candidates_at("
        f"run_at = '{moment:%F %T}.{at % 1000:03d}', hours = 1) WHERE symbol = 'PRINTUSDT' ORDER BY cluster_price"
    )
    bins: dict[float, list[Any]] = defaultdict(lambda: [Decimal(0), Decimal(0), []])
    chosen = window(tape, at, 1)
    for trades in chosen.values():
        prices = [float(row["price"]) for row in trades]
        width = (max(prices) - min(prices)) / prices[0] * 1e4
        for row in trades:
            size = Decimal(row["quantity"])
            cell = bins[float(row["price"])]
            cell[0] += size
            cell[1] += size if row["side"] == "buy" else -size
        for price in set(prices):
            bins[price][2].append(width)
    last = float(list(chosen.values())[-1][-1]["price"])
    threshold = float(np.quantile([float(cell[0]) for cell in bins.values()], 0.9))
    expected = {}
    for price, (total, delta, widths) in bins.items():
        lean, width = float(abs(delta) / total), float(np.mean(widths))
        if float(total) < threshold:
            continue
        if width < 5 and lean < 0.2:
            expected[price] = ("absorption", total, delta, width)
        elif lean > 0.7 and np.sign(last - price) == -np.sign(float(delta)):
            expected[price] = ("exhaustion", total, delta, width)
    assert expected, "the tape must have candidates"
    assert [row["cluster_price"] for row in rows] == sorted(expected)
    for row in rows:
        kind, total, delta, width = expected[row["cluster_price"]]
        assert (row["candidate_type"], row["total_vol"], row["delta"]) == (kind, float(total), float(delta))
        assert row["avg_range_bps"] == pytest.approx(width, rel=1e-9)
        assert row["return_since"] == pytest.approx(last / row["cluster_price"] - 1, abs=1e-12)


def test_candidates_absorb_in_a_narrow_range(engine: Any) -> None:
    rows = [
        trade(n, EVENING_MS + n * 100, "60000" if n % 10 else str(60000 + n // 10 / 2), "1", "buy" if n % 2 else "sell")
        for n in range(1, 200)
    ]
    engine.trades("ABSORBUSDT", assign_buckets(rows, Decimal(1000)))
    (row,) = engine.rows(
        "SELECT * FROM marketprism_features.footprint_candidates_at(run_at = '2024-08-08 23:30:00.000', hours = 1) "
        "WHERE symbol = 'ABSORBUSDT' AND candidate_type = 'absorption'"
    )
    assert (row["cluster_price"], row["candidate_type"], row["quality"]) == (60000.0, "absorption", "warmup")


def test_dynamic_levels(engine: Any) -> None:
    at = dt.datetime(2024, 8, 9, 1, 0)
    clusters = [(100.0 + step / 10, 5.0 + step % 7, step * 60) for step in range(-150, 150) if step]
    values = ", ".join(
        f"('binance', 'spot', 'LEVELUSDT', '{at:%F %T}', 'r', '{at:%F} 01:00:20', {price}, {volume}, 0, 3, "
        f"'{at - dt.timedelta(seconds=abs(age)):%F %T}', 'ok')"
        for price, volume, age in clusters
    )
    engine.client.command(f"INSERT INTO marketprism_features.footprint_clusters VALUES {values}")
    later = at + dt.timedelta(seconds=90)
    (row,) = engine.rows(
        "SELECT * FROM marketprism_features.dynamic_levels(exchange = 'binance', market_type = 'spot', "
        f"symbol = 'LEVELUSDT', at = '{later:%F %T}', price = 100.0)"
    )
    weighed = sorted(
        (
            (volume * math.exp(-abs(price / 100 - 1) * 1e4 / 50) * math.exp(-(abs(age) + 90) / 7200), price)
            for price, volume, age in clusters
        ),
        reverse=True,
    )[:200]
    above = sum(weight for weight, price in weighed if price > 100)
    below = sum(weight for weight, price in weighed if price < 100)
    assert row["clusters"] == 200
    assert row["resistance"] == pytest.approx(above, rel=1e-9)
    assert row["support"] == pytest.approx(below, rel=1e-9)
    assert row["level_log_ratio"] == pytest.approx(math.log(above / below), rel=1e-9)
    assert row["resistance_bps"] == pytest.approx(10.0, rel=1e-9)
    assert row["support_bps"] == pytest.approx(10.0, rel=1e-9)
    assert (row["quality"], row["available_at"]) == ("ok", at + dt.timedelta(seconds=20))
    for instant, why in (("00:59:59", "a run after the instant is not seen"), ("01:00:19", "nobody had its rows yet")):
        assert (
            engine.rows(
                "SELECT * FROM marketprism_features.dynamic_levels(exchange = 'binance', market_type = 'spot', "
                f"symbol = 'LEVELUSDT', at = '2024-08-09 {instant}', price = 100.0)"
            )
            == []
        ), why


def groups(points: Any, eps: float, least: int) -> list[set[int]]:
    """DBSCAN the slow way: cores joined when within reach, border points to the first core's cluster."""
    near = [{j for j, other in enumerate(points) if math.dist(point, other) <= eps + 1e-12} for point in points]
    cores = [i for i, each in enumerate(near) if len(each) >= least]
    out: list[set[int]] = []
    taken: set[int] = set()
    for core in cores:
        if core in taken:
            continue
        group, edge = set(), [core]
        while edge:
            i = edge.pop()
            for j in near[i] - group - taken:
                group.add(j)
                if len(near[j]) >= least:
                    edge.append(j)
        taken |= group
        out.append(group)
    return out


@needs_sklearn
def test_footprint_clusters(engine: Any, tape: Tape) -> None:
    at = tape.trades[-1]["timestamp"] - 5 * MINUTE_MS
    run = run_job(engine.client, footprint_clusters, dt.datetime.fromtimestamp(at / 1000, dt.UTC))
    rows = engine.rows(
        f"SELECT * FROM marketprism_features.footprint_clusters WHERE run_id = '{run.run_id}' AND symbol = 'PRINTUSDT' "
        "ORDER BY cluster_price"
    )
    volume: dict[float, float] = defaultdict(float)
    for trades in window(tape, at, 24).values():
        for row in trades:
            volume[float(row["price"])] += float(row["quantity"])
    prices = sorted(volume)
    expected = sorted(
        (sum(prices[i] * volume[prices[i]] for i in group) / sum(volume[prices[i]] for i in group), len(group))
        for group in groups([(math.log(price) * 1e4,) for price in prices], 5.0, 3)
    )
    assert [row["bins"] for row in rows] == [count for _, count in expected]
    for row, (price, _) in zip(rows, expected, strict=True):
        assert row["cluster_price"] == pytest.approx(price, rel=1e-12)
    (kept,) = engine.rows(f"SELECT * FROM marketprism_features.job_runs WHERE run_id = '{run.run_id}'")
    assert (kept["job"], kept["state"], kept["error"]) == ("footprint_clusters", "done", "")
    assert kept["rows_written"] >= len(rows) > 0


@needs_sklearn
def test_trade_clusters(engine: Any, tape: Tape) -> None:
    at = tape.trades[-1]["timestamp"] - 5 * MINUTE_MS
    run = run_job(engine.client, trade_clusters, dt.datetime.fromtimestamp(at / 1000, dt.UTC))
    (shown,) = engine.rows(
        f"SELECT * FROM marketprism_features.trade_clusters WHERE run_id = '{run.run_id}' AND symbol = 'PRINTUSDT'"
    )
    trades = [r for r in tape.trades if at - 600_000 < r["timestamp"] <= at and r["received_at"] <= at * 1000]
    points = [
        (r["timestamp"] / 5000, math.log(float(r["price"])) * 1000, math.log(float(r["quantity"])) / 0.2)
        for r in trades
    ]
    found = groups(points, 1.0, 3)
    sizes = [sum(float(trades[i]["quantity"]) for i in group) for group in found]
    bought = [sum(float(trades[i]["quantity"]) for i in group if trades[i]["side"] == "buy") for group in found]
    assert shown["clusters"] == len(found) > 1
    assert shown["largest_volume"] == pytest.approx(max(sizes), rel=1e-12)
    assert shown["buy_share"] == pytest.approx(np.mean([2 * b > s for b, s in zip(bought, sizes, strict=True)]))
    assert shown["sell_share"] == pytest.approx(np.mean([2 * b < s for b, s in zip(bought, sizes, strict=True)]))
    spans = [
        max((max(trades[i]["timestamp"] for i in g) - min(trades[i]["timestamp"] for i in g)) / 1000, 1) for g in found
    ]
    assert shown["mean_density"] == pytest.approx(np.mean([len(g) / s for g, s in zip(found, spans, strict=True)]))


def test_candidates_are_kept_with_when_they_were_known(engine: Any, tape: Tape) -> None:
    """One run, three windows, each what footprint_candidates_at says; dated by the time the run took."""
    at = dt.datetime.fromtimestamp(tape.trades[-1]["timestamp"] // 1000, dt.UTC)
    ticks = iter([at + dt.timedelta(days=400, seconds=second) for second in (0, 3, 4)])
    run = run_job(engine.client, footprint_candidates, at, clock=lambda: next(ticks))
    kept = engine.rows(
        "SELECT * EXCEPT (run_id, available_at) FROM marketprism_features.footprint_candidates "
        f"WHERE run_id = '{run.run_id}' ORDER BY exchange, market_type, symbol, hours, cluster_price"
    )
    assert {row["hours"] for row in kept if row["symbol"] == tape.symbol} == {1, 4, 24}
    for hours in (1, 4, 24):
        shown = engine.rows(
            f"SELECT * FROM marketprism_features.footprint_candidates_at(run_at = '{at:%F %T}', hours = {hours}) "
            "ORDER BY exchange, market_type, symbol, cluster_price"
        )
        assert shown == [{k: v for k, v in row.items() if k != "hours"} for row in kept if row["hours"] == hours]
    stamps = engine.rows(
        f"SELECT DISTINCT available_at FROM marketprism_features.footprint_candidates WHERE run_id = '{run.run_id}'"
    )
    assert [row["available_at"] for row in stamps] == [at.replace(tzinfo=None) + dt.timedelta(seconds=3)]


def test_a_hole_in_the_window_is_told(engine: Any, tape: Tape) -> None:
    """From the minute in which it begins; a window that ends before it is whole."""
    assert tape.hole is not None
    start = dt.datetime.fromtimestamp(tape.hole[0] // 1000 // 60 * 60, dt.UTC)
    for instant, expected in ((start - dt.timedelta(seconds=1), {"warmup"}), (start, {"gap"})):
        rows = engine.rows(
            f"SELECT DISTINCT quality FROM marketprism_features.footprint_candidates_at(run_at = '{instant:%F %T}', "
            f"hours = 1) WHERE symbol = '{tape.symbol}'"
        )
        assert {row["quality"] for row in rows} == expected


@needs_sklearn
def test_unified_rows_show_the_newest_run_that_was_there(engine: Any, tape: Tape) -> None:
    """Levels as dynamic_levels gives them at the bucket's close, for ten minutes; candidates alike."""
    ends = [row["timestamp"] // 1000 for row in tape.trades]
    for share in (3, 5):
        at = dt.datetime.fromtimestamp(ends[len(ends) * share // 8], dt.UTC)
        for job in (footprint_clusters, footprint_candidates):
            run_job(engine.client, job, at)
    rows = engine.rows(
        "SELECT u.*, r.known AS known, r.found AS found FROM marketprism_features.unified_features_by_bucket AS u "
        "ASOF LEFT JOIN (SELECT symbol, run_ts, max(available_at) AS known, groupArray((hours, candidate_type, "
        "cluster_price)) AS found FROM marketprism_features.footprint_candidates "
        f"WHERE symbol = '{tape.symbol}' GROUP BY symbol, run_ts) AS r "
        f"ON r.symbol = u.symbol AND r.known <= u.available_at WHERE u.symbol = '{tape.symbol}' ORDER BY bucket_id"
    )
    levels = candidates = 0
    for row in rows:
        price, closed = float(row["close"]), row["available_at"]
        (shown,) = engine.rows(
            "SELECT * FROM marketprism_features.dynamic_levels(exchange = 'binance', market_type = 'spot', "
            f"symbol = '{tape.symbol}', at = '{closed:%F %T.%f}', price = {price})"
        ) or [None]
        age = row["levels_staleness_ms"]
        if shown is None or age is None or age > 600_000:
            assert (row["resistance"], row["support"], row["level_log_ratio"]) == (None, None, None)
        else:
            levels += 1
            for name in ("resistance", "support", "resistance_bps", "support_bps", "level_log_ratio"):
                assert same(row[name], shown[name], rel=1e-6), (name, row["bucket_id"])
        age = row["candidates_staleness_ms"]
        assert (age is None) == (row["found"] == [])
        fresh = age is not None and age <= 600_000
        candidates += fresh
        for hours in (1, 4, 24):
            count = sum(one[0] == hours for one in row["found"])
            assert row[f"candidates_{hours}h"] == (count if fresh else None)
        for kind in ("absorption", "exhaustion"):
            away = [(one[2] / price - 1) * 1e4 for one in row["found"] if one[1] == kind]
            nearest = min(map(abs, away)) if fresh and away else None
            found = row[f"{kind}_bps"]
            assert same(None if found is None else abs(found), nearest, absolute=1e-9)
            assert found is None or any(same(found, one, absolute=1e-9) for one in away)
    assert 0 < levels < len(rows)
    assert 0 < candidates < len(rows)


@needs_sklearn
def test_no_cluster_has_no_shares() -> None:
    one = pl.DataFrame({"at_ms": [0], "price": [1.0], "quantity": [1.0], "is_buy": [True], "has_gap": [False]})
    assert summary(one) == {
        "clusters": 0,
        "largest_volume": 0.0,
        "mean_density": 0.0,
        "buy_share": None,
        "sell_share": None,
        "quality": "ok",
    }


def test_a_failed_run_is_recorded(engine: Any) -> None:
    def broken(client: Any, run: Any) -> Any:
        raise ValueError("no such thing")

    with pytest.raises(JobError, match="job broken failed: ValueError: no such thing"):
        run_job(engine.client, broken)
    (kept,) = engine.rows("SELECT * FROM marketprism_features.job_runs WHERE job = 'broken'")
    assert (kept["state"], kept["error"], kept["rows_written"]) == ("failed", "ValueError: no such thing", 0)
