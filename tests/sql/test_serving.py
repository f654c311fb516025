"""serving_features: buckets while they are fresh and short, minutes otherwise; what is mostly missing is not served."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from marketprism.features import Features
from tests.refreshes import refresh
from tests.sql.rows import assign_buckets
from tests.sql.tape import random_books, random_trades

pytestmark = pytest.mark.timeout(600)
FRESH, OLD, MISSING, GONE = "SERVEAUSDT", "SERVEBUSDT", "SERVECUSDT", "SERVEGUSDT"
TABLES = (
    *("latest_details", "recent_buckets", "latest_buckets", "recent_features", "latest_minutes", "latest_features_mv"),
    "serving_missing",
)


@pytest.fixture(scope="module")
def served(engine: Any) -> Iterator[Any]:
    """Four symbols of this hour: up to now, with a bucket that stays open, without a book, silent for 20 minutes."""
    now = int(time.time() * 1000)
    for seed, symbol in enumerate((FRESH, OLD, MISSING, GONE), start=60):
        raw = random_trades(seed, 2600)
        shift = now - (1_200_000 if symbol == GONE else 1_000) - raw[-1]["timestamp"]
        moved = [
            {**row, "timestamp": row["timestamp"] + shift, "received_at": row["received_at"] + shift * 1000}
            for row in raw
        ]
        trades = assign_buckets(moved, Decimal(20))
        if symbol == OLD:
            stuck = next(each["bucket_id"] for each in trades if each["timestamp"] > now - 700_000)
            for each in trades:
                if each["bucket_id"] >= stuck:
                    each.update(bucket_id=stuck, bucket_cut="", bucket_t_max_ms=7_200_000)
        engine.trades(symbol, trades)
        if symbol != MISSING:
            engine.books(symbol, random_books(seed, trades, one_sided=100_000))
    refresh(engine.client, *TABLES)
    yield engine
    engine.forget("SERVE%")


def row(engine: Any, symbol: str) -> dict[str, Any]:
    (found,) = engine.rows(f"SELECT * FROM marketprism_features.serving_features WHERE symbol = '{symbol}'")
    return dict(found)


def change(engine: Any, symbol: str, state: str, reason: str) -> None:
    engine.client.command(
        "INSERT INTO marketprism_features.serving_transitions (exchange, market_type, symbol, state, reason, since) "
        f"SETTINGS insert_deduplication_token = '{symbol}{state}{time.time_ns()}' "
        f"VALUES ('binance', 'spot', '{symbol}', '{state}', '{reason}', now64(6))"
    )


def test_fresh_buckets_are_served(served: Any) -> None:
    got = row(served, FRESH)
    (latest,) = served.rows(f"SELECT * FROM marketprism_features.latest_features WHERE symbol = '{FRESH}'")
    assert (got["served"], got["state"], got["reason"], got["ts_1m"]) == ("bucket", "healthy", "", None)
    assert got["bucket_id"] == latest["bucket_id"]
    assert 0 <= got["staleness_ms"] == got["bucket_staleness_ms"] < 300_000
    shown = {name for name in ("vpin", "kyle_lambda", "amihud_illiq", "mid") if name not in got["disabled"]}
    assert shown
    assert {name: got[name] for name in shown} == {name: latest[name] for name in shown}


def test_old_buckets_give_way_to_minutes_without_any_health_check(served: Any) -> None:
    got = row(served, OLD)
    (minute,) = served.rows(f"SELECT * FROM marketprism_features.latest_minutes WHERE symbol = '{OLD}'")
    assert (got["served"], got["state"], got["bucket_id"], got["ts_1m"]) == ("minute", "healthy", None, minute["ts_1m"])
    assert got["reason"].startswith("stale ")
    assert got["staleness_ms"] < 300_000 < got["bucket_staleness_ms"]
    frame = Features(served.client).serving("polars").filter(pl.col("symbol") == OLD)
    assert frame["ts_1m"].to_list() == [minute["ts_1m"].replace(tzinfo=dt.UTC)]  # a time in Arrow, not its seconds


def test_what_is_old_on_both_sides_is_stale(served: Any) -> None:
    got = row(served, GONE)
    assert (got["served"], got["quality"]) == ("bucket", "stale")
    assert got["reason"].startswith("stale ")
    assert got["staleness_ms"] == got["bucket_staleness_ms"] > 300_000


def test_the_health_check_decides_the_way_back(served: Any) -> None:
    change(served, FRESH, "degraded", "slow p90 131 s")
    got = row(served, FRESH)
    (minute,) = served.rows(f"SELECT * FROM marketprism_features.latest_minutes WHERE symbol = '{FRESH}'")
    assert (got["served"], got["state"], got["reason"]) == ("minute", "degraded", "degraded: slow p90 131 s")
    assert (got["ts_1m"], got["bucket_id"], got["since"] is not None) == (minute["ts_1m"], None, True)
    for name in (
        "vpin",
        "kyle_lambda",
        "amihud_illiq",
        "realised_variance",
        "effective_spread",
        "bid_net_rate",
        "vwap",
    ):
        assert got[name] == (None if name in got["disabled"] else minute[name]), name
    assert got["vwap"] is not None
    change(served, FRESH, "recovering", "first fresh bucket")
    assert (row(served, FRESH)["served"], row(served, FRESH)["state"]) == ("minute", "recovering")
    change(served, FRESH, "healthy", "10 fresh buckets")
    assert (row(served, FRESH)["served"], row(served, FRESH)["state"]) == ("bucket", "healthy")


def test_the_newest_change_is_the_state(engine: Any) -> None:
    """Rows in → row out: a change that comes late changes nothing, one that comes twice counts once.

    A symbol that no longer trades has no row: states of expired options stay on record, and are nobody's concern.
    """
    flow, state_of = (
        "marketprism_features.bucket_flow",
        "marketprism_features.serving_state WHERE symbol = 'SERVEDUSDT'",
    )
    for state, since, times in (("degraded", 10, 1), ("healthy", 30, 2), ("recovering", 20, 1)):
        for _ in range(times):
            engine.client.command(
                "INSERT INTO marketprism_features.serving_transitions "
                "(exchange, market_type, symbol, state, reason, since) "
                f"SETTINGS insert_deduplication_token = 'SERVED{since}', async_insert = 0 "
                f"VALUES ('binance', 'spot', 'SERVEDUSDT', '{state}', 'at {since}', '2024-08-08 10:00:{since}')"
            )
    assert engine.rows(f"SELECT * FROM {state_of}") == []
    engine.client.command(
        f"INSERT INTO {flow} (exchange, market_type, symbol, bucket_id) "
        f"SELECT 'binance', 'spot', 'SERVEDUSDT', greatest(max(bucket_id), 20240808000001) FROM {flow}"
    )
    (got,) = engine.rows(f"SELECT * FROM {state_of}")
    engine.client.command(f"DELETE FROM {flow} WHERE symbol = 'SERVEDUSDT'")
    assert (got["state"], got["reason"], got["transitions"]) == ("healthy", "at 30", 3)
    assert got["since"].second == 30


def test_what_is_missing_too_often_is_disabled(served: Any) -> None:
    got = row(served, MISSING)
    assert {"mid", "spread_bps", "imbalance_5", "bid_net_rate"} <= set(got["disabled"])
    assert all(got[name] is None for name in got["disabled"])
    assert not {"close", "volume", "trades"} & set(got["disabled"])
    shares = served.rows(
        "SELECT served, one.feature AS feature, one.share AS share FROM marketprism_features.serving_missing "
        f"ARRAY JOIN missing AS one WHERE symbol = '{MISSING}' AND served = 'bucket'"
    )
    assert {each["feature"] for each in shares if each["share"] > 0.05} == set(got["disabled"])
