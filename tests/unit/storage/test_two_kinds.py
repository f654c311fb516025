"""Batches that hold both trade kinds of a symbol: time is the symbol's, whoever of them brings it on."""

from __future__ import annotations

import msgspec
import pyarrow as pa
import pytest

from storage_service.batching import accept, clean, finish
from storage_service.buckets.book import DAY_MS, GRACE_MS, BucketBook, bucket_prefix
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


MIDNIGHT = MS // DAY_MS * DAY_MS


@pytest.mark.parametrize("sizes", [[1, 1, 1], [1, 2], [2, 1], [3]])
def test_a_day_is_over_for_the_other_kind_wherever_the_batch_is_cut(sizes: list[int]) -> None:
    """The second print of yesterday comes after one of another kind that is an hour past midnight: it bears nothing."""
    frames = [
        frame(1, "trade", 900, MIDNIGHT - 2_000),
        frame(2, "agg_trade", 7, MIDNIGHT + GRACE_MS),
        frame(3, "trade", 901, MIDNIGHT - 1_000),
    ]
    book, judge = BucketBook(), SequenceJudge("trades")
    buckets = []
    for size in sizes:
        accepted = accept(*clean("trades", frames[:size]), judge, book)
        frames = frames[size:]
        book.open_days(
            (day.symbol, day.day, DayPlan(day.trade_kind, "volume", q_bucket=10**30)) for day in accepted.missing_days
        )
        stored = pa.ipc.open_stream(finish("trades", accepted, book).body).read_all()
        buckets += zip(*(stored[name].to_pylist() for name in ("sequence", "bucket_id", "late")), strict=True)
    first, second = bucket_prefix(MIDNIGHT // DAY_MS - 1) + 1, bucket_prefix(MIDNIGHT // DAY_MS) + 1
    assert buckets == [(900, first, False), (7, second, False), (901, 0, True)]
