"""What an open page watches: the pipeline, or one symbol."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final, Literal

import msgspec

from marketprism.clickhouse import FEATURES
from monitors.web import book, symbol
from monitors.web.endpoints import Refused
from monitors.web.live import Look, Publish
from monitors.web.pipeline import Pipeline, PipelineLook
from monitors.web.reading import Reader
from monitors.web.symbol import KEY, Symbol

_DAY_EVERY_S: Final = 20.0
_BUCKETS_BACK: Final = 6

LATEST: Final = f"""
SELECT bucket_id, toUnixTimestamp64Milli(bucket_ts_end) AS bucket_end_ms, mid_price, spread_bps, tob_imbalance,
       microprice, vpin, kyle_lambda_ols, kyle_r2, poc_px, toString(quality) AS quality,
       toString(cut_trigger) AS cut_trigger, toUnixTimestamp64Milli(updated_at) AS updated_ms,
       toUnixTimestamp64Milli(book_timestamp) AS book_ms, window_buckets
FROM {FEATURES}.latest_features WHERE {KEY}"""


class StreamAsked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What to push: ``view=pipeline``, or ``view=symbol`` with the instrument."""

    view: Literal["pipeline", "symbol"]
    exchange: str = ""
    market_type: str = ""
    symbol: str = ""


def looks(reader: Reader, look: PipelineLook, asked: StreamAsked, every_s: float) -> list[tuple[Look, float]]:
    """The looks of a page, each with its seconds. Raises Refused when the instrument is missing."""

    async def pipeline(publish: Publish) -> None:
        publish("pipeline", await look.shared())

    async def state(publish: Publish) -> None:
        publish("health", health(await look.shared()))

    if asked.view == "pipeline":
        return [(pipeline, every_s)]
    if not (asked.exchange and asked.market_type and asked.symbol):
        raise Refused(400, "view=symbol needs exchange, market_type and symbol")
    symbol_ = Symbol(exchange=asked.exchange, market_type=asked.market_type, symbol=asked.symbol)
    return [
        (BookWatch(reader, symbol_), every_s / 2),
        (FeatureWatch(reader, symbol_), every_s),
        (state, every_s),
    ]


class BookWatch:
    """Pushes ``book`` and ``tape``."""

    def __init__(self, reader: Reader, symbol_: Symbol) -> None:
        self._reader = reader
        self._symbol = symbol_
        self._book_at = self._tape_at = book.Where("", 0)
        self._large: float | None = None
        self._days_at = -_DAY_EVERY_S

    async def __call__(self, publish: Publish) -> None:
        if time.monotonic() - self._days_at > _DAY_EVERY_S:
            await self._find_days()
        found, tape = await asyncio.gather(
            book.book(self._reader, self._symbol, self._book_at),
            book.tape(self._reader, self._symbol, self._tape_at, self._large),
        )
        publish("book", found)
        publish("tape", tape)

    async def _find_days(self) -> None:
        self._book_at, self._tape_at = await asyncio.gather(
            book.newest_day(self._reader, self._symbol, "orderbooks"),
            book.newest_day(self._reader, self._symbol, "trades"),
        )
        self._large = await book.large_quantity(self._reader, self._symbol, self._tape_at)
        self._days_at = time.monotonic()


class FeatureWatch:
    """Pushes ``latest`` and ``filling``, and ``buckets`` when one has closed."""

    def __init__(self, reader: Reader, symbol_: Symbol) -> None:
        self._reader = reader
        self._symbol = symbol_
        self._bucket = -1

    async def __call__(self, publish: Publish) -> None:
        rows: list[dict[str, Any]] = await self._reader.rows(LATEST, **self._symbol.key)
        latest = rows[0] if rows else None
        publish("latest", latest)
        closed = int(latest["bucket_id"]) if latest else 0
        if closed != self._bucket:
            asked = symbol.BucketsAsked(**msgspec.structs.asdict(self._symbol), last=_BUCKETS_BACK)
            publish("buckets", await symbol.buckets(self._reader, asked))
            self._bucket = closed
        publish("filling", await symbol.open_bucket(self._reader, self._symbol, closed))


def health(pipeline: Pipeline) -> dict[str, Any]:
    """What every page shows in its corner: which services answer, what waits, what is wrong."""
    return {
        "time_ms": pipeline.time_ms,
        "services": {name: {"up": each.up, "ready": each.ready} for name, each in pipeline.services.items()},
        "pending": pipeline.pending,
        "problems": pipeline.problems,
    }
