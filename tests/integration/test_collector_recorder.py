"""The collector records what arrives; replayed, the recording gives the rows that were published when it was made."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from collector.metrics import CollectorMetrics
from collector.recorder import SUFFIX, Limits, Recorder
from collector.service import CollectorService
from marketprism.replay.recording import read_lines
from marketprism.replay.server import ReplayServer
from marketprism.settings import CollectorSettings, NatsSettings
from marketprism.simulator import Simulator, SimulatorOptions
from marketprism.simulator.environment import INVERSE, LINEAR, PREFIX, SPOT
from tests.integration.test_collector_delivery import Nats, until

TYPES = ("trades", "orderbooks", "best_quotes")


def settings(environment: dict[str, str], **more: Any) -> CollectorSettings:
    said = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items()}
    lists = {name: json.loads(said.pop(name)) for name in ("venues", "symbols")}
    return CollectorSettings(_env_file=None, **said, **lists, **more)


async def collected(folder: Path, port: int, exchange: Simulator | ReplayServer, **more: Any) -> dict[str, Any]:
    """What a collector publishes of an exchange until that has finished."""
    broker = Nats(folder, port)
    broker.start()
    try:
        service = CollectorService(
            settings(exchange.environment, **more),
            NatsSettings(_env_file=None, url=broker.url, stream_max_bytes=32 << 20),
            CollectorMetrics(CollectorRegistry()),
        )
        work = asyncio.create_task(service.run())
        try:
            async with asyncio.timeout(60):
                await exchange.finished()
        finally:
            work.cancel()
            await asyncio.wait([work])
        found: dict[str, Any] = {}
        for kind in TYPES:
            rows = defaultdict(list)
            for row in await broker.rows(kind):
                rows[row["exchange"], row["market_type"], row["symbol"]].append(row)
            found[kind] = dict(rows)
        return found
    finally:
        broker.kill()


async def test_a_recorded_session_replays_to_the_same_rows(tmp_path: Path, free_port: Callable[[], int]) -> None:
    start_ms = 1_790_000_000_000
    options = SimulatorOptions(
        seed=11,
        symbols=("BTCUSDT",),
        venues=(SPOT, LINEAR, INVERSE),
        history_hours=0.02,
        history_step_ms=200,
        clock_ms=lambda: start_ms,
        end_ms=start_ms,
    )
    folder = tmp_path / "recorded"
    async with Simulator(options) as exchange:
        live = await collected(tmp_path / "live", free_port(), exchange, record_dir=folder)
    files = sorted(folder.glob(f"*{SUFFIX}"))
    assert [file.name.partition("_")[0] for file in files] == [INVERSE, LINEAR, SPOT]
    assert {line.transport for file in files for line in read_lines(file)} == {"ws", "http"}
    async with ReplayServer(files) as replay:
        again = await collected(tmp_path / "again", free_port(), replay)
    for kind in TYPES:
        assert len(live[kind]) == 3
        assert live[kind] == again[kind], kind


async def test_files_end_at_their_limits_and_the_oldest_go(tmp_path: Path) -> None:
    now = 1_790_000_000.0
    recorder = Recorder(tmp_path, Limits(file_bytes=2_000, file_s=10, total_bytes=6_000, total_s=1e9), lambda: now)
    texts = []
    for number in range(12):
        for _ in range(3):
            texts.append(f"{number} " + "".join(chr(33 + (number * 7919 + i * i * 31) % 90) for i in range(900)))
            recorder.add(("binance", "spot"), int(now * 1e6), "ws", "wss://x", texts[-1].encode())
        await recorder.flush()
        now += 4
    await recorder.close()
    files = sorted(tmp_path.glob(f"*{SUFFIX}"))
    kept = [line.payload for file in files for line in read_lines(file)]
    assert kept == texts[-len(kept) :]
    assert 1 < len(files) < 12
    assert sum(file.stat().st_size for file in files) < 6_000 + 4_000


async def test_a_disk_that_refuses_ends_the_recording_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(tmp_path / "gone", Limits())
    (tmp_path / "gone").rmdir()
    recorder.add(("binance", "spot"), 1, "ws", "wss://x", b"{}")
    await recorder.flush()
    recorder.add(("binance", "spot"), 1, "ws", "wss://x", b"{}")
    await recorder.close()
    assert "No such file" in recorder.stopped
    assert "nothing more is recorded" in caplog.text


async def test_a_killed_collector_leaves_whole_lines(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, Limits())
    running = asyncio.create_task(recorder.run())
    recorder.add(("binance", "spot"), 1, "ws", "wss://x", b'{"a":1}')
    await until(lambda: any(file.stat().st_size for file in tmp_path.glob(f"*{SUFFIX}")), 5)
    running.cancel()
    (file,) = tmp_path.glob(f"*{SUFFIX}")
    import zstandard

    text = zstandard.ZstdDecompressor().decompressobj().decompress(file.read_bytes())
    assert json.loads(text)["payload"] == '{"a":1}'
