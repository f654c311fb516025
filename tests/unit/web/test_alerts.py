"""Alerts on the time axis: what is asked of Prometheus, what becomes of its answer, and of none."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from monitors.web.alerts import Alerts, selector
from monitors.web.symbol import EventsAsked

ASKED = EventsAsked(exchange="binance", market_type="spot", symbol="BTC.USDT", from_ms=1_000_000, to_ms=1_600_000)


def test_labels_may_be_absent_and_names_are_no_patterns() -> None:
    assert selector("binance", "spot", 'A.B"C') == (
        'ALERTS{alertstate="firing",alertname!="Watchdog",exchange=~"|binance",market_type=~"|spot",'
        'symbol=~"|A\\\\.B\\"C"}'
    )


async def test_stretches_of_samples_are_events() -> None:
    questions: list[dict[str, str]] = []

    async def query_range(request: web.Request) -> web.Response:
        questions.append(dict(request.query))
        values = [[1000, "1"], [1015, "1"], [1030, "1"], [1120, "1"]]
        metric = {"alertname": "NoNewRows", "severity": "warning", "data_type": "trades", "exchange": "binance"}
        return web.json_response({"data": {"result": [{"metric": metric, "values": values}]}})

    application = web.Application()
    application.router.add_get("/api/v1/query_range", query_range)
    async with TestServer(application) as server:
        events = await Alerts(f"http://127.0.0.1:{server.port}/").of(ASKED)
    assert [(event.kind, event.from_ms, event.to_ms, event.text) for event in events] == [
        ("alert", 1_000_000, 1_045_000, "warning NoNewRows data_type=trades"),
        ("alert", 1_120_000, 1_135_000, "warning NoNewRows data_type=trades"),
    ]
    (question,) = questions
    assert (question["start"], question["end"], question["step"]) == ("1000.000", "1600.000", "15")


async def test_without_prometheus_there_are_none(
    caplog: pytest.LogCaptureFixture, free_port: Callable[[], int]
) -> None:
    assert await Alerts("").of(ASKED) == []
    away = Alerts(f"http://127.0.0.1:{free_port()}")
    for _ in range(3):
        assert await away.of(ASKED) == []
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1, json.dumps(warnings)
    assert "tells no alerts" in warnings[0]
