"""Every venue that can be collected. A new one is a folder here and a line in ``VENUES``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from collector.rest import RestClient
from collector.venue import Venue
from collector.venues.binance.wiring import BinanceInverse, BinanceLinear, BinanceOption, BinanceSpot
from marketprism.errors import SettingsError
from marketprism.settings import CollectorSettings

VENUES: Final[dict[str, Callable[[CollectorSettings, RestClient], Venue]]] = {
    "binance.spot": BinanceSpot,
    "binance.linear": BinanceLinear,
    "binance.inverse": BinanceInverse,
    "binance.option": BinanceOption,
}


def make_venue(name: str, settings: CollectorSettings, client: RestClient) -> Venue:
    """The venue called ``<exchange>.<market_type>``; raises SettingsError when there is none."""
    factory = VENUES.get(name)
    if factory is None:
        raise SettingsError(f"unknown venue {name!r} in MARKETPRISM_COLLECTOR_VENUES; known: {', '.join(VENUES)}")
    return factory(settings, client)
