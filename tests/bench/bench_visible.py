"""From publishing a trade until it is in the bucket and second rows, by rate; and how many parts there are meanwhile.

python -m tests.bench.bench_visible [--seconds 8] [--minutes 1]

A batch is visible in every view when its insert returns, and the first thing that follows is its acknowledgement: a
frame's latency is measured until that has reached us, so it is an upper bound. ``--minutes``: how long the part
count is watched at 10,000 trades/s (ten for the figure in the documents).
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from nats.aio.msg import Msg
from prometheus_client.parser import text_string_to_metric_families

from marketprism.subjects import stream_name
from storage_service.pull import ack_fields
from tests.bench.bench_storage import make_frames
from tests.unit.storage.ledger import headers
from tests.unit.storage.rig import Rig


class Visible:
    """When each stream sequence was published, and when it had been acknowledged."""

    def __init__(self) -> None:
        self.published: dict[int, float] = {}
        self.seen: list[tuple[int, float]] = []

    async def heard(self, message: Msg) -> None:
        """An acknowledgement of this sequence and all below it (or the word that it is being worked on)."""
        if message.data == b"+ACK":
            self.seen.append((ack_fields(message.subject)[0], time.monotonic()))

    def latencies_ms(self) -> list[float]:
        """One figure a frame, ascending."""
        found, seen, at = [], sorted(self.seen), 0
        for sequence, sent in sorted(self.published.items()):
            while at < len(seen) and seen[at][0] < sequence:
                at += 1
            if at < len(seen):
                found.append((seen[at][1] - sent) * 1000)
        return sorted(found)


async def publish(js: Any, frames: list[tuple[str, bytes]], rate_frames: float, visible: Visible) -> None:
    """Frames at their rate, whatever the acknowledgements do."""
    began, tasks = time.monotonic(), []

    async def one(subject: str, payload: bytes) -> None:
        sent = time.monotonic()
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


async def measure(rig: Rig, frames: list[tuple[str, bytes]], rate_frames: float) -> list[float]:
    """Latencies of these frames, ascending; the first fifth is left out (files and caches are new)."""
    nc, js = await rig.connect()
    visible = Visible()
    await nc.subscribe(f"$JS.ACK.{stream_name('trades', 0)}.>", cb=visible.heard)
    await nc.flush()
    await publish(js, frames, rate_frames, visible)
    await rig.until_stored(timeout=300)
    await nc.drain()
    first = sorted(visible.published)[len(visible.published) // 5]
    visible.published = {seq: sent for seq, sent in visible.published.items() if seq >= first}
    return visible.latencies_ms()


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
            rig.start_clickhouse()
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
                before = stages(rig)
                found = await measure(rig, take(int(rate * given.seconds), rows), rate / rows)
                p50, p99 = found[len(found) // 2], found[int(len(found) * 0.99)]
                print(f"publish → visible at {rate:>6} trades/s: p50 {p50:7.1f} ms, p99 {p99:7.1f} ms, n {len(found)}")
                print(f"    ms of a batch: {told(before, stages(rig))}", flush=True)
            await parts_over(rig, given.minutes, take(int(given.minutes * 60 * 10_000), 100), 100)
        finally:
            rig.close()


if __name__ == "__main__":
    asyncio.run(main())
