"""Exchanges that follow the simulated market misbehaving: seeded runs, JetStream against what they printed.

    python -m tests.faults.follower_plan --seeds 20

OKX, Deribit, Bybit and Binance's options, as ``exchange_plan`` does for its other markets: a real nats-server, a real
collector, the simulated exchange on a fast clock, all its markets at once. It misbehaves for a while, behaves until the
collector has caught up, and ends. Then every print is stored once and in order, in the exchange's units and in base
units; an id without a trade was never given out and has its ``gaps`` row; every book is the exchange's own; nothing
hangs. Exit code 0 when all of that holds.

Bybit's ids only rise, and nothing is repaired there: what is stored must be what was printed, once and in order, and
what is not stored must be in a ``gaps`` row; but for a print that was lost alone, which no id tells (``drop``).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

from prometheus_client import CollectorRegistry

from collector.metrics import CollectorMetrics
from collector.service import CollectorService
from collector.venues.bybit.books import PER_SEQUENCE
from marketprism.simulator import Simulator, SimulatorOptions
from marketprism.simulator.faults import KINDS, Faults
from marketprism.simulator.mirror_specs import BINANCE_OPTION, BYBIT, FOLLOWING
from marketprism.simulator.mirrors import Follower
from tests.faults.brokers import Broker
from tests.faults.exchange_plan import MISBEHAVE_MS, RATES, STRIKES, FastClock, collecting, compare_holes
from tests.faults.plan_runs import Verdict, bounded, run_all

EXCHANGES = ("okx", "deribit", "bybit", BINANCE_OPTION)
OF_BOOKS_OF_THE_MODEL = ("tick_change", "list_symbol")
"""Kinds that the followers do not know."""
FOLLOWER_KINDS = tuple(kind for kind in KINDS if kind not in OF_BOOKS_OF_THE_MODEL)
PATIENCE_S = 180.0
_SETTLE_MS = 15_000
"""Of good behaviour, before it is asked what the collector has: a print that is lost is only known by the next."""

Key = tuple[str, str]
Reached = dict[Key, tuple[int, int]]
"""(venue, symbol) → (newest trade id, newest change id)."""


async def run(directory: Path, exchange_name: str, kinds: Sequence[str], seed: int) -> Verdict:
    """One run. ``kinds`` of misbehaviour at the rates of ``exchange_plan``."""
    clock = FastClock()
    faults = Faults({kind: RATES[kind] / 2 for kind in kinds}, seed=seed)
    ledger = directory / "ledger.jsonl"
    options = SimulatorOptions(
        seed=seed,
        symbols=("BTCUSDT",),
        venues=tuple(venue for venue in FOLLOWING if venue.startswith(exchange_name)),
        history_hours=0,
        history_step_ms=100,
        settle_s=0.2,
        clock_ms=clock,
        slow_client_s=PATIENCE_S,
        ledger=ledger,
        faults=faults,
    )
    if "silent_ack" in kinds:
        faults.once("silent_ack")  # subscriptions are few, and most are made at the start
    broker = Broker(directory / "nats")
    broker.start()
    metrics = CollectorMetrics(CollectorRegistry())
    verdict = Verdict(struck=faults.counts)
    try:
        async with Simulator(options) as exchange:
            async with collecting(
                exchange, broker, metrics, every=False, patience=0.1 if {"stall", "silent_ack"} & set(kinds) else 1.0
            ) as service:
                try:
                    async with asyncio.timeout(PATIENCE_S):
                        while not exchange.hub.subscribed_keys():
                            await exchange.hub.changed()
                        clock.begin()
                        await _misbehave(exchange, faults, kinds, seed)
                        await _caught_up(exchange, service)
                except TimeoutError:
                    verdict.wrong.append(f"hangs: told {_told(exchange)}; have {_reached(service)}")
                untold = _compare_memory(exchange, service, verdict)
            await _compare(exchange, untold, ledger, broker, verdict)
            verdict.resyncs = sum(metrics.counts["book_resyncs"].values())
            verdict.reconnects = sum(metrics.counts["reconnects"].values())
    finally:
        broker.kill()
    return verdict


async def _misbehave(exchange: Simulator, faults: Faults, kinds: Sequence[str], seed: int) -> None:
    """By rate, and a few times for certain once everything is subscribed; then a while without."""
    random = Random(seed)
    for _ in range(STRIKES):
        await _market_passes(exchange, random.uniform(0.5, 1.5) * MISBEHAVE_MS / STRIKES)
        for kind in kinds:
            faults.once(kind)
    await _market_passes(exchange, MISBEHAVE_MS / STRIKES)
    faults.stop()
    await _market_passes(exchange, _SETTLE_MS)


async def _market_passes(exchange: Simulator, for_ms: float) -> None:
    until_ms = exchange.market.time_ms + for_ms
    while exchange.market.time_ms < until_ms:
        await asyncio.sleep(0.01)


async def _caught_up(exchange: Simulator, service: CollectorService) -> None:
    """The market goes on until the collector has all of it, then stands still until it has the rest."""
    told = _told(exchange)
    while not _whole(exchange, service, told):
        await asyncio.sleep(0.02)
    exchange.options.end_ms = exchange.market.time_ms
    await exchange.finished()
    rest = {  # prints of Bybit that a connection lost at the very end have no later print that tells of them
        key: (-1 if key[0].startswith(BYBIT) else trade, change) for key, (trade, change) in _told(exchange).items()
    }
    while not _whole(exchange, service, rest):
        await asyncio.sleep(0.02)


def _told(exchange: Simulator) -> Reached:
    return {
        (each.spec.venue, each.spec.symbol): (each.next_trade_id - 1, each.change_id) for each in exchange.followers
    }


def _reached(service: CollectorService) -> Reached:
    """As the collector has it; −1 where it has nothing or waits for something."""
    found = {}
    for session in service.sessions:
        market = session.market
        for symbol, keeper in market.keepers.items():
            trades = [each for (of, _), each in market.sequences.items() if of == symbol]
            last = max((-1 if each.held or each.last is None else each.last for each in trades), default=-1)
            if market.key[0] == BYBIT:
                last //= PER_SEQUENCE
            found[".".join(market.key), symbol] = (last, keeper.last_id if keeper.live else -1)
    return found


def _whole(exchange: Simulator, service: CollectorService, told: Reached) -> bool:
    reached = _reached(service)
    never = {(each.spec.venue, each.spec.symbol) for each in exchange.followers if not len(each.trades)}
    return all(
        (key in never or reached.get(key, (-1, -1))[0] >= trade) and reached.get(key, (-1, -1))[1] >= change
        for key, (trade, change) in told.items()
    )


def _base(follower: Follower, units: int, price: int) -> Fraction:
    """Base units, exactly."""
    spec = follower.spec
    native = Fraction(Decimal(spec.native_text(units)))
    if spec.counts == "dollars":
        dollars = native * (1 if spec.exchange == "deribit" else spec.dollars)
        return dollars / Fraction(Decimal(spec.price_text(price)))
    return native / 10**spec.contract_decimals


def _twelve(value: Fraction) -> Decimal:
    return Decimal(round(value * 10**12)).scaleb(-12)


def _compare_memory(exchange: Simulator, service: CollectorService, verdict: Verdict) -> set[Key]:
    """The collector's own books; returns those that have only their snapshot so far, of which no row tells yet."""
    keepers = {
        (".".join(s.key), symbol): keeper for s in service.sessions for symbol, keeper in s.market.keepers.items()
    }
    untold = set()
    for follower in exchange.followers:
        key = (follower.spec.venue, follower.spec.symbol)
        keeper = keepers.get(key)
        verdict.books += 1
        if keeper is None or keeper.last_id != follower.change_id:
            verdict.wrong.append(f"{key}: the collector's book is not at {follower.change_id}")
            continue
        for side, levels in zip((keeper.book.bids, keeper.book.asks), follower.book(1000), strict=True):
            expected = [
                (float(follower.spec.price_text(price)), float(_twelve(_base(follower, units, price))))
                for price, units in levels
            ]
            if list(zip(*side.floats(1000), strict=True)) != expected:
                verdict.wrong.append(f"{key}: the collector's book is not the exchange's")
        if keeper._fresh:
            untold.add(key)
    return untold


async def _compare(exchange: Simulator, untold: set[Key], ledger: Path, broker: Broker, verdict: Verdict) -> None:
    printed: dict[Key, dict[int, dict[str, Any]]] = defaultdict(dict)
    for line in ledger.read_text().splitlines():
        row = json.loads(line)
        printed[row["venue"], row["symbol"]][row["id"]] = row
    trades, books, gaps = [await _by_key(broker, kind) for kind in ("trades", "orderbooks", "gaps")]
    for follower in exchange.followers:
        key = (follower.spec.venue, follower.spec.symbol)
        own_gaps = gaps.get(key, [])
        verdict.repaired += sum(gap["repaired"] for gap in own_gaps)
        holes = [gap for gap in own_gaps if gap["of_type"] == "trades" and not gap["repaired"]]
        verdict.trades += len(trades.get(key, []))
        verdict.gaps += len(holes)
        if follower.spec.exchange == BYBIT:
            _compare_rising(follower, trades.get(key, []), printed[key], holes, verdict)
        else:
            _compare_trades(follower, trades.get(key, []), printed[key], holes, verdict)
        last = books.get(key, [{}])[-1]
        if key not in untold and last.get("last_update_id") != follower.change_id:
            verdict.wrong.append(f"{key}: the last book is {last.get('last_update_id')}, not {follower.change_id}")


async def _by_key(broker: Broker, kind: str) -> dict[Key, list[dict[str, Any]]]:
    found: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for row in await broker.rows(kind):
        found[f"{row['exchange']}.{row['market_type']}", row["symbol"]].append(row)
    return found


def _compare_trades(
    follower: Follower,
    rows: list[dict[str, Any]],
    printed: dict[int, dict[str, Any]],
    holes: list[dict[str, Any]],
    verdict: Verdict,
) -> None:
    key = (follower.spec.venue, follower.spec.symbol)
    sequences = [row["sequence"] for row in rows]
    if not sequences:
        if printed:
            verdict.wrong.append(f"{key}: no trade is stored of {len(printed)}")
        return
    since = {number: row for number, row in printed.items() if number >= sequences[0]}
    if sequences != sorted(since):
        odd = sorted(set(sequences) ^ since.keys())
        verdict.wrong.append(f"{key}: {len(odd)} ids are not both printed and stored, such as {odd[:3]}, or the order")
        return
    _compare_rows(follower, rows, {row["sequence"]: since[row["sequence"]] for row in rows}, verdict)
    told = [(gap["from_sequence"], gap["to_sequence"]) for gap in holes]
    compare_holes(key, set(range(sequences[0], sequences[-1] + 1)) - since.keys(), told, verdict)


def _compare_rising(
    follower: Follower,
    rows: list[dict[str, Any]],
    printed: dict[int, dict[str, Any]],
    holes: list[dict[str, Any]],
    verdict: Verdict,
) -> None:
    key = (follower.spec.venue, follower.spec.symbol)
    ids = [row["sequence"] // PER_SEQUENCE for row in rows]
    if ids != sorted(set(ids)) or not set(ids) <= printed.keys():
        verdict.wrong.append(f"{key}: ids are not printed, once and in order")
        return
    _compare_rows(follower, rows, {row["sequence"]: printed[row["sequence"] // PER_SEQUENCE] for row in rows}, verdict)
    missing = sorted(number for number in printed.keys() - set(ids) if ids and ids[0] < number < ids[-1])
    untold = [
        number
        for number in missing
        if not any(gap["from_sequence"] <= number * PER_SEQUENCE <= gap["to_sequence"] for gap in holes)
    ]
    verdict.holes += len(missing)
    if len(untold) > verdict.struck["drop"]:
        verdict.wrong.append(f"{key}: {len(untold)} prints are missing and in no gap, such as {untold[:3]}")


def _compare_rows(
    follower: Follower, rows: list[dict[str, Any]], printed: dict[int, dict[str, Any]], verdict: Verdict
) -> None:
    """Each row against the print of its sequence."""
    key = (follower.spec.venue, follower.spec.symbol)
    for row in rows:
        said = printed[row["sequence"]]
        native, price = Decimal(said["quantity"]), Decimal(said["price"])
        spec = follower.spec
        base = Fraction(native) / 10**spec.contract_decimals
        if spec.counts == "dollars":
            base = Fraction(native) * (1 if spec.exchange == "deribit" else spec.dollars) / Fraction(price)
        stored = (Decimal(row["price"]), Decimal(row["native_quantity"]), Decimal(row["quantity"]), row["side"])
        if stored != (price, native, _twelve(base), said["side"]) or row["timestamp"] != said["time"]:
            verdict.wrong.append(f"{key} {row['sequence']}: stored {stored}, printed {said}")


def one(exchange: str, kind: str, seed: int) -> Verdict:
    """A run in a process of its own."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="marketprism-follower-") as directory:
        return bounded(run(Path(directory), exchange, (kind,), seed))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.follower_plan", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--exchanges", default=",".join(EXCHANGES))
    parser.add_argument("--kinds", default=",".join(FOLLOWER_KINDS))
    parser.add_argument("--jobs", type=int, default=6, help="runs side by side")
    parser.add_argument("--record", type=Path, help="append a line for each run; those in it are not repeated")
    given = parser.parse_args()
    seeds, exchanges, kinds = range(1, given.seeds + 1), given.exchanges.split(","), given.kinds.split(",")
    plans = [(exchange, kind, seed) for seed in seeds for kind in kinds for exchange in exchanges]
    return run_all(plans, one, given.jobs, given.record)


if __name__ == "__main__":
    sys.exit(main())
