"""Book files as Arrow batches of a few thousand rows: CSV, parquet and feather, columns by a map of names.

A batch has ``n`` (line of the file, from 0), ``us`` (time, µs since the epoch) and the levels of each side as arrays
``ap``, ``av``, ``bp``, ``bv``; a level that is absent in a row is NaN.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet

from marketprism.errors import SettingsError
from storage_service.days.vision import FileFailed

SIDES: Final = ("ap", "av", "bp", "bv")
_ROWS: Final = 32_768
_OFFSET: Final = re.compile(r"(Z|[+-]\d\d:?\d\d)$")
_BLOCK: Final = 8 << 20
_UNITS: Final = ((1e11, 1_000_000, 1), (1e14, 1_000, 1), (1e17, 1, 1), (float("inf"), 1, 1_000))
"""Magnitude below which a number is in s, ms, µs, ns; factor and divisor to µs."""


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Where a file has what: ``time`` is the first of these that is there, ``levels`` a name with ``{n}`` per side."""

    time: tuple[str, ...] = ("T", "ts", "timestamp")
    levels: dict[str, str] = field(default_factory=lambda: {side: f"{side}{{n}}" for side in SIDES})

    @classmethod
    def of(cls, changes: Sequence[str]) -> ColumnMap:
        """From ``time=recorded_at``, ``ap=ask_price_{n}`` and so on. Raises SettingsError."""
        found = cls()
        time, levels = found.time, dict(found.levels)
        for change in changes:
            key, equals, name = change.partition("=")
            if key == "time" and name:
                time = (name,)
            elif key in SIDES and equals and "{n}" in name:
                levels[key] = name
            else:
                raise SettingsError(f"--map {change!r}: write time=COLUMN, or ap, av, bp or bv=NAME with {{n}} in it")
        return cls(time, levels)

    def resolve(self, names: Sequence[str]) -> tuple[str, list[list[str]]]:
        """(time column, the columns of each side from the best level on). Raises FileFailed for what is not there."""
        present = set(names)
        times = [name for name in self.time if name in present]
        if not times:
            raise FileFailed(f"no time column: none of {', '.join(self.time)} is among {', '.join(names[:6])}, …")
        start = 0 if self.levels["ap"].format(n=0) in present else 1
        sides = []
        for side in SIDES:
            columns: list[str] = []
            while (name := self.levels[side].format(n=start + len(columns))) in present:
                columns.append(name)
            sides.append(columns)
        if len({len(columns) for columns in sides}) > 1 or not sides[0]:
            shown = ", ".join(f"{len(columns)} {side}" for side, columns in zip(SIDES, sides, strict=True))
            raise FileFailed(f"the levels of the sides do not match: {shown} columns")
        return times[0], sides


def read_books(path: Path, columns: ColumnMap) -> Iterator[pa.RecordBatch]:
    """The file's rows in its order. Raises FileFailed when it cannot be read to its end."""
    count = 0
    for part in pieces_of(path, columns):
        time, sides = columns.resolve(part.schema.names)
        arrays = [
            pa.array(np.arange(count, count + part.num_rows, dtype=np.uint64)),
            pa.array(microseconds(part.column(time), path)),
            *(_levels(part, names) for names in sides),
        ]
        count += part.num_rows
        yield pa.RecordBatch.from_arrays(arrays, names=["n", "us", *SIDES])
    if not count:
        raise FileFailed(f"{path.name} has no rows")


def pieces_of(path: Path, columns: ColumnMap | None = None) -> Iterator[pa.RecordBatch]:
    """Record batches of the file as it is; with a map only the columns that it names. Raises FileFailed."""
    try:
        for batch in _open(path, columns):
            for start in range(0, batch.num_rows, _ROWS):
                yield batch.slice(start, _ROWS)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise FileFailed(f"{path.name} cannot be read: {reason}; make the file again") from error


def _open(path: Path, columns: ColumnMap | None) -> Iterator[pa.RecordBatch]:
    if path.suffix == ".csv":
        yield from _csv(path, columns)
    elif path.suffix == ".parquet":
        with pa.parquet.ParquetFile(path) as file:
            yield from file.iter_batches(_ROWS, columns=_wanted(file.schema_arrow.names, columns))
    elif _magic(path) == b"FEA1":  # the format before Arrow's own has no batches
        yield from pa.feather.read_table(path).to_batches(_ROWS)
    else:
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
            for number in range(file.num_record_batches):
                yield file.get_batch(number)


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def _wanted(names: Sequence[str], columns: ColumnMap | None) -> list[str] | None:
    if columns is None:
        return None
    time, sides = columns.resolve(names)
    return [time, *(name for side in sides for name in side)]


def _csv(path: Path, columns: ColumnMap | None) -> Iterator[pa.RecordBatch]:
    with path.open("rb") as file:
        names = file.readline().decode(errors="replace").strip().lstrip("\ufeff").split(",")
        first = file.readline().decode(errors="replace").strip().split(",")
    types: dict[str, pa.DataType] = {}
    wanted = _wanted(names, columns)
    if wanted is not None:
        types = dict.fromkeys(wanted[1:], pa.float64())
        types[wanted[0]] = _time_type(first[names.index(wanted[0])] if len(first) == len(names) else "")
    convert = pa.csv.ConvertOptions(column_types=types, include_columns=wanted, strings_can_be_null=True)
    read = pa.csv.ReadOptions(block_size=_BLOCK)
    with pa.csv.open_csv(path, read_options=read, convert_options=convert) as reader:
        yield from reader


def _time_type(text: str) -> pa.DataType:
    """By the first value: a column that begins with an integer may not turn into something else."""
    try:
        float(text)
    except ValueError:
        return pa.timestamp("us", "UTC" if _OFFSET.search(text) else None)
    return pa.int64() if text.lstrip("-").isdigit() else pa.float64()


def microseconds(column: Any, path: Path) -> Any:
    """Times as µs since the epoch: Arrow timestamps, or numbers of s, ms, µs or ns by magnitude. Raises FileFailed."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        first = str(column[0].as_py()) if len(column) else ""
        column = column.cast(_time_type(first))
    if column.null_count:
        raise FileFailed(f"{path.name} has {column.null_count} rows without a time; leave them out")
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64()).to_numpy()
    values = column.to_numpy(zero_copy_only=False)
    largest = float(np.abs(values).max()) if len(values) else 0.0
    scale, divisor = next((scale, divisor) for top, scale, divisor in _UNITS if largest < top)
    if values.dtype.kind == "f":
        return np.rint(values * scale / divisor).astype(np.int64)
    return values.astype(np.int64) * scale // divisor


def _levels(part: pa.RecordBatch, names: Sequence[str]) -> pa.Array:
    """The columns of a side as one array a row; NULL becomes NaN."""
    block = np.empty((part.num_rows, len(names)))
    for level, name in enumerate(names):
        block[:, level] = part.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)
    offsets = np.arange(0, (part.num_rows + 1) * len(names), len(names), dtype=np.int64)
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(block.ravel()))
