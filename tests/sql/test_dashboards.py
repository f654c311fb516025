"""Grafana dashboards: every metric is exported by a service, every panel's SQL runs and returns rows."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.refreshes import LATEST, refresh
from tests.rules.conftest import exported, registries  # noqa: F401  (fixtures)
from tests.sql.rows import assign_buckets, book
from tests.sql.tape import random_trades

FOLDER = REPOSITORY / "monitors" / "grafana" / "dashboards"
DASHBOARDS = sorted(FOLDER.glob("*.json"))
SYMBOL = "PANELUSDT"
MAY_BE_EMPTY = {"Changes of the serving state", "Gaps", "Archive", "Drift by feature", "Funding rates", "Open interest"}
"""What the tape has none of: nothing is degraded, missing, archived or measured on it."""


def _targets(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for panel in json.loads(path.read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], {**target, "datasource": panel["datasource"]["uid"]}


def _filled_in(sql: str) -> str:
    """As Grafana would send it for the last hour."""
    values = {"exchange": "binance", "market_type": "spot", "symbol": SYMBOL, "base": "PANEL"}
    sql = re.sub(r"\$\{(\w+):sqlstring\}", lambda found: f"'{values[found[1]]}'", sql)
    sql = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 >= now('UTC') - INTERVAL 1 HOUR AND \1 <= now('UTC')", sql)
    return sql.replace("$__fromTime", "(now('UTC') - INTERVAL 1 HOUR)")


@pytest.fixture(scope="module")
def live(engine: Any) -> Any:
    now = int(time.time() * 1000)
    raw = random_trades(seed=70, count=1500)
    shift = now - 60_000 - raw[-1]["timestamp"]
    moved = [
        {**row, "timestamp": row["timestamp"] + shift, "received_at": row["received_at"] + shift * 1000} for row in raw
    ]
    engine.trades(SYMBOL, assign_buckets(moved, Decimal(20)))
    engine.books(SYMBOL, [book(i, now - 9000 + i, [(100.0, 1.0)] * 5, [(101.0, 1.0)] * 5) for i in range(1, 20)])
    engine.client.command(
        "INSERT INTO marketprism_hot.instruments (timestamp, exchange, market_type, symbol, canonical, base) "
        f"VALUES (now64(3), 'binance', 'spot', '{SYMBOL}', 'PANEL-USDT', 'PANEL')"
    )
    engine.client.command(
        "INSERT INTO marketprism_features.bucket_days (exchange, market_type, symbol, day, source) "
        f"VALUES ('binance', 'spot', '{SYMBOL}', toDate(now('UTC')), 'config')"
    )
    refresh(engine.client, *LATEST)
    return engine


def test_there_is_a_dashboard_for_each_question() -> None:
    names = {path.stem for path in DASHBOARDS}
    assert names == {"pipeline", "ubt", "features", "cross_exchange", "quality"}
    uids = [json.loads(path.read_text())["uid"] for path in DASHBOARDS]
    assert len(set(uids)) == len(uids)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_metric_of_a_panel_is_exported(path: Path, exported: set[str]) -> None:  # noqa: F811
    for title, target in _targets(path):
        used = set(
            re.findall(r"\b(?:marketprism_(?:monitor|storage|collector)|ubt|process)_\w+", target.get("expr", ""))
        )
        assert used <= exported, f"{title}: {sorted(used - exported)}"
        assert used or target["datasource"] != "prometheus", title
        # `or` leaves out whatever has the labels of its left side: the second metric would never be drawn
        assert " or " not in target.get("expr", ""), title


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_of_sql_returns_rows(path: Path, live: Any) -> None:
    for title, target in _targets(path):
        if "rawSql" in target:
            rows = live.rows(_filled_in(target["rawSql"]))
            assert rows or title in MAY_BE_EMPTY, title
    for variable in json.loads(path.read_text()).get("templating", {}).get("list", []):
        assert live.rows(_filled_in(variable["query"])), variable["name"]
