"""OKX: the recording of 2022 and every real payload, against an independent reading of the same JSON."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from collector.rest import RestError
from collector.venues.okx.books import ChecksumChain
from collector.venues.okx.messages import BookMessage
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

MARKETS = {
    "okx.spot": ["BTC-USDT"],
    "okx.inverse": ["UNI-USD-SWAP", "BTC-USD-220527"],
}


def recorded_answers(lines: list[Line]) -> Any:
    """The recorded instrument lists, by instType and family."""
    found: dict[tuple[str, str], str] = {}
    for line in lines:
        if line.transport == "http":
            query = dict(parse_qsl(urlsplit(line.url).query))
            found[query["instType"], query.get("uly", "")] = line.payload

    def answer(url: str, params: Mapping[str, Any]) -> str:
        if url.endswith("/underlying"):
            return json.dumps({"code": "0", "msg": "", "data": [["BTC-USD", "ETH-USD"]]})
        if url.endswith("/instrument-tick-bands"):
            return json.dumps({"code": "0", "msg": "", "data": [{"instType": "OPTION", "instFamily": "BTC-USD"}]})
        return found[params["instType"], params.get("instFamily", "")]

    return answer


@dataclass
class Case:
    lines: list[Line]
    core: Core
    instruments: dict[str, Instrument]
    symbols: list[str]

    def said(self, channel: str, symbol: str) -> list[tuple[Line, dict[str, Any]]]:
        """The messages of a stream, read plainly."""
        found = []
        for line in self.lines:
            message = json.loads(line.payload)
            if message.get("data") and message.get("arg") == {"channel": channel, "instId": symbol}:
                found.append((line, message))
        return found


@pytest.fixture(scope="module", params=MARKETS)
def case(request: pytest.FixtureRequest, shared: Path) -> Case:
    lines = lines_of(shared / "recordings/okx.jsonl.zst")
    answers = recorded_answers(lines)
    instruments = listed(make_core(request.param, answers=answers))
    symbols = MARKETS[request.param]
    core = make_core(request.param, [instruments[symbol] for symbol in symbols], answers, okx_trade_channel="trades")
    wanted = {stream.name for plan in core.venue.plan(symbols) for stream in plan.streams}
    for line in lines:
        arg = json.loads(line.payload).get("arg", {})
        if line.transport == "ws" and f"{arg.get('channel')}:{arg.get('instId')}" in wanted:
            core.market.receive(line.payload.encode(), line.received_at)
    core.market.close()
    return Case(lines, core, instruments, symbols)


def test_nothing_is_missing_and_nothing_refused(case: Case) -> None:
    assert case.core.of("gaps") == []
    assert case.core.errors() == {}
    keepers = case.core.market.keepers
    assert set(keepers) == set(case.symbols)
    assert all(keeper.live and keeper.resyncs == 0 for keeper in keepers.values())


def test_every_trade_says_what_the_exchange_said(case: Case) -> None:
    for symbol in case.symbols:
        instrument = case.instruments[symbol]
        said = [(line, row) for line, message in case.said("trades", symbol) for row in message["data"]]
        rows = case.core.of("trades", symbol)
        assert said
        assert len(rows) == len(said)
        for row, (line, plain) in zip(rows, said, strict=True):
            assert (row.sequence, row.trade_id, row.trade_kind) == (int(plain["tradeId"]), plain["tradeId"], "trade")
            assert (row.price, row.native_quantity, row.side) == (plain["px"], plain["sz"], plain["side"])
            assert units(row.quantity) == base_units(plain["sz"], plain["px"], instrument)
            assert (row.timestamp, row.trade_time, row.received_at) == (
                int(plain["ts"]),
                int(plain["ts"]),
                line.received_at,
            )
            assert (row.first_trade_id, row.last_trade_id, row.is_market) == (row.sequence, row.sequence, True)
            assert row.is_maker is (plain["side"] == "sell")
            ticks = (Decimal(plain["px"]) / Decimal(instrument.tick_size)).to_integral_value(ROUND_HALF_UP)
            assert row.price_tick == int(ticks)


def test_books_quotes_and_flow_equal_a_plain_recomputation(case: Case) -> None:
    for symbol in case.symbols:
        plain = PlainBook(case.instruments[symbol])
        last = 0
        for _, message in case.said("books", symbol):
            (data,) = message["data"]
            bids, asks = ([(price, size) for price, size, *_ in data[side]] for side in ("bids", "asks"))
            last = max(last + 1, int(data["ts"]) * 1000)  # how a book without ids is numbered
            if message["action"] == "snapshot":
                plain.load(bids, asks)
            else:
                plain.apply(int(data["ts"]), last, bids, asks)
        assert len(plain.flows) >= 92
        check_book(case.core, symbol, plain)


def test_every_checksum_of_the_recording_verifies(case: Case) -> None:
    """By the collector, and by the documentation's recipe over plain dictionaries."""
    for symbol in case.symbols:
        sides: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}
        number = 0
        for _, message in case.said("books", symbol):
            (data,) = message["data"]
            if message["action"] == "snapshot":
                sides = {"bids": {}, "asks": {}}
            for name, side in sides.items():
                for price, size, *_ in data[name]:
                    side[price] = size
                sides[name] = {price: size for price, size in side.items() if Decimal(size)}
            bids = sorted(sides["bids"].items(), key=lambda level: -Decimal(level[0]))[:25]
            asks = sorted(sides["asks"].items(), key=lambda level: Decimal(level[0]))[:25]
            words = []
            for rank in range(25):
                words += [":".join(side[rank]) for side in (bids, asks) if rank < len(side)]
            assert zlib.crc32(":".join(words).encode()) == data["checksum"] & 0xFFFFFFFF
            number += 1
        chain: ChecksumChain = case.core.venue._chains[symbol]  # type: ignore[attr-defined]
        assert chain.verified == number


def test_a_wrong_checksum_is_a_gap_and_a_new_snapshot_heals_it(case: Case) -> None:
    symbol = case.symbols[0]
    messages = [message for _, message in case.said("books", symbol)]
    core = make_core(f"okx.{case.core.venue.market_type}", [case.instruments[symbol]])
    for number, message in enumerate(messages[:12]):
        if number == 6:
            message["data"][0]["checksum"] ^= 1
        core.market.receive(json.dumps(message).encode(), AT + number)
    assert core.market.wants_books() == [symbol]
    core.market.receive(json.dumps(messages[0]).encode(), AT + 20)
    core.market.receive(json.dumps(messages[1]).encode(), AT + 21)
    core.market.close()
    (gap,) = core.of("gaps")
    assert (gap.of_type, gap.symbol, gap.cause, gap.repaired) == ("orderbooks", symbol, "sequence", False)
    assert core.market.keepers[symbol].live


def test_every_recorded_instrument_is_a_row(shared: Path) -> None:
    lines = lines_of(shared / "recordings/okx.jsonl.zst")
    answers = recorded_answers(lines)
    plain = {
        info["instId"]: info for line in lines if line.transport == "http" for info in json.loads(line.payload)["data"]
    }
    rows: dict[str, Instrument] = {}
    for market in ("spot", "linear", "inverse", "option"):
        rows |= listed(make_core(f"okx.{market}", answers=answers))
    assert set(rows) == set(plain)
    for symbol, info in plain.items():
        row = rows[symbol]
        assert (row.tick_size, row.lot_size, row.status) == (info["tickSz"], info["lotSz"], info["state"])
        assert row.is_inverse is (info["ctType"] == "inverse")
        assert Decimal(row.multiplier) == Decimal(info["ctVal"] or 1) * Decimal(info["ctMult"] or 1)
        assert row.expiry == (int(info["expTime"]) if info["expTime"] else None)
        assert row.strike == (info["stk"] or None)
        assert row.option_side == {"C": "call", "P": "put", "": ""}[info["optType"]]
    canonical = {symbol: rows[symbol].canonical for symbol in ("BTC-USDT", "BTC-USDT-SWAP", "BTC-USD-SWAP")}
    assert canonical == {
        "BTC-USDT": "BTC-USDT",
        "BTC-USDT-SWAP": "BTC-USDT:USDT-PERP",
        "BTC-USD-SWAP": "BTC-USD:BTC-PERP",
    }
    assert rows["BTC-USD-220527"].canonical == "BTC-USD:BTC-220527"
    assert rows["BTC-USD-220514-22000-C"].canonical == "BTC-USD:BTC-220514-22000-C"
    assert (rows["BTC-USD-220514-22000-C"].multiplier, rows["BTC-USD-SWAP"].multiplier) == ("0.1", "100")


# ------------------------------------------------------------------ payloads

SWAP = contract("okx", "linear", "BTC-USDT-SWAP", multiplier="0.01")


def receive(core: Core, path: Path) -> list[Any]:
    for line in path.read_text().splitlines():
        core.market.receive(line.encode(), AT)
    assert core.errors() == {}
    return core.rows


def test_trades_of_2022_2025_and_2026(shared: Path) -> None:
    folder = shared / "payloads/okx"
    spot = contract("okx", "spot", "BTC-USDT", quote="USDT")
    (row,) = receive(make_core("okx.spot", [spot]), folder / "trades_2022.json")
    assert (row.sequence, row.price, row.quantity, row.side) == (338476307, "30236", "0.0002", "buy")
    first, second = receive(make_core("okx.spot", [spot]), folder / "trades_2025.jsonl")
    assert (first.sequence, first.side, first.price_tick) == (674510826, "buy", 956349)
    assert (second.sequence, second.side, second.quantity) == (674510827, "sell", "0.00011194")
    (row,) = receive(make_core("okx.linear", [SWAP]), folder / "trades_2026.json")
    assert (row.sequence, row.native_quantity, row.quantity, row.timestamp) == (
        2953620209,
        "0.01",
        "0.0001",
        1790439594782,
    )


def test_books_by_sequence(shared: Path) -> None:
    core = make_core("okx.linear", [SWAP])
    path = shared / "payloads/okx/books_update_chain.jsonl"
    updates = [json.loads(line) for line in path.read_text().splitlines()]
    first = updates[0]["data"][0]
    start = {**updates[0], "action": "snapshot", "data": [{**first, "seqId": first["prevSeqId"], "prevSeqId": -1}]}
    start["data"][0]["bids"], start["data"][0]["asks"] = [["84000", "1", "0", "1"]], [["84200", "1", "0", "1"]]
    core.market.receive(json.dumps(start).encode(), AT)
    receive(core, path)
    core.market.close()
    plain = PlainBook(SWAP)
    plain.load([("84000", "1")], [("84200", "1")])
    for message in updates:
        (data,) = message["data"]
        bids, asks = ([(price, size) for price, size, *_ in data[side]] for side in ("bids", "asks"))
        plain.apply(int(data["ts"]), data["seqId"], bids, asks)
    check_book(core, "BTC-USDT-SWAP", plain)
    assert core.of("gaps") == []


@pytest.mark.parametrize(
    "name", ["books_snapshot_2022.json", "books_update_2022.json", "books-l2-tbt_update_2022.json"]
)
def test_book_payloads_of_2022(shared: Path, name: str) -> None:
    text = (shared / "payloads/okx" / name).read_text()
    message = json.loads(text)
    symbol = message["arg"]["instId"]
    market = "spot" if symbol == "BTC-USDT" else "inverse"
    channel = message["arg"]["channel"]
    core = make_core(f"okx.{market}", [contract("okx", market, symbol)], okx_book_channel=channel)
    parsed = core.venue.parse(text.encode(), AT)
    (update,) = parsed.items
    (data,) = message["data"]
    assert parsed.stream == f"{channel}:{symbol}"
    assert (update.symbol, update.timestamp) == (symbol, int(data["ts"]))  # type: ignore[union-attr]
    assert update.snapshot is (message["action"] == "snapshot")  # type: ignore[union-attr]
    for side in ("bids", "asks"):
        assert getattr(update, side) == [(price, size) for price, size, *_ in data[side]]


def test_the_checksum_of_the_real_snapshot(shared: Path) -> None:
    (data,) = json.loads((shared / "payloads/okx/books_snapshot_2022.json").read_text())["data"]
    chain = ChecksumChain()
    message = BookMessage([*map(tuple, data["asks"])], [*map(tuple, data["bids"])], data["ts"], 0, 0, data["checksum"])
    chain.number(message, snapshot=True)
    assert chain.verified == 1


def test_funding(shared: Path) -> None:
    (row,) = receive(make_core("okx.linear", [SWAP]), shared / "payloads/okx/funding-rate.json")
    assert (row.funding_rate, row.funding_kind, row.funding_interval_h) == ("0.000025237808", "predicted", 8)
    assert (row.funding_time, row.next_funding_time, row.timestamp) == (1790784000000, 1790812800000, 1790757122992)


def test_settled_funding_from_rest() -> None:
    def answer(url: str, params: Mapping[str, Any]) -> str:
        assert url.endswith("/public/funding-rate-history")
        data = [
            {"instId": "BTC-USDT-SWAP", "fundingRate": "0.0002", "realizedRate": "0.00019", "fundingTime": str(time)}
            for time in (1790784000000, 1790755200000)
        ]
        return json.dumps({"code": "0", "msg": "", "data": data})

    core = make_core("okx.linear", [SWAP], answer)
    rows = polled(core, "settled funding", "BTC-USDT-SWAP")
    assert [(row.timestamp, row.funding_interval_h) for row in rows] == [(1790755200000, 0), (1790784000000, 8)]
    assert {(row.funding_rate, row.funding_kind) for row in rows} == {("0.00019", "settled")}
    assert polled(core, "settled funding", "BTC-USDT-SWAP", 1790784000000) == []


def test_open_interest(shared: Path) -> None:
    path = shared / "payloads/okx/open-interest.json"
    (row,) = receive(make_core("okx.linear", [SWAP], okx_open_interest_source="ws"), path)
    data = json.loads(path.read_text())["data"]
    core = make_core("okx.linear", [SWAP], lambda *_: json.dumps({"code": "0", "msg": "", "data": data}))
    asked = polled(core, "open interest", "")
    assert (row.open_interest, row.open_interest_native, row.open_interest_value) == (
        "28744.869900000092",  # the exchange says …0925: half to even at 12 decimals
        "2874486.99000000925",
        "2385812703.752047677463",
    )
    assert row.timestamp == 1790757195759
    assert [item.open_interest for item in asked[:1]] == [row.open_interest]


def test_liquidations(shared: Path) -> None:
    path = shared / "payloads/okx/liquidation-orders.json"
    (row,) = receive(make_core("okx.linear", [SWAP]), path)
    assert (row.side, row.price, row.price_kind, row.sampled) == ("sell", "82655.7", "bankruptcy", True)
    assert (row.native_quantity, row.quantity, row.timestamp) == ("8.55", "0.0855", 1791565600771)
    other = contract("okx", "linear", "ETH-USDT-SWAP")
    assert receive(make_core("okx.linear", [other]), path) == []


@pytest.mark.parametrize("bands", ["told", "none", "empty"])
def test_families_beside_those_of_the_coin_are_found_by_their_tick_bands(bands: str) -> None:
    """A family that has no contract any more, or tick bands that do not answer, take no other with them."""
    asked = []

    def answer(url: str, params: Mapping[str, Any]) -> str:
        if url.endswith("/underlying"):
            return json.dumps({"code": "0", "msg": "", "data": [["BTC-USD"]]})
        if url.endswith("/instrument-tick-bands"):
            if bands == "none":
                raise RestError(400, "51000")
            families = ["BTC-USD", "BTC-USD_UM", "OLD-USD"] if bands == "told" else []
            return json.dumps({"code": "0", "msg": "", "data": [{"instFamily": name} for name in families]})
        asked.append(params["instFamily"])
        if params["instFamily"] == "OLD-USD":
            raise RestError(400, "51000")
        return json.dumps({"code": "0", "msg": "", "data": [{**UM_OPTION, "instId": params["instFamily"] + "-X"}]})

    found = listed(make_core("okx.option", answers=answer))
    um = ["BTC-USD_UM"] if bands == "told" else []
    assert list(found) == [f"{family}-X" for family in ("BTC-USD", *um)]
    assert asked == ["BTC-USD", *um, *(["OLD-USD"] if um else [])]


UM_OPTION = {
    "instType": "OPTION", "instId": "BTC-USD_UM-261225-100000-C", "instFamily": "BTC-USD_UM", "uly": "BTC-USD",
    "settleCcy": "USD", "ctVal": "1", "ctMult": "0.01", "ctType": "", "tickSz": "5", "lotSz": "1", "stk": "100000",
    "expTime": "1798185600000", "optType": "C", "state": "live",
}  # fmt: skip


def test_open_interest_of_options_is_asked_for_by_their_own_family() -> None:
    """BTC-USD_UM is another family than BTC-USD, and of the same underlying."""
    info = UM_OPTION
    interest = {"instId": info["instId"], "instType": "OPTION", "oi": "100", "oiCcy": "1", "oiUsd": "10", "ts": "5"}

    def answer(url: str, params: Mapping[str, Any]) -> str:
        rows = [info] if url.endswith("/instruments") else [interest]
        return json.dumps({"code": "0", "msg": "", "data": rows if params["instFamily"] == "BTC-USD_UM" else []})

    core = make_core("okx.option", answers=answer, okx_option_families=["BTC-USD", "BTC-USD_UM"])
    core.market.track(listed(core).values())
    (row,) = polled(core, "open interest", "")
    assert (row.symbol, row.open_interest, row.open_interest_native) == (info["instId"], "1", "100")


@pytest.mark.parametrize(("market", "kind"), [("spot", "MARGIN"), ("option", "OPTION")])
def test_a_liquidation_without_side_or_price_takes_no_other_with_it(market: str, kind: str) -> None:
    """Both are documented for FUTURES and SWAP only."""
    core = make_core(f"okx.{market}", [contract("okx", market, "A"), contract("okx", market, "B")])
    whole = {
        "side": "buy",
        "bkPx": "100.5",
        "sz": "2",
        "bkLoss": "0",
        "ccy": "BTC",
        "posSide": "net",
        "ts": "1790000000000",
    }
    parts = [{**whole, "bkPx": ""}, {**whole, "side": ""}, {key: whole[key] for key in ("bkLoss", "ccy", "ts")}]
    data = [{"instId": "A", "instType": kind, "details": parts}, {"instId": "B", "instType": kind, "details": [whole]}]
    core.market.receive(
        json.dumps({"arg": {"channel": "liquidation-orders", "instType": kind}, "data": data}).encode(), AT
    )
    assert core.errors() == {}
    assert [(row.symbol, row.side, row.price) for row in core.rows] == [("B", "buy", "100.5")]


def test_ratios(shared: Path) -> None:
    body = (shared / "payloads/okx/rubik_long-short-account-ratio-contract.json").read_text()
    core = make_core("okx.linear", [SWAP], lambda *_: body)
    for name, long, short in (
        ("account ratio", "long_account_ratio", "short_account_ratio"),
        ("top position ratio", "long_position_ratio", "short_position_ratio"),
    ):
        (row,) = polled(core, name, "BTC-USDT-SWAP")
        ratio = Decimal("1.2740831113213654")
        assert abs(Decimal(getattr(row, long)) - ratio / (1 + ratio)) <= Decimal("5e-13")
        assert Decimal(getattr(row, long)) + Decimal(getattr(row, short)) == 1
        assert (row.timestamp, row.period) == (1787372700000, "5m")
        assert polled(core, name, "BTC-USDT-SWAP", 1787372700000) == []


def test_option_volatility_is_percent() -> None:
    option = contract(
        "okx", "option", "BTC-USD-261225-100000-C", "0.0001", expiry=1798185600000, quote="USD", multiplier="0.01"
    )
    core = make_core("okx.option", [option])
    row = {"instId": option.symbol, "markVol": "0.455", "bidVol": "", "askVol": "", "ts": "1790000000000"}
    message = {"arg": {"channel": "opt-summary", "instFamily": "BTC-USD"}, "data": [row, {**row, "instId": "X"}]}
    core.market.receive(json.dumps(message).encode(), AT)
    (found,) = core.rows
    assert (found.index_value, found.kind, found.underlying_asset) == ("45.500", "mark_iv", "BTC")
    assert (found.maturity_date, found.symbol) == (1798185600000, option.symbol)


@pytest.mark.parametrize("name", ["bbo-tbt.json", "index-tickers.json", "mark-price.json", "tickers_2022.json"])
def test_channels_that_nobody_subscribes_are_said_and_skipped(shared: Path, name: str) -> None:
    core = make_core("okx.linear", [SWAP])
    core.market.receive((shared / "payloads/okx" / name).read_bytes(), AT)
    assert core.errors() == {"unknown_stream": 1}
    assert core.rows == []
