"""The JetStream streams and KV buckets, made by whoever comes first.

One stream per data type and partition, so that the sequences of a partition are contiguous: the storage protocol
rests on it. Limits discard the oldest messages silently; the storage service alarms on the hole.
"""

from __future__ import annotations

from nats.js import JetStreamContext
from nats.js.api import (
    DiscardPolicy,
    KeyValueConfig,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import APIError, BadRequestError

from marketprism.events import ROW_TYPES
from marketprism.settings import NatsSettings
from marketprism.subjects import COLLECTOR_BUCKET, POSITIONS_BUCKET, routed, stream_name, stream_subjects

_STREAM_EXISTS = 10058  # "stream name already in use with a different configuration"
_KV_MAX_BYTES = 64 << 20


def stream_config(data_type: str, partition: int, settings: NatsSettings) -> StreamConfig:
    """The configuration of one stream. With several partitions frames come on ``p.<partition>.md.…``."""
    subjects = stream_subjects(data_type)
    if settings.partitions > 1:
        subjects = [routed(subject, partition, settings.partitions) for subject in subjects]
    return StreamConfig(
        name=stream_name(data_type, partition),
        subjects=subjects,
        storage=StorageType.FILE,
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.OLD,
        max_bytes=settings.stream_max_bytes,
        max_age=float(settings.stream_max_age_s),
        duplicate_window=float(min(settings.duplicate_window_s, settings.stream_max_age_s)),
        num_replicas=settings.replicas,
        allow_direct=True,
    )


async def ensure_streams(js: JetStreamContext, settings: NatsSettings) -> None:
    """Create every stream and KV bucket that is missing; bring the limits of existing streams to the settings.

    Safe to call from several processes at once. Raises ``nats.js.errors.APIError`` when the server refuses (for
    example when the limits together exceed its ``max_file_store``).
    """
    for data_type in ROW_TYPES:
        for partition in range(settings.partitions):
            config = stream_config(data_type, partition, settings)
            try:
                await js.add_stream(config)
            except BadRequestError as error:
                if error.err_code != _STREAM_EXISTS:
                    raise
                await js.update_stream(config)
    for bucket in (POSITIONS_BUCKET, COLLECTOR_BUCKET):
        await _ensure_bucket(js, bucket, settings)


async def _ensure_bucket(js: JetStreamContext, bucket: str, settings: NatsSettings) -> None:
    config = KeyValueConfig(
        bucket=bucket,
        history=1,
        storage=StorageType.FILE,
        max_bytes=_KV_MAX_BYTES,
        replicas=settings.replicas,
        direct=settings.replicas == 1,  # a copy that lags may answer a direct read: positions must not age
    )
    try:
        await js.create_key_value(config)
    except APIError as error:
        if error.err_code != _STREAM_EXISTS:
            raise
        # Another version made it with other limits; what is in it counts, not its limits.
