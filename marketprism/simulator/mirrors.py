"""The model's market as other exchanges trade it: the same trades a little later, in their units, with their own ids.

No sockets and no wire format. ``Mirrors.take`` turns a step's events into those of the followers that are due;
a follower's ``book`` is the one that its subscribers have been told, change by change, and ``told_id`` is its id.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from random import Random
from typing import Final

import msgspec

from marketprism.simulator import statistics
from marketprism.simulator.events import DepthChange, Event, Fill, ForcedOrder, Levels, Mark
from marketprism.simulator.market import Market
from marketprism.simulator.mirror_specs import BINANCE, BYBIT, LAG_MS, MirrorSpec
from marketprism.simulator.trade_log import Rows

_YEAR_MS: Final = 365.25 * 86_400_000
_OPTION_LEVELS: Final = 4
_OPTION_TRADE_CHANCE: Final = 0.2
"""Of an option in a second."""


class Done(msgspec.Struct, gc=False):
    """One trade at a follower. ``forced``: its taker was liquidated."""

    mirror: int
    time_ms: int
    trade_id: int
    price: int
    units: int
    taker_buys: bool
    forced: bool = False


class Changed(msgspec.Struct, gc=False):
    """Levels that changed, in units; 0 deletes."""

    mirror: int
    time_ms: int
    previous_id: int
    change_id: int
    bids: Levels
    asks: Levels


class Said(msgspec.Struct, gc=False):
    """Once a second: mark, index, funding and open interest of a perpetual, or mark and volatility of an option.

    ``volatility``: percent, 0 where there is none."""

    mirror: int
    time_ms: int
    mark: float
    index: float
    funding: float
    next_funding_ms: int
    open_interest: float
    volatility: float = 0.0


class Liquidated(msgspec.Struct, gc=False):
    """A forced order, as venues tell that sample them."""

    mirror: int
    time_ms: int
    order_ms: int
    sell: bool
    price: int
    units: int


Mirrored = Done | Changed | Said | Liquidated


class Follower:
    """One instrument at another exchange."""

    def __init__(self, number: int, spec: MirrorSpec, first_id: int):
        self.number = number
        self.spec = spec
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.change_id = first_id
        self.told_id = first_id
        """Of the newest change in ``bids`` and ``asks``; ``change_id`` may be of one that is due but not yet sent."""
        self.next_trade_id = first_id
        self.trades = Rows(first_id, "time_ms", "price", "lots", "buys", "forced")
        self.said: Said | None = None
        self.quoted: tuple[dict[int, int], dict[int, int]] = ({}, {})
        """An option's quotes, told or on their way."""

    def skip_ids(self, updates: int, trades: int) -> None:
        """As a venue does that loses messages: the next change does not follow on the last, ids are never given."""
        self.change_id += updates
        self.told_id = self.change_id
        for _ in range(trades):
            self.trades.append(0, 0, 0, 0, 0)
            self.next_trade_id += 1

    def apply(self, change: Changed) -> None:
        for side, levels in ((self.bids, change.bids), (self.asks, change.asks)):
            for price, units in levels:
                if units:
                    side[price] = units
                else:
                    side.pop(price, None)
        self.told_id = change.change_id

    def book(self, limit: int) -> tuple[Levels, Levels]:
        """(bids, asks), best first."""
        return (
            [(price, self.bids[price]) for price in sorted(self.bids, reverse=True)[:limit]],
            [(price, self.asks[price]) for price in sorted(self.asks)[:limit]],
        )

    def change(self, time_ms: int, bids: Levels, asks: Levels) -> Changed:
        previous = self.change_id
        self.change_id += 1 if self.spec.exchange == BYBIT else 1 + (time_ms + len(bids)) % 5
        return Changed(self.number, time_ms, previous, self.change_id, bids, asks)

    def done(self, time_ms: int, price: int, units: int, buys: bool, forced: bool) -> Done:
        trade = Done(self.number, time_ms, self.next_trade_id, price, units, buys, forced)
        self.next_trade_id += 1
        self.trades.append(time_ms, price, units, buys, forced)
        return trade


class Mirrors:
    """All followers. Ids are given when an event is due, so that they rise with its time."""

    def __init__(self, market: Market, specs: Sequence[MirrorSpec], *, seed: int, first_id: int):
        self.followers = tuple(Follower(number, spec, first_id) for number, spec in enumerate(specs))
        self._market = market
        self._seed = seed
        self._random = Random(f"mirrors/{seed}")
        self._waiting: list[tuple[int, int, Follower, Event]] = []
        self._counter = 0
        self._by_source: dict[int, list[Follower]] = {}
        for follower in self.followers:
            self._by_source.setdefault(follower.spec.source, []).append(follower)
            if not follower.spec.is_option:
                self._copy(follower)

    def _copy(self, follower: Follower) -> None:
        """Begin with the model's book as it stands; changes that are on their way say what it has already."""
        book, spec = self._market.books[follower.spec.source].book, follower.spec
        for side, levels in ((follower.bids, book.bids), (follower.asks, book.asks)):
            for price, lots in levels:
                side[price] = spec.units(lots, price)

    def take(self, events: Sequence[Event], now_ms: int) -> list[Mirrored]:
        """The followers' events that are due by ``now_ms``, in time order; ``events`` are the model's newest."""
        for event in events:
            for follower in self._by_source.get(event.book, ()):
                self._counter += 1
                due = event.time_ms + LAG_MS[follower.spec.exchange]
                heapq.heappush(self._waiting, (due, self._counter, follower, event))
        out: list[Mirrored] = []
        while self._waiting and self._waiting[0][0] <= now_ms:
            due, _, follower, event = heapq.heappop(self._waiting)
            out += self._mirrored(follower, event, due)
        return out

    def _mirrored(self, follower: Follower, event: Event, due: int) -> list[Mirrored]:
        spec = follower.spec
        if spec.is_option:
            return self._option(follower, event, due) if isinstance(event, Mark) else []
        if isinstance(event, Fill):
            if event.kind != "MARKET":
                return []
            units = spec.units(event.lots, event.price)
            return [follower.done(due, event.price, units, not event.buyer_is_maker, event.forced)]
        if isinstance(event, DepthChange):
            bids, asks = (
                [(price, spec.units(lots, price)) for price, lots in side] for side in (event.bids, event.asks)
            )
            return [follower.change(due, bids, asks)]
        if isinstance(event, ForcedOrder):
            units = spec.units(event.lots, event.average_price)
            return [Liquidated(follower.number, due, event.order_ms, event.sell, event.average_price, units)]
        return [self._said(follower, event, due)] if isinstance(event, Mark) else []

    def _said(self, follower: Follower, mark: Mark, due: int) -> Said:
        spec = follower.spec
        interest = statistics.open_interest(self._seed, spec.symbol, self._market.books[spec.source].spec.price, due)
        said = Said(follower.number, due, mark.mark, mark.index, mark.funding_rate, mark.next_funding_ms, interest)
        follower.said = said
        return said

    # ------------------------------------------------------------------ options

    def _option(self, follower: Follower, mark: Mark, due: int) -> list[Mirrored]:
        """Quotes around the theoretical price (in coins, or as Binance has it), now and then a trade at the touch."""
        spec, random = follower.spec, self._random
        volatility = implied_volatility(self._seed, spec.base, due)
        price = option_price(mark.mark, spec, volatility, due)
        if spec.exchange == BINANCE:
            price *= mark.mark
        tick = 10**-spec.tick_decimals
        middle = max(1, round(price / tick))
        out: list[Mirrored] = []
        best = max(follower.quoted[0], default=0), min(follower.quoted[1], default=0)
        if all(best) and random.random() < _OPTION_TRADE_CHANCE:
            buys = random.random() < 0.5
            out.append(follower.done(due, best[1] if buys else best[0], 1 + int(random.random() * 30), buys, False))
        wanted = _option_quotes(max(middle, 2), random)
        changes = [
            [(at, side.get(at, 0)) for at in sorted({*side, *had}) if side.get(at, 0) != had.get(at, 0)]
            for side, had in zip(wanted, follower.quoted, strict=True)
        ]
        follower.quoted = wanted
        if any(changes):
            out.append(follower.change(due, *changes))
        said = Said(follower.number, due, price, mark.index, 0.0, 0, 100.0 + spec.strike % 97, volatility)
        follower.said = said
        out.append(said)
        return out


def _option_quotes(middle: int, random: Random) -> tuple[dict[int, int], dict[int, int]]:
    bids = {middle - 1 - rank: 10 + int(random.random() * 90) for rank in range(min(_OPTION_LEVELS, middle - 1))}
    asks = {middle + 1 + rank: 10 + int(random.random() * 90) for rank in range(_OPTION_LEVELS)}
    return bids, asks


def implied_volatility(seed: int, base: str, time_ms: int) -> float:
    """Annualised percent; also the DVOL of a coin."""
    return round(35 + 40 * statistics.long_share(seed, base, "volatility", time_ms), 2)


def option_price(forward: float, spec: MirrorSpec, volatility: float, time_ms: int) -> float:
    """Black (1976) with no rates, in coins."""
    years = max(spec.expiry_ms - time_ms, 1) / _YEAR_MS
    deviation = volatility / 100 * math.sqrt(years)
    d1 = math.log(forward / spec.strike) / deviation + deviation / 2
    up, down = _normal(d1), _normal(d1 - deviation)
    call = forward * up - spec.strike * down
    return (call if spec.call else call - forward + spec.strike) / forward


def _normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))
