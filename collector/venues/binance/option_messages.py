"""The wire text of Binance's European options (rebuilt 2025-12) as typed structs; unknown keys are ignored."""

from __future__ import annotations

import msgspec

from collector.venues.binance.messages import Filter, Levels, RateLimit


class OptionTradeMessage(msgspec.Struct, gc=False):
    """``@optionTrade``. ``kind`` (X): MARKET or BLOCK; quantities are contracts."""

    symbol: str = msgspec.field(name="s")
    id: int = msgspec.field(name="t")
    price: str = msgspec.field(name="p")
    quantity: str = msgspec.field(name="q")
    time: int = msgspec.field(name="T")
    buyer_is_maker: bool = msgspec.field(name="m")
    kind: str = msgspec.field(name="X", default="MARKET")


class OptionMark(msgspec.Struct, gc=False):
    """An element of ``@optionMarkPrice``. ``volatility`` (vo) is a fraction; -1 or '' where there is none."""

    symbol: str = msgspec.field(name="s")
    event_time: int = msgspec.field(name="E")
    volatility: str = msgspec.field(name="vo", default="")


class OptionInterest(msgspec.Struct, gc=False):
    """An element of ``@openInterest``: contracts, and their value in USDT."""

    symbol: str = msgspec.field(name="s")
    event_time: int = msgspec.field(name="E")
    contracts: str = msgspec.field(name="o")
    value: str = msgspec.field(name="h")


class RestOptionInterest(msgspec.Struct, gc=False):
    """A row of REST ``openInterest``. The time comes as a number or as its text."""

    symbol: str
    sumOpenInterest: str
    sumOpenInterestUsd: str
    timestamp: int | str


class RestOptionTrade(msgspec.Struct, gc=False):
    """A row of REST ``trades``. ``side``: 1 the taker bought, -1 sold."""

    tradeId: int | str
    price: str
    qty: str
    time: int
    side: int


class OptionDepthSnapshot(msgspec.Struct, gc=False):
    """REST ``depth``; the id is ``lastUpdateId`` today and was ``u``."""

    bids: Levels
    asks: Levels
    last_id: int = msgspec.field(name="lastUpdateId", default=0)
    old_last_id: int = msgspec.field(name="u", default=0)
    time: int = msgspec.field(name="T", default=0)


class OptionSymbolInfo(msgspec.Struct, gc=False):
    """A contract of ``exchangeInfo``. ``unit``: base units of one contract."""

    symbol: str
    side: str
    strikePrice: str
    underlying: str
    unit: int | str
    expiryDate: int
    filters: list[Filter]
    quoteAsset: str = "USDT"
    status: str = "TRADING"


class OptionContract(msgspec.Struct, gc=False):
    """An underlying of ``exchangeInfo``."""

    underlying: str
    baseAsset: str
    quoteAsset: str
    settleAsset: str


class OptionExchangeInfo(msgspec.Struct, gc=False):
    """REST ``exchangeInfo`` of options."""

    optionSymbols: list[OptionSymbolInfo]
    optionContracts: list[OptionContract] = []
    rateLimits: list[RateLimit] = []
