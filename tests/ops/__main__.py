"""``make e2e-ops``: faults in a running system; each alert must fire at the receiver and resolve. Times are printed.

The system is ``marketprism up --simulate`` with its own ports and data. Each fault is made, its alert awaited at the
webhook of a real Alertmanager, the fault ended, and the alert's resolution awaited.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.running import Running
from tests.ops import injections
from tests.ops.alerting import LONGEST_FOR_S, Alerting

FIRE_S, RESOLVE_S = 240.0, 420.0
SETTINGS = {
    "MARKETPRISM_MONITOR_INTERVAL_S": "1",
    "MARKETPRISM_MONITOR_QUALITY_INTERVAL_S": "3",
    "MARKETPRISM_MONITOR_LOOK_TIMEOUT_S": "10",
    "MARKETPRISM_MONITOR_DEGRADE_STALE_S": "90",
    "MARKETPRISM_MONITOR_RECOVER_BUCKETS": "2",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done, the alerts that must come, and how it ends."""

    name: str
    alerts: tuple[dict[str, str], ...]
    make: Callable[[], None]
    end: Callable[[], None]


def faults(running: Running, folder: Path) -> Iterator[Fault]:
    """Every fault of the plan, in order."""
    pids = running.pids()

    def sends(name: str, number: signal.Signals) -> Callable[[], None]:
        return lambda: os.kill(pids[name], number)

    def stopped(name: str, *alerts: dict[str, str], label: str = "") -> Fault:
        return Fault(label or f"{name} stopped", alerts, sends(name, signal.SIGSTOP), sends(name, signal.SIGCONT))

    sql = injections.Sql(running.clickhouse_url)
    yield stopped("collector", {"alertname": "ServiceDown", "job": "collector"})
    yield stopped("nats", {"alertname": "NatsDown"})
    yield stopped("clickhouse", {"alertname": "ClickHouseDown"})
    yield stopped(
        "simulator",
        {"alertname": "BucketLagHigh", "symbol": "BTCUSDT"},
        {"alertname": "SymbolDegraded", "symbol": "BTCUSDT"},
        label="bucket stall (exchange silent)",
    )
    yield Fault(
        "id anomaly",
        ({"alertname": "BucketIdAnomaly", "symbol": injections.SYMBOL},),
        lambda: injections.id_anomaly(sql),
        lambda: injections.forget(sql),
    )
    yield Fault(
        "crossed book",
        ({"alertname": "BooksCrossed", "exchange": injections.EXCHANGE},),
        lambda: injections.crossed_books(sql),
        lambda: injections.forget(sql),
    )
    yield Fault(
        "drift",
        ({"alertname": "FeatureDriftsFar", "symbol": injections.SYMBOL},),
        lambda: injections.drift(sql, running, folder),
        lambda: injections.new_reference(sql, running),
    )


@contextmanager
def system(folder: Path) -> Iterator[tuple[Running, Alerting]]:
    """The running stack with its alerting, handed out when no alert but the Watchdog fires."""
    running = Running(folder, "--simulate", "--history-hours", "0.2", **SETTINGS)
    try:
        running.until(lambda status: len(status["symbols"]) >= 4 and status["pending"] < 1000, timeout_s=180)
        jobs = {
            name: int(running.environment[f"MARKETPRISM_{setting}_METRICS_PORT"])
            for name, setting in (("collector", "COLLECTOR"), ("storage", "STORAGE"), ("monitors", "MONITOR"))
        }
        with Alerting(folder / "alerting", jobs) as alerting:
            alerting.heard.wait("firing", {"alertname": "Watchdog"}, 60)
            yield running, alerting
    finally:
        running.kill()


def play(fault: Fault, alerting: Alerting) -> bool:
    """One fault; prints its line. True when every alert came and went."""
    began = time.monotonic()
    ended = None
    try:
        fault.make()
        made = time.monotonic()
        for alert in fault.alerts:
            alerting.heard.wait("firing", alert, FIRE_S)
        fired = time.monotonic() - made
        ended = time.monotonic()
        fault.end()
        for alert in fault.alerts:
            alerting.heard.wait("resolved", alert, RESOLVE_S)
    except AssertionError as error:
        if ended is None:
            fault.end()
        print(f"{fault.name:<32} FAILED after {time.monotonic() - began:.0f} s: {error}", flush=True)
        return False
    names = ", ".join(alert["alertname"] for alert in fault.alerts)
    print(f"{fault.name:<32} {names:<30} fired {fired:6.1f} s  resolved {time.monotonic() - ended:6.1f} s", flush=True)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.ops", description=__doc__)
    parser.add_argument("--only", default="", help="play faults whose name contains this")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="marketprism-ops-") as name:
        folder = Path(name)
        with system(folder) as (running, alerting):
            print(f"rules of the repository, `for` at most {LONGEST_FOR_S} s, scrapes and evaluations every second")
            results = [play(f, alerting) for f in faults(running, folder) if chosen.only in f.name]
    print(f"{sum(results)} of {len(results)} faults fired and resolved")
    return 0 if all(results) and results else 1


if __name__ == "__main__":
    sys.exit(main())
