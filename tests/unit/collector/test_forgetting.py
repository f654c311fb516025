"""What is forgotten when it is listed no more, and what is not because another collector has it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from collector.clock import SystemClock
from collector.framing import Frame
from collector.positions import Positions
from collector.session import Session
from marketprism.settings import CollectorSettings
from tests.golden.venues import make_core

BITCOIN, ETHER = "BTC-USD-261225-100000-C", "ETH-USD-261225-5000-C"


def stored(venue: str) -> Positions:
    """Of two symbols of a venue."""
    positions = Positions()
    exchange, market_type = venue.split(".")
    positions.stored(
        Frame("", b"", 2, "trades", exchange, market_type, dict.fromkeys((BITCOIN, ETHER), (7, 1, "trade")))
    )
    return positions


@pytest.mark.parametrize(
    ("venue", "settings", "kept"),
    [
        ("okx.option", {}, False),
        ("okx.option", {"okx_option_families": ["BTC-USD"]}, True),
        ("deribit.option", {}, False),
        ("deribit.option", {"deribit_currencies": ["BTC"]}, True),
        ("binance.option", {}, False),
    ],
)
def test_positions_of_what_is_not_asked_for_are_left_to_who_asks(
    venue: str, settings: dict[str, Any], kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    core, positions = make_core(venue, **settings), stored(venue)
    session = Session(
        core.venue, core.market, CollectorSettings(_env_file=None, **settings), SystemClock(), core.metrics, positions,
        lambda: None,
    )  # fmt: skip
    session._forget_unlisted({BITCOIN})
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 1e6)
    session._forget_unlisted({BITCOIN})
    assert positions.symbols(*core.market.key) == ({BITCOIN, ETHER} if kept else {BITCOIN})
