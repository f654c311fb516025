"""unified_features_1s: each second's values are those of the newest row that was available, and none is too old."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sql.catalogue_tape import Tape, epoch_us, insert, make_tape, touched

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
    made = make_tape("UNIFIEDUSDT", 97, count=4200)
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


def closed_buckets(engine: Any, tape: Tape) -> list[tuple[int, dict[str, Any]]]:
    """(close in µs, row of returns) in order; a bucket with a late row closes at its end, which no late row moves."""
    late = {row["bucket_id"] for row in tape.trades if row["late"]}
    closes, newest = {}, 0
    for row in of_spot(engine, "unified_buckets", "bucket_id"):
        if row["is_closed"]:
            close = epoch_us(row["available_at"])
            newest = max(newest, min(close, epoch_us(row["bucket_ts_end"])) if row["bucket_id"] in late else close)
            closes[row["bucket_id"]] = newest
    return [(closes[row["bucket_id"]], row) for row in of_spot(engine, "returns_by_bucket", "bucket_id")]


def test_every_second_shows_the_newest_available(engine: Any, tape: Tape) -> None:
    rows = of_spot(engine, "unified_features_1s", "ts_1s")
    assert len(rows) == len({row["timestamp"] // 1000 for row in tape.trades})
    buckets = closed_buckets(engine, tape)
    books = [
        (epoch_us(row["available_at"]), row)
        for row in of_spot(engine, "book_features", "available_at, timestamp, sequence")
    ]
    assert check(rows, buckets, [*BUCKET, "bucket_id"], "bucket_staleness_ms", 300_000) > 0
    assert 0 < check(rows, books, BOOK, "book_staleness_ms", 3_000) < len(rows)
    minutes = [(epoch_us(row["ts_1m"]) + 60_000_000, row) for row in of_spot(engine, "volatility_1m", "ts_1m")]
    assert 0 < check(rows, minutes, MINUTE, "minute_staleness_ms", 180_000) <= len(rows)
    assert {"stale", "warmup"} <= {row["quality"] for row in rows}


def test_a_second_is_available_when_all_of_it_is_known(engine: Any, tape: Tape) -> None:
    known = {
        row["bucket_id"]: epoch_us(row["available_at"]) for row in of_spot(engine, "returns_by_bucket", "bucket_id")
    }
    rows = of_spot(engine, "unified_features_1s", "ts_1s")
    for row in rows:
        end = epoch_us(row["ts_1s"]) + 1_000_000
        assert epoch_us(row["available_at"]) >= max(end, known.get(row["bucket_id"], 0))
    assert any(epoch_us(row["available_at"]) > epoch_us(row["ts_1s"]) + 40_000_000 for row in rows), "the late row's"


def test_no_second_of_a_hole_is_ok(engine: Any, tape: Tape) -> None:
    """Before its bucket or minute closes, and whatever else is too old."""
    rows = of_spot(engine, "unified_features_1s", "ts_1s")
    holed = [row for row in rows if touched(tape, row["ts_1s"].replace(second=0))]
    assert len(holed) > 10
    assert {row["quality"] for row in holed} == {"gap"}
    assert any(None in (row["bucket_id"], row["mid"], row["regime"]) for row in holed)
    before = {row["quality"] for row in rows if row["ts_1s"] < holed[0]["ts_1s"].replace(second=0)}
    assert before == {"ok", "stale", "warmup"}


def test_a_range_of_one_symbol_gives_the_rows_of_the_whole(engine: Any, tape: Tape) -> None:
    whole = of_spot(engine, "unified_features_1s", "ts_1s")
    part = whole[len(whole) // 2 : len(whole) * 3 // 4]
    bounds = f"from_ts = '{part[0]['ts_1s']}', to_ts = '{part[-1]['ts_1s']}'"
    rows = engine.rows(
        "SELECT * FROM marketprism_features.unified_features_1s_between("
        f"exchange = 'binance', market_type = 'spot', symbol = 'UNIFIEDUSDT', {bounds}) ORDER BY ts_1s"
    )
    assert rows == part


SOURCES = {
    "unified_features_by_bucket": (
        "bucket_id",
        [
            *("returns_by_bucket", "volatility_by_bucket", "bulk_volume_by_bucket", "trade_flow_by_bucket"),
            *("trend_state_by_bucket", "footprint_profile_by_bucket"),
        ],
        ["impact_by_bucket", "spreads_by_bucket", "book_features_by_bucket", "lob_dynamics_by_bucket"],
    ),
    "unified_features_1m": (
        "ts_1m",
        [
            *("trades_1m", "price_impact_1m", "rv_decomposition_1m", "volatility_1m", "returns_1m", "trade_flow_1m"),
            *("impact_1m", "bulk_volume_1m", "trend_state_1m", "footprint_profile_1m"),
        ],
        ["spread_analysis_1m", "book_features_1m", "lob_dynamics_1m"],
    ),
}
OWN = {
    *("exchange", "market_type", "symbol", "bucket_id", "bucket_ts_end", "ts_1m", "quality", "available_at"),
    *("window_buckets", "trades", "signed_volume", "mid", "updates", "staleness_ms"),
}
"""Of the row itself, or named otherwise there."""


@pytest.mark.parametrize("view", SOURCES)
def test_side_by_side_is_what_each_view_says(engine: Any, tape: Tape, view: str) -> None:
    key, always, sometimes = SOURCES[view]
    rows = {row[key]: row for row in of_spot(engine, view, key)}
    assert rows
    compared = set()
    for source in (*always, *sometimes):
        own = {row[key]: row for row in of_spot(engine, source, key)}
        assert own
        assert set(rows) <= set(own) or source in sometimes
        for at, row in rows.items():
            for column in (set(row) & set(next(iter(own.values())))) - OWN:
                expected = own[at][column] if at in own else None
                if column.startswith("ofi_") and expected is not None and own[at]["books"] == 0:
                    expected = None if column == "ofi_l1" else []  # no book came: nothing is known of its flow
                assert row[column] == expected or (at not in own and row[column] == []), (source, column, at)
                compared.add(column)
        for at in set(rows) & set(own):
            if own[at].get("available_at") is not None:
                assert rows[at]["available_at"] >= own[at]["available_at"], (source, at)
    assert len(compared) > (90 if key == "bucket_id" else 70)
