"""What a person sees while an archive is loaded: files done, bytes and rate, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def progress(*, quiet: bool) -> Iterator[Any]:
    """Callbacks for a load; a bar per stage when stderr is a terminal and ``quiet`` is not asked for."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn

    from storage_service.days.fetching import Told

    if quiet or not sys.stderr.isatty():
        yield Told()
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        fetched = bars.add_task("zips", total=None)
        parsed = bars.add_task("CSV", total=None)

        def done(entry: Any) -> None:
            bars.console.print(f"{entry.state:>10}  {entry.path}  {entry.rows or ''}")

        yield Told(lambda n: bars.advance(fetched, n), lambda n: bars.advance(parsed, n), done)
