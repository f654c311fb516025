"""Which venues a recording can be of: how to tell them, their stream names and REST paths. One entry a venue.

A name is ``<exchange>.<market_type>``, as in the collector's settings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qs, urlsplit

from marketprism.simulator.environment import LINEAR, SPOT

Kind = Literal["trade", "depth", "mark", "other"]

_STREAM: Final = re.compile(r'\s*\{\s*"stream"\s*:\s*"([^"]+)"')


@dataclass(frozen=True, slots=True)
class ReplayVenue:
    """A Binance-form venue: combined streams, REST depth snapshots."""

    name: str
    hosts: frozenset[str]
    setting_prefix: str
    """Of the collector's settings of this venue."""
    rest_prefix: str
    routes: tuple[tuple[str, str], ...]
    """(path on the replay server, route name)."""
    trade_preference: tuple[str, ...]
    """Trade stream kinds, the one to replay first."""

    def stream_of(self, payload: str) -> str | None:
        """The stream name of a combined message; None for acknowledgements and errors."""
        match = _STREAM.match(payload)
        return match.group(1) if match else None

    def kind_of(self, stream: str) -> Kind:
        channel = stream.partition("@")[2]
        if channel in self.trade_preference:
            return "trade"
        if channel == "depth" or channel.startswith("depth@"):
            return "depth"
        return "mark" if channel.startswith("markPrice") else "other"

    def symbol_of(self, stream: str) -> str:
        return stream.partition("@")[0].upper()

    def snapshot_symbol(self, url: str) -> str | None:
        """The symbol of a REST book's URL; None for any other URL."""
        parts = urlsplit(url)
        if parts.path != f"{self.rest_prefix}/depth":
            return None
        return parse_qs(parts.query).get("symbol", [None])[0]

    def is_exchange_info(self, url: str) -> bool:
        return urlsplit(url).path == f"{self.rest_prefix}/exchangeInfo"


VENUES: Final[tuple[ReplayVenue, ...]] = (
    ReplayVenue(
        name=SPOT,
        hosts=frozenset(
            {"stream.binance.com", "data-stream.binance.vision", "api.binance.com", "data-api.binance.vision"}
        ),
        setting_prefix="BINANCE_SPOT",
        rest_prefix="/api/v3",
        routes=(("/spot", "spot"),),
        trade_preference=("trade", "aggTrade"),
    ),
    ReplayVenue(
        name=LINEAR,
        hosts=frozenset({"fstream.binance.com", "fapi.binance.com"}),
        setting_prefix="BINANCE_LINEAR",
        rest_prefix="/fapi/v1",
        routes=(("/linear/public", "public"), ("/linear/market", "market"), ("/linear", "unrouted")),
        trade_preference=("trade", "aggTrade"),
    ),
)
