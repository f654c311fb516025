"""The Binance markets as ``Venue``s, for the registry."""

from __future__ import annotations

from collector.venues.binance.futures import BinanceInverse, BinanceLinear
from collector.venues.binance.option import BinanceOption
from collector.venues.binance.spot import BinanceSpot

__all__ = ["BinanceInverse", "BinanceLinear", "BinanceOption", "BinanceSpot"]
