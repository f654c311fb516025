"""The monitors: what gauges keep and forget, the looks on a real engine, and a service whose servers are down."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
from prometheus_client import CollectorRegistry, generate_latest

from marketprism.settings import ClickHouseSettings
from monitors.audits import Audit, AuditResult
from monitors.gauges import Gauges
from monitors.looks import Buckets, Features, Newest, Table
from monitors.quality_gauges import QualityGauges
from monitors.rounds import Round, RoundMetrics
from monitors.serving.gauges import ServingGauges
from monitors.serving.machine import Serving

KEY = ("binance", "spot", "BTCUSDT")


def _value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def _symbol() -> dict[str, str]:
    return dict(zip(("exchange", "market_type", "symbol"), KEY, strict=True))


def test_lag_is_age_of_the_newest_close_and_goes_with_its_symbol() -> None:
    registry = CollectorRegistry()
    gauges = Gauges(registry)
    gauges.set_buckets([Buckets(*KEY, 7, 1000.0, 0)], now_s=1042.5)
    assert _value(registry, "ubt_latest_bucket_lag_seconds", **_symbol()) == 42.5
    assert _value(registry, "ubt_latest_bucket_timestamp_seconds", **_symbol()) == 1000.0
    gauges.set_buckets([], now_s=1043.0)
    assert _value(registry, "ubt_latest_bucket_lag_seconds", **_symbol()) is None


def test_no_closed_bucket_has_no_lag() -> None:
    registry = CollectorRegistry()
    Gauges(registry).set_buckets([Buckets(*KEY, 1, 0.0, 0)], now_s=5.0)
    assert _value(registry, "ubt_latest_bucket_lag_seconds", **_symbol()) is None


def test_anomalies_count_what_came_new_and_never_fall() -> None:
    registry = CollectorRegistry()
    gauges = Gauges(registry)
    seen = []
    for standing in (0, 2, 2, 3, 0, 1):  # the day with three left at midnight, then a new one came
        gauges.set_buckets([Buckets(*KEY, 7, 1000.0, standing)], now_s=1000.0)
        seen.append(_value(registry, "ubt_bucket_id_anomaly_total", **_symbol()))
    assert seen == [0, 2, 2, 3, 3, 4]


DAY_S = 86_400.0


def test_a_venue_that_sends_nothing_for_a_day_is_forgotten() -> None:
    """Taken out of the collector, it kept NoNewRows until the monitors were started again."""
    registry, clock = CollectorRegistry(), [0.0]
    gauges = Gauges(registry, lambda: clock[0])
    taken_out, stays = Newest("trades", "okx", "spot", 10.0, 10.1), Newest("trades", "binance", "spot", 10.0, 10.1)
    gone = []
    for clock[0], rows in ((0.0, [taken_out, stays]), (DAY_S, [stays]), (DAY_S + 1, []), (DAY_S + 2, [])):
        gone.append(gauges.set_newest(rows))
    assert gone == [[], [], [("trades", "okx", "spot")], []]
    for name in ("newest_row", "newest_received"):
        text = generate_latest(registry).decode()
        assert re.findall(rf'marketprism_monitor_{name}_timestamp_seconds{{.*exchange="(\w+)"', text) == ["binance"]


def test_counters_of_expired_symbols_are_forgotten() -> None:
    """400 options a day for a year; a symbol that is back within the day goes on where it was."""
    registry, clock = CollectorRegistry(), [0.0]
    gauges, serving = Gauges(registry, lambda: clock[0]), ServingGauges(registry, lambda: clock[0])
    for day in range(5):
        clock[0] = day * DAY_S
        keys = [KEY, *(("deribit", "option", f"BTC-{day}-{strike}-C") for strike in range(400))]
        gauges.set_buckets([Buckets(*key, 7, 1000.0, 1) for key in keys], now_s=1000.0)
        serving({key: Serving() for key in keys}, [(KEY, Serving("degraded"))])
        lines = len(generate_latest(registry).decode().splitlines())
        if day == 2:
            after_three = lines
    assert lines == after_three
    assert _value(registry, "ubt_bucket_id_anomaly_total", **_symbol()) == 1
    assert _value(registry, "marketprism_monitor_serving_transitions_total", **_symbol(), state="degraded") == 5


def test_names_have_base_units_and_help() -> None:
    registry = CollectorRegistry()
    gauges = Gauges(registry)
    gauges.set_tables([Table("trades", 5, 100, 2)])
    gauges.set_newest([Newest("trades", "binance", "spot", 10.0, 10.1)])
    gauges.set_features([Features(*KEY, 9.0)])
    text = generate_latest(registry).decode()
    assert 'marketprism_monitor_table_rows{table="trades"} 5.0' in text
    names = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert all(re.match(r"(marketprism_monitor_|ubt_)", name) for name in names)
    assert not [name for name in names if re.search(r"_(ms|millis|minutes|kb|mb)$", name)]


async def test_what_never_succeeds_grows_old_from_its_start() -> None:
    """MonitorRoundStuck and AuditNotRun look at an age: without a first time it is never too great."""
    registry = CollectorRegistry()
    metrics, began, stop = RoundMetrics(registry), time.time(), asyncio.Event()

    async def refused(_: object) -> None:
        raise AssertionError("nobody answers on this address")

    nobody = ClickHouseSettings(url="http://127.0.0.1:1", connect_timeout_s=1)
    running = asyncio.create_task(Round("health check", 0.05, refused, nobody, metrics).run(stop))
    while not _value(registry, "marketprism_monitor_round_failures_total", round="health check"):
        await asyncio.sleep(0.01)
    stop.set()
    await running
    succeeded = _value(registry, "marketprism_monitor_round_success_timestamp_seconds", round="health check")
    assert succeeded is not None
    assert began <= succeeded <= began + 60

    gauges = QualityGauges(registry)
    audit = Audit("trade_ids_unique", "", "critical", 3600.0, "SELECT 1")
    gauges.announce([audit])
    gauges.set_audit(AuditResult(audit, time.time(), 60.0, error="code: 159, too long"))
    ran = _value(registry, "marketprism_monitor_audit_last_run_timestamp_seconds", audit=audit.name)
    assert ran is not None
    assert began <= ran <= began + 60


async def _get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_service_tells_what_is_down_and_stops_on_sigterm(tmp_path: Path, free_port: Callable[[], int]) -> None:
    port, nobody = free_port(), free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "monitors",
        cwd=tmp_path,
        env={
            **os.environ,
            "MARKETPRISM_MONITOR_METRICS_PORT": str(port),
            "MARKETPRISM_MONITOR_COLLECTOR_URL": f"http://127.0.0.1:{nobody}",
            "MARKETPRISM_MONITOR_STORAGE_URL": f"http://127.0.0.1:{nobody}",
            "MARKETPRISM_CLICKHOUSE_URL": f"http://127.0.0.1:{nobody}",
            "MARKETPRISM_NATS_URL": f"nats://127.0.0.1:{nobody}",
            "MARKETPRISM_MONITOR_INTERVAL_S": "0.2",
        },
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        seen = b""
        while b"nats:" not in seen:  # the first look is over when both have been told
            line = await asyncio.wait_for(process.stderr.readline(), 30)
            assert line, seen
            seen += line
        base = f"http://127.0.0.1:{port}"
        assert (await _get(f"{base}/health"))[0] == 200
        status, body = await _get(f"{base}/ready")
        assert status == 503
        assert set(json.loads(body)["problems"]) == {"clickhouse", "nats"}
        assert 'marketprism_monitor_up{target="clickhouse"} 0.0' in (await _get(f"{base}/metrics"))[1]
        assert len(json.loads((await _get(f"{base}/status"))[1])["problems"]) == 4
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
