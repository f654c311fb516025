"""Binance Vision file kinds: the columns of their CSV, and how each column of the cold table comes from them.

``{cN}`` is the N-th field of a line. Everything is an expression of the engine: it parses the CSV and computes the
columns in one pass. Times are milliseconds or microseconds by magnitude (spot files from 2025 on are microseconds).
Layouts and defects: reference of the archive (the issue tracker of binance-public-data), checked on real files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MARKETS: Final = {"spot": "spot", "um": "linear", "cm": "inverse"}
"""Folder of the archive → market type."""
FOLDERS: Final = {"spot": "spot", "um": "futures/um", "cm": "futures/cm"}

_D: Final = "Decimal(38, 12)"
_SCALE: Final = "1000000000000"


def _us(field_name: str) -> str:
    return f"if(abs({field_name}) >= 100000000000000, {field_name}, {field_name} * 1000)"


def _ms(field_name: str) -> str:
    return f"fromUnixTimestamp64Milli(intDiv({_us(field_name)}, 1000), 'UTC')"


def _received(field_name: str) -> str:
    return f"fromUnixTimestamp64Micro({_us(field_name)} + {{latency_us}}, 'UTC')"


def _base(contracts: str, price: str) -> str:
    """contracts · contract size / price, rounded once, half to even, at twelve decimals: exact in 256-bit integers."""
    numerator = f"(toInt256(toDecimal256({contracts}, 12) * {_SCALE}) * {{contract_size_e12}})"
    divisor = f"toInt256(toDecimal256({price}, 12) * {_SCALE})"
    whole = f"intDiv({numerator}, {divisor})"
    rest = f"({numerator} - {whole} * {divisor})"
    up = f"(2 * {rest} > {divisor} OR (2 * {rest} = {divisor} AND {whole} % 2 = 1))"
    return f"if({price} > 0, toDecimal128(toDecimal256({whole} + {up}, 12) / {_SCALE}, 12), 0)"


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of file. ``fields``: market → ClickHouse types of the CSV; ``columns``: expressions by market or ``*``.

    ``identity``: what tells rows of a symbol apart; ``contiguous``: ids have no holes of their own;
    ``closed_end``: a file's last row may carry the first instant after its period; ``doubled``: files of this market
    have every row twice; ``plausible``: condition that every row fulfils; ``empty_fields``: a field may be empty.
    """

    kind: str
    table: str
    fields: Mapping[str, tuple[str, ...]]
    columns: Mapping[str, Mapping[str, str]]
    identity: tuple[str, ...] = ("sequence",)
    order: str = "sequence"
    monthly: bool = True
    daily: bool = True
    intervals: bool = False
    contiguous: bool = False
    closed_end: bool = False
    doubled: frozenset[str] = field(default_factory=frozenset)
    plausible: str = "1"
    empty_fields: bool = False

    def expressions(self, market: str) -> dict[str, str]:
        """Column of the cold table → expression over ``{cN}``, ``{latency_us}`` and ``{contract_size_e12}``."""
        return {**self.columns["*"], **self.columns.get(market, {})}


_TRADE_LIMITS: Final = "price >= 0 AND price < 1000000000000 AND quantity >= 0 AND quantity < 1000000000000000000"


def _trade_columns(kind: str, time: str, maker: str, first: str, last: str) -> dict[str, str]:
    return {
        "timestamp": _ms(time),
        "received_at": _received(time),
        "sequence": "{c1}",
        "trade_id": "toString({c1})",
        "trade_kind": f"'{kind}'",
        "price": "{c2}",
        "quantity": "{c3}",
        "native_quantity": "{c3}",
        "side": f"if({maker}, 'sell', 'buy')",
        "is_maker": maker,
        "trade_time": _ms(time),
        "is_market": "{c2} > 0 AND {c3} > 0",
        "first_trade_id": first,
        "last_trade_id": last,
    }


_AGG: Final = ("UInt64", _D, _D, "UInt64", "UInt64", "Int64", "Bool")
_RAW: Final = ("UInt64", _D, _D, _D, "Int64", "Bool")
_INVERSE_TRADE: Final = {"quantity": _base("{c3}", "{c2}")}
_KLINE: Final = ("Int64", _D, _D, _D, _D, _D, "Int64", _D, "UInt64", _D, _D, "String")
_KLINE_COLUMNS: Final = {
    "timestamp": _ms("{c1}"),
    "received_at": _received("{c7}"),
    "sequence": f"toUInt64(intDiv({_us('{c1}')}, 1000))",
    "interval": "{interval}",
    "open_time": _ms("{c1}"),
    "open": "{c2}",
    "high": "{c3}",
    "low": "{c4}",
    "close": "{c5}",
    "volume": "{c6}",
    "quote_volume": "{c8}",
    "trades": "{c9}",
    "taker_buy_volume": "{c10}",
    "taker_buy_quote_volume": "{c11}",
    "close_time": _ms("{c7}"),
}
_CONTRACTS_VALUE: Final = f"toDecimal128(toDecimal256({{field}}, 12) * {{contract_size_e12}} / {_SCALE}, 12)"
_INVERSE_KLINE: Final = {  # COIN-M files count contracts, and their "quote" volume is base units
    "volume": "{c8}",
    "quote_volume": _CONTRACTS_VALUE.replace("{field}", "{c6}"),
    "taker_buy_volume": "{c11}",
    "taker_buy_quote_volume": _CONTRACTS_VALUE.replace("{field}", "{c10}"),
}
_ALL: Final = ("spot", "um", "cm")
_FUTURES: Final = ("um", "cm")


def _index_klines(kind: str, table: str) -> Layout:
    return Layout(
        kind,
        table,
        dict.fromkeys(_FUTURES, _KLINE),
        {"*": _KLINE_COLUMNS},
        identity=("interval", "timestamp"),
        intervals=True,
    )


_LAYOUTS: Final = (
    Layout(
        "aggTrades",
        "trades",
        {"spot": (*_AGG, "Bool"), "um": _AGG, "cm": _AGG},
        {"*": _trade_columns("agg_trade", "{c6}", "{c7}", "{c4}", "{c5}"), "cm": _INVERSE_TRADE},
        contiguous=True,
        plausible=_TRADE_LIMITS,
    ),
    Layout(
        "trades",
        "trades",
        {"spot": (*_RAW, "Bool"), "um": _RAW, "cm": _RAW},
        {"*": _trade_columns("trade", "{c5}", "{c6}", "{c1}", "{c1}"), "cm": _INVERSE_TRADE},
        contiguous=True,
        plausible=_TRADE_LIMITS,
    ),
    Layout(
        "klines",
        "klines",
        dict.fromkeys(_ALL, _KLINE),
        {"*": _KLINE_COLUMNS, "cm": _INVERSE_KLINE},
        identity=("interval", "timestamp"),
        intervals=True,
    ),
    _index_klines("markPriceKlines", "mark_price_klines"),
    _index_klines("indexPriceKlines", "index_price_klines"),
    _index_klines("premiumIndexKlines", "premium_index_klines"),
    Layout(
        "fundingRate",
        "funding_rates",
        dict.fromkeys(_FUTURES, ("Int64", "UInt16", _D)),
        {
            "*": {
                "timestamp": _ms("{c1}"),
                "received_at": _received("{c1}"),
                "sequence": f"toUInt64(intDiv({_us('{c1}')}, 1000))",
                "funding_rate": "{c3}",
                "funding_kind": "'settled'",
                "funding_interval_h": "{c2}",
                # calc_time has a jitter of some milliseconds: the settlement is on the minute
                "funding_time": f"fromUnixTimestamp64Milli(intDiv({_us('{c1}')} + 30000000, 60000000) * 60000, 'UTC')",
                "next_funding_time": "fromUnixTimestamp64Milli("
                f"intDiv({_us('{c1}')} + 30000000, 60000000) * 60000 + {{c2}} * 3600000, 'UTC')",
            }
        },
        daily=False,
    ),
    Layout(
        "metrics",
        "metrics",
        dict.fromkeys(
            _FUTURES,
            ("DateTime64(3, 'UTC')", "String", *(f"Nullable({_D})",) * 2, *("Nullable(Float64)",) * 4),
        ),
        {
            "*": {
                "timestamp": "{c1}",
                "received_at": "toDateTime64({c1}, 6, 'UTC') + toIntervalMicrosecond({latency_us})",
                "sequence": "toUInt64(toUnixTimestamp64Milli({c1}))",
                "sum_open_interest": "ifNull({c3}, 0)",
                "sum_open_interest_value": "ifNull({c4}, 0)",
                "count_toptrader_long_short_ratio": "ifNull({c5}, nan)",
                "sum_toptrader_long_short_ratio": "ifNull({c6}, nan)",
                "count_long_short_ratio": "ifNull({c7}, nan)",
                "sum_taker_long_short_vol_ratio": "ifNull({c8}, nan)",
            }
        },
        identity=("timestamp",),
        monthly=False,
        closed_end=True,
        empty_fields=True,
    ),
    Layout(
        "bookDepth",
        "book_depth_bands",
        dict.fromkeys(_FUTURES, ("DateTime64(3, 'UTC')", "Decimal(9, 4)", _D, _D)),
        {
            "*": {
                "timestamp": "{c1}",
                "received_at": "toDateTime64({c1}, 6, 'UTC') + toIntervalMicrosecond({latency_us})",
                "sequence": "toUInt64(toUnixTimestamp64Milli({c1}))",
                "percentage": "{c2}",
                "depth": "{c3}",
                "notional": "{c4}",
            }
        },
        identity=("timestamp", "percentage"),
        monthly=False,
    ),
    Layout(
        "bookTicker",
        "book_tickers",
        dict.fromkeys(_FUTURES, ("UInt64", _D, _D, _D, _D, "Int64", "Int64")),
        {
            "*": {
                "timestamp": _ms("{c6}"),
                "received_at": _received("{c7}"),
                "sequence": "{c1}",
                "best_bid_price": "{c2}",
                "best_bid_quantity": "{c3}",
                "best_ask_price": "{c4}",
                "best_ask_quantity": "{c5}",
                "event_time": _ms("{c7}"),
                "last_update_id": "{c1}",
            }
        },
    ),
    Layout(
        "liquidationSnapshot",
        "liquidations",
        dict.fromkeys(_FUTURES, ("Int64", "String", "String", "String", _D, _D, _D, "String", _D, _D)),
        {
            "*": {
                "timestamp": _ms("{c1}"),
                "received_at": _received("{c1}"),
                "sequence": f"toUInt64(intDiv({_us('{c1}')}, 1000))",
                "side": "lower({c2})",
                # filled quantity at the average price; before any fill the order, whose limit is the bankruptcy price
                "price": "if({c10} > 0 AND {c7} > 0, {c7}, {c6})",
                "price_kind": "if({c10} > 0 AND {c7} > 0, 'fill', 'bankruptcy')",
                "quantity": "if({c10} > 0 AND {c7} > 0, {c10}, {c5})",
                "native_quantity": "if({c10} > 0 AND {c7} > 0, {c10}, {c5})",
                "liquidation_time": _ms("{c1}"),
                "sampled": "true",
            },
            "cm": {
                "quantity": _base("if({c10} > 0 AND {c7} > 0, {c10}, {c5})", "if({c10} > 0 AND {c7} > 0, {c7}, {c6})")
            },
        },
        identity=(),
        order="timestamp",
        monthly=False,
        doubled=frozenset({"cm"}),
        plausible="side IN ('buy', 'sell')",
    ),
)
LAYOUTS: Final = {layout.kind: layout for layout in _LAYOUTS}
"""Kind as the archive names it → layout."""


@dataclass(frozen=True, slots=True)
class Defect:
    """A hole or fault that users of the archive have reported; days are ``YYYY-MM-DD`` texts, both included."""

    markets: tuple[str, ...]
    kind: str
    first: str
    last: str
    what: str


KNOWN_DEFECTS: Final = (
    *(
        Defect(("um",), "aggTrades", first, last, "ids are missing")
        for first, last in (
            ("2021-05-19", "2021-05-19"),
            ("2022-06-17", "2022-06-17"),
            ("2022-06-24", "2022-06-24"),
            ("2022-06-27", "2022-06-30"),
            ("2022-09-06", "2022-09-06"),
            ("2024-07-04", "2024-07-04"),
        )
    ),
    *(Defect(("um",), "trades", day, day, "rows are missing") for day in ("2023-11-01", "2023-11-13", "2023-11-16")),
    Defect(("um",), "aggTrades", "2023-05-01", "2023-05-31", "BTCUSDT's monthly file is interleaved (sorted here)"),
    Defect(("um",), "aggTrades", "2023-10-01", "2023-10-31", "BTCUSDT's monthly file is interleaved (sorted here)"),
    Defect(("spot",), "aggTrades", "2021-12-14", "2021-12-14", "the file ends at 09:29"),
    Defect(_FUTURES, "metrics", "2022-02-23", "2022-02-23", "rows are missing, or open interest is 0"),
    Defect(_FUTURES, "metrics", "2022-03-07", "2022-03-08", "rows are missing, or open interest is 0"),
    Defect(_FUTURES, "metrics", "2024-02-16", "2024-02-16", "the file ends at 13:30"),
    Defect(_FUTURES, "premiumIndexKlines", "2021-01-24", "2021-02-21", "files are missing"),
    Defect(("cm",), "klines", "2023-08-28", "2023-09-30", "an outage: files are missing"),
    Defect(("um",), "bookTicker", "2024-01-01", "2024-01-31", "rows are interleaved (sorted here)"),
    Defect(_FUTURES, "bookDepth", "2026-09-03", "2027-12-31", "inner bands of the ask side are frozen"),
    Defect(_FUTURES, "bookDepth", "2025-01-01", "2025-12-31", "prices are out of step with the bands"),
    Defect(("cm",), "liquidationSnapshot", "2023-06-25", "2024-10-14", "every row is there twice (halved here)"),
)


def known_defects(market: str, kind: str, first: str, last: str) -> list[Defect]:
    """Defects that touch the days ``first`` to ``last``."""
    return [
        defect
        for defect in KNOWN_DEFECTS
        if market in defect.markets and kind == defect.kind and defect.first <= last and defect.last >= first
    ]
