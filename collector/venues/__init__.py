"""Every venue that can be collected. A new one is a folder here and a line in ``VENUES``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from collector.rest import RestClient
from collector.venue import Venue
from collector.venues.binance.wiring import BinanceInverse, BinanceLinear, BinanceOption, BinanceSpot
from collector.venues.bybit.wiring import Bybit
from collector.venues.deribit.wiring import Deribit
from collector.venues.okx.wiring import Okx
from marketprism.errors import SettingsError
from marketprism.settings import CollectorSettings

VENUES: Final[dict[str, Callable[[CollectorSettings, RestClient], Venue]]] = {
    "binance.spot": BinanceSpot,
    "binance.linear": BinanceLinear,
    "binance.inverse": BinanceInverse,
    "binance.option": BinanceOption,
    "okx.spot": partial(Okx, "spot"),
    "okx.linear": partial(Okx, "linear"),
    "okx.inverse": partial(Okx, "inverse"),
    "okx.option": partial(Okx, "option"),
    "deribit.spot": partial(Deribit, "spot"),
    "deribit.linear": partial(Deribit, "linear"),
    "deribit.inverse": partial(Deribit, "inverse"),
    "deribit.option": partial(Deribit, "option"),
    "bybit.spot": partial(Bybit, "spot"),
    "bybit.linear": partial(Bybit, "linear"),
}


def make_venue(name: str, settings: CollectorSettings, client: RestClient) -> Venue:
    """The venue called ``<exchange>.<market_type>``; raises SettingsError when there is none."""
    factory = VENUES.get(name)
    if factory is None:
        raise SettingsError(f"unknown venue {name!r} in MARKETPRISM_COLLECTOR_VENUES; known: {', '.join(VENUES)}")
    return factory(settings, client)
