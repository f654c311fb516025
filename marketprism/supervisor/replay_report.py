"""What became of a recording: its own trades, read again from the file, against the tables, symbol by symbol."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from marketprism.clickhouse import FEATURES, HOT
from marketprism.replay import Recording, read_lines
from marketprism.replay.instruments import exchange_info
from marketprism.replay.registry import venue_of
from marketprism.replay.subscribed import Contract, SubscribedVenue
from marketprism.simulator.environment import INVERSE

Key = tuple[str, str, str]
"""(exchange, market_type, symbol)."""

_LEVELS: Final = 5
_UNITS: Final = Contract("")
"""Of spot and USD-M, whose quantities are base units as they come."""
_TRADES: Final = f"""
SELECT exchange, market_type, symbol, count() AS stored, uniqExact(sequence) AS different,
       uniqExactIf(bucket_id, bucket_id != 0) AS buckets, sum(quantity) AS volume,
       sumIf(quantity, bucket_id != 0) AS bearing_volume
FROM {HOT}.trades GROUP BY exchange, market_type, symbol"""
_BOOKS: Final = f"""
SELECT exchange, market_type, symbol, count() AS stored, sum(updates) AS updates,
       argMax(tuple(last_update_id, arraySlice(bid_prices, 1, {_LEVELS}), arraySlice(bid_quantities, 1, {_LEVELS}),
                    arraySlice(ask_prices, 1, {_LEVELS}), arraySlice(ask_quantities, 1, {_LEVELS})), sequence) AS last
FROM {HOT}.orderbooks GROUP BY exchange, market_type, symbol"""
_BUCKETS: Final = f"""
SELECT exchange, market_type, symbol, sum(vol) AS volume FROM {FEATURES}.unified_buckets
GROUP BY exchange, market_type, symbol"""
_GAPS: Final = f"SELECT exchange, market_type, symbol, count() AS n FROM {HOT}.gaps GROUP BY ALL"
_DEAD: Final = f"""
SELECT splitByChar('.', subject)[3] AS exchange, splitByChar('.', subject)[4] AS market_type,
       splitByChar('.', subject)[5] AS symbol, count() AS n
FROM {HOT}.dead_letters GROUP BY ALL"""


class Book(msgspec.Struct, kw_only=True):
    """The last stored book, best five levels a side as [price, quantity]."""

    last_update_id: int
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


class SymbolReport(msgspec.Struct, kw_only=True):
    """One symbol. Volumes are decimal text in base units: ``volume_in`` of the recording, ``volume_stored`` of the
    table, ``volume_bearing`` of its prints that bear buckets, ``volume_buckets`` over the bucket rows."""

    exchange: str
    market_type: str
    symbol: str
    trades_received: int
    trades_stored: int
    trades_duplicated: int
    books_received: int
    books_stored: int
    book_updates: int
    dead_lettered: int
    gaps: int
    buckets: int
    volume_in: str
    volume_stored: str
    volume_bearing: str
    volume_buckets: str
    final_book: Book | None

    @property
    def exact(self) -> bool:
        """Every trade once, and no volume lost on the way to the buckets."""
        return (
            self.trades_received == self.trades_stored
            and self.trades_duplicated == 0
            and Decimal(self.volume_in) == Decimal(self.volume_stored)
            and Decimal(self.volume_bearing) == Decimal(self.volume_buckets)
        )


class ReplayReport(msgspec.Struct, kw_only=True):
    """The whole replay. ``seconds`` is from the first frame until everything was stored; ``data`` None: not kept."""

    files: list[str]
    seconds: float
    recorded_seconds: float
    frames: int
    data: str | None
    symbols: list[SymbolReport]

    @property
    def exact(self) -> bool:
        return all(symbol.exact for symbol in self.symbols)


class Received(msgspec.Struct):
    """What a recording holds of one symbol."""

    trades: int = 0
    books: int = 0
    volume: Decimal = Decimal(0)


class _Data(msgspec.Struct):
    p: str = "0"
    q: str = "0"


class _Message(msgspec.Struct):
    data: _Data


def received_of(recordings: Sequence[Recording]) -> dict[Key, Received]:
    """Count what the files hold, with nothing of the pipeline between."""
    found: dict[Key, Received] = defaultdict(Received)
    decode = msgspec.json.Decoder(_Message).decode
    coin_margined = _coin_margined(recordings)
    for recording in recordings:
        for line in read_lines(recording.path):
            venue = venue_of(line.url)
            name = venue.stream_of(line.payload) if venue and line.transport == "ws" else None
            if venue is None or name is None:
                continue
            if isinstance(venue, SubscribedVenue):
                _note_subscribed(recording, venue, name, line.payload, found)
                continue
            exchange, _, market_type = venue.name.partition(".")
            channel = name.partition("@")[2]
            key = (exchange, market_type, venue.symbol_of(name))
            if channel == recording.trade_kind[venue.name]:
                found[key].trades += 1
                told = decode(line.payload).data
                contract = coin_margined[key[2]] if venue.name == INVERSE else _UNITS
                found[key].volume += contract.base(Decimal(told.q), Decimal(told.p))
            elif channel == recording.depth_suffix[venue.name]:
                found[key].books += 1
    return dict(found)


def _coin_margined(recordings: Sequence[Recording]) -> dict[str, Contract]:
    """The COIN-M contracts of the instrument list that the replay gives to the collector."""
    if not any(INVERSE in recording.venues for recording in recordings):
        return {}
    listed = json.loads(exchange_info(INVERSE, recordings))["symbols"]
    return {each["symbol"]: Contract("inverse", Decimal(each["contractSize"]), inverse=True) for each in listed}


def _note_subscribed(
    recording: Recording, venue: SubscribedVenue, stream: str, payload: str, found: dict[Key, Received]
) -> None:
    kind = venue.kind_of(stream)
    if kind not in ("trade", "depth"):
        return
    contracts = {symbol: contract for (of, symbol), contract in recording.contracts.items() if of == venue.name}
    symbol = venue.symbol_of(stream)
    key = (venue.name, contracts[symbol].market_type, symbol)
    if kind == "depth":
        found[key].books += 1
        return
    for item in venue.prints(payload, contracts):
        found[key].trades += 1
        found[key].volume += item.quantity


def symbol_reports(client: Any, received: dict[Key, Received]) -> list[SymbolReport]:
    """Compare with the tables. ``client`` is a clickhouse-connect client."""
    trades, books, buckets = (_by_key(client, query) for query in (_TRADES, _BOOKS, _BUCKETS))
    gaps, dead = _by_key(client, _GAPS), _by_key(client, _DEAD)
    return [
        SymbolReport(
            exchange=key[0],
            market_type=key[1],
            symbol=key[2],
            trades_received=what.trades,
            trades_stored=trades.get(key, {}).get("different", 0),
            trades_duplicated=(row := trades.get(key, {})).get("stored", 0) - row.get("different", 0),
            books_received=what.books,
            books_stored=books.get(key, {}).get("stored", 0),
            book_updates=books.get(key, {}).get("updates", 0),
            dead_lettered=dead.get(key, {}).get("n", 0),
            gaps=gaps.get(key, {}).get("n", 0),
            buckets=row.get("buckets", 0),
            volume_in=_decimal_text(what.volume),
            volume_stored=_decimal_text(row.get("volume", 0)),
            volume_bearing=_decimal_text(row.get("bearing_volume", 0)),
            volume_buckets=_decimal_text(buckets.get(key, {}).get("volume", 0)),
            final_book=_book(books.get(key)),
        )
        for key, what in sorted(received.items())
    ]


def _by_key(client: Any, query: str) -> dict[Key, dict[str, Any]]:
    rows: Iterable[dict[str, Any]] = client.query(query).named_results()
    return {(row["exchange"], row["market_type"], row["symbol"]): row for row in rows}


def _decimal_text(value: Any) -> str:
    return f"{Decimal(value).normalize():f}"


def _book(row: dict[str, Any] | None) -> Book | None:
    if row is None:
        return None
    last_update_id, bid_prices, bid_quantities, ask_prices, ask_quantities = row["last"]
    return Book(
        last_update_id=last_update_id,
        bids=list(zip(bid_prices, bid_quantities, strict=True)),
        asks=list(zip(ask_prices, ask_quantities, strict=True)),
    )
