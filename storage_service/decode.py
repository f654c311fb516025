"""Frames → one data frame, in C++; a broken line costs itself, not its neighbours.

polars parses 1.4 M rows/s of trades, pyarrow.json 0.3–0.9 M (tests/bench/bench_storage.py). Where text is due it turns
a JSON number into text, through a double: caught by counting ``":"``, which occurs once per text value, where
every key occurs once (``":``) and every null is written (``":null``).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import polars as pl

from marketprism.events import CONTRACT_VERSION, ROW_TYPES
from storage_service.frames import DeadLetter, Frame
from storage_service.schema import parse_schema, wire_columns


@dataclass(slots=True)
class Decoded:
    """``rows``: the wire columns plus ``stream_seq``, ``_row`` (line in its frame, from 1), ``_frame`` (its index)."""

    rows: pl.DataFrame
    dead: list[DeadLetter]


def decode(data_type: str, frames: Sequence[Frame]) -> Decoded:
    """Parse frames of one data type. Never raises on what is in them."""
    accepted, dead = [], []
    for index, frame in enumerate(frames):
        error = _frame_error(data_type, frame)
        if error is None:
            accepted.append((index, frame))
        else:
            dead.append(_dead(frame, 0, frame.payload.removesuffix(b"\n"), error))
    rows = _parse(data_type, b"".join(frame.payload for _, frame in accepted), sum(f.rows for _, f in accepted))
    if rows is not None:
        return Decoded(_located(rows, accepted), dead)
    parts = [_empty(data_type)]
    for index, frame in accepted:
        part = _parse(data_type, frame.payload, frame.rows)
        if part is not None:
            parts.append(_located(part, [(index, frame)]))
        else:
            parts += _by_line(data_type, index, frame, dead)
    return Decoded(pl.concat(parts), dead)


def _frame_error(data_type: str, frame: Frame) -> str | None:
    if frame.contract is not None:
        if not frame.contract.isdecimal() or int(frame.contract) < 1:
            return f"contract header {frame.contract!r} is not a version number"
        if int(frame.contract) > CONTRACT_VERSION:
            return (
                f"frame of wire contract {frame.contract}, this service knows {CONTRACT_VERSION}: "
                "upgrade the storage service, then run `marketprism dead-letters retry`"
            )
    try:
        subject = frame.parsed_subject()
    except ValueError as error:
        return str(error)
    return None if subject.data_type == data_type else f"subject {frame.subject} does not belong to {data_type}"


def _dead(frame: Frame, row_number: int, payload: bytes, error: str) -> DeadLetter:
    return DeadLetter(
        stream_seq=frame.seq,
        row_number=row_number,
        subject=frame.subject,
        payload=payload,
        error=error,
        stored_us=frame.stored_us,
    )


def _empty(data_type: str) -> pl.DataFrame:
    location = {"_frame": pl.UInt32(), "_row": pl.UInt32(), "stream_seq": pl.UInt64()}
    return pl.DataFrame(schema={**parse_schema(data_type), **location})


def _parse(data_type: str, payload: bytes, lines: int) -> pl.DataFrame | None:
    """The rows of a payload; None when any line of it needs a look of its own."""
    if not lines:
        return pl.DataFrame(schema=parse_schema(data_type))
    if payload[:1] not in (b"{", b" ", b"\t"):
        return None  # polars would take it for a compressed file
    try:
        rows = pl.read_ndjson(io.BytesIO(payload), schema=parse_schema(data_type))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    if rows.height != lines or rows.columns != list(parse_schema(data_type)):
        return None  # blank lines, or two objects on one line
    texts = [c.name for c in wire_columns(data_type) if c.parsed == pl.String()]
    expected = len(texts) * lines - sum(rows[name].null_count() for name in texts)
    # Keys that are there twice, absent or unknown on one line would make up for a number where text is due on another.
    keys, nulls = len(rows.columns) * lines, sum(column.null_count() for column in rows.get_columns())
    usual = payload.count(b'":') == keys and payload.count(b'":null') == nulls and payload.count(b'":"') == expected
    usual = usual and b"\\u" not in payload  # half a surrogate pair is no text, but polars reads it as one
    return rows if usual else _strictly_typed(data_type, rows, payload)


def _strictly_typed(data_type: str, rows: pl.DataFrame, payload: bytes) -> pl.DataFrame | None:
    """Rows with unknown keys or white space count otherwise: let the strict decoder judge the types of every line."""
    try:
        decoder(data_type).decode_lines(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return rows


def _located(rows: pl.DataFrame, frames: Sequence[tuple[int, Frame]]) -> pl.DataFrame:
    counts = np.array([frame.rows for _, frame in frames], dtype=np.int64)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    location = [
        pl.Series("_frame", np.repeat(np.array([i for i, _ in frames], dtype=np.uint32), counts)),
        pl.Series("_row", (np.arange(rows.height) - starts + 1).astype(np.uint32)),
        pl.Series("stream_seq", np.repeat(np.array([f.seq for _, f in frames], dtype=np.uint64), counts)),
    ]
    return rows.hstack(location)


def _by_line(data_type: str, index: int, frame: Frame, dead: list[DeadLetter]) -> list[pl.DataFrame]:
    parts = []
    for number, line in enumerate(frame.payload.split(b"\n")[:-1], start=1):
        error = line_error(data_type, line)
        row = None if error else _parse(data_type, line + b"\n", 1)
        if row is None:
            dead.append(_dead(frame, number, line, error or "the line is not one JSON object of this data type"))
            continue
        parts.append(
            row.with_columns(
                pl.lit(index, pl.UInt32).alias("_frame"),
                pl.lit(number, pl.UInt32).alias("_row"),
                pl.lit(frame.seq, pl.UInt64).alias("stream_seq"),
            )
        )
    return parts


_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {}


def decoder(data_type: str) -> msgspec.json.Decoder[Any]:
    """The strict decoder of the wire contract."""
    if data_type not in _DECODERS:
        _DECODERS[data_type] = msgspec.json.Decoder(ROW_TYPES[data_type])
    return _DECODERS[data_type]


def line_error(data_type: str, line: bytes) -> str | None:
    """What the strict decoder says of one line; None when it has nothing to say."""
    if not line.strip():
        return "empty line"
    try:
        decoder(data_type).decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return " ".join(str(error).split())
    return None
