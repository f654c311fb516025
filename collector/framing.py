"""Rows → frames: newline-delimited JSON of one (data type, exchange, market type), cut by rows, bytes or time.

A subject that fills a frame by itself gets its own; what is only a few rows when the time is up shares a frame with
the other quiet symbols of its storage partition (``_<partition>``), so a thousand quiet symbols do not make a thousand
messages. Rows of one symbol never overtake each other: all frames of a data type leave through one ordered queue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from marketprism.events import FundingRate, Row, Trade
from marketprism.subjects import ROOT, Subject, partition_of, routed

QUIET_ROWS: Final = 24
"""At most this many rows at flush time make a subject quiet: a frame costs its sender, the server and its reader as
much as dozens of rows, so a hundred symbols of eight rows each share a few."""

_SWEEP_EVERY: Final = 100_000
"""Flushes: half an hour at 20 ms. Contracts expire every day, and each type of them has a buffer of 500 bytes."""


@dataclass(slots=True)
class Frame:
    """One message of the wire contract. ``positions``: per symbol how far its series is stored once the frame is, as
    (sequence, timestamp, trade kind or '')."""

    subject: str
    payload: bytes
    rows: int
    data_type: str
    exchange: str
    market_type: str
    positions: dict[str, tuple[int, int, str]]


@dataclass(slots=True)
class _Group:
    """What may share a frame: one data type of one market and partition. ``quiet``: its quiet ones of this flush."""

    data_type: str
    exchange: str
    market_type: str
    subject: str
    quiet: list[_Buffer] = field(default_factory=list)


@dataclass(slots=True)
class _Buffer:
    subject: str
    group: _Group
    symbol: str
    lines: list[bytes] = field(default_factory=list)
    size: int = 0
    opened: bool = False
    idle: bool = False
    last: tuple[int, int, str] | None = None


class Framer:
    """Collects rows per subject; closed frames go to ``send`` in order."""

    def __init__(
        self, send: Callable[[Frame], None], *, max_rows: int, max_bytes: int, partitions: int, share: bool = True
    ) -> None:
        self._send = send
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._partitions = partitions
        self._share = share
        self._encode = msgspec.json.Encoder().encode
        self._buffers: dict[tuple[str, str, str, str], _Buffer] = {}
        self._groups: dict[str, _Group] = {}
        self._open: list[_Buffer] = []
        self._flushes = 0

    def add(self, row: Row) -> None:
        """Append a row; closes its frame when it is full."""
        line = self._encode(row)
        key = (row.data_type, row.exchange, row.market_type, row.symbol)
        buffer = self._buffers.get(key) or self._buffer(key)
        if not buffer.opened:
            buffer.opened, buffer.idle = True, False
            self._open.append(buffer)
        elif buffer.lines and buffer.size + len(line) > self._max_bytes:
            self._close([buffer])
        buffer.lines.append(line)
        buffer.size += len(line) + 1
        kind = type(row)
        if kind is Trade:
            buffer.last = (row.sequence, row.timestamp, row.trade_kind)  # type: ignore[attr-defined]
        elif kind is not FundingRate or row.funding_kind == "settled":  # type: ignore[attr-defined]
            # the running estimate shares the table with settlements, whose position must not jump ahead of them
            buffer.last = (row.sequence, row.timestamp, "")
        if len(buffer.lines) >= self._max_rows or buffer.size >= self._max_bytes:
            self._close([buffer])

    def flush(self) -> None:
        """Close everything that is open (call every ``frame_max_ms``)."""
        opened, self._open = self._open, []
        groups: list[_Group] = []
        for buffer in opened:
            buffer.opened = False
            if not buffer.lines:
                continue
            if self._share and len(buffer.lines) <= QUIET_ROWS:
                group = buffer.group
                if not group.quiet:
                    groups.append(group)
                group.quiet.append(buffer)
            else:
                self._close([buffer])
        for group in groups:
            self._flush_quiet(group)
        self._flushes += 1
        if self._flushes % _SWEEP_EVERY == 0:
            self._sweep()

    def _sweep(self) -> None:
        """Right after a flush, when all are empty: those that had no row since the last sweep go."""
        self._buffers = {key: buffer for key, buffer in self._buffers.items() if not buffer.idle}
        for buffer in self._buffers.values():
            buffer.idle = True

    def _flush_quiet(self, group: _Group) -> None:
        quiet, group.quiet = group.quiet, []
        begin = rows = size = 0
        for at, buffer in enumerate(quiet):
            rows += len(buffer.lines)
            size += buffer.size
            if at > begin and (rows > self._max_rows or size > self._max_bytes):
                self._close(quiet[begin:at])
                begin, rows, size = at, len(buffer.lines), buffer.size
        self._close(quiet[begin:])

    def _close(self, buffers: list[_Buffer]) -> None:
        lines: list[bytes] = []
        positions: dict[str, tuple[int, int, str]] = {}
        for buffer in buffers:
            lines += buffer.lines
            buffer.lines.clear()
            buffer.size = 0
            if buffer.last is not None:
                positions[buffer.symbol] = buffer.last
        group = buffers[0].group
        subject = group.subject if len(buffers) > 1 else buffers[0].subject
        payload = b"\n".join(lines) + b"\n"
        self._send(Frame(subject, payload, len(lines), group.data_type, group.exchange, group.market_type, positions))

    def _buffer(self, key: tuple[str, str, str, str]) -> _Buffer:
        data_type, exchange, market_type, symbol = key
        partition = partition_of(exchange, market_type, symbol, self._partitions)
        subject = routed(str(Subject.of(data_type, exchange, market_type, symbol)), partition, self._partitions)
        shared = routed(f"{ROOT}.{data_type}.{exchange}.{market_type}._{partition}", partition, self._partitions)
        group = self._groups.setdefault(shared, _Group(data_type, exchange, market_type, shared))
        self._buffers[key] = buffer = _Buffer(subject, group, symbol)
        return buffer
