"""All endpoints of the page in one list, and the application that serves them."""

from __future__ import annotations

import asyncio
import functools
from typing import Any, Final

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from marketprism.clickhouse import FEATURES
from marketprism.settings import WebSettings
from marketprism.status import StatusReader
from monitors.web import alerts, book, catalogue, coverage, files, live, pipeline, sqlbox, symbol, watching
from monitors.web.access import Access, LoginAsked, harden, middleware
from monitors.web.endpoints import MAX_BODY, Endpoint, Nothing, openapi, route
from monitors.web.reading import Columns, Reader

SYMBOLS: Final = f"""
SELECT toString(exchange) AS exchange, toString(market_type) AS market_type, toString(symbol) AS symbol,
       toUnixTimestamp(max(ts_1m)) AS newest_minute, toUInt64(sumIf(trades, ts_1m > (
           SELECT max(ts_1m) FROM {FEATURES}.trades_1m_state) - INTERVAL 1 DAY)) AS trades_1d
FROM {FEATURES}.trades_1m_state GROUP BY exchange, market_type, symbol ORDER BY trades_1d DESC, symbol LIMIT 5000"""


class SymbolRow(msgspec.Struct, kw_only=True):
    """An instrument with trades. ``newest_minute``: seconds since the epoch."""

    exchange: str
    market_type: str
    symbol: str
    newest_minute: int
    trades_1d: int


class Page:
    """The parts behind the endpoints."""

    def __init__(self, settings: WebSettings, reader: Reader, status: StatusReader) -> None:
        self.settings = settings
        self.reader = reader
        self.access = Access(settings)
        self.pipeline = pipeline.PipelineLook(reader, status)
        self.sql = sqlbox.SqlBox(reader, settings)
        self.hub = live.Hub(settings.max_streams)
        self.alerts = alerts.Alerts(settings.prometheus_url)

    async def symbols(self, _: Nothing) -> list[SymbolRow]:
        return [SymbolRow(**row) for row in await self.reader.rows(SYMBOLS)]

    async def look(self, _: Nothing) -> pipeline.Pipeline:
        return await self.pipeline.shared()

    async def features(self, _: Nothing) -> list[catalogue.Listed]:
        return catalogue.listed()

    async def feature(self, asked: catalogue.FeatureAsked) -> catalogue.Described:
        return catalogue.described(asked.name)

    async def events(self, asked: symbol.EventsAsked) -> list[symbol.Event]:
        """What the tables tell, and what Prometheus does, oldest first."""
        stored, told = await asyncio.gather(symbol.events(self.reader, asked), self.alerts.of(asked))
        return sorted((*stored, *told), key=lambda event: event.from_ms)

    async def examples(self, _: Nothing) -> list[catalogue.Example]:
        return catalogue.examples()

    async def schema(self, _: Nothing) -> list[catalogue.SchemaTable]:
        return await catalogue.schema(self.reader)

    async def document(self, _: Nothing) -> dict[str, Any]:
        return openapi(self.endpoints())

    async def stream(self, asked: watching.StreamAsked, request: web.Request) -> web.StreamResponse:
        """Server-sent events of a view."""

        def make() -> live.Topic:
            every_s = self.settings.refresh_ms / 1000
            return live.Topic(*watching.looks(self.reader, self.pipeline, asked, every_s))

        key = "\n".join((asked.view, asked.exchange, asked.market_type, asked.symbol))
        async with self.hub.subscribed(key, make) as subscriber:
            return await live.push(subscriber, request)

    def endpoints(self) -> list[Endpoint]:
        """Everything under /api."""
        bind = functools.partial
        get = bind(Endpoint, "GET")
        post = bind(Endpoint, "POST")
        read = self.reader
        return [
            get("/api/symbols", "instruments with trades, busiest first", Nothing, list[SymbolRow], self.symbols),
            get("/api/pipeline", "every stage, and each flow through it", Nothing, pipeline.Pipeline, self.look),
            get("/api/rows", "the newest rows of a data type", pipeline.RowsAsked, pipeline.Table,
                bind(pipeline.rows_behind, read)),
            get("/api/buckets", "closed buckets of a symbol, oldest first", symbol.BucketsAsked, Columns,
                bind(symbol.buckets, read)),
            get("/api/minutes", "minutes of a symbol, oldest first", symbol.MinutesAsked, Columns,
                bind(symbol.minutes, read)),
            get("/api/footprint", "volume by price, and each bar's profile", symbol.FootprintAsked, symbol.Footprint,
                bind(symbol.footprint, read)),
            get("/api/events", "gaps, rebuilds, exclusions and alerts", symbol.EventsAsked, list[symbol.Event],
                self.events),
            get("/api/book", "the newest published book", symbol.Symbol, book.Book | None, bind(book.book, read)),
            get("/api/tape", "the newest prints", symbol.Symbol, book.Tape, bind(book.tape, read)),
            get("/api/coverage", "symbol × day", coverage.CoverageAsked, coverage.Coverage,
                bind(coverage.coverage, read)),
            get("/api/coverage/day", "one day of a symbol", coverage.DayAsked, coverage.DayDetail,
                bind(coverage.day_detail, read)),
            get("/api/features", "the catalogue", Nothing, list[catalogue.Listed], self.features),
            get("/api/feature", "one feature whole", catalogue.FeatureAsked, catalogue.Described, self.feature),
            get("/api/feature/values", "values, distribution and drift of a column", catalogue.ValuesAsked,
                catalogue.Values, bind(catalogue.values, read)),
            get("/api/examples", "example queries", Nothing, list[catalogue.Example], self.examples),
            get("/api/schema", "tables and columns", Nothing, list[catalogue.SchemaTable], self.schema),
            post("/api/sql", "run one reading statement", sqlbox.SqlAsked, sqlbox.Result, self.sql.run),
            post("/api/sql/export", "its result as a file", sqlbox.ExportAsked, None, self.sql.export,
                 "application/octet-stream"),
            post("/api/login", "the cookie for the token", LoginAsked, None, self.access.login, "text/plain"),
            get("/api/stream", "server-sent events", watching.StreamAsked, None, self.stream, "text/event-stream"),
            get("/api/openapi.json", "this document", Nothing, dict[str, Any], self.document),
        ]  # fmt: skip


def application(page: Page) -> web.Application:
    """The aiohttp application of a page."""
    app = web.Application(middlewares=[middleware(page.access)], client_max_size=MAX_BODY)
    app.add_routes([route(endpoint) for endpoint in page.endpoints()])
    app.add_routes(files.routes(files.load()))

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def close(_: web.Application) -> None:
        await page.hub.close()

    app.router.add_get("/health", health)
    app.router.add_get("/metrics", metrics)
    app.on_response_prepare.append(harden)
    app.on_shutdown.append(close)
    return app
