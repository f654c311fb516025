"""Keys of a JetStream KV bucket, as its stream lists them."""

from __future__ import annotations

from nats.js import JetStreamContext


def kv_stream(bucket: str) -> str:
    """The stream that holds a bucket."""
    return f"KV_{bucket}"


def kv_subject(bucket: str, key: str) -> str:
    """The subject of a key, or of a pattern of keys."""
    return f"$KV.{bucket}.{key}"


async def stored_keys(js: JetStreamContext, bucket: str, pattern: str = ">") -> list[str]:
    """Sorted keys that have a value or the mark of a deletion. Raises nats errors.

    Not ``KeyValue.keys``: that of nats-py 2.16 leaves a consumer behind for five minutes each time, until the server
    allows no more, and may find none at all when the server has sent them before it looks.
    """
    info = await js.stream_info(kv_stream(bucket), subjects_filter=kv_subject(bucket, pattern))
    return sorted(subject.removeprefix(kv_subject(bucket, "")) for subject in info.state.subjects or ())
