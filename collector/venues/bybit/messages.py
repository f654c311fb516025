"""The wire text of Bybit (v5) as typed structs. Numbers are decimal text; unknown keys are ignored.

Field meanings: https://bybit-exchange.github.io/docs/v5 (public topics, market endpoints).
"""

from __future__ import annotations

import msgspec

Levels = list[tuple[str, str]]


class Envelope(msgspec.Struct, gc=False):
    """A push (``topic``) or an answer (``op``). ``cts``: matching time, only on books."""

    topic: str = ""
    type: str = ""
    ts: int = 0
    cts: int = 0
    data: msgspec.Raw = msgspec.Raw()
    op: str = ""
    success: bool = True
    ret_msg: str = ""


class TradeMessage(msgspec.Struct, gc=False):
    """``publicTrade``. ``seq`` orders prints, and several may share one."""

    id: str = msgspec.field(name="i")
    symbol: str = msgspec.field(name="s")
    side: str = msgspec.field(name="S")
    price: str = msgspec.field(name="p")
    quantity: str = msgspec.field(name="v")
    time: int = msgspec.field(name="T")
    seq: int
    block: bool = msgspec.field(name="BT", default=False)


class BookMessage(msgspec.Struct, gc=False):
    """``orderbook`` and REST ``orderbook``; ``update_id`` 1 is a snapshot after a restart of the service."""

    symbol: str = msgspec.field(name="s")
    bids: Levels = msgspec.field(name="b")
    asks: Levels = msgspec.field(name="a")
    update_id: int = msgspec.field(name="u")
    ts: int = 0
    cts: int = 0


class TickerMessage(msgspec.Struct, gc=False):
    """``tickers``: after the snapshot only what changed."""

    symbol: str
    markPrice: str = ""
    indexPrice: str = ""
    fundingRate: str = ""
    nextFundingTime: str = ""
    fundingIntervalHour: str = ""
    openInterest: str = ""
    openInterestValue: str = ""


class LiquidationMessage(msgspec.Struct, gc=False):
    """``allLiquidation``. ``position`` is the side that was closed; ``price`` the bankruptcy price."""

    symbol: str = msgspec.field(name="s")
    position: str = msgspec.field(name="S")
    quantity: str = msgspec.field(name="v")
    price: str = msgspec.field(name="p")
    time: int = msgspec.field(name="T")


class PriceFilter(msgspec.Struct, gc=False):
    """Tick of an instrument."""

    tickSize: str


class LotFilter(msgspec.Struct, gc=False):
    """Lot of an instrument: ``qtyStep`` on contracts, ``basePrecision`` on spot."""

    qtyStep: str = ""
    basePrecision: str = ""


class InstrumentInfo(msgspec.Struct, gc=False):
    """A row of REST ``instruments-info``."""

    symbol: str
    status: str
    baseCoin: str
    quoteCoin: str
    priceFilter: PriceFilter
    lotSizeFilter: LotFilter
    settleCoin: str = ""
    contractType: str = ""
    deliveryTime: str = "0"


class InstrumentPage(msgspec.Struct, gc=False):
    """REST ``instruments-info``; an empty cursor ends it."""

    rows: list[InstrumentInfo] = msgspec.field(name="list")
    nextPageCursor: str = ""


class FundingRow(msgspec.Struct, gc=False):
    """A row of REST ``funding/history``."""

    symbol: str
    fundingRate: str
    fundingRateTimestamp: str


class FundingPage(msgspec.Struct, gc=False):
    """REST ``funding/history``."""

    rows: list[FundingRow] = msgspec.field(name="list")


class Turnover(msgspec.Struct, gc=False):
    """A row of REST ``tickers``."""

    symbol: str
    turnover24h: str = "0"


class TurnoverPage(msgspec.Struct, gc=False):
    """REST ``tickers``."""

    rows: list[Turnover] = msgspec.field(name="list")
