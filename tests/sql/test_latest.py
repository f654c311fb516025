"""latest_features: the newest closed bucket of each symbol, equal to the views, refreshed, cheap to read."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from marketprism.features import Features
from marketprism.jobs import footprint_candidates, footprint_clusters, run_job, trade_clusters
from tests.refreshes import LATEST, refresh
from tests.sql.rows import assign_buckets, book, trade
from tests.sql.tape import Rows, random_books, random_trades


def day_before(tape: Rows) -> Rows:
    """25 hours of a trade a minute up to the tape, whose sequences are moved up; two of three are buys.

    The last of them is received 90 s after the tape's end.
    """
    minutes = 1500
    start = tape[0]["timestamp"] - minutes * 60_000
    for row in tape:
        row["sequence"] += minutes
    rows = [
        trade(n, start + (n - 1) * 60_000, str(60_000 + n % 7), f"{1 + n % 5}.5", "buy" if n % 3 else "sell")
        for n in range(1, minutes + 1)
    ]
    rows[-1]["received_at"] = tape[-1]["received_at"] + 90_000_000
    return rows


@pytest.fixture(scope="module")
def names(engine: Any) -> Iterator[list[str]]:
    """Two tapes that end now, the first after a day of a trade a minute, and a few trades without a book.

    Removed afterwards.
    """
    now = int(time.time() * 1000)
    names = ["LATESTAUSDT", "LATESTBUSDT", "LATESTCUSDT"]
    for seed, name in enumerate(names[:2], start=40):
        raw = random_trades(seed)
        shift = now - 200_000 - raw[-1]["timestamp"]
        moved = [
            {**row, "timestamp": row["timestamp"] + shift, "received_at": row["received_at"] + shift * 1000}
            for row in raw
        ]
        trades = assign_buckets([*day_before(moved), *moved] if name == names[0] else moved, Decimal(50))
        engine.trades(name, trades)
        engine.books(name, random_books(seed, moved, one_sided=100_000, silent=100_000, levels=12))
        newest = moved[-1]["timestamp"]
    few = [trade(n, now - 100_000 + n, "100", "30", "buy") for n in range(1, 5)]
    engine.trades(names[2], assign_buckets(few, Decimal(50)))
    for job in (footprint_candidates, footprint_clusters, trade_clusters):
        run_job(engine.client, job, dt.datetime.fromtimestamp(newest / 1000 - 120, dt.UTC))
    yield names
    engine.forget("LATEST%")


SLOW = ("latest_details", "latest_impact", "latest_minutes", "recent_buckets", "recent_features", "serving_missing")
GROUPS = (
    *("returns", "volatility", "bulk", "flow", "spreads", "book", "dynamics"),
    *("settled", "clusters", "levels", "candidates", "impact"),
)
OTHER_NAMES = {("levels", "clusters"): None, ("levels", "staleness_ms"): "levels_staleness_ms"}
"""Members of groups as unified_features_by_bucket names them."""
DATED_OTHERWISE = {"spread_bps", "microprice", "available_at", "quality"}
"""Columns that the row shows of the newest book, and in its group ``book`` as of the bucket's end; and when the row was
known and what it is worth, which the details say of themselves: their cvd waits for late rows of the whole day."""


MAY_BE_NULL = {"exhaustion_bps", "level_log_ratio", "support_bps", "retail_imbalance"}
"""Of what these tapes have none, one or the other: a candidate, a level on this side, a small trade."""


def as_shown(value: Any) -> Any:
    """Groups hold decimals as Float64."""
    return pytest.approx(float(value), rel=1e-14) if isinstance(value, Decimal) else value


def test_row_equals_the_newest_row_of_the_views(engine: Any, names: list[str]) -> None:
    refresh(engine.client, "latest_details", "latest_impact", *LATEST)
    latest = {row["symbol"]: row for row in engine.rows("SELECT * FROM marketprism_features.latest_features")}
    for name in names[:2]:
        row, expected = latest[name], engine.feature("unified_features_by_bucket", name)[-1]
        assert (row["details_bucket_id"], row["impact_bucket_id"]) == (expected["bucket_id"], expected["bucket_id"])
        named = ((OTHER_NAMES.get((group, one), one), value) for group in GROUPS for one, value in row[group].items())
        grouped = {column: value for column, value in named if column}
        missing = {column for column, value in grouped.items() if value is None}
        assert missing <= MAY_BE_NULL, "what is NULL on both sides shows nothing"
        flat = {column: row[column] for column in expected if column in row and column not in DATED_OTHERWISE}
        assert flat == {column: expected[column] for column in flat}
        (details,) = engine.feature("latest_details", name)
        assert row["available_at"] <= details["available_at"] == expected["available_at"]
        impact = engine.feature("impact_by_bucket", name)[-1]["quality"]  # which stands apart, with its own staleness
        assert row["details_quality"] == details["quality"] == (expected["quality"] if impact == "ok" else "ok")
        assert grouped == {column: as_shown(expected[column]) for column in grouped}
        assert set(expected) <= {*grouped, *flat, *DATED_OTHERWISE}, "everything of the bucket is in the row"
        (bucket,) = engine.feature("latest_buckets", name)  # the one of the newest bucket, of which the row is made
        common = bucket.keys() & flat.keys()
        assert {"bucket_id", "vpin", "close"} <= common
        assert {column: bucket[column] for column in common} == {column: flat[column] for column in common}
    assert latest[names[0]]["window_buckets"] == 50
    assert latest[names[0]]["vpin"] is not None
    few = latest[names[2]]
    assert (few["quality"], few["vpin"], few["mid"], few["book_timestamp"]) == ("warmup", None, None, None)


def test_the_newest_minute_is_that_of_the_view(engine: Any, names: list[str]) -> None:
    """All columns but one pair: Hasbrouck's lambda needs the trades of 50 minutes, and five are read each minute."""
    refresh(engine.client, "latest_minutes")
    for name in names[:2]:
        (row,) = engine.feature("latest_minutes", name, "ts_1m")
        minutes = engine.feature("unified_features_1m", name, "ts_1m")
        (minute,) = [minute for minute in minutes if minute["ts_1m"] == row["ts_1m"]]
        assert minute["hasbrouck_lambda"] is not None
        assert row == {**minute, "hasbrouck_lambda": None, "hasbrouck_t": None}
        assert None not in (row["log_return_60"], row["cvd"])


def test_newest_book_and_ages(engine: Any, names: list[str]) -> None:
    later = int(time.time() * 1000) - 1000
    engine.books(names[0], [book(10**9, later, [(10.0, 3.0)], [(12.0, 1.0)])])
    refresh(engine.client, *LATEST)
    (row,) = engine.rows(f"SELECT * FROM marketprism_features.latest_features WHERE symbol = '{names[0]}'")
    assert (row["mid_price"], row["tob_imbalance"]) == (11.0, 0.5)
    assert row["mid"] != 11.0, "the bucket ended before that book"
    updated = row["updated_at"].replace(tzinfo=dt.UTC)
    assert abs((dt.datetime.now(dt.UTC) - updated).total_seconds()) < 30
    assert row["staleness_ms"] == (row["updated_at"] - row["available_at"]) // dt.timedelta(milliseconds=1)
    assert 1000 <= row["book_staleness_ms"] < 60_000


def test_it_refreshes_by_itself(engine: Any, names: list[str]) -> None:
    query = "SELECT max(updated_at) FROM marketprism_features.latest_features"
    refresh(engine.client, *LATEST)
    before = engine.client.command(query)
    for view in LATEST:
        engine.client.command(f"SYSTEM START VIEW marketprism_features.{view}")
    deadline = time.monotonic() + 30
    while engine.client.command(query) == before:
        assert time.monotonic() < deadline, engine.rows("SELECT * FROM system.view_refreshes")
        time.sleep(0.05)
    (state,) = engine.rows("SELECT exception FROM system.view_refreshes WHERE view = 'latest_features_mv'")
    assert state["exception"] == ""
    for view in LATEST:
        engine.client.command(f"SYSTEM STOP VIEW marketprism_features.{view}")


def test_reading_it_costs_little_more_than_nothing(engine: Any, names: list[str]) -> None:
    def median_ms(query: str) -> float:
        times = []
        for _ in range(41):
            start = time.perf_counter()
            engine.client.raw_query(query, fmt="Native")
            times.append((time.perf_counter() - start) * 1000)
        return sorted(times)[20]

    refresh(engine.client, *LATEST)
    nothing = median_ms("SELECT 1")
    latest = median_ms("SELECT * FROM marketprism_features.latest_features")
    print(f"SELECT 1 {nothing:.2f} ms, latest_features {latest:.2f} ms")
    assert latest < 10 * nothing + 5


def test_python_reads(engine: Any, names: list[str]) -> None:
    refresh(engine.client, *LATEST)
    features = Features(engine.client)
    assert set(names) <= set(features.latest()["symbol"].to_pylist())
    assert set(names) <= set(features.latest_polars()["symbol"])
    table = features.buckets("binance", "spot", names[0], last=30)
    expected = engine.feature("unified_features_by_bucket", names[0])[-30:]
    assert table["bucket_id"].to_pylist() == [row["bucket_id"] for row in expected]
    assert table["vpin"].to_pylist() == [row["vpin"] for row in expected]
    assert features.buckets_polars("binance", "spot", names[0], last=3).height == 3
    assert features.buckets("binance", "spot", "NOSUCHSYMBOL").num_rows == 0
    with pytest.raises(ValueError, match="at least one"):
        features.buckets("binance", "spot", names[0], last=0)
