"""Model events as Binance says them on its WebSockets: stream names and message texts of spot, USD-M and COIN-M."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from marketprism.simulator.environment import BINANCE_FUTURES, INVERSE, SPOT
from marketprism.simulator.events import Aggregate, DepthChange, Event, Fill, ForcedOrder, Levels, Mark
from marketprism.simulator.sockets import Key
from marketprism.simulator.specs import BookSpec

Message = tuple[Key, str]
"""((venue, stream), text in combined form)"""

DEPTH_CHANNELS: Final = ("depth@100ms", "depth@0ms", "depth", "depth@250ms", "depth@500ms")
"""All speeds carry the model's own cadence."""
ALL_FORCED_ORDERS: Final = "!forceOrder@arr"
ALL_MARKS: Final = ("!markPrice@arr@1s", "!markPrice@arr")
PUBLIC_CHANNELS: Final = ("depth", "bookTicker", "trade", "rpiDepth")
"""Futures serve these on their public route, and everything else on their market route."""
LISTINGS: Final = "!contractInfo"


def carries(venue: str, route: str, stream: str) -> bool:
    """Whether a route has a stream's data; an unrouted futures address acknowledges market streams and is silent."""
    if venue == SPOT:
        return True
    public = stream.partition("@")[2].partition("@")[0] in PUBLIC_CHANNELS
    return public if route in ("public", "unrouted") else not public


class BinanceWire:
    """Renders events; only for streams that somebody wants."""

    def __init__(self, specs: tuple[BookSpec, ...], wanted: Callable[[Key], bool]):
        self._specs = specs
        self._wanted = wanted
        self._names = [spec.symbol.lower() for spec in specs]
        self._depth_keys = [
            [(spec.venue, f"{spec.symbol.lower()}@{channel}") for channel in DEPTH_CHANNELS] for spec in specs
        ]
        self._trade_keys = [(spec.venue, f"{spec.symbol.lower()}@trade") for spec in specs]
        self._aggregate_keys = [(spec.venue, f"{spec.symbol.lower()}@aggTrade") for spec in specs]

    def messages(self, event: Event) -> list[Message]:
        """What the exchange sends for an event; empty when nobody listens."""
        if isinstance(event, Fill):
            key = self._trade_keys[event.book]
            return [_combined(key, self._trade(event))] if self._wanted(key) else []
        if isinstance(event, Aggregate):
            key = self._aggregate_keys[event.book]
            return [_combined(key, self._aggregate(event))] if self._wanted(key) else []
        if isinstance(event, DepthChange):
            keys = [key for key in self._depth_keys[event.book] if self._wanted(key)]
            return [_combined(key, text) for text in (self._depth(event),) for key in keys] if keys else []
        if isinstance(event, Mark):
            return self._marks(event)
        return self._forced(event)

    def _trade(self, fill: Fill) -> str:
        spec = self._specs[fill.book]
        price, quantity = spec.wire_price(fill.price), spec.wire_quantity(fill.lots)
        maker = "true" if fill.buyer_is_maker else "false"
        if spec.venue == SPOT:
            return (
                f'{{"e":"trade","E":{fill.time_ms + 1},"s":"{spec.symbol}","t":{fill.trade_id},"p":"{price}",'
                f'"q":"{quantity}","T":{fill.time_ms},"m":{maker},"M":true}}'
            )
        return (
            f'{{"e":"trade","E":{fill.time_ms + 1},"T":{fill.time_ms},"s":"{spec.symbol}","t":{fill.trade_id},'
            f'"p":"{price}","q":"{quantity}","X":"{fill.kind}","m":{maker}}}'
        )

    def _aggregate(self, event: Aggregate) -> str:
        spec = self._specs[event.book]
        price, quantity = spec.wire_price(event.price), spec.wire_quantity(event.lots)
        maker = "true" if event.buyer_is_maker else "false"
        extra, end = ("", ',"M":true') if spec.venue == SPOT else (f'"nq":"{quantity}",', f',"st":{_st(spec)}')
        return (
            f'{{"e":"aggTrade","E":{event.time_ms + 1},"s":"{spec.symbol}","a":{event.aggregate_id},"p":"{price}",'
            f'"q":"{quantity}",{extra}"f":{event.first_trade_id},"l":{event.last_trade_id},"T":{event.time_ms},'
            f'"m":{maker}{end}}}'
        )

    def _depth(self, event: DepthChange) -> str:
        spec = self._specs[event.book]
        ids = f'"U":{event.first_id},"u":{event.last_id}'
        head = f'{{"e":"depthUpdate","E":{event.time_ms},"s":"{spec.symbol}",{ids}'
        if spec.venue != SPOT:
            head = (
                f'{{"e":"depthUpdate","E":{event.time_ms},"T":{event.change_ms},"s":"{spec.symbol}",'
                f'"ps":"{_pair(spec)}","st":{_st(spec)},{ids},"pu":{event.previous_id}'
            )
        return f'{head},"b":{levels_text(spec, event.bids)},"a":{levels_text(spec, event.asks)}}}'

    def _marks(self, event: Mark) -> list[Message]:
        spec, name = self._specs[event.book], self._names[event.book]
        text = (
            f'{{"e":"markPriceUpdate","E":{event.time_ms},"s":"{spec.symbol}","p":"{event.mark:.8f}",'
            f'"ap":"{event.mark:.8f}","i":"{event.index:.8f}","P":"{event.index:.8f}",'
            f'"r":"{event.funding_rate:.8f}","T":{event.next_funding_ms},"st":{_st(spec)}}}'
        )
        single = [(spec.venue, f"{name}@{channel}") for channel in ("markPrice@1s", "markPrice")]
        every = [(spec.venue, stream) for stream in ALL_MARKS]
        return [_combined(key, text) for key in single if self._wanted(key)] + [
            _combined(key, f"[{text}]") for key in every if self._wanted(key)
        ]

    def _forced(self, event: ForcedOrder) -> list[Message]:
        spec, name = self._specs[event.book], self._names[event.book]
        quantity = spec.quantity_text(event.lots)
        text = (
            f'{{"e":"forceOrder","E":{event.time_ms},"o":{{"s":"{spec.symbol}","S":"{"SELL" if event.sell else "BUY"}",'
            f'"o":"LIMIT","f":"IOC","q":"{quantity}","p":"{spec.price_text(event.limit_price)}",'
            f'"ap":"{spec.price_text(event.average_price)}","X":"FILLED","l":"{quantity}","z":"{quantity}",'
            f'"T":{event.order_ms},"ps":"{_pair(spec)}","st":{_st(spec)}}}}}'
        )
        # the market-wide stream carries USD-M and COIN-M on both hosts
        keys = [(spec.venue, f"{name}@forceOrder"), *((venue, ALL_FORCED_ORDERS) for venue in BINANCE_FUTURES)]
        return [_combined(key, text) for key in keys if self._wanted(key)]


def _st(spec: BookSpec) -> int:
    return 2 if spec.venue == INVERSE else 1


def _pair(spec: BookSpec) -> str:
    return spec.symbol.partition("_")[0]


def listing_message(spec: BookSpec, time_ms: int, status: str) -> Message:
    """``!contractInfo``: a contract was listed, or changed."""
    text = (
        f'{{"e":"contractInfo","E":{time_ms},"s":"{spec.symbol}","ps":"{_pair(spec)}","ct":"PERPETUAL",'
        f'"dt":4133404800000,"ot":{time_ms},"cs":"{status}","st":{_st(spec)}}}'
    )
    return _combined((spec.venue, LISTINGS), text)


def levels_text(spec: BookSpec, levels: Levels) -> str:
    """A JSON array of [price, quantity] texts."""
    price, quantity = spec.wire_price, spec.wire_quantity
    return "[" + ",".join([f'["{price(p)}","{quantity(q)}"]' for p, q in levels]) + "]"


def _combined(key: Key, data: str) -> Message:
    return key, f'{{"stream":"{key[1]}","data":{data}}}'
