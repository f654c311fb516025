"""A hole waits while REST is away, is given up aloud when that takes too long, and is repaired only when it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, cast

import pytest

import collector.market
import collector.repair
from collector.clock import SystemClock
from collector.positions import Positions
from collector.rest import RestError
from collector.session import Session
from collector.venue import Stream
from marketprism.settings import CollectorSettings
from tests.golden.venues import AT, Core, contract, make_core
from tests.unit.collector.test_venue_protocols import deribit_trade

SYMBOL = "BTC-PERPETUAL"
KEY = (SYMBOL, "trade")


def printed(core: Core, *numbers: int) -> None:
    data = [deribit_trade(number) for number in numbers]
    message = {"method": "subscription", "params": {"channel": f"trades.{SYMBOL}.100ms", "data": data}}
    core.market.receive(json.dumps(message).encode(), AT)


def page(params: Mapping[str, Any], newest: int = 12) -> str:
    ids = range(params["start_seq"], min(params["end_seq"], newest) + 1)
    return json.dumps({"jsonrpc": "2.0", "result": {"trades": [deribit_trade(number) for number in ids]}})


def at_work(core: Core, **settings: Any) -> Session:
    return Session(
        core.venue, core.market, CollectorSettings(_env_file=None, **settings), SystemClock(), core.metrics,
        cast(Positions, None), lambda: None,
    )  # fmt: skip


def held(answers: Any) -> Core:
    """Print 12 waits for 2 … 11."""
    core = make_core(
        "deribit.inverse", [contract("deribit", "inverse", SYMBOL, "0.5", type="perpetual")], answers,
        deribit_history_url="",
    )  # fmt: skip
    printed(core, 1, 12)
    return core


async def repair(session: Session) -> None:
    hole = session.market.sequences[KEY].hole
    assert hole is not None
    await session._repair.fill(KEY, hole)


def told(core: Core) -> list[tuple[int, int, bool]]:
    return [(gap.from_sequence, gap.to_sequence, gap.repaired) for gap in core.of("gaps")]


@pytest.mark.parametrize("status", [0, 418, 429, 500, 503])
async def test_a_host_that_is_away_is_waited_for(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector.repair, "_RETRY_S", 0.001)
    asked = 0

    def answer(_: str, params: Mapping[str, Any]) -> str:
        nonlocal asked
        asked += 1
        if asked <= 12:
            raise RestError(status, "away")
        return page(params)

    core = held(answer)
    await repair(at_work(core))
    assert [trade.sequence for trade in core.of("trades")] == list(range(1, 13))
    assert (told(core), asked) == ([(2, 11, True)], 13)


async def test_a_host_that_stays_away_is_given_up_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector.repair, "_RETRY_S", 0.01)

    def answer(_: str, __: Mapping[str, Any]) -> str:
        raise RestError(0, "away")

    core = held(answer)
    await asyncio.wait_for(repair(at_work(core, repair_patience_s=0.1)), 5)
    assert [trade.sequence for trade in core.of("trades")] == [1, 12]
    assert told(core) == [(2, 11, False)]


async def test_a_long_wait_for_the_weight_limit_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector.repair, "_RETRY_S", 0.01)
    core = held(lambda _, params: page(params))
    fetch, asked = core.venue.fetch_trades, 0

    async def after_a_queue(*question: Any) -> Any:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.2)
        if asked == 1:
            raise RestError(0, "away")
        return await fetch(*question)

    monkeypatch.setattr(core.venue, "fetch_trades", after_a_queue)
    await repair(at_work(core, repair_patience_s=0.1))
    assert (told(core), asked) == ([(2, 11, True)], 2)


async def test_answers_that_lack_the_trades_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector.repair, "_RETRY_S", 0.001)
    asked = 0

    def answer(_: str, params: Mapping[str, Any]) -> str:
        nonlocal asked
        asked += 1
        return page(params, 0)

    core = held(answer)
    await repair(at_work(core))
    assert (told(core), asked) == ([(2, 11, False)], collector.repair._ATTEMPTS)


async def test_a_hole_that_was_given_up_meanwhile_is_not_repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector.repair, "_RETRY_S", 0.001)
    monkeypatch.setattr(collector.market, "MAX_HELD", 3)

    def answer(_: str, __: Mapping[str, Any]) -> str:
        printed(core, 13, 14, 15)
        raise RestError(503, "away")

    core = held(answer)
    await repair(at_work(core))
    assert [trade.sequence for trade in core.of("trades")] == [1, 12, 13, 14, 15]
    assert told(core) == [(2, 11, False)]


async def test_all_symbols_together_hold_so_much_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost socket leaves a hole in every symbol, and REST may be away for minutes."""
    monkeypatch.setattr(collector.market, "MAX_HELD_ALL", 5)
    core = held(lambda *_: "")
    other = "ETH-PERPETUAL"
    core.market.track([contract("deribit", "inverse", other, "0.5")])

    def also(*numbers: int) -> None:
        data = [{**deribit_trade(number), "instrument_name": other} for number in numbers]
        message = {"method": "subscription", "params": {"channel": f"trades.{other}.100ms", "data": data}}
        core.market.receive(json.dumps(message).encode(), AT)

    also(1, 3, 5, 6, 7)
    core.market.bound_held()
    assert told(core) == []
    also(8)
    core.market.bound_held()  # the other one holds the most
    assert told(core) == [(2, 2, False), (4, 4, False)]
    assert [trade.sequence for trade in core.of("trades") if trade.symbol == other] == [1, 3, 5, 6, 7, 8]
    assert core.market.sequences[KEY].held == 1


async def test_a_symbol_that_is_held_does_not_keep_others_from_catching_up() -> None:
    asked = []
    other = "ETH-PERPETUAL"

    def answer(_: str, params: Mapping[str, Any]) -> str:
        asked.append(params["instrument_name"])
        return page(params, 0)

    core = held(answer)
    core.market.track([contract("deribit", "inverse", other, "0.5")])
    message = {"channel": f"trades.{other}.100ms", "data": [{**deribit_trade(1), "instrument_name": other}]}
    core.market.receive(json.dumps({"method": "subscription", "params": message}).encode(), AT)
    session = at_work(core)
    session._catch_up.doubt([SYMBOL, other])
    session._catch_up._subscribed_at = lambda _: 0.0
    waits = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        session._group = group
        session._start(("trades", *KEY), cast(Any, waits.wait()))
        run = group.create_task(session._catch_up.run())
        async with asyncio.timeout(5):
            while not asked:
                await asyncio.sleep(0.01)
        waits.set()
        run.cancel()
    assert asked == [other]


@pytest.mark.parametrize("end", ["forget", "close"])
def test_what_ends_with_holes_tells_each_and_keeps_nothing(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    core = held(lambda *_: "")
    printed(core, 14, 20)
    monkeypatch.setattr(core.venue, "can_repair", lambda _: False)
    core.market.forget({SYMBOL}) if end == "forget" else core.market.close()
    assert [trade.sequence for trade in core.of("trades")] == [1, 12, 14, 20]
    assert told(core) == [(2, 11, False), (13, 13, False), (15, 19, False)]
    assert core.market.holes() == []


def test_a_lost_stream_of_many_symbols_leaves_each_of_them_in_doubt() -> None:
    call, put = "BTC-261225-100000-C", "BTC-261225-90000-P"
    listed = [
        contract("binance", "option", symbol, "5", type="option", expiry=1_798_185_600_000) for symbol in (call, put)
    ]
    core = make_core("binance.option", listed)
    plans = core.venue.plan([call, put])
    streams = [stream for plan in plans for stream in plan.streams]
    trades = [stream for stream in streams if stream.channel == "trades"]
    assert [stream.symbol for stream in trades] == [""]

    def traded(number: int, symbol: str = call) -> None:
        data = {"e": "trade", "E": 1, "T": 1790000000499, "s": symbol, "t": number, "p": "5200", "q": "0.10"}
        data |= {"X": "MARKET", "S": "BUY", "m": False}
        core.market.receive(json.dumps({"stream": "btcusdt@optionTrade", "data": data}).encode(), AT)

    traded(42)
    session = at_work(core)
    session._symbols = [call, put]
    session._lost([Stream("!optionSymbol", "listings")], "disconnect")
    assert not session._catch_up._doubts
    session._lost(trades, "disconnect")
    assert list(session._catch_up._doubts) == [(call, "trade")]  # of the other no trade is known
    traded(44)
    core.market.give_up((call, "trade"), 43)
    assert [gap.cause for gap in core.of("gaps")] == ["disconnect"]
