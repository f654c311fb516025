"""Frames: cut by rows, bytes and time; every row once, in order, under a subject that says what it holds."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import collector.framing
from collector.framing import QUIET_ROWS, Frame, Framer
from collector.positions import Positions, series_key
from marketprism.events import FundingRate
from marketprism.subjects import Subject
from tests.unit.collector.test_continuity import trade

SYMBOLS = ("AAA", "BBB", "CCC")


def framer(max_rows: int = 10, max_bytes: int = 64 << 10) -> tuple[Framer, list[Frame]]:
    frames: list[Frame] = []
    return Framer(frames.append, max_rows=max_rows, max_bytes=max_bytes, partitions=1), frames


def row(symbol: str, sequence: int):
    made = trade(sequence)
    made.symbol = symbol
    return made


@given(
    st.lists(st.tuples(st.sampled_from(SYMBOLS), st.booleans()), max_size=120),
    st.integers(1, 12),
    st.integers(400, 3000),
)
def test_every_row_leaves_once_and_in_order(run: list, max_rows: int, max_bytes: int) -> None:
    made, frames = framer(max_rows, max_bytes)
    sent: dict[str, list[int]] = {symbol: [] for symbol in SYMBOLS}
    for number, (symbol, flush) in enumerate(run):
        made.add(row(symbol, number))
        sent[symbol].append(number)
        if flush:
            made.flush()
    made.flush()
    got: dict[str, list[int]] = {symbol: [] for symbol in SYMBOLS}
    for frame in frames:
        lines = [json.loads(line) for line in frame.payload.splitlines()]
        assert len(lines) == frame.rows <= max_rows
        assert len(frame.payload) <= max(max_bytes, 600)
        subject = Subject.parse(frame.subject)
        assert (subject.data_type, subject.exchange, subject.market_type) == ("trades", "binance", "spot")
        symbols = {line["symbol"] for line in lines}
        assert subject.symbol == "_0" if len(symbols) > 1 else symbols == {subject.symbol}
        for line in lines:
            got[line["symbol"]].append(line["sequence"])
        assert frame.positions == {symbol: (got[symbol][-1], got[symbol][-1] * 10, "trade") for symbol in symbols}
    assert got == sent


def test_a_busy_symbol_has_its_own_frames_and_quiet_ones_share() -> None:
    made, frames = framer(max_rows=100)
    for number in range(QUIET_ROWS + 1):
        made.add(row("AAA", number))
    made.add(row("BBB", 1))
    made.add(row("CCC", 2))
    made.flush()
    assert [(frame.subject.split(".")[-1], frame.rows) for frame in frames] == [("AAA", QUIET_ROWS + 1), ("_0", 2)]


def test_positions_follow_what_is_stored_and_tell_id_spaces_apart() -> None:
    made, frames = framer(max_rows=100)
    made.add(row("AAA", 7))
    predicted = FundingRate(
        timestamp=5000,
        received_at=1,
        exchange="binance",
        market_type="linear",
        symbol="AAA",
        sequence=5000,
        funding_rate="0.1",
        funding_kind="predicted",
        funding_interval_h=8,
        funding_time=1,
        next_funding_time=1,
    )
    made.add(predicted)
    made.flush()
    positions = Positions()
    for frame in frames:
        positions.stored(frame)
    position = positions.get(("trades", "binance", "spot", "AAA"))
    assert position is not None
    assert (position.sequence, position.timestamp, position.kind) == (7, 70, "trade")
    assert positions.get(("funding_rates", "binance", "linear", "AAA")) is None  # only settlements have a position


def test_keys_of_any_symbol_are_kv_keys() -> None:
    assert series_key(("trades", "binance", "spot", "BTCUSDT")) == "trades.binance.spot.BTCUSDT"
    for symbol in ("币安USDT", "A~B%C", "BTC_USDC-PERPETUAL"):
        assert re.fullmatch(r"[-/_=.a-zA-Z0-9]+", series_key(("trades", "x", "spot", symbol)))  # what nats-py accepts


def test_buffers_of_what_has_no_rows_any_more_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector.framing, "_SWEEP_EVERY", 10)
    made, frames = framer()
    for number in range(1000):
        made.add(row(f"OPT{number}", number))
        made.add(row("AAA", number))
        made.flush()
        if number % 3 == 0:  # also when nothing is there to be sent
            made.flush()
    assert len(made._buffers) < 30
    sent = [json.loads(line) for frame in frames for line in frame.payload.splitlines()]
    assert [each["sequence"] for each in sent if each["symbol"] == "AAA"] == list(range(1000))
    assert len(sent) == 2000
