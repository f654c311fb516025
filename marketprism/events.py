"""The wire contract: one struct per data type; its fields are the keys of a row and the columns of its raw table.

A frame is newline-delimited JSON of one data type, exchange and market type. Decimal numbers travel as text and stay
decimal; times travel as integers (milliseconds or microseconds since the epoch, UTC). The storage service adds
``stream_seq`` and, for trades, the bucket columns; ``created_at`` is set by ClickHouse.

``columns(data_type)`` gives the ClickHouse type of every field: migrations, Arrow schemas and tests all read it here.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

CONTRACT_VERSION: Final = 1
"""Raised when a field changes meaning or a required field is added. Unknown keys of a newer row are ignored."""

DECIMAL_TYPE: Final = "Decimal(38, 12)"
DECIMAL_SCALE: Final = 12


def _column(clickhouse: str) -> Meta:
    return Meta(extra={"clickhouse": clickhouse})


Ms = Annotated[int, _column("DateTime64(3, 'UTC')")]
"""Milliseconds since the epoch, UTC."""
Us = Annotated[int, _column("DateTime64(6, 'UTC')")]
"""Microseconds since the epoch, UTC."""
Dec = Annotated[str, _column(DECIMAL_TYPE)]
"""Decimal text: at most 12 decimals, no exponent."""
Name = Annotated[str, _column("LowCardinality(String)")]
"""A word of a small vocabulary."""
Text = Annotated[str, _column("String")]
U64 = Annotated[int, _column("UInt64")]
U32 = Annotated[int, _column("UInt32")]
U16 = Annotated[int, _column("UInt16")]
I64 = Annotated[int, _column("Int64")]
F64 = Annotated[float, _column("Float64")]
Flag = Annotated[bool, _column("Bool")]
Levels = Annotated[list[float], _column("Array(Float64)")]
"""Prices or quantities of one book side, best first; the shortest text of each restores the exchange's digits."""

MarketType = Literal["spot", "linear", "inverse", "option"]
MARKET_TYPES: Final[tuple[str, ...]] = get_args(MarketType)
SIDES: Final = ("buy", "sell")


class Row(msgspec.Struct, kw_only=True, gc=False):
    """What every raw row carries.

    ``sequence`` is the exchange's own monotonic id of the row within (exchange, market_type, symbol, data type); where
    the exchange has none it is ``timestamp`` (ms) and rows are told apart by content.
    ``data_source``: ``marketprism`` (live), ``rest`` (repaired), ``archive``, ``import``.
    """

    data_type: ClassVar[str]

    timestamp: Ms
    received_at: Us
    exchange: Name
    market_type: Name
    symbol: Name
    sequence: U64
    data_source: Name = "marketprism"


class Trade(Row, kw_only=True, gc=False):
    """One print. ``side`` is the taker's; ``quantity`` base units; ``native_quantity`` what the exchange sent.

    ``is_market`` is false for prints that are no market trade (insurance fund, ADL, block): stored, but in no feature.
    ``price_tick`` = price / tick_size, rounded half up, so that no view joins ``instruments``.
    """

    data_type = "trades"

    trade_id: Text
    trade_kind: Name  # trade | agg_trade
    price: Dec
    quantity: Dec
    native_quantity: Dec
    side: Name
    is_maker: Flag  # the buyer was the maker
    trade_time: Ms
    is_market: Flag = True
    first_trade_id: U64
    last_trade_id: U64
    tick_size: Dec
    price_tick: I64


class OrderBook(Row, kw_only=True, gc=False):
    """A sampled book, and what every update since the row before did.

    ``sequence`` is ``last_update_id``, or by time where the exchange's ids can start over (OKX, Bybit).
    ``timestamp`` is the exchange time of the last update in it. ``ofi_l1``/``ofi_l5``: order flow imbalance in base
    units (Cont, Kukanov, Stoikov 2014), summed over every update; ``ofi_l5`` per level rank 1…5.
    """

    data_type = "orderbooks"

    last_update_id: U64
    best_bid_price: Dec
    best_ask_price: Dec
    best_bid_quantity: Dec
    best_ask_quantity: Dec
    bids_count: U32  # levels of the whole local book, not only of the published top
    asks_count: U32
    bid_prices: Levels
    bid_quantities: Levels
    ask_prices: Levels
    ask_quantities: Levels
    updates: U32
    ofi_l1: F64
    ofi_l5: Levels
    bid_added_quantity: F64
    bid_cancelled_quantity: F64
    ask_added_quantity: F64
    ask_cancelled_quantity: F64


class BestQuote(Row, kw_only=True, gc=False):
    """One change of the best bid or ask (price or quantity) of the local book. ``sequence``: as of ``orderbooks``."""

    data_type = "best_quotes"

    bid_price: Dec
    bid_quantity: Dec
    ask_price: Dec
    ask_quantity: Dec
    last_update_id: U64


class FundingRate(Row, kw_only=True, gc=False):
    """``funding_kind``: predicted (the running estimate), settled, or continuous. Rates are fractions per interval."""

    data_type = "funding_rates"

    funding_rate: Dec
    funding_kind: Name
    funding_interval_h: U16  # 0 = not known
    funding_time: Ms
    next_funding_time: Ms
    mark_price: Dec | None = None
    index_price: Dec | None = None


class OpenInterest(Row, kw_only=True, gc=False):
    """``open_interest`` in base units; ``_native`` as sent; ``_value`` in quote units where the exchange says it."""

    data_type = "open_interests"

    open_interest: Dec
    open_interest_native: Dec
    open_interest_value: Dec | None = None
    count: U32 = 0


class Liquidation(Row, kw_only=True, gc=False):
    """``side`` is that of the forced order (sell = a long was closed). ``sampled``: the venue sends not all."""

    data_type = "liquidations"

    side: Name
    price: Dec
    price_kind: Name  # fill | bankruptcy
    quantity: Dec
    native_quantity: Dec
    liquidation_time: Ms
    sampled: Flag


class LsrTopPosition(Row, kw_only=True, gc=False):
    """Share of long and short positions of the top traders (0…1) at the end of ``period``."""

    data_type = "lsr_top_positions"

    long_position_ratio: Dec
    short_position_ratio: Dec
    period: Name


class LsrAllAccount(Row, kw_only=True, gc=False):
    """Share of accounts that are net long and net short (0…1) at the end of ``period``."""

    data_type = "lsr_all_accounts"

    long_account_ratio: Dec
    short_account_ratio: Dec
    period: Name


class VolatilityIndex(Row, kw_only=True, gc=False):
    """``index_value`` is annualised percent, whatever the venue sends. ``kind``: dvol, mark_iv, …"""

    data_type = "volatility_indices"

    index_value: Dec
    underlying_asset: Name
    maturity_date: Ms | None = None
    kind: Name


class Instrument(Row, kw_only=True, gc=False):
    """Exchange metadata of one symbol, valid from ``valid_from`` until the next row's. Names are never parsed."""

    data_type = "instruments"

    canonical: Text
    base: Name
    quote: Name
    settle: Name
    type: Name  # spot | perpetual | future | option
    is_inverse: Flag
    multiplier: Dec
    tick_size: Dec
    lot_size: Dec
    expiry: Ms | None = None
    strike: Dec | None = None
    option_side: Name = ""  # call | put | '' (none)
    valid_from: Ms
    valid_to: Ms | None = None
    status: Name


class Gap(Row, kw_only=True, gc=False):
    """A hole in ``of_type`` of a symbol: sequences and times are those just inside the hole."""

    data_type = "gaps"

    of_type: Name
    from_sequence: U64
    to_sequence: U64
    from_time: Ms
    to_time: Ms
    cause: Name  # sequence | resync | crossed | disconnect | stream_hole
    repaired: Flag


ROW_TYPES: Final[dict[str, type[Row]]] = {
    row.data_type: row
    for row in (
        Trade,
        OrderBook,
        BestQuote,
        FundingRate,
        OpenInterest,
        Liquidation,
        LsrTopPosition,
        LsrAllAccount,
        VolatilityIndex,
        Instrument,
        Gap,
    )
}
"""Every data type on the wire; each is also the name of its raw table."""

STORAGE_COLUMNS: Final[dict[str, str]] = {"stream_seq": "UInt64"}
"""What the storage service adds to every row."""

TRADE_STORAGE_COLUMNS: Final[dict[str, str]] = {
    "bucket_id": "UInt64",  # 0 = bears no bucket and no feature (not a market print, or not the day's trade kind)
    "bucket_cut": "LowCardinality(String)",  # on the closing trade: volume | count | event; '' elsewhere
    "bucket_t_max_ms": "UInt32",  # the time limit that the trade's bucket runs under
    "late": "Bool",
}
"""What the storage service adds to trades besides."""


def _clickhouse_type(hint: Any) -> str:
    nullable = False
    if get_origin(hint) in (Union, UnionType):
        members = [member for member in get_args(hint) if member is not NoneType]
        nullable = len(members) < len(get_args(hint))
        hint = members[0]
    for meta in get_args(hint)[1:]:
        if isinstance(meta, Meta) and meta.extra:
            name = str(meta.extra["clickhouse"])
            return f"Nullable({name})" if nullable else name
    raise TypeError(f"{hint!r} names no ClickHouse type; use the aliases of marketprism.events")


def columns(data_type: str) -> dict[str, str]:
    """Column name → ClickHouse type of a data type as it travels, in the order of the struct."""
    hints = get_type_hints(ROW_TYPES[data_type], include_extras=True)
    names = [field.name for field in msgspec.structs.fields(ROW_TYPES[data_type])]
    return {name: _clickhouse_type(hints[name]) for name in names}


def stored_columns(data_type: str) -> dict[str, str]:
    """Column name → ClickHouse type as the storage service inserts it (``created_at`` is the table's default)."""
    extra = TRADE_STORAGE_COLUMNS if data_type == "trades" else {}
    return {**columns(data_type), **STORAGE_COLUMNS, **extra}
