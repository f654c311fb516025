"""Which venues a recording can be of: how to tell them, their stream names and REST paths. One entry a venue.

A name is ``<exchange>.<market_type>``, as in the collector's settings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qs, urlsplit

from marketprism.simulator.environment import INVERSE, LINEAR, SPOT

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
    rest_root: str = ""
    """What comes before ``rest_prefix`` where one server answers for all venues."""
    data_paths: tuple[str, ...] = ()
    """Further REST paths there."""

    @property
    def served_prefix(self) -> str:
        """Of its REST paths on the replay server and at the simulator."""
        return f"{self.rest_root}{self.rest_prefix}"

    def simulates(self, path: str) -> bool:
        """Whether the simulator serves this venue there."""
        prefixes = (self.served_prefix, *self.data_paths, *(route for route, _ in self.routes))
        return any(path.startswith(f"{prefix}/") for prefix in prefixes)

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
        if parts.path.removeprefix(self.rest_root) != f"{self.rest_prefix}/depth":
            return None
        return parse_qs(parts.query).get("symbol", [None])[0]

    def is_exchange_info(self, url: str) -> bool:
        return urlsplit(url).path.removeprefix(self.rest_root) == f"{self.rest_prefix}/exchangeInfo"


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
        data_paths=("/futures/data",),
    ),
    ReplayVenue(
        name=INVERSE,
        hosts=frozenset({"dstream.binance.com", "dapi.binance.com"}),
        setting_prefix="BINANCE_INVERSE",
        rest_prefix="/dapi/v1",
        routes=(("/inverse/public", "public"), ("/inverse/market", "market"), ("/inverse", "unrouted")),
        trade_preference=("trade", "aggTrade"),
        rest_root="/inverse",
        data_paths=("/inverse/futures/data",),
    ),
)
