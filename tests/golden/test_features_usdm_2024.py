"""Features of a real USD-M recording of two symbols equal an independent computation, row for row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.golden.replayed import TABLES, Replayed, check_recording, check_table, replayed
from tests.golden.replays import Replays

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def case(shared: Path, tmp_path_factory: pytest.TempPathFactory, replays: Replays) -> Iterator[Replayed]:
    recording = shared / "recordings" / "binance_usdm_20240808.jsonl.zst"
    made = replays.copies(recording, tmp_path_factory.mktemp("replay"))
    with replayed(recording, "linear", {"BTCUSDT": "0.1", "ETHUSDT": "0.01"}, made) as case:
        yield case


def test_tables_hold_what_the_recording_says(case: Replayed) -> None:
    check_recording(case)


@pytest.mark.parametrize("table", TABLES)
def test_feature_equals_the_independent_computation(case: Replayed, table: str) -> None:
    check_table(case, table)
