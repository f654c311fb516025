"""Every example query of sql/queries has a header and runs on the schema; those about data answer with rows.

So does every SELECT of the runbook.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketprism.migrate import shipped
from marketprism.sqlfiles import read_header
from tests.conftest import REPOSITORY
from tests.refreshes import LATEST, refresh
from tests.sql.rows import DAY_MS, assign_buckets, book, trade
from tests.sql.tape import random_trades

QUERIES = sorted((shipped("sql") / "queries").glob("*.sql"))


LED, LEADER = "BTCUSDT", "BTC-USDT-LEADS"


def ended(now: int, seed: int) -> list[dict[str, Any]]:
    """A tape that ends seven minutes ago."""
    raw = random_trades(seed=seed, count=3000)
    shift = now - 420_000 - raw[-1]["timestamp"]
    return [
        {**row, "timestamp": row["timestamp"] + shift, "received_at": row["received_at"] + shift * 1000} for row in raw
    ]


@pytest.fixture(scope="module")
def filled(engine: Any) -> Iterator[Any]:
    """BTCUSDT with a tape that ends seven minutes ago, so that each query has something to say, and who leads it."""
    now = int(time.time() * 1000)
    engine.trades(LED, assign_buckets(ended(now, 60), Decimal(50)))
    engine.books(LED, [book(1, now - 1000, [(100.0, 1.0)], [(101.0, 1.0)])])
    yesterday = trade(0, now // DAY_MS * DAY_MS - 3_600_000, "100", "1", "buy")
    engine.trades(LEADER, assign_buckets([yesterday, *ended(now, 63)], Decimal(70)), exchange="okx")
    for exchange, symbol in (("binance", LED), ("okx", LEADER)):
        engine.client.command(
            "INSERT INTO marketprism_hot.instruments (timestamp, received_at, exchange, market_type, symbol, sequence, "
            f"canonical, valid_from) VALUES (now() - 90000, now() - 90000, '{exchange}', 'spot', '{symbol}', 1, "
            "'BTC-USDT', now() - 90000)"
        )
    refresh(engine.client, *LATEST)
    yield engine
    engine.forget(LEADER)
    instruments = "marketprism_hot.instruments"
    engine.client.command(f"ALTER TABLE {instruments} DELETE WHERE symbol = '{LED}' SETTINGS mutations_sync = 1")


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_query_runs(filled: Any, path: Path) -> None:
    header = read_header(path)
    text = path.read_text()
    assert all(source in text for source in header.inputs)
    rows = filled.rows(text)
    if path.stem == "volume_audit":
        assert rows == []
    else:
        assert any(row.get("symbol", row.get("f.symbol", "BTCUSDT")) == "BTCUSDT" for row in rows)


def test_the_leader_of_the_example_is_yesterdays(filled: Any) -> None:
    rows = filled.rows((shipped("sql") / "queries" / "buckets_of_the_leader.sql").read_text())
    assert {(row["reference_exchange"], row["reference_symbol"]) for row in rows} == {("okx", LEADER)}
    edges = filled.rows(f"SELECT bucket_id FROM marketprism_features.unified_buckets WHERE symbol = '{LEADER}'")
    assert {row["bucket_id"] for row in rows} <= {row["bucket_id"] for row in edges}


def test_the_audit_finds_a_bucket_that_lacks_a_trade(filled: Any) -> None:
    row = assign_buckets(random_trades(seed=61, count=1), Decimal(50))
    filled.trades("AUDITUSDT", row)
    state = "marketprism_features.bucket_flow"
    filled.client.command(f"ALTER TABLE {state} DELETE WHERE symbol = 'AUDITUSDT' SETTINGS mutations_sync = 1")
    audit = (shipped("sql") / "queries" / "volume_audit.sql").read_text()
    (found,) = filled.rows(audit)
    assert (found["symbol"], found["difference"]) == ("AUDITUSDT", Decimal(row[0]["quantity"]))
    raw = "marketprism_hot.trades"
    filled.client.command(f"ALTER TABLE {raw} DELETE WHERE symbol = 'AUDITUSDT' SETTINGS mutations_sync = 1")


def test_a_day_in_cold_agrees_with_its_buckets(engine: Any) -> None:
    """Archived and historical days: cold has the trades, hot no longer or never did, and their buckets stay."""
    rows = random_trades(seed=62, count=300)
    engine.trades("COLDUSDT", rows)
    engine.client.command(
        "INSERT INTO marketprism_cold.trades SELECT * FROM marketprism_hot.trades WHERE symbol = 'COLDUSDT'"
    )
    engine.client.command(
        "ALTER TABLE marketprism_hot.trades DELETE WHERE symbol = 'COLDUSDT' SETTINGS mutations_sync = 1"
    )
    audit = (shipped("sql") / "queries" / "volume_audit.sql").read_text()
    try:
        assert [row for row in engine.rows(audit) if row["symbol"] == "COLDUSDT"] == []
    finally:
        engine.forget("COLDUSDT")


RUNBOOK = (REPOSITORY / "monitors" / "RUNBOOK.md").read_text()
STATEMENTS = [" ".join(text.split()) for text in re.findall(r"`(SELECT [^`]+)`", RUNBOOK)]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_every_look_of_the_runbook_runs(engine: Any, statement: str) -> None:
    """As it stands there: who is woken at night does not look for the column that was meant."""
    engine.client.query(statement)


def test_the_runbook_has_looks() -> None:
    assert len(STATEMENTS) > 20
