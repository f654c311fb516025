"""The embedded ClickHouse as a server: open the directory, listen, stop gracefully."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from pathlib import Path
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from marketprism.embedded.access import Access
from marketprism.embedded.answer import Answers
from marketprism.embedded.definitions import Room, watch_room
from marketprism.embedded.directory import EngineDirectory
from marketprism.embedded.doors import Doors
from marketprism.embedded.engine import VERSION, Engine
from marketprism.embedded.front import Front
from marketprism.embedded.inprocess import ENGINE_FOLDER
from marketprism.embedded.options import engine_options
from marketprism.embedded.reader import ReaderGuard
from marketprism.errors import PortInUse
from marketprism.settings import AppSettings, EmbeddedSettings
from marketprism.tasks import end_tasks

log = logging.getLogger(__name__)

_GRACE_S: Final = 6.0
_MAX_LINE: Final = 1 << 20  # a query may come in the URL


def application(front: Front) -> web.Application:
    """ClickHouse's paths, /ready and /metrics; every other path takes statements, as on a server."""

    async def ok(_: web.Request) -> web.Response:
        return web.Response(text="Ok.\n")

    async def ready(_: web.Request) -> web.Response:
        return web.json_response(
            {"ready": not front.draining, "version": VERSION}, status=503 if front.draining else 200
        )

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application(client_max_size=1 << 40)
    app.add_routes(
        [
            web.get("/ping", ok),
            web.get("/replicas_status", ok),
            web.get("/health", ok),
            web.get("/ready", ready),
            web.get("/metrics", metrics),
            web.route("*", "/{path:.*}", front.answer),
        ]
    )
    return app


async def serve(directory: EngineDirectory, embedded: EmbeddedSettings, stop: asyncio.Event) -> None:
    """Serve an engine directory that we hold until ``stop``. Raises PortInUse, DataDirectoryError, SettingsError."""
    access = Access.of(embedded)
    listener = _listen(embedded)
    port: int = listener.getsockname()[1]
    engine = Engine(directory.path, engine_options(embedded, directory.path))
    try:
        await _serve(engine, access, listener, embedded, port, directory, stop)
    finally:
        engine.close()
        listener.close()


async def _serve(
    engine: Engine,
    access: Access,
    listener: socket.socket,
    embedded: EmbeddedSettings,
    port: int,
    directory: EngineDirectory,
    stop: asyncio.Event,
) -> None:
    with engine.session() as handle:
        timezone = handle.query("SELECT timezone()").decode().strip()
    doors = Doors(engine, access, max_readers=embedded.max_readers)
    room = Room(directory.path)
    front = Front(doors, Answers(timezone, socket.gethostname()), ReaderGuard(engine), room)
    runner = web.AppRunner(
        application(front),
        access_log=None,
        handler_cancellation=True,
        auto_decompress=False,
        keepalive_timeout=60,
        shutdown_timeout=_GRACE_S,
        max_line_size=_MAX_LINE,
        max_field_size=_MAX_LINE,
    )
    await runner.setup()
    watch = asyncio.create_task(watch_room(engine, directory.path, room, stop))
    try:
        await web.SockSite(runner, listener).start()
        directory.publish(port)
        log.info("ClickHouse %s listens on http://%s:%d, data in %s", VERSION, embedded.host, port, directory.path)
        await stop.wait()
        log.info("stopping: statements under way have %g s", _GRACE_S)
        front.draining = True
        await doors.close(_GRACE_S)
    finally:
        await end_tasks([watch])
        await runner.cleanup()


def _listen(embedded: EmbeddedSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in embedded.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((embedded.host, embedded.clickhouse_port))
    except OSError as error:
        listener.close()
        if error.errno != errno.EADDRINUSE:
            raise
        setting = "MARKETPRISM_EMBEDDED_CLICKHOUSE_PORT"
        raise PortInUse.of(embedded.host, embedded.clickhouse_port, "ClickHouse", setting) from error
    listener.setblocking(False)
    return listener


async def run(app: AppSettings, embedded: EmbeddedSettings) -> None:
    """The service: until SIGTERM or SIGINT."""
    Access.of(embedded)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    path = Path(app.data_dir) / ENGINE_FOLDER
    with EngineDirectory(path, engine=VERSION) as directory:
        await serve(directory, embedded, stop)
