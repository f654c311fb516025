"""Features of a real spot recording over midnight equal an independent computation, row for row; replays are equal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from marketprism.settings import ClickHouseSettings, StorageSettings
from storage_service.days.engine import Engine
from storage_service.days.rebuild import Rebuilder
from tests.golden.replayed import TABLES, Replayed, check_recording, check_second_replay, check_table, replayed
from tests.golden.replays import Replays
from tests.integration.test_days_keeper import polled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def case(shared: Path, tmp_path_factory: pytest.TempPathFactory, replays: Replays) -> Iterator[Replayed]:
    recording = shared / "recordings" / "binance_spot.jsonl.zst"
    made = replays.copies(recording, tmp_path_factory.mktemp("replay"), times=2)
    with replayed(recording, "spot", {"BTCUSDT": "0.01", "ETHUSDT": "0.01"}, made) as case:
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


def test_both_days_verify_and_a_late_trade_is_rebuilt_under_a_reader(case: Replayed) -> None:
    """Last, because it adds a trade: the one before the first of the recording, as if it had come late."""
    settings = ClickHouseSettings(url=case.server.url, _env_file=None)
    engine = Engine.open(settings)
    tool = Rebuilder(engine, settings, StorageSettings(_env_file=None))
    evening, morning = date(2024, 8, 8), date(2024, 8, 9)
    for day in (evening, morning):
        outcome = tool.verify(day)
        assert (outcome.symbols, outcome.differences) == (2, ())
        assert outcome.rows > 1000
    query = (
        "SELECT sum(trades), sum(vol), count() FROM marketprism_features.unified_buckets "
        "WHERE symbol = 'BTCUSDT' AND bucket_id < 20240809000000"
    )
    before = engine.rows(query)
    engine.run(
        "INSERT INTO marketprism_hot.trades SELECT * REPLACE (sequence - 1 AS sequence, 0 AS bucket_id, "
        "'' AS bucket_cut, 0 AS bucket_t_max_ms, true AS late) FROM marketprism_hot.trades "
        "WHERE symbol = 'BTCUSDT' ORDER BY sequence LIMIT 1"
    )
    assert len(tool.verify(evening).differences) == 6  # trades and its five views
    with polled(case.server, query) as seen:
        tool.rebuild(evening, ["BTCUSDT"])
    after = engine.rows(query)
    assert after[0][0] == before[0][0] + 1
    assert seen == [before, after]
    for day in (evening, morning):
        assert tool.verify(day).differences == ()
