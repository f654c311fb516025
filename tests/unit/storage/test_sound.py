"""What is said to be sound beyond doubt has no fault that a rule would find; and nearly everything is said to be."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from marketprism.events import ROW_TYPES
from storage_service import validate as module
from storage_service.batching import clean
from storage_service.decode import decode
from storage_service.frames import Frame
from storage_service.schema import wire_columns
from storage_service.sound import sound
from tests.unit.storage.samples import MS, row

DAY = 86_400_000
VALUES: dict[str, list[Any]] = {
    "decimal": ["0", "0.0", "00.10", "-0", "-1", "-0.000000000001", "1.5\n", "1\n2", "\n", "", ".5", "5.", "1e5", "NaN",
                "1.1234567890123", "9" * 11, "9" * 12, "1" + "0" * 12, "1" + "0" * 18, "9" * 27, "٣", " 1", "+1"],
    "ms": [0, -1, 1, MS - 8 * DAY, MS - 7 * DAY, MS + 3_600_001, MS + 3_600_000, 10_413_792_000_001, 2**62],
    "us": [0, -1, 1, MS * 1000 - 3_600_001_000, (MS + 8 * DAY) * 1000, 10_413_792_000_000_001, 2**62],
    "uint": [0, 65_535, 65_536, 2**32 - 1],
    "int": [0, -1, 2**62],
    "float": [0.0, -1.0, 1e308],
    "floats": [[], [0.0], [1.0, -1.0, 2.0], [1e308, 1e308]],
    "bool": [True, False],
    "text": ["", " ", "buy", "Buy", "rest", "archive", "agg_trade", "okx", "spot", "BTCUSDT", "ETHUSDT", "_0", "x\ny"],
}  # fmt: skip
SUBJECTS = ["binance.linear.BTCUSDT", "binance.linear._0", "binance.linear._0x", "okx.linear._0", "binance.spot._12"]


@st.composite
def frames(draw: st.DrawFn, data_type: str) -> list[Frame]:
    """Rows as they should be, with some values of some of them changed to others of the same type."""
    columns = {column.name: column for column in wire_columns(data_type)}
    found = []
    for number in range(draw(st.integers(1, 3))):
        rows = []
        for _ in range(draw(st.integers(1, 3))):
            values = row(data_type)
            for name in draw(st.lists(st.sampled_from(sorted(columns)), max_size=2, unique=True)):
                choice = VALUES[columns[name].kind]
                values[name] = draw(st.sampled_from([*choice, None] if columns[name].nullable else choice))
            rows.append(values)
        subject = f"md.{data_type}.{draw(st.sampled_from([*SUBJECTS[:2] * 3, *SUBJECTS]))}"
        found.append(Frame.of(number + 1, subject, msgspec.json.encode(rows[0]) + b"\n" + b"\n".join(
            msgspec.json.encode(values) for values in rows[1:]), 5, "1"))  # fmt: skip
    return found


def outcome(data_type: str, given_frames: list[Frame], quick: Any) -> tuple[Any, ...]:
    with patch.object(module, "sound", quick):
        rows, dead = clean(data_type, given_frames)
    return rows.schema, rows.rows(), [(letter.stream_seq, letter.row_number, letter.error) for letter in dead]


@pytest.mark.parametrize("data_type", list(ROW_TYPES))
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_the_quick_look_never_passes_what_a_rule_would_stop(data_type: str, data: st.DataObject) -> None:
    found = data.draw(frames(data_type))
    assert outcome(data_type, found, sound) == outcome(data_type, found, lambda *_: False)


@pytest.mark.parametrize("data_type", list(ROW_TYPES))
def test_each_column_at_its_edges(data_type: str) -> None:
    subject = f"md.{data_type}.binance.linear.BTCUSDT"
    changed = [(column.name, value) for column in wire_columns(data_type) for value in VALUES[column.kind]]
    lines = [msgspec.json.encode(row(data_type, **{name: value})) for name, value in changed]
    frame = Frame.of(1, subject, b"\n".join(lines), 5, "1")
    with patch.object(module, "sound", lambda *_: False):
        faulty = {letter.row_number - 1 for letter in clean(data_type, [frame])[1]}
    assert faulty
    for place, line in enumerate(lines):
        alone = [Frame.of(1, subject, line, 5, "1")]
        decoded = decode(data_type, alone)
        assert decoded.dead or not (place in faulty and sound(data_type, decoded.rows, alone)), changed[place]


@pytest.mark.parametrize("data_type", list(ROW_TYPES))
def test_a_valid_row_of_every_type_needs_no_closer_look(data_type: str) -> None:
    found = [Frame.of(1, f"md.{data_type}.binance.linear.BTCUSDT", msgspec.json.encode(row(data_type)), 5, "1")]
    decoded = decode(data_type, found)
    assert sound(data_type, decoded.rows, found)


@example(["1.5", "1.5\n2"])
@given(st.lists(st.text("0123456789.-\n", max_size=16), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_no_text_that_looks_like_a_decimal_is_passed_unread(texts: list[str]) -> None:
    lines = [msgspec.json.encode(row("trades", price=text)) for text in texts]
    found = [Frame.of(1, "md.trades.binance.linear.BTCUSDT", b"\n".join(lines), 5, "1")]
    assert outcome("trades", found, sound) == outcome("trades", found, lambda *_: False)
