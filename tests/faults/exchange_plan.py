"""Misbehaving exchanges: seeded runs of venue × misbehaviour, what is in JetStream against the simulator's own books.

    python -m tests.faults.exchange_plan --seeds 20

One run: a real nats-server, a real collector and the simulated exchange on a fast clock, which misbehaves for a while
and then behaves until the collector has caught up. Afterwards, read from the streams: every trade that the exchange
printed is there once and in order, with its price, quantity and side; every id that is not was never given out and has
its ``gaps`` row; the last book of every symbol is the exchange's; nothing hangs. Exit code 0 when all of that holds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from prometheus_client import CollectorRegistry

from collector.metrics import CollectorMetrics
from collector.service import CollectorService
from marketprism.settings import CollectorSettings, NatsSettings
from marketprism.simulator.environment import INVERSE, LINEAR, PREFIX, SPOT
from marketprism.simulator.events import DepthChange, Event
from marketprism.simulator.faults import KINDS, USUAL_RATES, Faults
from marketprism.simulator.server import Simulator, SimulatorOptions
from marketprism.simulator.venue_book import VenueBook
from tests.faults.brokers import Broker
from tests.faults.plan_runs import Verdict, bounded, run_all

VENUES = (SPOT, LINEAR, INVERSE)
START_MS = 1_790_000_000_000
SPEED = 12.0
"""Market seconds a second: waits of the collector for order, REST and reconnects stay a fraction of the run."""
MISBEHAVE_MS = 25_000
STRIKES = 4
LEAST_TRADES = 50
"""Of each market while it misbehaves; how long that takes is the market's mood."""
PATIENCE_S = 100.0
_HURRY_S = 0.15
"""Of the wall, that the market makes up for at once: the simulator sleeps up to 0.1 s."""
RATES = {
    **{kind: rate * 6 for kind, rate in USUAL_RATES.items()},
    "cut": 0.004,
    "stall": 0.002,
    "silent_ack": 0.4,
    "skip_ids": 0.01,
    "too_many_requests": 0.4,
    "tick_change": 0.01,
    "list_symbol": 0.02,
    "day_over": 0.01,
}
"""Higher than usual: a run is short, and each kind should strike several times in it."""


class FastClock:
    """Milliseconds since the epoch from ``START_MS`` on, ``SPEED`` times as fast as the wall once it has begun.

    A starved process is not hurried: what it could not follow does not pile up before the collector.
    """

    def __init__(self) -> None:
        self._asked = 0.0
        self._passed = 0.0

    def begin(self) -> None:
        self._asked = time.monotonic()

    def __call__(self) -> int:
        if self._asked:
            now = time.monotonic()
            self._passed += min(now - self._asked, _HURRY_S)
            self._asked = now
        return START_MS + int(self._passed * 1000 * SPEED)


class Noting(Simulator):
    """Remembers the depth messages of each book, whoever hears them: ``updates[book]`` are their last ids."""

    def __init__(self, options: SimulatorOptions) -> None:
        super().__init__(options)
        self.updates: dict[int, list[int]] = defaultdict(list)

    async def _send(self, event: Event) -> None:
        if isinstance(event, DepthChange):
            self.updates[event.book].append(event.last_id)
        await super()._send(event)


async def run(
    directory: Path, venues: Sequence[str], kinds: Sequence[str], seed: int, symbols: Sequence[str] = ("BTCUSDT",)
) -> Verdict:
    """One run. ``kinds`` of misbehaviour at ``RATES``."""
    clock = FastClock()
    faults = Faults({kind: RATES[kind] for kind in kinds}, seed=seed)
    options = SimulatorOptions(
        seed=seed,
        symbols=tuple(symbols),
        venues=tuple(venues),
        unlisted=("SOLUSDT",) if "list_symbol" in kinds else (),
        history_hours=0,
        history_step_ms=100,
        settle_s=0.2,
        clock_ms=clock,
        slow_client_s=PATIENCE_S,
        ledger=directory / "ledger.jsonl",
        faults=faults,
    )
    if "silent_ack" in kinds:
        faults.once("silent_ack")  # subscriptions are few, and most are made at the start
    broker = Broker(directory / "nats")
    broker.start()
    metrics = CollectorMetrics(CollectorRegistry())
    verdict = Verdict(struck=faults.counts)
    try:
        async with Noting(options) as exchange:
            # what must be found dead is waited for less long; the others shall not be found dead on a slow machine
            patience = 0.1 if {"stall", "silent_ack"} & set(kinds) else 1.0
            every = "list_symbol" in kinds
            async with collecting(exchange, broker, metrics, every=every, patience=patience) as service:
                async with asyncio.timeout(PATIENCE_S):
                    while not exchange.hub.subscribed_keys():
                        await exchange.hub.changed()
                    clock.begin()
                    await _misbehave(exchange, faults, kinds, seed)
                await _caught_up(exchange, service, verdict)
                untold = _compare_memory(exchange, service, verdict)
            await _compare(exchange, untold, directory / "ledger.jsonl", broker, verdict)
            verdict.resyncs = sum(metrics.counts["book_resyncs"].values())
            verdict.reconnects = sum(metrics.counts["reconnects"].values())
    except TimeoutError:
        verdict.wrong.append(f"hangs: the market stands at +{exchange.market.time_ms - START_MS} ms")
    finally:
        broker.kill()
    return verdict


@asynccontextmanager
async def collecting(
    exchange: Simulator, broker: Broker, metrics: CollectorMetrics, *, every: bool, patience: float
) -> Any:
    """A collector of everything that the exchange lists (``every``: also later)."""
    said = {name.removeprefix(PREFIX).lower(): value for name, value in exchange.environment.items()}
    lists = {name: json.loads(said.pop(name)) for name in ("venues", "symbols")}
    if every:
        lists["symbols"] = ["*"]
    settings = CollectorSettings(
        _env_file=None, **said, **lists, patience=patience, instruments_interval_s=1.0, publish_ack_timeout_s=2.0
    )
    service = CollectorService(
        settings, NatsSettings(_env_file=None, url=broker.url, stream_max_bytes=32 << 20), metrics
    )
    work = asyncio.create_task(service.run())
    try:
        yield service
    finally:
        work.cancel()
        await asyncio.wait([work])
        if not work.cancelled() and (error := work.exception()) is not None:
            raise error


async def _misbehave(exchange: Simulator, faults: Faults, kinds: Sequence[str], seed: int) -> None:
    """By rate, and a few times for certain once everything is subscribed; until each kind has struck."""
    began_ms, began = exchange.market.time_ms, _ids(exchange)
    random = Random(seed)
    for _ in range(STRIKES):
        until_ms = exchange.market.time_ms + random.uniform(0.5, 1.5) * MISBEHAVE_MS / STRIKES
        while exchange.market.time_ms < until_ms:
            await asyncio.sleep(0.01)
        for kind in kinds:
            faults.once(kind)
    while (
        exchange.market.time_ms < began_ms + MISBEHAVE_MS
        or not all(faults.counts[kind] for kind in kinds)
        or any(_ids(exchange)[key][0] < first + LEAST_TRADES for key, (first, _) in began.items())
    ):
        await asyncio.sleep(0.01)
    faults.stop()


async def _caught_up(exchange: Simulator, service: CollectorService, verdict: Verdict) -> None:
    """The market goes on until the collector has all of it and more, then stands still until it has the rest.

    And more: a stream that fell silent just now has all that was given out, and nobody can know before its next trade.
    That must come by the stream, not by REST after a lost connection: what is silent by then would stay so.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not exchange._all_wanted or any(
                peer.silent_until_us > exchange.position_us for peer in exchange.hub.peers
            ):
                await asyncio.sleep(0.02)
            ids = {key: (trade + 1, update + 1) for key, (trade, update) in _ids(exchange).items()}
            while not _whole(exchange, service, ids):
                await asyncio.sleep(0.02)
            exchange.options.end_ms = exchange.market.time_ms
            await exchange.finished()
            while not _whole(exchange, service, _ids(exchange)):
                await asyncio.sleep(0.02)
    except TimeoutError:
        verdict.wrong.append(f"hangs: {_ids(exchange)} given out; {_reached(exchange, service)}")


def _ids(exchange: Simulator) -> dict[tuple[str, str], tuple[int, int]]:
    """Per listed book: the newest trade id that its stream has, and the newest update id."""
    return {
        (book.spec.venue, book.spec.symbol): (
            (book.next_trade_id if _by_fill(book) else book.next_aggregate_id) - 1,
            book.book._emitted_id,
        )
        for book in exchange.market.books
        if book.listed
    }


def _by_fill(book: VenueBook) -> bool:
    return book.spec.venue not in (LINEAR, INVERSE)


def _reached(exchange: Simulator, service: CollectorService) -> dict[tuple[str, str], tuple[int, int]]:
    """The same, as the collector has it; −1 where it has nothing or waits for something."""
    found = {}
    for session in service.sessions:
        market = session.market
        for symbol, keeper in market.keepers.items():
            trades = [sequence for (of, _), sequence in market.sequences.items() if of == symbol]
            last = max((-1 if each.held or each.last is None else each.last for each in trades), default=-1)
            found[".".join(market.key), symbol] = (last, keeper.last_id if keeper.live else -1)
    return found


def _whole(exchange: Simulator, service: CollectorService, ids: dict[tuple[str, str], tuple[int, int]]) -> bool:
    reached = _reached(exchange, service)
    return all(
        reached.get(key, (-1, -1))[0] >= trade and reached[key][1] >= update for key, (trade, update) in ids.items()
    )


def _compare_memory(exchange: Simulator, service: CollectorService, verdict: Verdict) -> set[tuple[str, str]]:
    """The collector's own books; returns those that have only their snapshot so far, of which no row tells yet."""
    untold = set()
    for session in service.sessions:
        for symbol, keeper in session.market.keepers.items():
            book = exchange.market.book_of(".".join(session.key), symbol)
            assert book is not None
            last_id, bids, asks = book.book.snapshot(1000)
            sides = ((keeper.book.bids, bids), (keeper.book.asks, asks))
            same = all(
                side.floats(1000)[0] == [float(book.spec.price_text(price)) for price, _ in levels]
                for side, levels in sides
            )
            if not same or keeper.last_id != last_id:
                verdict.wrong.append(f"{'.'.join(session.key)} {symbol}: the collector's book is not the exchange's")
            if keeper._fresh:
                untold.add((".".join(session.key), symbol))
    return untold


async def _compare(
    exchange: Noting, untold: set[tuple[str, str]], ledger: Path, broker: Broker, verdict: Verdict
) -> None:
    printed = _printed(ledger)
    trades, gaps, rows = await broker.rows("trades"), await broker.rows("gaps"), await broker.rows("orderbooks")
    verdict.repaired = sum(gap["repaired"] for gap in gaps)
    for book in (book for book in exchange.market.books if book.listed):
        key = (book.spec.venue, book.spec.symbol)
        own = [row for row in trades if (f"{row['exchange']}.{row['market_type']}", row["symbol"]) == key]
        told = {
            kind: [
                (gap["from_sequence"], gap["to_sequence"])
                for gap in gaps
                if (f"{gap['exchange']}.{gap['market_type']}", gap["symbol"]) == key
                and (gap["of_type"], gap["repaired"]) == (kind, False)
            ]
            for kind in ("trades", "orderbooks")
        }
        _compare_trades(book, own, printed[key], told["trades"], verdict)
        mine = [row for row in rows if (f"{row['exchange']}.{row['market_type']}", row["symbol"]) == key]
        _compare_updates(book, mine, exchange.updates[book.index], told["orderbooks"], verdict)
        if key not in untold:
            _compare_book(book, mine[-1] if mine else {}, verdict)


def _printed(ledger: Path) -> dict[tuple[str, str], dict[str, dict[int, dict[str, Any]]]]:
    """(venue, symbol) → by fill id, and by aggregate id with the quantities added up."""
    found: dict[tuple[str, str], dict[str, dict[int, dict[str, Any]]]] = defaultdict(
        lambda: {"id": {}, "aggregate": {}}
    )
    for line in ledger.read_text().splitlines():
        fill = json.loads(line)
        if fill["kind"] != "MARKET":
            continue
        of = found[fill["venue"], fill["symbol"]]
        of["id"][fill["id"]] = {**fill, "quantity": Decimal(fill["quantity"])}
        whole = of["aggregate"].setdefault(fill["aggregate_id"], {**fill, "quantity": Decimal(0)})
        whole["quantity"] += Decimal(fill["quantity"])
    return found


def _compare_trades(
    book: VenueBook,
    rows: list[dict[str, Any]],
    printed: dict[str, dict[int, dict[str, Any]]],
    holes: list[tuple[int, int]],
    verdict: Verdict,
) -> None:
    name = f"{book.spec.venue} {book.spec.symbol}"
    expected = printed["id" if _by_fill(book) else "aggregate"]
    sequences = [row["sequence"] for row in rows]
    verdict.trades += len(rows)
    verdict.gaps += len(holes)
    if not sequences:
        verdict.wrong.append(f"{name}: no trade is stored of {len(expected)}")
        return
    if sequences != sorted(set(sequences)):
        verdict.wrong.append(f"{name}: ids are not once and in order")
    since = {number: fill for number, fill in expected.items() if number >= sequences[0]}
    if missing := sorted(since.keys() - set(sequences)):
        verdict.wrong.append(f"{name}: {len(missing)} trades are missing, such as {missing[:3]}; gaps: {holes[:5]}")
    for row in rows:
        fill = since.get(row["sequence"])
        if fill is None:
            verdict.wrong.append(f"{name} {row['sequence']}: nobody traded that")
            continue
        said = (Decimal(row["price"]), Decimal(row["native_quantity"]), row["side"], row["timestamp"])
        if said != (Decimal(fill["price"]), fill["quantity"], fill["side"], fill["time"]):
            verdict.wrong.append(f"{name} {row['sequence']}: stored {said}, traded {fill}")
        if Decimal(row["price"]) != row["price_tick"] * Decimal(row["tick_size"]):
            verdict.wrong.append(f"{name} {row['sequence']}: {row['price_tick']} ticks are not {row['price']}")
    compare_holes(name, set(range(sequences[0], sequences[-1] + 1)) - since.keys(), holes, verdict)


def compare_holes(name: object, never: set[int], holes: Iterable[tuple[int, int]], verdict: Verdict) -> None:
    """``gaps`` rows tell of the ids that never were, and of no other."""
    told = {number for first, last in holes for number in range(first, last + 1)}
    verdict.holes += len(never)
    if never != told:
        verdict.wrong.append(f"{name}: ids {sorted(never ^ told)[:5]} are in gaps and not missing, or the reverse")


def _compare_updates(
    book: VenueBook,
    rows: list[dict[str, Any]],
    sent: list[int],
    holes: list[tuple[int, int]],
    verdict: Verdict,
) -> None:
    """Each row counts every depth message since the row before, unless a ``gaps`` row says that some are missing."""
    for before, row in pairwise(rows):
        first, last = before["last_update_id"], row["last_update_id"]
        between = bisect_right(sent, last) - bisect_right(sent, first)
        if row["updates"] != between and not any(low <= last and high > first for low, high in holes):
            verdict.wrong.append(
                f"{book.spec.venue} {book.spec.symbol}: row {last} counts {row['updates']} of {between} updates, no gap"
            )


def _compare_book(book: VenueBook, row: dict[str, Any], verdict: Verdict) -> None:
    spec = book.spec
    name = f"{spec.venue} {spec.symbol}"
    _, bids, asks = book.book.snapshot(20)
    verdict.books += 1
    if row.get("last_update_id") != book.book._emitted_id:
        verdict.wrong.append(f"{name}: the last book is {row.get('last_update_id')}, not {book.book._emitted_id}")
        return
    for side, levels in (("bid", bids), ("ask", asks)):
        prices = [float(spec.price_text(price)) for price, _ in levels]
        if row[f"{side}_prices"] != prices:
            verdict.wrong.append(f"{name}: {side} prices differ")
        for (price, lots), stored in zip(levels, row[f"{side}_quantities"], strict=False):
            native = Decimal(spec.quantity_text(lots))
            base = native * spec.contract / Decimal(spec.price_text(price)) if spec.contract else native
            if abs(Decimal(stored) - base) > Decimal("1e-12") + base * Decimal("1e-15"):
                verdict.wrong.append(f"{name}: {side} quantity at {spec.price_text(price)} is {stored}, not {base}")


def one(venue: str, kind: str, seed: int) -> Verdict:
    """A run in a process of its own."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="marketprism-exchange-") as directory:
        return bounded(run(Path(directory), (venue,), (kind,), seed))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.exchange_plan", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--venues", default=",".join(VENUES))
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--jobs", type=int, default=8, help="runs side by side")
    parser.add_argument("--record", type=Path, help="append a line for each run; those in it are not repeated")
    given = parser.parse_args()
    seeds, venues, kinds = range(1, given.seeds + 1), given.venues.split(","), given.kinds.split(",")
    plans = [(venue, kind, seed) for seed in seeds for kind in kinds for venue in venues]
    return run_all(plans, one, given.jobs, given.record)


if __name__ == "__main__":
    sys.exit(main())
