"""What storage does when ClickHouse is short of something, and what the collector does when a stream takes no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from nats.js.api import DiscardPolicy
from prometheus_client import REGISTRY, CollectorRegistry

from collector.framing import Frame
from collector.metrics import CollectorMetrics
from collector.publisher import Publisher
from marketprism.settings import ClickHouseSettings, StorageSettings
from marketprism.streams import ensure_streams, stream_config
from marketprism.subjects import stream_name
from storage_service import clickhouse_io
from storage_service.service import StorageService
from tests.migrated import Template
from tests.unit.storage.rig import Rig, running
from tests.unit.storage.samples import row

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("storage-service")]

TYPE = "liquidations"
TABLE = f"marketprism_hot.{TYPE}"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, migrated: Template) -> Iterator[Rig]:
    with running(tmp_path_factory.mktemp("pressure"), migrated) as rig:
        yield rig


@asynccontextmanager
async def storing(rig: Rig, settings: StorageSettings) -> AsyncIterator[StorageService]:
    """The service in this process, so that its settings can be changed under way."""
    clickhouse = ClickHouseSettings(url=f"http://127.0.0.1:{rig.clickhouse_port}", _env_file=None)
    service = StorageService(clickhouse, rig.nats_settings, settings, (TYPE,))
    task = asyncio.create_task(service.run())
    try:
        yield service
    finally:
        service.stop.set()
        await task


async def until(what: Callable[[], bool], timeout: float = 40) -> None:
    async with asyncio.timeout(timeout):
        while not what():
            await asyncio.sleep(0.02)


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def frames(first: int, count: int) -> list[tuple[str, bytes]]:
    rows = [row(TYPE, symbol="BTCUSDT", timestamp=1_700_000_000_000 + first + n) for n in range(count)]
    return [(f"md.{TYPE}.binance.linear.BTCUSDT", msgspec.json.encode(r) + b"\n") for r in rows]


async def presses(rig: Rig, reason: str, settings: StorageSettings, relieve: Callable[[], object]) -> None:
    """Published rows wait, visibly, and are stored once when there is room again."""
    [(before,)] = rig.rows(f"SELECT count() FROM {TABLE}")
    async with storing(rig, settings) as service:
        await rig.publish(frames(1_000 * before, 20))
        await until(lambda: metric("marketprism_storage_pressure", data_type=TYPE, reason=reason) == 1)
        [text] = service.state()["pressure"].values()  # type: ignore[attr-defined]
        assert text.startswith(reason)
        cell = await rig.cell(TYPE)
        assert cell is None or cell.state == "intent" or cell.last == before, "nothing is done that is not stored"
        assert rig.rows(f"SELECT count() FROM {TABLE}") == [(before,)]
        relieve()
        await rig.until_stored(TYPE)
        await until(lambda: metric("marketprism_storage_pressure", data_type=TYPE, reason=reason) == 0)
        assert service.state()["pressure"] == {}
    assert rig.rows(f"SELECT count(), uniqExact(timestamp) FROM {TABLE}") == [(before + 20, before + 20)]


def made(**values: float) -> StorageSettings:
    return StorageSettings(disk_check_s=0.1, lease_s=5, **values, _env_file=None)  # type: ignore[arg-type]


async def test_too_many_parts_wait_for_merges(rig: Rig) -> None:
    await rig.streams()
    async with storing(rig, made()):
        await rig.publish(frames(0, 1))
        await rig.until_stored(TYPE)
    client = rig.client()
    client.command(f"ALTER TABLE {TABLE} MODIFY SETTING parts_to_throw_insert = 1")
    try:
        await presses(
            rig, "parts", made(), lambda: client.command(f"ALTER TABLE {TABLE} RESET SETTING parts_to_throw_insert")
        )
    finally:
        client.close()


async def test_memory_limit_is_waited_out(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.streams()
    short = {**clickhouse_io.ONE_BLOCK, "max_memory_usage": 50_000, "max_untracked_memory": 1}
    with monkeypatch.context() as patch:
        patch.setattr(clickhouse_io, "ONE_BLOCK", short)
        await presses(rig, "memory", made(), patch.undo)


async def test_a_nearly_full_disk_pauses_inserts(rig: Rig) -> None:
    await rig.streams()
    settings = made(min_free_disk_mb=10**9)

    def make_room() -> None:
        settings.min_free_disk_mb = 0

    await presses(rig, "disk", settings, make_room)
    assert metric("marketprism_storage_disk_free_bytes") > 0


async def test_a_stream_that_takes_no_more_holds_the_collector_back(rig: Rig) -> None:
    """JetStream refuses (its store is full): the collector keeps what it has, reads no more, and loses nothing."""
    nc, js = await rig.connect()
    await rig.streams()
    config = stream_config("trades", 0, rig.nats_settings)
    config.discard, config.max_msgs = DiscardPolicy.NEW, 30
    await js.update_stream(config)
    metrics = CollectorMetrics(CollectorRegistry())
    stored: list[bytes] = []

    async def prepared(_: object) -> None:
        return

    publisher = Publisher(
        rig.nats_settings,
        metrics,
        prepare=prepared,
        stored=lambda frame: stored.append(frame.payload),
        window=8,
        max_pending_bytes=2_000,
    )
    running = asyncio.create_task(publisher.run())
    payloads = [b'{"n":%d,"filling":"%b"}\n' % (n, b"x" * 50) for n in range(100)]
    for payload in payloads:
        publisher.offer(Frame("md.trades.binance.spot.X", payload, 1, "trades", "binance", "spot", {}))
    await until(lambda: metrics.publish_errors._value.get() > 0)
    assert publisher.full, "readers of sockets wait for room"
    assert len(stored) <= 30
    await ensure_streams(js, rig.nats_settings)  # the operator makes room: the limits of the settings again
    async with asyncio.timeout(40):
        await publisher.drained()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert stored == payloads
    state = (await js.stream_info(stream_name("trades"))).state
    kept = [(await js.get_msg(stream_name("trades"), seq=n)).data for n in range(1, state.last_seq + 1)]
    assert sorted(kept) == sorted(payloads), "each is stored once"
    await nc.close()
