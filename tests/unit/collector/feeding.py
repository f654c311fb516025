"""Feeds recorded or hand-made messages to the collector's pure core: no sockets, no clocks."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import zstandard
from prometheus_client import CollectorRegistry

from collector.clock import SystemClock
from collector.market import BookOptions, Market
from collector.metrics import CollectorMetrics
from collector.rest import RestClient
from collector.venue import Venue
from collector.venues import make_venue
from collector.venues.binance.messages import DepthSnapshot
from collector.venues.binance.rows import book_snapshot
from marketprism.events import Instrument, Row
from marketprism.settings import CollectorSettings

_STREAM = re.compile(r'\s*\{\s*"stream"\s*:\s*"([^"]+)"')


@dataclass
class Line:
    """One line of a recording."""

    received_at: int
    transport: str
    url: str
    payload: str

    @property
    def stream(self) -> str:
        found = _STREAM.match(self.payload)
        return found[1] if found else str(json.loads(self.payload).get("stream", ""))


def recorded(path: Path) -> Iterator[Line]:
    """Incoming lines of a recording, in order."""
    with path.open("rb") as file:
        for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file)):
            record = json.loads(line)
            if record["direction"] == "in":
                received_at = round(record["received_at"] * 1_000_000)
                yield Line(received_at, record["transport"], record["url"], record["payload"])


def instrument(market_type: str, symbol: str, tick: str = "0.1", status: str = "TRADING", **changes: Any) -> Instrument:
    """A listed instrument."""
    fields: dict[str, Any] = {
        "timestamp": 1,
        "received_at": 1000,
        "exchange": "binance",
        "market_type": market_type,
        "symbol": symbol,
        "sequence": 1,
        "canonical": symbol,
        "base": "BTC",
        "quote": "USDT",
        "settle": "USDT",
        "type": "spot" if market_type == "spot" else "perpetual",
        "is_inverse": False,
        "multiplier": "1",
        "tick_size": tick,
        "lot_size": "0.001",
        "valid_from": 1,
        "status": status,
    }
    return Instrument(**{**fields, **changes})


@dataclass
class Core:
    """A venue and its market without a network; ``rows`` is everything that came out."""

    venue: Venue
    market: Market
    metrics: CollectorMetrics
    rows: list[Row] = field(default_factory=list)

    def of(self, kind: str, symbol: str | None = None) -> list[Any]:
        """Rows of a data type, in the order they left."""
        return [row for row in self.rows if row.data_type == kind and symbol in (None, row.symbol)]

    def errors(self) -> dict[str, int]:
        """Counted errors by reason."""
        return {key[-1]: count for key, count in self.metrics.counts["errors"].items()}


def core(
    name: str,
    ticks: dict[str, str],
    options: BookOptions | None = None,
    instruments: list[Instrument] | None = None,
    **settings: Any,
) -> Core:
    """The pure core of one venue, following ``ticks`` (symbol → tick size), or ``instruments`` of the same symbols."""
    metrics = CollectorMetrics(CollectorRegistry())
    rows: list[Row] = []
    client = RestClient(SystemClock(), metrics)
    venue = make_venue(name, CollectorSettings(_env_file=None, **settings), client)
    market = Market(venue, options or BookOptions(), metrics, rows.append)
    market.track(instruments or [instrument(venue.market_type, symbol, tick) for symbol, tick in ticks.items()])
    venue.plan(list(ticks))
    return Core(venue, market, metrics, rows)


def feed(core: Core, lines: Iterator[Line]) -> None:
    """A recording: subscribed streams, and REST snapshots when they came."""
    wanted = {
        stream.name for plan in core.venue.plan([*core.venue._tracked]) for stream in plan.streams
    }  # the recorder also had bookTicker
    for line in lines:
        if line.transport == "ws":
            if line.stream in wanted:
                core.market.receive(line.payload.encode(), line.received_at)
        elif "/depth" in line.url:
            symbol = parse_qs(urlsplit(line.url).query)["symbol"][0]
            answer = msgspec.json.decode(line.payload, type=DepthSnapshot)
            assert core.market.snapshot(book_snapshot(symbol, answer, line.received_at))
    core.market.close()
