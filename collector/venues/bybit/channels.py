"""Topics of Bybit and how its sockets are spoken to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from collector.venue import ConnectionPlan, Dialect, Stream

STREAMS_PER_CONNECTION: Final = 100

_BATCH: Final = 10
"""Arguments of one request on spot; other markets take more."""


def _message(operation: str, topics: Sequence[str]) -> list[str]:
    return [
        json.dumps({"op": operation, "args": list(topics[start : start + _BATCH])})
        for start in range(0, len(topics), _BATCH)
    ]


def _subscribe(topics: Sequence[str]) -> list[str]:
    return _message("subscribe", topics)


def _unsubscribe(topics: Sequence[str]) -> list[str]:
    return _message("unsubscribe", topics)


DIALECT: Final = Dialect(_subscribe, _unsubscribe, send_interval_s=0.1, keepalive=(20.0, '{"op":"ping"}'))


def connections(name: str, url: str, streams: Sequence[Stream]) -> list[ConnectionPlan]:
    """Where streams are subscribed."""
    return [ConnectionPlan(name, (url,), tuple(streams), STREAMS_PER_CONNECTION)] if streams else []
