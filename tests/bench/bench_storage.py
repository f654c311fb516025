"""Frames → table with every view, against the engine's own insert of the same Arrow bodies, in one run.

python -m tests.bench.bench_storage [ROWS]
"""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.json

from marketprism.clickhouse import HOT
from marketprism.settings import ClickHouseSettings
from storage_service.batching import accept, clean, finish
from storage_service.buckets.book import BucketBook
from storage_service.buckets.plan import SCALE, DayPlan
from storage_service.clickhouse_io import Warehouse
from storage_service.decode import decode
from storage_service.duplicates import SequenceJudge
from storage_service.frames import Frame
from storage_service.schema import parse_schema, stored
from tests.unit.storage.ledger import Ledger
from tests.unit.storage.rig import Rig

FRAME_ROWS = 200
BATCH_FRAMES = 100


def make_frames(
    rows: int, rows_a_frame: int = FRAME_ROWS, symbols: tuple[str, ...] = Ledger.symbols, seed: int = 1
) -> list[Frame]:
    """Full frames of the ledger's symbols, one symbol after the other."""
    ledger, encoder = Ledger(step_ms=5, symbols=symbols, seed=seed), msgspec.json.Encoder()
    frames = []
    for number in range(rows // rows_a_frame):
        symbol = ledger.symbols[number % len(ledger.symbols)]
        payload = encoder.encode_lines([ledger.trade(symbol) for _ in range(rows_a_frame)])
        frames.append(Frame.of(number + 1, f"md.trades.binance.spot.{symbol}", payload, 0, "1"))
    return frames


def batches(frames: list[Frame]) -> list[list[Frame]]:
    return [frames[i : i + BATCH_FRAMES] for i in range(0, len(frames), BATCH_FRAMES)]


def timed(label: str, rows: int, work: Callable[[], object]) -> None:
    started = time.perf_counter()
    work()
    print(f"{label:<58} {rows / (time.perf_counter() - started) / 1e6:8.2f} M rows/s")


def prepare_bodies(parts: list[list[Frame]]) -> list[bytes]:
    judge, book = SequenceJudge("trades"), BucketBook()
    bodies = []
    for part in parts:
        accepted = accept(*clean("trades", part), judge, book)
        plan = DayPlan("trade", "volume", 20 * SCALE)
        book.open_days((request.symbol, request.day, plan) for request in accepted.missing_days)
        bodies.append(finish("trades", accepted, book).body)
    return bodies


def parsers(frames: list[Frame], rows: int) -> None:
    payload = b"".join(frame.payload for frame in frames)
    schema = parse_schema("trades")
    arrow = pa.schema(
        [(name, pl.DataFrame(schema={name: kind}).to_arrow().schema.field(0).type) for name, kind in schema.items()]
    )
    options = pyarrow.json.ParseOptions(explicit_schema=arrow, unexpected_field_behavior="ignore")
    timed("parse only: polars read_ndjson", rows, lambda: pl.read_ndjson(io.BytesIO(payload), schema=schema))
    timed("parse only: pyarrow.json", rows, lambda: pyarrow.json.read_json(io.BytesIO(payload), parse_options=options))
    timed("parse, checked, located (decode)", rows, lambda: decode("trades", frames))
    timed("decode + validate", rows, lambda: clean("trades", frames))


async def engine_alone(rig: Rig, bodies: list[bytes]) -> float:
    """Seconds of inserting the ready bodies, one after the other, with every view."""
    warehouse = Warehouse(ClickHouseSettings(url=f"http://127.0.0.1:{rig.clickhouse_port}", _env_file=None))
    names = [column.name for column in stored("trades")]
    await warehouse.insert(f"{HOT}.trades", bodies[0], names, "warm")
    started = time.perf_counter()
    for number, body in enumerate(bodies):
        await warehouse.insert(f"{HOT}.trades", body, names, f"engine-{number}")
    seconds = time.perf_counter() - started
    await warehouse.close()
    return seconds


async def service(rig: Rig, frames: list[Frame]) -> float:
    """Seconds from a running service's first row to its last, with everything waiting in the stream."""
    await rig.streams()
    nc, js = await rig.connect()
    for at in range(0, len(frames), 64):
        await asyncio.gather(
            *(js.publish(f.subject, f.payload, headers={"Mp-Contract": "1"}) for f in frames[at : at + 64])
        )
    await nc.close()
    rig.client().command(f"TRUNCATE TABLE {HOT}.trades")
    rig.start_storage()
    await rig.until_stored(timeout=300)
    [(first, last)] = rig.rows(
        f"SELECT toUnixTimestamp64Micro(min(created_at)), toUnixTimestamp64Micro(max(created_at)) FROM {HOT}.trades"
    )
    rig.stop("storage")
    return float(last - first) / 1e6


async def main(rows: int) -> None:
    frames = make_frames(rows)
    parts = batches(frames)
    parsers(frames, rows)
    started = time.perf_counter()
    bodies = prepare_bodies(parts)
    label = "frames → Arrow bodies (all but the insert)"
    print(f"{label:<58} {rows / (time.perf_counter() - started) / 1e6:8.2f} M rows/s")
    with tempfile.TemporaryDirectory(prefix="bench-storage-") as directory:
        rig = Rig(Path(directory))
        try:
            rig.start_nats()
            rig.start_clickhouse()
            rig.migrate()
            views = rig.rows(
                "SELECT count() FROM system.tables WHERE engine = 'MaterializedView' "
                "AND create_table_query LIKE '%FROM marketprism_hot.trades%'"
            )
            alone = await engine_alone(rig, bodies)
            print(f"{f'engine alone, the same bodies, {views[0][0]} views':<58} {rows / alone / 1e6:8.2f} M rows/s")
            through = await service(rig, frames)
            print(f"{'through NATS and the storage service':<58} {rows / through / 1e6:8.2f} M rows/s")
            print(f"{'ratio':<58} {alone / through:8.2f}")
        finally:
            rig.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 400_000))
