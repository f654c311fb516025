"""What a person sees while an archive is loaded: months done and left, bytes and rate, files, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def progress(*, quiet: bool) -> Iterator[Any]:
    """Callbacks for a load; a bar per stage when stderr is a terminal and ``quiet`` is not asked for."""
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    from storage_service.days.fetching import Told

    if quiet or not sys.stderr.isatty():
        yield Told()
        return
    text = TextColumn("{task.description:>6}")
    console = Console(stderr=True)
    months = Progress(
        text, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(), console=console
    )
    bars = Progress(text, SpinnerColumn(), DownloadColumn(), TransferSpeedColumn(), console=console)
    with Live(Group(months, bars), console=console, transient=True):
        installed = months.add_task("months", total=None)
        fetched = bars.add_task("zips", total=None)
        parsed = bars.add_task("CSV", total=None)

        def done(entry: Any) -> None:
            console.print(f"{entry.state:>10}  {entry.path}  {entry.rows or ''}")

        yield Told(
            planned=lambda n: months.update(installed, total=n),
            month=lambda: months.advance(installed),
            downloaded=lambda n: bars.advance(fetched, n),
            parsed=lambda n: bars.advance(parsed, n),
            file=done,
        )
