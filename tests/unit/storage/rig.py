"""Real processes for storage tests: nats-server, the embedded ClickHouse, the storage service; each can be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import clickhouse_connect
import nats

from marketprism.embedded.nats import prepare, server_binary
from marketprism.migrate import migrate
from marketprism.settings import EmbeddedSettings, NatsSettings
from marketprism.streams import ensure_streams
from marketprism.subjects import POSITIONS_BUCKET, stream_name
from marketprism.supervisor.ports import free_ports
from storage_service.position import Cell, Positions
from tests.migrated import Template
from tests.unit.storage.ledger import Ledger, headers

REPOSITORY = Path(__file__).resolve().parents[3]


def free_port() -> int:
    return free_ports(1)[0]


class Rig:
    """One directory, one NATS port, one ClickHouse port, for as long as a test runs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.nats_port, self.clickhouse_port, self.metrics_port = free_ports(3)
        self.nats_settings = NatsSettings(
            url=f"nats://127.0.0.1:{self.nats_port}", stream_max_bytes=256 << 20, _env_file=None
        )
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("MARKETPRISM_")},
            "MARKETPRISM_CLICKHOUSE_URL": f"http://127.0.0.1:{self.clickhouse_port}",
            "MARKETPRISM_NATS_URL": self.nats_settings.url,
            "MARKETPRISM_NATS_STREAM_MAX_BYTES": str(256 << 20),
            "MARKETPRISM_EMBEDDED_CLICKHOUSE_PORT": str(self.clickhouse_port),
            "MARKETPRISM_EMBEDDED_REFRESH_VIEWS": "false",  # what refreshes itself is not tested here
            "MARKETPRISM_STORAGE_METRICS_PORT": str(self.metrics_port),
            "MARKETPRISM_DATA_DIR": str(self.data),
        }

    # Processes

    def spawn(self, name: str, command: list[str], **environment: str) -> subprocess.Popen[bytes]:
        log = (self.directory / f"{name}.log").open("ab")
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env={**self.environment, **environment}, stdout=log, stderr=log
        )
        self.processes[name] = process
        return process

    def start_nats(self) -> None:
        command = prepare(
            self.directory / "nats", port=self.nats_port, embedded=EmbeddedSettings(), settings=self.nats_settings
        )
        assert Path(command[0]) == server_binary()
        self.spawn("nats", command)
        self._until_port("nats", self.nats_port)

    def start_clickhouse(self, module: str = "marketprism.embedded") -> None:
        self.spawn("clickhouse", [sys.executable, "-m", module])
        self._until_port("clickhouse", self.clickhouse_port)

    def start_storage(self, **environment: str) -> subprocess.Popen[bytes]:
        return self.spawn("storage", [sys.executable, "-m", "storage_service"], **environment)

    def kill(self, name: str) -> None:
        """SIGKILL and wait."""
        process = self.processes.pop(name)
        process.kill()
        process.wait(20)

    def stop(self, name: str, timeout: float = 30) -> int:
        """SIGTERM and wait; the exit code."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout)

    def close(self) -> None:
        for name in [name for name in ("storage", "clickhouse", "nats") if name in self.processes]:
            self.kill(name)

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    def _until_port(self, name: str, port: int) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.processes[name].poll() is not None:
                raise AssertionError(f"{name} ended: {self.log(name)[-2000:]}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(f"{name} does not listen on {port}: {self.log(name)[-2000:]}")

    # ClickHouse

    def client(self) -> Any:
        return clickhouse_connect.get_client(host="127.0.0.1", port=self.clickhouse_port)

    def migrate(self) -> None:
        migrate(self.client())

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        client = self.client()
        try:
            return list(client.query(query).result_rows)
        finally:
            client.close()

    # NATS

    async def connect(self) -> tuple[Any, Any]:
        async def quiet(_: Exception) -> None:
            return

        nc = await nats.connect(self.nats_settings.url, error_cb=quiet, max_reconnect_attempts=-1)
        return nc, nc.jetstream()

    async def streams(self) -> None:
        nc, js = await self.connect()
        await ensure_streams(js, self.nats_settings)
        await nc.close()

    async def publish(self, frames: list[tuple[str, bytes]], salt: str = "") -> None:
        nc, js = await self.connect()
        for subject, payload in frames:
            await js.publish(subject, payload, headers=headers(subject, payload, salt))
        await nc.close()

    async def cell(self, data_type: str = "trades") -> Cell | None:
        nc, js = await self.connect()
        try:
            return await Positions(await js.key_value(POSITIONS_BUCKET)).read(data_type, 0)
        finally:
            await nc.close()

    async def until_says(self, name: str, text: str, timeout: float = 20) -> None:
        """Until the log of a process has this text."""
        deadline = time.monotonic() + timeout
        while text not in self.log(name):
            assert time.monotonic() < deadline, self.log(name)[-2000:]
            await asyncio.sleep(0.1)

    async def until_stored(self, data_type: str = "trades", timeout: float = 40) -> None:
        """Until the recorded position is at the stream's end; ``timeout`` is for how long it may stand still."""
        nc, js = await self.connect()
        positions = Positions(await js.key_value(POSITIONS_BUCKET))
        moved, before = time.monotonic(), None
        try:
            while True:
                info = await js.stream_info(stream_name(data_type))
                cell = await positions.read(data_type, 0)
                if cell != before:
                    moved, before = time.monotonic(), cell
                created = int(info.created.timestamp() * 1e6) if info.created else 0
                at_end = cell is not None and (cell.stream_created, cell.last) == (created, info.state.last_seq)
                if cell is not None and cell.state == "done" and at_end:
                    return
                if time.monotonic() > moved + timeout:
                    raise AssertionError(f"not stored: {info.state} {cell}; {self.log('storage')[-3000:]}")
                await asyncio.sleep(0.05)
        finally:
            await nc.close()


@contextmanager
def running(directory: Path, migrated: Template) -> Iterator[Rig]:
    """A rig with NATS and a migrated ClickHouse; whatever runs is killed at the end."""
    rig = Rig(directory)
    try:
        rig.start_nats()
        migrated.seed(rig.data)
        rig.start_clickhouse()
        yield rig
    finally:
        rig.close()


def assert_equals_ledger(rig: Rig, ledger: Ledger) -> None:
    """Rows, bucket sums and minute sums are those of the ledger, to the last digit."""
    stored = Counter(rig.rows("SELECT symbol, sequence, price, quantity, side FROM marketprism_hot.trades"))
    expected = ledger.expected_rows()
    assert stored - expected == Counter(), f"doubled or foreign: {list((stored - expected).items())[:5]}"
    assert expected - stored == Counter(), f"lost: {list((expected - stored).items())[:5]}"
    for table in ("bucket_flow", "trades_1m"):
        if not rig.rows(f"SELECT 1 FROM system.tables WHERE database = 'marketprism_features' AND name = '{table}'"):
            continue
        names = {row[0] for row in rig.rows(f"DESCRIBE TABLE marketprism_features.{table}")}
        if not {"trades", "vol", "notional"} <= names:
            continue
        sums = rig.rows(
            f"SELECT symbol, sum(trades), sum(vol), sum(notional) FROM marketprism_features.{table} GROUP BY 1"
        )
        got = {row[0]: (int(row[1]), Decimal(row[2]), Decimal(row[3])) for row in sums}
        assert got == ledger.volumes(), table
