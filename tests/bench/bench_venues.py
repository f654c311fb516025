"""CPU of OKX, Deribit and Bybit per message and type: wire text → row → frame.

``main()`` gives CPU microseconds a message by ``<venue>_<type>_us``. Messages are made here (seeded), shaped like the
recorded ones; books change 20 levels a message around a book of 400 a side; contracts are converted to base units.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry

from collector.framing import Framer
from collector.market import BookOptions, Market
from collector.metrics import CollectorMetrics
from marketprism.events import Instrument
from tests.golden.venues import contract, make_core

_NOW = 1_790_000_000_000
_MESSAGES = 20_000
_BOOKS = 5_000

OKX = contract("okx", "linear", "BTC-USDT-SWAP", multiplier="0.01")
OKX_INVERSE = contract("okx", "inverse", "BTC-USD-SWAP", multiplier="100")
OKX_OPTION = contract("okx", "option", "BTC-USD-261225-100000-C", "0.0001", expiry=1798185600000, quote="USD")
DERIBIT = contract("deribit", "inverse", "BTC-PERPETUAL", "0.5", quote="USD", settle="BTC", status="open")
DERIBIT_OPTION = contract("deribit", "option", "BTC-25DEC26-100000-C", "0.0005", expiry=1798185600000)
BYBIT = contract("bybit", "linear", "BTCUSDT", "0.1", status="Trading")

Levels = list[tuple[str, str]]


def _levels(rng: random.Random, sign: int, count: int, deletes: float) -> Levels:
    ranks = sorted({min(int(rng.expovariate(1 / 40)), 399) for _ in range(count)})
    return [
        (f"{84000 + sign * (1 + rank) / 10:.1f}", "0" if rng.random() < deletes else f"{rng.random() * 90 + 1:.2f}")
        for rank in ranks
    ]


def _sides(number: int, rng: random.Random) -> tuple[Levels, Levels]:
    if number == 0:
        return tuple([(f"{84000 + s * (1 + r) / 10:.1f}", "5.25") for r in range(400)] for s in (-1, 1))  # type: ignore[return-value]
    return _levels(rng, -1, 10, 0.3), _levels(rng, 1, 10, 0.3)


def _okx_books(symbol: str) -> Iterator[dict[str, Any]]:
    rng = random.Random(1)
    for number in range(_BOOKS):
        bids, asks = ([[price, size, "0", "3"] for price, size in side] for side in _sides(number, rng))
        ids = {"seqId": number + 1, "prevSeqId": number or -1, "checksum": 0, "ts": str(_NOW + 100 * number)}
        action = "update" if number else "snapshot"
        arg = {"channel": "books", "instId": symbol}
        yield {"arg": arg, "action": action, "data": [{"asks": asks, "bids": bids, **ids}]}


def _okx(channel: str, key: str, of: str, row: Callable[[int], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for number in range(_MESSAGES):
        yield {"arg": {"channel": channel, key: of}, "data": [row(number)]}


def _deribit(channel: str, data: Callable[[int], Any], count: int = _MESSAGES) -> Iterator[dict[str, Any]]:
    for number in range(count):
        yield {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data(number)}}


def _deribit_book(number: int, rng: random.Random) -> dict[str, Any]:
    sides = [
        [
            ["delete" if size == "0" else "change" if number else "new", float(price), round(100 * float(size))]
            for price, size in side
        ]
        for side in _sides(number, rng)
    ]
    chain = {"type": "change", "prev_change_id": number} if number else {"type": "snapshot"}
    head = {"timestamp": _NOW + 100 * number, "instrument_name": DERIBIT.symbol, "change_id": number + 1}
    return {**chain, **head, "bids": sides[0], "asks": sides[1]}


def _bybit(topic: str, data: Callable[[int], Any], count: int = _MESSAGES) -> Iterator[dict[str, Any]]:
    for number in range(count):
        kind = "delta" if number else "snapshot"
        yield {"topic": topic, "type": kind, "ts": _NOW + 100 * number, "data": data(number)}


def _cpu_us(venue: str, instrument: Instrument, messages: Iterator[dict[str, Any]], **settings: Any) -> float:
    core = make_core(venue, [instrument], **settings)
    framer = Framer(lambda _: None, max_rows=200, max_bytes=64 << 10, partitions=1)
    market = Market(core.venue, BookOptions(), CollectorMetrics(CollectorRegistry()), framer.add)
    market.track([instrument])
    texts = [json.dumps(message).encode() for message in messages]
    start = time.process_time()
    for number, text in enumerate(texts):
        market.receive(text, (_NOW + number) * 1000)
    spent = time.process_time() - start
    if market._metrics.counts["errors"] or market.wants_books():
        raise RuntimeError(f"the bench made bad messages: {dict(market._metrics.counts['errors'])}")
    return spent / len(texts) * 1e6


def _okx_figures() -> dict[str, float]:
    def trade(number: int) -> dict[str, Any]:
        return {
            "instId": OKX.symbol, "tradeId": str(number + 1), "px": f"{84000 + number % 50 / 10:.1f}", "sz": "0.25",
            "side": "buy", "ts": str(_NOW + number), "count": "1", "source": "0", "seqId": number,
        }  # fmt: skip

    def funding(number: int) -> dict[str, Any]:
        times = {"fundingTime": "1790784000000", "nextFundingTime": "1790812800000", "ts": str(_NOW + number)}
        return {"instId": OKX.symbol, "fundingRate": f"0.0000252378{number:06d}", **times}

    def interest(number: int) -> dict[str, Any]:
        said = {"oi": f"{2874486 + number}.25", "oiCcy": f"{28744 + number}.86", "oiUsd": "2385812703.75"}
        return {"instId": OKX.symbol, **said, "ts": str(_NOW + number)}

    def liquidation(number: int) -> dict[str, Any]:
        detail = {"side": "sell", "bkPx": "82655.7", "sz": "8.55", "ts": str(_NOW + number)}
        return {"instId": OKX.symbol, "details": [detail]}

    def summary(number: int) -> dict[str, Any]:
        return {"instId": OKX_OPTION.symbol, "markVol": f"0.45{number % 100:02d}", "ts": str(_NOW + number)}

    symbol = OKX.symbol
    return {
        "okx_trade_us": _cpu_us("okx.linear", OKX, _okx("trades-all", "instId", symbol, trade)),
        "okx_book_20_levels_us": _cpu_us("okx.linear", OKX, _okx_books(symbol)),
        "okx_inverse_book_20_levels_us": _cpu_us("okx.inverse", OKX_INVERSE, _okx_books(OKX_INVERSE.symbol)),
        "okx_funding_us": _cpu_us("okx.linear", OKX, _okx("funding-rate", "instId", symbol, funding)),
        "okx_open_interest_us": _cpu_us("okx.linear", OKX, _okx("open-interest", "instId", symbol, interest)),
        "okx_liquidation_us": _cpu_us("okx.linear", OKX, _okx("liquidation-orders", "instType", "SWAP", liquidation)),
        "okx_option_volatility_us": _cpu_us(
            "okx.option", OKX_OPTION, _okx("opt-summary", "instFamily", "BTC-USD", summary)
        ),
    }


def _deribit_figures() -> dict[str, float]:
    rng = random.Random(2)

    def trade(number: int) -> list[dict[str, Any]]:
        return [
            {
                "trade_seq": number + 1, "trade_id": str(number), "timestamp": _NOW + number, "amount": 8450.0,
                "instrument_name": DERIBIT.symbol, "price": 76917.5 + number % 9 / 2, "direction": "buy",
                "index_price": 76906.67, "mark_price": 76917.12, "tick_direction": 0, "contracts": 845.0,
            }
        ]  # fmt: skip

    def ticker(number: int) -> dict[str, Any]:
        return {
            "timestamp": _NOW + 1000 * number, "instrument_name": DERIBIT.symbol, "state": "open",
            "mark_price": 83212.14, "index_price": 83251.03, "open_interest": 797578130 + number,
            "current_funding": -2.1714e-4, "funding_8h": -3.1e-6, "best_bid_price": 83212.0,
        }  # fmt: skip

    def option(number: int) -> dict[str, Any]:
        return {
            "timestamp": _NOW + 1000 * number, "instrument_name": DERIBIT_OPTION.symbol, "mark_price": 0.0012,
            "index_price": 2006.72, "open_interest": 12685.0, "mark_iv": 120.74 + number % 9, "bid_iv": 1.0,
        }  # fmt: skip

    def index(number: int) -> dict[str, Any]:
        return {"timestamp": _NOW + number, "volatility": 45.36, "index_name": "btc_usd"}

    def book(number: int) -> dict[str, Any]:
        return _deribit_book(number, rng)

    name = DERIBIT.symbol
    return {
        "deribit_trade_us": _cpu_us("deribit.inverse", DERIBIT, _deribit(f"trades.{name}.100ms", trade)),
        "deribit_book_20_levels_us": _cpu_us("deribit.inverse", DERIBIT, _deribit(f"book.{name}.100ms", book, _BOOKS)),
        "deribit_ticker_us": _cpu_us("deribit.inverse", DERIBIT, _deribit(f"ticker.{name}.100ms", ticker)),
        "deribit_option_ticker_us": _cpu_us(
            "deribit.option", DERIBIT_OPTION, _deribit(f"ticker.{DERIBIT_OPTION.symbol}.100ms", option)
        ),
        "deribit_dvol_us": _cpu_us(
            "deribit.option", DERIBIT_OPTION, _deribit("deribit_volatility_index.btc_usd", index)
        ),
    }


def _bybit_figures() -> dict[str, float]:
    rng = random.Random(3)

    def trade(number: int) -> list[dict[str, Any]]:
        said = {"T": _NOW + number, "s": BYBIT.symbol, "S": "Buy", "v": "0.001", "p": f"{84000 + number % 50 / 10:.1f}"}
        return [{**said, "i": f"20f43950-d8dd-5b31-{number:012d}", "BT": False, "seq": number}]

    def book(number: int) -> dict[str, Any]:
        bids, asks = _sides(number, rng)
        return {"s": BYBIT.symbol, "b": bids, "a": asks, "u": number + 1, "seq": number}

    def ticker(number: int) -> dict[str, Any]:
        said = {"symbol": BYBIT.symbol, "fundingRate": "0.0001", "nextFundingTime": "1790784000000"}
        return {**said, "markPrice": f"{84000 + number % 90}.25", "openInterest": f"{68744 + number}.761"}

    def liquidation(number: int) -> list[dict[str, Any]]:
        return [{"T": _NOW + number, "s": BYBIT.symbol, "S": "Buy", "v": "0.2", "p": "16500.1"}]

    return {
        "bybit_trade_us": _cpu_us("bybit.linear", BYBIT, _bybit("publicTrade.BTCUSDT", trade)),
        "bybit_book_20_levels_us": _cpu_us("bybit.linear", BYBIT, _bybit("orderbook.200.BTCUSDT", book, _BOOKS)),
        "bybit_ticker_us": _cpu_us("bybit.linear", BYBIT, _bybit("tickers.BTCUSDT", ticker)),
        "bybit_liquidation_us": _cpu_us("bybit.linear", BYBIT, _bybit("allLiquidation.BTCUSDT", liquidation)),
    }


def main() -> dict[str, float]:
    """Every figure, rounded to what repeats."""
    figures = {**_okx_figures(), **_deribit_figures(), **_bybit_figures()}
    return {name: round(value, 2) for name, value in figures.items()}


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name:45} {value:12,.2f}")
