"""Deribit: the recording of 2021 and every real payload, against an independent reading of the same JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from collector.rest import RestError
from marketprism.events import Instrument
from tests.golden.venues import (
    AT,
    PlainBook,
    base_units,
    check_book,
    contract,
    lines_of,
    listed,
    make_core,
    polled,
    units,
)
from tests.unit.collector.feeding import Core, Line


def plainly(text: str) -> Any:
    """JSON with every number an exact decimal."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def recorded_answers(lines: list[Line]) -> Any:
    """The recorded instrument lists, by currency; ``any`` was not asked for in 2021."""
    found = {
        dict(parse_qsl(urlsplit(line.url).query))["currency"]: line.payload
        for line in lines
        if line.transport == "http"
    }

    def answer(url: str, params: Mapping[str, Any]) -> str:
        if params["currency"] == "any":
            raise RestError(400, "Invalid params")
        return found.get(params["currency"], '{"jsonrpc":"2.0","result":[]}')

    return answer


@dataclass
class Case:
    lines: list[Line]
    core: Core
    instruments: dict[str, Instrument]
    symbols: list[str]

    def said(self, kind: str, symbol: str) -> list[tuple[Line, dict[str, Any]]]:
        """The messages of a channel, read plainly."""
        return [
            (line, message["params"]["data"])
            for line in self.lines
            if line.transport == "ws"
            and (message := plainly(line.payload)).get("method") == "subscription"
            and message["params"]["channel"] == f"{kind}.{symbol}.raw"
        ]


@pytest.fixture(scope="module")
def case(shared: Path) -> Case:
    lines = lines_of(shared / "recordings/deribit.jsonl.zst")
    answers = recorded_answers(lines)
    instruments = listed(make_core("deribit.option", answers=answers))
    symbols = sorted(
        {
            channel.split(".")[1]
            for line in lines
            if line.transport == "ws" and (channel := json.loads(line.payload).get("params", {}).get("channel"))
        }
    )
    core = make_core("deribit.option", [instruments[name] for name in symbols], answers, deribit_interval="raw")
    wanted = {stream.name for plan in core.venue.plan(symbols) for stream in plan.streams}
    for line in lines:
        if line.transport == "ws":
            assert json.loads(line.payload).get("params", {}).get("channel", "") in wanted | {""}
            core.market.receive(line.payload.encode(), line.received_at)
    core.market.close()
    return Case(lines, core, instruments, symbols)


def test_nothing_is_missing_and_nothing_refused(case: Case) -> None:
    assert len(case.symbols) == 10
    assert case.core.of("gaps") == []
    assert case.core.errors() == {}
    keepers = case.core.market.keepers
    assert set(keepers) == set(case.symbols)
    assert all(keeper.live and keeper.resyncs == 0 for keeper in keepers.values())


def test_books_quotes_and_flow_equal_a_plain_recomputation(case: Case) -> None:
    changes = 0
    for symbol in case.symbols:
        plain = PlainBook(case.instruments[symbol])
        last = None
        for _, data in case.said("book", symbol):
            bids, asks = (
                [(price, 0 if action == "delete" else amount) for action, price, amount in data[side]]
                for side in ("bids", "asks")
            )
            if data["type"] == "snapshot":
                plain.load(bids, asks)
            else:
                assert data["prev_change_id"] == last
                plain.apply(int(data["timestamp"]), int(data["change_id"]), bids, asks)
                changes += 1
            last = data["change_id"]
        check_book(case.core, symbol, plain)
    assert changes == 36


def test_tickers_become_volatility_and_open_interest(case: Case) -> None:
    for symbol in case.symbols:
        said = case.said("ticker", symbol)
        assert said
        firsts: dict[int, tuple[Line, dict[str, Any]]] = {}
        for line, data in said:
            firsts.setdefault(int(data["timestamp"]) // 1000, (line, data))
        rows = case.core.of("volatility_indices", symbol)
        assert len(rows) == len(firsts)
        for row, (line, data) in zip(rows, firsts.values(), strict=True):
            assert (Decimal(row.index_value), row.kind) == (data["mark_iv"], "mark_iv")
            assert (row.timestamp, row.received_at) == (int(data["timestamp"]), line.received_at)
            assert row.underlying_asset == symbol[:3]
            assert row.maturity_date == case.instruments[symbol].expiry
        minutes: dict[int, dict[str, Any]] = {}
        for _, data in said:
            minutes.setdefault(int(data["timestamp"]) // 60_000, data)
        interests = case.core.of("open_interests", symbol)
        assert [Decimal(row.open_interest) for row in interests] == [data["open_interest"] for data in minutes.values()]
        assert [row.open_interest_native for row in interests] == [row.open_interest for row in interests]


def test_every_recorded_instrument_is_a_row(shared: Path) -> None:
    lines = lines_of(shared / "recordings/deribit.jsonl.zst")
    asked = ("BTC", "ETH", "SOL", "USDC")
    rows: dict[str, Instrument] = {}
    for market in ("spot", "linear", "inverse", "option"):
        core = make_core(f"deribit.{market}", answers=recorded_answers(lines), deribit_currencies=list(asked))
        rows |= listed(core)
    plain = {
        info["instrument_name"]: info
        for line in lines
        if line.transport == "http"
        for info in plainly(line.payload)["result"]
    }
    assert set(rows) == set(plain)
    for symbol, info in plain.items():
        row = rows[symbol]
        assert (Decimal(row.tick_size), Decimal(row.lot_size)) == (info["tick_size"], info["min_trade_amount"])
        perpetual = info["settlement_period"] == "perpetual"
        assert row.expiry == (None if perpetual else int(info["expiration_timestamp"]))
        assert (row.type == "perpetual") is perpetual
        assert (None if row.strike is None else Decimal(row.strike)) == info.get("strike")
        assert (row.option_side, row.multiplier, row.status) == (info.get("option_type", ""), "1", "open")
        assert row.is_inverse is (info["kind"] == "future" and info["quote_currency"] == "USD")
    assert rows["BTC-PERPETUAL"].canonical == "BTC-USD:BTC-PERP"
    assert rows["BTC-25MAR22"].canonical == "BTC-USD:BTC-220325"
    assert rows["SOL_USDC-PERPETUAL"].canonical == "SOL-USDC:USDC-PERP"
    assert rows["BTC-24SEP21-40000-P"].canonical == "BTC-USD:BTC-210924-40000-P"


def test_a_linear_option_and_a_spot_pair_of_today() -> None:
    infos = [
        {
            "instrument_name": "XRP_USDC-30JUN23-0d625-C", "kind": "option", "instrument_type": "linear",
            "base_currency": "XRP", "quote_currency": "USDC", "counter_currency": "USDC",
            "settlement_currency": "USDC", "settlement_period": "week", "contract_size": 1000.0, "tick_size": 0.0001,
            "min_trade_amount": 1000.0, "strike": 0.625, "option_type": "call", "state": "open",
            "expiration_timestamp": 1688112000000, "is_active": True,
        },
        {
            "instrument_name": "BTC_USDC", "kind": "spot", "base_currency": "BTC", "quote_currency": "USDC",
            "counter_currency": "USDC", "tick_size": 0.01, "min_trade_amount": 1e-4, "state": "open",
            "expiration_timestamp": 32503708800000, "is_active": True,
        },
        {
            "instrument_name": "BTC-FS-25DEC26_PERP", "kind": "future_combo", "base_currency": "BTC",
            "quote_currency": "USD", "tick_size": 0.5, "min_trade_amount": 10.0, "state": "open",
        },
    ]  # fmt: skip
    body = json.dumps({"jsonrpc": "2.0", "result": infos})
    (option,) = listed(make_core("deribit.option", answers=lambda *_: body)).values()
    assert (option.canonical, option.settle, option.quote) == ("XRP-USDC:USDC-230630-0.625-C", "USDC", "USDC")
    (spot,) = listed(make_core("deribit.spot", answers=lambda *_: body)).values()
    assert (spot.canonical, spot.expiry, spot.lot_size, spot.settle) == ("BTC-USDC", None, "0.0001", "USDC")
    assert listed(make_core("deribit.inverse", answers=lambda *_: body)) == {}


# ------------------------------------------------------------------ payloads

PERPETUAL = contract("deribit", "inverse", "BTC-PERPETUAL", "0.5", quote="USD", settle="BTC", status="open")


def inverse(**settings: Any) -> Core:
    core = make_core("deribit.inverse", [PERPETUAL], **settings)
    core.venue.plan(["BTC-PERPETUAL"])
    return core


def payload(shared: Path, name: str) -> list[str]:
    text = (shared / "payloads/deribit" / name).read_text()
    return text.splitlines() if name.endswith("l") else [text]


@pytest.mark.parametrize("name", ["trades_perp_2025.json", "trades_perp_testnet2026.json", "trades_agg2_2025.jsonl"])
def test_trades(shared: Path, name: str) -> None:
    core, said = inverse(), []
    for text in payload(shared, name):
        core.market.receive(text.encode(), AT)
        said += plainly(text)["params"]["data"]
    assert core.errors() == {}
    said.sort(key=lambda plain: plain["trade_seq"])
    rows = core.of("trades")
    if name == "trades_agg2_2025.jsonl":  # two messages hours apart, the later one first: that one is behind
        said = said[1:]
    assert len(rows) == len(said)
    for row, plain in zip(rows, said, strict=True):
        assert (row.sequence, row.trade_id) == (int(plain["trade_seq"]), plain["trade_id"])
        assert (Decimal(row.price), Decimal(row.native_quantity)) == (plain["price"], plain["amount"])
        assert units(row.quantity) == base_units(plain["amount"], plain["price"], PERPETUAL)
        assert (row.side, row.timestamp, row.is_market) == (plain["direction"], int(plain["timestamp"]), True)
        assert row.price_tick == int(plain["price"] * 2)


def test_block_trades_are_kept_and_flagged(shared: Path) -> None:
    (text,) = payload(shared, "trades_perp_2025.json")
    message = json.loads(text)
    message["params"]["data"][0]["block_trade_id"] = "BLOCK-1"
    core = inverse()
    core.market.receive(json.dumps(message).encode(), AT)
    assert [row.is_market for row in core.of("trades")] == [False, True]


@pytest.mark.parametrize(("flag", "sides"), [("T", ["sell"]), ("M", ["buy"]), ("MT", ["sell", "buy"]), ("", [])])
def test_liquidations_are_a_flag_of_the_trade(shared: Path, flag: str, sides: list[str]) -> None:
    (text,) = payload(shared, "trades_perp_2025.json")
    message = json.loads(text)
    del message["params"]["data"][1]
    if flag:
        message["params"]["data"][0]["liquidation"] = flag
    core = inverse()
    core.market.receive(json.dumps(message).encode(), AT)
    (trade,) = core.of("trades")
    found = core.of("liquidations")
    assert [row.side for row in found] == sides
    for row in found:
        assert (row.price, row.native_quantity, row.quantity) == (trade.price, trade.native_quantity, trade.quantity)
        assert (row.price_kind, row.sampled, row.sequence) == ("fill", False, trade.sequence)


def test_the_book_of_the_testnet_chain(shared: Path) -> None:
    core, plain = inverse(), PlainBook(PERPETUAL)
    for text in payload(shared, "book_perp_chain_testnet2026.jsonl"):
        core.market.receive(text.encode(), AT)
        data = plainly(text)["params"]["data"]
        bids, asks = (
            [(price, 0 if action == "delete" else amount) for action, price, amount in data[side]]
            for side in ("bids", "asks")
        )
        if data["type"] == "snapshot":
            plain.load(bids, asks)
        else:
            plain.apply(int(data["timestamp"]), int(data["change_id"]), bids, asks)
    core.market.close()
    assert core.errors() == {}
    assert core.of("gaps") == []
    assert plain.flows
    check_book(core, "BTC-PERPETUAL", plain)


@pytest.mark.parametrize("name", ["book_option_change_2021.json", "book_option_snapshot_2021.json"])
def test_option_books(shared: Path, name: str) -> None:
    (text,) = payload(shared, name)
    data = plainly(text)["params"]["data"]
    symbol = data["instrument_name"]
    core = make_core("deribit.option", [contract("deribit", "option", symbol, "0.0005")])
    (update,) = core.venue.parse(text.encode(), AT).items
    assert (update.last_id, update.previous_id) == (int(data["change_id"]), int(data.get("prev_change_id", 0)))  # type: ignore[union-attr]
    assert update.snapshot is (data["type"] == "snapshot")  # type: ignore[union-attr]
    for side in ("bids", "asks"):
        said = [(price, amount) for _, price, amount in data[side]]
        assert [tuple(map(Decimal, level)) for level in getattr(update, side)] == said


def test_the_book_from_rest(shared: Path) -> None:
    (text,) = payload(shared, "get_order_book.rest.json")
    plain = plainly(text)["result"]
    core = make_core("deribit.inverse", [PERPETUAL], lambda *_: text)
    import asyncio

    snapshot = asyncio.run(core.venue.fetch_book("BTC-PERPETUAL"))
    assert (snapshot.last_id, snapshot.snapshot, len(snapshot.bids)) == (133112427566, True, len(plain["bids"]))
    assert [tuple(map(Decimal, level)) for level in snapshot.asks] == [tuple(level) for level in plain["asks"]]


@pytest.mark.parametrize("name", ["ticker_perp.json", "ticker_perp_2025.json"])
def test_perpetual_tickers(shared: Path, name: str) -> None:
    (text,) = payload(shared, name)
    plain = plainly(text)["params"]["data"]
    core = inverse()
    core.market.receive(text.encode(), AT)
    core.market.receive(text.encode(), AT + 1)  # the same slot again
    (funding,) = core.of("funding_rates")
    assert (Decimal(funding.funding_rate), funding.funding_kind) == (plain["current_funding"], "continuous")
    premium, damper = plain["mark_price"] / plain["index_price"] - 1, Decimal("0.00025")
    eight_hours = max(damper, premium) + min(-damper, premium)  # of Deribit's funding specification
    assert abs(plain["current_funding"] - eight_hours) < Decimal("1e-8")
    assert (funding.funding_interval_h, funding.timestamp) == (8, int(plain["timestamp"]))
    assert Decimal(funding.mark_price) == plain["mark_price"]
    assert Decimal(funding.index_price) == plain["index_price"]
    (interest,) = core.of("open_interests")
    assert Decimal(interest.open_interest_native) == plain["open_interest"]
    assert units(interest.open_interest) == base_units(plain["open_interest"], plain["mark_price"], PERPETUAL)
    assert interest.open_interest_value == interest.open_interest_native
    assert core.errors() == {}


def test_an_option_ticker(shared: Path) -> None:
    (text,) = payload(shared, "ticker_option_2021.json")
    symbol = "ETH-30JUL21-2800-C"
    core = make_core("deribit.option", [contract("deribit", "option", symbol, "0.0005", base="ETH")])
    core.market.receive(text.encode(), AT)
    (row,) = core.of("volatility_indices")
    assert (row.index_value, row.kind, row.underlying_asset) == ("120.74", "mark_iv", "ETH")
    (interest,) = core.of("open_interests")
    assert (interest.open_interest, interest.open_interest_value) == ("12685.0", None)


def test_dvol(shared: Path) -> None:
    (text,) = payload(shared, "deribit_volatility_index.DOC-EXAMPLE.json")
    core = make_core("deribit.option")
    core.market.receive(text.encode(), AT)
    (row,) = core.rows
    assert (row.index_value, row.kind, row.symbol) == ("129.36", "dvol", "btc_usd")  # type: ignore[attr-defined]
    assert (row.underlying_asset, row.timestamp) == ("BTC", 1619777946007)  # type: ignore[attr-defined]


def test_the_history_of_dvol_is_on_the_scale_of_its_stream(shared: Path) -> None:
    """Percent, both: nothing has to be converted."""
    (text,) = payload(shared, "dvol_btc_daily_2025-05_2026-04.RESHAPED.json")
    rows = plainly(text)["data"]
    assert len(rows) == 356
    assert all(10 < row["close"] < 200 and row["low"] <= row["close"] <= row["high"] for row in rows)


def test_funding_history() -> None:
    def answer(url: str, params: Mapping[str, Any]) -> str:
        assert url.endswith("/public/get_funding_rate_history")
        assert params["end_timestamp"] == 1790755218559
        row = {"index_price": 83251.03, "prev_index_price": 83000.0, "interest_1h": -3.1e-6, "interest_8h": 1e-5}
        return json.dumps({"result": [{**row, "timestamp": time} for time in (1790755200000, 1790751600000)]})

    core = make_core("deribit.inverse", [PERPETUAL], answer)
    assert polled(core, "settled funding", "BTC-PERPETUAL") == []  # the exchange's time is not known yet
    ticker = {"timestamp": 1790755218559, "instrument_name": "BTC-PERPETUAL", "mark_price": 83212.14}
    message = {"method": "subscription", "params": {"channel": "ticker.BTC-PERPETUAL.100ms", "data": ticker}}
    core.market.receive(json.dumps(message).encode(), AT)
    rows = polled(core, "settled funding", "BTC-PERPETUAL", 1790751600000)
    assert [(row.timestamp, row.funding_rate, row.funding_kind, row.funding_interval_h) for row in rows] == [
        (1790755200000, "-0.0000031", "settled", 1)
    ]
