"""Stream names of OKX (``channel:instId``), their subscription messages, and where they are subscribed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from collector.opening import Gate
from collector.venue import ConnectionPlan, Dialect, Stream
from collector.venues.okx.messages import Arg

STREAMS_PER_CONNECTION: Final = 100

_SUBSCRIBE_BATCH: Final = 100
"""Arguments of one request: far below 64 KB, and requests are what is limited (480 an hour and connection)."""
_FAMILY_CHANNELS: Final = frozenset({"opt-summary", "option-trades"})
_TYPE_CHANNELS: Final = frozenset({"liquidation-orders", "instruments"})
_BUSINESS_CHANNELS: Final = frozenset({"trades-all"})


def stream_name(channel: str, of: str) -> str:
    """``of``: an instId, an instFamily or an instType, whichever the channel takes."""
    return f"{channel}:{of}"


def name_of(arg: Arg) -> str:
    """The stream that a push belongs to."""
    if arg.channel in _FAMILY_CHANNELS:
        return f"{arg.channel}:{arg.instFamily}"
    return f"{arg.channel}:{arg.instId or arg.instFamily or arg.instType}"


def route_of(stream: Stream) -> str:
    """``business`` or ``public``."""
    return "business" if stream.name.partition(":")[0] in _BUSINESS_CHANNELS else "public"


def _argument(name: str) -> dict[str, str]:
    channel, _, of = name.partition(":")
    if channel in _TYPE_CHANNELS:
        return {"channel": channel, "instType": of}
    if channel == "option-trades":
        return {"channel": channel, "instType": "OPTION", "instFamily": of}
    return {"channel": channel, ("instFamily" if channel in _FAMILY_CHANNELS else "instId"): of}


def _message(operation: str, streams: Sequence[str]) -> list[str]:
    return [
        json.dumps({"op": operation, "args": [_argument(name) for name in streams[start : start + _SUBSCRIBE_BATCH]]})
        for start in range(0, len(streams), _SUBSCRIBE_BATCH)
    ]


def _subscribe(streams: Sequence[str]) -> list[str]:
    return _message("subscribe", streams)


def _unsubscribe(streams: Sequence[str]) -> list[str]:
    return _message("unsubscribe", streams)


DIALECT: Final = Dialect(
    _subscribe, _unsubscribe, send_interval_s=0.25, keepalive=(20.0, "ping"), gate=Gate(interval_s=0.4)
)
"""A socket without data for 30 s is closed; the text ``ping`` is answered by the text ``pong``.

An address may open three sockets a second, over all markets: they share this one."""


def connections(
    name: str, urls: Sequence[str], streams: Sequence[Stream], books_per_connection: int
) -> list[ConnectionPlan]:
    """Books apart from the rest, and each route by itself; ``urls`` are bases, best first."""
    plans = []
    for route in ("public", "business"):
        addresses = tuple(f"{url.rstrip('/')}/{route}" for url in dict.fromkeys(urls) if url)
        of_route = [stream for stream in streams if route_of(stream) == route]
        books = [stream for stream in of_route if stream.channel == "orderbooks"]
        other = [stream for stream in of_route if stream.channel != "orderbooks"]
        for part, some, size in (("books", books, books_per_connection), (route, other, STREAMS_PER_CONNECTION)):
            if some:
                plans.append(ConnectionPlan(f"{name}.{part}", addresses, tuple(some), size))
    return plans
