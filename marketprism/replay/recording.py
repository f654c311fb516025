"""Recorded exchange traffic: one JSON object a line, zstd-compressed; what is in a file, and its lines in order.

A line is ``{"received_at": epoch seconds, "transport": "ws"|"http", "url", "direction": "in"|"out", "payload": text}``.
Every reading error is a ``RecordingError`` that names the file, the line and what to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import msgspec
import zstandard

from marketprism.errors import RecordingError
from marketprism.replay.registry import AnyVenue, venue_of
from marketprism.replay.scale import ScaleFinder
from marketprism.replay.subscribed import Contract, SubscribedVenue
from marketprism.replay.venues import ReplayVenue

_CHUNK: Final = 1 << 20


class Line(msgspec.Struct, frozen=True, gc=False):
    """One recorded message."""

    received_at: float
    transport: Literal["ws", "http"]
    url: str
    direction: Literal["in", "out"]
    payload: str

    @property
    def received_us(self) -> int:
        return round(self.received_at * 1_000_000)


@dataclass(frozen=True, slots=True)
class Recording:
    """What a file holds. Streams are keyed by (venue, stream name); times are µs since the epoch."""

    path: Path
    venues: tuple[str, ...]
    symbols: tuple[str, ...]
    streams: dict[tuple[str, str], int]
    trade_kind: dict[str, str]
    """Venue → ``trade`` or ``aggTrade``, the stream that a collector should subscribe."""
    depth_suffix: dict[str, str]
    """Venue → ``depth@100ms``, ``depth@0ms``, …"""
    snapshots: dict[tuple[str, str], Line] = field(repr=False)
    """(venue, symbol) → its first recorded REST book."""
    steps: dict[tuple[str, str], tuple[str, str]]
    """(venue, symbol) → (tick, lot) inferred from every price and quantity in the file."""
    first_us: int
    last_us: int
    lines: int
    exchange_info: dict[str, str] = field(repr=False)
    """Venue → the recorded exchangeInfo body, where there is one."""
    listings: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)
    """(exchange, which list) → the recorded instrument list, of exchanges that have one for all markets."""
    contracts: dict[tuple[str, str], Contract] = field(default_factory=dict, repr=False)
    """(exchange, symbol) → what those lists say of the recorded symbols."""

    @property
    def span_s(self) -> float:
        return (self.last_us - self.first_us) / 1e6


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a recording in recorded order, decompressed as they are read."""
    decode = msgspec.json.Decoder(Line).decode
    for number, raw in enumerate(_raw_lines(path), 1):
        try:
            line = decode(raw)
        except msgspec.MsgspecError as error:
            raise RecordingError(
                f"{path}: line {number} is not a recorded message ({error}); remove the line or record again"
            ) from error
        yield line


def _raw_lines(path: Path) -> Iterator[bytes]:
    rest = b""
    for chunk in _decompressed(path):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest.strip():
        yield rest


def _decompressed(path: Path) -> Iterator[bytes]:
    # decompressobj, not stream_reader: the latter ends a truncated file without an error.
    try:
        with path.open("rb") as file:
            frame = zstandard.ZstdDecompressor().decompressobj()
            started = False
            while chunk := file.read(_CHUNK):
                while chunk:
                    if frame.eof:
                        frame = zstandard.ZstdDecompressor().decompressobj()
                    yield frame.decompress(chunk)
                    started = True
                    chunk = frame.unused_data if frame.eof else b""
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror or error}; name a recording (.jsonl.zst)") from error
    except zstandard.ZstdError as error:
        raise RecordingError(f"{path}: not zstd, or damaged ({error}); recordings are .jsonl.zst files") from error
    if not started:
        raise RecordingError(f"{path}: the file is empty; record again")
    if not frame.eof:
        raise RecordingError(f"{path}: truncated, the compressed data ends early; copy the file again")


def describe(path: Path | str) -> Recording:
    """Read a whole file once and tell what is in it; raises RecordingError for what cannot be replayed."""
    path = Path(path)
    streams: Counter[tuple[str, str]] = Counter()
    snapshots: dict[tuple[str, str], Line] = {}
    scales: dict[tuple[str, str], ScaleFinder] = {}
    exchange_info: dict[str, str] = {}
    listings: dict[tuple[str, str], str] = {}
    venues: dict[str, AnyVenue] = {}
    first_us = last_us = lines = 0
    for lines, line in enumerate(read_lines(path), 1):
        last_us = line.received_us
        first_us = first_us or last_us
        if line.direction == "out":
            continue
        venue = venue_of(line.url)
        if venue is None:
            raise RecordingError(
                f"{path}: line {lines} is of an unknown venue ({line.url[:60]}); nothing can replay it"
            )
        venues[venue.name] = venue
        try:
            if isinstance(venue, SubscribedVenue):
                _note_subscribed(line, venue, streams, listings)
            else:
                _note(line, venue, streams, snapshots, scales, exchange_info)
        except (msgspec.MsgspecError, ValueError, KeyError) as error:
            raise RecordingError(
                f"{path}: line {lines} has a payload that cannot be read ({error}); remove the line or record again"
            ) from error
    if not streams:
        raise RecordingError(f"{path}: no market data of a known venue in {lines} lines; nothing can be replayed")
    contracts = _contracts(path, venues, streams, listings)
    return Recording(
        path=path,
        venues=tuple(venues),
        symbols=tuple(sorted({symbol for _, symbol in (*scales, *contracts)})),
        streams=dict(streams),
        trade_kind={name: _preferred_trades(venue, streams) for name, venue in venues.items()},
        depth_suffix={name: _preferred_depth(venue, streams) for name, venue in venues.items()},
        snapshots=snapshots,
        steps={key: finder.steps() for key, finder in scales.items()},
        first_us=first_us,
        last_us=last_us,
        lines=lines,
        exchange_info=exchange_info,
        listings=listings,
        contracts=contracts,
    )


def _note_subscribed(
    line: Line, venue: SubscribedVenue, streams: Counter[tuple[str, str]], listings: dict[tuple[str, str], str]
) -> None:
    if line.transport == "http":
        listing = venue.listing_of(line.url)
        if listing is not None:
            listings.setdefault((venue.name, listing), line.payload)
    elif (name := venue.stream_of(line.payload)) is not None:
        streams[venue.name, name] += 1


def _contracts(
    path: Path,
    venues: Mapping[str, AnyVenue],
    streams: Mapping[tuple[str, str], int],
    listings: Mapping[tuple[str, str], str],
) -> dict[tuple[str, str], Contract]:
    """What the lists say of every symbol that has a stream of trades or a book."""
    found: dict[tuple[str, str], Contract] = {}
    for venue in venues.values():
        if not isinstance(venue, SubscribedVenue):
            continue
        listed = {
            symbol: contract
            for (of, _), body in listings.items()
            if of == venue.name
            for symbol, contract in venue.contracts(body)
        }
        for of, stream in streams:
            if of == venue.name and venue.kind_of(stream) in ("trade", "depth"):
                symbol = venue.symbol_of(stream)
                if symbol not in listed:
                    raise RecordingError(
                        f"{path}: no recorded instrument list has {symbol!r}; record the lists of {of} too"
                    )
                found[of, symbol] = listed[symbol]
    return found


def _note(
    line: Line,
    venue: ReplayVenue,
    streams: Counter[tuple[str, str]],
    snapshots: dict[tuple[str, str], Line],
    scales: dict[tuple[str, str], ScaleFinder],
    exchange_info: dict[str, str],
) -> None:
    if line.transport == "http":
        symbol = venue.snapshot_symbol(line.url)
        if symbol is not None:
            snapshots.setdefault((venue.name, symbol), line)
            scales.setdefault((venue.name, symbol), ScaleFinder()).see_book(line.payload)
        elif venue.is_exchange_info(line.url):
            exchange_info[venue.name] = line.payload
        return
    name = venue.stream_of(line.payload)
    if name is None:
        return
    streams[venue.name, name] += 1
    kind = venue.kind_of(name)
    if kind in ("trade", "depth"):
        finder = scales.setdefault((venue.name, venue.symbol_of(name)), ScaleFinder())
        finder.see_trade(line.payload) if kind == "trade" else finder.see_diff(line.payload)


def _preferred_trades(venue: AnyVenue, streams: Counter[tuple[str, str]]) -> str:
    if isinstance(venue, SubscribedVenue):
        return ""  # its streams are subscribed by their recorded names
    kinds = {name.partition("@")[2] for (of, name) in streams if of == venue.name and venue.kind_of(name) == "trade"}
    return next((kind for kind in venue.trade_preference if kind in kinds), venue.trade_preference[0])


def _preferred_depth(venue: AnyVenue, streams: Counter[tuple[str, str]]) -> str:
    if isinstance(venue, SubscribedVenue):
        return ""
    kinds = Counter[str]()
    for (of, name), count in streams.items():
        if of == venue.name and venue.kind_of(name) == "depth":
            kinds[name.partition("@")[2]] += count
    return kinds.most_common(1)[0][0] if kinds else "depth@100ms"
