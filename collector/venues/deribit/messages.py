"""The wire text of Deribit (JSON-RPC) as typed structs. Numbers are JSON numbers and are read as decimals, exactly.

Field meanings: https://docs.deribit.com (channels, public methods). Unknown keys are ignored. Amounts are dollars
on inverse contracts, base coins elsewhere.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

Levels = list[tuple[str, Decimal, Decimal]]
"""[new | change | delete, price, amount]."""


class Params(msgspec.Struct, gc=False, frozen=True):
    """Of a notification; ``type`` is only in heartbeats."""

    channel: str = ""
    data: msgspec.Raw = msgspec.Raw()
    type: str = ""


class Envelope(msgspec.Struct, gc=False):
    """A notification (``method``) or an answer (``id`` with ``result`` or ``error``)."""

    method: str = ""
    params: Params = Params()
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class TradeMessage(msgspec.Struct, gc=False):
    """One print. ``trade_seq`` has no holes within an instrument; ``liquidation``: T, M or MT."""

    trade_seq: int
    trade_id: str
    timestamp: int
    instrument_name: str
    price: Decimal
    amount: Decimal
    direction: str
    liquidation: str = ""
    block_trade_id: str = ""


class BookMessage(msgspec.Struct, gc=False):
    """``book``. ``prev_change_id`` is absent in a snapshot; books of 2019 and before have no ``type``."""

    timestamp: int
    instrument_name: str
    change_id: int
    bids: Levels
    asks: Levels
    type: str = "change"
    prev_change_id: int = 0


class OrderBook(msgspec.Struct, gc=False):
    """REST ``get_order_book``: levels without actions."""

    timestamp: int
    instrument_name: str
    change_id: int
    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]


class TickerMessage(msgspec.Struct, gc=False):
    """``ticker``. Funding is only on perpetuals, volatilities (percent) only on options."""

    timestamp: int
    instrument_name: str
    mark_price: Decimal
    open_interest: Decimal | None = None
    index_price: Decimal | None = None
    current_funding: Decimal | None = None
    mark_iv: Decimal | None = None


class VolatilityMessage(msgspec.Struct, gc=False):
    """``deribit_volatility_index`` (DVOL): annualised percent."""

    timestamp: int
    volatility: Decimal
    index_name: str


class StateMessage(msgspec.Struct, gc=False):
    """``instrument.state``."""

    instrument_name: str
    state: str


class FundingRow(msgspec.Struct, gc=False):
    """A row of REST ``get_funding_rate_history``: what accrued in the hour before ``timestamp``."""

    timestamp: int
    interest_1h: Decimal
    index_price: Decimal | None = None


class TradePage(msgspec.Struct, gc=False):
    """REST ``get_last_trades_by_instrument``."""

    trades: list[TradeMessage]
    has_more: bool = False


class BookSummary(msgspec.Struct, gc=False):
    """A row of REST ``get_book_summary_by_currency``; dollars of 24 hours."""

    instrument_name: str
    volume_usd: float | None = None


class InstrumentInfo(msgspec.Struct, gc=False):
    """A row of REST ``get_instruments``. Lists of 2021 have neither type, state nor settlement currency."""

    instrument_name: str
    kind: str
    base_currency: str
    quote_currency: str
    tick_size: Decimal
    min_trade_amount: Decimal
    is_active: bool = True
    instrument_type: str = ""
    future_type: str = ""
    counter_currency: str = ""
    settlement_currency: str = ""
    settlement_period: str = ""
    state: str = ""
    expiration_timestamp: int = 0
    strike: Decimal | None = None
    option_type: str = ""


class RpcError(msgspec.Struct, gc=False):
    """Why a request was refused."""

    code: int = 0
    message: str = ""
