"""``panel``: books and trades on a grid, as files for backtests and factor work."""

from __future__ import annotations

import re
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from marketprism.errors import SettingsError
from marketprism.moments import moment

app = typer.Typer(help="Panels on a time grid: export them, or the universe of a day.", no_args_is_help=True)

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}

Symbols = Annotated[list[str], typer.Option(help="Symbols, separated by commas or given again.")]
First = Annotated[str, typer.Option("--from", help="First instant, UTC: YYYY-MM-DD or ISO time.")]
Last = Annotated[str, typer.Option("--to", help="End: YYYY-MM-DD is included, an ISO time is not.")]


@app.command()
def export(
    symbols: Symbols,
    first: First,
    last: Last,
    out: Annotated[Path, typer.Option(help="Folder; files are exchange=…/market_type=…/symbol=…/date=….")],
    exchange: Annotated[str, typer.Option(help="Exchange.")] = "binance",
    market_type: Annotated[str, typer.Option(help="spot, linear, inverse or option.")] = "linear",
    grid: Annotated[str, typer.Option(help="Time between rows: 200ms, 1s, 1m.")] = "1s",
    features: Annotated[
        list[str] | None,
        typer.Option(help="book, trades, factors, ranks, execution, universe, and columns of bucket features."),
    ] = None,
    levels: Annotated[int, typer.Option(help="Levels a side of the books.")] = 5,
    window: Annotated[int, typer.Option(help="Rows that factors look back.")] = 60,
    stale: Annotated[str, typer.Option(help="A book that is older is not live.")] = "3s",
    gap: Annotated[str, typer.Option(help="A longer time without a book begins a new segment.")] = "5s",
    penalty: Annotated[float, typer.Option(help="Basis points a second of age that execution prices lose.")] = 1.0,
    data: Annotated[Path | None, typer.Option(help="Data directory of the run [MARKETPRISM_DATA_DIR].")] = None,
) -> None:
    """Write a panel as hive-partitioned parquet, streaming: memory does not grow with the range."""
    from marketprism.cli.checks import require_folder, require_stored
    from marketprism.clickhouse import connect
    from marketprism.panel import Panel
    from marketprism.panel_export import export_panel
    from marketprism.supervisor.attach import find_servers

    panel = Panel(
        tuple(dict.fromkeys(_split(symbols))),
        _span(first, "--from")[0],
        _span(last, "--to")[1],
        exchange,
        market_type,
        _length(grid, "--grid"),
        tuple(dict.fromkeys(_split(features or ["book,trades"]))),
        levels,
        window,
        _length(stale, "--stale"),
        _length(gap, "--gap"),
        max(60_000, _length(gap, "--gap")),
        penalty,
    )
    panel.check()
    client = connect(find_servers(data).clickhouse)
    try:
        require_stored(client, panel.symbols, exchange, market_type)
        require_folder(out)
        rows = export_panel(client, panel, out, _told)
    finally:
        client.close()
    typer.echo(f"{rows} rows written below {out}")


@app.command()
def universe(
    first: First,
    last: Last,
    exchange: Annotated[str, typer.Option(help="Exchange.")] = "binance",
    market_type: Annotated[str, typer.Option(help="spot, linear, inverse or option.")] = "linear",
    lookback_days: Annotated[int, typer.Option(min=1, help="Days before a day that judge it.")] = 1,
    min_coverage: Annotated[float, typer.Option(help="Least share of seconds with a live book.")] = 0.90,
    max_crossed: Annotated[float, typer.Option(help="Greatest share of crossed books.")] = 0.001,
    data: Annotated[Path | None, typer.Option(help="Data directory of the run [MARKETPRISM_DATA_DIR].")] = None,
) -> None:
    """Symbols that may be traded on each day, judged by the days before it alone."""
    from marketprism.cli.checks import require_stored
    from marketprism.clickhouse import connect
    from marketprism.panel import Panel
    from marketprism.panel import universe as read_universe
    from marketprism.supervisor.attach import find_servers

    start, end = _span(first, "--from")[0], _span(last, "--to")[1]
    panel = Panel(("*",), start, end, exchange, market_type, min_coverage=min_coverage, max_crossed=max_crossed)
    client = connect(find_servers(data).clickhouse)
    try:
        require_stored(client, (), exchange, market_type)
        for row in read_universe(client, panel, lookback_days).to_pylist():
            typer.echo(
                f"{row['day']}\t{row['symbol']}\t{row['coverage']:.4f}\t{row['crossed_ratio']:.6f}\t{row['books']:.0f}"
            )
    finally:
        client.close()


def _told(day: date, rows: int) -> None:
    if sys.stderr.isatty():
        print(f"{day}  {rows} rows", file=sys.stderr)


def _split(given: list[str]) -> list[str]:
    return [name.strip() for text in given for name in text.split(",") if name.strip()]


def _length(text: str, option: str) -> int:
    match = re.fullmatch(r"(\d+)(ms|s|m|h)", text)
    if match is None:
        raise SettingsError(f"{option} {text!r}: write a number and ms, s, m or h, such as 200ms or 1s")
    return int(match[1]) * _UNITS[match[2]]


def _span(text: str, option: str) -> tuple[datetime, datetime]:
    """The instant, or the first one of a day and the first one after it."""
    at = moment(text, option)
    return (at, at + timedelta(days=1)) if len(text) == 10 else (at, at)
