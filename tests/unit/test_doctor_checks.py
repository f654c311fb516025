"""The doctor's further checks: clocks of exchanges, what a server lets our inserts say, limits of the streams."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from clickhouse_connect.driver.exceptions import ProgrammingError

from marketprism.doctor import Verdict
from marketprism.doctor_checks import NEEDED, _insert_settings, exchange_clocks, stream_settings
from marketprism.settings import CollectorSettings, NatsSettings
from marketprism.streams import stream_config


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


class Server:
    """Answers the settings it keeps, whatever is asked for; None refuses to change any."""

    def __init__(self, kept: dict[str, str] | None) -> None:
        self._kept = kept

    def query(self, _: str, settings: dict[str, str]) -> Any:
        if self._kept is None:
            raise ProgrammingError("Setting async_insert is unknown or readonly")
        return SimpleNamespace(result_rows=[*{**settings, **self._kept}.items()])


@pytest.mark.parametrize(
    ("kept", "verdict"), [({}, Verdict.OK), ({"async_insert": "1"}, Verdict.FAIL), (None, Verdict.FAIL)]
)
def test_a_profile_that_forbids_what_inserts_need_is_found(kept: dict[str, str] | None, verdict: Verdict) -> None:
    finding = _insert_settings(Server(kept))
    assert finding.verdict is verdict
    assert all(name in finding.found + finding.advice for name in NEEDED)


async def test_streams_with_other_limits_are_named() -> None:
    settings = NatsSettings(_env_file=None)
    configs = {f"MD_{name.upper()}_0": stream_config(name, 0, settings) for name in ("trades", "best_quotes")}

    async def stream_info(name: str) -> Any:
        return SimpleNamespace(config=configs[name])

    js: Any = SimpleNamespace(stream_info=stream_info)
    assert (await stream_settings(js, settings, configs)).verdict is Verdict.OK
    configs["MD_BEST_QUOTES_0"] = dataclasses.replace(configs["MD_BEST_QUOTES_0"], duplicate_window=2.0)
    finding = await stream_settings(js, settings, configs)
    assert finding.verdict is Verdict.WARN
    assert "MD_BEST_QUOTES_0: duplicate_window 2.0" in finding.found
    assert finding.advice
