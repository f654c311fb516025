"""Fuzzing in small, and what fuzzing has found once. ``make fuzz`` does a million."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.venues import VENUES
from marketprism.events import ROW_TYPES
from storage_service.batching import clean
from storage_service.frames import Frame
from tests.fuzz.answers import fuzz_answers, unmutated
from tests.fuzz.frames import base_lines, check_frames, fuzz_frames
from tests.fuzz.payloads import SOURCES, fuzz_payloads, messages


def test_frames_are_accounted_for_and_no_row_is_wrong() -> None:
    counts = fuzz_frames(seed=11, count=1100)
    assert counts["frames"] == 1100
    assert min(counts["rows"], counts["refused_lines"], counts["refused_frames"]) > 20


@pytest.fixture
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.usefixtures("quiet")
def test_exchange_messages(name: str, shared: Path) -> None:
    counts = fuzz_payloads(name, messages(name, shared / "recordings"), seed=5, count=300)
    assert counts["messages"] == 300
    assert counts["refused"] > 10
    assert counts["rows"] > 0


QUESTIONS = {"instruments", "volumes", "book", "trades"}
POLLS = {
    "binance.linear": {"settled funding", "open interest", "top position ratio", "account ratio"},
    "binance.inverse": {"settled funding", "open interest", "top position ratio", "account ratio"},
    "okx.linear": {"settled funding", "open interest", "top position ratio", "account ratio"},
    "okx.inverse": {"settled funding", "open interest", "top position ratio", "account ratio"},
    "okx.option": {"open interest"},
    "deribit.linear": {"settled funding"},
    "deribit.inverse": {"settled funding"},
    "bybit.linear": {"settled funding"},
}


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.usefixtures("quiet")
def test_rest_answers(venue: str) -> None:
    """Whole answers are understood, every kind of them; of broken ones nothing but a refusal comes."""
    assert set(unmutated(venue)) == QUESTIONS | POLLS.get(venue, set())
    counts = fuzz_answers(venue, seed=3, count=150)
    assert counts["questions"] == 150
    assert min(counts["refused"], counts["understood"]) > 10


def _frame(seq: int, payload: bytes, data_type: str = "open_interests") -> Frame:
    return Frame.of(seq, f"md.{data_type}.binance.linear.BTCUSDT", payload, 1_700_000_000_000_000, "1")


def test_a_number_is_no_text_whatever_else_the_batch_holds() -> None:
    """A doubled or unknown key on one line made up for it on another."""
    line = base_lines("open_interests")[0]
    number = line.replace(b'"open_interest":"1.05"', b'"open_interest":-0')
    doubled = line.replace(b'"symbol"', b'"symbol":"BTCUSDT","symbol"')
    unknown = line.replace(b'"open_interest_value"', b'"open_interest_valuf"')
    for other in (doubled, unknown):
        _, dead = clean("open_interests", [_frame(1, number), _frame(2, other)])
        assert 1 in {letter.stream_seq for letter in dead}


@pytest.mark.parametrize("data_type", ROW_TYPES)
@pytest.mark.parametrize("wrong", ['"\u0661"', '"\\ud800"'])
def test_digits_of_other_scripts_and_half_characters(data_type: str, wrong: str) -> None:
    line = base_lines(data_type)[0]
    frames = [
        _frame(seq, line.replace(value, wrong.encode(), 1), data_type)
        for seq, value in enumerate((b'"1.05"', b'"x"', b'"linear"', b'"BTCUSDT"'), start=1)
        if value in line
    ]
    assert check_frames(data_type, frames)["rows"] <= len(frames) - 2  # free text may hold any digit


def test_a_payload_that_looks_compressed_costs_itself() -> None:
    line = base_lines("open_interests")[0]
    packed = zlib.compress(line * 3)
    _, dead = clean("open_interests", [_frame(1, packed[:40]), _frame(2, packed)])
    assert {letter.stream_seq for letter in dead} == {1, 2}
    rows, dead = clean("open_interests", [_frame(1, packed[:40]), _frame(2, line)])
    assert rows["stream_seq"].to_list() == [2]
