"""A day end to end: silent on a whole day, and each kind of damage is a line that says what to do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from marketprism.doctor import Verdict
from marketprism.integrity import Line, integrity, render
from tests.sql.rows import assign_buckets, book, trade

DAY = dt.date(2025, 4, 2)
START_MS = int(dt.datetime(2025, 4, 2, 10, tzinfo=dt.UTC).timestamp() * 1000)
SYMBOL = "WHOLEUSDT"
TABLES = (
    *(f"marketprism_hot.{name}" for name in ("trades", "orderbooks", "gaps")), "marketprism_cold.trades",
    *(f"marketprism_features.{name}" for name in ("bucket_flow", "trades_1m_state")),
)  # fmt: skip


@pytest.fixture
def day(engine: Any) -> Iterator[Any]:
    trades = [trade(i, START_MS + 700 * i, "100", "1.5", "buy" if i % 2 else "sell") for i in range(1, 301)]
    engine.trades(SYMBOL, assign_buckets(trades, Decimal(20)))
    engine.books(SYMBOL, [book(i, START_MS + 100 * i, [(99.0, 1.0)], [(100.0, 1.0)]) for i in range(1, 20)])
    yield engine
    for table in TABLES:
        engine.client.command(f"TRUNCATE TABLE {table}")


def _bad(day: Any, now: dt.datetime | None = None) -> dict[str, Line]:
    return {line.check: line for line in integrity(day.client, DAY, now) if line.verdict is not Verdict.OK}


def _delete(day: Any, table: str, where: str) -> None:
    day.client.command(f"ALTER TABLE {table} DELETE WHERE {where} SETTINGS mutations_sync = 1")


def test_a_whole_day(day: Any) -> None:
    lines = integrity(day.client, DAY)
    assert {line.check for line in lines} == {"exchange ids", "buckets", "minutes", "books"}
    assert {line.verdict for line in lines} == {Verdict.OK}
    assert "300 of kind trade, ids 1–300, 0 doubled, 0 missing of which 0 told as gaps" in render(lines)


def test_a_missing_trade_and_its_gap(day: Any) -> None:
    _delete(day, "marketprism_hot.trades", "sequence BETWEEN 50 AND 52")
    bad = _bad(day)
    assert set(bad) == {"exchange ids", "buckets"}
    assert "3 missing of which 0 told" in bad["exchange ids"].found
    assert "backfill" in bad["exchange ids"].advice
    assert "rebuild" in bad["buckets"].advice
    day.client.command(
        "INSERT INTO marketprism_hot.gaps (timestamp, exchange, market_type, symbol, of_type, from_sequence, "
        f"to_sequence) SELECT fromUnixTimestamp64Milli({START_MS}), 'binance', 'spot', '{SYMBOL}', 'trades', 50, 52"
    )
    assert set(_bad(day)) == {"buckets"}  # the hole is told: only the views disagree


def test_a_doubled_trade(day: Any) -> None:
    columns = "timestamp, received_at, exchange, market_type, symbol, sequence, trade_kind, price, quantity, side"
    day.client.command(
        f"INSERT INTO marketprism_hot.trades ({columns}) SELECT {columns} FROM marketprism_hot.trades LIMIT 1"
    )
    assert "1 doubled" in _bad(day)["exchange ids"].found


def test_minutes_that_lost_volume(day: Any) -> None:
    _delete(day, "marketprism_features.trades_1m_state", f"symbol = '{SYMBOL}' AND toMinute(ts_1m) = 1")
    assert set(_bad(day)) == {"minutes"}


@pytest.mark.parametrize("table", ["bucket_flow", "trades_1m_state"])
def test_an_insert_under_way_is_no_damage_of_an_open_day(day: Any, table: str) -> None:
    hour_later = dt.datetime(2025, 4, 2, 12, tzinfo=dt.UTC)
    day.client.command(f"TRUNCATE TABLE marketprism_features.{table}")  # the trades are in, the view is not yet
    assert _bad(day)  # of a closed day it is damage
    assert _bad(day, hour_later) == {}
    day.client.command(
        "ALTER TABLE marketprism_hot.trades UPDATE created_at = timestamp WHERE 1 SETTINGS mutations_sync = 1"
    )
    bad = _bad(day, hour_later)  # an hour after the insert nothing is under way
    assert set(bad) >= {{"bucket_flow": "buckets", "trades_1m_state": "minutes"}[table]}
    assert all("once it is closed" in line.advice for line in bad.values())


def test_cold_that_differs(day: Any) -> None:
    shared = (
        "timestamp, received_at, exchange, market_type, symbol, sequence, trade_kind, price, quantity, side, bucket_id"
    )
    copy = f"INSERT INTO marketprism_cold.trades ({shared}) SELECT {shared} FROM marketprism_hot.trades"
    day.client.command(f"{copy} WHERE sequence != 300")
    assert "300 trades in hot, 299 in cold" in _bad(day)["hot and cold"].found
    day.client.command(f"{copy} WHERE sequence = 300")
    assert "hot and cold" not in _bad(day)


def test_a_day_without_rows(engine: Any) -> None:
    (line,) = integrity(engine.client, dt.date(2001, 1, 1))
    assert (line.verdict, line.found) == (Verdict.WARN, "no trade or book of 2001-01-01")
