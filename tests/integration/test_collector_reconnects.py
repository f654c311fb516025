"""Forced reconnects leave nothing behind; ``make bench`` counts 200 of them (``tests/bench/bench_reconnects.py``)."""

from __future__ import annotations

from pathlib import Path

from tests.bench.bench_reconnects import measure


async def test_tasks_objects_and_memory_stay_flat(tmp_path: Path) -> None:
    figures = await measure(tmp_path, warm_up=10, reconnects=40)
    assert figures["tasks_growth"] <= 4  # what happens to be under way
    assert figures["objects_growth"] < 30 * 25
    assert figures["resident_mb_growth"] < 40  # of a process that has run other tests; the bench has one of its own
