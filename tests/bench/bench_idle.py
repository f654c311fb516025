"""CPU of each process of ``marketprism up --simulate`` in steady state, and of each refreshable view by itself.

``python -m tests.bench.bench_idle [--seconds 60] [--history-hours 0.5]``: the simulated market plays its history first;
counting starts when trades are of the present and every view has been refreshed. What the engine spends without
refreshes is measured right after in the same run, with its views stopped: the difference is what they cost.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import clickhouse_connect

from marketprism.supervisor.ports import free_ports

TICKS = os.sysconf("SC_CLK_TCK")
F = "marketprism_features"
BEHIND = "SELECT count() = 0 OR dateDiff('second', max(timestamp), now64(3)) > 20 FROM marketprism_hot.trades"
UNREFRESHED = (
    f"SELECT count() FROM system.view_refreshes WHERE database = '{F}' AND last_success_time IS NULL "
    "AND view IN ('latest_features_mv', 'latest_buckets', 'latest_details', 'latest_minutes', 'recent_buckets')"
)


def children(root: int) -> dict[int, str]:
    """Every descendant of a process: its id, and what it is."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            words = (entry / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue  # ended while we looked
        if parent == root:
            found[int(entry.name)] = words[words.index("-m") + 1] if "-m" in words else Path(words[0]).name
            found |= children(int(entry.name))
    return found


def cpu_s(process: int) -> float:
    """Processor seconds of a process so far, user and system."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def cores(processes: dict[int, str], seconds: float) -> dict[str, float]:
    """Mean cores of each over the next seconds."""
    before = {process: cpu_s(process) for process in processes}
    begun = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - begun
    return {name: round((cpu_s(process) - before[process]) / passed, 3) for process, name in processes.items()}


def until(client: Any, sql: str, seconds: float) -> None:
    """Wait until a query says 0. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while int(client.command(sql)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:g} s still true: {sql}")
        time.sleep(1)


def connect(port: int) -> Any:
    """A client of the embedded ClickHouse once its tables are there. Raises TimeoutError."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            client = clickhouse_connect.get_client(host="127.0.0.1", port=port)
            if int(client.command(f"SELECT count() FROM system.tables WHERE database = '{F}'")) > 50:
                return client
        except clickhouse_connect.driver.exceptions.Error:
            pass  # not listening yet
        time.sleep(1)
    raise TimeoutError("no ClickHouse after 120 s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--history-hours", type=float, default=0.5)
    given = parser.parse_args()
    names = (
        *("EMBEDDED_CLICKHOUSE", "EMBEDDED_NATS", "COLLECTOR_METRICS"),
        "STORAGE_METRICS",
        "MONITOR_METRICS",
        "WEB",
    )
    ports = free_ports(len(names))
    environment = {f"MARKETPRISM_{name}_PORT": str(port) for name, port in zip(names, ports, strict=True)}
    with tempfile.TemporaryDirectory(prefix="idle-") as folder:
        up = subprocess.Popen(
            [
                *(sys.executable, "-m", "marketprism", "up", "--simulate", "--no-table"),
                *("--data", folder, "--history-hours", str(given.history_hours)),
            ],
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
        )
        try:
            client = connect(ports[0])
            until(client, BEHIND, 240)
            until(client, UNREFRESHED, 120)
            symbols = int(client.command(f"SELECT count() FROM {F}.latest_features"))
            processes = {up.pid: "supervisor"} | children(up.pid)
            refreshing = cores(processes, given.seconds)
            client.command("SYSTEM STOP VIEWS")
            stopped = cores(processes, given.seconds / 2)
            client.command("SYSTEM START VIEWS")
            print(json.dumps({"symbols": symbols, "cores": refreshing}))
            of_views = refreshing["marketprism.embedded"] - stopped["marketprism.embedded"]
            print(
                json.dumps({"engine_without_refreshes": stopped["marketprism.embedded"], "views": round(of_views, 3)})
            )
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait(30)


if __name__ == "__main__":
    main()
