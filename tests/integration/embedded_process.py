"""A real embedded ClickHouse process for a test: its own data directory and a free port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import clickhouse_connect
import urllib3

from marketprism.supervisor.ports import free_ports


class EmbeddedServer:
    """``python -m marketprism.embedded`` on a free port; ``environment`` adds MARKETPRISM_EMBEDDED_… settings."""

    def __init__(self, data: Path, **environment: str) -> None:
        [self.port] = free_ports(1)
        self.data = data
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {f"MARKETPRISM_EMBEDDED_{name.upper()}": value for name, value in environment.items()}
        self._http = urllib3.PoolManager(maxsize=32, retries=False)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> EmbeddedServer:
        self.process = self.spawn()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if self._http.request("GET", self.url + "/ping").status == 200:
                    return self
            except urllib3.exceptions.HTTPError:
                assert self.process.poll() is None, self.log()
                time.sleep(0.05)
        raise AssertionError("the embedded ClickHouse did not answer within 60 s: " + self.log())

    def stand_still(self) -> EmbeddedServer:
        """Once started: views that refresh themselves do not, and take no half core from what is tested."""
        self._environment["MARKETPRISM_EMBEDDED_REFRESH_VIEWS"] = "false"
        return self

    def spawn(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start a process on this directory and port without waiting for it."""
        settings = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MARKETPRISM_EMBEDDED_")},
            "MARKETPRISM_DATA_DIR": str(self.data),
            "MARKETPRISM_EMBEDDED_CLICKHOUSE_PORT": str(self.port),
            **self._environment,
            **environment,
        }
        self.data.mkdir(parents=True, exist_ok=True)
        with (self.data / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "marketprism.embedded"], env=settings, stderr=log, cwd=self.data
            )

    def log(self) -> str:
        return (self.data / "log").read_text()

    def stop(self, signal_number: int = signal.SIGTERM, timeout: float = 20) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        return self.process.wait(timeout)

    def client(self, **arguments: Any) -> Any:
        return clickhouse_connect.get_client(**{"host": "127.0.0.1", "port": self.port, **arguments})

    def post(self, sql: str | bytes, headers: dict[str, str] | None = None, **url: object) -> urllib3.BaseHTTPResponse:
        target = self.url + "/?" + urlencode({name: str(value) for name, value in url.items()})
        return self._http.request("POST", target, body=sql, headers=headers)

    def get(self, sql: str, headers: dict[str, str] | None = None, **url: object) -> urllib3.BaseHTTPResponse:
        target = self.url + "/?" + urlencode({"query": sql, **{name: str(value) for name, value in url.items()}})
        return self._http.request("GET", target, headers=headers)

    def ask(self, sql: str, **url: object) -> str:
        """The answer's text; an error fails the test."""
        response = self.post(sql, **url)
        assert response.status == 200, response.data.decode()
        return response.data.decode().rstrip("\n")

    def connect(self) -> socket.socket:
        """A bare TCP connection, for what no client would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def resident_mb(self) -> int:
        assert self.process is not None
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") >> 20


def eventually(question: Any, timeout: float = 15) -> None:
    """Wait until ``question()`` is true; ask again every 20 ms."""
    deadline = time.monotonic() + timeout
    while not question():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.02)
