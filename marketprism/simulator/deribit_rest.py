"""The REST side of simulated Deribit: instruments, books, prints by trade_seq (and a history host), funding history."""

from __future__ import annotations

import json
from typing import Any, Final

from aiohttp import web

from marketprism.simulator import statistics
from marketprism.simulator.deribit_wire import DeribitWire
from marketprism.simulator.mirror_rest import Answer, MirrorRest
from marketprism.simulator.mirror_specs import DERIBIT, MirrorSpec

_HOUR_MS: Final = 3_600_000
_NEVER_MS: Final = 32_503_708_800_000
_MAIN_HOST_KEEPS: Final = 20_000
"""Prints of an instrument that the main host still answers; older ones only the history host."""
_KINDS: Final = {"spot": "spot", "linear": "future", "inverse": "future", "option": "option"}


class DeribitRest(MirrorRest):
    """Answers from the followers as they stand."""

    exchange = DERIBIT
    too_many = '{"jsonrpc":"2.0","error":{"code":10028,"message":"too_many_requests"}}'

    def add_routes(self, router: web.UrlDispatcher) -> None:
        paths: dict[str, Answer] = {
            "get_instruments": self._instruments,
            "get_order_book": self._book,
            "get_last_trades_by_instrument": self._trades(_MAIN_HOST_KEEPS),
            "get_funding_rate_history": self._settled,
            "get_book_summary_by_currency": self._summary,
        }
        for path, answer in paths.items():
            router.add_get(f"/api/v2/public/{path}", self.handler(answer))
        everything = self.handler(self._trades(0))
        router.add_get("/history/api/v2/public/get_last_trades_by_instrument", everything)

    def failed(self, reason: str) -> str:
        return json.dumps({"jsonrpc": "2.0", "error": {"code": -32602, "message": f"Invalid params: {reason}"}})

    def _instruments(self, request: web.Request) -> str:
        currency, kind = request.query["currency"], request.query.get("kind", "")
        return _result(
            [
                _instrument(each.spec)
                for each in self._followers.values()
                if currency in ("any", each.spec.settle) and kind in ("", _KINDS[each.spec.market_type])
            ]
        )

    def _trades(self, keeps: int) -> Answer:
        """``keeps``: the newest so many; 0 = all."""

        def trades(request: web.Request) -> str:
            follower = self.follower(request.query["instrument_name"])
            oldest = max(follower.trades.first_id, follower.next_trade_id - keeps if keeps else 0)
            first = max(int(request.query["start_seq"]), oldest)
            last = min(int(request.query["end_seq"]), follower.next_trade_id - 1)
            count = min(int(request.query.get("count", 10)), 1000, max(0, last - first + 1))
            rows = [
                DeribitWire.trade(
                    follower.spec, row["id"], row["time_ms"], row["price"], row["lots"], bool(row["buys"]),
                    bool(row["forced"]),
                )
                for row in follower.trades.page(first, count)
                if row["id"] <= last
            ]  # fmt: skip
            more = "true" if first + count <= last else "false"
            return f'{{"jsonrpc":"2.0","result":{{"trades":[{",".join(rows)}],"has_more":{more}}}}}'

        return trades

    def _book(self, request: web.Request) -> str:
        follower = self.follower(request.query["instrument_name"])
        spec = follower.spec
        sides = [
            [[float(spec.price_text(price)), float(spec.native_text(units))] for price, units in side]
            for side in follower.book(int(request.query.get("depth", 20)))
        ]
        return _result(
            {
                "timestamp": self.now_ms,
                "instrument_name": spec.symbol,
                "change_id": follower.told_id,
                "bids": sides[0],
                "asks": sides[1],
            }
        )

    def _settled(self, request: web.Request) -> str:
        symbol = self.follower(request.query["instrument_name"]).spec.symbol
        first = -(-int(request.query["start_timestamp"]) // _HOUR_MS)
        last = min(int(request.query["end_timestamp"]), self.now_ms) // _HOUR_MS
        rows = []
        for number in range(first, last + 1):
            rate = statistics.settled_rate(self._seed, symbol, number * _HOUR_MS) / 8
            rows.append({"timestamp": number * _HOUR_MS, "interest_1h": rate, "interest_8h": 8 * rate})
        return _result(rows)

    def _summary(self, request: web.Request) -> str:
        kind = request.query.get("kind", "")
        return _result(
            [
                {"instrument_name": each.spec.symbol, "volume_usd": float(len(each.trades))}
                for each in self._followers.values()
                if request.query["currency"] == each.spec.settle and kind in ("", _KINDS[each.spec.market_type])
            ]
        )


def _result(value: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "result": value}, separators=(",", ":"))


def _instrument(spec: MirrorSpec) -> dict[str, Any]:
    option = spec.is_option
    lot = float(spec.dollars) if spec.counts == "dollars" else 10.0**-spec.decimals
    entry: dict[str, Any] = {
        "instrument_name": spec.symbol,
        "kind": _KINDS[spec.market_type],
        "base_currency": spec.base,
        "quote_currency": spec.base if option else spec.quote,
        "counter_currency": spec.quote,
        "settlement_currency": spec.settle,
        "settlement_period": "month" if option else "perpetual",
        "tick_size": 10.0**-spec.tick_decimals,
        "min_trade_amount": lot,
        "contract_size": lot,
        "creation_timestamp": 1_548_133_413_000,
        "expiration_timestamp": spec.expiry_ms if option else _NEVER_MS,
        "state": "open",
        "is_active": True,
    }
    if spec.market_type != "spot":
        entry["instrument_type"] = "linear" if spec.market_type == "linear" else "reversed"
    if option:
        entry |= {"strike": float(spec.strike), "option_type": "call" if spec.call else "put"}
    return entry
