"""Two collectors of the same symbols: which of them publishes what is sampled. A lease in a JetStream KV bucket.

Trades, liquidations and settlements have ids of their own and are published by both; storage keeps each once. Books,
quotes, running estimates, polled figures, instruments and holes of books come from whoever holds the key
``lease.<exchange>.<market>``.

The holder writes its key every ``BEAT_S`` (compare-and-set on the key's revision). Another takes it over when it has
seen the same revision for ``seconds``, so within ``seconds`` + 2 · ``BEAT_S`` of the holder's last word; no two clocks
are compared. While it waits, it keeps what it would have published, and tells the newest of it when it takes over: what
the first has published already is known to storage by its sequence or its content, and nothing in between is missing.

A holder stays one until it hears of another: while JetStream does not answer it publishes nothing anyway, its frames
wait, and what it sends late storage knows too. Giving up for silence alone would leave a lone collector without books.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Final

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import KeyDeletedError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from marketprism.events import FundingRate, Gap, Liquidation, LsrAllAccount, LsrTopPosition, OpenInterest, Row, Trade
from marketprism.subjects import COLLECTOR_BUCKET

logger = logging.getLogger(__name__)

PREFIX: Final = "lease."
"""Of the keys of leases in the collectors' bucket; the others are positions."""
BEAT_S: Final = 0.5
_RELEASED: Final = b""
_POLLED: Final = (OpenInterest, LsrTopPosition, LsrAllAccount)
_POLLED_KEPT_S: Final = 900.0
"""Polled periods come every few minutes, and each collector asks at its own moments."""


class Lease:
    """One venue's. ``held`` is what counts at any moment. ``seconds`` = 0: always held, nobody is asked."""

    def __init__(self, key: tuple[str, str], seconds: float) -> None:
        self.held = seconds <= 0
        self.asked = asyncio.Event()
        """The first question has been answered: ``held`` means something."""
        self._key = f"{PREFIX}{key[0]}.{key[1]}"
        self._seconds = seconds
        self._taken: Callable[[], None] = lambda: None
        self._identity = uuid.uuid4().hex.encode()
        self._revision = 0
        self._seen_at = 0.0
        if self.held:
            self.asked.set()

    def on_taken(self, call: Callable[[], None]) -> None:
        """Called each time ``held`` becomes true."""
        self._taken = call

    async def run(self, client: Callable[[], Client | None]) -> None:
        """Until cancelled. ``client`` gives the present connection, or None while there is none."""
        if self._seconds <= 0:
            await asyncio.Event().wait()
        while True:
            connection = client()
            if connection is not None:
                try:
                    async with asyncio.timeout(self._seconds / 2):
                        await self._beat(await self._bucket(connection))
                    self.asked.set()
                except (TimeoutError, NatsError, OSError) as error:
                    logger.debug("%s: %s", self._key, error)
            await asyncio.sleep(BEAT_S)

    async def release(self, client: Client | None) -> None:
        """Leave it to others at once. Raises nats errors."""
        if self.held and self._seconds > 0 and client is not None:
            self.held = False
            await (await self._bucket(client)).update(self._key, _RELEASED, last=self._revision)

    async def _beat(self, bucket: KeyValue) -> None:
        now = time.monotonic()
        if self.held:
            try:
                self._revision = await bucket.update(self._key, self._identity, last=self._revision)
                return
            except KeyWrongLastSequenceError:
                value, revision = await self._read(bucket)
                if value == self._identity:  # our own beat, whose answer was lost
                    self._revision = revision
                    return
                self.held = False
                logger.warning("%s is another's now", self._key)
        value, revision = await self._read(bucket)
        if revision != self._revision:
            self._revision, self._seen_at = revision, now
        # our own identity: the answer to a beat was lost
        if value and value != self._identity and now - self._seen_at < self._seconds:
            return
        try:
            self._revision = await bucket.update(self._key, self._identity, last=revision)
        except KeyWrongLastSequenceError:
            return
        self.held = True
        logger.info("%s is ours", self._key)
        self._taken()

    async def _read(self, bucket: KeyValue) -> tuple[bytes | None, int]:
        """Who holds it and the revision of that; as after a release when nobody ever did."""
        try:
            entry = await bucket.get(self._key)
        except KeyDeletedError as error:
            return _RELEASED, error.entry.revision or 0
        except KeyNotFoundError:
            return _RELEASED, 0
        return entry.value, entry.revision or 0

    @staticmethod
    async def _bucket(client: Client) -> KeyValue:
        return await client.jetstream(timeout=2).key_value(COLLECTOR_BUCKET)


class Gate:
    """Rows on their way to the framer: all of them while ``lease`` is held, else only those that both publish."""

    def __init__(self, emit: Callable[[Row], None], lease: Lease, kept_s: float) -> None:
        self._emit = emit
        self._lease = lease
        self._kept_s = kept_s
        self._sampled: deque[tuple[float, Row]] = deque()
        self._polled: deque[tuple[float, Row]] = deque()

    def __call__(self, row: Row) -> None:
        kind = type(row)
        if self._lease.held or kind is Trade or kind is Liquidation or _settlement_or_hole(row):
            self._emit(row)
        elif kind in _POLLED:
            _keep(self._polled, row, _POLLED_KEPT_S)
        else:
            _keep(self._sampled, row, self._kept_s)

    def open(self) -> None:
        """The lease is ours: tell what the other may not have told any more."""
        for kept in (self._polled, self._sampled):
            while kept:
                self._emit(kept.popleft()[1])


def _settlement_or_hole(row: Row) -> bool:
    """A hole in trades is told by whoever had it: once too often is better than not at all."""
    if type(row) is FundingRate:
        return row.funding_kind == "settled"
    return type(row) is Gap and row.of_type == "trades"


def _keep(kept: deque[tuple[float, Row]], row: Row, seconds: float) -> None:
    now = time.monotonic()
    kept.append((now, row))
    while kept[0][0] < now - seconds:
        kept.popleft()
