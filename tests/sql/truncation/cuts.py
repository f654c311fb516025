"""Data as it stood at an instant: the rows received until then, each cut a symbol of its own in one engine.

So a cut costs an insert and not a database; what leaks across symbols, the linter refuses. A row is received when it
happened, or later: where the local clock is behind the exchange's (``slow_clock``), the receipt says less than the
row's own time.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from marketprism.jobs import Job, JobResult, Run, footprint_candidates, footprint_clusters, trade_clusters
from tests.sql.catalogue_tape import Tape, insert, insert_quiet, learnt, make_tape
from tests.sql.rows import KEY, trades_table

SLOW_US = 1_270_000
"""How far the recorder's clock was behind in the recordings of 2024-08-08."""
RUNS_EACH_S = 1200
"""The jobs' outputs are stored so often: a feature that shows them lets them go in between, after ten minutes."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A symbol that holds what had been received by ``at_us``."""

    symbol: str
    at_us: int

    @property
    def at(self) -> dt.datetime:
        return instant(self.at_us)


@dataclass(frozen=True, slots=True)
class Captured(Run):
    """A run of a job that keeps what it would have written."""

    tables: dict[str, pa.Table] = field(default_factory=dict)

    def insert(self, client: Any, table: str, rows: pa.Table) -> int:
        self.tables[table] = rows
        return int(rows.num_rows)


def instant(at_us: int) -> dt.datetime:
    """Microseconds since 1970 as a time, UTC."""
    return dt.datetime.fromtimestamp(at_us // 1_000_000, dt.UTC) + dt.timedelta(microseconds=at_us % 1_000_000)


def long_tape(symbol: str, seed: int) -> Tape:
    """Two hours of trades in some 280 buckets, with a slow clock for a while.

    So long that windows of sixty minutes fill, also of a read that begins in the middle; that needs a seed whose pauses
    leave sixty minutes with trades, and fifty buckets with a mid, after the middle. The test of empty columns tells.
    """
    return slow_clock(make_tape(symbol, seed, count=2400, bucket_volume=16, pace=4))


def slow_clock(tape: Tape) -> Tape:
    """The tape with a local clock that is behind for its middle third; rows that were late stay so."""
    times = sorted(row["timestamp"] for row in tape.trades)
    first, last = times[len(times) // 3], times[2 * len(times) // 3]

    def slowed(row: dict[str, Any]) -> dict[str, Any]:
        behind = SLOW_US if first <= row["timestamp"] <= last and not row.get("late") else 0
        return {**row, "received_at": row["received_at"] - behind}

    trades, books, quotes = ([slowed(row) for row in rows] for rows in (tape.trades, tape.books, tape.quotes))
    return replace(tape, trades=trades, books=books, quotes=quotes)


def make_cuts(client: Any, tape: Tape, count: int, seed: int) -> list[Cut]:
    """Insert the whole tape and ``count`` truncated copies, at random instants between its first and last receipt."""
    insert(client, tape)
    rng = random.Random(seed)
    excluded = _exclusion(tape)
    late = next(row for row in tape.trades if row["late"])
    receipts = sorted(learnt(row) for row in tape.trades)
    cuts, parts = [], []
    for number in range(count):
        at = rng.randrange(receipts[len(receipts) // 8], receipts[-1])
        if number % 4 == 0:
            at = rng.choice(receipts)  # an instant on which something became known
        if number % 4 == 1:  # a late row is still on its way, later ones are there
            at = rng.randrange(late["timestamp"] * 1000 + 5_000_000, late["received_at"])
        if number % 4 == 2:  # the longest windows are full
            at = rng.randrange(receipts[-len(receipts) // 12], receipts[-1])
        hole = tape.hole if tape.hole[1] * 1000 <= at else None
        cuts.append(Cut(f"{tape.symbol}{number}", at))
        parts.append(tape.known_at(cuts[-1].symbol, at, hole))
    trades = pa.concat_tables([trades_table(part.trades, part.symbol) for part in parts])
    client.insert_arrow("marketprism_hot.trades", trades)
    name_instruments(client, [tape.symbol, *(cut.symbol for cut in cuts)])
    insert_quiet(client, parts)
    known = [tape.symbol, *(cut.symbol for cut in cuts if excluded["created_at"] * 1_000_000 <= cut.at_us)]
    rows = "\n".join(json.dumps({**excluded, "symbol": symbol}) for symbol in known)
    client.command(f"INSERT INTO marketprism_features.excluded_by_hand FORMAT JSONEachRow {rows}")
    _store_clusters(client, receipts[0], Cut(tape.symbol, receipts[-1]), cuts)
    return cuts


def outputs(client: Any, job: Job, at_us: int) -> pa.Table:
    """What a job would write as of an instant, of every symbol in the engine."""
    run = Captured(job.__name__, "cut", instant(at_us))
    result: JobResult = job(client, run)
    assert set(run.tables) == {job.__name__}, f"{result} of {job.__name__}"
    return run.tables[job.__name__]


def _store_clusters(client: Any, first_us: int, whole: Cut, cuts: Sequence[Cut]) -> None:
    """The jobs' outputs of runs over the whole tape, and of each cut those of the runs until then."""
    for job, each_s in (
        (trade_clusters, RUNS_EACH_S),
        (footprint_clusters, RUNS_EACH_S),
        (footprint_candidates, RUNS_EACH_S),
    ):
        for at_us in range(first_us + 600_000_000, whole.at_us, each_s * 1_000_000):
            made = outputs(client, job, at_us)
            symbols = [each.symbol for each in (whole, *cuts) if at_us <= each.at_us]
            rows = made.filter(pc.is_in(made["symbol"], pa.array(symbols)))
            client.insert_arrow(f"marketprism_features.{job.__name__}", rows)


def name_instruments(client: Any, symbols: Sequence[str]) -> None:
    """Metadata, known before anything was traded: an instrument for each symbol, of its own name."""
    rows = "\n".join(json.dumps({**KEY, "symbol": name, "canonical": name, "sequence": 1}) for name in symbols)
    client.command(f"INSERT INTO marketprism_hot.instruments FORMAT JSONEachRow {rows}")


def _exclusion(tape: Tape) -> dict[str, Any]:
    """The first six seconds of books after the longest pause of them, excluded by a person ten minutes later."""
    times = sorted(row["timestamp"] for row in tape.books)
    _, _, start = max((later - at, -later, later) for at, later in itertools.pairwise(times))
    at = start // 1000
    return {**KEY, "from_time": at, "to_time": at + 6, "reason": "told late", "created_at": at + 600}
