"""``make soak``: hours of market time at twenty times its speed with random kills: what grows, is lost, or doubled.

The chain of the fault plan (real processes: exchange → collector → NATS → storage → ClickHouse) under load. Every few
market minutes one to four parts are killed at random and come back; between them memory and parts are sampled. Every
half hour of market time the tables are compared with the exchange's ledger, trade by trade and view by view.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.faults.chain import Chain
from tests.faults.schedules import SETTLE_S, SPEED, Kill, open_chain, random_schedule

SAMPLE_S = 2.0
COMPARE_EVERY_S = 1800.0
FAULTS_EVERY_S = (300.0, 900.0)
MOST_PARTS = 100
GROWTH, SLACK_MB = 1.25, 96
"""Memory is flat when the median of the last third is below so many times that of the second, or so much more."""


class Samples:
    """Resident memory of each part in MB, and the parts of the fullest partition, over the run."""

    def __init__(self) -> None:
        self.memory: dict[str, list[float]] = defaultdict(list)
        self.parts: list[int] = []

    def take(self, chain: Chain) -> None:
        for name, process in list(chain.processes.items()):
            try:
                pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
            except (OSError, IndexError):
                continue  # it has just been killed
            self.memory[name].append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
        found = chain.rows(
            "SELECT max(n) FROM (SELECT count() AS n FROM system.parts WHERE active AND database LIKE 'marketprism%' "
            "GROUP BY database, table, partition_id)"
        )
        self.parts.append(int(found[0][0]))

    def growing(self) -> list[str]:
        """Parts whose memory is not flat."""
        found = []
        for name, values in self.memory.items():
            third = len(values) // 3
            if third and statistics.median(values[-third:]) > max(
                GROWTH * statistics.median(values[third : 2 * third]),
                statistics.median(values[third : 2 * third]) + SLACK_MB,
            ):
                found.append(name)
        return found


def _kill(chain: Chain, kills: list[Kill]) -> None:
    for kill in kills:
        time.sleep(kill.after_s)
        if kill.point and kill.part == "storage":
            chain.die_at(kill.point)
        else:
            chain.kill(kill.part)
        time.sleep(kill.away_s)
        chain.start(kill.part)


def soak(chain: Chain, hours: float, seed: int, samples: Samples) -> tuple[int, int, int, list[str]]:
    """Kills, lost, doubled and what is wrong."""
    chance = random.Random(seed)
    kills = lost = doubled = 0
    wrong: list[str] = []
    began = time.monotonic()
    end = began + hours * 3600 / SPEED
    next_fault = began + chance.uniform(*FAULTS_EVERY_S) / SPEED
    next_compare = began + COMPARE_EVERY_S / SPEED
    while time.monotonic() < end:
        time.sleep(SAMPLE_S)
        samples.take(chain)
        if time.monotonic() >= next_fault:
            schedule = random_schedule(chance)
            _kill(chain, schedule)
            kills += len(schedule)
            next_fault = time.monotonic() + chance.uniform(*FAULTS_EVERY_S) / SPEED
        if time.monotonic() >= next_compare:
            verdict = chain.check(SETTLE_S)
            lost, doubled, wrong = lost + verdict.lost, doubled + verdict.doubled, wrong + verdict.wrong
            passed = (time.monotonic() - began) * SPEED / 3600
            told = f"lost {verdict.lost}, doubled {verdict.doubled}, wrong {len(verdict.wrong)}; {kills} kills"
            print(f"{passed:5.1f} h  {verdict.rows} new trades compared, {told}", flush=True)
            next_compare = time.monotonic() + COMPARE_EVERY_S / SPEED
    return kills, lost, doubled, wrong


def _tell(samples: Samples) -> None:
    """Memory and parts, also of a run that ended early."""
    for name, values in sorted(samples.memory.items()):
        third = max(1, len(values) // 3)
        thirds = (values[:third], values[third : 2 * third] or values, values[-third:])
        medians = ", ".join(f"{statistics.median(part):.0f}" for part in thirds)
        print(f"{name:<12} MB: median of thirds {medians}; most {max(values):.0f}")
    if samples.parts:
        print(
            f"parts of the fullest partition: median {statistics.median(samples.parts):.0f}, most {max(samples.parts)}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0, help="of market time")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(
        f"{dt.datetime.now(dt.UTC):%F %H:%M} UTC, {os.cpu_count()} cores, {given.hours:g} h at {SPEED:g}x", flush=True
    )
    with tempfile.TemporaryDirectory(prefix="marketprism-soak-") as folder:
        chain, samples = open_chain(Path(folder), given.seed), Samples()
        try:
            kills, lost, doubled, wrong = soak(chain, given.hours, given.seed, samples)
            whole = chain.check_all(SETTLE_S)
        finally:
            chain.close()
            _tell(samples)
    lost, doubled, wrong = lost + whole.lost, doubled + whole.doubled, [*wrong, *whole.wrong]
    print(f"{whole.rows} trades in all, {kills} kills: lost {lost}, doubled {doubled}, wrong {len(wrong)}")
    growing = samples.growing()
    if growing:
        print(f"memory grows: {', '.join(growing)}")
    exact = not (lost or doubled or wrong)
    return 0 if exact and not growing and max(samples.parts) <= MOST_PARTS else 1


if __name__ == "__main__":
    sys.exit(main())
