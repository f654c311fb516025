"""Binance's European options: messages of the followers of the perpetual, and their REST interface.

Streams of trades and marks are of the underlying, books are of a contract. Premiums are in the quote currency.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from marketprism.simulator.events import Levels
from marketprism.simulator.mirror_rest import Answer, MirrorRest
from marketprism.simulator.mirror_specs import BINANCE, BINANCE_OPTION, MirrorSpec
from marketprism.simulator.mirrors import Changed, Done, Follower, Liquidated, Mirrored, Said
from marketprism.simulator.sockets import Key

Message = tuple[Key, str]

_PUBLIC: Final = ("optionTrade", "depth")
_PAGE: Final = 500
"""``trades`` answers no older ones, and cannot be asked for them."""


def carries(route: str, stream: str) -> bool:
    """Trades and books on the public address, everything else on the market one."""
    return (stream.partition("@")[2].partition("@")[0] in _PUBLIC) == (route == "public")


def streams_of(spec: MirrorSpec) -> tuple[str, str]:
    """(book, trades): without a subscriber of both a contract is not followed."""
    return f"{spec.symbol.lower()}@depth@100ms", f"{_underlying(spec).lower()}@optionTrade"


class BinanceOptionWire:
    """Renders everything; a stream has no first message of its own."""

    def __init__(self, followers: Sequence[Follower]):
        self._followers = followers

    def messages(self, event: Mirrored) -> list[Message]:
        """What is sent for an event."""
        spec = self._followers[event.mirror].spec
        book, trades = streams_of(spec)
        if isinstance(event, Done):
            side, maker = ("BUY", "false") if event.taker_buys else ("SELL", "true")
            data = (
                f'{{"e":"trade","E":{event.time_ms + 1},"T":{event.time_ms},"s":"{spec.symbol}","t":{event.trade_id},'
                f'"p":"{spec.price_text(event.price)}","q":"{spec.native_text(event.units)}","X":"MARKET","S":"{side}",'
                f'"m":{maker}}}'
            )
            return [_push(trades, data), _push(f"{spec.symbol.lower()}@optionTrade", data)]
        if isinstance(event, Changed):
            data = (
                f'{{"e":"depthUpdate","E":{event.time_ms},"T":{event.time_ms},"s":"{spec.symbol}",'
                f'"U":{event.previous_id + 1},"u":{event.change_id},"pu":{event.previous_id},'
                f"{_sides(spec, 'b', 'a', event.bids, event.asks)}}}"
            )
            return [_push(book, data)]
        return [] if isinstance(event, Liquidated) else self._said(spec, event)

    def opening(self, stream: str, time_ms: int) -> str | None:
        """None: books begin with REST."""
        return None

    @staticmethod
    def _said(spec: MirrorSpec, event: Said) -> list[Message]:
        underlying = _underlying(spec).lower()
        mark = (
            f'[{{"e":"markPrice","E":{event.time_ms},"s":"{spec.symbol}","mp":"{event.mark:.4f}",'
            f'"i":"{event.index:.4f}","vo":"{event.volatility / 100:.4f}"}}]'
        )
        interest = (
            f'[{{"e":"openInterest","E":{event.time_ms},"s":"{spec.symbol}","o":"{event.open_interest:.2f}",'
            f'"h":"{event.open_interest * event.index:.4f}"}}]'
        )
        return [
            _push(f"{underlying}@optionMarkPrice", mark),
            _push(f"{underlying}@openInterest@{_day(spec)}", interest),
        ]


class BinanceOptionRest(MirrorRest):
    """Answers from the followers as they stand."""

    exchange = BINANCE
    too_many = '{"code":-1003,"msg":"Too many requests."}'

    def add_routes(self, router: web.UrlDispatcher) -> None:
        paths: dict[str, Answer] = {
            "exchangeInfo": self._instruments,
            "depth": self._book,
            "trades": self._trades,
            "openInterest": self._interest,
            "ticker": self._tickers,
        }
        for path, answer in paths.items():
            router.add_get(f"/eapi/v1/{path}", self.handler(answer))

    def failed(self, reason: str) -> str:
        return json.dumps({"code": -1102, "msg": f"A mandatory parameter was malformed: {reason}"})

    def _instruments(self, _: web.Request) -> str:
        specs = [each.spec for each in self.followers]
        underlyings = {_underlying(spec): spec for spec in specs}
        contracts = [
            {"underlying": name, "baseAsset": spec.base, "quoteAsset": spec.quote, "settleAsset": spec.settle}
            for name, spec in underlyings.items()
        ]
        return json.dumps(
            {"optionContracts": contracts, "optionSymbols": [_instrument(spec) for spec in specs], "rateLimits": []}
        )

    def _book(self, request: web.Request) -> str:
        follower = self.follower(request.query["symbol"])
        bids, asks = follower.book(int(request.query.get("limit", 100)))
        sides = _sides(follower.spec, "bids", "asks", bids, asks)
        return f'{{"lastUpdateId":{follower.told_id},"T":{self.now_ms},{sides}}}'

    def _trades(self, request: web.Request) -> str:
        follower = self.follower(request.query["symbol"])
        spec, count = follower.spec, min(int(request.query.get("limit", 100)), _PAGE)
        first = max(follower.trades.first_id, follower.next_trade_id - count)
        rows = [
            {
                "tradeId": row["id"],
                "price": spec.price_text(row["price"]),
                "qty": spec.native_text(row["lots"]),
                "time": row["time_ms"],
                "side": 1 if row["buys"] else -1,
            }
            for row in follower.trades.page(first, count)
            if row["lots"]  # an id that was never given out
        ]
        return json.dumps(rows)

    def _interest(self, request: web.Request) -> str:
        asked = (request.query["underlyingAsset"], request.query["expiration"])
        return json.dumps(
            [
                {
                    "symbol": each.spec.symbol,
                    "sumOpenInterest": f"{each.said.open_interest:.2f}",
                    "sumOpenInterestUsd": f"{each.said.open_interest * each.said.index:.4f}",
                    "timestamp": str(each.said.time_ms),
                }
                for each in self.followers
                if each.said is not None and (each.spec.base, _day(each.spec)) == asked
            ]
        )

    def _tickers(self, _: web.Request) -> str:
        return json.dumps([{"symbol": each.spec.symbol, "amount": f"{len(each.trades)}.0"} for each in self.followers])


def _underlying(spec: MirrorSpec) -> str:
    return f"{spec.base}{spec.quote}"


def _day(spec: MirrorSpec) -> str:
    return datetime.fromtimestamp(spec.expiry_ms / 1000, UTC).strftime("%y%m%d")


def _instrument(spec: MirrorSpec) -> dict[str, Any]:
    return {
        "symbol": spec.symbol,
        "side": "CALL" if spec.call else "PUT",
        "strikePrice": f"{spec.strike}.000",
        "underlying": _underlying(spec),
        "unit": 1,
        "expiryDate": spec.expiry_ms,
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": spec.price_text(1)},
            {"filterType": "LOT_SIZE", "stepSize": spec.native_text(1)},
        ],
        "quoteAsset": spec.quote,
        "status": "TRADING",
    }


def _sides(spec: MirrorSpec, bids_key: str, asks_key: str, bids: Levels, asks: Levels) -> str:
    def levels(side: Levels) -> str:
        return ",".join(f'["{spec.price_text(price)}","{spec.native_text(units)}"]' for price, units in side)

    return f'"{bids_key}":[{levels(bids)}],"{asks_key}":[{levels(asks)}]'


def _push(stream: str, data: str) -> Message:
    return (BINANCE_OPTION, stream), f'{{"stream":"{stream}","data":{data}}}'
