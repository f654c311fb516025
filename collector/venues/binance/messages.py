"""The wire text of Binance as typed structs; one-letter keys get names here and nowhere else. Unknown keys are ignored.

Field meanings: https://developers.binance.com (spot, USD-M, COIN-M and option streams, REST). Numbers are decimal text.
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
    """``@markPrice``. Delivery contracts have an empty rate; COIN-M had no index price before 2026."""

    event_time: int = msgspec.field(name="E")
    symbol: str = msgspec.field(name="s")
    mark_price: str = msgspec.field(name="p")
    rate: str = msgspec.field(name="r")
    next_funding_time: int = msgspec.field(name="T")
    index_price: str = msgspec.field(name="i", default="")


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
    """REST ``openInterest``: base units on USD-M, contracts on COIN-M."""

    openInterest: str
    time: int


class PremiumIndex(msgspec.Struct, gc=False):
    """A row of REST ``premiumIndex``."""

    symbol: str
    markPrice: str
    time: int = 0


class RatioRow(msgspec.Struct, gc=False):
    """A row of REST ``topLongShortPositionRatio`` / ``globalLongShortAccountRatio``; time = end of the period.

    In USD-M's position ratio ``longAccount`` is the share of *positions*, whatever its name; COIN-M says
    ``longPosition``.
    """

    timestamp: int
    longAccount: str = ""
    shortAccount: str = ""
    longPosition: str = ""
    shortPosition: str = ""

    @property
    def long(self) -> str:
        return self.longPosition or self.longAccount

    @property
    def short(self) -> str:
        return self.shortPosition or self.shortAccount


class Filter(msgspec.Struct, gc=False):
    """A filter of ``exchangeInfo``."""

    filterType: str
    tickSize: str = ""
    stepSize: str = ""


class SymbolInfo(msgspec.Struct, gc=False):
    """A symbol of ``exchangeInfo``: spot, USD-M or COIN-M (``contractStatus`` instead of ``status``)."""

    symbol: str
    baseAsset: str
    quoteAsset: str
    filters: list[Filter]
    status: str = ""
    contractStatus: str = ""
    contractSize: int = 0
    marginAsset: str = ""
    contractType: str = ""
    deliveryDate: int = 0
    pair: str = ""


class RateLimit(msgspec.Struct, gc=False):
    """A limit of ``exchangeInfo``."""

    rateLimitType: str
    interval: str
    intervalNum: int
    limit: int


class ExchangeInfo(msgspec.Struct, gc=False):
    """REST ``exchangeInfo``."""

    symbols: list[SymbolInfo]
    rateLimits: list[RateLimit] = []


class Ticker24h(msgspec.Struct, gc=False):
    """A row of REST ``ticker/24hr``; COIN-M counts base units (``baseVolume``), options say ``amount``."""

    symbol: str
    quoteVolume: str = ""
    baseVolume: str = ""
    weightedAvgPrice: str = "0"
    amount: str = "0"

    @property
    def value(self) -> float:
        """Traded value in the quote currency."""
        if self.quoteVolume:
            return float(self.quoteVolume)
        return float(self.baseVolume) * float(self.weightedAvgPrice) if self.baseVolume else float(self.amount)


class ListingMessage(msgspec.Struct, gc=False):
    """``!contractInfo`` and ``!optionSymbol``: a contract was listed, settled or changed."""

    symbol: str = msgspec.field(name="s")
    status: str = msgspec.field(name="cs", default="")
