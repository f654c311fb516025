"""Drift on a real engine: a day unlike its reference is found, written, exported and reported."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from marketprism.cli import app
from marketprism.errors import QueryError
from marketprism.jobs import run_job
from monitors.drift import report
from monitors.drift.gauges import DriftGauges
from monitors.drift.job import DriftJob, Plan, plan_for
from monitors.drift.objects import Measured, measured
from tests.sql.rows import assign_buckets, trade
from tests.sql.test_audits import Awaitable

SYMBOL = "DRIFTUSDT"
DAY = dt.date(2025, 3, 20)
VIEWS = ("kyle_lambda_by_bucket", "vpin_by_bucket")


def _day(day: dt.date, first: int, seed: int, buy_share: float) -> list[dict[str, Any]]:
    """600 buckets of five trades, a share of them taker buys."""
    rng = np.random.default_rng(seed)
    start = int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp() * 1000)
    rows = []
    for i in range(3000):
        side = "buy" if rng.random() < buy_share else "sell"
        price = 100 + int(rng.integers(-4, 5)) / 2
        quantity = f"{1 + int(rng.integers(0, 2)) / 10:.1f}"
        rows.append(trade(first + i, start + 1000 * i, str(price), quantity, side))
    return assign_buckets(rows, Decimal(5))


@pytest.fixture(scope="module")
def drifted(engine: Any) -> Iterator[Any]:
    """Three reference days of balanced flow, then a day on which three of four takers buy."""
    rows: list[dict[str, Any]] = []
    for back in (8, 9, 10):
        rows += _day(DAY - dt.timedelta(days=back), 10_000 * (11 - back), back, 0.5)
    rows += _day(DAY, 100_000, 1, 0.75)
    engine.trades(SYMBOL, rows)
    yield engine
    for table in ("marketprism_hot.trades", "marketprism_features.bucket_flow", "marketprism_features.feature_drift"):
        engine.client.command(f"TRUNCATE TABLE {table}")


class Kept:
    """A client that a command may close; others go on with it."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def close(self) -> None:
        """Nothing."""


def _plan() -> Plan:
    plan = plan_for(DAY)
    return Plan(plan.periods, plan.reference, VIEWS)


async def test_a_changed_day_is_found_and_told(drifted: Any, tmp_path: Path) -> None:
    job = DriftJob(_plan())
    run = run_job(drifted.client, job)
    assert {(m.period, m.object) for m in job.found} == {(p, v) for p in ("day", "week") for v in VIEWS}
    by_name = {(m.feature, m.period): m.drift for m in job.found}
    assert by_name["signed_volume", "day"].level == "critical"
    assert by_name["signed_volume", "day"].rows == 600
    assert by_name["price_change", "day"].level in ("ok", "watch")
    worst = drifted.rows(
        "SELECT feature, level, rows, length(shares) AS bins FROM marketprism_features.feature_drift "
        f"WHERE run_id = '{run.run_id}' AND period = 'day' ORDER BY psi DESC NULLS LAST LIMIT 1"
    )
    assert worst[0]["level"] == "critical"
    assert worst[0]["bins"] > 5
    registry = CollectorRegistry()
    await DriftGauges(registry).look(Awaitable(drifted.client))
    labels = {"exchange": "binance", "market_type": "spot", "symbol": SYMBOL, "object": "kyle_lambda_by_bucket"}
    found = registry.get_sample_value("marketprism_monitor_feature_drift_psi", {**labels, "feature": "signed_volume"})
    assert found == pytest.approx(by_name["signed_volume", "day"].psi)
    page, text = report.page(job._plan, job.found), report.markdown(job._plan, job.found)
    assert "kyle_lambda_by_bucket.signed_volume" in page
    assert page.count("<svg") == page.count("</svg>") > 2
    assert "| binance.spot.DRIFTUSDT | kyle_lambda_by_bucket.signed_volume | day |" in text
    assert "█" in text


def test_a_reference_of_its_own_is_no_drift(drifted: Any) -> None:
    plan = _plan()
    job = DriftJob(Plan({"day": plan.periods["day"]}, plan.periods["day"], VIEWS))
    run_job(drifted.client, job)
    assert {m.drift.psi for m in job.found if m.drift.psi == m.drift.psi} == {0.0}


def test_a_view_that_cannot_be_read_is_told_after_the_others(drifted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Measured("marketprism_features.nosuch", "ts_1m", ("x",), frozenset())
    monkeypatch.setattr("monitors.drift.job.measured", lambda only: [broken, *measured(only)])
    monkeypatch.setattr("marketprism.clickhouse.connect", lambda _: Kept(drifted.client))
    monkeypatch.setattr("marketprism.supervisor.attach.find_servers", lambda _: SimpleNamespace(clickhouse=None))
    arguments = ["drift", "--day", str(DAY), "--json", *(f"--view={view}" for view in VIEWS)]
    answer = CliRunner().invoke(app, arguments)
    assert {json.loads(line)["object"] for line in answer.stdout.splitlines()} == set(VIEWS)
    assert isinstance(answer.exception, QueryError)
    assert str(answer.exception).startswith(
        "not measured, because ClickHouse refused to read it: marketprism_features.nosuch: "
    )


def test_what_is_measured() -> None:
    views = {each.name.partition(".")[2]: each for each in measured()}
    assert {"vpin_by_bucket", "returns_1m", "unified_features_by_bucket", "lob_dynamics_1m"} <= set(views)
    assert not {name for name in views if name.endswith(("_state", "_between")) or name.startswith("all_")}
    unified = views["unified_features_by_bucket"]
    assert {"mid", "vwap", "close"} <= unified.levels
    assert {"vpin", "kyle_lambda", "signed_volume"} <= set(unified.columns) - unified.levels
    assert "bucket_id" not in unified.columns
    (named,) = measured(("unified_features_1s",))
    assert named.clock == "ts_1s"
