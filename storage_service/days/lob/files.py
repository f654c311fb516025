"""What lies below a root of day files: one book file a (day, symbol), and aggTrades files beside the day folders."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from marketprism.errors import DayError

SUFFIXES: Final = (".parquet", ".feather", ".csv")
"""Of copies of one file that differ in the suffix only, the first of these is read."""
_TRADES: Final = re.compile(r"(?P<symbol>[^-]+)-aggTrades-(?P<period>\d{4}-\d{2}(?:-\d{2})?)")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True, order=True)
class BookFile:
    """The file of a (day, symbol); several different ones are in ``others``: nobody can say which is meant."""

    day: date
    symbol: str
    path: Path
    others: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class TradeFile:
    """Aggregate trades of one symbol and one month or day (``period``)."""

    period: str
    symbol: str
    path: Path


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which files: days from ``first`` to ``last``, both included, and symbols; empty ``symbols`` = all there are."""

    first: date
    last: date
    symbols: frozenset[str] = frozenset()

    def day(self, day: date, symbol: str) -> bool:
        """Whether a day file is wanted."""
        return self.first <= day <= self.last and (not self.symbols or symbol in self.symbols)

    def period(self, period: str, symbol: str) -> bool:
        """Whether a trade file has wanted days."""
        inside = f"{self.first}"[: len(period)] <= period <= f"{self.last}"[: len(period)]
        return inside and (not self.symbols or symbol in self.symbols)


def book_files(root: Path, wanted: Wanted) -> list[BookFile]:
    """Book files below ``root`` by day and symbol. Raises DayError when the root is no folder of day folders."""
    if not root.is_dir():
        raise DayError(f"{root} is no directory; give the folder that holds YYYY-MM-DD/SYMBOL-*.csv|parquet|feather")
    found: dict[tuple[date, str], list[Path]] = defaultdict(list)
    for folder in sorted(root.iterdir()):
        day = _date(folder.name) if folder.is_dir() else None
        if day is None:
            continue
        for path in sorted(folder.iterdir()):
            symbol, dash, _ = path.name.partition("-")
            if path.suffix in SUFFIXES and dash and not _TRADES.match(path.stem) and wanted.day(day, symbol):
                found[day, symbol].append(path)
    return [_one(day, symbol, paths) for (day, symbol), paths in sorted(found.items())]


def trade_files(root: Path, wanted: Wanted) -> list[TradeFile]:
    """Trade files in ``root`` and in the folders below it."""
    found: dict[tuple[str, str], Path] = {}
    for path in sorted([*root.glob("*"), *root.glob("*/*")], key=lambda path: _rank(path), reverse=True):
        match = _TRADES.fullmatch(path.stem)
        if match and path.suffix in SUFFIXES and wanted.period(match["period"], match["symbol"]):
            found[match["period"], match["symbol"]] = path
    return [TradeFile(period, symbol, path) for (period, symbol), path in sorted(found.items())]


def checksum(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _one(day: date, symbol: str, paths: Collection[Path]) -> BookFile:
    first, *others = sorted(paths, key=_rank)
    return BookFile(day, symbol, first, tuple(path for path in others if path.stem != first.stem))


def _rank(path: Path) -> tuple[int, str]:
    return (SUFFIXES.index(path.suffix) if path.suffix in SUFFIXES else len(SUFFIXES), str(path))


def _date(name: str) -> date | None:
    if not _DAY.fullmatch(name):
        return None
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None
