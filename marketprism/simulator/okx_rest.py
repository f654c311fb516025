"""The REST side of simulated OKX: instruments, books, prints by id, open interest, settled funding, ratios."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from marketprism.simulator import statistics
from marketprism.simulator.mirror_rest import Answer, MirrorRest
from marketprism.simulator.mirror_specs import OKX, MirrorSpec
from marketprism.simulator.mirrors import Follower
from marketprism.simulator.okx_wire import OkxWire, kind_of

_FUNDING_MS = 8 * 3_600_000


class OkxRest(MirrorRest):
    """Answers from the followers as they stand."""

    exchange = OKX
    too_many = '{"code":"50011","msg":"Too Many Requests","data":[]}'

    def add_routes(self, router: web.UrlDispatcher) -> None:
        paths: dict[str, Answer] = {
            "public/instruments": self._instruments,
            "public/underlying": self._families,
            "public/instrument-tick-bands": self._bands,
            "public/open-interest": self._interests,
            "public/funding-rate-history": self._settled,
            "market/history-trades": self._trades,
            "market/books": self._book,
            "market/tickers": self._tickers,
            "rubik/stat/contracts/long-short-account-ratio-contract": self._ratios("all_accounts"),
            "rubik/stat/contracts/long-short-position-ratio-contract-top-trader": self._ratios("top_positions"),
        }
        for path, answer in paths.items():
            router.add_get(f"/api/v5/{path}", self.handler(answer))

    def failed(self, reason: str) -> str:
        return json.dumps({"code": "51000", "msg": f"Parameter error: {reason}", "data": []})

    def _of(self, request: web.Request) -> Follower:
        return self.follower(request.query.get("instId", ""))

    def _matching(self, request: web.Request) -> list[Follower]:
        kind, family = request.query["instType"], request.query.get("instFamily", "")
        return [
            each
            for each in self._followers.values()
            if kind_of(each.spec) == kind and family in ("", f"{each.spec.base}-{each.spec.quote}")
        ]

    def _instruments(self, request: web.Request) -> str:
        return _data([_instrument(each.spec) for each in self._matching(request)])

    def _families(self, request: web.Request) -> str:
        return _data([self._families_of(request)])

    def _bands(self, request: web.Request) -> str:
        kind = request.query["instType"]
        return _data([{"instType": kind, "instFamily": family} for family in self._families_of(request)])

    def _families_of(self, request: web.Request) -> list[str]:
        return list(dict.fromkeys(f"{each.spec.base}-{each.spec.quote}" for each in self._matching(request)))

    def _interests(self, request: web.Request) -> str:
        rows = [OkxWire.interest(each.spec, each.said) for each in self._matching(request) if each.said is not None]
        return f'{{"code":"0","msg":"","data":[{",".join(rows)}]}}'

    def _settled(self, request: web.Request) -> str:
        symbol = self._of(request).spec.symbol
        limit = min(int(request.query.get("limit", 100)), 400)
        newest = min(self.now_ms, int(request.query.get("after", self.now_ms + 1)) - 1) // _FUNDING_MS
        rows = []
        for number in range(newest, max(newest - limit, 0), -1):
            rate = f"{statistics.settled_rate(self._seed, symbol, number * _FUNDING_MS):.10f}"
            time = str(number * _FUNDING_MS)
            rows.append({"instId": symbol, "fundingRate": rate, "realizedRate": rate, "fundingTime": time})
        return _data(rows)

    def _trades(self, request: web.Request) -> str:
        """Newest first, older than ``after``."""
        follower = self._of(request)
        limit = min(int(request.query.get("limit", 100)), 100)
        after = int(request.query.get("after", follower.next_trade_id))
        first = max(after - limit, follower.trades.first_id)
        rows = [
            OkxWire.trade(follower.spec, row["id"], row["time_ms"], row["price"], row["lots"], bool(row["buys"]))
            for row in follower.trades.page(first, max(0, after - first))
            if row["id"] < after
        ]
        return f'{{"code":"0","msg":"","data":[{",".join(reversed(rows))}]}}'

    def _book(self, request: web.Request) -> str:
        body = OkxWire.book(self._of(request), min(int(request.query.get("sz", 1)), 400), self.now_ms)
        return f'{{"code":"0","msg":"","data":{body}}}'

    def _tickers(self, request: web.Request) -> str:
        return _data(
            [
                {"instId": each.spec.symbol, "last": "1", "volCcy24h": str(len(each.trades))}
                for each in self._matching(request)
            ]
        )

    def _ratios(self, what: str) -> Answer:
        def rows_of(request: web.Request) -> str:
            symbol = self._of(request).spec.symbol
            period_ms = statistics.PERIODS_MS[request.query.get("period", "5m").lower()]
            limit = min(int(request.query.get("limit", 100)), 100)
            rows = []
            before = int(request.query.get("end", self.now_ms + 1))
            for end in statistics.period_ends(period_ms, self.now_ms, limit, None, before - 1):
                long = statistics.long_share(self._seed, symbol, what, end)
                rows.append([str(end), f"{long / (1 - long):.16f}"])
            return _data(rows[::-1])

        return rows_of


def _data(rows: list[Any]) -> str:
    return json.dumps({"code": "0", "msg": "", "data": rows}, separators=(",", ":"))


def _instrument(spec: MirrorSpec) -> dict[str, str]:
    spot = spec.market_type == "spot"
    values = {
        "spot": ("", "", "", ""),
        "linear": ("linear", f"{10.0**-spec.contract_decimals:g}", "1", ""),
        "inverse": ("inverse", str(spec.dollars), "1", ""),
        "option": ("", "1", f"{10.0**-spec.contract_decimals:g}", "C" if spec.call else "P"),
    }
    contract_type, value, multiplier, letter = values[spec.market_type]
    lot = "1" if spec.counts == "dollars" or spec.is_option else f"{10.0**-spec.decimals:.{spec.decimals}f}"
    return {
        "instType": kind_of(spec),
        "instId": spec.symbol,
        "instFamily": "" if spot else f"{spec.base}-{spec.quote}",
        "uly": "" if spot else f"{spec.base}-{spec.quote}",
        "baseCcy": spec.base if spot else "",
        "quoteCcy": spec.quote if spot else "",
        "settleCcy": "" if spot else spec.settle,
        "ctVal": value,
        "ctMult": multiplier,
        "ctType": contract_type,
        "tickSz": f"{10.0**-spec.tick_decimals:.{spec.tick_decimals}f}",
        "lotSz": lot,
        "minSz": lot,
        "optType": letter,
        "stk": str(spec.strike) if spec.is_option else "",
        "expTime": str(spec.expiry_ms) if spec.is_option else "",
        "listTime": "1548133413000",
        "state": "live",
    }
