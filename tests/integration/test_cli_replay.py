"""``marketprism replay`` of real recordings: the report is exact, and two replays make equal tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.running import marketprism

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CONTENT = """
SELECT count(), sum(cityHash64(timestamp, received_at, symbol, sequence, price, quantity, side, bucket_id, bucket_cut))
FROM marketprism_hot.trades"""


def _replay(recording: Path, data: Path) -> dict[str, Any]:
    done = marketprism("replay", str(recording), "--speed", "max", "--json", "--data", str(data), cwd=data.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _query(statement: str, data: Path) -> list[list[str]]:
    done = marketprism("query", statement, "--data", str(data), "--format", "TSV", cwd=data.parent)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_spot_recording_is_stored_exactly(shared: Path, tmp_path: Path) -> None:
    report = _replay(shared / "recordings" / "binance_spot.jsonl.zst", tmp_path / "data")
    assert report["exact"] is True
    assert sum(symbol["trades_stored"] for symbol in report["symbols"]) == 34_419
    for symbol in report["symbols"]:
        assert symbol["volume_in"] == symbol["volume_stored"] == symbol["volume_buckets"]
        assert (symbol["trades_duplicated"], symbol["dead_lettered"], symbol["gaps"]) == (0, 0, 0)
    # the same file again into the same directory: everything is known, nothing is stored twice
    again = _replay(shared / "recordings" / "binance_spot.jsonl.zst", tmp_path / "data")
    assert again["exact"] is True
    assert _query("SELECT count() FROM marketprism_hot.trades", tmp_path / "data") == [["34419"]]


def test_insurance_fund_is_kept_and_bears_no_bucket(shared: Path, tmp_path: Path) -> None:
    recording = shared / "recordings" / "binance_usdm.jsonl.zst"
    first, second = tmp_path / "first", tmp_path / "second"
    (symbol,) = _replay(recording, first)["symbols"]
    assert (symbol["trades_received"], symbol["trades_stored"]) == (12_935, 12_935)
    (fund,) = _query("SELECT quantity, bucket_id FROM marketprism_hot.trades WHERE NOT is_market", first)
    assert fund[1] == "0"
    _replay(recording, second)
    assert _query(CONTENT, first) == _query(CONTENT, second)
