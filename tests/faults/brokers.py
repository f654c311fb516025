"""A nats-server that chooses its own port: of many that start at once, two never ask for the same."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from tests.integration.test_collector_delivery import SERVER, Nats

_START_S = 60.0


class Broker(Nats):
    """Started once; reads as the one that it is."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 0)

    def start(self) -> None:
        """Raises RuntimeError when it does not listen."""
        told = self.folder / "ports"
        told.mkdir(parents=True)
        command = [str(SERVER), "-js", "-sd", str(self.folder), "-a", "127.0.0.1", "-p", "-1"]
        self.process = subprocess.Popen(
            [*command, "--ports_file_dir", str(told)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + _START_S
        while not (files := list(told.glob("*.ports"))) or not (text := files[0].read_text()):
            if time.monotonic() > until or self.process.poll() is not None:
                raise RuntimeError("nats-server does not listen")
            time.sleep(0.02)
        self.url = json.loads(text)["nats"][0]
