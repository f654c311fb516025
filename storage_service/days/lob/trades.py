"""Aggregate trades beside day folders: a month or a day of a symbol as feather, parquet or CSV, staged like a zip."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from storage_service.days.engine import Engine
from storage_service.days.layouts import LAYOUTS
from storage_service.days.ledger import Entry
from storage_service.days.lob.files import TradeFile, checksum
from storage_service.days.lob.reading import microseconds, pieces_of
from storage_service.days.stage import Staged, Stager
from storage_service.days.vision import ArchiveFile, FileFailed

LAYOUT: Final = LAYOUTS["aggTrades"]
_NAMES: Final = {
    "c1": ("agg_trade_id", "aggTradeId", "a", "id"),
    "c2": ("price", "p"),
    "c3": ("quantity", "qty", "q"),
    "c4": ("first_trade_id", "f"),
    "c5": ("last_trade_id", "l"),
    "c6": ("transact_time", "T", "timestamp", "time", "ts"),
    "c7": ("is_buyer_maker", "isBuyerMaker", "m"),
}
"""Field of the archive's layout → names that it goes by; c4 and c5 may be absent (then the trade's own id)."""


class TradeStager:
    """Stages trade files of one exchange and market (spot or linear: quantities are base units)."""

    def __init__(self, engine: Engine, exchange: str, market_type: str, latency_ms: int) -> None:
        self._engine, self._exchange, self._market_type = engine, exchange, market_type
        market = "spot" if market_type == "spot" else "um"
        self._market = market
        self._stager = Stager(engine, LAYOUT, market, latency_ms, source="import")

    def stage(self, file: TradeFile) -> Staged:
        """Raises FileFailed when the file is not what files of aggregate trades are."""
        virtual = ArchiveFile(self._market, LAYOUT.kind, file.symbol, "", file.period)
        entry = Entry.of(virtual)
        entry.path, entry.exchange, entry.market_type = str(file.path), self._exchange, self._market_type
        entry.checksum = checksum(file.path)

        def insert(table: str) -> int:
            sent = 0
            for batch in _batches(file):
                self._engine.insert(table, batch)
                sent += batch.num_rows
            return sent

        return self._stager.stage_by(insert, virtual, entry)


def _batches(file: TradeFile) -> Iterator[pa.RecordBatch]:
    for part in pieces_of(file.path):
        names = {name: next((n for n in names if n in part.schema.names), "") for name, names in _NAMES.items()}
        lacking = [_NAMES[field][0] for field in ("c1", "c2", "c3", "c6", "c7") if not names[field]]
        if lacking:
            raise FileFailed(f"{file.path.name} has no column {', '.join(lacking)}; name it as the archive does")
        ids = part.column(names["c1"]).cast(pa.uint64())
        columns = {
            "c1": ids,
            # the shortest text of a float restores the exchange's digits
            "c2": part.column(names["c2"]).cast(pa.string()),
            "c3": part.column(names["c3"]).cast(pa.string()),
            "c4": part.column(names["c4"]).cast(pa.uint64()) if names["c4"] else ids,
            "c5": part.column(names["c5"]).cast(pa.uint64()) if names["c5"] else ids,
            "c6": pa.array(np.asarray(microseconds(part.column(names["c6"]), file.path), np.int64)),
            "c7": _flags(part.column(names["c7"])),
        }
        yield pa.RecordBatch.from_pydict(columns)


def _flags(column: pa.Array) -> pa.Array:
    """``True`` and ``true`` in text files, booleans and 0/1 elsewhere."""
    return column if pa.types.is_boolean(column.type) else column.cast(pa.bool_())
