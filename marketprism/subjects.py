"""Subject grammar and stream names: ``md.<data_type>.<exchange>.<market_type>.<symbol>``.

One stream per data type and partition, so that a partition's sequences are contiguous (the storage protocol rests on
it). Quiet symbols of one partition may share frames on ``md.<type>.<exchange>.<market>._<partition>``.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from marketprism.events import MARKET_TYPES, ROW_TYPES

ROOT: Final = "md"
HEADER_CONTRACT: Final = "Mp-Contract"
"""Version of the wire contract a frame was written with."""
HEADER_ROWS: Final = "Mp-Rows"
HEADER_FRAME: Final = "Mp-Frame"
HEADER_RETRY: Final = "Mp-Retry"
"""Of a dead letter that is sent again: its rows may be older than what is stored, and nobody remembers them."""
"""Id of the frame, equal to Nats-Msg-Id: the thread through logs from collector to insert token."""

POSITIONS_BUCKET: Final = "mp_positions"
"""KV bucket of the storage cells (one per data type and partition)."""
COLLECTOR_BUCKET: Final = "mp_collector"
"""KV bucket of the collectors' last published sequences and leases."""

_TOKEN: Final = re.compile(r"[^\s.*>]+")


def is_token(part: str) -> bool:
    """Whether an exchange or a symbol can be part of a subject."""
    return _TOKEN.fullmatch(part) is not None


@dataclass(frozen=True, slots=True)
class Subject:
    """The parsed form of a subject; ``symbol`` is the exchange's own id, or ``_<partition>`` for shared frames."""

    data_type: str
    exchange: str
    market_type: str
    symbol: str

    def __str__(self) -> str:
        return f"{ROOT}.{self.data_type}.{self.exchange}.{self.market_type}.{self.symbol}"

    @classmethod
    def of(cls, data_type: str, exchange: str, market_type: str, symbol: str) -> Subject:
        """Build and validate; raises ValueError with the offending part."""
        subject = cls(data_type, exchange, market_type, symbol)
        if data_type not in ROW_TYPES:
            raise ValueError(f"unknown data type {data_type!r}; known: {', '.join(ROW_TYPES)}")
        if market_type not in MARKET_TYPES:
            raise ValueError(f"unknown market type {market_type!r}; known: {', '.join(MARKET_TYPES)}")
        for part in (exchange, symbol):
            if not is_token(part):
                raise ValueError(f"{part!r} cannot be a subject token: empty, or has white space, '.', '*' or '>'")
        return subject

    @classmethod
    def parse(cls, text: str) -> Subject:
        """Raises ValueError when ``text`` is not of the grammar."""
        parts = text.split(".")
        if len(parts) != 5 or parts[0] != ROOT:
            raise ValueError(f"subject {text!r} is not {ROOT}.<data_type>.<exchange>.<market_type>.<symbol>")
        return cls.of(*parts[1:])


def parse_routed(text: str) -> Subject:
    """A subject as it is stored, without the partition before it. Raises ValueError."""
    return Subject.parse(text.split(".", 2)[2] if text.startswith("p.") else text)


def stream_name(data_type: str, partition: int = 0) -> str:
    """The JetStream stream that holds a data type's partition."""
    return f"MD_{data_type.upper()}_{partition}"


def durable_name(data_type: str, partition: int = 0) -> str:
    """The durable consumer of the storage service on that stream."""
    return f"storage_{data_type}_{partition}"


def stream_subjects(data_type: str) -> list[str]:
    """Subjects of the only partition; with more, frames carry their partition in front (``routed``)."""
    return [f"{ROOT}.{data_type}.>"]


def partition_of(exchange: str, market_type: str, symbol: str, partitions: int) -> int:
    """The fixed partition of a symbol, the same for every data type and on every machine.

    FNV-1a of the three tokens: what the server's own ``{{partition(n,2,3,4)}}`` gives (``partition_mapping``).
    """
    value = 0x811C9DC5
    for byte in f"{exchange}{market_type}{symbol}".encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value % partitions


def routed(subject: str, partition: int, partitions: int) -> str:
    """The subject on which a frame of this partition is published: with one partition the plain one."""
    return subject if partitions == 1 else f"p.{partition}.{subject}"


def partition_mapping(partitions: int) -> str:
    """A mapping for nats-server's configuration, for whoever publishes on plain subjects; '' with one partition."""
    if partitions == 1:
        return ""
    plain = ".".join(f"{{{{wildcard({n})}}}}" for n in range(1, 5))
    return f'mappings {{ "{ROOT}.*.*.*.*": "p.{{{{partition({partitions},2,3,4)}}}}.{ROOT}.{plain}" }}\n'


def frame_id(subject: str, payload: bytes) -> str:
    """``Nats-Msg-Id`` of a frame, made from its content: a retried publish is the same message to the server."""
    digest = hashlib.blake2b(subject.encode(), digest_size=16)
    digest.update(payload)
    return digest.hexdigest()
