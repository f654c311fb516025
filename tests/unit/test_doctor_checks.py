"""The doctor's further checks: clocks of exchanges, against a host that answers, one that is off, one that is gone."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate

import pytest
from aiohttp import web

from marketprism.doctor import Verdict
from marketprism.doctor_checks import exchange_clocks
from marketprism.settings import CollectorSettings


@pytest.fixture
async def exchange() -> AsyncIterator[tuple[str, dict[str, float]]]:
    """A host whose Date is off by ``state["off_s"]`` seconds."""
    state = {"off_s": 0.0}

    async def answer(_: web.Request) -> web.Response:
        return web.Response(headers={"Date": formatdate(time.time() + state["off_s"], usegmt=True)})

    application = web.Application()
    application.add_routes([web.get("/", answer)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", state
    await runner.cleanup()


def _settings(url: str) -> CollectorSettings:
    return CollectorSettings(_env_file=None, venues=["binance.spot"], binance_spot_rest_url=url)


@pytest.mark.parametrize(("off_s", "verdict"), [(0.0, Verdict.OK), (30.0, Verdict.FAIL), (-30.0, Verdict.FAIL)])
async def test_clock(exchange: tuple[str, dict[str, float]], off_s: float, verdict: Verdict) -> None:
    url, state = exchange
    state["off_s"] = off_s
    (finding,) = await exchange_clocks(_settings(url))
    assert finding.verdict is verdict
    assert bool(finding.advice) == (verdict is Verdict.FAIL)


async def test_an_exchange_that_is_silent_is_a_warning(free_port: Callable[[], int]) -> None:
    (finding,) = await exchange_clocks(_settings(f"http://127.0.0.1:{free_port()}"))
    assert finding.verdict is Verdict.WARN
    assert finding.advice
