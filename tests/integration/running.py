"""A ``marketprism up`` of its own for a test: real processes, free ports, its own data directory."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from marketprism.supervisor.ports import free_ports
from tests.integration import commands

START_S = 60.0


def port_environment() -> dict[str, str]:
    """Free ports for every part, as settings."""
    names = (
        "MARKETPRISM_EMBEDDED_CLICKHOUSE_PORT",
        "MARKETPRISM_EMBEDDED_NATS_PORT",
        "MARKETPRISM_COLLECTOR_METRICS_PORT",
        "MARKETPRISM_STORAGE_METRICS_PORT",
        "MARKETPRISM_MONITOR_METRICS_PORT",
        "MARKETPRISM_WEB_PORT",
    )
    return {name: str(port) for name, port in zip(names, free_ports(len(names)), strict=True)}


def marketprism(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    code, out, err = commands.run(arguments, cwd, {**os.environ, **environment}, timeout_s=60)
    return subprocess.CompletedProcess(("marketprism", *arguments), code, out, err)


class Running:
    """``up --json`` as a child: its status lines as they come, its stderr kept."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.environment = {**port_environment(), "MARKETPRISM_DATA_DIR": str(self.data), **environment}
        self.stderr_file = folder / "stderr.txt"
        self._statuses: queue.Queue[dict[str, Any] | None] = queue.Queue()
        with self.stderr_file.open("a") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "marketprism", "up", "--json", *arguments],
                cwd=folder,
                env={**os.environ, **self.environment},
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._statuses.put(json.loads(line))
        self._statuses.put(None)

    @property
    def stderr(self) -> str:
        return self.stderr_file.read_text()

    @property
    def clickhouse_url(self) -> str:
        return f"http://127.0.0.1:{self.environment['MARKETPRISM_EMBEDDED_CLICKHOUSE_PORT']}"

    def said(self) -> str:
        """The newest status and the ends of all logs, for the report of a failed test."""
        newest = None
        while not self._statuses.empty():
            newest = self._statuses.get_nowait() or newest
        logs = (self.stderr_file, *sorted((self.data / "logs").glob("*.log")))
        ends = [f"== {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in logs]
        return "\n".join((json.dumps(newest), *ends))

    def until(self, what: Callable[[dict[str, Any]], bool], timeout_s: float = START_S) -> dict[str, Any]:
        """The first status that satisfies ``what``."""
        deadline, last = time.monotonic() + timeout_s, None
        while (left := deadline - time.monotonic()) > 0:
            try:
                status = self._statuses.get(timeout=left)
            except queue.Empty:
                break
            assert status is not None, f"marketprism up ended: {self.stderr[-2000:]}"
            last = status
            if what(status):
                return status
        raise AssertionError(f"not within {timeout_s} s; last {json.dumps(last)[:2000]}; {self.stderr[-2000:]}")

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another marketprism command beside the run."""
        return marketprism(*arguments, cwd=self.folder, **self.environment)

    def pids(self) -> dict[str, int]:
        """Name → pid of each running child."""
        status = self.until(lambda _: True, timeout_s=20)
        return {part["name"]: part["pid"] for part in status["parts"] if part["running"]}

    def stop(self, number: signal.Signals = signal.SIGINT) -> float:
        """Send the signal; seconds until the end."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(timeout=30)
        return time.monotonic() - began

    def kill(self) -> None:
        """After a failed test: leave nothing behind (the children die with it)."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
