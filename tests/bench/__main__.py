"""``python -m tests.bench [NAME…]``: every bench in a process of its own, one after the other; JSON on stdout.

A figure is a ratio within one run wherever the machine is noisy; the machine and the versions are printed with them.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import chdb


def names() -> list[str]:
    """Benches of this folder."""
    return sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("bench", nargs="*", help=f"of {', '.join(names())} [all]")
    given = parser.parse_args()
    unknown = set(given.bench) - set(names())
    if unknown:
        parser.error(f"no bench named {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    failed = []
    about = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "engine": chdb.engine_version,
    }
    print(json.dumps(about), flush=True)
    for name in given.bench or names():
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"tests.bench.bench_{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
