"""``marketprism replay``: recordings through the whole real pipeline on free ports, and the report of it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from marketprism.clickhouse import connect
from marketprism.errors import ReplayError
from marketprism.replay import Recording, ReplayServer, describe
from marketprism.status import connect_nats, stream_states
from marketprism.supervisor.directory import DataDirectory
from marketprism.supervisor.replay_report import (
    Key,
    Received,
    ReplayReport,
    SymbolReport,
    received_of,
    symbol_reports,
)
from marketprism.supervisor.run import stop_signals
from marketprism.supervisor.stack import Stack, plan_run
from marketprism.supervisor.view import View, log_through

QUIET_S: Final = 1.0
"""The collector has worked off its sockets when it has published nothing for so long."""
_FLUSH_TIMEOUT_S: Final = 60.0
"""For the collector's end: nobody waits at a terminal for it, and one that is killed loses what it holds."""
_STORE_TIMEOUT_S: Final = 300.0
_PROGRESS_EVERY_S: Final = 2.0


async def replay_files(files: Sequence[Path], speed: float | None, data: Path, *, look: bool = False) -> ReplayReport:
    """Play ``files`` (merged by receive time) into ``data``. ``speed`` None = as fast as the collector reads.

    ``look``: when all is stored, the page stays until a signal.

    Raises RecordingError, ReplayError, DataDirectoryError, ServiceFailed.
    """
    recordings = [await asyncio.to_thread(describe, file) for file in files]
    with (
        DataDirectory(data, "replay") as directory,
        View(table=False, as_json=False) as view,
        stop_signals() as stop,
        log_through(view),
    ):
        stack = Stack(plan_run("replay", any_port=True), directory, view.notify)
        work = asyncio.create_task(_play(stack, recordings, speed, view, look=look))
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([work, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ReplayError("replay: interrupted before its end; what was stored stays in the data directory")
            report = work.result()
            if look:
                view.notify(f"everything is stored; look at {stack.plan.page_url} (Ctrl-C ends)")
                await stopped
            return report
        finally:
            work.cancel()
            stopped.cancel()
            await asyncio.gather(work, stopped, return_exceptions=True)
            await stack.stop()


async def _play(
    stack: Stack, recordings: Sequence[Recording], speed: float | None, view: View, *, look: bool
) -> ReplayReport:
    view.notify(f"starting in {stack.directory.path}; logs in {stack.directory.logs}")
    # at full speed nobody is served meanwhile, and what refreshes itself each second takes half a core
    await stack.start_servers(views_stand_still=speed is None)
    await stack.start_services()
    view.notify(f"page {stack.plan.page_url}")
    async with ReplayServer(recordings, speed=speed) as server:
        began = time.monotonic()
        progress = asyncio.create_task(_tell_progress(server, view))
        try:
            await stack.start_collector(server.environment)
            stack.publish("replay")
            await server.finished()
            progress.cancel()
            await _collector_quiet(stack)
        finally:
            progress.cancel()
        # its own end makes the collector flush every frame and wait for the acknowledgements
        await stack.supervisor.stop(["collector"], _FLUSH_TIMEOUT_S)
    if not await stack.drained(_STORE_TIMEOUT_S):
        raise ReplayError(
            f"replay: not everything was stored within {_STORE_TIMEOUT_S:g} s; see {stack.directory.logs}"
        )
    seconds = time.monotonic() - began
    if look:
        await asyncio.to_thread(_command, stack, "SYSTEM START VIEWS")
    received = await asyncio.to_thread(received_of, recordings)
    return ReplayReport(
        files=[str(recording.path) for recording in recordings],
        seconds=round(seconds, 2),
        recorded_seconds=round(sum(recording.span_s for recording in recordings), 3),
        frames=sum(server.sent.values()),
        data=str(stack.directory.path),
        symbols=await asyncio.to_thread(_compare, stack, received),
    )


def _command(stack: Stack, statement: str) -> None:
    with connect(stack.clickhouse) as client:
        client.command(statement)


def _compare(stack: Stack, received: dict[Key, Received]) -> list[SymbolReport]:
    with connect(stack.clickhouse) as client:
        return symbol_reports(client, received)


async def _collector_quiet(stack: Stack) -> None:
    """The sockets are empty, but frames may still wait inside the collector: until its streams stand still."""
    client = await connect_nats(stack.nats)
    try:
        last, since = -1, time.monotonic()
        while time.monotonic() - since < QUIET_S:
            published = sum(state.last_sequence for state in await stream_states(client, stack.nats))
            if published != last:
                last, since = published, time.monotonic()
            await asyncio.sleep(QUIET_S / 10)
    finally:
        await client.close()


async def _tell_progress(server: ReplayServer, view: View) -> None:
    first = min(recording.first_us for recording in server.recordings)
    last = max(recording.last_us for recording in server.recordings)
    while True:
        await asyncio.sleep(_PROGRESS_EVERY_S)
        done = (server.position_us - first) / max(1, last - first)
        view.notify(f"replayed {done:.0%}, {sum(server.sent.values()):,} frames")


def print_report(report: ReplayReport, *, as_json: bool) -> None:
    """The report on stdout: JSON, or a table a person reads."""
    if as_json:
        body = msgspec.to_builtins(report)
        body["exact"] = report.exact
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(body)).decode() + "\n")
        return
    console = Console()
    table = Table("symbol", header_style="bold")
    for name in ("trades in", "stored", "doubled", "books in", "stored", "gaps", "dead", "buckets", "Σ volume in"):
        table.add_column(name, justify="right")
    table.add_column("Σ over buckets", justify="right")
    table.add_column("exact")
    for row in report.symbols:
        numbers = (row.trades_received, row.trades_stored, row.trades_duplicated, row.books_received, row.books_stored)
        counts = (row.gaps, row.dead_lettered, row.buckets)
        table.add_row(
            f"{row.exchange} {row.market_type} {row.symbol}",
            *(f"{number:,}" for number in (*numbers, *counts)),
            row.volume_in,
            row.volume_buckets,
            Text("yes", "green") if row.exact else Text("NO", "bold red"),
        )
    console.print(table)
    console.print(f"{report.frames:,} frames of {report.recorded_seconds:,.0f} s in {report.seconds:,.1f} s")
