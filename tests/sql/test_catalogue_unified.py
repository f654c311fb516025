"""unified_features_1s: each second's values are those of the newest row that was available, and none is too old."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sql.catalogue_tape import Tape, epoch_us, insert, make_tape

BUCKET = ["log_return_1", "log_return_10", "momentum_30", "drawdown_60", "trade_impulse"]
BOOK = [
    "mid",
    "spread_bps",
    "microprice",
    "weighted_mid",
    "imbalance_1",
    "imbalance_20",
    "buy_impact_bps",
    "bid_slope_10",
    "ofi_l1",
]
MINUTE = ["lee_mykland", "regime"]


@pytest.fixture(scope="module")
def tape(engine: Any) -> Tape:
    made = make_tape("UNIFIEDUSDT", 97, count=2500)
    insert(engine.client, made)
    insert(engine.client, make_tape("UNIFIEDUSDT", 197, count=300), market_type="linear")
    return made


def of_spot(engine: Any, view: str, order: str) -> list[dict[str, Any]]:
    return engine.rows(
        f"SELECT * FROM marketprism_features.{view} WHERE symbol = 'UNIFIEDUSDT' AND market_type = 'spot' "
        f"ORDER BY {order}"
    )


def check(
    rows: list[dict[str, Any]],
    inputs: list[tuple[int, dict[str, Any]]],
    names: list[str],
    age_column: str,
    limit_ms: int,
) -> int:
    """Follow the seconds and the inputs (available µs → row, in order); returns how many seconds had a value."""
    held = position = 0
    newest: tuple[int, dict[str, Any]] | None = None
    for row in rows:
        end = epoch_us(row["ts_1s"]) + 1_000_000
        while position < len(inputs) and inputs[position][0] <= end:
            newest, position = inputs[position], position + 1
        age = None if newest is None else end // 1000 - newest[0] // 1000
        assert row[age_column] == age
        fresh = newest is not None and age is not None and age <= limit_ms
        for name in names:
            assert row[name] == (newest[1][name] if fresh and newest else None), (name, row["ts_1s"])
        held += fresh
    return held


def test_every_second_shows_the_newest_available(engine: Any, tape: Tape) -> None:
    rows = of_spot(engine, "unified_features_1s", "ts_1s")
    assert len(rows) == len({row["timestamp"] // 1000 for row in tape.trades})
    buckets = [
        (epoch_us(row["available_at"]), row) for row in of_spot(engine, "returns_by_bucket", "available_at, bucket_id")
    ]
    books = [
        (epoch_us(row["available_at"]), row)
        for row in of_spot(engine, "book_features", "available_at, timestamp, sequence")
    ]
    assert check(rows, buckets, [*BUCKET, "bucket_id"], "bucket_staleness_ms", 300_000) > 0
    assert 0 < check(rows, books, BOOK, "book_staleness_ms", 3_000) < len(rows)
    dynamics = {row["ts_1m"]: epoch_us(row["available_at"]) for row in of_spot(engine, "lob_dynamics_1m", "ts_1m")}
    spreads = {row["ts_1m"]: epoch_us(row["available_at"]) for row in of_spot(engine, "spread_analysis_1m", "ts_1m")}
    minutes = []
    for row in of_spot(engine, "volatility_1m", "ts_1m"):
        at = row["ts_1m"]
        minutes.append((max(epoch_us(row["available_at"]), dynamics.get(at, 0), spreads.get(at, 0)), row))
    minutes.sort(key=lambda pair: (pair[0], pair[1]["ts_1m"]))
    assert 0 < check(rows, minutes, MINUTE, "minute_staleness_ms", 180_000) <= len(rows)
    assert {"stale", "warmup"} <= {row["quality"] for row in rows}
