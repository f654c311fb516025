"""Runs of the exchange plans side by side, and the table of what they found.

Most of a run is waiting for its market, and runs know nothing of each other: several share a core. Each finished run
is a line of the record, and is not run again with the same record: a plan can be run in pieces, and

    python -m tests.faults.plan_runs RECORD…

prints the table of all of them: a row for each misbehaviour, a column for each venue, runs without a fault of all runs
and how often the exchange misbehaved in them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

COUNTS = ("trades", "holes", "gaps", "repaired", "books", "resyncs", "reconnects")
_RUN_LIMIT_S = 400.0


@dataclass
class Verdict:
    """What a run found; ``wrong`` should be empty. ``holes``: ids that nobody has, each in one of the ``gaps``."""

    trades: int = 0
    holes: int = 0
    gaps: int = 0
    repaired: int = 0
    books: int = 0
    resyncs: int = 0
    reconnects: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


Plan = tuple[str, str, int]
"""(venue, kind, seed)."""


def run_all(plans: Sequence[Plan], one: Callable[[str, str, int], Verdict], jobs: int, record: Path | None) -> int:
    """Exit code 0 when no run found anything wrong. ``one`` is called in child processes.

    What is in the record already is not run again."""
    began, found = time.monotonic(), _recorded(record, plans)
    done = {(line["venue"], line["kind"], line["seed"]) for line in found}
    plans = [plan for plan in plans if plan not in done]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(one, *plan): plan for plan in plans}
        for future in as_completed(futures):
            venue, kind, seed = futures[future]
            verdict = future.result()
            line = {"venue": venue, "kind": kind, "seed": seed, **asdict(verdict), "struck": verdict.struck[kind]}
            found.append(line)
            if record is not None:
                with record.open("a") as file:
                    file.write(json.dumps(line) + "\n")
            counts = ", ".join(f"{name} {line[name]}" for name in COUNTS)
            print(
                f"{venue:15} {kind:18} seed {seed:2}: struck {line['struck']:4}, {counts}, wrong {len(verdict.wrong)}",
                flush=True,
            )
            for text in verdict.wrong[:5]:
                print(f"     {text[:400]}", flush=True)
    failed = sum(bool(line["wrong"]) for line in found)
    print(table(found))
    print(f"runs {len(found)}, failed {failed}; {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


def _recorded(record: Path | None, plans: Sequence[Plan]) -> list[dict[str, Any]]:
    if record is None or not record.exists():
        return []
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    return [line for line in lines if (line["venue"], line["kind"], line["seed"]) in set(plans)]


def bounded(work: Coroutine[Any, Any, Verdict]) -> Verdict:
    """Run it in this process; what does not end hangs."""
    try:
        return asyncio.run(asyncio.wait_for(work, _RUN_LIMIT_S))
    except TimeoutError:
        return Verdict(wrong=[f"hangs: it did not end within {_RUN_LIMIT_S:.0f} s"])


def table(lines: Iterable[dict[str, Any]]) -> str:
    """Markdown; a run that was repeated counts as it ended last."""
    runs: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    newest = {(line["venue"], line["kind"], line["seed"]): line for line in lines}
    for (venue, kind, _), line in newest.items():
        runs[kind][venue].append(line)
    venues = list(dict.fromkeys(venue for venue, _, _ in newest))
    rows = [["", *venues], ["---"] * (len(venues) + 1)]
    for kind, by_venue in runs.items():
        rows.append([kind, *(_cell(by_venue.get(venue, [])) for venue in venues)])
    total = Counter({name: sum(line[name] for line in newest.values()) for name in COUNTS})
    head = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{head}\n\n{len(newest)} runs: " + ", ".join(f"{name} {total[name]:,}" for name in COUNTS)


def _cell(lines: list[dict[str, Any]]) -> str:
    if not lines:
        return ""
    right = sum(not line["wrong"] for line in lines)
    return f"{right}/{len(lines)} ({sum(line['struck'] for line in lines)})"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.plan_runs", description=__doc__.splitlines()[0])
    parser.add_argument("records", nargs="+", type=Path)
    records: list[Path] = parser.parse_args().records
    print(table(json.loads(line) for record in records for line in record.read_text().splitlines()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
