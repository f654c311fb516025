"""The embedded nats-server: real process, JetStream on, private configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import nats

from marketprism.embedded.nats import configuration, jetstream_answers, prepare
from marketprism.settings import EmbeddedSettings, NatsSettings
from marketprism.streams import ensure_streams, stream_config
from marketprism.subjects import Subject, partition_of, routed, stream_name
from marketprism.supervisor.child import Part
from marketprism.supervisor.supervise import Supervisor


async def test_serves_jetstream_with_our_limits(tmp_path: Path, free_port: Callable[[], int]) -> None:
    port = free_port()
    settings = NatsSettings(user="mp", password="s3cret", _env_file=None)  # type: ignore[arg-type]
    command = prepare(tmp_path / "nats", port=port, embedded=EmbeddedSettings(), settings=settings)
    assert (tmp_path / "nats" / "nats.conf").stat().st_mode & 0o077 == 0

    async def healthy() -> bool:
        return await jetstream_answers("127.0.0.1", port)

    assert not await healthy()
    supervisor = Supervisor(tmp_path / "logs", lambda _: None)
    await supervisor.start(Part("nats", tuple(command), healthy))
    try:
        client = await nats.connect(f"nats://127.0.0.1:{port}", user="mp", password="s3cret")
        info = await client.jetstream().account_info()
        assert client.max_payload == 8 << 20
        for _ in range(2):  # the second comer finds all streams there
            await ensure_streams(client.jetstream(), settings)
        assert info.limits.max_storage in (-1, settings.stream_max_bytes * 12 + (1 << 30))
        await client.close()
    finally:
        assert await asyncio.wait_for(supervisor.stop(["nats"]), 5)


async def test_plain_subjects_reach_the_partition_that_we_compute(tmp_path: Path, free_port: Callable[[], int]) -> None:
    port = free_port()
    settings = NatsSettings(partitions=5, stream_max_bytes=1 << 20)
    command = prepare(tmp_path / "nats", port=port, embedded=EmbeddedSettings(), settings=settings)

    async def healthy() -> bool:
        return await jetstream_answers("127.0.0.1", port)

    supervisor = Supervisor(tmp_path / "logs", lambda _: None)
    await supervisor.start(Part("nats", tuple(command), healthy))
    try:
        client = await nats.connect(f"nats://127.0.0.1:{port}")
        js = client.jetstream()
        for partition in range(5):
            await js.add_stream(stream_config("trades", partition, settings))
        found = set()
        for symbol in (
            "BTCUSDT",
            "ETHUSDT",
            "BTC-USDT-SWAP",
            "BTC_USDC-PERPETUAL",
            *(f"S{n}USD_PERP" for n in range(12)),
        ):
            partition = partition_of("binance", "spot", symbol, 5)
            subject = str(Subject.of("trades", "binance", "spot", symbol))
            for name in (subject, routed(subject, partition, 5)):
                ack = await js.publish(name, symbol.encode())
                assert ack.stream == stream_name("trades", partition), name
                stored = await js.get_msg(ack.stream, seq=ack.seq)
                assert stored.subject == f"p.{partition}.{subject}"
            found.add(partition)
        assert found == set(range(5))
        await client.close()
    finally:
        assert await asyncio.wait_for(supervisor.stop(["nats"]), 5)


def test_file_store_has_room_for_every_stream(tmp_path: Path) -> None:
    settings = NatsSettings(partitions=2, stream_max_bytes=1 << 20)
    text = configuration(tmp_path, host="127.0.0.1", port=1, settings=settings, fsync=True)
    assert f"max_file_store: {23 * (1 << 20) + (1 << 30)}" in text
    assert 'sync_interval: "1s"' in text
    assert "authorization" not in text
