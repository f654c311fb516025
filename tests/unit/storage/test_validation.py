"""What is stored and what becomes a dead letter, and that one bad line costs only itself."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketprism.events import ROW_TYPES
from storage_service.batching import MAX_DAYS, TooManyDays, clean
from storage_service.frames import Frame
from tests.unit.storage.samples import MS, row


def frame(data_type: str, *lines: Any, seq: int = 1, contract: str | None = "1", symbol: str = "BTCUSDT") -> Frame:
    text = [line if isinstance(line, bytes) else msgspec.json.encode(line) for line in lines]
    return Frame.of(seq, f"md.{data_type}.binance.linear.{symbol}", b"\n".join(text), 5, contract)


def errors(data_type: str, *lines: Any) -> list[str]:
    return [letter.error for letter in clean(data_type, [frame(data_type, *lines)])[1]]


@pytest.mark.parametrize("data_type", list(ROW_TYPES))
def test_a_valid_row_of_every_type_passes(data_type):
    rows, dead = clean(data_type, [frame(data_type, row(data_type))])
    assert (rows.height, dead) == (1, [])


@pytest.mark.parametrize("data_type", list(ROW_TYPES))
def test_every_key_is_needed_unless_its_column_is_nullable(data_type):
    from storage_service.schema import wire_columns

    for column in wire_columns(data_type):
        without = {key: value for key, value in row(data_type).items() if key != column.name}
        for bad in (without, row(data_type, **{column.name: None})):
            found = errors(data_type, bad)
            assert bool(found) is not column.nullable, (column.name, found)
            assert all(column.name in text for text in found)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"price": "1.1234567890123"}, "at most 12 decimals"),
        ({"price": "1e5"}, "decimal number"),
        ({"price": "abc"}, "decimal number"),
        ({"price": ""}, "decimal number"),
        ({"price": "NaN"}, "decimal number"),
        ({"price": "1000000000000"}, "1e12 or more"),
        ({"quantity": "1000000000000000000"}, "1e18 or more"),
        ({"quantity": "-1"}, "negative"),
        ({"tick_size": "0"}, "not above 0"),
        ({"side": "BUY"}, "side is not one of"),
        ({"trade_kind": "other"}, "trade_kind is not one of"),
        ({"data_source": "elsewhere"}, "data_source is not one of"),
        ({"timestamp": MS - 8 * 86_400_000}, "7 days"),
        ({"timestamp": MS + 3_700_000}, "1 hour"),
        ({"received_at": MS}, "1 hour"),
        ({"timestamp": 2**62, "received_at": 2**62}, "not a time"),
        ({"trade_time": -1}, "not a time"),
        ({"exchange": "okx"}, "exchange is not that of the subject"),
        ({"market_type": "spot"}, "market_type is not that of the subject"),
        ({"symbol": "ETHUSDT"}, "symbol is not that of the subject"),
        ({"price": 1.5}, "Expected `str`"),
        ({"symbol": 7}, "Expected `str`"),
        ({"sequence": "7"}, "Expected `int`"),
        ({"sequence": -7}, "not one JSON object of this data type"),
        ({"sequence": 2**64}, "not one JSON object of this data type"),
        ({"is_market": "yes"}, "Expected `bool`"),
        ({"timestamp": 1.5}, "Expected `int`"),
    ],
)
def test_a_bad_trade_is_told_why(changed, reason):
    [error] = errors("trades", row("trades", **changed))
    assert reason in error


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"bid_prices": [1.0]}, "different lengths"),
        ({"ask_quantities": [1.0, 2.0, 3.0]}, "different lengths"),
        ({"ofi_l5": [None]}, "ofi_l5"),
        ({"ofi_l1": "x"}, "ofi_l1"),
    ],
)
def test_a_bad_book_is_told_why(changed, reason):
    [error] = errors("orderbooks", row("orderbooks", **changed))
    assert reason in error


def test_an_infinite_number_is_refused():
    text = msgspec.json.encode(row("orderbooks")).replace(b'"ofi_l1":0.25', b'"ofi_l1":1e999')
    assert len(errors("orderbooks", text)) == 1


def test_old_rows_of_an_archive_pass():
    assert errors("trades", row("trades", timestamp=MS - 10**10, data_source="archive")) == []


def test_a_shared_frame_leaves_the_symbol_open():
    rows, dead = clean("trades", [frame("trades", row("trades", symbol="DOGEUSDT"), symbol="_3")])
    assert (rows.height, dead) == (1, [])


def test_a_newer_contract_is_kept_whole_with_what_to_do():
    frames = [frame("trades", row("trades"), contract="2"), frame("trades", row("trades"), seq=2)]
    rows, [letter] = clean("trades", frames)
    assert rows["stream_seq"].to_list() == [2]
    assert "upgrade" in letter.error
    assert "dead-letters retry" in letter.error
    assert letter.row_number == 0
    assert json.loads(letter.payload)["symbol"] == "BTCUSDT"


def test_unknown_keys_are_ignored():
    assert errors("trades", {**row("trades"), "new_key": "text", "other": {"deep": [1]}}) == []


def test_a_unit_beyond_sixteen_bits_is_refused():
    assert "65535" in errors("funding_rates", row("funding_rates", funding_interval_h=70_000))[0]


def test_a_batch_over_too_many_days_is_cut_and_a_frame_refused():
    days = [row("trades", timestamp=MS - d * 86_400_000, data_source="archive") for d in range(MAX_DAYS + 1)]
    with pytest.raises(TooManyDays):
        clean("trades", [frame("trades", *days[:50]), frame("trades", *days[50:], seq=2)])
    rows, [letter] = clean("trades", [frame("trades", *days)])
    assert rows.height == 0
    assert "days" in letter.error


BAD_LINES = [b"", b"  ", b"garbage", b"{", b"[]", b"null", b'{"a":1}', b"\xff\xfe", b'{"a":1} {"b":2}', b'"text"']


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_one_bad_line_costs_only_itself(data):
    good: list[int] = []
    bad = 0
    frames = []
    number = 0
    for seq in range(1, data.draw(st.integers(1, 5)) + 1):
        lines: list[Any] = []
        for _ in range(data.draw(st.integers(1, 5))):
            number += 1
            if data.draw(st.integers(0, 3)) == 0:
                lines.append(data.draw(st.sampled_from(BAD_LINES)))
                bad += bool(lines[-1].strip())  # an empty line is no row
            elif data.draw(st.integers(0, 5)) == 0:
                lines.append(row("trades", sequence=number, side="?"))
                bad += 1
            else:
                lines.append(row("trades", sequence=number))
                good.append(number)
        frames.append(frame("trades", *lines, seq=seq))
    rows, dead = clean("trades", frames)
    assert rows["sequence"].to_list() == good
    assert sum(letter.payload.count(b"\n") + 1 for letter in dead) >= min(bad, 1)
    assert len({(letter.stream_seq, letter.row_number) for letter in dead}) == len(dead) >= (1 if bad else 0)
    for letter in dead:
        assert letter.payload == frames[letter.stream_seq - 1].payload.split(b"\n")[letter.row_number - 1]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.decimals(min_value=0, max_value=10**12 - 1, places=12), min_size=1, max_size=20))
def test_decimals_arrive_to_the_last_digit(values):
    lines = [row("trades", price=f"{value:f}", sequence=i) for i, value in enumerate(values)]
    rows, dead = clean("trades", [frame("trades", *lines)])
    assert dead == []
    assert rows["price"].to_list() == [Decimal(value) for value in values]
