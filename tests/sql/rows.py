"""Rows for SQL tests: trades with their bucket columns by a plain Python assigner, and books; inserted as Arrow.

The assigner is independent of the storage service: a loop over trades in sequence order with exact Decimal sums.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

KEY = {"exchange": "binance", "market_type": "spot"}
DAY_MS = 86_400_000
_DECIMAL = pa.decimal128(38, 12)


def bucket_day(timestamp_ms: int) -> int:
    """YYYYMMDD of a millisecond timestamp, UTC."""
    return int(dt.datetime.fromtimestamp(timestamp_ms / 1000, dt.UTC).strftime("%Y%m%d"))


def assign_buckets(trades: Sequence[dict[str, Any]], q: Decimal, t_max_ms: int = 60_000) -> list[dict[str, Any]]:
    """Copies of the trades (one symbol, in sequence order) with bucket_id, bucket_cut and bucket_t_max_ms.

    A bucket closes with the trade that brings its volume to ``q``; a trade at ``first + t_max`` opens the next; buckets
    restart at midnight.
    """
    out: list[dict[str, Any]] = []
    day = number = first = 0
    volume = Decimal(0)
    is_open = False
    for trade in trades:
        if not trade.get("is_market", True):
            out.append({**trade, "bucket_id": 0, "bucket_cut": "", "bucket_t_max_ms": 0})
            continue
        today = bucket_day(trade["timestamp"])
        if today != day:
            day, number, is_open = today, 0, False
        if not is_open or trade["timestamp"] >= first + t_max_ms:
            number, first, volume, is_open = number + 1, trade["timestamp"], Decimal(0), True
        volume += Decimal(trade["quantity"])
        cut = "volume" if volume >= q else ""
        is_open = not cut
        out.append({**trade, "bucket_id": day * 1_000_000 + number, "bucket_cut": cut, "bucket_t_max_ms": t_max_ms})
    return out


def trade(sequence: int, timestamp_ms: int, price: str, quantity: str, side: str, **extra: Any) -> dict[str, Any]:
    """One trade as a row; received 20 ms after its exchange time, tick 0.5, unless ``extra`` says otherwise."""
    row = {
        "sequence": sequence,
        "timestamp": timestamp_ms,
        "price": price,
        "quantity": quantity,
        "side": side,
        "received_at": timestamp_ms * 1000 + 20_000,
        "tick_size": "0.5",
        "is_market": True,
        "late": False,
        **extra,
    }
    tick = Decimal(row["tick_size"])
    row.setdefault("price_tick", int(Decimal(price) / tick + Decimal("0.5")) if tick else 0)
    return row


def trades_table(rows: Sequence[dict[str, Any]], symbol: str, **key: str) -> pa.Table:
    """The Arrow batch that the storage service would send for these rows."""
    count = len(rows)
    words = {**KEY, **key, "symbol": symbol, "data_source": "marketprism", "trade_kind": "trade"}

    def decimals(name: str) -> pa.Array:
        return pa.array([Decimal(row[name]) for row in rows], _DECIMAL)

    def column(name: str, kind: pa.DataType) -> pa.Array:
        return pa.array([row[name] for row in rows], kind)

    return pa.table(
        {
            **{name: pa.array([word] * count) for name, word in words.items()},
            "timestamp": column("timestamp", pa.int64()).cast(pa.timestamp("ms", "UTC")),
            "trade_time": column("timestamp", pa.int64()).cast(pa.timestamp("ms", "UTC")),
            "received_at": column("received_at", pa.int64()).cast(pa.timestamp("us", "UTC")),
            "sequence": column("sequence", pa.uint64()),
            "trade_id": pa.array([str(row["sequence"]) for row in rows]),
            "price": decimals("price"),
            "quantity": decimals("quantity"),
            "native_quantity": decimals("quantity"),
            "side": column("side", pa.string()),
            "is_maker": pa.array([row["side"] == "sell" for row in rows]),
            "is_market": column("is_market", pa.bool_()),
            "first_trade_id": column("sequence", pa.uint64()),
            "last_trade_id": column("sequence", pa.uint64()),
            "tick_size": decimals("tick_size"),
            "price_tick": column("price_tick", pa.int64()),
            "stream_seq": column("sequence", pa.uint64()),
            "bucket_id": column("bucket_id", pa.uint64()),
            "bucket_cut": column("bucket_cut", pa.string()),
            "bucket_t_max_ms": column("bucket_t_max_ms", pa.uint32()),
            "late": column("late", pa.bool_()),
        }
    )


def book(
    sequence: int,
    timestamp_ms: int,
    bids: Sequence[tuple[float, float]],
    asks: Sequence[tuple[float, float]],
    **extra: Any,
) -> dict[str, Any]:
    """One published book from (price, quantity) levels, best first; received 5 ms after its exchange time."""
    return {
        "sequence": sequence,
        "timestamp": timestamp_ms,
        "bids": list(bids),
        "asks": list(asks),
        "received_at": timestamp_ms * 1000 + 5_000,
        **extra,
    }


def books_table(rows: Sequence[dict[str, Any]], symbol: str, **key: str) -> pa.Table:
    """The Arrow batch of published books."""
    count = len(rows)
    words = {**KEY, **key, "symbol": symbol, "data_source": "marketprism"}

    def best(side: str, part: int) -> pa.Array:
        return pa.array([Decimal(repr(row[side][0][part])) if row[side] else Decimal(0) for row in rows], _DECIMAL)

    def levels(side: str, part: int) -> pa.Array:
        return pa.array([[float(level[part]) for level in row[side]] for row in rows], pa.list_(pa.float64()))

    def whole(values: Iterable[int], kind: pa.DataType) -> pa.Array:
        return pa.array(list(values), kind)

    zeros = pa.array([0.0] * count, pa.float64())
    return pa.table(
        {
            **{name: pa.array([word] * count) for name, word in words.items()},
            "timestamp": whole((row["timestamp"] for row in rows), pa.int64()).cast(pa.timestamp("ms", "UTC")),
            "received_at": whole((row["received_at"] for row in rows), pa.int64()).cast(pa.timestamp("us", "UTC")),
            "sequence": whole((row["sequence"] for row in rows), pa.uint64()),
            "last_update_id": whole((row["sequence"] for row in rows), pa.uint64()),
            "best_bid_price": best("bids", 0),
            "best_bid_quantity": best("bids", 1),
            "best_ask_price": best("asks", 0),
            "best_ask_quantity": best("asks", 1),
            "bids_count": whole((len(row["bids"]) for row in rows), pa.uint32()),
            "asks_count": whole((len(row["asks"]) for row in rows), pa.uint32()),
            "bid_prices": levels("bids", 0),
            "bid_quantities": levels("bids", 1),
            "ask_prices": levels("asks", 0),
            "ask_quantities": levels("asks", 1),
            "updates": whole([1] * count, pa.uint32()),
            "ofi_l1": zeros,
            "ofi_l5": pa.array([[0.0] * 5] * count, pa.list_(pa.float64())),
            "bid_added_quantity": zeros,
            "bid_cancelled_quantity": zeros,
            "ask_added_quantity": zeros,
            "ask_cancelled_quantity": zeros,
            "stream_seq": whole((row["sequence"] for row in rows), pa.uint64()),
        }
    )
