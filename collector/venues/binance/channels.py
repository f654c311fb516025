"""Stream names of Binance and how its sockets are spoken to. Names come from settings: Binance changes them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Final

from collector.venue import ConnectionPlan, Dialect, Stream

STREAMS_PER_CONNECTION: Final = 200
"""The documented limit is 1024 (200 in older text); fewer also spread symbols over sockets and their queues."""

_SUBSCRIBE_BATCH: Final = 100
_ids = itertools.count(1)


def _message(method: str, streams: Sequence[str]) -> list[str]:
    return [
        json.dumps({"method": method, "params": list(streams[start : start + _SUBSCRIBE_BATCH]), "id": next(_ids)})
        for start in range(0, len(streams), _SUBSCRIBE_BATCH)
    ]


def _subscribe(streams: Sequence[str]) -> list[str]:
    return _message("SUBSCRIBE", streams)


def _unsubscribe(streams: Sequence[str]) -> list[str]:
    return _message("UNSUBSCRIBE", streams)


DIALECT: Final = Dialect(_subscribe, _unsubscribe, send_interval_s=0.34)
"""At most 5 client messages a second on spot, pongs included; the library answers pings itself."""


def stream_name(template: str, symbol: str) -> str:
    """``{symbol}`` in lower case, as stream names are; templates without it are market-wide streams."""
    return template.replace("{symbol}", symbol.lower())


def connections(name: str, urls: Sequence[str], streams: Sequence[Stream]) -> list[ConnectionPlan]:
    """Where streams are subscribed; ``urls`` are bases, best first."""
    combined = tuple(f"{url.rstrip('/')}/stream" for url in dict.fromkeys(urls) if url)
    return [ConnectionPlan(name, combined, tuple(streams), STREAMS_PER_CONNECTION)] if streams else []
