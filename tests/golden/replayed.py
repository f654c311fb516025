"""A recording through the real pipeline (``marketprism replay``), served, and its tables read for comparisons."""

from __future__ import annotations

import datetime as dt
import math
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY
from tests.golden.independent_features import ORDER, Recorded, Row, features_of, read_recording
from tests.golden.replays import Replay
from tests.integration.embedded_process import EmbeddedServer
from tests.refreshes import LATEST, refresh

TOLERANCE = 1e-12
"""Of a ratio, relative: its states are exact, its last steps are float."""
UNIT_RANGE = {"weighted_imbalance_5"}
"""A difference of float sums within −1 … 1: the tolerance is one of its range, not of a value near zero."""
TABLES = (
    *("unified_buckets", "footprint_by_bucket", "footprint_1m", "footprint_profile_by_bucket", "footprint_profile_1m"),
    *("trades_1m", "mid_1m", "lob_top5", "mid_by_bucket", "vpin_by_bucket", "kyle_lambda_by_bucket"),
    *("unified_features_by_bucket", "latest_features"),
)
PASSING = {"updated_at", "staleness_ms", "book_staleness_ms", "details_staleness_ms", "impact_staleness_ms"}
"""Columns of latest_features that say when it was refreshed."""
WIDE = {"unified_features_by_bucket", "latest_features"}
"""Side by side: here the columns computed apart are compared; tests/sql compares the others with their own views."""
OF_NOW = {
    *("latest_minutes", "latest_buckets", "recent_buckets", "recent_features"),
    *("serving_missing", "serving_features", "serving_state", "serving_transitions"),
}
"""What they hold depends on when the engine last refreshed them, and when the health check looked."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECONDS = {"available_at", "received_at"}


@dataclass
class Replayed:
    """A served replay beside the independent computation of its features."""

    recording: Path
    market_type: str
    server: EmbeddedServer
    recorded: dict[str, Recorded]
    expected: dict[str, dict[str, list[Row]]]
    again: Path | None

    def rows(self, table: str, symbol: str) -> list[Row]:
        """A feature table of one symbol: times as integers, in the order of its key."""
        with self.server.client() as client:
            found = client.query(f"SELECT * FROM marketprism_features.{table} WHERE symbol = '{symbol}'")
            rows = [{name: plain(name, value) for name, value in row.items()} for row in found.named_results()]
        return sorted(rows, key=ORDER.get(table, lambda row: row.get("bucket_id") or row["ts_1m"]))


@contextmanager
def replayed(recording: Path, market_type: str, ticks: dict[str, str], replays: list[Replay]) -> Iterator[Replayed]:
    """Serve the first of ``replays``, compute what it should hold."""
    assert all(replay.report["exact"] for replay in replays)
    recorded = read_recording(recording)
    server = EmbeddedServer(replays[0].data).stand_still().start()
    try:
        _refresh(server)
        expected = {
            symbol: features_of(recorded[symbol], market_type == "spot", Decimal(tick), frozen_days(server, symbol))
            for symbol, tick in ticks.items()
        }
        again = replays[1].data if len(replays) > 1 else None
        yield Replayed(recording, market_type, server, recorded, expected, again)
    finally:
        server.stop()


def _refresh(server: EmbeddedServer) -> None:
    with server.client() as client:
        refresh(client, "latest_details", "latest_impact", *LATEST)


def frozen_days(server: EmbeddedServer, symbol: str) -> dict[int, tuple[Decimal, int]]:
    """YYYYMMDD → (q_bucket, t_max in ms), as the storage service froze them."""
    with server.client() as client:
        rows = client.query(
            "SELECT toYYYYMMDD(day), mode, q_bucket, t_max_ms FROM marketprism_features.bucket_days "
            f"WHERE symbol = '{symbol}'"
        ).result_rows
    assert {row[1] for row in rows} == {"volume"}
    return {day: (q_bucket, t_max_ms) for day, _, q_bucket, t_max_ms in rows}


def plain(name: str, value: Any) -> Any:
    """Times as integers: exchange times in ms, receipts in µs."""
    if isinstance(value, dt.datetime):
        unit = dt.timedelta(microseconds=1 if name in _MICROSECONDS else 1000)
        return (value.replace(tzinfo=dt.UTC) - _EPOCH) // unit
    return value


def differences(got: list[Row], expected: list[Row], key: dict[str, str]) -> list[str]:
    """Every value of every column that is not what it should be; also missing and unknown columns and rows."""
    if len(got) != len(expected):
        return [f"{len(got)} rows, expected {len(expected)}"]
    found = []
    for number, (row, said) in enumerate(zip(got, expected, strict=True)):
        said = {**key, **said}
        if row.keys() - PASSING != said.keys() - PASSING:
            return [f"columns differ: {sorted(row.keys() ^ said.keys())}"]
        found += [
            f"row {number}: {name} is {row[name]!r}, expected {value!r}"
            for name, value in said.items()
            if not same(name, row[name], value)
        ]
    return found


def same(name: str, value: Any, expected: Any) -> bool:
    """Equal to the last digit; floats that are ratios within the tolerance."""
    if isinstance(expected, float) and isinstance(value, float):
        return math.isclose(value, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE if name in UNIT_RANGE else 0.0)
    return type(value) is type(expected) and bool(value == expected)


def check_table(case: Replayed, table: str) -> None:
    """Rows of every symbol, all columns."""
    for symbol, tables in case.expected.items():
        assert tables[table], "nothing to compare"
        key = {"exchange": "binance", "market_type": case.market_type, "symbol": symbol}
        rows, expected = case.rows(table, symbol), tables[table]
        if table in WIDE:
            told = {*key, *expected[0], *PASSING}
            rows = [{name: value for name, value in row.items() if name in told} for row in rows]
        if table == "unified_features_by_bucket":  # a book or quote of before the end may be received after the close
            assert all(row["available_at"] >= said["available_at"] for row, said in zip(rows, expected, strict=True))
            assert all(
                said["quality"] == "ok" for row, said in zip(rows, expected, strict=True) if row["quality"] == "ok"
            )
            of_all = ("available_at", "quality")  # of more columns than are computed apart
            expected = [said | {name: row[name] for name in of_all} for row, said in zip(rows, expected, strict=True)]
        found = differences(rows, expected, key)
        assert not found, f"{symbol}: {len(found)} differences\n" + "\n".join(found[:20])


def check_recording(case: Replayed) -> None:
    """The comparison tool as a person would run it: trades, volumes, books."""
    command = [sys.executable, "-m", "tests.golden.compare_recording", str(case.recording), "--url", case.server.url]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# ------------------------------------------------------------------------------------------------ two replays, one hash

_OF_THIS_RUN = {"created_at", "stream_seq", "frozen_at", *PASSING}
"""Columns that say when, or in which frame, a row was stored."""


def content_hashes(server: EmbeddedServer) -> dict[str, tuple[str, str]]:
    """``database.object`` → (rows, order-independent hash of all rows) of every table and of the views in TABLES.

    States are merged. That every view is equal where the tables are: test_days_live_equals_history.
    """
    found = {}
    with server.client() as client:
        objects = client.query(
            "SELECT database, name, engine FROM system.tables "
            "WHERE database IN ('marketprism_hot', 'marketprism_features') AND name NOT LIKE '.%' "
            "AND name != 'schema_versions' AND NOT (engine = 'MaterializedView' AND create_table_query LIKE '% TO %') "
            "AND create_table_query NOT LIKE '%{%:%}%'"
        ).result_rows
        for database, name, engine in objects:
            if name in OF_NOW or (engine == "View" and name not in TABLES):
                continue
            columns = client.query(
                "SELECT name, type FROM system.columns WHERE database = {d:String} AND table = {t:String}",
                parameters={"d": database, "t": name},
            ).result_rows
            kept = ", ".join(
                f"finalizeAggregation({column})" if kind.startswith("AggregateFunction") else column
                for column, kind in columns
                if column not in (_OF_THIS_RUN if name == "latest_features" else _OF_THIS_RUN - PASSING)
            )
            source = f"{database}.{name}" + (" FINAL" if engine == "AggregatingMergeTree" else "")
            (row,) = client.query(f"SELECT count(), sum(cityHash64(toString(tuple({kept})))) FROM {source}").result_rows
            found[f"{database}.{name}"] = (str(row[0]), str(row[1]))
    return found


def check_second_replay(case: Replayed) -> None:
    """Every raw and feature table of the other replay has the same rows."""
    assert case.again is not None
    server = EmbeddedServer(case.again).stand_still().start()
    try:
        _refresh(server)
        with ThreadPoolExecutor(2) as pool:  # nearly all of it is planning, which takes one core
            first, second = pool.map(content_hashes, (case.server, server))
    finally:
        server.stop()
    assert {name for name, (rows, _) in first.items() if rows != "0"} >= {
        f"marketprism_features.{table}" for table in TABLES
    }
    assert first == second
