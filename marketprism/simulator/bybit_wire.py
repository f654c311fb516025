"""Followers' events as Bybit says them, and its REST interface. A topic is the same on both markets' addresses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from marketprism.simulator import statistics
from marketprism.simulator.events import Levels
from marketprism.simulator.mirror_rest import Answer, MirrorRest
from marketprism.simulator.mirror_specs import BYBIT, MirrorSpec
from marketprism.simulator.mirrors import Changed, Done, Follower, Liquidated, Mirrored, Said
from marketprism.simulator.sockets import Key

Message = tuple[Key, str]

DEPTH: Final = 200
_FUNDING_MS: Final = 8 * 3_600_000


class BybitWire:
    """Renders everything; the venue of a key is the market's, because topics do not tell it."""

    def __init__(self, followers: Sequence[Follower]):
        self._followers = followers
        self._by_key = {(each.spec.venue, each.spec.symbol): each for each in followers if each.spec.exchange == BYBIT}

    def messages(self, event: Mirrored) -> list[Message]:
        """What is sent for an event."""
        spec = self._followers[event.mirror].spec
        if isinstance(event, Done):
            row = (
                f'{{"i":"5f3c-{event.trade_id}","T":{event.time_ms},"p":"{spec.price_text(event.price)}",'
                f'"v":"{spec.native_text(event.units)}","S":"{"Buy" if event.taker_buys else "Sell"}",'
                f'"s":"{spec.symbol}","BT":false,"seq":{event.trade_id}}}'
            )
            return [_push(spec, f"publicTrade.{spec.symbol}", event.time_ms, f"[{row}]")]
        if isinstance(event, Changed):
            data = _book(spec, event.change_id, event.bids, event.asks)
            return [_push(spec, f"orderbook.{DEPTH}.{spec.symbol}", event.time_ms, data, "delta")]
        if spec.market_type == "spot":
            return []
        if isinstance(event, Liquidated):
            row = (
                f'{{"T":{event.order_ms},"s":"{spec.symbol}","S":"{"Buy" if event.sell else "Sell"}",'
                f'"v":"{spec.native_text(event.units)}","p":"{spec.price_text(event.price)}"}}'
            )
            return [_push(spec, f"allLiquidation.{spec.symbol}", event.time_ms, f"[{row}]")]
        return [_push(spec, f"tickers.{spec.symbol}", event.time_ms, _ticker(spec, event))]

    def opening(self, venue: str, topic: str, time_ms: int) -> str | None:
        """A book begins with a snapshot."""
        kind, _, rest = topic.partition(".")
        follower = self._by_key.get((venue, rest.rpartition(".")[2]))
        if kind != "orderbook" or follower is None:
            return None
        bids, asks = follower.book(DEPTH)
        data = _book(follower.spec, follower.told_id, bids, asks)
        return _push(follower.spec, topic, time_ms, data)[1]


class BybitRest(MirrorRest):
    """Answers from the followers as they stand; ``category`` says which market."""

    exchange = BYBIT
    too_many = '{"retCode":10006,"retMsg":"Too many visits!","result":{}}'

    def add_routes(self, router: web.UrlDispatcher) -> None:
        paths: dict[str, Answer] = {
            "instruments-info": self._instruments,
            "orderbook": self._order_book,
            "funding/history": self._settled,
            "tickers": self._tickers,
        }
        for path, answer in paths.items():
            router.add_get(f"/v5/market/{path}", self.handler(answer))

    def failed(self, reason: str) -> str:
        return json.dumps({"retCode": 10001, "retMsg": f"params error: {reason}", "result": {}})

    def _market(self, request: web.Request) -> list[Follower]:
        venue = f"{BYBIT}.{request.query['category']}"
        return [each for each in self.followers if each.spec.venue == venue]

    def _of(self, request: web.Request) -> Follower:
        for each in self._market(request):
            if each.spec.symbol == request.query["symbol"]:
                return each
        raise KeyError(request.query["symbol"])

    def _instruments(self, request: web.Request) -> str:
        return _result({"list": [_instrument(each.spec) for each in self._market(request)], "nextPageCursor": ""})

    def _order_book(self, request: web.Request) -> str:
        follower = self._of(request)
        bids, asks = follower.book(int(request.query.get("limit", 25)))
        body = json.loads(_book(follower.spec, follower.told_id, bids, asks))
        return _result({**body, "ts": self.now_ms})

    def _settled(self, request: web.Request) -> str:
        symbol = self._of(request).spec.symbol
        newest = min(self.now_ms, int(request.query.get("endTime", self.now_ms))) // _FUNDING_MS
        rows = [
            {
                "symbol": symbol,
                "fundingRate": f"{statistics.settled_rate(self._seed, symbol, number * _FUNDING_MS):.8f}",
                "fundingRateTimestamp": str(number * _FUNDING_MS),
            }
            for number in range(newest, newest - int(request.query.get("limit", 10)), -1)
        ]
        return _result({"list": rows})

    def _tickers(self, request: web.Request) -> str:
        return _result(
            {"list": [{"symbol": x.spec.symbol, "turnover24h": str(len(x.trades))} for x in self._market(request)]}
        )


def _result(value: Any) -> str:
    return json.dumps({"retCode": 0, "retMsg": "OK", "result": value}, separators=(",", ":"))


def _push(spec: MirrorSpec, topic: str, time_ms: int, data: str, kind: str = "snapshot") -> Message:
    text = f'{{"topic":"{topic}","type":"{kind}","ts":{time_ms},"cts":{time_ms},"data":{data}}}'
    return (spec.venue, topic), text


def _book(spec: MirrorSpec, change_id: int, bids: Levels, asks: Levels) -> str:
    sides = [
        ",".join(f'["{spec.price_text(price)}","{spec.native_text(units)}"]' for price, units in side)
        for side in (bids, asks)
    ]
    return f'{{"s":"{spec.symbol}","b":[{sides[0]}],"a":[{sides[1]}],"u":{change_id},"seq":{change_id}}}'


def _ticker(spec: MirrorSpec, said: Said) -> str:
    return (
        f'{{"symbol":"{spec.symbol}","markPrice":"{said.mark:.4f}","indexPrice":"{said.index:.4f}",'
        f'"fundingRate":"{said.funding:.8f}","nextFundingTime":"{said.next_funding_ms}","fundingIntervalHour":"8",'
        f'"openInterest":"{said.open_interest:.3f}","openInterestValue":"{said.open_interest * said.mark:.4f}"}}'
    )


def _instrument(spec: MirrorSpec) -> dict[str, Any]:
    lot = f"{10.0**-spec.decimals:.{spec.decimals}f}"
    return {
        "symbol": spec.symbol,
        "status": "Trading",
        "baseCoin": spec.base,
        "quoteCoin": spec.quote,
        "settleCoin": spec.settle,
        "contractType": "" if spec.market_type == "spot" else "LinearPerpetual",
        "deliveryTime": "0",
        "priceFilter": {"tickSize": f"{10.0**-spec.tick_decimals:.{spec.tick_decimals}f}"},
        "lotSizeFilter": {"basePrecision": lot} if spec.market_type == "spot" else {"qtyStep": lot},
    }
