"""A panel as hive-partitioned parquet: ``exchange=…/market_type=…/symbol=…/date=…/part-0.parquet``, day by day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from marketprism.panel import Panel, pieces

_IN_PATH = ("exchange", "market_type", "symbol")


def export_panel(
    client: Any, panel: Panel, out: Path | str, told: Callable[[date, int], None] = lambda _day, _rows: None
) -> int:
    """Write the panel below ``out``; returns its rows. ``told`` hears of each finished day.

    A file appears under its name when its day is complete; one that is there already is replaced. Raises QueryError.
    """
    rows = of_day = 0
    day: date | None = None
    files: dict[str, _File] = {}
    try:
        for piece in pieces(client, panel):
            today = piece["ts"][0].as_py().date()
            if day is not None and today != day:
                _finish(files)
                told(day, of_day)
                of_day = 0
            day = today
            for symbol in panel.symbols:
                part = piece.filter(pc.equal(piece["symbol"], symbol)).drop_columns(list(_IN_PATH))
                if symbol not in files:
                    files[symbol] = _File(_path(Path(out), panel, symbol, today), part.schema)
                files[symbol].write(part)
            rows += piece.num_rows
            of_day += piece.num_rows
        _finish(files)
        if day is not None:
            told(day, of_day)
    finally:
        for file in files.values():
            file.abandon()
    return rows


def _path(out: Path, panel: Panel, symbol: str, day: date) -> Path:
    keys = {"exchange": panel.exchange, "market_type": panel.market_type, "symbol": symbol, "date": day}
    return out.joinpath(*(f"{name}={value}" for name, value in keys.items()), "part-0.parquet")


def _finish(files: dict[str, _File]) -> None:
    for file in files.values():
        file.finish()
    files.clear()


class _File:
    """One parquet file that is being written beside its name."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._partial = path, path.with_name(f".{path.name}.partial")
        self._writer = pq.ParquetWriter(self._partial, schema, compression="zstd")

    def write(self, part: pa.Table) -> None:
        """One row group."""
        self._writer.write_table(part)

    def finish(self) -> None:
        """Close, and give it its name."""
        self._writer.close()
        self._partial.replace(self._path)

    def abandon(self) -> None:
        """Leave nothing half-written behind."""
        self._writer.close()
        self._partial.unlink(missing_ok=True)
