"""Rows and frames that were refused: how they are stored, and what a person does with them.

A dead letter is a row of ``marketprism_hot.dead_letters``; handling it inserts a newer version of it. ``retry``
publishes the payload to its subject again under a message id of its own: the stream would drop a frame that it knows.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import pyarrow as pa
from nats.js import JetStreamContext

from marketprism.clickhouse import HOT
from marketprism.events import CONTRACT_VERSION
from marketprism.subjects import HEADER_CONTRACT, HEADER_FRAME, HEADER_RETRY, HEADER_ROWS, frame_id, parse_routed
from storage_service.clickhouse_io import Warehouse
from storage_service.duplicates import takes_old_rows
from storage_service.frames import DeadLetter

TABLE: Final = f"{HOT}.dead_letters"
_TIME: Final = pa.timestamp("us", tz="UTC")
SCHEMA: Final = pa.schema(
    [
        pa.field("data_type", pa.string(), nullable=False),
        pa.field("stream", pa.string(), nullable=False),
        pa.field("stream_created", _TIME, nullable=False),
        pa.field("stream_seq", pa.uint64(), nullable=False),
        pa.field("row_number", pa.uint32(), nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("payload", pa.binary(), nullable=False),
        pa.field("error", pa.string(), nullable=False),
        pa.field("attempts", pa.uint32(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("first_seen", _TIME, nullable=False),
        pa.field("last_seen", _TIME, nullable=False),
    ]
)


def to_batch(data_type: str, stream: str, created: int, letters: Sequence[DeadLetter]) -> pa.RecordBatch:
    """First versions of dead letters, as one record batch that is the same in every replay.

    ``created``: since when the stream gives these numbers, µs: a version belongs to the frame that has its number.
    """
    size = len(letters)
    seen = [letter.stored_us for letter in letters]
    columns: list[Any] = [
        [data_type] * size,
        [stream] * size,
        [created] * size,
        [letter.stream_seq for letter in letters],
        [letter.row_number for letter in letters],
        [letter.subject for letter in letters],
        [letter.payload for letter in letters],
        [letter.error for letter in letters],
        [1] * size,
        ["open"] * size,
        seen,
        seen,
    ]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A stored dead letter. Times in µs since the epoch, UTC."""

    data_type: str
    stream: str
    stream_created: int
    stream_seq: int
    row_number: int
    subject: str
    payload: bytes
    error: str
    attempts: int
    status: str
    first_seen: int
    last_seen: int

    @property
    def id(self) -> str:
        """How a person names it: stream, sequence and row."""
        return f"{self.stream}:{self.stream_seq}:{self.row_number}"


_LIST: Final = f"""
SELECT data_type, stream, toUnixTimestamp64Micro(stream_created), stream_seq, row_number, subject,
    base64Encode(payload), error, attempts, status,
    toUnixTimestamp64Micro(first_seen), toUnixTimestamp64Micro(last_seen)
FROM {TABLE} FINAL
WHERE status = {{status:String}} AND ({{data_type:String}} = '' OR data_type = {{data_type:String}})
ORDER BY data_type, stream, stream_created, stream_seq, row_number
LIMIT {{limit:UInt64}}"""


async def list_letters(
    warehouse: Warehouse, *, data_type: str = "", status: str = "open", limit: int = 100
) -> list[Letter]:
    """Dead letters of one status (open, retried, dropped), oldest stream position first."""
    rows = await warehouse.rows(_LIST, {"status": status, "data_type": data_type, "limit": limit})
    return [
        Letter(**dict(zip(Letter.__struct_fields__, [*row[:6], base64.b64decode(row[6]), *row[7:]], strict=True)))
        for row in rows
    ]


def can_be_retried(letter: Letter) -> bool:
    """Whether a row of it would be stored though newer ones are: not where sequences have gaps of their own."""
    try:
        exchange = parse_routed(letter.subject).exchange
    except ValueError:
        return True  # it fails again, and says why
    return takes_old_rows(letter.data_type, exchange)


async def retry_letters(warehouse: Warehouse, js: JetStreamContext, letters: Sequence[Letter]) -> int:
    """Publish them again and mark them retried; what fails again becomes a new dead letter. Returns how many."""
    for letter in letters:
        body = letter.payload if letter.payload.endswith(b"\n") else letter.payload + b"\n"
        message_id = frame_id(f"retry:{letter.id}:{letter.stream_created}:{letter.attempts}:{letter.subject}", body)
        headers = {
            "Nats-Msg-Id": message_id,
            HEADER_CONTRACT: str(CONTRACT_VERSION),
            HEADER_ROWS: str(body.count(b"\n")),
            HEADER_FRAME: message_id,
            HEADER_RETRY: "1",
        }
        await js.publish(letter.subject, body, headers=headers)
        await _mark(warehouse, letter, "retried")
    return len(letters)


async def drop_letters(warehouse: Warehouse, letters: Sequence[Letter]) -> int:
    """Mark them dropped: they stay readable, and out of the list. Returns how many."""
    for letter in letters:
        await _mark(warehouse, letter, "dropped")
    return len(letters)


async def _mark(warehouse: Warehouse, letter: Letter, status: str) -> None:
    now = int(datetime.now(UTC).timestamp() * 1e6)
    version = msgspec.structs.replace(letter, status=status, attempts=letter.attempts + 1, last_seen=now)
    columns = [[getattr(version, name)] for name in SCHEMA.names]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)]
    token = f"dead_letters:{letter.stream_created}:{letter.id}:{version.attempts}:{status}"
    await warehouse.insert(TABLE, pa.RecordBatch.from_arrays(arrays, schema=SCHEMA), SCHEMA.names, token)
