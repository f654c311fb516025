"""Replays of recordings, each made once a test session; every file that reads one gets a copy of its data directory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.migrated import Template
from tests.once import alone

SMALL_BUCKETS = {
    "MARKETPRISM_STORAGE_DEFAULT_Q_NOTIONAL": '{"*": 120000}',
    "MARKETPRISM_STORAGE_DEFAULT_T_MAX_MS": "8000",
}
"""Ten minutes hold too few default buckets for one full window of 50."""


def replay(*recordings: Path, data: Path, **environment: str) -> dict[str, Any]:
    """The report of one run of ``marketprism replay`` into ``data``."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "marketprism", "replay", *map(str, recordings)),
            *("--speed", "max", "--json", "--data", str(data)),
        ],
        cwd=data.parent,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@dataclass(frozen=True, slots=True)
class Replay:
    """A data directory that a replay made, for its holder alone, and what the replay reported."""

    data: Path
    report: dict[str, Any]


class Replays:
    """``folder`` is shared by the processes of one session: the first that asks makes a replay, the others wait."""

    def __init__(self, folder: Path, template: Template) -> None:
        self._folder = folder
        self._template = template

    def copies(self, recording: Path, into: Path, times: int = 1) -> list[Replay]:
        """So many replays of ``recording``, independent of each other, copied to ``into/data0``, ``data1``, …"""
        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(lambda number: self._copy(recording, number, into / f"data{number}"), range(times)))

    def _copy(self, recording: Path, number: int, data: Path) -> Replay:
        place = self._folder / recording.name / str(number)
        with alone(place):
            if not (place / "report.json").exists():
                self._make(recording, place)
        shutil.copytree(place / "data", data, symlinks=True)
        return Replay(data, json.loads((place / "report.json").read_text()))

    def _make(self, recording: Path, place: Path) -> None:
        shutil.rmtree(place / "data", ignore_errors=True)  # of a process that ended before it had finished
        self._template.seed(place / "data")
        report = replay(recording, data=place / "data", **SMALL_BUCKETS)
        (place / "report.json").write_text(json.dumps(report))
