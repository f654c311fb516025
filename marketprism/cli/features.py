"""``features``: what the catalogue holds, the rows of one feature as a file, and the jobs that write features."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    typer.echo(f"{'inputs:':11}{', '.join(each.header.inputs)}")
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
    name: Annotated[str, typer.Argument(help="feature_registry, footprint_clusters or trade_clusters.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Run a job that computes features outside SQL, as of now; its run is recorded in job_runs.

    The storage service runs them too: clusters every MARKETPRISM_STORAGE_FEATURE_JOBS_EVERY_S, the registry daily.
    """
    import msgspec

    from marketprism.clickhouse import connect
    from marketprism.errors import JobError
    from marketprism.jobs import JOBS, run_job
    from marketprism.supervisor.attach import find_servers

    if name not in JOBS:
        raise JobError(f"no job {name!r}; there are {', '.join(JOBS)}")
    client = connect(find_servers().clickhouse)
    try:
        run = run_job(client, JOBS[name])
        said = msgspec.json.encode({"job": run.job, "run_id": run.run_id}).decode() if as_json else run.run_id
        typer.echo(said)
    finally:
        client.close()
