"""``buckets``: compute a day's unified buckets again from its trades, to install them or to compare; or what hangs on
its books.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Unified buckets of a day: rebuild, or verify.", no_args_is_help=True)

Day = Annotated[str, typer.Option(help="UTC day, YYYY-MM-DD.")]
Symbols = Annotated[list[str] | None, typer.Option("--symbol", help="Only this symbol; may be given again.")]
Table = Annotated[str, typer.Option(help="trades, or orderbooks: what is computed from books as they are stored.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
Data = Annotated[Path | None, typer.Option(help="Data directory of the run [MARKETPRISM_DATA_DIR].")]


def _rebuilder(data: Path | None, names: list[str] | None, table: str) -> Any:
    from marketprism.cli.checks import require_stored
    from marketprism.clickhouse import connect
    from marketprism.settings import StorageSettings  # what a command runs is imported by it: help is instant
    from marketprism.supervisor.attach import find_servers
    from storage_service.days.engine import Engine
    from storage_service.days.rebuild import Rebuilder

    clickhouse = find_servers(data).clickhouse
    if names:
        client = connect(clickhouse)
        try:
            require_stored(client, names)
        finally:
            client.close()
    return Rebuilder(Engine.open(clickhouse), clickhouse, StorageSettings(), data_type=table)


def _require_rows(outcome: Any, names: list[str] | None, table: str) -> None:
    """Raises DayError when symbols were named and the day has no row of them."""
    from marketprism.errors import DayError

    if names and not outcome.symbols:
        raise DayError(
            f"no {table} of {', '.join(names)} on {outcome.day}: nothing was done; correct --day or --symbol"
        )


def _show(outcome: Any, as_json: bool, table: str, done: str) -> None:
    import msgspec

    if as_json:
        print(msgspec.json.encode(asdict(outcome)).decode())
        return
    print(f"{outcome.day}: {outcome.rows} {table} of {outcome.symbols} symbols {done}")
    for line in outcome.differences:
        print(line)


@app.command()
def rebuild(
    day: Day,
    symbol: Symbols = None,
    table: Table = "trades",
    missing_ok: Annotated[bool, typer.Option(help="A day without rows of these symbols is done, no error.")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Fold a closed day's trades again under its frozen plan and install buckets and all views' targets.

    With --table orderbooks: the targets of the views on books, from the books as they are stored.
    """
    from marketprism.cli.archive import parsed_day

    chosen = parsed_day(day)
    outcome = _rebuilder(data, None if missing_ok else symbol, table).rebuild(chosen, symbol or ())
    if not missing_ok:
        _require_rows(outcome, symbol, table)
    _show(outcome, as_json, table, "rebuilt")


@app.command()
def verify(
    day: Day, symbol: Symbols = None, table: Table = "trades", as_json: AsJson = False, data: Data = None
) -> None:
    """Recompute a day and compare without writing. Exit code 1 when something differs."""
    from marketprism.cli.archive import parsed_day

    chosen = parsed_day(day)
    outcome = _rebuilder(data, symbol, table).verify(chosen, symbol or ())
    if not outcome.differences:
        _require_rows(outcome, symbol, table)
    _show(outcome, as_json, table, f"compared, {len(outcome.differences)} tables differ")
    if outcome.differences:
        raise typer.Exit(1)
