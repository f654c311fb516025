"""What is found below a root of day files, and how their columns and times are read."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from marketprism.errors import DayError, SettingsError
from storage_service.days.lob.files import Wanted, book_files, trade_files
from storage_service.days.lob.reading import ColumnMap, read_books
from storage_service.days.vision import FileFailed

ALL = Wanted(dt.date(2024, 1, 1), dt.date(2024, 12, 31))
TIME_MS = 1_723_161_600_123
LEVELS = {"ap1": [2.0], "av1": [1.0], "bp1": [1.0], "bv1": [3.0]}


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")


def test_one_file_a_day_and_symbol(tmp_path: Path) -> None:
    touch(
        tmp_path, "2024-08-08/BTCUSDT-book.csv", "2024-08-08/BTCUSDT-book.parquet", "2024-08-08/ETHUSDT-a.csv",
        "2024-08-08/ETHUSDT-b.csv", "2024-08-08/notes.txt", "2024-08-08/nodash.csv", "2024-99-08/BTCUSDT-book.csv",
        "2023-08-08/BTCUSDT-book.csv", "2024-08-08/BTCUSDT-aggTrades-2024-08-08.csv",
    )  # fmt: skip
    found = book_files(tmp_path, ALL)
    assert [(file.symbol, file.path.name, [path.name for path in file.others]) for file in found] == [
        ("BTCUSDT", "BTCUSDT-book.parquet", []),  # a copy in another format is no other file
        ("ETHUSDT", "ETHUSDT-a.csv", ["ETHUSDT-b.csv"]),
    ]
    only = Wanted(ALL.first, ALL.last, frozenset({"ETHUSDT"}))
    assert [file.symbol for file in book_files(tmp_path, only)] == ["ETHUSDT"]
    with pytest.raises(DayError, match="is no directory"):
        book_files(tmp_path / "nowhere", ALL)


def test_trade_files_beside_and_below(tmp_path: Path) -> None:
    touch(
        tmp_path, "BTCUSDT-aggTrades-2024-08.feather", "BTCUSDT-aggTrades-2024-08.csv", "BTCUSDT-aggTrades-2023-08.csv",
        "trades/ETHUSDT-aggTrades-2024-09.parquet", "2024-08-08/SOLUSDT-aggTrades-2024-08-08.csv",
        "X-klines-2024-08.csv",
    )  # fmt: skip
    found = [(file.period, file.symbol, file.path.name) for file in trade_files(tmp_path, ALL)]
    assert found == [
        ("2024-08", "BTCUSDT", "BTCUSDT-aggTrades-2024-08.feather"),
        ("2024-08-08", "SOLUSDT", "SOLUSDT-aggTrades-2024-08-08.csv"),
        ("2024-09", "ETHUSDT", "ETHUSDT-aggTrades-2024-09.parquet"),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("T", TIME_MS), ("ts", TIME_MS * 1_000), ("timestamp", TIME_MS * 1_000_000), ("T", TIME_MS / 1_000),
        ("T", float(TIME_MS)), ("ts", dt.datetime.fromtimestamp(TIME_MS / 1_000, dt.UTC)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", ["csv", "parquet", "feather"])
def test_times_by_magnitude(tmp_path: Path, name: str, value: object, suffix: str) -> None:
    path = tmp_path / f"A-book.{suffix}"
    frame = pl.DataFrame({name: [value], **LEVELS})
    if suffix == "csv":
        frame.write_csv(path)
    elif suffix == "parquet":
        frame.write_parquet(path)
    else:
        frame.write_ipc(path, compression="lz4")
    (batch,) = read_books(path, ColumnMap())
    assert abs(batch.column("us")[0].as_py() - TIME_MS * 1_000) <= (1 if isinstance(value, float) else 0)
    assert [batch.column(side)[0].as_py() for side in ("ap", "av", "bp", "bv")] == [[2.0], [1.0], [1.0], [3.0]]


def test_columns_by_a_map_and_levels_that_are_absent(tmp_path: Path) -> None:
    path = tmp_path / "A-book.parquet"
    names = {"ap": "ask_{n}_px", "av": "ask_{n}_sz", "bp": "bid_{n}_px", "bv": "bid_{n}_sz"}
    columns = {names[side].format(n=n): [float(n), None] for side in names for n in range(2)}
    pl.DataFrame({"at": [TIME_MS, TIME_MS + 1], **columns}).write_parquet(path)
    asked = ColumnMap.of(["time=at", *(f"{side}={name}" for side, name in names.items())])
    (batch,) = read_books(path, asked)
    first, second = (np.array(batch.column("ap")[row].as_py()) for row in (0, 1))
    assert first.tolist() == [0.0, 1.0]
    assert np.isnan(second).all()
    with pytest.raises(FileFailed, match="no time column"):
        list(read_books(path, ColumnMap()))
    with pytest.raises(SettingsError, match="or ap, av, bp or bv"):
        ColumnMap.of(["ap=ask"])


def test_what_cannot_be_read(tmp_path: Path) -> None:
    empty, uneven, timeless = tmp_path / "A-1.csv", tmp_path / "A-2.csv", tmp_path / "A-3.csv"
    empty.write_text("T,ap1,av1,bp1,bv1\n")
    uneven.write_text("T,ap1,av1,bp1\n1,2,3,4\n")
    timeless.write_text("T,ap1,av1,bp1,bv1\n1723161600123,2,1,1,3\n,2,1,1,3\n")
    for path, reason in ((empty, "has no rows"), (uneven, "do not match"), (timeless, "without a time")):
        with pytest.raises(FileFailed, match=reason):
            list(read_books(path, ColumnMap()))
