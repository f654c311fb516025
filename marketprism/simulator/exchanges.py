"""The exchanges that follow the model: their sockets, REST and ledger rows, behind one object for the server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from aiohttp import web

from marketprism.simulator import binance_option, okx_wire
from marketprism.simulator.binance_option import BinanceOptionRest, BinanceOptionWire
from marketprism.simulator.bybit_wire import DEPTH, BybitRest, BybitWire
from marketprism.simulator.deribit_rest import DeribitRest
from marketprism.simulator.deribit_wire import INTERVAL, DeribitWire
from marketprism.simulator.dialects import BybitDialect, DeribitDialect, OkxDialect, ServerDialect
from marketprism.simulator.events import Event
from marketprism.simulator.market import Market
from marketprism.simulator.mirror_rest import MirrorRest
from marketprism.simulator.mirror_specs import (
    BINANCE,
    BINANCE_OPTION,
    BYBIT,
    BYBIT_VENUES,
    DERIBIT,
    FOLLOWING,
    OKX,
    mirror_specs,
)
from marketprism.simulator.mirrors import Changed, Done, Follower, Mirrored, Mirrors
from marketprism.simulator.okx_rest import OkxRest
from marketprism.simulator.okx_wire import OkxWire
from marketprism.simulator.sockets import Key, StreamHub
from marketprism.simulator.trade_log import TradeLog

Message = tuple[Key, str]

ROUTES: Final = (
    (OKX, "public", "/okx/ws/v5/public"),
    (OKX, "business", "/okx/ws/v5/business"),
    (DERIBIT, "public", "/deribit/ws/api/v2"),
    (BINANCE_OPTION, "public", "/option/public/stream"),
    (BINANCE_OPTION, "market", "/option/market/stream"),
    *((venue, "public", f"/bybit/v5/public/{venue.partition('.')[2]}") for venue in BYBIT_VENUES),
)


def others_of(venues: Sequence[str]) -> tuple[str, ...]:
    """Those that follow the model."""
    return tuple(venue for venue in venues if venue in FOLLOWING)


def carries(venue: str, route: str, stream: str) -> bool:
    """Whether a route has a stream's data."""
    if venue == BINANCE_OPTION:
        return binance_option.carries(route, stream)
    return venue != OKX or okx_wire.carries(route, stream)


class OtherExchanges:
    """Everything of the venues that follow the model. ``venues``: of ``FOLLOWING``; none is fine."""

    def __init__(
        self,
        market: Market,
        log: TradeLog,
        venues: Sequence[str],
        *,
        seed: int,
        first_id: int,
        now_us: Callable[[], int],
        refuses: Callable[[], bool],
    ):
        specs = mirror_specs([book.spec for book in market.books], venues, market.time_ms)
        self.venues = tuple(venues)
        self._mirrors = Mirrors(market, specs, seed=seed, first_id=first_id)
        self._log = log
        self._now_us = now_us
        followers = self._mirrors.followers
        self._bybit = BybitWire(followers)
        self._wires: dict[str, OkxWire | DeribitWire | BinanceOptionWire] = {
            OKX: OkxWire(followers),
            DERIBIT: DeribitWire(followers, seed),
            BINANCE: BinanceOptionWire(followers),
        }
        self._rests: list[MirrorRest] = [
            OkxRest(followers, seed, now_us, refuses),
            DeribitRest(followers, seed, now_us, refuses),
            BybitRest(followers, seed, now_us, refuses),
            BinanceOptionRest(followers, seed, now_us, refuses),
        ]

    @property
    def followers(self) -> tuple[Follower, ...]:
        """Every instrument, in the order of the events' ``mirror``."""
        return self._mirrors.followers

    @property
    def symbols(self) -> list[str]:
        """As a collector's setting names them: ``okx.linear:BTC-USDT-SWAP``."""
        return [f"{each.spec.venue}:{each.spec.symbol}" for each in self._mirrors.followers]

    def add_routes(self, router: web.UrlDispatcher, hub: StreamHub) -> None:
        if not self.venues:
            return
        dialects: dict[str, ServerDialect] = {OKX: OkxDialect(), DERIBIT: DeribitDialect(), BYBIT: BybitDialect()}
        for venue, route, path in ROUTES:
            router.add_get(path, hub.handler(venue, route, dialect=dialects.get(venue.partition(".")[0])))
        for rest in self._rests:
            rest.add_routes(router)

    def take(self, events: Sequence[Event], now_ms: int) -> list[Mirrored]:
        """What the followers do by ``now_ms``; their trades are in the ledger from now on."""
        due = self._mirrors.take(events, now_ms) if self.venues else []
        for event in due:
            if isinstance(event, Done):
                spec = self._mirrors.followers[event.mirror].spec
                self._log.note(
                    spec.venue, spec.symbol, event.trade_id, spec.price_text(event.price),
                    spec.native_text(event.units), "buy" if event.taker_buys else "sell", event.time_ms,
                )  # fmt: skip
        return due

    def messages(self, event: Mirrored) -> list[Message]:
        """What is sent for an event, which is what new subscribers are told of from now on."""
        follower = self._mirrors.followers[event.mirror]
        wire = self._bybit if follower.spec.exchange == BYBIT else self._wires[follower.spec.exchange]
        messages = wire.messages(event)
        if isinstance(event, Changed):
            follower.apply(event)
        return messages

    def opening(self, key: Key) -> str | None:
        """The first message of a stream."""
        if key[0] in BYBIT_VENUES:
            return self._bybit.opening(*key, self._now_us() // 1000)
        wire = self._wires.get(key[0])
        return None if wire is None else wire.opening(key[1], self._now_us() // 1000)

    def wanted(self, subscribed: Callable[[Key], bool]) -> bool:
        """Every book and every trade has a subscriber."""
        for each in self._mirrors.followers:
            exchange, symbol = each.spec.exchange, each.spec.symbol
            if exchange == BYBIT:
                exchange = each.spec.venue
                books, trades = f"orderbook.{DEPTH}.{symbol}", [f"publicTrade.{symbol}"]
            elif exchange == BINANCE:
                exchange = each.spec.venue
                books, *trades = binance_option.streams_of(each.spec)
            elif exchange == OKX:
                books, trades = f"books:{symbol}", [f"trades-all:{symbol}", f"trades:{symbol}"]
            else:
                books, trades = f"book.{symbol}.{INTERVAL}", [f"trades.{symbol}.{INTERVAL}"]
            if not subscribed((exchange, books)) or not any(subscribed((exchange, name)) for name in trades):
                return False
        return True

    def skip_ids(self, strikes: Callable[[], bool]) -> None:
        """A fault: updates of a book are lost at the exchange."""
        for follower in self._mirrors.followers:
            if strikes():
                follower.skip_ids(17, 3)
