"""A book is asked for again until its stream begins anew: REST alone would leave it standing still."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

import collector.session
from collector.clock import SystemClock
from collector.connection import Connection
from collector.positions import Positions
from collector.session import Session
from collector.venue import Stream
from marketprism.settings import CollectorSettings
from tests.golden.venues import AT, contract, make_core

SYMBOL = "BTC-PERPETUAL"


def message(kind: str, own: int, previous: int = 0) -> bytes:
    chain = {"prev_change_id": previous} if kind == "change" else {}
    levels = {"bids": [["new", 100.0, 5.0]], "asks": [["new", 101.0, 5.0]]}
    data = {"type": kind, "timestamp": 1, "instrument_name": SYMBOL, "change_id": own, **chain, **levels}
    params = {"channel": f"book.{SYMBOL}.100ms", "data": data}
    return json.dumps({"jsonrpc": "2.0", "method": "subscription", "params": params}).encode()


@pytest.mark.parametrize("lost", [0, 1, 3])
async def test_a_request_that_is_lost_is_made_again_although_rest_gave_the_book(
    lost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector.session, "_SNAPSHOT_PATIENCE_S", 0.001)

    def answer(_: str, __: Mapping[str, Any]) -> str:
        book = {"timestamp": 1, "instrument_name": SYMBOL, "change_id": 400}
        return json.dumps({"jsonrpc": "2.0", "result": {**book, "bids": [[100.0, 5.0]], "asks": [[101.0, 5.0]]}})

    core = make_core("deribit.inverse", [contract("deribit", "inverse", SYMBOL, "0.5")], answer)
    market = core.market
    session = Session(
        core.venue, market, CollectorSettings(_env_file=None), SystemClock(), core.metrics, cast(Positions, None),
        lambda: None,
    )  # fmt: skip
    asked = 0

    def resubscribe(_: Sequence[Stream]) -> None:
        nonlocal asked
        asked += 1
        if asked > lost:
            market.receive(message("snapshot", 500), AT)

    connection = cast(Connection, SimpleNamespace(resubscribe=resubscribe))
    monkeypatch.setattr(session._roster, "books_of", lambda _: [(connection, Stream("book", "orderbooks", SYMBOL))])
    market.receive(message("snapshot", 100), AT)
    market.receive(message("change", 201, previous=200), AT)  # 100 → 200 is lost
    assert market.wants_books() == [SYMBOL]
    await session._sync_book(SYMBOL)
    keeper = market.keepers[SYMBOL]
    assert (asked, keeper.live, keeper.snapshots, keeper.last_id) == (lost + 1, True, 2, 500)


async def test_a_book_that_starts_over_before_it_is_asked_for_ends_nothing() -> None:
    core = make_core("deribit.inverse", [contract("deribit", "inverse", SYMBOL, "0.5")], lambda *_: "")
    market = core.market
    session = Session(
        core.venue, market, CollectorSettings(_env_file=None), SystemClock(), core.metrics, cast(Positions, None),
        lambda: None,
    )  # fmt: skip
    market.receive(message("change", 201, previous=200), AT)
    assert market.wants_books() == [SYMBOL]
    async with asyncio.TaskGroup() as session._group:
        session._start(("book", SYMBOL), session._sync_book(SYMBOL))
        market.track([contract("deribit", "inverse", SYMBOL, "0.5", multiplier="10")])
