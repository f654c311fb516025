"""``python -m tests.faults.engine_kills --cycles 60``: the engine killed at random inside inserts, and each retried.

A table with five views, every insert under its own token. A cycle: inserts one after the other, ``kill -9`` at a random
moment, start, the last insert once more. Then the table and every view must have each insert once. ``--without``: the
engine opens as it was left, without ``marketprism/embedded/unfinished.py``, to see what that is for. Exit code 1 when
an insert is missing or doubled.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final

import urllib3

from tests.integration.embedded_process import EmbeddedServer

VIEWS: Final = 5
ROWS: Final = 1000
WINDOW: Final = "SETTINGS non_replicated_deduplication_window = 1000"
_AS_LEFT: Final = "import marketprism.embedded.unfinished as it\nit.forget_unfinished = lambda engine: 0\n"


class Inserts:
    """Insert ``done`` is the next one; a retry has the number and token of the one before."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        self.done = 0

    def create(self) -> None:
        self.server.ask("CREATE DATABASE w")
        self.server.ask(f"CREATE TABLE w.t (b UInt64, a UInt64) ENGINE = MergeTree ORDER BY a {WINDOW}")
        for view in range(VIEWS):
            self.server.ask(
                f"CREATE TABLE w.s{view} (b UInt64, n UInt64) ENGINE = SummingMergeTree ORDER BY b {WINDOW}"
            )
            self.server.ask(
                f"CREATE MATERIALIZED VIEW w.m{view} TO w.s{view} AS SELECT b, count() AS n FROM w.t GROUP BY b"
            )

    def next(self) -> None:
        self.server.ask(
            f"INSERT INTO w.t SETTINGS insert_deduplication_token = '{self.done}', parallel_view_processing = 1, "
            f"deduplicate_blocks_in_dependent_materialized_views = 1 SELECT {self.done}, number FROM numbers({ROWS})"
        )
        self.done += 1

    def until_killed(self) -> None:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            while True:
                self.next()

    def wrong(self) -> list[str]:
        """Inserts that are missing or doubled, by table."""
        counts = {"t": "SELECT b, count() AS n FROM w.t GROUP BY b"} | {
            f"view {view}": f"SELECT b, sum(n) AS n FROM w.s{view} GROUP BY b" for view in range(VIEWS)
        }
        found = []
        for table, query in counts.items():
            rows = (line.split() for line in self.server.ask(query).splitlines())
            stored = {int(number): int(count) for number, count in rows}
            found += [f"{table}: insert {i} has {stored.get(i, 0)} of {ROWS} rows" for i in range(self.done)
                      if stored.get(i) != ROWS]  # fmt: skip
        return found


def run(cycles: int, seed: int, folder: Path) -> list[str]:
    chance = random.Random(seed)
    server = EmbeddedServer(folder).start()
    inserts = Inserts(server)
    inserts.create()
    wrong: list[str] = []
    cycle = 0
    while cycle < cycles and not wrong:
        cycle += 1
        killer = threading.Timer(chance.uniform(0.1, 0.5), server.stop, (signal.SIGKILL,))
        killer.start()
        inserts.until_killed()
        killer.join()
        server.start()
        inserts.next()
        wrong = inserts.wrong()
    mended = server.log().count("not finished at a kill")
    server.stop()
    print(f"cycles {cycle}, inserts {inserts.done}, unfinished and forgotten {mended}, wrong {len(wrong)}, seed {seed}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.engine_kills", description=__doc__)
    parser.add_argument("--cycles", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without", action="store_true", help="the engine opens as the kill left it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="marketprism-kills-") as temporary:
        if given.without:
            (Path(temporary) / "sitecustomize.py").write_text(_AS_LEFT)
            os.environ["PYTHONPATH"] = temporary
        wrong = run(given.cycles, given.seed, Path(temporary) / "engine")
    for line in wrong:
        print(f"     {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
