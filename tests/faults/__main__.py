"""``python -m tests.faults --schedules N``: kill and restart schedules over the whole chain, against the ledger."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.schedules import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--schedules", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="directory for logs and data; kept [a temporary one]")
    parser.add_argument("--minutes", type=float, help="begin no schedule after these [all are run]")
    parser.add_argument(
        "--slowly", type=float, default=1.0, help="market this much slower, more patience: a busy machine"
    )
    parser.add_argument("--jobs", type=int, default=1, help="chains of 40 schedules that run at a time [1]")
    given = parser.parse_args()
    began, done, rows, lost, doubled, wrong, midnights, torn = time.monotonic(), 0, 0, 0, 0, 0, 0, 0
    with tempfile.TemporaryDirectory(prefix="marketprism-faults-") as temporary:
        directory = given.keep or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        for outcome in run(directory, given.seed, given.schedules, given.minutes, given.slowly, given.jobs):
            number, verdict = outcome.number, outcome.verdict
            what = "; ".join(str(kill) for kill in outcome.kills) or "everything of a chain once more"
            print(f"{number or '=':>4} rows {verdict.rows:>7} lost {verdict.lost} doubled {verdict.doubled} "
                  f"wrong {len(verdict.wrong)}  {what}", flush=True)  # fmt: skip
            for line in verdict.wrong[:5]:
                print(f"     {line}")
            done += bool(number)
            rows += verdict.rows if number else 0
            if not number:
                midnights, torn = midnights + outcome.midnights, torn + outcome.torn
            lost, doubled, wrong = lost + verdict.lost, doubled + verdict.doubled, wrong + len(verdict.wrong)
    print(f"batches across midnight {midnights}, killed between a table and its views {torn}")
    print(f"schedules run {done}, rows checked {rows}, lost {lost}, doubled {doubled}, wrong {wrong}, "
          f"seed {given.seed}, {time.monotonic() - began:.0f} s")  # fmt: skip
    return 1 if lost or doubled or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
