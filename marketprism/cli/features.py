"""``features``: what the catalogue holds, the rows of one feature as a file, and the jobs that write features."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Annotated

import typer

from marketprism.errors import SettingsError
from marketprism.feature_jobs import NAMES, REGISTRY
from marketprism.moments import moment

app = typer.Typer(help="The feature catalogue: list it, show one, export rows, run a job.", no_args_is_help=True)


@app.command("list")
def list_features() -> None:
    """Every feature: its name, what it is, how fresh, and whether it looks ahead."""
    from marketprism.catalogue import features  # what a command runs is imported by it: help is instant

    for each in features():
        typer.echo(f"{each.name}\t{each.comment}\t{each.header.freshness}\t{each.header.lookahead}")


@app.command()
def show(name: Annotated[str, typer.Argument(help="A feature, with or without its database.")]) -> None:
    """One feature: purpose, grain, inputs, formula, and its columns with units."""
    from marketprism.catalogue import find

    each = find(name)
    for key in ("purpose", "grain", "time", "freshness", "lookahead", "source"):
        typer.echo(f"{key + ':':11}{getattr(each.header, key)}")
    typer.echo(f"{'inputs:':11}{', '.join(each.inputs)}")
    for column in each.columns:
        typer.echo(f"  {column.name}\t{column.type}\t{column.comment}")


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="A feature, with or without its database.")],
    out: Annotated[Path, typer.Option(help="The parquet file to write.")],
    symbol: Annotated[list[str] | None, typer.Option(help="Only these symbols; may be given several times.")] = None,
    start: Annotated[str | None, typer.Option(help="Only what was available from here on, UTC (ISO).")] = None,
    end: Annotated[str | None, typer.Option(help="Only what was available before this, UTC (ISO).")] = None,
) -> None:
    """Write a feature's rows as parquet, in batches: memory does not grow with the rows."""
    from marketprism.catalogue import find
    from marketprism.cli.checks import require_file, require_stored
    from marketprism.clickhouse import connect
    from marketprism.feature_export import export_parquet
    from marketprism.supervisor.attach import find_servers

    find(name)
    require_file(out)
    client = connect(find_servers().clickhouse)
    try:
        if symbol:
            require_stored(client, symbol)
        rows = export_parquet(client, name, out, symbol or [], start, end)
    finally:
        client.close()
    typer.echo(f"{rows} rows written to {out}")


@app.command()
def job(
    name: Annotated[str, typer.Argument(help=f"{', '.join(NAMES[:-1])} or {NAMES[-1]}.")],
    at: Annotated[str, typer.Option(help="As of this instant, UTC (2024-08-08T12:00:00); now without it.")] = "",
    start: Annotated[str, typer.Option("--from", help="As of each instant from here on, with --to: for history.")] = "",
    end: Annotated[str, typer.Option("--to", help="The first instant that is not looked at any more.")] = "",
    every: Annotated[int, typer.Option(min=1, help="Seconds between two instants of --from and --to.")] = 300,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a run.")] = False,
) -> None:
    """Run a job that computes features outside SQL, as of now or of earlier instants; each run is recorded in job_runs.

    The storage service runs them too: windows every MARKETPRISM_STORAGE_FEATURE_JOBS_EVERY_S, the registry daily.
    """
    import msgspec

    from marketprism.clickhouse import connect
    from marketprism.errors import JobError
    from marketprism.jobs import JOBS, run_job
    from marketprism.supervisor.attach import find_servers

    if name not in JOBS:
        raise JobError(f"no job {name!r}; there are {', '.join(JOBS)}")
    instants = _instants(name, at, start, end, every)
    client = connect(find_servers().clickhouse)
    try:
        for instant in instants:
            run = run_job(client, JOBS[name], instant)
            said = {"job": run.job, "run_id": run.run_id, "at": run.at.isoformat()}
            typer.echo(msgspec.json.encode(said).decode() if as_json else run.run_id)
    finally:
        client.close()


def _instants(name: str, at: str, start: str, end: str, every: int) -> list[dt.datetime | None]:
    """What to look at; None is now. Raises SettingsError for instants that make no sense, or are still to come."""
    if not (at or start or end):
        return [None]
    if name == REGISTRY:
        raise SettingsError(f"{name} tells what the features are now; leave --at, --from and --to out")
    if bool(start) != bool(end) or bool(at) == bool(start):
        raise SettingsError("give --at, or both --from and --to")
    if at:
        found = [moment(at, "--at")]
    else:
        first, last = moment(start, "--from"), moment(end, "--to")
        found = [first + dt.timedelta(seconds=s) for s in range(0, math.ceil((last - first).total_seconds()), every)]
        if not found:
            raise SettingsError(f"--to {end!r} is not after --from {start!r}")
    if found[-1] > dt.datetime.now(dt.UTC):
        raise SettingsError(f"{found[-1]:%F %T} is still to come; a job knows nothing of it")
    return list(found)
