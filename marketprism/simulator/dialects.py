"""The exchanges' side of subscribing: what a client's text asks for and what is answered, without any market in it.

Binance's own requests are understood by ``sockets``; venues whose streams begin with a snapshot speak here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(slots=True)
class Understood:
    """What a request asks for. ``replies`` go out before the first messages of new streams."""

    subscribe: list[str] = field(default_factory=list)
    unsubscribe: list[str] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)


class ServerDialect(Protocol):
    """One exchange's requests."""

    def understand(self, text: str) -> Understood:
        """Never raises: what cannot be read is answered by the exchange's error."""


class OkxDialect:
    """``op`` subscribe and unsubscribe, and the text ``ping``. A stream is ``channel:instId``."""

    def understand(self, text: str) -> Understood:
        if text == "ping":
            return Understood(replies=["pong"])
        try:
            request: dict[str, Any] = json.loads(text)
            operation, arguments = request["op"], list(request["args"])
            names = [self.name_of(argument) for argument in arguments]
        except (ValueError, KeyError, TypeError, AttributeError):
            return Understood(replies=['{"event":"error","code":"60012","msg":"Illegal request","connId":"a4d3ae55"}'])
        acknowledged = [
            json.dumps({"event": operation, "arg": argument, "connId": "a4d3ae55"}, separators=(",", ":"))
            for argument in arguments
        ]
        if operation == "subscribe":
            return Understood(subscribe=names, replies=acknowledged)
        return Understood(unsubscribe=names, replies=acknowledged)

    @staticmethod
    def name_of(argument: dict[str, str]) -> str:
        """instId, or instFamily, or instType, whichever is most particular."""
        of = argument.get("instId") or argument.get("instFamily") or argument.get("instType", "")
        return f"{argument['channel']}:{of}"


class DeribitDialect:
    """JSON-RPC. A stream is its channel; ``raw`` is for those who have logged in, which nobody can here."""

    def __init__(self, *, raw: bool = False) -> None:
        self._raw = raw

    def understand(self, text: str) -> Understood:
        try:
            request: dict[str, Any] = json.loads(text)
            method, request_id = request["method"], request.get("id")
            channels = [str(name) for name in request.get("params", {}).get("channels", ())]
        except (ValueError, KeyError, TypeError, AttributeError):
            return Understood(replies=['{"jsonrpc":"2.0","error":{"code":-32700,"message":"Parse error"}}'])
        if method == "public/subscribe":
            if not self._raw and any(name.endswith(".raw") for name in channels):
                error = {"code": 13778, "message": "raw_subscriptions_not_available_for_unauthorized"}
                return Understood(replies=[_rpc(request_id, error=error)])
            return Understood(subscribe=channels, replies=[_rpc(request_id, result=channels)])
        if method == "public/unsubscribe":
            return Understood(unsubscribe=channels, replies=[_rpc(request_id, result=channels)])
        if method == "public/set_heartbeat":
            return Understood(replies=[_rpc(request_id, result="ok")])
        if method == "public/test":
            return Understood(replies=[_rpc(request_id, result={"version": "1.2.26"})])
        return Understood(replies=[_rpc(request_id, error={"code": -32601, "message": "Method not found"})])


def _rpc(request_id: object, **body: object) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, **body}, separators=(",", ":"))


class BybitDialect:
    """``op`` subscribe, unsubscribe and ping. A stream is its topic."""

    def understand(self, text: str) -> Understood:
        try:
            request: dict[str, Any] = json.loads(text)
            operation, topics = request["op"], [str(topic) for topic in request.get("args", ())]
        except (ValueError, KeyError, TypeError, AttributeError):
            return Understood(replies=['{"success":false,"ret_msg":"invalid request","op":""}'])
        if operation == "ping":
            return Understood(replies=['{"success":true,"ret_msg":"pong","conn_id":"b1","op":"ping"}'])
        reply = f'{{"success":true,"ret_msg":"","conn_id":"b1","op":"{operation}"}}'
        if operation == "subscribe":
            return Understood(subscribe=topics, replies=[reply])
        return Understood(unsubscribe=topics, replies=[reply])
