"""``marketprism replay`` of real recordings: the report is exact, and the same again stores nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.replays import SMALL_BUCKETS, Replays, replay
from tests.integration.running import marketprism

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def _query(statement: str, data: Path) -> list[list[str]]:
    done = marketprism("query", statement, "--data", str(data), "--format", "TSV", cwd=data.parent)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_spot_recording_is_stored_exactly(shared: Path, tmp_path: Path, replays: Replays) -> None:
    recording = shared / "recordings" / "binance_spot.jsonl.zst"
    (first,) = replays.copies(recording, tmp_path)
    report = first.report
    assert report["exact"] is True
    assert sum(symbol["trades_stored"] for symbol in report["symbols"]) == 34_419
    for symbol in report["symbols"]:
        assert symbol["volume_in"] == symbol["volume_stored"] == symbol["volume_buckets"]
        assert (symbol["trades_duplicated"], symbol["dead_lettered"], symbol["gaps"]) == (0, 0, 0)


def test_insurance_fund_is_kept_and_bears_no_bucket_and_again_nothing_is_stored_twice(
    shared: Path, tmp_path: Path, replays: Replays
) -> None:
    recording = shared / "recordings" / "binance_usdm.jsonl.zst"
    (first,) = replays.copies(recording, tmp_path)
    (symbol,) = first.report["symbols"]
    assert (symbol["trades_received"], symbol["trades_stored"]) == (12_935, 12_935)
    (fund,) = _query("SELECT quantity, bucket_id FROM marketprism_hot.trades WHERE NOT is_market", first.data)
    assert fund[1] == "0"
    again = replay(recording, data=first.data, **SMALL_BUCKETS)
    assert again["exact"] is True
    assert _query("SELECT count() FROM marketprism_hot.trades", first.data) == [["12935"]]
