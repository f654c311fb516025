"""The health check on a real engine: what it reads of buckets, the rows and gauges it writes; and the slow looks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from monitors.drift.gauges import DriftGauges
from monitors.quality_gauges import QualityGauges
from monitors.quality_round import look_at_quality
from monitors.serving.checker import TRADED, HealthCheck, read_seen, read_states, write_transition
from monitors.serving.gauges import ServingGauges
from monitors.serving.machine import Limits, Serving
from tests.sql.rows import assign_buckets, book, trade
from tests.sql.test_audits import Awaitable

SYMBOL = "SERVEDUSDT"
KEY = ("binance", "spot", SYMBOL)
FEATURES = "marketprism_features"


@pytest.fixture
def live(engine: Any) -> Iterator[Any]:
    """The engine, with what the check reads emptied before and after."""
    touched = [f"{FEATURES}.{name}" for name in ("bucket_flow", "bucket_days", "serving_transitions", "lob_top5")]
    touched += ["marketprism_hot.trades", "marketprism_hot.orderbooks"]
    for table in touched:
        engine.client.command(f"TRUNCATE TABLE {table}")
    yield engine
    for table in touched:
        engine.client.command(f"TRUNCATE TABLE {table}")


def _closed(start_s: float, count: int, first_sequence: int) -> list[dict[str, Any]]:
    """One trade a second, each of which closes a bucket of its own."""
    return [trade(first_sequence + i, int((start_s + i) * 1000), "100", "1", "buy") for i in range(count)]


def _store(live: Any, trades: list[dict[str, Any]], already: int = 0) -> None:
    """Store the trades after the first ``already`` of them."""
    live.trades(SYMBOL, assign_buckets(trades, Decimal(1))[already:])


def _states(live: Any) -> list[tuple[str, str]]:
    rows = live.rows(f"SELECT state, reason FROM {FEATURES}.serving_transitions ORDER BY since")
    return [(row["state"], row["reason"]) for row in rows]


async def test_a_stall_and_back(live: Any) -> None:
    """The clock is given: a stall is a look that comes late."""
    client, registry = Awaitable(live.client), CollectorRegistry()
    start = time.time() - 60
    clock = [start + 5]
    check = HealthCheck(Limits(stale_s=20, buckets=10), ServingGauges(registry), lambda: clock[0])
    trades = _closed(start, 5, 1)
    _store(live, trades)
    await check(client)
    assert _states(live) == []
    clock[0] = start + 30  # nothing closed for 26 s
    await check(client)
    await check(client)
    assert _states(live) == [("degraded", "stale 26 s")]
    trades += _closed(start + 30, 1, 6)
    _store(live, trades, 5)
    clock[0] = start + 30.5
    await check(client)
    assert [state for state, _ in _states(live)] == ["degraded", "recovering"]
    trades += _closed(start + 31, 9, 7)
    _store(live, trades, 6)
    clock[0] = start + 40
    await check(client)
    assert len(_states(live)) == 2  # nine since it began to recover
    trades += _closed(start + 40, 1, 16)
    _store(live, trades, 15)
    clock[0] = start + 41
    await check(client)
    assert _states(live)[-1] == ("healthy", "10 fresh buckets")
    assert (await read_states(client))[KEY].since_s == pytest.approx(start + 41, abs=1e-3)
    text = generate_latest(registry).decode()
    labels = f'exchange="binance",market_type="spot",state="{{}}",symbol="{SYMBOL}"'
    assert f"marketprism_monitor_serving_state{{{labels.format('healthy')}}} 1.0" in text
    assert f"marketprism_monitor_serving_state{{{labels.format('degraded')}}} 0.0" in text
    assert f"marketprism_monitor_serving_transitions_total{{{labels.format('degraded')}}} 1.0" in text


async def test_a_look_reads_the_states_of_what_trades(live: Any) -> None:
    client = Awaitable(live.client)
    _store(live, _closed(time.time() - 60, 5, 1))
    await write_transition(client, KEY, Serving("degraded", "stale", 1_000.0))
    await write_transition(client, ("deribit", "option", "BTC-EXPIRED-C"), Serving("degraded", "stale", 1_000.0))
    assert len(await read_states(client)) == 2
    assert list(await read_states(client, TRADED)) == [KEY]
    assert [row["symbol"] for row in live.rows(f"SELECT symbol FROM {FEATURES}.serving_state")] == [SYMBOL]


async def test_a_new_symbol_may_catch_up(live: Any) -> None:
    client = Awaitable(live.client)
    start = time.time() - 60
    clock = [start + 40]
    check = HealthCheck(Limits(stale_s=20, buckets=10), lambda *_: None, lambda: clock[0])
    trades = _closed(start, 5, 1)
    _store(live, trades)
    await check(client)
    trades += _closed(start + 10, 5, 6)
    _store(live, trades, 5)
    clock[0] += 2
    await check(client)
    assert _states(live) == []  # 28 s behind, and coming
    clock[0] += 2
    await check(client)
    assert _states(live) == [("degraded", "stale 30 s")]  # it stands still


async def test_what_it_sees(live: Any) -> None:
    client = Awaitable(live.client)
    start = time.time() - 100
    rows = assign_buckets(_closed(start, 20, 1), Decimal(1))
    live.trades(SYMBOL, [row for row in rows if row["sequence"] != 7])  # a bucket is missing
    live.client.command(
        f"INSERT INTO {FEATURES}.bucket_days (exchange, market_type, symbol, day, source) "
        f"SELECT 'binance', 'spot', '{SYMBOL}', toDate(now('UTC')), 'time'"
    )
    seen = (await read_seen(client, 10))[KEY]
    assert (seen.anomalies, seen.plan, len(seen.complete_s)) == (1, "time", 12)
    assert seen.closed_s == pytest.approx(start + 19, abs=1e-3)
    assert seen.complete_s[0] == pytest.approx(start + 19.02, abs=1e-2)
    assert seen.anomaly_s == pytest.approx(start + 7.02, abs=1e-2)
    assert seen.p90_s == 0


async def test_the_slow_looks_fill_their_gauges(live: Any) -> None:
    registry = CollectorRegistry()
    now = time.time()
    live.trades(SYMBOL, assign_buckets(_closed(now - 130, 120, 1), Decimal(1)))
    crossed = [book(2, int(now * 1000) - 3000, [(102.0, 1.0)], [(101.0, 1.0)])]
    good = [book(i, int(now * 1000) - 2000 + i, [(100.0, 1.0)], [(101.0, 1.0)]) for i in range(3, 6)]
    live.books(SYMBOL, crossed + good)
    live.books("STALEUSDT", [book(1, int(now * 1000) - 90_000, [(100.0, 1.0)], [(101.0, 1.0)])])
    await look_at_quality(Awaitable(live.client), QualityGauges(registry), DriftGauges(registry), 200)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"marketprism_monitor_{name}", labels)

    symbol = {"exchange": "binance", "market_type": "spot", "symbol": SYMBOL}
    venue = {"exchange": "binance", "market_type": "spot"}
    assert value("closed_buckets", **symbol) == 120
    assert value("bucket_length_seconds", quantile="0.9", **symbol) == 0
    assert value("crossed_books_ratio", **venue) == 0.2
    assert value("stale_books_ratio", **venue) == 0.5
    assert value("feature_missing_ratio", feature="kyle_lambda", **symbol) == 0
    assert value("feature_missing_ratio", feature="mid", **symbol) == 1
    free, size = value("disk_free_bytes", disk="default"), value("disk_size_bytes", disk="default")
    assert free is not None
    assert size is not None
    assert (value("clickhouse_memory_bytes") or 0) > 1e6
    longest, stuck = value("clickhouse_longest_query_seconds"), value("clickhouse_stuck_mutations")
    assert longest is not None
    assert 0 <= longest < 60
    assert (stuck, value("clickhouse_read_only_replicas"), value("clickhouse_replica_lag_seconds")) == (0, 0, 0)
    assert 0 < free < size
    assert value("partition_parts", database="marketprism_hot", table="trades") is not None
    assert value("insert_lag_seconds", data_type="orderbooks", quantile="0.99") is not None
