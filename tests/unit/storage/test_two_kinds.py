"""A batch in which one trade kind of a symbol is days behind the other."""

from __future__ import annotations

import msgspec

from storage_service.batching import accept, clean, finish
from storage_service.buckets.book import DAY_MS, BucketBook
from storage_service.buckets.plan import DayPlan
from storage_service.duplicates import SequenceJudge
from storage_service.frames import Frame
from tests.unit.storage.samples import MS, row


def frame(number: int, kind: str, sequence: int, at_ms: int) -> Frame:
    times = {"timestamp": at_ms, "received_at": at_ms * 1000, "trade_time": at_ms}
    payload = msgspec.json.encode(row("trades", trade_kind=kind, sequence=sequence, **times)) + b"\n"
    return Frame.of(number, "md.trades.binance.linear.BTCUSDT", payload, 1, "1")


def test_days_are_forgotten_after_the_batch() -> None:
    book, judge = BucketBook(), SequenceJudge("trades")
    frames = [frame(1, "trade", 900, MS), frame(2, "agg_trade", 7, MS - 5 * DAY_MS)]
    accepted = accept(*clean("trades", frames), judge, book)
    book.open_days(
        (day.symbol, day.day, DayPlan(day.trade_kind, "time", t_max_ms=60_000, source="time"))
        for day in accepted.missing_days
    )
    assert finish("trades", accepted, book).rows == 2
    assert list(book.symbols["binance", "linear", "BTCUSDT"].days) == [MS // DAY_MS]
