"""Hours of a synthetic market, made by the engine itself: trades with buckets, books, changes of the best.

Everything is a function of (symbol, row number), so two runs hold the same rows but for the hour they end at.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Hours:
    """``symbols`` names S0USDT…, each with these rates over ``hours`` up to ``end_ms``; buckets of ``bucket_s``."""

    symbols: int
    hours: float
    end_ms: int
    trades_per_s: float = 20.0
    books_per_s: float = 2.0
    quotes_per_s: float = 4.0
    bucket_s: int = 30

    @property
    def trades(self) -> int:
        """Trades of one symbol."""
        return int(self.hours * 3600 * self.trades_per_s)

    @property
    def books(self) -> int:
        """Books of one symbol."""
        return int(self.hours * 3600 * self.books_per_s)


def until_now(symbols: int, hours: float, **rates: float) -> Hours:
    """Hours that end now, on a whole second."""
    return Hours(symbols, hours, int(time.time()) * 1000, **rates)  # type: ignore[arg-type]


def fill(client: Any, market: Hours) -> None:
    """Insert the hours of every symbol; the views' targets follow by themselves."""
    for number in range(market.symbols):
        for statement in (_trades(market, number), _books(market, number), _quotes(market, number)):
            client.command(statement)


def _words(number: int) -> str:
    return f"'binance' AS exchange, 'spot' AS market_type, 'S{number}USDT' AS symbol, 'marketprism' AS data_source"


def _clock(market: Hours, rate: float, spread: str) -> str:
    """Rows at ``rate`` a second with a jitter that keeps their order."""
    step = 1000 / rate
    start = market.end_ms - int(market.hours * 3_600_000)
    return (
        f"fromUnixTimestamp64Milli(toInt64({start} + number * {step} + ({spread} % {max(int(step), 1)}) / 2), 'UTC') "
        "AS timestamp, toDateTime64(timestamp, 6, 'UTC') + toIntervalMillisecond(20) AS received_at, "
        "number + 1 AS sequence, number + 1 AS stream_seq"
    )


def _price(seed: int) -> str:
    """A wandering price: waves of several lengths and noise, in ticks of 0.1 around 50,000."""
    return (
        f"round(50000 + 400 * sin(number / 9000 + {seed}) + 60 * sin(number / 700) + 9 * sin(number / 41) "
        f"+ cityHash64(number, {seed}) % 30 / 10, 1)"
    )


def _trades(market: Hours, number: int) -> str:
    per_bucket = market.bucket_s * 1000
    return f"""
INSERT INTO marketprism_hot.trades (exchange, market_type, symbol, data_source, timestamp, received_at, sequence,
    stream_seq, trade_id, trade_kind, price, quantity, native_quantity, side, is_maker, trade_time, is_market,
    first_trade_id, last_trade_id, tick_size, price_tick, bucket_id, bucket_cut, bucket_t_max_ms, late)
SELECT exchange, market_type, symbol, data_source, timestamp, received_at, sequence, stream_seq, toString(sequence),
    'trade', toDecimal128(price, 12), toDecimal128(quantity, 12), toDecimal128(quantity, 12), side, side = 'sell',
    timestamp, true, sequence, sequence, toDecimal128(0.1, 12), toInt64(round(price * 10)),
    toYYYYMMDD(timestamp) * 1000000 + intDiv(toUnixTimestamp64Milli(timestamp) % 86400000, {per_bucket}) + 1 AS bucket,
    if(leadInFrame(bucket, 1, 0) OVER (ORDER BY sequence ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING) != bucket
        AND sequence != {market.trades}, 'volume', ''), 60000, false
FROM (
    SELECT {_words(number)}, {_clock(market, market.trades_per_s, "cityHash64(number, 1)")}, {_price(number)} AS price,
        (cityHash64(number, {number}, 7) % 2000 + 1) / 1000 AS quantity,
        if((cityHash64(number, {number}, 9) + intDiv(number, 600)) % 5 < 2 + intDiv(number, 900) % 2, 'buy', 'sell')
            AS side
    FROM numbers({market.trades})
)
SETTINGS async_insert = 0, max_insert_block_size = 1048576, min_insert_block_size_rows = 1048576"""


def _books(market: Hours, number: int) -> str:
    every = max(int(market.trades_per_s / market.books_per_s), 1)
    return f"""
INSERT INTO marketprism_hot.orderbooks (exchange, market_type, symbol, data_source, timestamp, received_at, sequence,
    stream_seq, last_update_id, best_bid_price, best_ask_price, best_bid_quantity, best_ask_quantity, bids_count,
    asks_count, bid_prices, bid_quantities, ask_prices, ask_quantities, updates, ofi_l1, ofi_l5, bid_added_quantity,
    bid_cancelled_quantity, ask_added_quantity, ask_cancelled_quantity)
SELECT exchange, market_type, symbol, data_source, timestamp, received_at, sequence, stream_seq, sequence,
    toDecimal128(bids[1], 12), toDecimal128(asks[1], 12), toDecimal128(amounts[1], 12), toDecimal128(amounts[2], 12),
    20, 20, bids, amounts, asks, arrayReverse(amounts), 7, cityHash64(number, 3) % 200 / 10 - 10,
    arrayMap(level -> cityHash64(number, level) % 200 / 10 - 10, range(5)), number % 7, number % 5, number % 3,
    number % 11
FROM (
    SELECT *, arrayMap(level -> round(price - 0.1 * level, 1), range(1, 21)) AS bids,
        arrayMap(level -> round(price + 0.1 * level, 1), range(1, 21)) AS asks,
        arrayMap(level -> (cityHash64(count, level) % 900 + 1) / 100, range(1, 21)) AS amounts
    FROM (
        SELECT {_words(number)}, {_clock(market, market.books_per_s, "cityHash64(number, 2)")}, number AS count,
            number, {_price(number).replace("number", f"(number * {every})")} AS price
        FROM numbers({market.books})
    )
)
SETTINGS async_insert = 0"""


def _quotes(market: Hours, number: int) -> str:
    every = max(int(market.trades_per_s / market.quotes_per_s), 1)
    return f"""
INSERT INTO marketprism_hot.best_quotes (exchange, market_type, symbol, data_source, timestamp, received_at, sequence,
    stream_seq, bid_price, bid_quantity, ask_price, ask_quantity, last_update_id)
SELECT exchange, market_type, symbol, data_source, timestamp, received_at, sequence, stream_seq,
    toDecimal128(price - 0.1, 12), toDecimal128(1, 12), toDecimal128(price + 0.1, 12), toDecimal128(2, 12), sequence
FROM (
    SELECT {_words(number)}, {_clock(market, market.quotes_per_s, "cityHash64(number, 4)")},
        {_price(number).replace("number", f"(number * {every})")} AS price
    FROM numbers({int(market.hours * 3600 * market.quotes_per_s)})
)
SETTINGS async_insert = 0"""
