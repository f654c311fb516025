"""Three nats-server processes with the configuration of docker-compose.cluster.yml, each of which can be killed."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any, Final

import nats
import yaml

from marketprism.embedded.nats import server_binary
from marketprism.supervisor.ports import free_ports
from tests.unit.storage.rig import REPOSITORY

NAMES: Final = ("nats-1", "nats-2", "nats-3")
_PASSWORD: Final = "s3cret"


class NatsCluster:
    """Start with ``start()``; ``url`` names all three nodes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        ports = free_ports(6)
        self._clients, self._routes = dict(zip(NAMES, ports[:3], strict=True)), dict(zip(NAMES, ports[3:], strict=True))
        compose = yaml.safe_load((REPOSITORY / "docker-compose.cluster.yml").read_text())
        self._template: str = compose["configs"]["nats"]["content"]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        return ",".join(f"nats://127.0.0.1:{port}" for port in self._clients.values())

    def environment(self) -> dict[str, str]:
        """What a service needs to use the cluster."""
        return {
            "MARKETPRISM_NATS_URL": self.url,
            "MARKETPRISM_NATS_USER": "marketprism",
            "MARKETPRISM_NATS_PASSWORD": _PASSWORD,
            "MARKETPRISM_NATS_REPLICAS": "3",
            "MARKETPRISM_NATS_PARTITIONS": "1",
        }

    def start(self, *names: str) -> None:
        """Start these nodes (all by default)."""
        for name in names or NAMES:
            folder = self._directory / name
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / "nats.conf"
            file.write_text(self._configuration(name, folder))
            log = (self._directory / f"{name}.log").open("ab")
            self.processes[name] = subprocess.Popen([str(server_binary()), "-c", str(file)], stdout=log, stderr=log)

    def _configuration(self, name: str, folder: Path) -> str:
        text = self._template.replace("$$NODE", name).replace("$$NATS_PASSWORD", _PASSWORD)
        text = text.replace("0.0.0.0:4222", f"127.0.0.1:{self._clients[name]}")
        text = text.replace("0.0.0.0:6222", f"127.0.0.1:{self._routes[name]}").replace('"/data"', f'"{folder}"')
        for other, port in self._routes.items():
            text = text.replace(f"nats://{other}:6222", f"nats://127.0.0.1:{port}")
        return "\n".join(line for line in text.splitlines() if not line.startswith("http:"))

    def kill(self, name: str) -> None:
        """SIGKILL and wait."""
        process = self.processes.pop(name)
        process.kill()
        process.wait(20)

    async def connect(self) -> Any:
        """A client that goes from node to node."""

        async def quiet(_: Exception) -> None:
            return

        deadline = time.monotonic() + 60
        while True:
            try:
                return await nats.connect(
                    self.url.split(","),
                    user="marketprism",
                    password=_PASSWORD,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=0.1,
                    error_cb=quiet,
                )
            except (nats.errors.Error, OSError):
                assert time.monotonic() < deadline, "no node answers"

    def close(self) -> None:
        for name in list(self.processes):
            self.kill(name)
