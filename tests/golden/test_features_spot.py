"""Features of a real spot recording over midnight equal an independent computation, row for row; replays are equal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.golden.replayed import TABLES, Replayed, check_recording, check_second_replay, check_table, replayed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def case(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    recording = shared / "recordings" / "binance_spot.jsonl.zst"
    with replayed(
        recording, "spot", {"BTCUSDT": "0.01", "ETHUSDT": "0.01"}, tmp_path_factory.mktemp("replay"), times=2
    ) as case:
        yield case


def test_tables_hold_what_the_recording_says(case: Replayed) -> None:
    check_recording(case)


@pytest.mark.parametrize("table", TABLES)
def test_feature_equals_the_independent_computation(case: Replayed, table: str) -> None:
    check_table(case, table)


def test_the_case_has_what_it_is_for(case: Replayed) -> None:
    """Every kind of cut, windows that are full and reach across midnight, numbers that start again there."""
    for symbol, tables in case.expected.items():
        buckets = tables["unified_buckets"]
        assert {row["cut_trigger"] for row in buckets} == {"volume", "time", "day"}, symbol
        evening = [row for row in buckets if row["bucket_id"] < 20240809 * 10**6]
        assert [row["cut_trigger"] for row in evening].index("day") == len(evening) - 1
        assert buckets[len(evening)]["bucket_id"] == 20240809000001
        over_midnight = tables["vpin_by_bucket"][len(evening)]
        assert over_midnight["window_buckets"] == 50
        assert over_midnight["vpin"] is not None
        assert sum(row["vpin"] is not None for row in tables["vpin_by_bucket"]) > 50


def test_two_replays_give_equal_tables(case: Replayed) -> None:
    check_second_replay(case)
