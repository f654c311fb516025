"""Both Binance markets from the built-in simulator: every data type arrives, trades equal the simulator's ledger."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from collector.metrics import CollectorMetrics
from collector.service import CollectorService
from marketprism.settings import CollectorSettings, NatsSettings
from marketprism.simulator import Simulator, SimulatorOptions, collector_environment
from tests.integration.test_collector_delivery import Nats, until

TYPES = (
    "trades",
    "orderbooks",
    "best_quotes",
    "funding_rates",
    "open_interests",
    "lsr_top_positions",
    "lsr_all_accounts",
    "instruments",
)


async def test_everything_of_both_markets(
    tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Nats(tmp_path / "nats", free_port())
    broker.start()
    ledger = tmp_path / "ledger.jsonl"
    options = SimulatorOptions(seed=7, history_hours=0.05, ledger=ledger, symbols=("BTCUSDT", "ETHUSDT"))
    try:
        async with Simulator(options) as exchange:
            for name, value in collector_environment(exchange.url).items():
                monkeypatch.setitem(os.environ, name, value)
            metrics = CollectorMetrics(CollectorRegistry())
            nats_settings = NatsSettings(_env_file=None, url=broker.url, stream_max_bytes=32 << 20)
            service = CollectorService(CollectorSettings(_env_file=None), nats_settings, metrics)
            work = asyncio.create_task(service.run())
            try:
                stored = metrics.counts["published_rows"]
                await until(lambda: all(stored[(kind, "binance", "linear")] for kind in TYPES), 60)
                await until(lambda: stored[("trades", "binance", "spot")] > 500, 60)
            finally:
                work.cancel()
                await asyncio.wait([work])
        assert dict(metrics.counts["errors"]) == {}
        assert await broker.rows("gaps") == []
        said = [json.loads(line) for line in ledger.read_text().splitlines()]
        assert said
        trades = await broker.rows("trades")
        for market in ("spot", "linear"):
            for symbol in options.symbols:
                rows = [row for row in trades if (row["market_type"], row["symbol"]) == (market, symbol)]
                sequences = [row["sequence"] for row in rows]
                assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
                fills = [fill for fill in said if (fill["venue"], fill["symbol"]) == (f"binance.{market}", symbol)]
                check(rows, fills, "id" if market == "spot" else "aggregate_id")
    finally:
        broker.kill()


def check(rows: list[dict[str, Any]], fills: list[dict[str, Any]], identity: str) -> None:
    """Each row against the fills behind it: price, side, and the sum of their quantities."""
    behind: dict[int, list[dict[str, Any]]] = {}
    for fill in fills:
        if fill["kind"] == "MARKET":
            behind.setdefault(fill[identity], []).append(fill)
    for row in rows:
        parts = behind[row["sequence"]]
        assert {(Decimal(part["price"]), part["side"]) for part in parts} == {(Decimal(row["price"]), row["side"])}
        assert sum(Decimal(part["quantity"]) for part in parts) == Decimal(row["quantity"])
