"""The wire text of Binance as typed structs; one-letter keys get names here and nowhere else. Unknown keys are ignored.

Field meanings: https://developers.binance.com (spot and USD-M streams, REST). All numbers are decimal text.
"""

from __future__ import annotations

import msgspec

Levels = list[tuple[str, str]]


class Envelope(msgspec.Struct, gc=False):
    """A message of a combined connection; without ``stream`` it answers a request."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    id: int | None = None


class TradeMessage(msgspec.Struct, gc=False):
    """``@trade``. ``kind`` (X) is only on futures: MARKET, INSURANCE_FUND, ADL, NA …"""

    symbol: str = msgspec.field(name="s")
    id: int = msgspec.field(name="t")
    price: str = msgspec.field(name="p")
    quantity: str = msgspec.field(name="q")
    time: int = msgspec.field(name="T")
    buyer_is_maker: bool = msgspec.field(name="m")
    kind: str = msgspec.field(name="X", default="MARKET")


class AggTradeMessage(msgspec.Struct, gc=False):
    """``@aggTrade``, and a row of REST ``aggTrades`` (which has no symbol)."""

    id: int = msgspec.field(name="a")
    price: str = msgspec.field(name="p")
    quantity: str = msgspec.field(name="q")
    first_id: int = msgspec.field(name="f")
    last_id: int = msgspec.field(name="l")
    time: int = msgspec.field(name="T")
    buyer_is_maker: bool = msgspec.field(name="m")
    symbol: str = msgspec.field(name="s", default="")


class RestTrade(msgspec.Struct, gc=False):
    """A row of REST ``historicalTrades`` and ``trades``."""

    id: int
    price: str
    qty: str
    time: int
    isBuyerMaker: bool


class DepthMessage(msgspec.Struct, gc=False):
    """``@depth``. Spot has neither ``T`` (matching time) nor ``pu``."""

    symbol: str = msgspec.field(name="s")
    event_time: int = msgspec.field(name="E")
    first_id: int = msgspec.field(name="U")
    last_id: int = msgspec.field(name="u")
    bids: Levels = msgspec.field(name="b")
    asks: Levels = msgspec.field(name="a")
    time: int = msgspec.field(name="T", default=0)
    previous_id: int = msgspec.field(name="pu", default=0)


class DepthSnapshot(msgspec.Struct, gc=False):
    """REST ``depth``. Spot has no times."""

    last_id: int = msgspec.field(name="lastUpdateId")
    bids: Levels
    asks: Levels
    time: int = msgspec.field(name="T", default=0)


class MarkPriceMessage(msgspec.Struct, gc=False):
    """``@markPrice``. Delivery contracts have an empty rate."""

    event_time: int = msgspec.field(name="E")
    symbol: str = msgspec.field(name="s")
    mark_price: str = msgspec.field(name="p")
    index_price: str = msgspec.field(name="i")
    rate: str = msgspec.field(name="r")
    next_funding_time: int = msgspec.field(name="T")


class ForceOrder(msgspec.Struct, gc=False):
    """The order inside ``forceOrder``."""

    symbol: str = msgspec.field(name="s")
    side: str = msgspec.field(name="S")
    quantity: str = msgspec.field(name="q")
    price: str = msgspec.field(name="p")
    average_price: str = msgspec.field(name="ap")
    filled: str = msgspec.field(name="z")
    time: int = msgspec.field(name="T")
    market: int = msgspec.field(name="st", default=0)


class ForceOrderMessage(msgspec.Struct, gc=False):
    """``@forceOrder``. ``st`` (1 = USD-M, 2 = COIN-M) stands here or in the order; before 2026 nowhere."""

    order: ForceOrder = msgspec.field(name="o")
    market: int = msgspec.field(name="st", default=0)


class FundingRow(msgspec.Struct, gc=False):
    """A row of REST ``fundingRate``. Rows before 2023 have no mark price."""

    symbol: str
    fundingRate: str
    fundingTime: int
    markPrice: str = ""


class FundingInfo(msgspec.Struct, gc=False):
    """A row of REST ``fundingInfo``: only symbols whose interval, cap or floor was adjusted."""

    symbol: str
    fundingIntervalHours: int


class OpenInterestAnswer(msgspec.Struct, gc=False):
    """REST ``openInterest``: base units."""

    openInterest: str
    time: int


class RatioRow(msgspec.Struct, gc=False):
    """A row of REST ``topLongShortPositionRatio`` / ``globalLongShortAccountRatio``; time = end of the period.

    In the position ratio ``longAccount`` is the share of *positions*, whatever its name.
    """

    longAccount: str
    shortAccount: str
    timestamp: int


class Filter(msgspec.Struct, gc=False):
    """A filter of ``exchangeInfo``."""

    filterType: str
    tickSize: str = ""
    stepSize: str = ""


class SymbolInfo(msgspec.Struct, gc=False):
    """A symbol of ``exchangeInfo``, spot or USD-M."""

    symbol: str
    status: str
    baseAsset: str
    quoteAsset: str
    filters: list[Filter]
    marginAsset: str = ""
    contractType: str = ""
    deliveryDate: int = 0


class ExchangeInfo(msgspec.Struct, gc=False):
    """REST ``exchangeInfo``."""

    symbols: list[SymbolInfo]
