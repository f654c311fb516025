"""From publishing a trade until it is in the bucket and second rows, by rate; and how many parts there are meanwhile.

python -m tests.bench.bench_visible [--seconds 8] [--minutes 1]

A frame's rows are visible when the parts of its batch are committed in both tables: the engine's log of parts says
when. An insert ends some milliseconds later; the acknowledgement, the first thing that follows, is shown beside it.
``--minutes``: how long the part count is watched at 10,000 trades/s (ten for the figure in the documents).
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
import urllib.request
from bisect import bisect_right
from pathlib import Path
from typing import Any, Final

from nats.aio.msg import Msg
from prometheus_client.parser import text_string_to_metric_families

from marketprism.subjects import stream_name
from storage_service.pull import ack_fields
from tests.bench.bench_storage import make_frames
from tests.bench.part_log import committed_us
from tests.unit.storage.ledger import headers
from tests.unit.storage.rig import Rig

READ: Final = ("bucket_flow", "flow_1s")
"""The tables under the bucket and the second rows."""


class Visible:
    """When each stream sequence was published, and when it had been acknowledged, seconds since the epoch."""

    def __init__(self) -> None:
        self.published: dict[int, float] = {}
        self.seen: list[tuple[int, float]] = []

    async def heard(self, message: Msg) -> None:
        """An acknowledgement of this sequence and all below it (or the word that it is being worked on)."""
        if message.data == b"+ACK":
            self.seen.append((ack_fields(message.subject)[0], time.time()))

    def committed(self, parts: dict[str, list[int]]) -> list[tuple[int, float]]:
        """Each batch's last sequence and when its parts were there: the newest of each table before it was acked."""
        found, before = [], 0.0
        for sequence, acknowledged in sorted(self.seen):
            newest = [times[bisect_right(times, acknowledged * 1e6) - 1] / 1e6 for times in parts.values()]
            assert min(newest) > before, "a batch without a part of its own"
            found.append((sequence, max(newest)))
            before = acknowledged
        return found

    def latencies_ms(self, seen: list[tuple[int, float]]) -> list[float]:
        """One figure a frame, ascending; ``seen``: until when, by last sequence. The first fifth is left out (files and
        caches are new)."""
        found, seen, at = [], sorted(seen), 0
        counted = sorted(self.published.items())
        for sequence, sent in counted[len(counted) // 5 :]:
            while at < len(seen) and seen[at][0] < sequence:
                at += 1
            if at < len(seen):
                found.append((seen[at][1] - sent) * 1000)
        return sorted(found)


async def publish(js: Any, frames: list[tuple[str, bytes]], rate_frames: float, visible: Visible) -> None:
    """Frames at their rate, whatever the acknowledgements do."""
    began, tasks = time.monotonic(), []

    async def one(subject: str, payload: bytes) -> None:
        sent = time.time()
        ack = await js.publish(subject, payload, headers=headers(subject, payload), timeout=30)
        visible.published[ack.seq] = sent

    for number, (subject, payload) in enumerate(frames):
        due = began + number / rate_frames
        if (wait := due - time.monotonic()) > 0.001:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(one(subject, payload)))
    await asyncio.gather(*tasks)


STAGES = "marketprism_storage_stage_seconds"
Stages = dict[str, tuple[float, float]]


def stages(rig: Rig) -> Stages:
    """Stage of the trades' worker → (batches, seconds) so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{rig.metrics_port}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    found: dict[str, dict[str, float]] = {}
    for sample in (sample for family in families if family.name == STAGES for sample in family.samples):
        if sample.labels["data_type"] == "trades":
            found.setdefault(sample.labels["stage"], {})[sample.name.removeprefix(f"{STAGES}_")] = sample.value
    return {stage: (values["count"], values["sum"]) for stage, values in found.items()}


def told(before: Stages, after: Stages) -> str:
    """Mean milliseconds of a batch in each stage."""
    parts = []
    for stage, (count, seconds) in after.items():
        count_before, seconds_before = before.get(stage, (0.0, 0.0))
        if batches := count - count_before:
            parts.append(f"{stage} {(seconds - seconds_before) / batches * 1000:.1f}")
    return ", ".join(parts)


async def measure(rig: Rig, frames: list[tuple[str, bytes]], rate_frames: float) -> Visible:
    """Publish at a rate, until all of it is stored."""
    nc, js = await rig.connect()
    visible = Visible()
    await nc.subscribe(f"$JS.ACK.{stream_name('trades', 0)}.>", cb=visible.heard)
    await nc.flush()
    await publish(js, frames, rate_frames, visible)
    await rig.until_stored(timeout=300)
    await nc.drain()
    return visible


def shown(latencies_ms: list[float]) -> str:
    p50, p99 = latencies_ms[len(latencies_ms) // 2], latencies_ms[int(len(latencies_ms) * 0.99)]
    return f"p50 {p50:7.1f} ms, p99 {p99:7.1f} ms"


async def parts_over(rig: Rig, minutes: float, frames: list[tuple[str, bytes]], rate_frames: float) -> None:
    """Parts of the fullest partition of any table while trades come at a steady rate."""
    counts: list[int] = []
    over = asyncio.Event()

    async def sample() -> None:
        while not over.is_set():
            rows = await asyncio.to_thread(
                rig.rows,
                "SELECT max(per) FROM (SELECT count() AS per FROM system.parts "
                "WHERE active AND database LIKE 'marketprism%' GROUP BY database, table, partition)",
            )
            counts.append(int(rows[0][0] or 0))
            await asyncio.sleep(1)

    sampling = asyncio.create_task(sample())
    await measure(rig, frames, rate_frames)
    over.set()
    await sampling
    third = max(1, len(counts) // 3)
    shown = ", ".join(str(max(counts[n * third : (n + 1) * third] or [0])) for n in range(3))
    print(f"parts of the fullest partition over {minutes:g} min at 10,000/s, by third: at most {shown}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--minutes", type=float, default=0.5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-visible-") as directory:
        rig = Rig(Path(directory))
        try:
            rig.start_nats()
            rig.start_clickhouse("tests.bench.part_log")
            rig.migrate()
            await rig.streams()
            rig.start_storage()
            plans = [(1_000, 20), (10_000, 100), (50_000, 200)]  # trades/s, rows a frame
            total = sum(int(rate * given.seconds) for rate, _ in plans) + int(given.minutes * 60 * 10_000)
            source = iter(make_frames(total + 1_000, rows_a_frame=20))

            def take(trades: int, rows: int) -> list[tuple[str, bytes]]:
                found = []
                for _ in range(trades // rows):
                    parts = [next(source) for _ in range(rows // 20)]
                    found.append(("md.trades.binance.spot._0", b"".join(part.payload for part in parts)))
                return found

            for rate, rows in plans:
                before, began_us = stages(rig), int(time.time() * 1e6)
                visible = await measure(rig, take(int(rate * given.seconds), rows), rate / rows)
                told_of = told(before, stages(rig))
                found = visible.latencies_ms(visible.committed(committed_us(rig.client(), READ, began_us)))
                print(f"publish → visible at {rate:>6} trades/s: {shown(found)}, n {len(found)}")
                print(f"    until acknowledged              {shown(visible.latencies_ms(visible.seen))}")
                print(f"    ms of a batch: {told_of}", flush=True)
            await parts_over(rig, given.minutes, take(int(given.minutes * 60 * 10_000), 100), 100)
        finally:
            rig.close()


if __name__ == "__main__":
    asyncio.run(main())
