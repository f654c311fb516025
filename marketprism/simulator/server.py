"""The simulated exchange as a server: history at full speed through the clients, then real time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web

from marketprism.errors import ReplayError
from marketprism.simulator import continuation
from marketprism.simulator.binance_rest import BinanceRest
from marketprism.simulator.binance_wire import DEPTH_CHANNELS, BinanceWire, carries, listing_message
from marketprism.simulator.environment import INVERSE, LINEAR, SPOT, collector_environment
from marketprism.simulator.events import Aggregate, Event, Fill
from marketprism.simulator.exchanges import OtherExchanges, others_of
from marketprism.simulator.exchanges import carries as others_carry
from marketprism.simulator.faults import Faults
from marketprism.simulator.market import Market
from marketprism.simulator.mirror_specs import BINANCE_OPTION, BYBIT_VENUES, DERIBIT, LAG_MS, OKX
from marketprism.simulator.mirrors import Follower, Mirrored
from marketprism.simulator.sockets import Key, StreamHub
from marketprism.simulator.specs import default_specs
from marketprism.simulator.trade_log import TradeLog
from marketprism.simulator.venue_book import FirstIds, VenueBook

log = logging.getLogger(__name__)

LATENCY_US: Final = 6_000
"""From the exchange's event time to the stamped receive time; jitter of up to half of it comes on top."""
ROUTES: Final = (
    (SPOT, "spot", "/spot"),
    (LINEAR, "public", "/linear/public"),
    (LINEAR, "market", "/linear/market"),
    (LINEAR, "unrouted", "/linear"),
    (INVERSE, "public", "/inverse/public"),
    (INVERSE, "market", "/inverse/market"),
    (INVERSE, "unrouted", "/inverse"),
)
_PATIENCE: Final = 6
"""Times ``settle_s``: how long a collector may take between connecting to one venue and to the next."""
_SAVE_LIVE_MS: Final = 1_000
_SAVE_HISTORY_MS: Final = 60_000
OTHERS: Final = (OKX, DERIBIT, *BYBIT_VENUES, BINANCE_OPTION)
_YIELD_EVERY: Final = 64  # frames; sends to a fast client never suspend, and requests must be answered in between


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def carries_of(venue: str) -> Callable[[str, str, str], bool]:
    """The rule of a venue's exchange."""
    return others_carry if venue in OTHERS else carries


def _time_of(event: Event | Mirrored) -> int:
    return event.time_ms


@dataclass(slots=True)
class SimulatorOptions:
    """``clock_ms`` (ms since the epoch) is what history runs up to and what real time follows."""

    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 1
    symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")
    venues: tuple[str, ...] = (SPOT, LINEAR)
    unlisted: tuple[str, ...] = ()
    """Further symbols that trade only once the fault ``list_symbol`` has listed them."""
    history_hours: float = 2.0
    history_step_ms: int = 1000
    """Depth messages come at this cadence until history is done."""
    live_step_ms: int = 100
    settle_s: float = 0.5
    """History starts when subscriptions have been complete for this long, or incomplete and unchanged for longer."""
    ledger: Path | None = None
    state: Path | None = None
    """Go on where the run that wrote this file ended, and keep it up to date."""
    faults: Faults | None = None
    clock_ms: Callable[[], int] = wall_ms
    slow_client_s: float = 10.0
    """A client that holds real time back this long is cut off, as an exchange does."""
    end_ms: int | None = None
    """Stop the market at this time (tests); None = go on."""
    extra: dict[str, str] = field(default_factory=dict)
    """Further collector settings, without prefix, for ``environment``."""


class Simulator:
    """Listens from ``start`` on; the market begins to move when somebody has subscribed."""

    def __init__(self, options: SimulatorOptions | None = None):
        self.options = options = options or SimulatorOptions()
        others = others_of(options.venues)
        # what follows needs what it follows, also where nobody asked for that
        modelled = tuple(venue for venue in options.venues if venue not in others)
        if others:
            modelled = tuple(dict.fromkeys((*modelled, SPOT, LINEAR)))
        self.specs = default_specs((*options.symbols, *options.unlisted), modelled)
        now_ms = options.clock_ms()
        before = continuation.load(options.state) if options.state else None
        start_ms = (now_ms - int(options.history_hours * 3_600_000)) // 1000 * 1000
        if before is not None:
            start_ms = max(start_ms, before.time_ms)
        # Without a file: ids that rise with the wall clock, so that a later run never gives one out again.
        ids = FirstIds(trade=now_ms * 100, aggregate=now_ms * 100, update=now_ms * 1000)
        self.market = Market(
            self.specs,
            seed=options.seed,
            start_ms=start_ms,
            first_ids={(spec.venue, spec.symbol): ids for spec in self.specs} | (before.first_ids if before else {}),
            prices=before.prices if before else None,
        )
        self.trades = TradeLog(
            self.specs, [(book.next_trade_id, book.next_aggregate_id) for book in self.market.books], options.ledger
        )
        if before is not None:
            for book in self.market.books:
                rows = before.books.get((book.spec.venue, book.spec.symbol))
                if rows is not None:
                    self.trades.fills[book.index].restore(rows.fills)
                    self.trades.aggregates[book.index].restore(rows.aggregates)
        for book in self.market.books[len(options.symbols) * len(modelled) :]:
            book.listed = False
        self.faults = options.faults
        self.sent: Counter[Key] = Counter()
        self.position_us = start_ms * 1000
        self.url = ""
        self.hub = StreamHub(
            lambda: self.position_us,
            carries=lambda venue, route, stream: carries_of(venue)(venue, route, stream),
            faults=self.faults,
            opening=lambda key: self._others.opening(key),
        )
        self._wire = BinanceWire(self.specs, self.hub.subscribed)
        self._rest = BinanceRest(self.market, self.trades, options.seed, lambda: self.position_us)
        self._rest.refuses = lambda: self.faults is not None and self.faults.strikes("too_many_requests")
        self._others = OtherExchanges(
            self.market,
            self.trades,
            others,
            seed=options.seed,
            first_id=now_ms * 100,
            now_us=lambda: self.position_us,
            refuses=self._rest.refuses,
        )
        self._jitter = Random(f"latency/{options.seed}")
        self._history_done = asyncio.Event()
        self._saved_ms = start_ms
        self._runner: web.AppRunner | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def followers(self) -> tuple[Follower, ...]:
        """The instruments of the exchanges that follow the model."""
        return self._others.followers

    @property
    def environment(self) -> dict[str, str]:
        """The collector settings for this exchange; valid once it is started."""
        options = self.options
        listed = [book.spec for book in self.market.books if book.listed and book.spec.venue in options.venues]
        symbols = [spec.symbol for spec in listed]
        if self._others.venues:  # a symbol is somebody's: the others do not know it
            symbols = [f"{spec.venue}:{spec.symbol}" for spec in listed] + self._others.symbols
        return collector_environment(
            self.url, venues=options.venues, symbols=dict.fromkeys(symbols), streams=options.extra
        )

    # ------------------------------------------------------------------ life

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen; raises ReplayError when the port is taken."""
        app = web.Application()
        for venue, route, path in ROUTES:
            app.router.add_get(f"{path}/stream", self.hub.handler(venue, route, combined=True))
            app.router.add_get(f"{path}/ws", self.hub.handler(venue, route, combined=False))
            app.router.add_get(f"{path}/ws/{{streams}}", self.hub.handler(venue, route, combined=False))
        self._others.add_routes(app.router, self.hub)
        self._rest.add_routes(app.router)
        app.router.add_get("/simulator/state", self._answer_state)
        app.router.add_post("/simulator/fault/{kind}", self._answer_fault)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.options.host, self.options.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise ReplayError(
                f"simulator: {self.options.host}:{self.options.port} is in use; choose another port"
            ) from error
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        self._task = asyncio.create_task(self._run(), name="simulator")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.hub.close()
        if self._runner is not None:
            await self._runner.cleanup()
        self._save(clean=True)
        self.trades.close()

    async def history_done(self) -> None:
        """Wait until the market has caught up with the clock; raises what the market's task raised."""
        await self._until(self._history_done.wait())

    async def finished(self) -> None:
        """Wait until ``end_ms`` is reached and every client has read everything."""
        await self._until(asyncio.Event().wait())

    async def _until(self, waiter: Any) -> None:
        if self._task is None:
            raise ReplayError("the simulator was not started")
        wait = asyncio.ensure_future(waiter)
        done, _ = await asyncio.wait({wait, self._task}, return_when=asyncio.FIRST_COMPLETED)
        wait.cancel()
        if self._task in done:
            self._task.result()

    # ------------------------------------------------------------------ the market's time

    async def _run(self) -> None:
        await self._somebody_listens()
        market, options = self.market, self.options
        while market.time_ms + options.history_step_ms <= options.clock_ms() and not self._ended:
            if not self.hub.subscribed_keys():
                await self.hub.changed()  # history is for somebody: it waits for a client that reconnects
                continue
            await self._step(options.history_step_ms)
        self._history_done.set()
        while not self._ended:
            wait_ms = market.time_ms + options.live_step_ms - options.clock_ms()
            if wait_ms > 0:
                await asyncio.sleep(wait_ms / 1000)
            await self._timely_step(options.live_step_ms)
        ends: list[Event] = []
        for book in self.market.books:
            change = book.book.take_change(self.market.time_ms) if book.listed else None
            if change is not None:
                ends.append(change)
                await self._send(change)  # a client's book ends as ours
        for late in self._others.take(ends, self.market.time_ms + max(LAG_MS.values())):
            await self._send(late)
        self.trades.flush()
        await self.hub.drained()

    async def _timely_step(self, step_ms: int) -> None:
        """A client that holds it up is cut off; the others hear the rest of the step all the same."""
        step = asyncio.ensure_future(self._step(step_ms))
        try:
            while not (await asyncio.wait({step}, timeout=self.options.slow_client_s))[0]:
                self._cut_slow_clients()
            step.result()
        finally:
            step.cancel()

    @property
    def _ended(self) -> bool:
        return self.options.end_ms is not None and self.market.time_ms >= self.options.end_ms

    async def _somebody_listens(self) -> None:
        """Until all trades and depth are subscribed, or for a collector that wants less, nothing more comes."""
        hub = self.hub
        while not hub.subscribed_keys():
            await hub.changed()
        while True:
            quiet_s = self.options.settle_s * (1 if self._all_wanted else _PATIENCE)
            try:
                await asyncio.wait_for(hub.changed(), quiet_s)
            except TimeoutError:
                if hub.subscribed_keys():
                    return

    @property
    def _all_wanted(self) -> bool:
        def wanted(venue: str, symbol: str, *channels: str) -> bool:
            return any(self.hub.subscribed((venue, f"{symbol.lower()}@{channel}")) for channel in channels)

        return all(
            wanted(spec.venue, spec.symbol, "trade", "aggTrade") and wanted(spec.venue, spec.symbol, *DEPTH_CHANNELS)
            for spec in (book.spec for book in self.market.books if book.listed)
            if spec.venue in self.options.venues
        ) and self._others.wanted(self.hub.subscribed)

    async def _step(self, step_ms: int) -> None:
        if self.faults is not None:
            await self._misbehave(self.faults)
        events = self.market.advance(step_ms)
        for event in events:
            self._keep(event)
        others = self._others.take(events, self.market.time_ms)
        everything = sorted((*events, *others), key=_time_of) if others else events
        for number, each in enumerate(everything):
            await self._send(each)
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
        await self.hub.flush()
        self.position_us = max(self.position_us, self.market.time_ms * 1000)
        self.trades.flush()
        if self.market.time_ms - self._saved_ms >= (_SAVE_LIVE_MS if self._history_done.is_set() else _SAVE_HISTORY_MS):
            self._save(clean=False)

    async def _misbehave(self, faults: Faults) -> None:
        """What goes wrong with a book or a client as a whole, once a step."""
        now_ms = self.market.time_ms
        self._others.skip_ids(lambda: faults.strikes("skip_ids"))
        for book in self.market.books:
            if not book.listed:
                continue
            if faults.strikes("skip_ids"):
                book.book.skip_ids(17)
                book.skip_trade_ids(3)
                self.trades.skip(book.index, now_ms, 3)
            if book.tick_decimals == book.spec.tick_decimals and faults.strikes("tick_change"):
                book.tick_decimals += 1
                await self._announce(book)
        waiting = next((book for book in self.market.books if not book.listed), None)
        if waiting is not None and faults.strikes("list_symbol"):
            for book in self.market.books:
                if book.spec.base == waiting.spec.base:
                    book.listed = True
                    await self._announce(book)
        for peer in self.hub.peers:
            if faults.strikes("day_over"):
                await peer.close()

    async def _announce(self, book: VenueBook) -> None:
        key, text = listing_message(book.spec, self.market.time_ms, "TRADING")
        await self.hub.publish(key, self.position_us, text)

    def _save(self, *, clean: bool) -> None:
        self._saved_ms = self.market.time_ms
        if self.options.state is not None:
            continuation.save(self.options.state, self.market, self.trades, clean=clean)

    def _keep(self, event: Event) -> None:
        if isinstance(event, Fill):
            self.trades.add_fill(event)
        elif isinstance(event, Aggregate):
            self.trades.add_aggregate(event)

    async def _send(self, event: Event | Mirrored) -> None:
        messages = self._others.messages(event) if isinstance(event, Mirrored) else self._wire.messages(event)
        if not messages:
            return
        receipt = event.time_ms * 1000 + LATENCY_US + int(self._jitter.random() * LATENCY_US / 2)
        self.position_us = max(self.position_us, receipt)
        for key, text in messages:
            if await self.hub.publish(key, self.position_us, text):
                self.sent[key] += 1

    def _cut_slow_clients(self) -> None:
        for peer in self.hub.peers:
            if peer.backlog:
                log.warning("simulator: a client on %s/%s does not read; cut off", peer.venue, peer.route)
                peer.cut()

    # ------------------------------------------------------------------ for orchestrators

    def state(self) -> dict[str, Any]:
        """Position, progress and counts, as JSON-ready values."""
        return {
            "time_ms": self.market.time_ms,
            "position_us": self.position_us,
            "behind_ms": max(0, self.options.clock_ms() - self.market.time_ms),
            "history_done": self._history_done.is_set(),
            "clients": len(self.hub.peers),
            "connections_seen": self.hub.connections_seen,
            "sent": {f"{venue} {stream}": count for (venue, stream), count in sorted(self.sent.items())},
            "faults": dict(self.faults.counts) if self.faults is not None else {},
            "books": [
                {
                    "venue": book.spec.venue,
                    "symbol": book.spec.symbol,
                    "last_trade_id": book.next_trade_id - 1,
                    "last_aggregate_id": book.next_aggregate_id - 1,
                    "last_update_id": book.book.last_id,
                    "traded_quantity": book.spec.quantity_text(book.traded_lots),
                }
                for book in self.market.books
            ],
        }

    async def _answer_state(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(self.state())

    async def _answer_fault(self, request: web.Request) -> web.StreamResponse:
        if self.faults is None:
            return web.json_response({"error": "started without faults; use --fault or --fault-seed"}, status=409)
        kind = request.match_info["kind"]
        if kind == "stop":
            self.faults.stop()
        else:
            self.faults.once(kind)
        return web.json_response({"ok": True})
