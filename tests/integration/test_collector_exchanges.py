"""OKX and Deribit from the built-in simulator, by the real collector over real sockets into a real JetStream.

The market ends by itself, so that nothing is on its way: every trade of the ledger is stored once and in order, every
book ends as the exchange's own, and every data type of every market has arrived. With misbehaviour:
``python -m tests.faults.follower_plan``.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import nats
import pytest
from prometheus_client import CollectorRegistry

from collector.framing import Frame
from collector.metrics import CollectorMetrics
from collector.positions import Positions
from collector.service import CollectorService
from collector.venues.bybit.books import PER_SEQUENCE
from marketprism.settings import CollectorSettings, NatsSettings
from marketprism.simulator import Simulator, SimulatorOptions
from marketprism.simulator.mirror_specs import BINANCE_OPTION, BYBIT_VENUES, MIRRORS
from marketprism.simulator.mirrors import Follower
from marketprism.streams import ensure_streams
from tests.integration.test_collector_delivery import Nats, until

NOW_MS = 1_790_000_000_000
EXPECTED = {
    "trades": MIRRORS,
    "orderbooks": MIRRORS,
    "best_quotes": MIRRORS,
    "instruments": MIRRORS,
    "funding_rates": ("okx.linear", "okx.inverse", "deribit.linear", "deribit.inverse"),
    "open_interests": tuple(venue for venue in MIRRORS if not venue.endswith("spot")),
    "lsr_top_positions": ("okx.linear", "okx.inverse"),
    "lsr_all_accounts": ("okx.linear", "okx.inverse"),
    "volatility_indices": ("okx.option", "deribit.option"),
}


async def collect(
    tmp_path: Path,
    port: int,
    monkeypatch: pytest.MonkeyPatch,
    minutes: float,
    venues: tuple[str, ...] = MIRRORS,
    expected: Mapping[str, tuple[str, ...]] = EXPECTED,
) -> tuple[dict[str, list[dict[str, Any]]], list[dict[str, Any]], dict[str, Follower], CollectorMetrics]:
    """(stored rows by type, ledger, the exchange's instruments, counts) of a market that ran to its end."""
    broker = Nats(tmp_path / "nats", port)
    broker.start()
    ledger = tmp_path / "ledger.jsonl"
    extra = {"OPEN_INTEREST_INTERVAL_S": "2", "FUNDING_INTERVAL_S": "2", "RATIO_INTERVAL_S": "2"}
    options = SimulatorOptions(
        seed=11, symbols=("BTCUSDT",), venues=venues, history_hours=minutes / 60, ledger=ledger,
        clock_ms=lambda: NOW_MS, end_ms=NOW_MS, extra=extra,
        settle_s=2.0,  # no venue may miss the market
    )  # fmt: skip
    try:
        async with Simulator(options) as exchange:
            for name, value in exchange.environment.items():
                monkeypatch.setitem(os.environ, name, value)
            metrics = CollectorMetrics(CollectorRegistry())
            nats_settings = NatsSettings(_env_file=None, url=broker.url, stream_max_bytes=32 << 20)
            service = CollectorService(CollectorSettings(_env_file=None), nats_settings, metrics)
            work = asyncio.create_task(service.run())
            try:
                await asyncio.wait_for(exchange.finished(), 90)
                stored = metrics.counts["published_rows"]
                wanted = [(kind, *venue.split(".")) for kind, of in expected.items() for venue in of]
                await until(lambda: all(stored[key] for key in wanted), 30)
                await until(lambda: not any(session.market.holes() for session in service.sessions), 30)
            finally:
                work.cancel()
                await asyncio.wait([work])
            followers = {f"{each.spec.venue}:{each.spec.symbol}": each for each in exchange.followers}
        rows = {kind: await broker.rows(kind) for kind in (*EXPECTED, "gaps", "liquidations")}
        return rows, [json.loads(line) for line in ledger.read_text().splitlines()], followers, metrics
    finally:
        broker.kill()


def base_units(follower: Follower, native: str, price: str) -> Decimal:
    """By exact fractions, rounded half to even to 12 decimals."""
    spec = follower.spec
    if spec.counts == "dollars":
        dollars = Fraction(Decimal(native)) * (1 if spec.exchange == "deribit" else spec.dollars)
        value = dollars / Fraction(Decimal(price))
    else:
        value = Fraction(Decimal(native)) / 10**spec.contract_decimals
    return Decimal(round(value * 10**12)).scaleb(-12)


def check_trades(rows: list[dict[str, Any]], ledger: list[dict[str, Any]], followers: dict[str, Follower]) -> int:
    """Stored trades equal the ledger from the first one seen on: every id once, in order, in base units."""
    stored: dict[str, list[dict[str, Any]]] = defaultdict(list)
    said: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        stored[f"{row['exchange']}.{row['market_type']}:{row['symbol']}"].append(row)
    for row in ledger:
        said[f"{row['venue']}:{row['symbol']}"].append(row)
    count = 0
    for name, follower in followers.items():
        have, told = stored[name], said[name]
        assert have or not told, name
        told = [row for row in told if have and row["id"] >= have[0]["sequence"]]
        assert [row["sequence"] for row in have] == [row["id"] for row in told], name
        for row, plain in zip(have, told, strict=True):
            assert (Decimal(row["price"]), row["side"], row["timestamp"]) == (
                Decimal(plain["price"]),
                plain["side"],
                plain["time"],
            )
            assert Decimal(row["native_quantity"]) == Decimal(plain["quantity"])
            assert Decimal(row["quantity"]) == base_units(follower, plain["quantity"], plain["price"])
        count += len(have)
    return count


def check_books(rows: list[dict[str, Any]], followers: dict[str, Follower]) -> None:
    """The last stored book of every symbol is the exchange's own."""
    last: dict[str, dict[str, Any]] = {}
    for row in rows:
        last[f"{row['exchange']}.{row['market_type']}:{row['symbol']}"] = row
    assert set(last) == set(followers)
    for name, follower in followers.items():
        bids, asks = follower.book(20)
        spec, row = follower.spec, last[name]
        assert row["last_update_id"] == follower.change_id, name
        for side, prices, quantities in (
            (bids, "bid_prices", "bid_quantities"),
            (asks, "ask_prices", "ask_quantities"),
        ):
            assert row[prices] == [float(spec.price_text(price)) for price, _ in side], name
            expected = [
                float(base_units(follower, spec.native_text(units), spec.price_text(price))) for price, units in side
            ]
            assert row[quantities] == expected, name
        assert (row["bids_count"], row["asks_count"]) == (len(follower.bids), len(follower.asks))


async def test_everything_of_both_exchanges(
    tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, ledger, followers, metrics = await collect(tmp_path, free_port(), monkeypatch, minutes=3)
    assert dict(metrics.counts["errors"]) == {}
    assert rows["gaps"] == []
    assert check_trades(rows["trades"], ledger, followers) > 3_000
    check_books(rows["orderbooks"], followers)
    same = defaultdict(list)  # the same print everywhere, a little later
    for row in rows["trades"]:
        if row["symbol"] in ("BTC-USDT-SWAP", "BTC_USDC-PERPETUAL"):
            same[row["exchange"]].append((row["price"].rstrip("0"), Decimal(row["quantity"]), row["timestamp"]))
    shared = min(map(len, same.values()))
    okx, deribit = same["okx"][-shared:], same["deribit"][-shared:]
    assert [row[:2] for row in okx] == [row[:2] for row in deribit]
    assert {later[2] - earlier[2] for earlier, later in zip(okx, deribit, strict=True)} == {90 - 35}
    kinds = {(row["exchange"], row["kind"]) for row in rows["volatility_indices"]}
    assert kinds == {("okx", "mark_iv"), ("deribit", "mark_iv"), ("deribit", "dvol")}
    kinds = {(row["exchange"], row["funding_kind"]) for row in rows["funding_rates"]}
    assert {("okx", "predicted"), ("okx", "settled"), ("deribit", "continuous")} <= kinds


async def test_bybit_which_numbers_its_prints_as_it_likes(
    tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    swap = ("bybit.linear",)
    both = ("trades", "orderbooks", "best_quotes", "instruments")
    expected = {**dict.fromkeys(both, BYBIT_VENUES), "funding_rates": swap, "open_interests": swap}
    rows, ledger, followers, metrics = await collect(
        tmp_path, free_port(), monkeypatch, minutes=2, venues=BYBIT_VENUES, expected=expected
    )
    assert dict(metrics.counts["errors"]) == {}
    assert rows["gaps"] == []
    for row in rows["trades"]:
        row["sequence"], place = divmod(row["sequence"], PER_SEQUENCE)
        assert (place, row["trade_id"]) == (0, f"5f3c-{row['sequence']}")
    assert check_trades(rows["trades"], ledger, followers) > 800
    check_books(rows["orderbooks"], followers)
    assert {row["funding_kind"] for row in rows["funding_rates"]} == {"predicted", "settled"}


async def test_options_of_binance(
    tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = ("trades", "orderbooks", "best_quotes", "instruments", "open_interests", "volatility_indices")
    only = (BINANCE_OPTION,)
    rows, ledger, followers, metrics = await collect(
        tmp_path, free_port(), monkeypatch, minutes=1, venues=only, expected=dict.fromkeys(kinds, only)
    )
    assert dict(metrics.counts["errors"]) == {}
    assert rows["gaps"] == []
    assert check_trades(rows["trades"], ledger, followers) > 30
    check_books(rows["orderbooks"], followers)
    assert all(35 < Decimal(row["index_value"]) < 75 for row in rows["volatility_indices"])


class Unheard(Simulator):
    """Its market goes on and ends although nobody listens."""

    async def _somebody_listens(self) -> None:
        return


async def test_a_start_asks_each_exchange_for_what_was_traded_meanwhile(
    tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The market is over before the collector comes, which goes on from the tenth trade of each symbol."""
    broker = Nats(tmp_path / "nats", free_port())
    broker.start()
    venues = ("binance.spot", "binance.linear", "binance.inverse", "okx.linear", "deribit.inverse", "deribit.option")
    ledger = tmp_path / "ledger.jsonl"
    options = SimulatorOptions(
        seed=3, symbols=("BTCUSDT",), venues=venues, history_hours=0, history_step_ms=10**9, live_step_ms=100,
        ledger=ledger, clock_ms=chain([NOW_MS], repeat(NOW_MS + 90_000)).__next__, end_ms=NOW_MS + 60_000,
    )  # fmt: skip
    nats_settings = NatsSettings(_env_file=None, url=broker.url, stream_max_bytes=8 << 20)
    try:
        async with Unheard(options) as exchange:
            await exchange.finished()
            traded: dict[tuple[str, str], set[int]] = defaultdict(set)
            for fill in map(json.loads, ledger.read_text().splitlines()):
                by_fill = fill["venue"] not in ("binance.linear", "binance.inverse")
                traded[fill["venue"], fill["symbol"]].add(fill["id" if by_fill else "aggregate_id"])
            missed = {key: sorted(ids)[10:] for key, ids in traded.items()}
            positions = Positions()
            for venue, symbol in missed:
                tenth = sorted(traded[venue, symbol])[9:10]
                kind = "agg_trade" if venue in ("binance.linear", "binance.inverse") else "trade"
                exchange_name, market = venue.split(".")
                upto = {symbol: (max(tenth, default=0), NOW_MS, kind)}
                frame = Frame("", b"", 0, "trades", exchange_name, market, upto)
                positions.stored(frame)
            client = await nats.connect(broker.url)
            await ensure_streams(client.jetstream(), nats_settings)
            await positions.save(client)
            await client.close()
            for name, value in exchange.environment.items():
                monkeypatch.setitem(os.environ, name, value)
            metrics = CollectorMetrics(CollectorRegistry())
            service = CollectorService(CollectorSettings(_env_file=None), nats_settings, metrics)
            work = asyncio.create_task(service.run())
            wanted = sum(map(len, missed.values()))
            counts = metrics.counts["published_rows"]
            try:
                await until(lambda: sum(counts[("trades", *venue.split("."))] for venue in venues) >= wanted, 60)
            finally:
                work.cancel()
                await asyncio.wait([work])
        stored: dict[tuple[str, str], list[int]] = defaultdict(list)
        for row in await broker.rows("trades"):
            stored[f"{row['exchange']}.{row['market_type']}", row["symbol"]].append(row["sequence"])
        assert dict(stored) == {key: ids for key, ids in missed.items() if ids}
        assert len({venue for venue, _ in stored}) >= 5
    finally:
        broker.kill()
