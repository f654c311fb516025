"""The page's process: serve until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import logging
import signal

from aiohttp import web

from marketprism.errors import cannot_listen
from marketprism.settings import ClickHouseSettings, MonitorSettings, NatsSettings, WebSettings
from marketprism.status import StatusReader
from monitors.web.app import Page, application
from monitors.web.reading import Reader

log = logging.getLogger(__name__)


async def run() -> None:
    """Serve the page. Raises PortInUse, and SettingsError when others could reach it without a token."""
    settings, clickhouse, monitor = WebSettings(), ClickHouseSettings(), MonitorSettings()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    services = {"collector": monitor.collector_url, "storage": monitor.storage_url}
    as_reader = clickhouse.model_copy(
        update={"user": settings.clickhouse_user, "password": settings.clickhouse_password}
    )
    async with (
        Reader(clickhouse, settings) as reader,
        StatusReader(as_reader, NatsSettings(), services) as status,
    ):
        runner = web.AppRunner(
            application(Page(settings, reader, status)), access_log=None, shutdown_timeout=1, handler_cancellation=True
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, settings.host, settings.port).start()
            log.info("page at http://%s:%d", *runner.addresses[0][:2])
            await stop.wait()
        except OSError as error:
            at = (settings.host, settings.port, "the page", "MARKETPRISM_WEB_PORT", "MARKETPRISM_WEB_HOST")
            raise cannot_listen(error, *at) from error
        finally:
            await runner.cleanup()
