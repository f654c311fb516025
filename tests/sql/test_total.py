"""No view throws, and no sum wraps, on the most extreme rows that pass validation."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any

from tests.sql.rows import trade
from tests.sql.tape import EVENING_MS

PRICE = "999999999999.999999999999"
WIDE = Context(prec=80)
QUANTITY = "999999999999999999.999999999999"
SMALLEST = "0.000000000001"
READ = (
    "unified_buckets",
    "vpin_by_bucket",
    "kyle_lambda_by_bucket",
    "footprint_by_bucket",
    "footprint_profile_by_bucket",
    "unified_features_by_bucket",
    "trades_1m",
    "footprint_1m",
    "footprint_profile_1m",
)


def extreme(sequence: int, price: str, quantity: str, **extra: Any) -> dict[str, Any]:
    row = trade(sequence, EVENING_MS + sequence, price, quantity, "buy" if sequence % 2 else "sell", **extra)
    return {**row, "bucket_id": 20240808000001, "bucket_cut": "", "bucket_t_max_ms": 60_000}


def test_extreme_rows_are_stored_exactly_and_every_view_reads_them(engine: Any, symbol: Any) -> None:
    name = symbol()
    rows = [
        extreme(1, PRICE, QUANTITY, price_tick=2**63 - 1, tick_size=SMALLEST),
        extreme(2, PRICE, QUANTITY, price_tick=-(2**63), tick_size=PRICE),
        extreme(3, SMALLEST, SMALLEST, price_tick=0, tick_size="0"),
        extreme(4, SMALLEST, "0", price_tick=0, tick_size="0"),
        {**extreme(5, SMALLEST, SMALLEST), "bucket_t_max_ms": 2**32 - 1},
    ]
    engine.trades(name, rows)
    (bucket,) = engine.feature("unified_buckets", name)
    volume = notional = Decimal(0)
    for row in rows:
        volume = WIDE.add(volume, Decimal(row["quantity"]))
        notional = WIDE.add(notional, WIDE.multiply(Decimal(row["price"]), Decimal(row["quantity"])))
    assert (bucket["vol"], bucket["notional"]) == (volume, notional)
    for view in READ:
        assert engine.feature(view, name, "symbol"), view


def test_many_of_the_largest_trades_do_not_wrap(engine: Any, symbol: Any) -> None:
    name, count = symbol(), 50_000
    rows = [extreme(n, PRICE, QUANTITY, price_tick=1) for n in range(1, count + 1)]
    engine.trades(name, rows)
    (bucket,) = engine.feature("unified_buckets", name)
    assert bucket["vol"] == WIDE.multiply(count, Decimal(QUANTITY))
    assert bucket["notional"] == WIDE.multiply(count, WIDE.multiply(Decimal(PRICE), Decimal(QUANTITY)))
