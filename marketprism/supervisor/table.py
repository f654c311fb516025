"""A Status as a rich table for a terminal, or as one plain line for a log. Pure: from a Status to text."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from marketprism.status import Status
from marketprism.supervisor.supervise import PartState

ABSENT: Final = "–"
WIDE: Final = 130
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
    amount = abs(float(value))
    if amount and not 1e-12 <= amount < 1e12:  # outside of the wire contract
        return number(value)
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


def quality(row: Mapping[str, Any]) -> Text:
    """Quality of the newest bucket; the serving state beside it while it is not healthy."""
    state = str(row.get("serving") or "healthy")
    told = str(row.get("quality") or ABSENT)
    return Text(told) if state == "healthy" else Text.assemble(told, " ", (state, "red"))


def _name(row: Mapping[str, Any], wide: bool) -> Text:
    venue = f"{row['exchange']} {row['market_type']}" if wide else str(row["market_type"])
    return Text.assemble((str(row["symbol"]), "bold"), f" {venue}")


_COLUMNS: Final[tuple[tuple[str, bool, Callable[[Mapping[str, Any], int], Text | str]], ...]] = (
    ("trades/s", True, lambda row, _: number(row.get("trades_per_s", 0.0), 3)),
    ("lag", True, _lag),
    ("mid", True, lambda row, _: price(row.get("mid_price"))),
    ("spread bps", False, lambda row, _: number(row.get("spread_bps"), 3)),
    ("imbalance", False, lambda row, _: number(row.get("tob_imbalance"), 2)),
    ("POC", False, lambda row, _: price(row.get("poc_px"))),
    ("bucket", False, lambda row, _: _bucket(row)),
    ("volume", True, lambda row, _: number(row.get("vol"), 4)),
    ("Kyle λ", False, lambda row, _: number(kyle(row), 3)),
    ("VPIN", False, lambda row, _: number(row.get("vpin"), 3)),
    ("quality", True, lambda row, _: quality(row)),
)
"""Heading, whether only a wide terminal shows it, and the cell of a row at a time (ms)."""


def kyle(row: Mapping[str, Any]) -> Any:
    """The regression slope over 50 buckets; the ratio of the one bucket until there are so many."""
    slope = row.get("kyle_lambda_ols")
    return row.get("kyle_lambda") if slope is None else slope


def symbol_table(symbols: Sequence[Mapping[str, Any]], now_ms: int, *, wide: bool = True) -> Table:
    """The newest feature values, one row a symbol."""
    columns = [(name, cell) for name, only_wide, cell in _COLUMNS if wide or not only_wide]
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("symbol", no_wrap=True)
    for name, _ in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for row in symbols:
        table.add_row(_name(row, wide), *(cell(row, now_ms) for _, cell in columns))
    if not symbols:
        table.add_row(Text("waiting for the first closed bucket", "dim"))
    return table


def summary(status: Status) -> str:
    """Rates, rows, backlog and what needs eyes, in one line."""
    rates, tables = status.rows_per_s, status.tables
    parts = [
        f"trades {number(rates.get('trades'), 3)}/s",
        f"books {number(rates.get('orderbooks'), 3)}/s",
        f"quotes {number(rates.get('best_quotes'), 3)}/s",
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


def live_view(status: Status, parts: Sequence[PartState], headline: str, width: int = WIDE) -> RenderableType:
    """The whole screen, for a terminal ``width`` columns wide."""
    lines: list[RenderableType] = [Text(headline, "bold"), *([parts_line(parts)] if parts else [])]
    lines.append(Text(summary(status)))
    lines.append(symbol_table(status.symbols, status.time_ms, wide=width >= WIDE))
    lines += [Text(problem, "yellow") for problem in status.problems]
    return Group(*lines)


def plain_line(status: Status) -> str:
    """The same for a log: the summary, the last values of each symbol, and the problems."""
    symbols = [
        f"{row['symbol']} ({row['exchange']} {row['market_type']}) spread {number(row.get('spread_bps'), 3)} bps "
        f"imbalance {number(row.get('tob_imbalance'), 2)} POC {price(row.get('poc_px'))} bucket {_bucket(row).plain} "
        f"λ {number(kyle(row), 3)} VPIN {number(row.get('vpin'), 3)}"
        for row in status.symbols
    ]
    return " | ".join([summary(status), *symbols, *status.problems])


def to_svg(view: RenderableType, title: str) -> str:
    """The view as a picture of a terminal."""
    console = Console(record=True, width=WIDE, file=io.StringIO())
    console.print(view)
    return console.export_svg(title=title)
