"""The whole chain as real processes that can be killed: exchange → collector → NATS → storage → ClickHouse."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from marketprism.errors import NatsUnreachable
from marketprism.simulator.environment import collector_environment
from tests.faults.compare_ledger import Key, LedgerFile, Tables, Trade, Verdict, compare
from tests.unit.storage.rig import REPOSITORY, Rig

PARTS = ("collector", "storage", "clickhouse", "nats")
REACH_S = 60.0
TOGETHER_MS = (80.0, 350.0)
"""When ClickHouse dies after an insert was sent; a view that sleeps stretches the writing of table and views so far."""
SLOW_VIEW = (
    "CREATE MATERIALIZED VIEW IF NOT EXISTS marketprism_features.slow_mv ENGINE = Null "
    "AS SELECT sleep(0.4) AS x FROM marketprism_hot.trades"
)
VIEWS = ("bucket_flow", "flow_1s", "trades_1m_state", "footprint_1m_state", "footprint_by_bucket_state")
DAY_MS = 86_400_000


class StandsStill(AssertionError):
    """The tables do not catch up with the market within the plan's patience."""


class Chain(Rig):
    """One directory and its processes. The exchange is never killed: it is what the tables are compared with."""

    def __init__(self, directory: Path, *, seed: int, start_ms: int, speed: float, mutant: str = "") -> None:
        super().__init__(directory)
        self.start_ms, self.speed = start_ms, speed
        self.midnight_ms = (start_ms // DAY_MS + 1) * DAY_MS
        self.chance = random.Random(seed)
        self.opened = 0.0
        self.torn = 0
        self._mutant = mutant
        self.ledger = LedgerFile(directory / "ledger.jsonl")
        self.exchange = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.faults.exchange", "--seed", str(seed), "--speed", str(speed)),
                *("--ledger", str(directory / "ledger.jsonl"), "--start-ms", str(start_ms)),
            ],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(directory / "exchange.log").open("ab"),
            text=True,
        )
        self.environment |= collector_environment(self._told())
        self.tables = Tables(f"http://127.0.0.1:{self.clickhouse_port}")
        self.environment["MARKETPRISM_COLLECTOR_METRICS_PORT"] = "0"  # a fixed one may be another's when it comes back

    def start(self, part: str, **environment: str) -> None:
        if part == "nats":
            self.start_nats()
        elif part == "clickhouse":
            self.start_clickhouse()
        else:
            module = {"storage": "storage_service", "collector": "collector"}[part]
            command = [sys.executable, "-m", module]
            if part == "storage" and self._mutant:
                command = [sys.executable, "-m", "tests.faults.mutant_storage", self._mutant]
            self.spawn(part, command, **environment)

    def die_at(self, point: str, nth: int = 2, **environment: str) -> None:
        """The storage service starts again and kills itself at a fault point."""
        if "storage" in self.processes:
            self.kill("storage")
        code = NatsUnreachable.exit_code
        while code == NatsUnreachable.exit_code:
            self.start("storage", MARKETPRISM_FAULT=f"{point}:trades:{nth}", **environment)
            process, deadline = self.processes["storage"], time.monotonic() + REACH_S
            while process.poll() is None:
                self._assert_not_halted()
                if time.monotonic() > deadline:
                    raise StandsStill(f"{point} is not reached: {self.log('storage')[-2000:]}")
                time.sleep(0.02)
            code = self.processes.pop("storage").returncode
        assert code == -9, f"{point}: {code}: {self.log('storage')[-2000:]}"

    def die_together(self, after_ms: float, nth: int = 2) -> None:
        """ClickHouse and storage die so long after an insert was sent, and ClickHouse comes back.

        ``torn`` counts how often a view then lacks rows that the table has, or the other way round.
        """
        engine = self.processes["clickhouse"]
        if "storage" in self.processes:
            self.kill("storage")
        self.client().command(SLOW_VIEW)
        together = {"MARKETPRISM_FAULT_WITH": str(engine.pid), "MARKETPRISM_FAULT_AFTER_MS": f"{after_ms:.1f}"}
        self.die_at("mid_insert", nth, **together)
        self.processes.pop("clickhouse").wait(20)
        self.start("clickhouse")
        self.client().command("DROP VIEW marketprism_features.slow_mv")
        counts = "SELECT (SELECT count() FROM marketprism_hot.trades WHERE bucket_id != 0)"
        counts += "".join(f", (SELECT sum(trades) FROM marketprism_features.{view})" for view in VIEWS)
        self.torn += len(set(self.rows(counts)[0])) > 1

    def sleep_over_midnight(self) -> None:
        """Nothing is stored from before midnight until after it; the batch across it dies between table and views."""
        self.kill("storage")
        until = self.opened + (self.midnight_ms - self.start_ms) / 1000 / self.speed + 0.5
        time.sleep(max(0.0, until - time.monotonic()))
        self.die_together(self.chance.uniform(*TOGETHER_MS), nth=1)

    def batches_across_midnight(self) -> int:
        """Inserts that hold trades of two days."""
        return int(
            self.rows(
                "SELECT count() FROM (SELECT created_at FROM marketprism_hot.trades "
                "GROUP BY created_at HAVING uniqExact(toDate(timestamp)) > 1)"
            )[0][0]
        )

    def _assert_not_halted(self) -> None:
        log = self.log("storage")
        assert "stopped storing" not in log, log[log.index("stopped storing") - 30 :][:600]

    def say(self, word: str) -> None:
        """``pause`` or ``go``; returns when the exchange has done it."""
        assert self.exchange.stdin is not None
        self.exchange.stdin.write(f"{word}\n")
        self.exchange.stdin.flush()
        assert self._told() == word
        self.opened = self.opened or time.monotonic()

    def _told(self) -> str:
        assert self.exchange.stdout is not None
        line = self.exchange.stdout.readline().strip()
        assert line, f"the exchange ended: {(self.directory / 'exchange.log').read_text()[-2000:]}"
        return line

    def check(self, timeout_s: float) -> Verdict:
        """Pause the market, wait until the tables have all of it, compare what is new, go on.

        Who has just come back hears no new trade: it must find out by itself what it missed.
        """
        verdict = self._compare(timeout_s, whole=False)
        self.say("go")
        return verdict

    def _compare(self, timeout_s: float, *, whole: bool) -> Verdict:
        new = self.ledger.read_on()
        self.say("pause")
        time.sleep(0.2)  # the step that had begun ends; the file is flushed at its end
        for key, trades in self.ledger.read_on().items():
            new[key] |= trades
        self._until_stored(new, timeout_s)
        asyncio.run(self.until_stored())  # an insert shows in the table before it shows in the last view
        return compare(self.ledger.trades if whole else new, self.tables)

    def check_all(self, timeout_s: float) -> Verdict:
        """The same of everything since the beginning; the market stays paused."""
        return self._compare(timeout_s, whole=True)

    def _until_stored(self, new: dict[Key, dict[int, Trade]], timeout_s: float) -> None:
        last = {key: max(trades) for key, trades in new.items()}
        moved = time.monotonic()  # a busy machine is slow, a standstill is a fault: the limit is on the latter
        stored: dict[Key, Any] = {}
        while time.monotonic() < moved + timeout_s:
            self._bring_back()
            self._assert_not_halted()
            query = "SELECT market_type, symbol, max(sequence) FROM marketprism_hot.trades GROUP BY ALL"
            now = {(market, symbol): sequence for market, symbol, sequence in self.tables.rows(query)}
            if all(now.get(key, 0) >= sequence for key, sequence in last.items()):
                return
            if now != stored:
                stored, moved = now, time.monotonic()
            time.sleep(0.05)
        raise StandsStill(
            f"nothing more stored for {timeout_s} s: {last} traded, {stored} stored; "
            f"collector: {self.log('collector')[-1500:]}; storage: {self.log('storage')[-1500:]}"
        )

    def _bring_back(self) -> None:
        """As the supervisor does: who gave up because another was away starts again. Nothing else may end."""
        for part, process in list(self.processes.items()):
            code = process.poll()
            if code is not None:
                assert code == NatsUnreachable.exit_code, f"{part} ended with {code}: {self.log(part)[-3000:]}"
                self.start(part)

    def close(self) -> None:
        for part in [part for part in PARTS if part in self.processes]:
            self.kill(part)
        self.exchange.kill()
        self.exchange.wait()
