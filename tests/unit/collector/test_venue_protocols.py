"""What OKX and Deribit say besides data, and how missing trades are asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from collector.opening import Gate
from collector.rest import RestError
from collector.venue import Control
from collector.venues.deribit import channels
from tests.golden.venues import AT, contract, make_core
from tests.unit.collector.feeding import Core

SWAP = contract("okx", "linear", "BTC-USDT-SWAP", multiplier="0.01")
PERPETUAL = contract("deribit", "inverse", "BTC-PERPETUAL", "0.5", quote="USD", settle="BTC", status="open")


def controls(core: Core, message: str | dict[str, Any]) -> list[Control]:
    text = message if isinstance(message, str) else json.dumps(message)
    return [item for item in core.venue.parse(text.encode(), AT).items if isinstance(item, Control)]


# ------------------------------------------------------------------ OKX


def test_okx_protocol_messages() -> None:
    core = make_core("okx.linear", [SWAP])
    assert controls(core, "pong") == []
    assert controls(core, {"event": "subscribe", "arg": {"channel": "books", "instId": "X"}, "connId": "a"}) == []
    (refused,) = controls(core, {"event": "error", "code": "60018", "msg": "wrong channel", "connId": "a"})
    assert refused.refused == "60018 wrong channel"
    (notice,) = controls(core, {"event": "notice", "code": "64008", "msg": "upgrade in 60 s", "connId": "a"})
    assert notice.restart == "upgrade in 60 s"


def test_okx_connections_keep_books_apart_and_routes_by_themselves() -> None:
    instruments = [contract("okx", "linear", f"C{number}-USDT-SWAP") for number in range(70)]
    core = make_core("okx.linear", instruments)
    plans = core.venue.plan([item.symbol for item in instruments])
    books = [plan for plan in plans if plan.streams[0].channel == "orderbooks"]
    assert [(len(plan.streams), plan.most) for plan in books] == [(70, 30)]
    assert {plan.urls[0].rsplit("/", 1)[1] for plan in books} == {"public"}
    trades = [plan for plan in plans if plan.streams[0].channel == "trades"]
    assert [plan.urls for plan in trades] == [("wss://ws.okx.com/ws/v5/business", "wss://wseea.okx.com/ws/v5/business")]
    wide = [stream.name for plan in plans for stream in plan.streams if not stream.symbol]
    assert sorted(wide) == [
        "instruments:FUTURES", "instruments:SWAP", "liquidation-orders:FUTURES", "liquidation-orders:SWAP",
    ]  # fmt: skip
    (text,) = core.venue.dialect.subscribe(["liquidation-orders:SWAP", "books:C1-USDT-SWAP", "opt-summary:BTC-USD"])
    assert json.loads(text) == {
        "op": "subscribe",
        "args": [
            {"channel": "liquidation-orders", "instType": "SWAP"},
            {"channel": "books", "instId": "C1-USDT-SWAP"},
            {"channel": "opt-summary", "instFamily": "BTC-USD"},
        ],
    }
    again = core.venue.plan(["NEW-USDT-SWAP"])  # a listing: market-wide streams are subscribed already
    assert all(stream.symbol for plan in again for stream in plan.streams)


def okx_trade(number: int) -> dict[str, str]:
    return {
        "instId": "BTC-USDT-SWAP", "tradeId": str(number), "px": "100.5", "sz": "2", "side": "buy",
        "ts": str(1_790_000_000_000 + number),
    }  # fmt: skip


def test_okx_repairs_by_pages_that_run_backwards() -> None:
    asked = []

    def answer(url: str, params: Mapping[str, Any]) -> str:
        asked.append((params["after"], params["limit"]))
        ids = range(params["after"] - 1, max(params["after"] - 1 - params["limit"], 0), -1)
        return json.dumps({"code": "0", "msg": "", "data": [okx_trade(number) for number in ids]})

    venue = make_core("okx.linear", [SWAP], answer).venue
    page = asyncio.run(venue.fetch_trades("BTC-USDT-SWAP", "trade", 1001, 1250))
    assert [trade.sequence for trade in page.trades] == list(range(1001, 1100))
    assert page.covered == 1099
    page = asyncio.run(venue.fetch_trades("BTC-USDT-SWAP", "trade", 1201, 1250))
    assert [trade.sequence for trade in page.trades] == list(range(1201, 1251))
    assert asked == [(1101, 100), (1252, 100)]
    assert {(trade.data_source, trade.quantity, trade.native_quantity) for trade in page.trades} == {
        ("rest", "0.02", "2")
    }


def test_ids_that_were_never_given_out_are_known_by_the_print_behind_them() -> None:
    """Asking again would be of no use: the hole is over."""

    def okx(url: str, params: Mapping[str, Any]) -> str:
        rows = [okx_trade(number) for number in (14, 11, 9, 8) if number < params["after"]]
        return json.dumps({"code": "0", "msg": "", "data": rows})

    page = asyncio.run(make_core("okx.linear", [SWAP], okx).venue.fetch_trades("BTC-USDT-SWAP", "trade", 10, 13))
    assert ([trade.sequence for trade in page.trades], page.covered) == ([11], 13)

    def deribit(url: str, params: Mapping[str, Any]) -> str:
        ids = [number for number in (8, 9, 11, 14) if params["start_seq"] <= number <= params["end_seq"]]
        return json.dumps({"result": {"trades": [deribit_trade(number) for number in ids]}})

    venue = make_core("deribit.inverse", [PERPETUAL], deribit, deribit_history_url="").venue
    page = asyncio.run(venue.fetch_trades("BTC-PERPETUAL", "trade", 10, 13))
    assert ([trade.sequence for trade in page.trades], page.covered) == ([11], 13)


def test_okx_that_does_not_have_the_newest_yet_is_asked_again() -> None:
    def answer(url: str, params: Mapping[str, Any]) -> str:
        return json.dumps({"code": "0", "msg": "", "data": [okx_trade(5), okx_trade(4)]})

    page = asyncio.run(make_core("okx.linear", [SWAP], answer).venue.fetch_trades("BTC-USDT-SWAP", "trade", 10, 12))
    assert (page.trades, page.covered) == ([], 0)


def test_okx_says_no_at_http_200() -> None:
    for code, permanent in (("51001", True), ("50011", False)):
        body = json.dumps({"code": code, "msg": "no", "data": []})
        venue = make_core("okx.linear", [SWAP], lambda *_, body=body: body).venue
        with pytest.raises(RestError, match=code) as refusal:
            asyncio.run(venue.fetch_book("BTC-USDT-SWAP"))
        assert refusal.value.permanent is permanent


def test_okx_announces_listings_once_rest_is_known() -> None:
    info = {
        "instId": "NEW-USDT-SWAP", "instType": "SWAP", "state": "live", "tickSz": "0.1", "lotSz": "1",
        "ctType": "linear", "ctVal": "1", "ctMult": "1", "uly": "NEW-USDT", "settleCcy": "USDT",
    }  # fmt: skip
    body = json.dumps({"code": "0", "msg": "", "data": [info]})
    core = make_core("okx.linear", answers=lambda *_: body)
    push = {"arg": {"channel": "instruments", "instType": "SWAP"}, "data": [info]}
    (news,) = controls(core, push)
    assert news.listing == "NEW-USDT-SWAP is live"
    asyncio.run(core.venue.fetch_instruments())
    assert controls(core, push) == []
    (news,) = controls(core, {**push, "data": [{**info, "state": "suspend"}]})
    assert news.listing == "NEW-USDT-SWAP is suspend"
    for change in ({"ctVal": "0.1"}, {"ctMult": "10"}, {"tickSz": "0.5"}, {"lotSz": "0.1"}):
        assert len(controls(core, {**push, "data": [{**info, **change}]})) == 1


def test_sockets_are_opened_one_after_the_other_over_all_markets() -> None:
    gate = Gate(0.4)
    assert [round(gate.delay(now), 6) for now in (10.0, 10.0, 10.1, 20.0)] == [0.0, 0.4, 0.7, 0.0]
    dialects = {id(make_core(f"okx.{market}").venue.dialect) for market in ("spot", "linear", "inverse", "option")}
    assert len(dialects) == 1


# ------------------------------------------------------------------ Deribit


def test_deribit_heartbeats_are_answered() -> None:
    core = make_core("deribit.inverse", [PERPETUAL])
    (greeting,) = core.venue.dialect.greeting
    assert json.loads(greeting)["method"] == "public/set_heartbeat"
    beat = {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}}
    (answer,) = controls(core, beat)
    assert json.loads(answer.reply)["method"] == "public/test"
    assert controls(core, {**beat, "params": {"type": "heartbeat"}}) == []
    assert controls(core, {"jsonrpc": "2.0", "id": 0, "result": "ok"}) == []


def test_deribit_subscriptions_of_all_sockets_and_markets_stay_within_the_credits_of_an_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channels, "_SUBSCRIPTIONS", Gate(channels._SEND_INTERVAL_S, burst=5))
    now, sent = 100.0, list[float]()  # monotonic seconds; every socket begins at once
    for market in ("spot", "linear", "inverse", "option"):
        dialect = make_core(f"deribit.{market}").venue.dialect
        assert dialect.turn is not None
        for socket in range(8):
            greeting, *subscriptions = *dialect.greeting, *dialect.subscribe([f"{socket}.{n}" for n in range(300)])
            assert dialect.turn(greeting, now) == 0.0
            sent += [now + dialect.turn(message, now) for message in subscriptions]
    credits, at = 30_000.0, now
    for moment in sorted(sent):
        credits, at = min(30_000.0, credits + (moment - at) * 10_000) - 3_000, moment
        assert credits >= 0
    assert (len(sent), sum(moment < now + 0.01 for moment in sent)) == (64, 5)
    assert max(sent) - now < 64 * 0.35


def test_a_refused_batch_is_asked_for_in_halves_until_the_bad_channel_stands_alone() -> None:
    core = make_core("deribit.inverse", [PERPETUAL])
    names = [f"book.I{number}.100ms" for number in range(8)]
    bad, accepted, refused = names[5], set[str](), []
    waiting = core.venue.dialect.subscribe(names)
    calls = 0
    while waiting:
        calls += 1
        request = json.loads(waiting.pop())
        asked = request["params"]["channels"]
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
        if bad in asked:
            answer["error"] = {"code": 13778, "message": "raw_subscriptions_not_available_for_unauthorized"}
        else:
            answer["result"] = asked
            accepted.update(asked)
        for control in controls(core, answer):
            waiting += [control.reply] if control.reply else []
            refused += [control.refused] if control.refused else []
    assert accepted == set(names) - {bad}
    assert refused[-1].endswith(f"({bad})")
    assert calls < 10


def test_a_channel_that_is_left_out_of_the_answer_is_said() -> None:
    core = make_core("deribit.inverse", [PERPETUAL])
    (text,) = core.venue.dialect.subscribe(["book.A.100ms", "book.B.100ms"])
    (control,) = controls(core, {"jsonrpc": "2.0", "id": json.loads(text)["id"], "result": ["book.A.100ms"]})
    assert control.refused == "not subscribed: book.B.100ms"


def deribit_trade(number: int, **more: str) -> dict[str, Any]:
    return {
        "trade_seq": number, "trade_id": str(9000 + number), "timestamp": 1_790_000_000_000 + number,
        "instrument_name": "BTC-PERPETUAL", "price": 50000.5, "amount": 100.0, "direction": "sell", **more,
    }  # fmt: skip


def test_deribit_asks_the_history_host_for_what_the_main_host_forgot() -> None:
    asked = []

    def answer(url: str, params: Mapping[str, Any]) -> str:
        asked.append(url.split("/")[2])
        oldest = 1 if "history" in url else 1005
        ids = range(max(params["start_seq"], oldest), params["end_seq"] + 1)
        trades = [deribit_trade(number, **({"liquidation": "M"} if number == 1003 else {})) for number in ids]
        return json.dumps({"jsonrpc": "2.0", "result": {"trades": trades, "has_more": False}})

    venue = make_core("deribit.inverse", [PERPETUAL], answer).venue
    page = asyncio.run(venue.fetch_trades("BTC-PERPETUAL", "trade", 1001, 1010))
    assert [trade.sequence for trade in page.trades] == list(range(1001, 1011))
    assert (page.covered, asked) == (1010, ["www.deribit.com", "history.deribit.com"])
    (forced,) = page.others
    assert (forced.data_type, forced.sequence, forced.side) == ("liquidations", 1003, "buy")  # type: ignore[attr-defined]
    asked.clear()
    asyncio.run(venue.fetch_trades("BTC-PERPETUAL", "trade", 1006, 1010))
    assert asked == ["www.deribit.com"]


def test_deribit_without_its_history_host_keeps_what_the_main_host_gave() -> None:
    def answer(url: str, params: Mapping[str, Any]) -> str:
        if "history" in url:
            raise RestError(0, "history does not answer")
        ids = range(max(params["start_seq"], 1005), min(params["end_seq"], 1011) + 1)
        return json.dumps({"jsonrpc": "2.0", "result": {"trades": [deribit_trade(number) for number in ids]}})

    venue = make_core("deribit.inverse", [PERPETUAL], answer).venue
    page = asyncio.run(venue.fetch_trades("BTC-PERPETUAL", "trade", 1001, 1010))
    assert [trade.sequence for trade in page.trades] == list(range(1005, 1011))
    assert page.covered == 0  # the history host may have the rest
    with pytest.raises(RestError):
        asyncio.run(venue.fetch_trades("BTC-PERPETUAL", "trade", 1, 1000))


def test_deribit_that_knows_the_last_print_is_believed_that_there_is_no_newer() -> None:
    asked = []

    def answer(url: str, params: Mapping[str, Any]) -> str:
        asked.append(url.split("/")[2])
        ids = range(params["start_seq"], min(params["end_seq"], 1000) + 1)
        return json.dumps({"jsonrpc": "2.0", "result": {"trades": [deribit_trade(number) for number in ids]}})

    venue = make_core("deribit.inverse", [PERPETUAL], answer).venue
    page = asyncio.run(venue.fetch_trades("BTC-PERPETUAL", "trade", 1001, 2000))
    assert (page.trades, page.covered, asked) == ([], 0, ["www.deribit.com"])


def test_deribit_announces_listings() -> None:
    core = make_core("deribit.inverse", [PERPETUAL])
    data = {"timestamp": 1, "state": "created", "instrument_name": "BTC-25DEC26"}
    message = {"method": "subscription", "params": {"channel": "instrument.state.any.any", "data": data}}
    (control,) = controls(core, message)
    assert control.listing == "BTC-25DEC26 is created"
