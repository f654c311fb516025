"""The wire text of OKX as typed structs. Every number is text; unknown keys are ignored.

Field meanings: https://www.okx.com/docs-v5 (public channels, REST). Quantities are contracts except on SPOT and MARGIN.
"""

from __future__ import annotations

import msgspec

Levels = list[tuple[str, ...]]
"""[price, size, a deprecated "0", number of orders]."""


class Arg(msgspec.Struct, gc=False, frozen=True):
    """What was subscribed; a channel has one of the three keys."""

    channel: str = ""
    instId: str = ""
    instFamily: str = ""
    instType: str = ""


class Envelope(msgspec.Struct, gc=False):
    """A push (``data``) or an answer (``event``)."""

    arg: Arg = Arg()
    event: str = ""
    code: str = ""
    msg: str = ""
    action: str = ""
    data: msgspec.Raw = msgspec.Raw()


class TradeMessage(msgspec.Struct, gc=False):
    """``trades`` and ``trades-all``, and a row of REST ``history-trades``. ``tradeId`` is the last of ``count``."""

    instId: str
    tradeId: str
    px: str
    sz: str
    side: str
    ts: str
    count: str = "1"


class BookMessage(msgspec.Struct, gc=False):
    """``books``. Before 2023 there were no ids, only a checksum; since 2026-06 the checksum is 0 or absent."""

    asks: Levels
    bids: Levels
    ts: str
    seqId: int = 0
    prevSeqId: int = 0
    checksum: int = 0


class FundingMessage(msgspec.Struct, gc=False):
    """``funding-rate``: the estimate that will be charged at ``fundingTime``."""

    instId: str
    fundingRate: str
    fundingTime: str
    nextFundingTime: str = ""
    ts: str = ""


class SettledFunding(msgspec.Struct, gc=False):
    """A row of REST ``funding-rate-history``; ``realizedRate`` is what was charged."""

    instId: str
    fundingRate: str
    fundingTime: str
    realizedRate: str = ""


class OpenInterestMessage(msgspec.Struct, gc=False):
    """``open-interest`` and REST: contracts, coins, dollars."""

    instId: str
    oi: str
    oiCcy: str
    ts: str
    oiUsd: str = ""


class LiquidationDetail(msgspec.Struct, gc=False):
    """One forced order; ``bkPx`` is the bankruptcy price, not a fill. Side and price are documented for FUTURES and
    SWAP only: MARGIN and OPTION may leave them empty."""

    ts: str
    side: str = ""
    bkPx: str = ""
    sz: str = ""

    @property
    def whole(self) -> bool:
        """A row needs all three."""
        return bool(self.side and self.bkPx and self.sz)


class LiquidationMessage(msgspec.Struct, gc=False):
    """``liquidation-orders``."""

    instId: str
    details: list[LiquidationDetail]


class OptionSummary(msgspec.Struct, gc=False):
    """``opt-summary``: implied volatilities are fractions."""

    instId: str
    markVol: str
    ts: str


class InstrumentInfo(msgspec.Struct, gc=False):
    """A row of ``instruments``; recordings of 2022 say ``uly`` where there is ``instFamily`` now."""

    instId: str
    instType: str
    state: str
    tickSz: str
    lotSz: str
    baseCcy: str = ""
    quoteCcy: str = ""
    settleCcy: str = ""
    ctVal: str = ""
    ctMult: str = ""
    ctType: str = ""
    instFamily: str = ""
    uly: str = ""
    expTime: str = ""
    stk: str = ""
    optType: str = ""


class Bands(msgspec.Struct, gc=False):
    """A row of ``instrument-tick-bands``, of which only the family is of use."""

    instFamily: str


class TickerInfo(msgspec.Struct, gc=False):
    """A row of REST ``tickers``: 24 h volume in the quote currency (SPOT) or in coins, and the last price."""

    instId: str
    last: str = ""
    volCcy24h: str = ""


class Answer(msgspec.Struct, gc=False):
    """Every REST answer; ``code`` other than "0" is an error also at HTTP 200."""

    code: str
    data: msgspec.Raw = msgspec.Raw()
    msg: str = ""
