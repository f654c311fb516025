"""The recorded position of a partition: one KV cell, written before an insert (intent) and after it (done)."""

from __future__ import annotations

import hashlib
from typing import Final, Literal, TypeVar

import msgspec
from nats.js.errors import KeyNotFoundError
from nats.js.kv import KeyValue


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is about to store (``intent``) or has stored (``done``): stream sequences first…last.

    ``stream_created``: µs, tells a re-created stream from the old one; ``epoch``: ClickHouse's clock (µs) when this
    stream was first met: rows stored before it belong to earlier streams. ``table``: ``rows`` rows with this digest.
    ``dead``: rows sent to ``dead_letters`` by the same batch. ``last_us``: when JetStream took the last message, 0 when
    not known; ``generation``: sets tokens apart after the stream or the cell went back in time (outset.py), else 0.
    """

    stream: str
    stream_created: int
    partition: int
    epoch: int
    first: int
    last: int
    rows: int
    dead: int
    digest: str
    token: str
    state: Literal["intent", "done"]
    last_us: int = 0
    generation: int = 0

    @property
    def due(self) -> int:
        """The next sequence to read: an intent is read once more."""
        return self.first if self.state == "intent" else self.last + 1


Ranges = dict[str, list[tuple[int, int]]]
"""Key parts joined by ``|`` → ranges of missing sequences, both ends included."""


class Holes(msgspec.Struct, frozen=True, kw_only=True):
    """Open sequence holes around the last batch that changed them, which starts at stream sequence ``before``.

    ``holes_before`` hold for a replay of that batch, ``holes_after`` once it is stored. ``stream_created``: of which
    stream that sequence is (0: not said).
    """

    before: int
    holes_before: Ranges
    holes_after: Ranges
    stream_created: int = 0


def token(cell: Cell, table: str) -> str:
    """The insert token: the same rows always carry the same, and nothing else ever does."""
    numbers = numbered_since(cell.stream_created, cell.generation)
    return f"{table}:{cell.stream}:{numbers}:{cell.partition}:{cell.first}-{cell.last}"


def numbered_since(created: int, generation: int) -> str:
    """Since when a sequence of the stream is of one message: it is given anew when the stream is made or goes back."""
    return f"{created}.{generation}" if generation else str(created)


def digest(body: bytes) -> str:
    """Digest of an insert body."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


_ENCODER: Final = msgspec.json.Encoder()
_Form = TypeVar("_Form", Cell, Holes)


class Positions:
    """Cells in the KV bucket. Writes compare and set: of two workers on one partition the second to write fails."""

    def __init__(self, bucket: KeyValue) -> None:
        self._bucket = bucket
        self._revisions: dict[str, int] = {}

    async def read(self, data_type: str, partition: int) -> Cell | None:
        """The cell, and its revision for the next write."""
        return await self._read(f"cell.{data_type}.{partition}", Cell)

    async def claim(self, data_type: str, partition: int) -> tuple[Cell | None, Holes | None]:
        """Cell and open holes, written once more as they are: who held them before can no longer write either.

        Raises like ``write``.
        """
        cell = await self.read(data_type, partition)
        if cell is not None:
            await self.write(data_type, cell)
        holes = await self.read_holes(data_type, partition)
        if holes is not None:
            await self.write_holes(data_type, partition, holes)
        return cell, holes

    async def write(self, data_type: str, cell: Cell) -> None:
        """Raises ``KeyWrongLastSequenceError`` when someone else has written since."""
        await self._write(f"cell.{data_type}.{cell.partition}", cell)

    async def read_holes(self, data_type: str, partition: int) -> Holes | None:
        """The open holes last written."""
        return await self._read(f"holes.{data_type}.{partition}", Holes)

    async def write_holes(self, data_type: str, partition: int, holes: Holes) -> None:
        """Written before the intent of the batch that starts at ``holes.before``."""
        await self._write(f"holes.{data_type}.{partition}", holes)

    async def queue_rebuild(
        self, exchange: str, market_type: str, symbol: str, day: int, data_type: str = "trades"
    ) -> None:
        """Ask for a symbol-day (day number) to be rebuilt, asking twice is asking once: a key
        ``rebuild.<data type>.<day number>.<exchange>.<market_type>.<symbol>``."""
        name = ".".join(_key_part(part) for part in (data_type, str(day), exchange, market_type, symbol))
        await self._bucket.put(f"rebuild.{name}", b"{}")

    async def record_halt(self, data_type: str, partition: int, reason: str) -> None:
        """Why the worker stopped, for ``marketprism doctor``."""
        await self._bucket.put(f"halted.{data_type}.{partition}", reason.encode())

    async def clear_halt(self, data_type: str, partition: int) -> None:
        """The worker works again."""
        try:
            await self._bucket.get(f"halted.{data_type}.{partition}")
        except KeyNotFoundError:
            return
        await self._bucket.delete(f"halted.{data_type}.{partition}")

    async def _read(self, key: str, form: type[_Form]) -> _Form | None:
        try:
            entry = await self._bucket.get(key)
        except KeyNotFoundError as gone:  # a deletion has a revision, too: the next write comes after it
            self._revisions[key] = (gone.entry.revision or 0) if gone.entry is not None else 0
            return None
        self._revisions[key] = entry.revision or 0
        return msgspec.json.decode(entry.value or b"", type=form)

    async def _write(self, key: str, value: msgspec.Struct) -> None:
        body = _ENCODER.encode(value)
        self._revisions[key] = await self._bucket.update(key, body, last=self._revisions.get(key, 0))


def _key_part(text: str) -> str:
    """KV keys take few characters: others (and ``=``) as ``=XX`` of their UTF-8 bytes."""
    return "".join(
        c if c.isascii() and (c.isalnum() or c in "-_") else "".join(f"={b:02X}" for b in c.encode()) for c in text
    )
