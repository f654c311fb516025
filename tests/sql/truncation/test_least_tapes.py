"""The least tapes of what the cuts had found: a trade dated before it happened, and what a late one takes away."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from tests.sql.rows import DAY_MS, assign_buckets, book, trade
from tests.sql.tape import EVENING_MS
from tests.sql.truncation.cuts import SLOW_US

NOON_MS = EVENING_MS - DAY_MS // 2 + 60_000


def test_a_trade_is_not_available_before_it_happened(engine: Any) -> None:
    """The local clock is behind: the receipts are before the exchange's times."""
    trades = assign_buckets([trade(1, NOON_MS, "100", "1", "buy", received_at=NOON_MS * 1000 - SLOW_US)], Decimal(1))
    quote = book(1, NOON_MS - 50, [(99.5, 1.0)], [(100.0, 1.0)], received_at=NOON_MS * 1000 - SLOW_US - 40_000)
    engine.trades("LEAKSLOW", trades)
    engine.books("LEAKSLOW", [quote])
    (row,) = engine.rows(
        "SELECT timestamp, available_at FROM marketprism_features.quoted_trades_between("
        "from_ts = '2024-08-08 00:00:00', to_ts = '2024-08-09 00:00:00') WHERE symbol = 'LEAKSLOW'"
    )
    assert row["available_at"] >= row["timestamp"]


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a minute is available when all of it was received: a late trade takes it away",
)
def test_a_late_trade_does_not_change_what_was_told_before_it(engine: Any) -> None:
    """Candidates as of ten seconds after a minute, read before and after its late trade is there."""
    prints = [trade(1, NOON_MS + 5000, "100", "3", "buy"), trade(2, NOON_MS + 9000, "100", "3", "sell")]
    late = trade(3, NOON_MS + 10_000, "100", "1", "buy", late=True, received_at=NOON_MS * 1000 + 90_000_000)
    *early, last = assign_buckets([*prints, late], Decimal(100))
    at = dt.datetime.fromtimestamp(NOON_MS / 1000 + 70, dt.UTC)
    query = (
        f"SELECT * FROM marketprism_features.footprint_candidates_at(run_at = '{at:%F %T}', hours = 1) "
        "WHERE symbol = 'LEAKLATE'"
    )
    engine.trades("LEAKLATE", early)
    told = engine.rows(query)
    if len(told) != 1:
        pytest.fail(f"the tape has no candidate to lose: {told}")
    engine.trades("LEAKLATE", [last])
    assert engine.rows(query) == told
