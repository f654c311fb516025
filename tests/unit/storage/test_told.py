"""What is said of refused rows: the first at once with its place, then one line a minute with what came meanwhile."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from prometheus_client import REGISTRY

from marketprism.logs import FLOW
from storage_service.batching import Prepared
from storage_service.frames import Batch, DeadLetter, Frame
from storage_service.told import Refusals, tell

TOKEN = "trades:MD_TRADES_0:5:0:7-8"


def _prepared(refused: int) -> Prepared:
    dead = [
        DeadLetter(stream_seq=7, row_number=number, subject="md", payload=b"", error=f"wrong {number}", stored_us=1)
        for number in range(1, refused + 1)
    ]
    return Prepared(
        body=b"", digest="", names=[], rows=3, dead=dead, duplicates=2, late=0, rebuild=[], closed=[], newest_ms={}
    )  # fmt: skip


def test_refusals_are_a_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    refusals = Refusals(lambda: now[0])
    for at, refused in ((100.0, 0), (101.0, 2), (102.0, 3), (150.0, 1), (165.0, 1), (166.0, 0)):
        now[0] = at
        refusals.tell("trades", _prepared(refused), TOKEN)
    lines: list[Any] = caplog.records
    assert [line.getMessage().partition(";")[0] for line in lines] == ["2 refused: wrong 2", "5 refused: wrong 1"]
    assert [(line.token, line.seq, line.row) for line in lines] == [(TOKEN, 7, 2), (TOKEN, 7, 1)]


def test_holes_that_are_no_longer_watched_are_counted() -> None:
    """Rows that come into them would count as duplicates: an alert waits for this figure to rise."""

    def counted() -> float:
        return REGISTRY.get_sample_value("marketprism_storage_forgotten_holes_total", {"data_type": "trades"}) or 0.0

    before, prepared = counted(), _prepared(0)
    prepared.forgotten_holes = 3
    tell("trades", Batch([Frame.of(1, "md", b"", 1)]), prepared, TOKEN)
    assert counted() == before + 3


def test_the_flow_speaks_only_when_it_is_asked_to(caplog: pytest.LogCaptureFixture) -> None:
    batch = Batch()
    for seq, name in ((7, "f7"), (8, "f8")):
        batch.add(Frame.of(seq, "md", b"{}", 1, "1", name=name))
    for level in (logging.WARNING, logging.INFO):
        caplog.set_level(level, FLOW)
        tell("gaps", batch, _prepared(0), TOKEN)
    (line,) = caplog.records
    said: Any = line
    assert (said.getMessage(), said.token, said.first, said.last) == ("block stored", TOKEN, 7, 8)
    assert (said.rows, said.duplicates, said.refused, said.frames) == (3, 2, 0, ["f7", "f8"])
