"""Several storage processes share four partitions: they join, leave, die, and one wakes up after it was replaced."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nats.errors import Error as NatsError
from nats.js.errors import BucketNotFoundError, KeyNotFoundError

from marketprism.clickhouse import DEDUPLICATION_WINDOW
from marketprism.errors import NatsUnreachable
from marketprism.migrate import migrate
from marketprism.settings import NatsSettings
from marketprism.streams import ensure_streams
from marketprism.subjects import POSITIONS_BUCKET, Subject, partition_of, routed, stream_name
from storage_service.position import Positions
from storage_service.registry import KEY, Registry
from tests.faults.nats_cluster import NatsCluster
from tests.unit.storage.ledger import Ledger, headers
from tests.unit.storage.rig import REPOSITORY, Rig, assert_equals_ledger

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(400)]

PARTITIONS = 4
LEASE_S = 3.0
NEEDED = ("create_bucket_config", "create_bucket_days", "create_bucket_flow", "add_lease_to_hot_tables")
WINDOW = "non_replicated_deduplication_window"
REFUSED, REPLACED = "refused what came after the lease's end", "others have taken over what was ours"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "PEPEUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT", "LTCUSDT")


class Workers(Rig):
    """A rig whose streams have four partitions and which runs several storage processes."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        values = self.nats_settings.model_dump() | {"partitions": PARTITIONS, "stream_max_bytes": 32 << 20}
        self.nats_settings = NatsSettings(**values, _env_file=None)
        self.environment |= {
            "MARKETPRISM_NATS_PARTITIONS": str(PARTITIONS),
            "MARKETPRISM_NATS_STREAM_MAX_BYTES": str(32 << 20),
            "MARKETPRISM_STORAGE_LEASE_S": str(LEASE_S),
            "MARKETPRISM_STORAGE_METRICS_PORT": "0",
            "MARKETPRISM_STORAGE_BATCH_MAX_FRAMES": "8",
            "MARKETPRISM_STORAGE_BATCH_MAX_MS": "200",
        }

    def migrate(self) -> None:
        """The hot tables, cold trades and one view of trades: the whole schema costs more than these tests."""
        folder = self.directory / "migrations"
        folder.mkdir()
        for pattern in ("000[1-9]_*", "001[0-5]_*", *(f"*_{name}.sql" for name in NEEDED)):
            for file in (REPOSITORY / "migrations").glob(pattern):
                shutil.copy(file, folder)
        migrate(self.client(), folder)

    def work(self, name: str, partitions: str = "auto", **environment: str) -> None:
        command = [sys.executable, "-m", "tests.faults.trades_worker"]
        self.spawn(name, command, MARKETPRISM_STORAGE_PARTITIONS=partitions, **environment)

    def close(self) -> None:
        for name in [name for name in self.processes if name not in ("clickhouse", "nats")]:
            self.kill(name)
        super().close()

    async def registry(self, js: Any) -> Registry:
        entry = await (await js.key_value(POSITIONS_BUCKET)).get(KEY)
        return msgspec.json.decode(entry.value, type=Registry)

    async def until(self, js: Any, what: Callable[[Registry], bool], timeout: float = 80) -> Registry:
        """The first registry that satisfies ``what``."""
        deadline = time.monotonic() + timeout
        registry = Registry()
        while time.monotonic() < deadline:
            with suppress(BucketNotFoundError, KeyNotFoundError):  # nobody has joined yet
                registry = await self.registry(js)
            if registry.members and what(registry):
                return registry
            await asyncio.sleep(0.1)
        logs = {name: self.log(name)[-1500:] for name in self.processes if name not in ("clickhouse", "nats")}
        raise AssertionError(f"not within {timeout} s: {registry}; {logs}")

    def member(self, registry: Registry, name: str) -> str:
        """The member that is this process; '' when it is none."""
        pid = self.processes[name].pid
        return next((member for member, m in registry.members.items() if m.pid == pid), "")

    def shares(self, registry: Registry, *names: str) -> list[int]:
        return [len(registry.owned_by(self.member(registry, name))) for name in names]

    async def until_all_stored(self, js: Any) -> None:
        positions = Positions(await js.key_value(POSITIONS_BUCKET))
        deadline = time.monotonic() + 60
        for partition in range(PARTITIONS):
            while True:
                state = (await js.stream_info(stream_name("trades", partition))).state
                cell = await positions.read("trades", partition)
                if not state.last_seq or (cell and cell.state == "done" and cell.last == state.last_seq):
                    break
                assert time.monotonic() < deadline, f"partition {partition}: {state}, {cell}"
                await asyncio.sleep(0.05)


def frames(ledger: Ledger, count: int) -> list[tuple[str, bytes]]:
    """Frames on the subjects of their partitions."""
    found = []
    for subject, payload in ledger.frames(count):
        named = Subject.parse(subject)
        partition = partition_of(named.exchange, named.market_type, named.symbol, PARTITIONS)
        found.append((routed(subject, partition, PARTITIONS), payload))
    return found


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    rig = Workers(tmp_path_factory.mktemp("workers"))
    try:
        rig.start_nats()
        rig.start_clickhouse()
        rig.migrate()
        yield rig
    finally:
        rig.close()


@asynccontextmanager
async def load(rig: Workers, ledger: Ledger) -> AsyncIterator[None]:
    """Frames all the time, until the block ends; every frame of the ledger is published whole."""
    over = asyncio.Event()

    async def publish() -> None:
        while not over.is_set():
            await rig.publish(frames(ledger, 6))
            await asyncio.sleep(0.2)

    task = asyncio.create_task(publish())
    try:
        yield
    finally:
        over.set()
        await task


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger(seed=29, symbols=SYMBOLS)


async def test_three_processes_join_sleep_wake_die_and_leave(rig: Workers, ledger: Ledger) -> None:
    await rig.streams()
    nc, js = await rig.connect()
    async with load(rig, ledger):
        rig.work("a")
        await rig.until(js, lambda r: rig.shares(r, "a") == [4])
        rig.work("b")
        await rig.until(js, lambda r: rig.shares(r, "a", "b") == [2, 2])
        rig.work("c")
        await rig.until(js, lambda r: sorted(rig.shares(r, "a", "b", "c")) == [1, 1, 2])
        asleep = rig.processes["a"]
        asleep.send_signal(signal.SIGSTOP)
        registry = await rig.until(js, lambda r: rig.shares(r, "b", "c") == [2, 2])
        assert rig.member(registry, "a") == ""
        asleep.send_signal(signal.SIGCONT)
        await rig.until(js, lambda r: sorted(rig.shares(r, "a", "b", "c")) == [1, 1, 2])
        began = time.monotonic()
        rig.kill("b")
        await rig.until(js, lambda r: rig.shares(r, "a", "c") == [2, 2])
        assert time.monotonic() - began < 10 * LEASE_S
        assert rig.stop("c") == 0
        await rig.until(js, lambda r: rig.shares(r, "a") == [4])
    await rig.until_all_stored(js)
    assert REPLACED in rig.log("a")
    assert_equals_ledger(rig, ledger)
    assert rig.stop("a") == 0
    assert (await rig.registry(js)).members == {}
    await nc.close()


async def test_who_falls_asleep_in_the_middle_of_an_insert_cannot_insert_when_it_wakes(
    rig: Workers, ledger: Ledger
) -> None:
    """Its successors have stored so much meanwhile that the engine has forgotten the token: only the lease protects."""
    await rig.streams()
    nc, js = await rig.connect()
    await rig.publish(frames(ledger, 60))
    rig.work("sleeper", MARKETPRISM_FAULT="before_send:trades:3", MARKETPRISM_FAULT_SIGNAL="STOP")
    await rig.until(js, lambda r: rig.shares(r, "sleeper") == [4])
    asleep = rig.processes["sleeper"]
    deadline = time.monotonic() + 30
    while Path(f"/proc/{asleep.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline, rig.log("sleeper")[-2000:]
        await asyncio.sleep(0.05)
    rig.work("heir", "0-3")
    await rig.until(js, lambda r: rig.shares(r, "heir") == [4])
    await rig.until_all_stored(js)  # what lay in the engine without the sleeper's knowledge is known by its token
    rig.client().command(f"ALTER TABLE marketprism_hot.trades MODIFY SETTING {WINDOW} = 4")
    await rig.publish(frames(ledger, 100))
    await rig.until_all_stored(js)
    asleep.send_signal(signal.SIGCONT)
    await rig.until(js, lambda r: rig.member(r, "sleeper") != "" and rig.shares(r, "sleeper", "heir") == [0, 4])
    # its insert was refused by the engine, or another of its tasks found out first and the insert never left
    deadline = time.monotonic() + 20
    while not any(text in rig.log("sleeper") for text in (REFUSED, REPLACED)):
        assert time.monotonic() < deadline, rig.log("sleeper")[-3000:]
        await asyncio.sleep(0.05)
    for name in ("sleeper", "heir"):
        assert rig.stop(name) == 0, name
    assert_equals_ledger(rig, ledger)
    rig.client().command(f"ALTER TABLE marketprism_hot.trades MODIFY SETTING {WINDOW} = {DEDUPLICATION_WINDOW}")
    await nc.close()


async def publish_stubbornly(js: Any, ledger: Ledger, count: int) -> None:
    """In order, each until it is acknowledged: what a leader took with it is sent again under the same id."""
    for subject, payload in ledger.frames(count):
        await answered(partial(js.publish, subject, payload, headers=headers(subject, payload), timeout=2))


async def answered(ask: Callable[[], Awaitable[Any]]) -> Any:
    """The answer of a cluster that may be electing a leader."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return await ask()
        except (NatsError, TimeoutError):
            assert time.monotonic() < deadline, "the cluster has no leader"
            await asyncio.sleep(0.1)


async def until_ready(js: Any, settings: NatsSettings) -> None:
    """The streams are there, with three copies; a cluster first elects who may make them."""
    deadline = time.monotonic() + 60
    while True:
        try:
            await ensure_streams(js, settings)
            return
        except (NatsError, TimeoutError):
            await asyncio.sleep(0.2)
        assert time.monotonic() < deadline, "no leader for the streams"


async def test_leader_of_a_nats_cluster_killed_under_load(rig: Workers, ledger: Ledger, tmp_path: Path) -> None:
    cluster = NatsCluster(tmp_path / "cluster")
    cluster.start()
    settings = NatsSettings(url=cluster.url, replicas=3, stream_max_bytes=32 << 20, _env_file=None)
    stream = stream_name("trades")
    try:
        nc = await cluster.connect()
        js = nc.jetstream(timeout=5)
        await until_ready(js, settings)
        assert (await js.stream_info(stream)).config.num_replicas == 3
        environment = {**cluster.environment(), "MARKETPRISM_STORAGE_LEASE_S": "20"}
        rig.work("storage", **environment)
        for _ in range(2):
            load = asyncio.create_task(publish_stubbornly(js, ledger, 150))
            await asyncio.sleep(0.5)  # under load
            leader = (await answered(lambda: js.stream_info(stream))).cluster.leader
            cluster.kill(leader)
            await load
            cluster.start(leader)
            await until_all_copies(js, stream)
        positions = Positions(await answered(lambda: js.key_value(POSITIONS_BUCKET)))
        read = partial(positions.read, "trades", 0)
        deadline = time.monotonic() + 120
        while (cell := await answered(read)) is None or (cell.last, cell.state) != (300, "done"):
            assert time.monotonic() < deadline, f"{cell}; {rig.log('storage')[-2000:]}"
            if rig.processes["storage"].poll() == NatsUnreachable.exit_code:  # the leader died while it joined
                rig.work("storage", **environment)  # as the supervisor does
            await asyncio.sleep(0.1)
        await nc.close()
        assert_equals_ledger(rig, ledger)
        assert rig.stop("storage") == 0
    finally:
        cluster.close()


async def until_all_copies(js: Any, stream: str) -> None:
    """Every node has caught up, so that the next may die."""
    deadline = time.monotonic() + 60
    while True:
        with suppress(NatsError, TimeoutError):
            found = (await js.stream_info(stream)).cluster
            if found.leader and len(found.replicas) == 2 and all(copy.current for copy in found.replicas):
                return
        assert time.monotonic() < deadline, "a copy does not catch up"
        await asyncio.sleep(0.2)
