"""The REST side of the simulated Binance: books, instruments, repair pages, funding, open interest, ratios."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from aiohttp import web

from marketprism.simulator import statistics
from marketprism.simulator.binance_wire import levels_text
from marketprism.simulator.environment import INVERSE, LINEAR, SPOT
from marketprism.simulator.market import Market
from marketprism.simulator.trade_log import TradeLog
from marketprism.simulator.venue_book import VenueBook

RECEIVED_AT: Final = "X-Received-At"
USED_WEIGHT: Final = "X-MBX-USED-WEIGHT-1M"
NO_EXPIRY_MS: Final = 4133404800000
PREFIXES: Final = ((SPOT, "/api/v3"), (LINEAR, "/fapi/v1"), (INVERSE, "/inverse/dapi/v1"))
FUTURES: Final = ((LINEAR, "/fapi/v1", "/futures/data"), (INVERSE, "/inverse/dapi/v1", "/inverse/futures/data"))
"""COIN-M has a root of its own: both hosts have a ``/futures/data``."""
RATIO_PATHS: Final = {
    "topLongShortPositionRatio": "top_positions",
    "topLongShortAccountRatio": "top_accounts",
    "globalLongShortAccountRatio": "all_accounts",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Answer = Callable[[web.Request, VenueBook], str]


class BinanceRest:
    """Answers from the model as it stands; every response carries the receive time of that moment."""

    def __init__(self, market: Market, log: TradeLog, seed: int, now_us: Callable[[], int]):
        self._market = market
        self._log = log
        self._seed = seed
        self._now_us = now_us
        self.requests = 0
        self.refuses: Callable[[], bool] = lambda: False
        """A fault: True answers this request with 429."""

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for venue, prefix in PREFIXES:
            router.add_get(f"{prefix}/ping", self._plain(lambda _: "{}"))
            router.add_get(f"{prefix}/time", self._plain(lambda _: json.dumps({"serverTime": self._now_ms})))
            router.add_get(f"{prefix}/exchangeInfo", self._plain(partial(self._exchange_info, venue)))
            router.add_get(f"{prefix}/depth", self._of_book(venue, self._depth))
            router.add_get(f"{prefix}/aggTrades", self._of_book(venue, self._agg_trades))
            router.add_get(f"{prefix}/historicalTrades", self._of_book(venue, self._trades))
            router.add_get(f"{prefix}/trades", self._of_book(venue, self._trades))
            router.add_get(f"{prefix}/ticker/24hr", self._plain(partial(self._day_volumes, venue)))
        for venue, prefix, data in FUTURES:
            router.add_get(f"{prefix}/openInterest", self._of_book(venue, self._open_interest))
            router.add_get(f"{prefix}/premiumIndex", self._of_book(venue, self._premium_index))
            router.add_get(f"{prefix}/fundingRate", self._of_book(venue, self._funding_rate))
            router.add_get(f"{prefix}/fundingInfo", self._plain(partial(self._funding_info, venue)))
            router.add_get(f"{data}/openInterestHist", self._of_book(venue, self._open_interest_history))
            for path, what in RATIO_PATHS.items():
                router.add_get(f"{data}/{path}", self._of_book(venue, self._ratios(what)))

    @property
    def _now_ms(self) -> int:
        return self._market.time_ms

    # ------------------------------------------------------------------ plumbing

    def respond(self, text: str, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
        stamp = {RECEIVED_AT: f"{self._now_us():016d}", USED_WEIGHT: str(self.requests % 1000)}
        return web.Response(text=text, status=status, content_type="application/json", headers=stamp | (headers or {}))

    def _plain(self, answer: Callable[[web.Request], str]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return self._limited() or self.respond(answer(request))

        return handle

    def _of_book(self, venue: str, answer: Answer) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            refused = self._limited()
            if refused is not None:
                return refused
            book = self._asked(venue, request)
            if book is None or not book.listed:
                return self.respond('{"code":-1121,"msg":"Invalid symbol."}', 400)
            try:
                return self.respond(answer(request, book))
            except (ValueError, KeyError) as error:
                text = json.dumps({"code": -1102, "msg": f"A mandatory parameter was malformed: {error}"})
                return self.respond(text, 400)

        return handle

    def _asked(self, venue: str, request: web.Request) -> VenueBook | None:
        """The book of ``symbol``, or of the perpetual of ``pair``."""
        pair = request.query.get("pair")
        return self._market.book_of(venue, f"{pair}_PERP" if pair else request.query.get("symbol", ""))

    def _limited(self) -> web.Response | None:
        self.requests += 1
        if not self.refuses():
            return None
        return self.respond('{"code":-1003,"msg":"Too many requests."}', 429, {"Retry-After": "1"})

    # ------------------------------------------------------------------ market data

    def _depth(self, request: web.Request, book: VenueBook) -> str:
        last_id, bids, asks = book.book.snapshot(_whole(request, "limit", 500))
        spec = book.spec
        sides = f'"bids":{levels_text(spec, bids)},"asks":{levels_text(spec, asks)}'
        if spec.venue == SPOT:
            return f'{{"lastUpdateId":{last_id},{sides}}}'
        return f'{{"lastUpdateId":{last_id},"E":{self._now_ms},"T":{book.book.change_ms},{sides}}}'

    def _exchange_info(self, venue: str, _: web.Request) -> str:
        symbols = [self._instrument(book) for book in self._market.books if book.spec.venue == venue and book.listed]
        limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}
        return json.dumps(
            {
                "timezone": "UTC",
                "serverTime": self._now_ms,
                "rateLimits": [limit],
                "exchangeFilters": [],
                "symbols": symbols,
            },
            separators=(",", ":"),
        )

    def _instrument(self, book: VenueBook) -> dict[str, Any]:
        spec = book.spec
        tick, lot = book.tick_text, spec.wire_quantity(1)
        entry: dict[str, Any] = {
            "symbol": spec.symbol,
            "contractStatus" if spec.venue == INVERSE else "status": "TRADING",
            "baseAsset": spec.base,
            "quoteAsset": spec.quote,
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00", "tickSize": tick},
                {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "9000.00", "stepSize": lot},
            ],
        }
        if spec.kind == "perpetual":
            entry |= {
                "pair": spec.symbol.partition("_")[0],
                "contractType": "PERPETUAL",
                "deliveryDate": NO_EXPIRY_MS,
                "onboardDate": 1569398400000,
                "marginAsset": spec.base if spec.contract else spec.quote,
                "pricePrecision": spec.tick_decimals,
                "quantityPrecision": spec.lot_decimals,
                "underlyingType": "COIN",
            }
        if spec.contract:
            entry["contractSize"] = spec.contract
        return entry

    def _day_volumes(self, venue: str, _: web.Request) -> str:
        rows = []
        for book in self._market.books:
            if book.spec.venue == venue and book.listed:
                value = book.traded_lots * book.spec.lot * (book.spec.contract or book.spec.price)
                volume = {"quoteVolume": f"{value:.2f}"}
                if book.spec.contract:
                    volume = {"baseVolume": f"{value / book.spec.price:.8f}", "weightedAvgPrice": f"{book.spec.price}"}
                rows.append({"symbol": book.spec.symbol} | volume)
        return json.dumps(rows)

    def _trades(self, request: web.Request, book: VenueBook) -> str:
        """historicalTrades and trades: single fills by id."""
        spec = book.spec
        limit = min(_whole(request, "limit", 500), 1000 if spec.venue == SPOT else 500)
        rows = []
        for row in self._log.fills[book.index].page(_optional(request, "fromId"), limit):
            # Prints that are no market trade are on the stream, but not in the public history.
            if not row["market"]:
                continue
            price, quantity = spec.wire_price(row["price"]), spec.wire_quantity(row["lots"])
            rows.append(
                {
                    "id": row["id"],
                    "price": price,
                    "qty": quantity,
                    "quoteQty": f"{float(price) * float(quantity):.8f}",
                    "time": row["time_ms"],
                    "isBuyerMaker": bool(row["maker"]),
                }
                | ({"isBestMatch": True} if spec.venue == SPOT else {})
            )
        return json.dumps(rows, separators=(",", ":"))

    def _agg_trades(self, request: web.Request, book: VenueBook) -> str:
        spec, log = book.spec, self._log.aggregates[book.index]
        limit = min(_whole(request, "limit", 500), 1000)
        start, end = _optional(request, "startTime"), _optional(request, "endTime")
        if start is not None or end is not None:
            page = log.between(start or 0, end if end is not None else self._now_ms, limit)
        else:
            page = log.page(_optional(request, "fromId"), limit)
        rows = []
        for row in page:
            quantity = spec.wire_quantity(row["lots"])
            rows.append(
                {"a": row["id"], "p": spec.wire_price(row["price"]), "q": quantity}
                | ({} if spec.venue == SPOT else {"nq": quantity})
                | {"f": row["first"], "l": row["last"], "T": row["time_ms"], "m": bool(row["maker"])}
                | ({"M": True} if spec.venue == SPOT else {})
            )
        return json.dumps(rows, separators=(",", ":"))

    # ------------------------------------------------------------------ derivatives data

    def _interest(self, book: VenueBook, time_ms: int) -> float:
        return statistics.open_interest(self._seed, book.spec.symbol, book.spec.price, time_ms)

    def _open_interest(self, _: web.Request, book: VenueBook) -> str:
        interest = self._interest(book, self._now_ms)
        value = f"{interest * book.spec.price // book.spec.contract:.0f}" if book.spec.contract else f"{interest:.3f}"
        return json.dumps({"openInterest": value, "symbol": book.spec.symbol, "time": self._now_ms})

    def _open_interest_history(self, request: web.Request, book: VenueBook) -> str:
        rows = []
        for end_ms in self._period_ends(request):
            interest = self._interest(book, end_ms)
            rows.append(
                {
                    "symbol": book.spec.symbol,
                    "sumOpenInterest": f"{interest:.8f}",
                    "sumOpenInterestValue": f"{interest * book.spec.price:.8f}",
                    "CMCCirculatingSupply": "19900000",
                    "timestamp": end_ms,
                }
            )
        return json.dumps(rows)

    def _ratios(self, what: str) -> Answer:
        def rows_of(request: web.Request, book: VenueBook) -> str:
            rows = []
            for end_ms in self._period_ends(request):
                long = round(statistics.long_share(self._seed, book.spec.symbol, what, end_ms), 4)
                key = "Position" if book.spec.contract and what == "top_positions" else "Account"
                of = {"pair": request.query["pair"]} if "pair" in request.query else {"symbol": book.spec.symbol}
                rows.append(
                    of
                    | {
                        "longShortRatio": f"{long / (1 - long):.4f}",
                        f"long{key}": f"{long:.4f}",
                        f"short{key}": f"{1 - long:.4f}",
                        "timestamp": end_ms,
                    }
                )
            return json.dumps(rows)

        return rows_of

    def _period_ends(self, request: web.Request) -> list[int]:
        period_ms = statistics.PERIODS_MS[request.query["period"]]
        limit = min(_whole(request, "limit", 30), 500)
        start, end = _optional(request, "startTime"), _optional(request, "endTime")
        return statistics.period_ends(period_ms, self._now_ms, limit, start, end)

    def _premium_index(self, _: web.Request, book: VenueBook) -> str:
        mark = self._market.mark_of(book)
        row = {
            "symbol": book.spec.symbol,
            "markPrice": f"{mark.mark:.8f}",
            "indexPrice": f"{mark.index:.8f}",
            "estimatedSettlePrice": f"{mark.index:.8f}",
            "lastFundingRate": f"{mark.funding_rate:.8f}",
            "interestRate": "0.00010000",
            "nextFundingTime": mark.next_funding_ms,
            "time": self._now_ms,
        }
        return json.dumps([row] if book.spec.contract else row)

    def _funding_rate(self, request: web.Request, book: VenueBook) -> str:
        limit = min(_whole(request, "limit", 100), 1000)
        start, end = _optional(request, "startTime"), _optional(request, "endTime")
        times = statistics.period_ends(book.spec.funding_interval_h * 3_600_000, self._now_ms, limit, start, end)
        return json.dumps(
            [
                {
                    "symbol": book.spec.symbol,
                    "fundingRate": f"{statistics.settled_rate(self._seed, book.spec.symbol, time_ms):.8f}",
                    "fundingTime": time_ms,
                    "markPrice": f"{book.spec.price:.8f}",
                    "rateType": "Regular",
                }
                for time_ms in times
            ]
        )

    def _funding_info(self, venue: str, _: web.Request) -> str:
        """Only symbols whose interval is not the usual 8 h, as at the exchange."""
        return json.dumps(
            [
                {
                    "symbol": book.spec.symbol,
                    "adjustedFundingRateCap": "0.03000000",
                    "adjustedFundingRateFloor": "-0.03000000",
                    "fundingIntervalHours": book.spec.funding_interval_h,
                    "disclaimer": False,
                }
                for book in self._market.books
                if book.spec.venue == venue and book.spec.funding_interval_h != 8
            ]
        )


def _optional(request: web.Request, name: str) -> int | None:
    return int(request.query[name]) if name in request.query else None


def _whole(request: web.Request, name: str, default: int) -> int:
    return int(request.query.get(name, default))
