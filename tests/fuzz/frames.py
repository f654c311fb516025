"""Mutated frames into the storage service's decoder and validation: nothing raises, nothing vanishes, no wrong row.

Every line of every frame is accounted for: it is a row, or a dead letter, or its whole frame is one. And what a row
says is what an independent reading of its line (``json``, ``decimal``) says; of a key that is there twice, one of both.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import polars as pl

from marketprism.events import ROW_TYPES
from marketprism.subjects import Subject
from storage_service.batching import TooManyDays, clean
from storage_service.frames import Frame
from storage_service.schema import wire_columns
from tests.fuzz.mutations import mutated
from tests.unit.storage.samples import row

BATCH: Final = 100
_MS: Final = 1_700_000_000_123
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def base_lines(data_type: str) -> list[bytes]:
    """Valid rows with different values."""
    lines = []
    for number in range(4):
        changed: dict[str, Any] = {"timestamp": _MS + number, "sequence": 3 + number}
        for column in wire_columns(data_type):
            if column.kind == "decimal":
                changed[column.name] = f"{number + 1}.{number}5"
        lines.append(json.dumps(row(data_type, **changed), separators=(",", ":")).encode())
    return lines


def mutated_frames(chance: random.Random, data_type: str, count: int) -> list[Frame]:
    """Frames of one to three lines, nine of ten with something wrong in the payload, some with a wrong envelope."""
    lines = base_lines(data_type)
    usual = str(Subject(data_type, "binance", "linear", "BTCUSDT"))
    frames = []
    for seq in range(1, count + 1):
        payload = b"\n".join(chance.choice(lines) for _ in range(chance.randint(1, 3)))
        if chance.random() < 0.9:
            payload = mutated(chance, payload, lines)
        subject, contract = usual, "1"
        if chance.random() < 0.05:
            subject = mutated(chance, usual.encode(), [b"md.x.y.z.w"]).decode("latin-1")
        if chance.random() < 0.05:
            contract = chance.choice(("", "2", "x", "-1", "999999999999999999999", "1.0"))
        frames.append(Frame.of(seq, subject, payload, _MS * 1000, contract))
    return frames


def check_frames(data_type: str, frames: Sequence[Frame]) -> Counter[str]:
    """Clean them as the worker does; returns what became of the lines. Raises AssertionError for a broken promise."""
    try:
        rows, dead = clean(data_type, list(frames))
    except TooManyDays:
        counts: Counter[str] = Counter()
        half = len(frames) // 2
        assert half, "one frame is never too many days"
        for part in (frames[:half], frames[half:]):
            counts += check_frames(data_type, part)
        return counts
    whole = {letter.stream_seq for letter in dead if letter.row_number == 0}
    told = {(letter.stream_seq, letter.row_number) for letter in dead if letter.row_number}
    kept = list(zip(rows["stream_seq"].to_list(), rows["_row"].to_list(), strict=True))
    assert len(set(kept)) == len(kept)
    assert not told & set(kept), "a line is both a row and a dead letter"
    assert all(letter.error for letter in dead)
    for frame in frames:
        lines = frame.payload.split(b"\n")[:-1]
        for number, line in enumerate(lines, start=1):
            known = (frame.seq, number) in told or frame.seq in whole
            assert known or (frame.seq, number) in set(kept) or not line.strip(), f"a line vanished: {line[:200]!r}"
    _check_values(data_type, frames, rows)
    return Counter(rows=len(kept), refused_lines=len(told), refused_frames=len(whole))


def _check_values(data_type: str, frames: Sequence[Frame], rows: pl.DataFrame) -> None:
    payloads = {frame.seq: frame.payload.split(b"\n") for frame in frames}
    columns = wire_columns(data_type)
    for kept in rows.to_dicts():
        line = payloads[kept["stream_seq"]][kept["_row"] - 1]
        pairs: list[tuple[str, Any]] = json.loads(line, parse_float=Decimal, object_pairs_hook=list)
        for column in columns:
            said, stored = [value for name, value in pairs if name == column.name], kept[column.name]
            same = any(_same(column.kind, value, stored) for value in said) or not said
            assert same, f"{column.name}: {said!r} is stored as {stored!r} from {line!r}"


def _same(kind: str, said: Any, stored: Any) -> bool:
    if said is None or stored is None:
        return said is None and stored is None
    if kind == "decimal":
        return isinstance(said, str) and Decimal(said) == stored
    if kind in ("ms", "us"):
        number = _number(stored, 1000 if kind == "ms" else 1_000_000)
        return number == int(said)
    if kind == "floats":
        return [float(value) for value in said] == list(stored)
    if kind == "float":
        return float(said) == stored
    return bool(said == stored)


def _number(value: Any, per_second: int) -> int:
    if isinstance(value, dt.datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return (moment - _EPOCH) // dt.timedelta(microseconds=1) * per_second // 1_000_000
    return int(value)


def fuzz_frames(seed: int, count: int) -> Counter[str]:
    """``count`` frames over all data types."""
    chance, counts = random.Random(seed), Counter[str]()
    done = 0
    while done < count:
        for data_type in ROW_TYPES:
            size = min(BATCH, count - done)
            if size <= 0:
                break
            counts += check_frames(data_type, mutated_frames(chance, data_type, size))
            done += size
    counts["frames"] = done
    return counts


__all__ = ["check_frames", "fuzz_frames", "mutated_frames"]
