"""A listed name that no subject can carry is left out, and costs the collector nothing else."""

from __future__ import annotations

import asyncio
import logging

import pytest

from collector.clock import SystemClock
from collector.positions import Positions
from collector.rest import RestError
from collector.roster import Roster
from collector.session import Session
from marketprism.events import Instrument
from marketprism.settings import CollectorSettings
from tests.unit.collector.feeding import core, instrument
from tests.unit.collector.test_roster import Plans


async def test_an_instrument_with_a_dot_in_its_name_is_left_out(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = core("binance.spot", {})
    settings = CollectorSettings(_env_file=None, symbols=["*USDC"], instruments_interval_s=0.1)
    session = Session(
        played.venue, played.market, settings, SystemClock(), played.metrics, Positions(), lambda: None
    )  # fmt: skip
    looks = 0

    async def listed() -> list[Instrument]:
        nonlocal looks
        looks += 1
        return [instrument("spot", name) for name in ("BTCUSDT", "BRK.BUSDT", "币安人生USDT")]

    monkeypatch.setattr(played.venue, "fetch_instruments", listed)
    with caplog.at_level(logging.WARNING, "collector.session"):
        running = asyncio.create_task(session.run())
        while looks < 3 and not running.done():
            await asyncio.sleep(0.05)
        assert not running.done()
        running.cancel()
        await asyncio.wait([running])
    assert [row.symbol for row in played.of("instruments")] == ["BTCUSDT", "币安人生USDT"]
    said = "instrument 'BRK.BUSDT' of binance.spot is left out: no subject can have its name"
    assert [record.message for record in caplog.records] == [said]


async def test_the_busiest_stay_the_busiest_when_volumes_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    played = core("binance.spot", {})
    settings = CollectorSettings(_env_file=None, symbols=["*USDT@top2"], instruments_interval_s=0.05)
    session = Session(
        played.venue, played.market, settings, SystemClock(), played.metrics, Positions(), lambda: None
    )  # fmt: skip
    session._roster = Roster(Plans().connect)
    names = [f"{letter}USDT" for letter in "ABCDEF"]
    looks = 0

    async def listed() -> list[Instrument]:
        return [instrument("spot", name) for name in names]

    async def volumes() -> dict[str, float]:
        nonlocal looks
        looks += 1
        if looks > 1:
            raise RestError(503, "away")
        return {name: float(number) for number, name in enumerate(names)}

    monkeypatch.setattr(played.venue, "fetch_instruments", listed)
    monkeypatch.setattr(played.venue, "fetch_volumes", volumes)
    running = asyncio.create_task(session.run())
    while looks < 3 and not running.done():
        await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.wait([running])
    assert session._symbols == ["FUSDT", "EUSDT"]
