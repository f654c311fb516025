"""A frame as it came from JetStream, and how many of them make a batch."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import msgspec

from marketprism.subjects import Subject, parse_routed


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. ``rows`` = its lines; ``stored_us``: when JetStream took it; ``contract``: None = header missing.

    ``id``: what the publisher called the frame, for logs; '' when it did not. ``retried``: a dead letter, sent again.
    """

    seq: int
    subject: str
    payload: bytes
    stored_us: int
    rows: int
    contract: str | None = None
    reply: str = ""
    id: str = ""
    retried: bool = False

    @classmethod
    def of(
        cls,
        seq: int,
        subject: str,
        payload: bytes,
        stored_us: int,
        contract: str | None = None,
        reply: str = "",
        name: str = "",
        retried: bool = False,
    ) -> Frame:
        """The payload ends with a newline from here on, so that frames can be joined."""
        if not payload.endswith(b"\n"):
            payload += b"\n"
        return cls(seq, subject, payload, stored_us, payload.count(b"\n"), contract, reply, name, retried)

    def parsed_subject(self) -> Subject:
        """The subject without a partition prefix. Raises ValueError."""
        return parse_routed(self.subject)


@dataclass(frozen=True, slots=True)
class Limits:
    """When a batch is full."""

    rows: int
    bytes: int
    frames: int


@dataclass(slots=True)
class Batch:
    """Frames with contiguous sequences, in order."""

    frames: list[Frame] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0

    @property
    def first(self) -> int:
        return self.frames[0].seq

    @property
    def last(self) -> int:
        return self.frames[-1].seq

    def fits(self, frame: Frame, limits: Limits) -> bool:
        """Whether the frame may join. A first frame always may: a frame is never cut."""
        return not self.frames or (
            self.rows + frame.rows <= limits.rows
            and self.bytes + len(frame.payload) <= limits.bytes
            and len(self.frames) < limits.frames
        )

    def add(self, frame: Frame) -> None:
        self.frames.append(frame)
        self.rows += frame.rows
        self.bytes += len(frame.payload)

    def halves(self) -> tuple[list[Frame], list[Frame]]:
        """Both halves of the frames; the second is empty for one frame."""
        middle = max(1, len(self.frames) // 2)
        return self.frames[:middle], self.frames[middle:]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A row, or a whole frame (``row_number`` 0), that is not stored, and why."""

    stream_seq: int
    row_number: int
    subject: str
    payload: bytes
    error: str
    stored_us: int


def take_contiguous(waiting: deque[Frame], batch: Batch, limits: Limits) -> bool:
    """Move frames from ``waiting`` to ``batch`` while they follow on and fit; True when the batch is full.

    Frames seen before (redelivered) are dropped. The caller looks itself at a hole (next frame's sequence too high) and
    at a number that is given for the second time (by a stream that went back).
    """
    while waiting:
        frame = waiting[0]
        if batch.frames and frame.seq <= batch.last:
            if frame.stored_us > batch.frames[-1].stored_us:
                return True
            waiting.popleft()
            continue
        if batch.frames and frame.seq != batch.last + 1:
            return True
        if not batch.fits(frame, limits):
            return True
        batch.add(waiting.popleft())
    return batch.rows >= limits.rows or batch.bytes >= limits.bytes or len(batch.frames) >= limits.frames
