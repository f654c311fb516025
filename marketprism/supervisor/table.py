"""A Status as a rich table for a terminal, or as one plain line for a log. Pure: from a Status to text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from marketprism.status import Status
from marketprism.supervisor.supervise import PartState

ABSENT: Final = "–"
_STALE_MS: Final = 10_000
_CUT_STYLE: Final = {"volume": "green", "time": "yellow", "day": "cyan", "count": "green", "event": "green"}


def number(value: Any, digits: int = 4) -> str:
    """``value`` with so many significant digits; – for what is missing or not a number."""
    if not isinstance(value, int | float | Decimal) or isinstance(value, bool):
        return ABSENT
    if not math.isfinite(value):
        return ABSENT
    amount = float(value)
    if amount == 0:
        return "0"
    if 1e-4 <= abs(amount) < 10**9:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(amount))))
        return f"{amount:,.{decimals}f}"
    return f"{amount:.{digits - 1}e}"


def price(value: Any) -> str:
    """A price with every digit that it has, at least two decimals."""
    if not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        return ABSENT
    text = f"{Decimal(str(value)).normalize():,f}"
    return text if len(text.partition(".")[2]) >= 2 else f"{float(value):,.2f}"


def _lag(row: Mapping[str, Any], now_ms: int) -> Text:
    last = row.get("last_trade_ms")
    if last is None:
        return Text(ABSENT, "dim")
    lag = now_ms - int(last)
    return Text(f"{lag / 1000:.1f} s", "red" if lag > _STALE_MS else "")


def _bucket(row: Mapping[str, Any]) -> Text:
    bucket = row.get("bucket_id")
    if not bucket:
        return Text(ABSENT, "dim")
    cut = str(row.get("cut_trigger") or "open")
    return Text.assemble(f"{int(bucket) % 1_000_000:>4} ", (cut, _CUT_STYLE.get(cut, "dim")))


def symbol_table(symbols: Sequence[Mapping[str, Any]], now_ms: int) -> Table:
    """The newest feature values, one row a symbol."""
    table = Table(expand=False, header_style="bold", pad_edge=False)
    table.add_column("symbol")
    for name in ("trades/s", "lag", "mid", "spread bps", "imbalance", "POC", "bucket", "volume", "Kyle λ", "VPIN"):
        table.add_column(name, justify="right")
    table.add_column("quality")
    for row in symbols:
        table.add_row(
            f"{row['exchange']} {row['market_type']} [bold]{row['symbol']}[/bold]",
            number(row.get("trades_per_s", 0.0), 3),
            _lag(row, now_ms),
            price(row.get("mid_price")),
            number(row.get("spread_bps"), 3),
            number(row.get("tob_imbalance"), 3),
            price(row.get("poc_px")),
            _bucket(row),
            number(row.get("vol"), 4),
            number(row.get("kyle_lambda"), 3),
            number(row.get("vpin"), 3),
            str(row.get("quality") or ABSENT),
        )
    if not symbols:
        table.add_row(Text("waiting for the first closed bucket", "dim"))
    return table


def summary(status: Status) -> str:
    """Rates, rows, backlog and what needs eyes, in one line."""
    rates, tables = status.rows_per_s, status.tables
    parts = [
        f"trades {number(rates.get('trades', 0.0), 3)}/s",
        f"books {number(rates.get('orderbooks', 0.0), 3)}/s",
        f"quotes {number(rates.get('best_quotes', 0.0), 3)}/s",
        f"rows {sum(tables.values()):,}",
        f"waiting {status.pending:,}",
        f"gaps {tables.get('gaps', 0):,}",
        f"dead letters {tables.get('dead_letters', 0):,}",
    ]
    return " · ".join(parts)


def parts_line(parts: Sequence[PartState]) -> Text:
    """Each process with a mark: running or not, and how often it was restarted."""
    line = Text()
    for part in parts:
        line.append("● " if part.running else "○ ", "green" if part.running else "red")
        line.append(part.name + (f" ({part.restarts} restarts)" if part.restarts else "") + "  ")
    return line


def live_view(status: Status, parts: Sequence[PartState], headline: str) -> RenderableType:
    """The whole screen."""
    lines: list[RenderableType] = [Text(headline, "bold"), parts_line(parts), Text(summary(status))]
    lines.append(symbol_table(status.symbols, status.time_ms))
    lines += [Text(problem, "yellow") for problem in status.problems]
    return Group(*lines)


def plain_line(status: Status) -> str:
    """The same for a log: the summary, the last values of each symbol, and the problems."""
    symbols = [
        f"{row['symbol']} ({row['exchange']} {row['market_type']}) spread {number(row.get('spread_bps'), 3)} bps "
        f"imbalance {number(row.get('tob_imbalance'), 3)} POC {price(row.get('poc_px'))} bucket {_bucket(row).plain} "
        f"λ {number(row.get('kyle_lambda'), 3)} VPIN {number(row.get('vpin'), 3)}"
        for row in status.symbols
    ]
    return " | ".join([summary(status), *symbols, *status.problems])
