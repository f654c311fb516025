"""Few lines and many are decoded by different means: the same rows, and the same lines refused for the same reasons.

Except of an object with a key twice: which of its values counts is open, as in JSON itself. No encoder writes one.
"""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketprism.events import ROW_TYPES
from storage_service import decode as module
from storage_service.decode import decode
from storage_service.frames import Frame
from tests.unit.storage.samples import row

VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 7.0, 7.5, 1e400, -0.0, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30,
    "", "1.5", "buy", "ä€😀", "\u0000", 'with "is_market": in it', [], [1, 2.5], [None], ["1"], {}, {"a": 1},
]  # fmt: skip
LINES = [b"", b" ", b"garbage", b"{", b"{}", b"[]", b"null", b"\xff\xfe", b'{"symbol":"\\ud800"}', b'{"a":1} {"b":2}']


@st.composite
def lines(draw: st.DrawFn, data_type: str) -> list[bytes]:
    """Rows as they should be, and rows with some values, keys or bytes of them changed."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        values = row(data_type, sequence=number)
        names = draw(st.lists(st.sampled_from(sorted(values)), max_size=2, unique=True))
        for name in names:
            if draw(st.booleans()):
                values[name] = draw(st.sampled_from(VALUES))
            else:
                del values[name]
        text = json.dumps(values, ensure_ascii=draw(st.booleans())).encode()
        match draw(st.integers(0, 9)):
            case 0:
                text = draw(st.sampled_from(LINES))
            case 1:
                text = text[:-1] + b', "unknown": {"price": [1]}}'
            case 2:
                text = b" " + text.replace(b":", b" : ") + b"\t"
        found.append(text)
    return found


def outcome(data_type: str, frames: list[Frame], few: int) -> tuple[list[str], list[tuple[int, int, str]]]:
    with patch.object(module, "FEW_ROWS", few):
        found = decode(data_type, frames)
    rows = [repr(values) for values in found.rows.iter_rows()]  # repr tells 0.0 and -0.0 apart, and NaN is like NaN
    return rows, [(letter.stream_seq, letter.row_number, letter.error) for letter in found.dead]


@pytest.mark.parametrize("data_type", list(ROW_TYPES))
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_few_and_many_give_the_same(data_type: str, data: st.DataObject) -> None:
    frames = [
        Frame.of(seq, f"md.{data_type}.binance.linear._0", b"\n".join(data.draw(lines(data_type))), 5, "1")
        for seq in range(1, data.draw(st.integers(1, 3)) + 1)
    ]
    assert outcome(data_type, frames, 10**9) == outcome(data_type, frames, 0)


def test_a_key_that_is_absent_is_not_the_default_of_who_builds_rows() -> None:
    values = row("trades")
    del values["is_market"]
    frames = [Frame.of(1, "md.trades.binance.linear._0", json.dumps(values).encode(), 5, "1")]
    for few in (0, 10**9):
        with patch.object(module, "FEW_ROWS", few):
            assert decode("trades", frames).rows["is_market"].to_list() == [None]
