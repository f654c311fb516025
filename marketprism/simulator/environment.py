"""Where a collector must point to reach a stamped server: its settings as environment variables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final

PREFIX: Final = "MARKETPRISM_COLLECTOR_"

SPOT: Final = "binance.spot"
LINEAR: Final = "binance.linear"
INVERSE: Final = "binance.inverse"
BINANCE_FUTURES: Final = (LINEAR, INVERSE)


def collector_environment(
    base_url: str,
    *,
    venues: Iterable[str] = (SPOT, LINEAR),
    symbols: Iterable[str] = ("BTCUSDT", "ETHUSDT"),
    streams: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Environment of a collector that talks to the server at ``base_url`` (``http://host:port``).

    ``streams``: further settings without the prefix, such as ``{"BINANCE_LINEAR_TRADE_STREAM": "{symbol}@trade"}``.
    """
    base = base_url.rstrip("/")
    sockets = "ws" + base.removeprefix("http")
    values = {
        "CLOCK": "stamped",
        "VENUES": json.dumps(list(venues)),
        "SYMBOLS": json.dumps(list(symbols)),
        "BINANCE_SPOT_WS_URL": f"{sockets}/spot",
        "BINANCE_SPOT_REST_URL": base,
        "BINANCE_LINEAR_WS_PUBLIC_URL": f"{sockets}/linear/public",
        "BINANCE_LINEAR_WS_MARKET_URL": f"{sockets}/linear/market",
        "BINANCE_LINEAR_REST_URL": base,
        "BINANCE_INVERSE_WS_PUBLIC_URL": f"{sockets}/inverse/public",
        "BINANCE_INVERSE_WS_MARKET_URL": f"{sockets}/inverse/market",
        "BINANCE_INVERSE_REST_URL": f"{base}/inverse",
        "BINANCE_OPTION_WS_PUBLIC_URL": f"{sockets}/option/public",
        "BINANCE_OPTION_WS_MARKET_URL": f"{sockets}/option/market",
        "BINANCE_OPTION_REST_URL": base,
        "OKX_WS_URL": f"{sockets}/okx/ws/v5",
        "OKX_REST_URL": base,
        "DERIBIT_WS_URL": f"{sockets}/deribit/ws/api/v2",
        "DERIBIT_REST_URL": f"{base}/api/v2",
        "DERIBIT_HISTORY_URL": f"{base}/history/api/v2",
        "BYBIT_WS_URL": f"{sockets}/bybit/v5/public",
        "BYBIT_REST_URL": base,
        **(streams or {}),
    }
    return {PREFIX + name: value for name, value in values.items()}
