"""Order-flow layers as files in the naming of archive users: minutes by month, hours as one CSV, and what they are.

``{SYMBOL}/{YYYY-MM}.parquet`` are minutes, ``{SYMBOL}_aggTrades.csv`` hours whose first column is ``minute``, the start
of the hour; numbers are Float64 there, exact decimals in the views.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from marketprism.clickhouse import FEATURES
from marketprism.errors import QueryError

MINUTES: Final = (
    *("trade_count", "base_volume", "quote_volume", "taker_buy_qty", "taker_sell_qty", "taker_buy_quote"),
    *("taker_sell_quote", "taker_buy_quote_sq", "taker_sell_quote_sq", "taker_buy_trade_count"),
    *("taker_sell_trade_count", "whale_buy_quote", "whale_sell_quote", "retail_buy_quote", "retail_sell_quote"),
    *("first_ts", "price_first", "last_ts", "price_last", "price_high", "price_low"),
)
HOURS: Final = (
    *("trade_count", "base_volume", "quote_volume", "taker_buy_qty", "taker_sell_qty", "taker_buy_quote"),
    *("taker_sell_quote", "whale_buy_quote", "whale_sell_quote", "retail_buy_quote", "retail_sell_quote"),
    *("price_open", "price_close", "price_high", "price_low", "cvd_qty", "cvd_quote", "vwap", "whale_cvd_quote"),
    *("retail_cvd_quote", "avg_trade_quote", "avg_trade_base", "taker_buy_avg_trade_quote"),
    *("taker_sell_avg_trade_quote", "taker_buy_hhi_quote", "taker_sell_hhi_quote", "imbalance_ratio_quote"),
    *("tw_cvd_quote_norm", "price_change", "cvd_per_abs_price_change"),
)
_AS_THEY_ARE: Final = frozenset(
    {"trade_count", "taker_buy_trade_count", "taker_sell_trade_count", "first_ts", "last_ts"}
)
_TIME: Final = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class FlowRange:
    """Whose flow, and which days, both included."""

    exchange: str
    market_type: str
    first: date
    last: date


def export_flows(client: Any, symbol: str, wanted: FlowRange, out: Path) -> dict[str, Any]:
    """Write the files of one symbol; what its meta file says. Raises QueryError when there are no trades."""
    minutes = 0
    for first, last in _months(wanted):
        table = _read(client, "agg_trades_1m", "ts_1m", MINUTES, symbol, wanted, first, last)
        if table.num_rows:
            path = out / symbol / f"{first:%Y-%m}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, path, compression="zstd")
            minutes += table.num_rows
    hours = _read(client, "agg_trades_1h", "ts_1h", HOURS, symbol, wanted, wanted.first, wanted.last)
    if not hours.num_rows:
        raise QueryError(f"no trades of {symbol} from {wanted.first} to {wanted.last}; load them with backfill first")
    out.mkdir(parents=True, exist_ok=True)
    texts = pa.array([moment.strftime(_TIME) for moment in hours["minute"].to_pylist()])
    pyarrow.csv.write_csv(hours.set_column(0, "minute", texts), out / f"{symbol}_aggTrades.csv")
    meta = {
        "symbol": symbol,
        "exchange": wanted.exchange,
        "market_type": wanted.market_type,
        "first_hour": texts[0].as_py(),
        "last_hour": texts[-1].as_py(),
        "hours": hours.num_rows,
        "minutes": minutes,
        "columns": hours.schema.names,
        "units": "quantities in base units, values in quote units, times in UTC",
        "whale_quote": 50_000,
        "retail_quote": 1_000,
    }
    (out / f"{symbol}_aggTrades.meta.json").write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")
    return meta


def _read(
    client: Any, view: str, time: str, columns: tuple[str, ...], symbol: str, wanted: FlowRange, first: date, last: date
) -> pa.Table:
    shown = ", ".join(f"f.{name} AS {name}" if name in _AS_THEY_ARE else _float(name) for name in columns)
    query = (
        f"SELECT f.{time} AS minute, {shown} FROM {FEATURES}.{view} AS f "
        "WHERE f.exchange = {exchange:String} AND f.market_type = {market_type:String} AND f.symbol = {symbol:String} "
        f"AND f.{time} >= {{first:Date}} AND f.{time} < {{end:Date}} ORDER BY minute"
    )
    parameters = {
        "exchange": wanted.exchange,
        "market_type": wanted.market_type,
        "symbol": symbol,
        "first": first.isoformat(),
        "end": (last + timedelta(days=1)).isoformat(),
    }
    table = client.query_arrow(query, parameters=parameters, use_strings=True)
    moments = pa.array(table["minute"].cast(pa.int64()).to_pylist(), pa.timestamp("s", "UTC"))
    return table.set_column(0, "minute", moments)


def _float(name: str) -> str:
    return f"toFloat64(f.{name}) AS {name}"


def _months(wanted: FlowRange) -> Iterator[tuple[date, date]]:
    """First and last day of each month, within the range."""
    first = wanted.first
    while first <= wanted.last:
        following = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield first, min(wanted.last, following - timedelta(days=1))
        first = following
