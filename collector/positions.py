"""How far each series has been published, kept in a JetStream KV bucket, so that a restart goes on from there.

Key ``<data_type>.<exchange>.<market_type>.<symbol>``; value ``{"sequence":…, "timestamp":…, "kind":…}``. A position is
written only after JetStream has acknowledged the frames up to it, so it may lag behind (the storage service drops what
comes twice by its own watermark) but never runs ahead.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Collection, Iterable
from typing import Final
from urllib.parse import quote, unquote

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import KeyNotFoundError
from nats.js.kv import KeyValue

from collector.framing import Frame
from collector.lease import PREFIX as LEASE_PREFIX
from marketprism.kv import kv_stream, kv_subject, stored_keys
from marketprism.subjects import COLLECTOR_BUCKET

logger = logging.getLogger(__name__)

KEPT: Final = frozenset({"trades", "funding_rates", "open_interests", "lsr_top_positions", "lsr_all_accounts"})
"""Types with a position: trades for continuity, polled types so that a period is not published twice."""

Series = tuple[str, str, str, str]


class Position(msgspec.Struct, frozen=True):
    """Newest published sequence and its exchange time (ms). ``kind``: the id space of trades, '' otherwise."""

    sequence: int
    timestamp: int
    kind: str = ""


def series_key(series: Series) -> str:
    """A KV key: symbols may hold characters that keys may not, so they are percent-encoded with ``=`` for ``%``."""
    data_type, exchange, market_type, symbol = series
    return f"{data_type}.{exchange}.{market_type}.{quote(symbol, safe='-_').replace('~', '%7E').replace('%', '=')}"


def _symbol(of_key: str) -> str:
    return unquote(of_key.replace("=", "%"))


class Positions:
    """In memory for reading, written behind by ``save``. ``begun`` is set when a series has its first position."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self._known: dict[str, Position] = {}
        self._dirty: dict[str, Position | None] = {}  # None: to be deleted
        self._first: set[str] = set()

    def get(self, series: Series) -> Position | None:
        """The newest stored position of a series."""
        return self._known.get(series_key(series))

    def stored(self, frame: Frame) -> None:
        """A frame, and all before it, is in JetStream."""
        if frame.data_type not in KEPT:
            return
        for symbol, (sequence, timestamp, kind) in frame.positions.items():
            key = series_key((frame.data_type, frame.exchange, frame.market_type, symbol))
            known = self._known.get(key)
            if known is None or kind != known.kind or sequence > known.sequence:
                self._known[key] = self._dirty[key] = Position(sequence, timestamp, kind)
                if known is None:
                    self._first.add(key)
                    self.begun.set()

    def symbols(self, exchange: str, market_type: str) -> set[str]:
        """Of which a position of this venue is known."""
        found = (key.split(".", 3) for key in self._known)
        return {_symbol(name) for _, at, market, name in found if (at, market) == (exchange, market_type)}

    def forget(self, exchange: str, market_type: str, symbols: Iterable[str]) -> None:
        """Also in the bucket, with the next ``save``: it is read key by key at each start."""
        for data_type, symbol in itertools.product(KEPT, symbols):
            key = series_key((data_type, exchange, market_type, symbol))
            if self._known.pop(key, None) is not None:
                self._dirty[key] = None

    async def load(self, client: Client) -> None:
        """Read the bucket. Raises nats errors when JetStream does not answer."""
        bucket = await self._bucket(client)
        for key in await stored_keys(client.jetstream(timeout=5), COLLECTOR_BUCKET):
            if key.startswith(LEASE_PREFIX):
                continue
            try:
                entry = await bucket.get(key)
            except KeyNotFoundError:  # deleted
                continue
            try:
                position = msgspec.json.decode(entry.value or b"", type=Position)
            except msgspec.DecodeError:
                logger.warning("position %s in bucket %s is unreadable and ignored", key, COLLECTOR_BUCKET)
                continue
            self._known.setdefault(key, position)

    async def save_begun(self, client: Client) -> None:
        """``save`` first positions alone: a restart that finds none of a series begins it anew and misses nothing."""
        self.begun.clear()
        first, self._first = self._first, set()
        await self.save(client, only=first)

    async def save(self, client: Client, only: Collection[str] | None = None) -> None:
        """Write what changed since it was written; what fails stays for the next call."""
        dirty = {key: value for key, value in self._dirty.items() if only is None or key in only}
        for key in dirty:
            del self._dirty[key]
        try:
            bucket = await self._bucket(client)
            for key in list(dirty):
                if (position := dirty[key]) is None:  # a deletion would leave its own message for each key
                    stream, subject = kv_stream(COLLECTOR_BUCKET), kv_subject(COLLECTOR_BUCKET, key)
                    await client.jetstream(timeout=2).purge_stream(stream, subject=subject)
                else:
                    await bucket.put(key, msgspec.json.encode(position))
                del dirty[key]
        except (TimeoutError, NatsError, OSError) as error:
            self._dirty = dirty | self._dirty
            logger.debug("positions are written later: %s", error)

    @staticmethod
    async def _bucket(client: Client) -> KeyValue:
        return await client.jetstream(timeout=2).key_value(COLLECTOR_BUCKET)
