"""``up``, ``demo`` and ``replay``: runs of the whole pipeline."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer

from marketprism.errors import SettingsError
from marketprism.settings import AppSettings

NoTable = Annotated[bool, typer.Option("--no-table", help="Plain lines instead of the live table.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout instead of the table.")]
History = Annotated[float, typer.Option(min=0, help="Market hours that the simulator plays first, at full speed.")]
Seed = Annotated[int, typer.Option(help="Seed of the simulated market.")]
Source = Literal["auto", "live", "simulate"]


def _run(
    command: str, data: Path, source: Source, *, no_table: bool, as_json: bool, hours: float, seed: int,
    temporary: bool = False,
) -> None:  # fmt: skip
    from marketprism.supervisor.run import RunOptions, run  # what a command runs is imported by it: help is instant

    options = RunOptions(
        command=command,
        data=data,
        source=source,
        any_port=command == "demo",
        table=not no_table,
        as_json=as_json,
        history_hours=hours,
        seed=seed,
        temporary=temporary,
    )
    if not asyncio.run(run(options)):
        raise typer.Exit(1)


def up(
    data: Annotated[Path | None, typer.Option(help="Data directory [MARKETPRISM_DATA_DIR, else ./data].")] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Run the exchange simulator.")] = False,
    live: Annotated[bool, typer.Option("--live", help="Insist on live exchanges.")] = False,
    history_hours: History = 2.0,
    seed: Seed = 1,
    no_table: NoTable = False,
    as_json: AsJson = False,
) -> None:
    """Run everything on the embedded default until Ctrl-C.

    Live exchanges when they are reachable (decided within 3 s), else the simulator. A MARKETPRISM_CLICKHOUSE_URL or
    MARKETPRISM_NATS_URL that is set is used instead of the embedded server.
    """
    if simulate and live:
        raise SettingsError("--simulate and --live exclude each other; leave both out to let it decide")
    source: Source = "simulate" if simulate else "live" if live else "auto"
    directory = data or AppSettings().data_dir
    _run("up", directory, source, no_table=no_table, as_json=as_json, hours=history_hours, seed=seed)


def demo(
    data: Annotated[Path | None, typer.Option(help="Keep the data here; else a temporary directory.")] = None,
    history_hours: History = 2.0,
    seed: Seed = 1,
    no_table: NoTable = False,
    as_json: AsJson = False,
) -> None:
    """Run everything on the exchange simulator, on free ports, in a directory of its own."""
    temporary = data is None
    with contextlib.ExitStack() as stack:
        if data is None:
            data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="marketprism-demo-")))
        _run(
            "demo", data, "simulate", no_table=no_table, as_json=as_json, hours=history_hours, seed=seed,
            temporary=temporary,
        )  # fmt: skip


def replay(
    files: Annotated[list[Path], typer.Argument(help="Recordings (.jsonl.zst), played one after the other.")],
    speed: Annotated[str, typer.Option(help="Factor of real time, or max.")] = "max",
    data: Annotated[Path | None, typer.Option(help="Keep the result here; else a temporary directory.")] = None,
    look: Annotated[bool, typer.Option("--look", help="Keep the page up when all is stored, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on stdout.")] = False,
) -> None:
    """Play recorded exchange traffic to the real collector, and report what came of it for each symbol.

    Exit code 1 when a trade of a recording was lost or doubled.
    """
    from marketprism.supervisor.replaying import print_report, replay_files

    factor = _speed(speed)
    temporary = data is None
    with contextlib.ExitStack() as stack:
        if data is None:
            data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="marketprism-replay-")))
        report = asyncio.run(replay_files(files, factor, data, look=look))
    if temporary:
        report.data = None
        print("the data of this replay is removed (--data keeps it)", file=sys.stderr)
    print_report(report, as_json=as_json)
    if not report.exact:
        raise typer.Exit(1)


def _speed(text: str) -> float | None:
    """None = as fast as possible."""
    if text == "max":
        return None
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise SettingsError(f"--speed {text}: give a factor above 0, such as 1 or 10, or max")
    return factor


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(up)
    app.command()(demo)
    app.command()(replay)
