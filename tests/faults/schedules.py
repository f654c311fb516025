"""Random kill and restart schedules over the whole chain under load, each followed by a comparison with the ledger."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from storage_service.faultpoints import POINTS
from tests.faults.chain import PARTS, TOGETHER_MS, Chain
from tests.faults.compare_ledger import Verdict

SPEED = 20.0
"""Market seconds a second: about 600 trades/s of four books."""
FROM_MIDNIGHT_S = 240
"""Market seconds before UTC midnight at which the market opens: the first schedule of a chain crosses it."""
SETTLE_S = 90.0
PER_CHAIN = 40
"""Schedules until a fresh chain begins on another day."""
FEW_FRAMES = 5
"""Of one insert where batches are small."""
MIDNIGHT, TOGETHER = "midnight", "table|views"
"""Points that take ClickHouse along: in the batch across midnight, and between a table and its views."""


@dataclass(frozen=True, slots=True)
class Kill:
    """``part`` dies after ``after_s``, at a fault point if one is given, and is back ``away_s`` later."""

    part: str
    after_s: float
    away_s: float
    point: str = ""

    def __str__(self) -> str:
        return f"{self.part}{'@' + self.point if self.point else ''} +{self.after_s:.2f}s, away {self.away_s:.2f}s"


def random_schedule(chance: random.Random) -> list[Kill]:
    """One to four kills. A third of the storage service's are at a named step, a third of ClickHouse's in an insert."""
    kills = []
    for _ in range(chance.randint(1, 4)):
        part = chance.choice(PARTS)
        point = chance.choice(POINTS) if part == "storage" and chance.random() < 1 / 3 else ""
        if part == "clickhouse" and chance.random() < 1 / 3:
            point = TOGETHER
        kills.append(Kill(part, chance.uniform(0.05, 1.2), chance.choice((0.0, 0.0, chance.uniform(0, 1.0))), point))
    return kills


def run_schedule(chain: Chain, kills: list[Kill], settle_s: float = SETTLE_S) -> Verdict:
    """Do the kills, then compare. Raises AssertionError when a part ends by itself or the tables stand still."""
    for kill in kills:
        time.sleep(kill.after_s)
        if kill.point == MIDNIGHT:
            chain.sleep_over_midnight()
        elif kill.point == TOGETHER:
            chain.die_together(chain.chance.uniform(*TOGETHER_MS))
        elif kill.point:
            chain.die_at(kill.point)
        else:
            chain.kill(kill.part)
        time.sleep(kill.away_s)
        chain.start("storage" if kill.point else kill.part)
    return chain.check(settle_s)


def open_chain(directory: Path, seed: int, mutant: str = "", slowly: float = 1.0) -> Chain:
    """A chain that runs and has stored something. Every other seed stores in batches of a few frames, so that the next
    one is full, and made ready, while one is inserted."""
    midnight_ms = 1_741_651_200_000 + seed % 20 * 86_400_000
    chain = Chain(
        directory,
        seed=seed,
        start_ms=midnight_ms - int(FROM_MIDNIGHT_S * 1000 / slowly),
        speed=SPEED / slowly,
        mutant=mutant,
    )
    if seed % 2:
        chain.environment["MARKETPRISM_STORAGE_BATCH_MAX_FRAMES"] = str(FEW_FRAMES)
    try:
        for part in ("nats", "clickhouse"):
            chain.start(part)
        chain.migrate()
        for part in ("storage", "collector"):
            chain.start(part)
        chain.say("go")
        deadline = time.monotonic() + 60 * slowly
        while not chain.rows("SELECT count() > 100 FROM marketprism_hot.trades")[0][0]:
            assert time.monotonic() < deadline, f"nothing is stored: {chain.log('collector')[-2000:]}"
            time.sleep(0.1)
    except BaseException:
        chain.close()
        raise
    return chain


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a schedule came to; ``number`` 0: everything of a chain once more. ``midnights`` and ``torn``: so far."""

    number: int
    kills: list[Kill]
    verdict: Verdict
    midnights: int
    torn: int


def run(
    directory: Path, seed: int, count: int, minutes: float | None = None, slowly: float = 1.0, jobs: int = 1
) -> Iterator[Outcome]:
    """``count`` schedules of one seed; after each chain's last one that of everything. ``jobs`` chains at a time."""
    chance = random.Random(seed)
    until = time.monotonic() + 60 * minutes if minutes else float("inf")
    told: queue.SimpleQueue[Outcome | Future[None]] = queue.SimpleQueue()
    over = threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        running = 0
        for begin in range(0, count, PER_CHAIN):
            plan = [[Kill("storage", 0.0, 0.0, MIDNIGHT)]]
            plan += [random_schedule(chance) for _ in range(min(PER_CHAIN, count - begin) - 1)]
            number = begin // PER_CHAIN
            what = (directory / f"chain-{number}", seed + number, begin + 1, plan, until, slowly)
            pool.submit(_run_chain, *what, told.put, over).add_done_callback(told.put)
            running += 1
        try:
            while running:
                outcome = told.get()
                if isinstance(outcome, Outcome):
                    yield outcome
                else:
                    running -= 1
                    outcome.result()
        finally:
            over.set()


def _run_chain(
    directory: Path,
    seed: int,
    first: int,
    plan: list[list[Kill]],
    until: float,
    slowly: float,
    tell: Callable[[Outcome], None],
    over: threading.Event,
) -> None:
    if over.is_set() or time.monotonic() > until:
        return
    directory.mkdir(exist_ok=True)
    chain = open_chain(directory, seed, slowly=slowly)
    try:
        for number, kills in enumerate(plan, first):
            if over.is_set() or time.monotonic() > until:
                break
            verdict = run_schedule(chain, kills, SETTLE_S * slowly)
            tell(Outcome(number, kills, verdict, chain.batches_across_midnight(), chain.torn))
        verdict = chain.check_all(SETTLE_S * slowly)
        tell(Outcome(0, [], verdict, chain.batches_across_midnight(), chain.torn))
    finally:
        chain.close()
