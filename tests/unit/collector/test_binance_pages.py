"""Binance's book snapshots come in pages of a few sizes, each with its weight."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.golden.venues import contract, make_core


@pytest.mark.parametrize(
    ("venue", "levels", "limit"),
    [
        ("binance.spot", 5000, 5000),
        ("binance.spot", 700, 1000),
        ("binance.linear", 5000, 1000),
        ("binance.linear", 700, 1000),
        ("binance.inverse", 1001, 1000),
        ("binance.option", 5000, 1000),
        ("binance.option", 120, 500),
    ],
)
def test_a_book_is_asked_for_with_a_limit_that_the_market_has(venue: str, levels: int, limit: int) -> None:
    asked = []

    def answer(_: str, params: Mapping[str, Any]) -> str:
        asked.append(params["limit"])
        return json.dumps({"lastUpdateId": 1, "u": 1, "T": 1, "E": 1, "bids": [], "asks": []})

    exchange, market_type = venue.split(".")
    core = make_core(venue, [contract(exchange, market_type, "BTC")], answer, book_snapshot_levels=levels)
    asyncio.run(core.venue.fetch_book("BTC"))
    assert asked == [limit]
