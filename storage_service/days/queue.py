"""The symbol-days that wait for a rebuild: keys of the positions bucket, put there beside the rows that came late, or
when the views of a batch may lack it.

A key is taken away only at the revision that was read before the rebuild began: a row that came meanwhile has put it
again, and the day is rebuilt once more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from nats.js import JetStreamContext
from nats.js.errors import APIError, KeyNotFoundError
from nats.js.kv import KeyValue

from marketprism.kv import kv_stream, kv_subject, stored_keys
from marketprism.subjects import POSITIONS_BUCKET

_EPOCH: Final = date(1970, 1, 1)
_ESCAPED: Final = re.compile(r"((?:=[0-9A-F]{2})+)")
_WRONG_LAST_SEQUENCE: Final = 10071


@dataclass(frozen=True, slots=True)
class Waiting:
    """A symbol-day of a raw table that asks for a rebuild, as of ``revision``."""

    key: str
    revision: int
    day: date
    symbol: tuple[str, str, str]
    data_type: str = "trades"


class RebuildQueue:
    """Reads what ``Positions.queue_rebuild`` writes."""

    def __init__(self, js: JetStreamContext, bucket: KeyValue) -> None:
        self._js = js
        self._bucket = bucket

    @classmethod
    async def open(cls, js: JetStreamContext) -> RebuildQueue:
        """Raises nats errors."""
        return cls(js, await js.key_value(POSITIONS_BUCKET))

    async def waiting(self) -> list[Waiting]:
        """All of it, oldest day first, table by table."""
        found = []
        for key in await stored_keys(self._js, POSITIONS_BUCKET, "rebuild.>"):
            try:
                entry = await self._bucket.get(key)
            except KeyNotFoundError as gone:
                if gone.entry is not None:
                    await self._forget(key, gone.entry.revision or 0)
                continue
            found.append(_parsed(key, entry.revision or 0))
        return sorted(found, key=lambda entry: (entry.day, entry.data_type, entry.symbol))

    async def done(self, entry: Waiting) -> bool:
        """Take the key away; False when it was put again since it was read, and stays."""
        try:
            await self._bucket.delete(entry.key, last=entry.revision)
        except APIError as error:
            if error.err_code == _WRONG_LAST_SEQUENCE:
                return False
            raise
        return True

    async def _forget(self, key: str, revision: int) -> None:
        """Take away the mark of a deletion, and nothing that was put after it: days that were rebuilt are many."""
        subject = kv_subject(POSITIONS_BUCKET, key)
        await self._js.purge_stream(kv_stream(POSITIONS_BUCKET), subject=subject, seq=revision + 1)


def _parsed(key: str, revision: int) -> Waiting:
    """Keys without a data type were put by a service that knew of trades only."""
    *told, number, exchange, market_type, name = (_plain(part) for part in key.split(".")[1:])
    day = date.fromordinal(_EPOCH.toordinal() + int(number))
    return Waiting(key, revision, day, (exchange, market_type, name), *told)


def _plain(part: str) -> str:
    """The text of a key part: ``=XX`` are bytes of its UTF-8."""
    return _ESCAPED.sub(lambda found: bytes.fromhex(found[1].replace("=", "")).decode(), part)
