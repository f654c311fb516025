"""Statements side by side: each thread with a connection of its own, the first failure ends the rest.

A lot is a set of whole days that is worked on as one statement on one thread: its groups fit into one block, so a
target gets one sorted part per day and nothing has to be merged afterwards.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, Final

from storage_service.days.engine import Engine

LOT_ROWS: Final = 250_000
"""Days are put together up to about so many rows: less and statements cost more than rows, more and hashing does."""
ROWS_IN_FLIGHT: Final = 2_000_000
"""Statements that run beside each other read at most so many rows together: their groups are all in memory."""
WIDTH: Final = 4
"""Statements at once; the embedded engine has four times as many writers' threads."""
LOT: Final[dict[str, Any]] = {
    "max_threads": 1,
    "max_insert_threads": 1,
    "max_block_size": 1_048_576,
    "group_by_two_level_threshold": 0,
    "group_by_two_level_threshold_bytes": 0,
    "optimize_on_insert": 0,
}
"""Settings of a lot's statement: one thread, one block, and no merging of keys that a GROUP BY has made unique."""

Task = Callable[[Engine], None]


class Crew:
    """Runs tasks. A task gets an engine that no other task uses meanwhile."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._idle: queue.SimpleQueue[Engine] = queue.SimpleQueue()
        for engine in engines:
            self._idle.put(engine)
        self._width = len(engines)

    def run(self, tasks: Sequence[Task], between: Callable[[], None] = lambda: None, *, rows: int = 0) -> None:
        """All of ``tasks``, of which each reads up to ``rows``. ``between`` is called by this thread while they run.

        Raises what a task raises.
        """
        width = max(1, min(self._width, ROWS_IN_FLIGHT // max(1, rows)))
        if width == 1 or len(tasks) < 2:
            for task in tasks:
                self._one(task)
                between()
            return
        with ThreadPoolExecutor(width, thread_name_prefix="lots") as pool:
            left = {pool.submit(self._one, task) for task in tasks}
            try:
                while left:
                    done, left = wait(left, timeout=1.0, return_when=FIRST_EXCEPTION)
                    for future in done:
                        future.result()
                    between()
            finally:
                for future in left:
                    future.cancel()

    def _one(self, task: Task) -> None:
        engine = self._idle.get()
        try:
            task(engine)
        finally:
            self._idle.put(engine)


@contextmanager
def crew(engine: Engine) -> Iterator[Crew]:
    """A crew on ``engine`` and as many connections beside it as it takes."""
    twins = [twin for _ in range(WIDTH - 1) if (twin := engine.twin()) is not None]
    try:
        yield Crew([engine, *twins])
    finally:
        for twin in twins:
            twin.close()
