"""``marketprism doctor``: is this installation fit to run, and is what runs healthy? Each finding says what to do."""

from __future__ import annotations

import asyncio
import enum
import importlib.metadata
import json
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from marketprism.clickhouse import DATABASES, DEDUPLICATION_WINDOW, HOT, WINDOWS, connect
from marketprism.embedded.nats import server_binary
from marketprism.errors import MarketPrismError
from marketprism.events import ROW_TYPES
from marketprism.migrate import pending
from marketprism.settings import AppSettings, CollectorSettings, EmbeddedSettings, NatsSettings
from marketprism.status import connect_nats, stream_states
from marketprism.subjects import stream_name
from marketprism.supervisor.attach import Servers
from marketprism.supervisor.health import http_answers
from marketprism.supervisor.ports import is_free

LOW_DISK_BYTES: Final = 2 << 30
MIN_CLICKHOUSE: Final = (25, 8)
_GIB: Final = 1 << 30


class Verdict(enum.StrEnum):
    """``warn``: it runs, but look; ``fail``: it does not do its work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, kw_only=True):
    """One checked thing. ``advice`` is empty when all is well."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""


def _ok(check: str, found: str) -> Finding:
    return Finding(check=check, verdict=Verdict.OK, found=found)


def check_versions() -> Finding:
    """Python and the packages whose version the data depends on."""
    names = ("marketprism", "chdb-core", "clickhouse-connect", "nats-py")
    found = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    python = ".".join(map(str, sys.version_info[:3]))
    return _ok("versions", f"Python {python}, {found}")


def check_nats_binary() -> Finding:
    try:
        return _ok("nats-server", str(server_binary()))
    except MarketPrismError as error:
        return Finding(check="nats-server", verdict=Verdict.FAIL, found="not installed", advice=str(error))


def check_disk(directory: Path) -> Finding:
    """Free space where the data is (or will be), against what the streams may take."""
    at = next(path for path in (directory.resolve(), *directory.resolve().parents) if path.exists())
    free = shutil.disk_usage(at).free
    settings = NatsSettings()
    streams = settings.stream_max_bytes * len(ROW_TYPES) * settings.partitions
    found = f"{free / _GIB:.1f} GiB free at {at}; streams may take {streams / _GIB:.1f} GiB"
    if free < LOW_DISK_BYTES:
        advice = f"free at least {LOW_DISK_BYTES / _GIB:.0f} GiB, or set MARKETPRISM_DATA_DIR to another disk"
        return Finding(check="disk", verdict=Verdict.FAIL, found=found, advice=advice)
    if free < streams:
        advice = "lower MARKETPRISM_NATS_STREAM_MAX_BYTES below the free space divided by the number of streams"
        return Finding(check="disk", verdict=Verdict.WARN, found=found, advice=advice)
    return _ok("disk", found)


def check_ports(servers: Servers) -> Finding:
    """Only while nothing of ours runs: can ``up`` have its ports?"""
    if servers.holder is not None:
        return _ok("ports", f"held by our process {servers.holder.pid} (marketprism {servers.holder.command})")
    embedded = EmbeddedSettings()
    wanted = {
        "MARKETPRISM_EMBEDDED_CLICKHOUSE_PORT": embedded.clickhouse_port,
        "MARKETPRISM_EMBEDDED_NATS_PORT": embedded.nats_port,
    }
    taken = [f"{name}={port}" for name, port in wanted.items() if port and not is_free(embedded.host, port)]
    if taken:
        advice = "a server of yours is well; else stop what listens there, or set another port"
        return Finding(check="ports", verdict=Verdict.WARN, found=f"in use: {', '.join(taken)}", advice=advice)
    return _ok("ports", "free: " + ", ".join(str(port) for port in wanted.values()))


def _clickhouse_findings(servers: Servers) -> list[Finding]:
    try:
        client = connect(servers.clickhouse)
    except MarketPrismError as error:
        return [_error("ClickHouse", error)]
    try:
        from marketprism.doctor_checks import stored_findings  # it reports in our terms

        findings = [_server(client, servers), *_schema(client)]
        current = any(finding.check == "deduplication windows" for finding in findings)
        return [*findings, *stored_findings(client)] if current else findings
    finally:
        client.close()


def _error(check: str, error: MarketPrismError) -> Finding:
    found, _, advice = str(error).rpartition("; ")
    return Finding(check=check, verdict=Verdict.FAIL, found=found or str(error), advice=advice)


def _server(client: Any, servers: Servers) -> Finding:
    version = str(client.server_version)
    found = f"{version} at {servers.clickhouse.url.rpartition('@')[2]}"
    if tuple(int(part) for part in version.split(".")[:2]) < MIN_CLICKHOUSE:
        advice = f"use ClickHouse {'.'.join(map(str, MIN_CLICKHOUSE))} or newer"
        return Finding(check="ClickHouse", verdict=Verdict.FAIL, found=found, advice=advice)
    return _ok("ClickHouse", found)


def _schema(client: Any) -> list[Finding]:
    try:
        waiting = pending(client)
    except MarketPrismError as error:
        return [_error("schema", error)]
    if waiting:
        found = f"{len(waiting)} migrations pending, from {waiting[0]}"
        return [Finding(check="schema", verdict=Verdict.FAIL, found=found, advice="run `marketprism migrate`")]
    return [_ok("schema", "current"), _windows(client), _gaps(client), _dead_letters(client)]


def _windows(client: Any) -> Finding:
    """A raw table whose deduplication window is off would count a redelivered batch twice."""
    rows = client.query(WINDOWS, parameters={"tables": [*ROW_TYPES, "dead_letters"]}).result_rows
    short = [name for name, window in rows if window < DEDUPLICATION_WINDOW]
    if short:
        return Finding(
            check="deduplication windows",
            verdict=Verdict.FAIL,
            found=f"below {DEDUPLICATION_WINDOW}: {', '.join(short)}",
            advice=f"ALTER TABLE … MODIFY SETTING non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}",
        )
    return _ok("deduplication windows", f"{DEDUPLICATION_WINDOW} on {len(rows)} tables of {', '.join(DATABASES[:1])}")


def _gaps(client: Any) -> Finding:
    rows = client.query(
        f"SELECT count(), countIf(NOT repaired), max(to_time) FROM {HOT}.gaps WHERE created_at > now() - INTERVAL 1 DAY"
    ).result_rows
    total, unrepaired, last = rows[0]
    if unrepaired:
        found = f"{unrepaired} unrepaired of {total} in 24 h, last {last:%Y-%m-%d %H:%M:%S} UTC"
        advice = f"SELECT * FROM {HOT}.gaps WHERE NOT repaired ORDER BY to_time DESC"
        return Finding(check="gaps", verdict=Verdict.WARN, found=found, advice=advice)
    return _ok("gaps", f"none unrepaired, {total} in 24 h")


def _dead_letters(client: Any) -> Finding:
    count = client.query(f"SELECT count() FROM {HOT}.dead_letters").result_rows[0][0]
    if count:
        advice = "look with `marketprism dead-letters list`, then retry or drop"
        return Finding(check="dead letters", verdict=Verdict.WARN, found=f"{count} frames", advice=advice)
    return _ok("dead letters", "none")


async def _nats_findings(servers: Servers) -> list[Finding]:
    from marketprism.doctor_checks import stream_settings  # it reports in our terms

    try:
        client = await connect_nats(servers.nats)
    except MarketPrismError as error:
        return [_error("NATS", error)]
    try:
        states = await stream_states(client, servers.nats)
        limits = await stream_settings(client.jetstream(), servers.nats, [state.name for state in states])
        known = client.connected_server_version
        version = f"{known.major}.{known.minor}.{known.patch}"
    finally:
        await client.close()
    where = servers.nats.url.rpartition("@")[2]
    findings = [_ok("NATS", f"{version} at {where}, {len(states)} streams"), limits]
    full = [state.name for state in states if state.bytes > 0.8 * servers.nats.stream_max_bytes]
    if full:
        advice = "raise MARKETPRISM_NATS_STREAM_MAX_BYTES, or find out why storage does not keep up"
        findings.append(Finding(check="streams", verdict=Verdict.WARN, found=f"over 80 %: {full}", advice=advice))
    absent = {stream_name(data_type, 0) for data_type in ROW_TYPES} - {state.name for state in states}
    if absent:
        advice = "start the storage service or the collector once; they make what is missing"
        found = f"absent: {', '.join(sorted(absent))}"
        findings.append(Finding(check="streams", verdict=Verdict.FAIL, found=found, advice=advice))
    return findings


async def _service_findings(servers: Servers) -> list[Finding]:
    findings = []
    for name, url in servers.services.items():
        if not await http_answers(f"{url}/health"):
            advice = "start it with `marketprism up`, or look at its log in the data directory"
            findings.append(Finding(check=name, verdict=Verdict.FAIL, found=f"{url} is silent", advice=advice))
        elif not await http_answers(f"{url}/ready"):
            advice = f"see {url}/ready for what it waits for"
            findings.append(Finding(check=name, verdict=Verdict.WARN, found="alive, not ready", advice=advice))
        else:
            findings.append(_ok(name, f"ready at {url}"))
    page = servers.holder.page_url if servers.holder is not None else ""
    if page and not await http_answers(f"{page}/health"):
        advice = "the run starts it again by itself; web.log in the data directory says why it ended"
        findings.append(Finding(check="page", verdict=Verdict.WARN, found=f"{page} is silent", advice=advice))
    elif page:
        findings.append(_ok("page", f"at {page}"))
    return findings


async def _exchange_findings(servers: Servers) -> list[Finding]:
    """Clocks of the exchanges; a run on the simulator asks none."""
    from marketprism.doctor_checks import exchange_clocks  # it reports in our terms

    if servers.holder is not None and servers.holder.source == "exchange simulator":
        return [_ok("exchange clocks", "not asked: this run is on the exchange simulator")]
    return await exchange_clocks(CollectorSettings())


def check_clock() -> Finding:
    """A clock before the release of this code makes every row's validation fail."""
    year = time.gmtime().tm_year
    if year < 2025:
        found = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        return Finding(check="clock", verdict=Verdict.FAIL, found=found, advice="set the system clock (NTP)")
    return _ok("clock", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))


async def examine(servers: Servers, data: Path | None = None) -> list[Finding]:
    """Every check, side by side where they wait for somebody."""
    directory = data or AppSettings().data_dir
    findings = [check_versions(), check_nats_binary(), check_disk(directory), check_ports(servers), check_clock()]
    remote: list[Callable[[], Awaitable[list[Finding]]]] = [
        lambda: asyncio.to_thread(_clickhouse_findings, servers),
        lambda: _nats_findings(servers),
        lambda: _service_findings(servers),
        lambda: _exchange_findings(servers),
    ]
    for found in await asyncio.gather(*(question() for question in remote)):
        findings += found
    return findings


def to_json(findings: list[Finding]) -> str:
    """One JSON array."""
    return json.dumps(msgspec.to_builtins(findings), indent=1)


def render(findings: list[Finding]) -> str:
    """One line a finding, and under each that is not well what to do."""
    width = max(len(finding.check) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.verdict.value:<4}  {finding.check:<{width}}  {finding.found}")
        if finding.advice:
            lines.append(f"      {'':<{width}}  → {finding.advice}")
    return "\n".join(lines)
