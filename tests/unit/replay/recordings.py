"""Small hand-made recordings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import zstandard

SPOT_WS = "wss://stream.binance.com:9443/stream?streams=btcusdt@trade/btcusdt@depth@100ms"
SPOT_REST = "https://api.binance.com/api/v3/depth?symbol={symbol}&limit=1000"
LINEAR_WS = "wss://fstream.binance.com/stream?streams=btcusdt@trade"
LINEAR_REST = "https://fapi.binance.com/fapi/v1/depth?symbol={symbol}&limit=1000"


def line(at: float, url: str, payload: object, *, transport: str = "ws", direction: str = "in") -> str:
    text = payload if isinstance(payload, str) else json.dumps(payload, separators=(",", ":"))
    return json.dumps({"received_at": at, "transport": transport, "url": url, "direction": direction, "payload": text})


def trade(
    at: float, number: int, price: str = "100.50000000", quantity: str = "0.01000000", symbol: str = "BTCUSDT"
) -> str:
    data = {"e": "trade", "s": symbol, "t": number, "p": price, "q": quantity, "T": int(at * 1000), "m": False}
    return line(at, SPOT_WS, {"stream": f"{symbol.lower()}@trade", "data": data})


def depth(at: float, first: int, last: int, symbol: str = "BTCUSDT") -> str:
    data = {"e": "depthUpdate", "s": symbol, "U": first, "u": last, "b": [["100.25", "1.5"]], "a": []}
    return line(at, SPOT_WS, {"stream": f"{symbol.lower()}@depth@100ms", "data": data})


def snapshot(at: float, last_id: int, symbol: str = "BTCUSDT") -> str:
    body = {"lastUpdateId": last_id, "bids": [["100.25", "2"]], "asks": [["100.75", "0.125"]]}
    return line(at, SPOT_REST.format(symbol=symbol), body, transport="http")


def ticker(at: float) -> str:
    return line(at, SPOT_WS, {"stream": "btcusdt@bookTicker", "data": {"u": 1, "s": "BTCUSDT"}})


def write(path: Path, lines: Sequence[str]) -> Path:
    path.write_bytes(zstandard.ZstdCompressor().compress(("\n".join(lines) + "\n").encode()))
    return path
