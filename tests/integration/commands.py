"""``python -m marketprism …`` as a process of its own, forked from one that has the libraries loaded already.

Loading them is most of what a short command costs, and a session of tests runs a hundred. MarketPrism's own modules are
not among them: each command imports what it needs.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

LIBRARIES = ("clickhouse_connect", "nats", "numpy", "polars", "pyarrow", "pydantic_settings", "sqlglot", "typer")

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([__name__, *LIBRARIES])


Answer = tuple[int, str, str]


def run(arguments: tuple[str, ...], cwd: Path, environment: Mapping[str, str], timeout_s: float) -> Answer:
    """Exit code, stdout and stderr. Raises TimeoutExpired, when the process has been killed."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = _forks.Process(target=_child, args=(arguments, cwd, dict(environment), out, err))
        process.start()
        process.join(timeout_s)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(("marketprism", *arguments), timeout_s, out.read_bytes(), err.read_bytes())
        return process.exitcode, out.read_text(), err.read_text()


def _child(arguments: tuple[str, ...], cwd: Path, environment: dict[str, str], out: Path, err: Path) -> None:
    for number, path in ((1, out), (2, err)):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    random.seed()
    tempfile.tempdir = None
    sys.argv = ["marketprism", *arguments]
    runpy.run_module("marketprism", run_name="__main__", alter_sys=True)
