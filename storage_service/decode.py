"""Frames → one data frame; a broken line costs itself, not its neighbours.

The strict decoder of the wire contract reads every line: where text is due, polars would turn a JSON number into text,
through a double. Of few lines its objects become the columns. Of many, polars parses once more, on all cores, and the
objects are dropped: 1.4 M trades/s, pyarrow.json 0.3–0.9 M (tests/bench/bench_storage.py). Both give the same rows and
leave the same lines to be looked at one by one (tests/unit/storage/test_decode.py).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import numpy as np
import polars as pl

from marketprism.events import CONTRACT_VERSION, ROW_TYPES
from storage_service.frames import DeadLetter, Frame
from storage_service.schema import FEW_ROWS, parse_schema


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
    rows = _parse(data_type, [frame.payload for _, frame in accepted], sum(frame.rows for _, frame in accepted))
    if rows is not None:
        return Decoded(_located(rows, accepted), dead)
    parts = [_empty(data_type)]
    for index, frame in accepted:
        part = _parse(data_type, [frame.payload], frame.rows)
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


def _parse(data_type: str, payloads: Sequence[bytes], lines: int) -> pl.DataFrame | None:
    """The rows of some payloads; None when any line of them needs a look of its own."""
    if not lines:
        return pl.DataFrame(schema=parse_schema(data_type))
    try:
        rows = (_few if lines < FEW_ROWS else _many)(data_type, payloads)
    except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError, TypeError):  # the last two: beyond 64 bits
        return None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    return rows if rows is not None and rows.height == lines else None  # else blank lines, or two objects on one


def _few(data_type: str, payloads: Sequence[bytes]) -> pl.DataFrame:
    strict, defaults = _strict_decoder(data_type)
    objects = [each for payload in payloads for each in strict.decode_lines(payload)]
    values = zip(*map(msgspec.structs.astuple, objects), strict=True)
    columns = []
    for (name, dtype), column in zip(parse_schema(data_type).items(), values, strict=False):  # no column without a row
        if name in defaults and msgspec.UNSET in column:
            column = tuple(None if value is msgspec.UNSET else value for value in column)
        columns.append(pl.Series(name, column, dtype=dtype))
    return pl.DataFrame(columns)


def _many(data_type: str, payloads: Sequence[bytes]) -> pl.DataFrame | None:
    payload = b"".join(payloads)
    if payload[:1] not in (b"{", b" ", b"\t"):
        return None  # polars would take it for a compressed file
    strict, _ = _strict_decoder(data_type)
    for each in payloads:  # one after the other: the objects of a frame are gone before the next
        strict.decode_lines(each)
    rows = pl.read_ndjson(io.BytesIO(payload), schema=parse_schema(data_type))
    return rows if rows.columns == list(parse_schema(data_type)) else None


@cache
def _strict_decoder(data_type: str) -> tuple[msgspec.json.Decoder[Any], frozenset[str]]:
    """The contract's row without its defaults, which are for those who build rows: a key that is absent stays unset."""
    fields: list[tuple[str, Any, Any]] = []
    defaults = set()
    for field in msgspec.structs.fields(ROW_TYPES[data_type]):
        if field.default in (msgspec.NODEFAULT, None):
            fields.append((field.name, field.type, field.default))
        else:
            fields.append((field.name, field.type | msgspec.UnsetType, msgspec.UNSET))
            defaults.add(field.name)
    wire = msgspec.defstruct(f"Wire_{data_type}", fields, kw_only=True, gc=False)
    return msgspec.json.Decoder(wire), frozenset(defaults)


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
        row = None if error else _parse(data_type, [line + b"\n"], 1)
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
