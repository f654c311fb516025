"""The health door: what each path answers, and what a taken port says."""

from __future__ import annotations

import json

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from marketprism.errors import PortInUse
from marketprism.metrics import serve_health


async def _get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_paths_answer_and_ready_follows_the_service() -> None:
    registry = CollectorRegistry()
    Counter("marketprism_test_rows", "rows", registry=registry).inc(3)
    state: dict[str, object] = {"ready": False, "waiting_for": "NATS"}
    door = await serve_health(0, ready=lambda: state, registry=registry)
    base = f"http://127.0.0.1:{door.port}"
    try:
        assert (await _get(f"{base}/health"))[0] == 200
        status, text = await _get(f"{base}/ready")
        assert (status, json.loads(text)) == (503, state)
        state["ready"] = True
        assert (await _get(f"{base}/ready"))[0] == 200
        assert "marketprism_test_rows_total 3.0" in (await _get(f"{base}/metrics"))[1]
    finally:
        await door.close()


async def test_taken_port_names_the_setting() -> None:
    door = await serve_health(0, ready=dict)
    try:
        with pytest.raises(PortInUse, match=f"collector: 127.0.0.1:{door.port} is in use; .*COLLECTOR_METRICS_PORT"):
            await serve_health(door.port, ready=dict, what="collector", setting="MARKETPRISM_COLLECTOR_METRICS_PORT")
    finally:
        await door.close()
