"""A symbol by another venue's bucket edges, against a plain loop; nothing is known before both sides are."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import Any

from tests.sql.rows import assign_buckets, trade
from tests.sql.tape import EVENING_MS, random_trades

FROM, TO = EVENING_MS, EVENING_MS + 7_200_000


def aligned(engine: Any, follower: str, reference: str) -> list[dict[str, Any]]:
    span = f"from_ts = fromUnixTimestamp64Milli({FROM}), to_ts = fromUnixTimestamp64Milli({TO})"
    return list(
        engine.rows(
            "SELECT * FROM marketprism_features.aligned_buckets_between(exchange = 'okx', market_type = 'spot', "
            f"symbol = '{follower}', reference_exchange = 'binance', reference_market_type = 'spot', "
            f"reference_symbol = '{reference}', {span}) ORDER BY bucket_id"
        )
    )


def microseconds(value: dt.datetime) -> int:
    aware = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
    return round(aware.timestamp() * 1_000_000)


def test_trades_fall_between_the_ends_of_the_reference(engine: Any, symbol: Any) -> None:
    reference, follower = symbol(), symbol()
    leading = assign_buckets(random_trades(seed=70, count=1500), Decimal(40))
    following = assign_buckets(random_trades(seed=71, count=900), Decimal(25))
    engine.trades(reference, leading)
    engine.trades(follower, following, exchange="okx")
    known = {
        row["bucket_id"]: row["available_at"]
        for row in engine.feature("unified_buckets", reference)
        if row["is_closed"]
    }
    ends: list[tuple[int, int]] = []  # (bucket, running latest end)
    for bucket in known:
        end = max(row["timestamp"] for row in leading if row["bucket_id"] == bucket)
        ends.append((bucket, max(end, ends[-1][1]) if ends else end))
    expected = {}
    for (_, begin), (bucket, end) in itertools.pairwise(ends):
        part = [row for row in following if begin < row["timestamp"] <= end]
        if part:
            expected[bucket] = part
    rows = aligned(engine, follower, reference)
    assert len(rows) == len(expected) > 20
    for row in rows:
        part = expected[row["bucket_id"]]
        assert (row["exchange"], row["symbol"], row["trades"]) == ("okx", follower, len(part))
        assert row["vol"] == sum(Decimal(t["quantity"]) for t in part)
        assert row["buy_vol"] == sum(Decimal(t["quantity"]) for t in part if t["side"] == "buy")
        assert row["notional"] == sum(Decimal(t["quantity"]) * Decimal(t["price"]) for t in part)
        ordered = sorted(part, key=lambda t: t["sequence"])
        assert (row["open"], row["close"]) == (Decimal(ordered[0]["price"]), Decimal(ordered[-1]["price"]))
        receipts = max(max(t["received_at"], t["timestamp"] * 1000) for t in part)
        assert microseconds(row["available_at"]) == max(receipts, microseconds(known[row["bucket_id"]]))


def test_a_trade_on_the_edge_belongs_to_the_bucket_that_ends_there(engine: Any, symbol: Any) -> None:
    reference, follower = symbol(), symbol()
    times = (0, 1_000, 2_000, 3_000)
    leading = [trade(n + 1, EVENING_MS + ms, "100", "10", "buy") for n, ms in enumerate(times)]
    engine.trades(reference, assign_buckets(leading, Decimal(10)))  # a bucket a trade
    moments = (999, 1_000, 1_001, 3_000, 3_001)
    following = [trade(n + 1, EVENING_MS + ms, "100", "1", "sell") for n, ms in enumerate(moments)]
    engine.trades(follower, assign_buckets(following, Decimal(100)), exchange="okx")
    rows = aligned(engine, follower, reference)
    assert [(row["bucket_id"] % 10**6, row["trades"]) for row in rows] == [(2, 2), (3, 1), (4, 1)]
