"""The REST side of a replay: recorded books and instruments; valid empty answers for what was not recorded."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohttp import web

from marketprism.replay.instruments import exchange_info
from marketprism.replay.recording import Recording
from marketprism.replay.snapshots import SnapshotDesk
from marketprism.replay.venues import VENUES, ReplayVenue

RECEIVED_AT = "X-Received-At"
EMPTY_LISTS = (
    "/api/v3/trades",
    "/api/v3/historicalTrades",
    "/api/v3/aggTrades",
    "/fapi/v1/trades",
    "/fapi/v1/historicalTrades",
    "/fapi/v1/aggTrades",
    "/fapi/v1/fundingRate",
    "/fapi/v1/fundingInfo",
    "/futures/data/openInterestHist",
    "/futures/data/topLongShortPositionRatio",
    "/futures/data/topLongShortAccountRatio",
    "/futures/data/globalLongShortAccountRatio",
)
"""No rows is a valid answer of these."""

OKX_NOTHING: Final = '{"code":"0","msg":"","data":[]}'
DERIBIT_NOTHING: Final = '{"jsonrpc":"2.0","result":[]}'
DERIBIT_NO_TRADES: Final = '{"jsonrpc":"2.0","result":{"trades":[],"has_more":false}}'

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ReplayRest:
    """Handlers; every response carries the replay's present receive time."""

    def __init__(self, recordings: Sequence[Recording], desk: SnapshotDesk, now_us: Callable[[], int]):
        self._recordings = recordings
        self._desk = desk
        self._now_us = now_us

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for venue in VENUES:
            router.add_get(f"{venue.served_prefix}/depth", self._depth(venue))
            router.add_get(f"{venue.served_prefix}/exchangeInfo", self._exchange_info(venue))
            router.add_get(f"{venue.served_prefix}/ping", self._fixed("{}"))
            router.add_get(f"{venue.served_prefix}/time", self._time)
        for path in EMPTY_LISTS:
            router.add_get(path, self._fixed("[]"))
            if path.startswith(("/fapi", "/futures")):
                router.add_get(f"/inverse{path.replace('/fapi/', '/dapi/')}", self._fixed("[]"))
        router.add_get("/api/v5/public/instruments", self._okx_instruments)
        router.add_get("/api/v5/{path:.*}", self._fixed(OKX_NOTHING))
        router.add_get("/api/v2/public/get_instruments", self._deribit_instruments)
        router.add_get("/api/v2/public/get_last_trades_by_instrument", self._fixed(DERIBIT_NO_TRADES))
        router.add_get("/api/v2/public/{path:.*}", self._fixed(DERIBIT_NOTHING))
        router.add_get("/{path:.*}", self._unknown)

    def _respond(self, text: str, *, status: int = 200, received_us: int | None = None) -> web.Response:
        stamp = self._now_us() if received_us is None else received_us
        return web.Response(
            text=text, status=status, content_type="application/json", headers={RECEIVED_AT: f"{stamp:016d}"}
        )

    def _depth(self, venue: ReplayVenue) -> Handler:
        async def depth(request: web.Request) -> web.StreamResponse:
            symbol = request.query.get("symbol", "")
            found = await self._desk.fetch((venue.name, symbol))
            if found is None:
                return self._respond('{"code":-1121,"msg":"Invalid symbol."}', status=400)
            response = self._respond(found.payload, received_us=found.received_us)
            await response.prepare(request)
            await response.write_eof()
            self._desk.handed_over((venue.name, symbol))
            return response

        return depth

    def _exchange_info(self, venue: ReplayVenue) -> Handler:
        text = exchange_info(venue.name, self._recordings)
        first_us = min(recording.first_us for recording in self._recordings)

        async def info(_: web.Request) -> web.StreamResponse:
            # Stamped with the start of the recording: a collector may ask at any moment, the row must not depend on it.
            return self._respond(text, received_us=first_us)

        return info

    async def _okx_instruments(self, request: web.Request) -> web.StreamResponse:
        listing = f"{request.query.get('instType', '')}/{request.query.get('instFamily', '')}"
        return self._listing("okx", listing, OKX_NOTHING)

    async def _deribit_instruments(self, request: web.Request) -> web.StreamResponse:
        return self._listing("deribit", request.query.get("currency", ""), DERIBIT_NOTHING)

    def _listing(self, exchange: str, which: str, nothing: str) -> web.Response:
        """A recorded instrument list, stamped with the start of the recording, as exchangeInfo is."""
        for recording in self._recordings:
            if (exchange, which) in recording.listings:
                return self._respond(recording.listings[exchange, which], received_us=recording.first_us)
        return self._respond(nothing)

    def _fixed(self, text: str) -> Handler:
        async def fixed(_: web.Request) -> web.StreamResponse:
            return self._respond(text)

        return fixed

    async def _time(self, _: web.Request) -> web.StreamResponse:
        return self._respond(json.dumps({"serverTime": self._now_us() // 1000}))

    async def _unknown(self, request: web.Request) -> web.StreamResponse:
        text = json.dumps({"code": -5000, "msg": f"Path {request.path}, Method {request.method} is invalid"})
        return self._respond(text, status=404)
