"""Channel names of Deribit, and how its JSON-RPC socket is spoken to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from collector.opening import Gate
from collector.venue import ConnectionPlan, Control, Dialect, Stream

STREAMS_PER_CONNECTION: Final = 300
"""There is no documented limit; this spreads books over sockets, of which an IP may have 32."""
HEARTBEAT_S: Final = 30

_BATCH: Final = 200
_SEND_INTERVAL_S: Final = 0.35
_SUBSCRIPTIONS: Final = Gate(_SEND_INTERVAL_S, burst=5)
"""A subscription costs 3,000 of a refill of 10,000 credits a second; more than that ends the session.

They are counted by address, 30,000 at once at most: all markets and sockets share half of that."""
_SUBSCRIBE: Final = "public/subscribe"
_REMEMBERED: Final = 1_000


class Requests:
    """Makes requests and remembers what each subscription asked for, because a refusal only names the request."""

    def __init__(self) -> None:
        self._next_id = 1
        self._asked: dict[int, list[str]] = {}

    def subscribe(self, channels: Sequence[str]) -> list[str]:
        """In batches: one call for many channels costs as much as for one."""
        return [self._subscribe(list(channels[start : start + _BATCH])) for start in range(0, len(channels), _BATCH)]

    def unsubscribe(self, channels: Sequence[str]) -> list[str]:
        return [
            self._request("public/unsubscribe", {"channels": list(channels[start : start + _BATCH])})
            for start in range(0, len(channels), _BATCH)
        ]

    def test(self) -> str:
        """The answer to a ``test_request`` heartbeat."""
        return self._request("public/test", {})

    def accepted(self, request_id: int | None) -> list[str]:
        """What the answered subscription asked for."""
        return self._asked.pop(request_id, []) if request_id is not None else []

    def refused(self, request_id: int | None, reason: str) -> list[Control]:
        """One bad channel can refuse a whole call: ask again in halves, until it stands alone."""
        asked = self._asked.pop(request_id, []) if request_id is not None else []
        named = f"{reason} ({asked[0]})" if len(asked) == 1 else reason
        if len(asked) < 2:
            return [Control(refused=named)]
        middle = len(asked) // 2
        halves = [Control(reply=self._subscribe(half)) for half in (asked[:middle], asked[middle:])]
        return [Control(refused=named), *halves]

    def _subscribe(self, channels: list[str]) -> str:
        self._asked[self._next_id] = channels
        if len(self._asked) > _REMEMBERED:
            del self._asked[next(iter(self._asked))]
        return self._request(_SUBSCRIBE, {"channels": channels})

    def _request(self, method: str, params: dict[str, object]) -> str:
        request_id = self._next_id
        self._next_id += 1
        return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


def dialect(requests: Requests) -> Dialect:
    """Heartbeats are asked for on every socket: one that misses them is cut by the exchange, and so noticed."""
    greeting = json.dumps(
        {"jsonrpc": "2.0", "id": 0, "method": "public/set_heartbeat", "params": {"interval": HEARTBEAT_S}}
    )
    return Dialect(
        requests.subscribe, requests.unsubscribe, send_interval_s=_SEND_INTERVAL_S, greeting=(greeting,), turn=_turn
    )


def _turn(message: str, now: float) -> float:
    """Answers to heartbeats cost little, and must not be late."""
    return _SUBSCRIPTIONS.delay(now) if f'"{_SUBSCRIBE}"' in message else 0.0


def connections(name: str, urls: Sequence[str], streams: Sequence[Stream]) -> list[ConnectionPlan]:
    """Where streams are subscribed; ``urls``: best first."""
    addresses = tuple(dict.fromkeys(url for url in urls if url))
    return [ConnectionPlan(name, addresses, tuple(streams), STREAMS_PER_CONNECTION)] if streams else []
