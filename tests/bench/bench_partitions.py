"""Four partitions against one: the same trades through NATS, one storage process and the same ClickHouse.

python -m tests.bench.bench_partitions [ROWS]

The symbols are chosen so that every partition has the same number of them.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from marketprism.clickhouse import HOT
from marketprism.settings import NatsSettings
from marketprism.subjects import POSITIONS_BUCKET, Subject, partition_of, routed, stream_name
from storage_service.frames import Frame
from storage_service.position import Positions
from tests.bench.bench_storage import make_frames
from tests.unit.storage.rig import Rig, free_port

PARTITIONS = 4


def even_symbols(each: int) -> tuple[str, ...]:
    """As many symbols of every partition."""
    found: list[list[str]] = [[] for _ in range(PARTITIONS)]
    for number in range(1_000):
        name = f"S{number}USDT"
        group = found[partition_of("binance", "spot", name, PARTITIONS)]
        if len(group) < each:
            group.append(name)
    return tuple(name for group in found for name in group)


async def through(rig: Rig, frames: list[Frame], partitions: int) -> float:
    """Seconds from the first stored row to the last, with everything waiting in the streams."""
    rig.nats_port = free_port()
    rig.nats_settings = NatsSettings(
        url=f"nats://127.0.0.1:{rig.nats_port}", partitions=partitions, stream_max_bytes=256 << 20, _env_file=None
    )
    rig.environment |= {
        "MARKETPRISM_NATS_URL": rig.nats_settings.url,
        "MARKETPRISM_NATS_PARTITIONS": str(partitions),
    }
    rig.directory = rig.directory / f"partitions-{partitions}"
    rig.directory.mkdir()
    rig.start_nats()
    await rig.streams()
    nc, js = await rig.connect()
    for at in range(0, len(frames), 64):
        await asyncio.gather(*(js.publish(_subject(f, partitions), f.payload) for f in frames[at : at + 64]))
    rig.client().command(f"TRUNCATE TABLE {HOT}.trades")
    rig.spawn("storage", [sys.executable, "-m", "tests.faults.trades_worker"])
    positions = Positions(await js.key_value(POSITIONS_BUCKET))
    for partition in range(partitions):
        last = (await js.stream_info(stream_name("trades", partition))).state.last_seq
        while (cell := await positions.read("trades", partition)) is None or (cell.last, cell.state) != (last, "done"):
            assert rig.processes["storage"].poll() is None, rig.log("storage")[-2000:]
            await asyncio.sleep(0.05)
    await nc.close()
    [(first, last_us)] = rig.rows(
        f"SELECT toUnixTimestamp64Micro(min(created_at)), toUnixTimestamp64Micro(max(created_at)) FROM {HOT}.trades"
    )
    rig.stop("storage")
    rig.kill("nats")
    return float(last_us - first) / 1e6


def _subject(frame: Frame, partitions: int) -> str:
    named = Subject.parse(frame.subject)
    partition = partition_of(named.exchange, named.market_type, named.symbol, partitions)
    return routed(frame.subject, partition, partitions)


async def main(rows: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-partitions-") as directory:
        rig = Rig(Path(directory))
        rig.environment["MARKETPRISM_STORAGE_METRICS_PORT"] = "0"
        rig.environment["MARKETPRISM_STORAGE_BATCH_MAX_FRAMES"] = "100"
        try:
            rig.start_clickhouse()
            rig.migrate()
            seconds = {}
            for seed, partitions in enumerate((1, PARTITIONS), 1):
                frames = make_frames(rows, symbols=even_symbols(2), seed=seed)
                seconds[partitions] = await through(rig, frames, partitions)
                print(f"{partitions} partition(s): {rows / seconds[partitions] / 1e3:8.0f} k rows/s")
            print(f"ratio of {PARTITIONS} partitions to 1: {seconds[1] / seconds[PARTITIONS]:.2f}")
        finally:
            rig.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000))
