"""``import``: files that researchers have, into the same tables as live rows."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from marketprism.errors import DayError

app = typer.Typer(help="Import files of one's own as whole days.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """A group even while there is one kind of file."""


@app.command()
def lob(
    root: Annotated[Path, typer.Argument(help="Folder of YYYY-MM-DD/SYMBOL-*.csv|parquet|feather.")],
    exchange: Annotated[str, typer.Option(help="Whose books they are.")] = "binance",
    market_type: Annotated[Literal["linear", "spot"], typer.Option(help="Quantities must be base units.")] = "linear",
    symbols: Annotated[list[str] | None, typer.Option(help="Only these, separated by commas or given again.")] = None,
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD or YYYY-MM.")] = "1970-01-01",
    last: Annotated[str, typer.Option("--to", help="Last day, included.")] = "2100-12-31",
    columns: Annotated[
        list[str] | None, typer.Option("--map", help="time=COLUMN, or ap, av, bp, bv=NAME with {n} for the level.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=32, help="Files at once.")] = 2,
    over_live: Annotated[bool, typer.Option("--over-live", help="Replace closed days that live rows have.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON on stdout.")] = False,
    data: Annotated[Path | None, typer.Option(help="Data directory of the run [MARKETPRISM_DATA_DIR].")] = None,
) -> None:
    """Import order-book day files, and SYMBOL-aggTrades-YYYY-MM files beside them. Exit code 12 when a file failed.

    What was found in each file is in marketprism_cold.lob_manifest.
    """
    import msgspec

    from marketprism.cli.backfill import day_option
    from marketprism.settings import StorageSettings
    from marketprism.supervisor.attach import find_servers
    from storage_service.days.lob.files import Wanted
    from storage_service.days.lob.load import LobImport, LobRequest
    from storage_service.days.lob.manifest import ManifestRow
    from storage_service.days.lob.reading import ColumnMap

    names = frozenset(name.strip() for text in symbols or [] for name in text.split(",") if name.strip())
    wanted = Wanted(day_option(first, "--from")[0], day_option(last, "--to")[1], names)
    request = LobRequest(root, exchange, market_type, wanted, ColumnMap.of(columns or []), over_live)

    def told(row: ManifestRow) -> None:
        print(f"{row.state:>10}  {row.date}  {row.symbol}  {row.rows or ''}", file=sys.stderr)

    done = LobImport(find_servers(data).clickhouse, StorageSettings(), request, workers=workers, told=told).run()
    if as_json:
        print(msgspec.json.encode(asdict(done)).decode())
    else:
        _show(asdict(done))
    if done.failed:
        raise DayError(f"{len(done.failed)} files failed, the others are loaded; first: {done.failed[0]['error']}")


def _show(summary: dict[str, Any]) -> None:
    print("{files} book files with {rows} books, {trade_files} trade files with {trades} trades".format(**summary))
    for name in ("skipped", "live_days", "missing_ids"):
        if summary[name]:
            print(f"{name.replace('_', ' ')}: {summary[name]}")
    for failure in summary["failed"]:
        print(f"failed: {failure['error']}", file=sys.stderr)
