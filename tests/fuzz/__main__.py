"""``make fuzz``: frames into the decoder, messages and REST answers into every venue, requests into the HTTP front."""

from __future__ import annotations

import argparse
import datetime as dt
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from collector.venues import VENUES
from tests.conftest import REPOSITORY
from tests.fuzz.answers import fuzz_answers
from tests.fuzz.frames import fuzz_frames
from tests.fuzz.front import fuzz_front
from tests.fuzz.payloads import SOURCES, fuzz_payloads, messages

PIECE = 20_000


def _quiet() -> None:
    logging.disable(logging.CRITICAL)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # polars writes a line for each panic it turns into an error


def _told(name: str, began: float, counts: Counter[str]) -> None:
    said = ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in sorted(counts.items()))
    print(f"{name:<28} {time.monotonic() - began:7.0f} s  {said}", flush=True)


def _pieces(pool: ProcessPoolExecutor, work: Callable[..., Counter[str]], total: int, *given: object) -> Counter[str]:
    sizes = [PIECE] * (total // PIECE) + ([total % PIECE] if total % PIECE else [])
    futures = [pool.submit(work, *given, seed, size) for seed, size in enumerate(sizes, start=1)]
    return sum((future.result() for future in futures), Counter[str]())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="frames")
    parser.add_argument("--messages", type=int, default=100_000, help="messages a venue, and a tenth as many answers")
    parser.add_argument("--requests", type=int, default=5_000, help="HTTP requests")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    recordings = Path(os.environ.get("MARKETPRISM_SHARED", REPOSITORY.parent / "shared")) / "recordings"
    print(f"{dt.datetime.now(dt.UTC).date()}, {os.cpu_count()} cores, {given.processes} processes")
    with ProcessPoolExecutor(given.processes, initializer=_quiet) as pool:
        began = time.monotonic()
        if given.inputs:
            _told("frames into the decoder", began, _pieces(pool, fuzz_frames, given.inputs))
        for name in SOURCES if given.messages else ():
            began, base = time.monotonic(), messages(name, recordings)
            if not base:
                print(f"{name:<28} left out: no recording in {recordings}")
                continue
            _told(name, began, _pieces(pool, fuzz_payloads, given.messages, name, base))
        for name in VENUES if given.messages else ():
            began = time.monotonic()
            _told(f"{name} REST", began, _pieces(pool, fuzz_answers, given.messages // 10, name))
    if not given.requests:
        return 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="marketprism-fuzz-") as folder:
        _told("requests into the front", began, fuzz_front(Path(folder), 1, given.requests))
    return 0


if __name__ == "__main__":
    sys.exit(main())
