"""Features of a real USD-M recording with an insurance fund print equal an independent computation."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.golden.replayed import TABLES, Replayed, check_recording, check_table, replayed
from tests.golden.replays import Replays

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def case(shared: Path, tmp_path_factory: pytest.TempPathFactory, replays: Replays) -> Iterator[Replayed]:
    recording = shared / "recordings" / "binance_usdm.jsonl.zst"
    made = replays.copies(recording, tmp_path_factory.mktemp("replay"))
    with replayed(recording, "linear", {"BTCUSDT": "0.1"}, made) as case:
        yield case


def test_tables_hold_what_the_recording_says(case: Replayed) -> None:
    check_recording(case)


@pytest.mark.parametrize("table", TABLES)
def test_feature_equals_the_independent_computation(case: Replayed, table: str) -> None:
    check_table(case, table)


def test_the_insurance_fund_is_kept_and_in_no_feature(case: Replayed) -> None:
    with case.server.client() as client:
        stored = client.query(
            "SELECT trade_id, price, bucket_id, bucket_cut FROM marketprism_hot.trades WHERE NOT is_market"
        ).result_rows
        bearing = client.command("SELECT count() FROM marketprism_hot.trades WHERE bucket_id != 0")
    assert stored == [("3535191080", Decimal("28722.5"), 0, "")]
    trades = sum(row["trades"] for row in case.rows("unified_buckets", "BTCUSDT"))
    assert (bearing, trades, case.recorded["BTCUSDT"].other_prints) == (12_934, 12_934, 1)
    highest = max(row["high"] for row in case.rows("unified_buckets", "BTCUSDT"))
    assert highest < Decimal("28722.5"), "the print's price would be the day's high"
