"""A synthetic month of an archive: aggregate trades of one symbol in the archive's own layout, zip and .CHECKSUM."""

from __future__ import annotations

import hashlib
import io
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl

from storage_service.days.vision import ArchiveFile
from tests.unit.days.vision_files import AGG_HEADER

MONTH = "2024-03"
DAYS = 31
BURST = 5
"""Trades of a burst: 105,280 real trades lie in 18,514 seconds."""
SAME_MS = 0.75
FAR = 0.6
"""Share of the price steps that are of many ticks."""


def month_file(symbol: str) -> ArchiveFile:
    """The file that ``write_month`` writes."""
    return ArchiveFile("um", "aggTrades", symbol, "", MONTH)


def day_of_trades(day: int, rows: int, seed: int = 7) -> pl.DataFrame:
    """``rows`` trades of one day, as the real COIN-M day of 2026-05-08 has them: bursts of five on average, more than
    half of the trades in the millisecond of the one before; price steps of 0, 1 or about ten ticks of 0.1; log-normal
    sizes at three decimals.
    """
    rng = np.random.default_rng((seed, day))
    start = int(datetime(2024, 3, 1, tzinfo=UTC).timestamp() * 1000) + day * 86_400_000
    bursts = np.sort(rng.integers(0, 86_400_000, rows // BURST + 1))
    times = bursts[np.sort(rng.integers(0, len(bursts), rows))]
    times += np.where(rng.random(rows) < SAME_MS, 0, rng.integers(0, 300, rows))
    times = np.minimum(np.sort(times), 86_399_999) + start
    far = rng.geometric(0.1, rows) * rng.choice([-1, 1], rows)
    ticks = 650_000 + np.cumsum(np.where(rng.random(rows) < FAR, far, rng.choice([-1, 0, 1], rows, p=[0.4, 0.2, 0.4])))
    first = day * rows + 1
    ids = np.arange(first, first + rows)
    return pl.DataFrame(
        {
            "agg_trade_id": ids,
            "price": np.maximum(ticks, 1) / 10,
            "quantity": np.maximum(np.round(rng.lognormal(-3, 1.5, rows), 3), 0.001),
            "first_trade_id": ids * 2,
            "last_trade_id": ids * 2 + 1,
            "transact_time": times,
            "is_buyer_maker": rng.random(rows) < 0.5,
        }
    )


def write_month(root: Path, symbol: str, rows: int) -> Path:
    """The month's zip with about ``rows`` trades; the uncompressed CSV is never held whole."""
    path = root / "data" / month_file(symbol).path
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(f"{path.stem}.csv", "w", force_zip64=True) as member,
    ):
        member.write(f"{AGG_HEADER}\n".encode())
        for day in range(DAYS):
            text = io.BytesIO()
            day_of_trades(day, -(-rows // DAYS)).write_csv(text, include_header=False)
            member.write(text.getbuffer())
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    path.with_name(f"{path.name}.CHECKSUM").write_text(f"{digest}  {path.name}\n")
    return path


def days() -> tuple[date, date]:
    """The month's first and last day."""
    return date(2024, 3, 1), date(2024, 3, DAYS)
