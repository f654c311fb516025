"""An insert of few rows by how its small parts are kept: how many a merge takes at once, and in how many files.

``python -m tests.bench.bench_merges [--inserts 120]``: 500-trade blocks into a migrated engine in process, with their
views, the settings in turn. Migrations 0155 and 0186 set the last.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chdb

from marketprism.clickhouse import HOT
from marketprism.embedded.engine import quote
from marketprism.embedded.inprocess import ENGINE_FOLDER
from storage_service.clickhouse_io import ONE_BLOCK
from storage_service.schema import stored
from tests.bench.bench_storage import make_frames, prepare_bodies
from tests.migrated import Template

SETTINGS: tuple[dict[str, int], ...] = (
    {"merge_selector_base": 5, "min_bytes_for_full_part_storage": 0},
    {"merge_selector_base": 10, "min_bytes_for_full_part_storage": 0},
    {"merge_selector_base": 10, "min_bytes_for_full_part_storage": 10 << 20},
)
ROWS = 500
FRAME_ROWS = 50


def tables() -> list[str]:
    """Those of migration 0155."""
    [path] = Path("migrations").glob("0155_*.sql")
    return re.findall(r"^ALTER TABLE (\S+)", path.read_text(), flags=re.MULTILINE)


def measured(engine: Any, bodies: Iterator[bytes], folder: Path, inserts: int) -> tuple[float, float, float]:
    """Median milliseconds of an insert, milliseconds of processor an insert, merges an insert."""
    names = ", ".join(column.name for column in stored("trades"))
    path, took = folder / "body.arrow", []
    merges, processor = _merges(engine), time.process_time()
    for body in (next(bodies) for _ in range(inserts)):
        path.write_bytes(body)
        begun = time.perf_counter()
        engine.query(
            f"INSERT INTO {HOT}.trades ({names}) FROM INFILE {quote(str(path))} "
            f"SETTINGS insert_deduplication_token = '{begun}' FORMAT ArrowStream"
        )
        took.append((time.perf_counter() - begun) * 1000)
    spent = (time.process_time() - processor) * 1000 / inserts
    return statistics.median(took), spent, (_merges(engine) - merges) / inserts


def _merges(engine: Any) -> int:
    answer = engine.query("SELECT sum(value) FROM system.events WHERE event = 'Merge'", "TSV").bytes()
    return int(answer.decode())


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench_merges")
    parser.add_argument("--inserts", type=int, default=120)
    inserts: int = parser.parse_args().inserts
    rounds = 4
    frames = make_frames(ROWS * (inserts * rounds * len(SETTINGS) + 50), rows_a_frame=FRAME_ROWS)
    a_body = ROWS // FRAME_ROWS
    bodies = iter(prepare_bodies([frames[at : at + a_body] for at in range(0, len(frames), a_body)]))
    found: list[list[tuple[float, float, float]]] = [[] for _ in SETTINGS]
    with tempfile.TemporaryDirectory(prefix="bench-merges-") as directory:
        folder = Path(directory)
        Template(folder / "template").copy(folder / ENGINE_FOLDER)
        engine = chdb.connect(str(folder / ENGINE_FOLDER))
        engine.query("SYSTEM STOP VIEWS")
        for name, value in ONE_BLOCK.items():
            engine.query(f"SET {name} = {value}")
        measured(engine, bodies, folder, 50)
        for _ in range(rounds):
            for settings, each in zip(SETTINGS, found, strict=True):
                changed = ", ".join(f"{name} = {value}" for name, value in settings.items())
                for table in tables():
                    engine.query(f"ALTER TABLE {table} MODIFY SETTING {changed}")
                each.append(measured(engine, bodies, folder, inserts))
        engine.close()
    for settings, each in zip(SETTINGS, found, strict=True):
        wall, processor, merges = (round(statistics.median(column), 2) for column in zip(*each, strict=True))
        figures = {"insert_ms": wall, "processor_ms_an_insert": processor, "merges_an_insert": merges}
        print(json.dumps(settings | figures))


if __name__ == "__main__":
    main()
