"""Further checks of ``marketprism doctor``: settings of the server, overdue days, degraded symbols, exchange clocks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from clickhouse_connect.driver.exceptions import ClickHouseError
from nats.js import JetStreamContext

from marketprism.clickhouse import COLD, FEATURES, HOT
from marketprism.doctor import Finding, Verdict
from marketprism.settings import CollectorSettings, NatsSettings
from marketprism.streams import stream_config

SKEW_S: Final = 2.0
"""The Date header has whole seconds: less than this says nothing."""
OVERDUE_DAYS: Final = 2
_ASK_S: Final = 3.0


def stored_findings(client: Any) -> list[Finding]:
    """What the database says of its settings, its archive and its symbols; the schema must be current."""
    return [_insert_settings(client), _archive(client), _serving(client)]


NEEDED: Final = {
    "async_insert": "0",
    "insert_deduplicate": "1",
    "deduplicate_blocks_in_dependent_materialized_views": "1",
}
"""What the storage service says with each insert, because servers have other defaults."""


def _insert_settings(client: Any) -> Finding:
    """Whether the server lets our user say what every insert needs: a profile can forbid it."""
    names = ", ".join(f"'{name}'" for name in NEEDED)
    query = f"SELECT name, value FROM system.settings WHERE name IN ({names})"
    advice = f"allow the user to change {', '.join(NEEDED)}: no `readonly`, no constraint on them in its profile"
    try:
        found = {str(name): str(value) for name, value in client.query(query, settings=NEEDED).result_rows}
    except ClickHouseError as error:
        text = " ".join(str(error).split())[:200]
        return Finding(check="insert settings", verdict=Verdict.FAIL, found=text, advice=advice)
    told = ", ".join(f"{name} = {value}" for name, value in sorted(found.items()))
    if found != NEEDED:
        return Finding(check="insert settings", verdict=Verdict.FAIL, found=f"the server keeps {told}", advice=advice)
    return Finding(check="insert settings", verdict=Verdict.OK, found=f"{told} with each insert")


def _archive(client: Any) -> Finding:
    """Hot days that should be in cold by now."""
    days = client.query(
        "SELECT DISTINCT partition_id FROM system.parts WHERE active AND rows > 0 "
        f"AND database = '{HOT}' AND table IN ('trades', 'orderbooks') "
        f"AND toUInt32OrZero(partition_id) < toYYYYMMDD(now('UTC') - INTERVAL {OVERDUE_DAYS} DAY) "
        f"AND partition_id NOT IN (SELECT toString(toYYYYMMDD(archive_date)) FROM {COLD}.archive_status FINAL "
        "WHERE verified) ORDER BY partition_id"
    ).result_rows
    if days:
        found = f"{len(days)} hot days are not in cold, from {days[0][0]}"
        return Finding(check="archive", verdict=Verdict.WARN, found=found, advice="run `marketprism archive`")
    return Finding(check="archive", verdict=Verdict.OK, found="no hot day is overdue")


def _serving(client: Any) -> Finding:
    """Symbols that are not served bucket features."""
    rows = client.query(
        f"SELECT exchange, market_type, symbol, state, reason FROM {FEATURES}.serving_state "
        "WHERE state != 'healthy' ORDER BY since DESC"
    ).result_rows
    if rows:
        exchange, market, symbol, state, reason = rows[0]
        return Finding(
            check="serving",
            verdict=Verdict.WARN,
            found=f"{len(rows)} symbols without bucket features; {exchange}.{market}.{symbol} {state}: {reason}",
            advice="`marketprism serving list`; SymbolDegraded in monitors/RUNBOOK.md",
        )
    return Finding(check="serving", verdict=Verdict.OK, found="every symbol is healthy")


async def stream_settings(js: JetStreamContext, settings: NatsSettings, names: Iterable[str]) -> Finding:
    """Whether the streams have the limits and the deduplication window of the settings. Raises nats errors."""
    wrong = []
    for name in names:
        data_type, _, partition = name.removeprefix("MD_").lower().rpartition("_")
        wanted = stream_config(data_type, int(partition), settings)
        has = (await js.stream_info(name)).config
        wrong += [
            f"{name}: {field} {getattr(has, field)} is not {getattr(wanted, field)}"
            for field in ("duplicate_window", "max_bytes", "max_age", "num_replicas")
            if getattr(has, field) != getattr(wanted, field)
        ]
    if wrong:
        return Finding(
            check="stream settings",
            verdict=Verdict.WARN,
            found=f"{len(wrong)} differ; {wrong[0]}",
            advice="start the storage service with these settings: it brings the streams to them",
        )
    window = min(settings.duplicate_window_s, settings.stream_max_age_s)
    return Finding(
        check="stream settings",
        verdict=Verdict.OK,
        found=f"as configured: deduplication over {window:g} s, {settings.stream_max_bytes >> 20} MiB, "
        f"{settings.stream_max_age_s / 3600:g} h",
    )


async def exchange_clocks(settings: CollectorSettings) -> list[Finding]:
    """Our clock against the Date header of each venue's REST host."""
    values = settings.model_dump()
    urls = {str(values.get(f"{venue.replace('.', '_')}_rest_url", "")) for venue in settings.venues}
    hosts = {f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in urls if url}
    timeout = aiohttp.ClientTimeout(total=_ASK_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        return list(await asyncio.gather(*(_exchange_clock(session, host) for host in sorted(hosts))))


async def _exchange_clock(session: aiohttp.ClientSession, host: str) -> Finding:
    name = f"clock of {urlsplit(host).hostname}"
    try:
        began = time.time()
        async with session.get(host) as response:
            said = parsedate_to_datetime(response.headers["Date"]).timestamp()
            ours = (began + time.time()) / 2
    except (aiohttp.ClientError, TimeoutError, OSError, KeyError, ValueError) as error:
        advice = "needed for live collection only: check DNS, firewall and the venue's address"
        found = f"no answer ({type(error).__name__})"
        return Finding(check=name, verdict=Verdict.WARN, found=found, advice=advice)
    skew = ours - said - 0.5  # the header is cut to the second
    if abs(skew) > SKEW_S:
        advice = "set the system clock (NTP): rows received before they happened are refused"
        return Finding(check=name, verdict=Verdict.FAIL, found=f"ours is off by {skew:+.1f} s", advice=advice)
    return Finding(check=name, verdict=Verdict.OK, found=f"within {SKEW_S:g} s of ours")
