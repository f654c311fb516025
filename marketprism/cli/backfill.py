"""``backfill``: years of an exchange's archive, through the same tables and the same SQL as live rows."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from marketprism.errors import DayError, SettingsError

app = typer.Typer(help="Load exchange archives as whole days.", no_args_is_help=True)

_INTERRUPTED = 128 + signal.SIGINT

Kind = Literal[
    "aggTrades", "trades", "klines", "markPriceKlines", "indexPriceKlines", "premiumIndexKlines", "fundingRate",
    "metrics", "bookDepth", "liquidationSnapshot", "bookTicker",
]  # fmt: skip


@app.callback()
def _group() -> None:
    """A group even while there is one archive."""


@app.command("binance-vision")
def binance_vision(
    market: Annotated[Literal["um", "cm", "spot"], typer.Option(help="USD-M, COIN-M or spot.")],
    kind: Annotated[Kind, typer.Option("--type", help="Kind of file.")],
    symbols: Annotated[list[str], typer.Option(help="Symbols, separated by commas or given again.")],
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD or YYYY-MM.")],
    last: Annotated[str, typer.Option("--to", help="Last day, included; YYYY-MM is the whole month.")],
    interval: Annotated[list[str] | None, typer.Option(help="Candle length of kline kinds, such as 1m; again.")] = None,
    base_url: Annotated[str, typer.Option(help="Mirror: a directory, file:// or http(s)://.")] = "",
    workers: Annotated[int, typer.Option(min=1, max=32, help="Files at once.")] = 4,
    over_live: Annotated[bool, typer.Option("--over-live", help="Replace closed days that live rows have.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON on stdout.")] = False,
    data: Annotated[Path | None, typer.Option(help="Data directory of the run [MARKETPRISM_DATA_DIR].")] = None,
) -> None:
    """Load Binance Vision files: verified, resumable, a day installed whole. Exit code 12 when a file failed."""
    import msgspec

    from marketprism.cli.backfill_progress import progress
    from marketprism.settings import StorageSettings
    from marketprism.supervisor.attach import find_servers
    from storage_service.days.fetching import Request
    from storage_service.days.history import Backfill
    from storage_service.days.layouts import LAYOUTS

    layout = LAYOUTS[kind]
    names = tuple(dict.fromkeys(name.strip() for text in symbols for name in text.split(",") if name.strip()))
    if market not in layout.fields:
        raise SettingsError(
            f"--type {kind} is not in the archive of --market {market}; it has {', '.join(layout.fields)}"
        )
    if layout.intervals != bool(interval):
        advice = "give --interval (such as 1m)" if layout.intervals else "leave --interval out"
        raise SettingsError(f"--type {kind}: {advice}")
    begin, end = day_option(first, "--from")[0], day_option(last, "--to")[1]
    end = min(end, datetime.now(UTC).date() - timedelta(days=1))
    if begin > end or not names:
        raise SettingsError(f"nothing to load from {begin} to {end} (yesterday at the latest); correct --from, --to")
    request = Request(market, layout, names, tuple(interval or ("",)), begin, end, over_live)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with progress(quiet=as_json) as told:
            backfill = Backfill(
                find_servers(data).clickhouse, StorageSettings(), request, base_url=base_url, workers=workers, told=told
            )
            summary = backfill.run()
    except KeyboardInterrupt:
        print("stopped; run the same command again to go on", file=sys.stderr, flush=True)
        os._exit(_INTERRUPTED)  # a worker may hang in a read for a minute; what it left is of no use
    if as_json:
        print(msgspec.json.encode(asdict(summary)).decode())
    else:
        _show(asdict(summary))
    if summary.failed:
        others = "the others are loaded" if summary.files + summary.skipped else "none was loaded"
        raise DayError(f"{len(summary.failed)} files failed, {others}; first: {summary.failed[0]['error']}")


@app.command("export-flows")
def export_flows_command(
    symbols: Annotated[list[str], typer.Option(help="Symbols, separated by commas or given again.")],
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD or YYYY-MM.")],
    last: Annotated[str, typer.Option("--to", help="Last day, included; YYYY-MM is the whole month.")],
    out: Annotated[Path, typer.Option(help="Folder of the files.")],
    exchange: Annotated[str, typer.Option(help="Exchange.")] = "binance",
    market_type: Annotated[str, typer.Option(help="spot, linear or inverse.")] = "linear",
    data: Annotated[Path | None, typer.Option(help="Data directory of the run [MARKETPRISM_DATA_DIR].")] = None,
) -> None:
    """Order flow in the naming of archive users: SYMBOL/YYYY-MM.parquet, SYMBOL_aggTrades.csv and its meta file."""
    from marketprism.clickhouse import connect
    from marketprism.flow_export import FlowRange, export_flows
    from marketprism.supervisor.attach import find_servers

    wanted = FlowRange(exchange, market_type, day_option(first, "--from")[0], day_option(last, "--to")[1])
    client = connect(find_servers(data).clickhouse)
    try:
        for name in dict.fromkeys(name.strip() for text in symbols for name in text.split(",") if name.strip()):
            meta = export_flows(client, name, wanted, out)
            print(f"{name}: {meta['minutes']} minutes, {meta['hours']} hours")
    finally:
        client.close()


def day_option(text: str, option: str) -> tuple[date, date]:
    """The first and last day that the text names."""
    try:
        if len(text) == 7:
            month = date.fromisoformat(f"{text}-01")
            return month, (month + timedelta(days=32)).replace(day=1) - timedelta(days=1)
        return date.fromisoformat(text), date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"{option} {text!r} is neither YYYY-MM-DD nor YYYY-MM; correct it") from error


def _show(summary: dict[str, Any]) -> None:
    print(
        "{files} files loaded, {skipped} were done, {absent} do not exist; {rows} rows in {days} days".format(**summary)
    )
    for name in ("duplicates", "outside", "missing_ids", "live_days"):
        if summary[name]:
            print(f"{name.replace('_', ' ')}: {summary[name]}")
    for note in summary["notes"]:
        print(f"note: {note}")
    for failure in summary["failed"]:
        print(f"failed: {failure['error']}", file=sys.stderr)
