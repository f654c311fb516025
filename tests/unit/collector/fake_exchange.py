"""A small stamped Binance: real WebSocket and HTTP, a ledger of what happened, and switches for misbehaviour."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import WSMsgType, web

START_MS = 1_700_000_000_000


class FakeExchange:
    """Spot and USD-M of one symbol list. Every trade and depth update is in the ledger, also when no one hears it."""

    def __init__(self, symbols: tuple[str, ...] = ("BTCUSDT",)) -> None:
        self.symbols: tuple[str, ...] = ()
        self.now_us = START_MS * 1000
        self.trades: dict[str, list[dict[str, Any]]] = {}
        self.bids: dict[str, dict[str, str]] = {}
        self.asks: dict[str, dict[str, str]] = {}
        self.update_id: dict[str, int] = {}
        for symbol in symbols:
            self.list_symbol(symbol)
        self.sockets: dict[web.WebSocketResponse, set[str]] = {}
        self.requests: list[str] = []
        self.failing: dict[str, int] = {}
        self.slow: dict[str, asyncio.Event] = {}
        self.mute = False
        self.deaf = False
        self.refusing = 0
        self.subscribed = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def __aenter__(self) -> FakeExchange:
        application = web.Application()
        application.add_routes([web.get("/stream", self._socket), web.get("/{path:.*}", self._rest)])
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()
        if self._runner is not None:
            await self._runner.cleanup()

    def settings(self) -> dict[str, Any]:
        """Collector settings that point here."""
        ws, rest = f"ws://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.port}"
        return {
            "clock": "stamped",
            "symbols": list(self.symbols),
            "binance_spot_ws_url": ws,
            "binance_spot_rest_url": rest,
            "binance_linear_ws_public_url": ws,
            "binance_linear_ws_market_url": ws,
            "binance_linear_rest_url": rest,
        }

    def list_symbol(self, symbol: str) -> None:
        """From now on it trades; ids start over."""
        self.symbols += (symbol,)
        self.trades[symbol] = []
        self.bids[symbol] = {"99.90": "1.000", "99.80": "2.000"}
        self.asks[symbol] = {"100.10": "1.000", "100.20": "2.000"}
        self.update_id[symbol] = 1000

    def delist_symbol(self, symbol: str) -> None:
        """From now on nobody lists it."""
        self.symbols = tuple(name for name in self.symbols if name != symbol)

    def stamp(self) -> int:
        self.now_us += 1000
        return self.now_us

    async def send(self, stream: str, data: dict[str, Any] | str, *, quietly: bool = False) -> None:
        """Push to whoever subscribed ``stream`` (text goes as it is)."""
        stamp = self.stamp()
        if quietly:
            return
        text = data if isinstance(data, str) else json.dumps({"stream": stream, "data": data})
        for socket, streams in list(self.sockets.items()):
            if stream in streams and not socket.closed:
                await socket.send_bytes(f"{stamp:016d} {text}".encode())

    async def trade(self, symbol: str = "BTCUSDT", *, quietly: bool = False) -> int:
        """The next trade; ``quietly``: it happened, but is not pushed."""
        ledger = self.trades[symbol]
        number = len(ledger) + 1
        price, quantity = f"{100 + number % 7}.50", f"0.{number:03d}1"
        ledger.append({"t": number, "p": price, "q": quantity, "T": self.now_us // 1000, "m": number % 2 == 0})
        event = {"e": "trade", "E": self.now_us // 1000, "s": symbol, **ledger[-1]}
        await self.send(f"{symbol.lower()}@trade", event, quietly=quietly)
        return number

    async def depth(self, symbol: str = "BTCUSDT", *, quietly: bool = False) -> None:
        """The next update: the best bid's quantity changes and a level comes or goes."""
        first = self.update_id[symbol] + 1
        self.update_id[symbol] = last = first + 2
        bids = [["99.90", f"{last % 9 + 1}.000"], ["99.70", "0.000" if last % 2 else "3.000"]]
        for price, quantity in bids:
            if float(quantity):
                self.bids[symbol][price] = quantity
            else:
                self.bids[symbol].pop(price, None)
        event = {"e": "depthUpdate", "E": self.now_us // 1000, "s": symbol, "U": first, "u": last, "b": bids, "a": []}
        await self.send(f"{symbol.lower()}@depth@100ms", event, quietly=quietly)

    async def cut(self) -> None:
        """Close every socket that there is; one that comes meanwhile stays."""
        closing = list(self.sockets)
        self.sockets.clear()
        self.subscribed.clear()
        for socket in closing:
            await socket.close()

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if self.refusing:
            self.refusing -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets[socket] = set()
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            if self.deaf:
                continue
            asked = json.loads(message.data)
            streams = self.sockets.setdefault(socket, set())
            if asked["method"] == "SUBSCRIBE":
                streams.update(() if self.mute else asked["params"])
            else:
                streams.difference_update(asked["params"])
            await socket.send_bytes(
                f"{self.stamp():016d} ".encode() + json.dumps({"result": None, "id": asked["id"]}).encode()
            )
            self.subscribed.set()
        self.sockets.pop(socket, None)
        return socket

    async def _rest(self, request: web.Request) -> web.Response:
        path = "/" + request.match_info["path"]
        self.requests.append(path)
        if (waits := self.slow.get(request.query.get("symbol", ""))) is not None:
            await waits.wait()
        headers = {"X-Received-At": str(self.stamp())}
        if self.failing.get(path, 0) > 0:
            self.failing[path] -= 1
            return web.Response(status=503, headers=headers, text="away")
        body = self._answer(path, request.query)
        if body is None:
            return web.Response(status=404, headers=headers, text="no such path")
        return web.json_response(body, headers=headers)

    def _answer(self, path: str, query: Any) -> Any:
        symbol = query.get("symbol", "")
        if path.endswith("exchangeInfo"):
            return {"symbols": [self._info(name) for name in self.symbols]}
        if path == "/api/v3/depth":
            return {
                "lastUpdateId": self.update_id[symbol],
                "bids": list(self.bids[symbol].items()),
                "asks": list(self.asks[symbol].items()),
            }
        if path == "/api/v3/historicalTrades":
            found = [row for row in self.trades[symbol] if row["t"] >= int(query["fromId"])]
            return [
                {"id": row["t"], "price": row["p"], "qty": row["q"], "time": row["T"], "isBuyerMaker": row["m"]}
                for row in found[: int(query["limit"])]
            ]
        return None

    @staticmethod
    def _info(name: str) -> dict[str, Any]:
        return {
            "symbol": name,
            "status": "TRADING",
            "baseAsset": name[:-4],
            "quoteAsset": "USDT",
            "filters": [
                {"filterType": "PRICE_FILTER", "tickSize": "0.01000000"},
                {"filterType": "LOT_SIZE", "stepSize": "0.00010000"},
            ],
        }
