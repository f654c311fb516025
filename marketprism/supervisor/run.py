"""``marketprism up`` and ``demo``: start everything, show it, and stop in order on SIGINT, SIGTERM or SIGHUP."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from marketprism.settings import CollectorSettings
from marketprism.simulator.environment import collector_environment
from marketprism.status import StatusReader
from marketprism.supervisor.child import Part
from marketprism.supervisor.directory import DataDirectory
from marketprism.supervisor.health import http_health
from marketprism.supervisor.ports import free_ports
from marketprism.supervisor.reachable import DECIDE_WITHIN_S, exchanges_reachable
from marketprism.supervisor.stack import Stack, plan_run
from marketprism.supervisor.view import View, log_through

Source = Literal["auto", "live", "simulate"]
HISTORY_HOURS: Final = 2.0
"""Enough market time to fill windows of 50 buckets of at most a minute each."""
_PING: Final = {"binance.spot": "/api/v3/ping", "binance.linear": "/fapi/v1/ping"}


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line asked for."""

    command: str
    data: Path
    source: Source = "auto"
    any_port: bool = False
    table: bool = True
    as_json: bool = False
    history_hours: float = HISTORY_HOURS
    """Market time that the simulator plays first."""
    seed: int = 1
    temporary: bool = False
    """The data directory goes with the command."""


def probe_urls(settings: CollectorSettings) -> list[str]:
    """What to ask to know whether the configured venues are reachable."""
    values = settings.model_dump()
    return [
        str(values[key]).rstrip("/") + _PING.get(venue, "")
        for venue in settings.venues
        if (key := f"{venue.replace('.', '_')}_rest_url") in values
    ]


@contextlib.contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """An event that SIGINT, SIGTERM or SIGHUP sets, for the running loop."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    caught = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in caught:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in caught:
            loop.remove_signal_handler(number)


async def run(options: RunOptions) -> bool:
    """Run until a signal. True when all stopped in time by themselves. Raises MarketPrismError when a start fails."""
    with (
        DataDirectory(options.data, options.command) as directory,
        View(table=options.table, as_json=options.as_json) as view,
        stop_signals() as stop,
        log_through(view),
    ):
        stack = Stack(plan_run(options.command, any_port=options.any_port), directory, view.notify)
        try:
            await _until_stopped(stack, options, view, stop)
        finally:
            view.end_table()
            view.notify("stopping: collector, storage, monitors, page, ClickHouse, NATS")
            began = time.monotonic()
            clean = await stack.stop()
            where = "the data is removed (--data keeps it)" if options.temporary else f"data is in {directory.path}"
            view.notify(f"stopped in {time.monotonic() - began:.1f} s; {where}")
    return clean


async def _until_stopped(stack: Stack, options: RunOptions, view: View, stop: asyncio.Event) -> None:
    stopped = asyncio.create_task(stop.wait())
    work = asyncio.create_task(_start_and_show(stack, options, view))
    try:
        await asyncio.wait([stopped, work], return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
    finally:
        stopped.cancel()
        work.cancel()
        await asyncio.gather(stopped, work, return_exceptions=True)


async def _start_and_show(stack: Stack, options: RunOptions, view: View) -> None:
    view.notify(f"starting in {stack.directory.path}; logs in {stack.directory.logs}")
    deciding = asyncio.create_task(_is_live(options.source))
    try:
        await stack.start_servers()
        stack.publish("")
        await stack.start_services()
        live = await deciding
    finally:
        deciding.cancel()
    view.notify(_told(live, options.source))
    environment = {} if live else await start_simulator(stack, options)
    await stack.start_collector(environment)
    source = "live exchanges" if live else "exchange simulator"
    stack.publish(source)
    sql = stack.clickhouse.url.rpartition("@")[2]
    headline = f"MarketPrism · {source} · page {stack.plan.page_url} · SQL at {sql} · Ctrl-C stops"
    view.notify(headline)
    async with StatusReader(stack.clickhouse, stack.nats, stack.plan.services) as reader:
        while True:
            view.show(await reader.read(), stack.supervisor.states(), headline)
            await asyncio.sleep(view.every_s)


async def _is_live(source: Source) -> bool:
    if source != "auto":
        return source == "live"
    return await exchanges_reachable(probe_urls(CollectorSettings()))


def _told(live: bool, source: Source) -> str:
    if source != "auto":
        return f"source: {'live exchanges' if live else 'the exchange simulator'} (--{source})"
    if live:
        return "source: live exchanges (reachable; --simulate runs the simulator instead)"
    return (
        f"source: the exchange simulator, because the exchanges did not answer within {DECIDE_WITHIN_S:g} s "
        "(--live insists on them)"
    )


async def start_simulator(stack: Stack, options: RunOptions) -> Mapping[str, str]:
    """Start the built-in exchange on a free port, where the run before ended; returns the collector's environment."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    settings = CollectorSettings()
    command = (
        sys.executable, "-m", "marketprism.simulator", "--port", str(port), "--symbols", ",".join(settings.symbols),
        "--history-hours", str(options.history_hours), "--seed", str(options.seed),
        "--state", str(stack.directory.path / "simulator.json"),
    )  # fmt: skip
    await stack.supervisor.start(
        Part("simulator", command, http_health(f"{url}/api/v3/ping"), {**stack.environment()}, start_timeout_s=20)
    )
    return collector_environment(url, venues=settings.venues, symbols=settings.symbols)
