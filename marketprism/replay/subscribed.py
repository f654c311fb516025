"""Recordings of OKX and Deribit: books begin with a snapshot on the stream, and one host serves every market.

Which market a symbol is of, and what one of its units is, say the recorded instrument lists.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from marketprism.replay.venues import Kind
from marketprism.simulator.dialects import DeribitDialect, OkxDialect, ServerDialect

_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
_TWELVE: Final = Decimal(1).scaleb(-12)


@dataclass(frozen=True, slots=True)
class Contract:
    """A recorded instrument. ``multiplier``: base units of one of the exchange's, quote units where ``inverse``."""

    market_type: str
    multiplier: Decimal = Decimal(1)
    inverse: bool = False

    def base(self, native: Decimal, price: Decimal) -> Decimal:
        """Base units to 12 decimals, half to even."""
        value = _EXACT.multiply(native, self.multiplier)
        if self.inverse:
            value = _EXACT.divide(value, price)
        return value.quantize(_TWELVE, context=_EXACT)


@dataclass(frozen=True, slots=True)
class Print:
    """A recorded trade, in base units."""

    symbol: str
    quantity: Decimal


@dataclass(frozen=True)
class SubscribedVenue(ABC):
    """One exchange. ``routes``: (path on the replay server, route name)."""

    name: str
    hosts: frozenset[str]
    routes: tuple[tuple[str, str], ...]
    dialect: ServerDialect
    trade_preference: tuple[str, ...] = field(default=())

    @abstractmethod
    def stream_of(self, payload: str) -> str | None:
        """The stream of a push; None for acknowledgements and heartbeats."""

    @abstractmethod
    def kind_of(self, stream: str) -> Kind:
        """What a stream carries."""

    @abstractmethod
    def symbol_of(self, stream: str) -> str:
        """The symbol of a stream that has one."""

    @abstractmethod
    def listing_of(self, url: str) -> str | None:
        """Which instrument list a URL asks for; None for any other URL."""

    @abstractmethod
    def contracts(self, body: str) -> Iterator[tuple[str, Contract]]:
        """(symbol, contract) of an instrument list."""

    @abstractmethod
    def prints(self, payload: str, contracts: Mapping[str, Contract]) -> Iterator[Print]:
        """The trades of a message on a trade stream."""

    @abstractmethod
    def settings(self, listings: Sequence[str]) -> dict[str, str]:
        """Collector settings (without prefix) that make it subscribe what was recorded."""


class OkxVenue(SubscribedVenue):
    """Streams are ``channel:instId``; every message names its own."""

    def stream_of(self, payload: str) -> str | None:
        message: dict[str, Any] = json.loads(payload) if payload.startswith("{") else {}
        return None if "event" in message or "data" not in message else OkxDialect.name_of(message["arg"])

    def kind_of(self, stream: str) -> Kind:
        channel = stream.partition(":")[0]
        return {"trades": "trade", "books": "depth", "funding-rate": "mark"}.get(channel, "other")  # type: ignore[return-value]

    def symbol_of(self, stream: str) -> str:
        return stream.partition(":")[2]

    def listing_of(self, url: str) -> str | None:
        parts = urlsplit(url)
        if not parts.path.endswith("/public/instruments"):
            return None
        query = parse_qs(parts.query)
        family = (query.get("instFamily") or query.get("uly") or [""])[0]
        return f"{query['instType'][0]}/{family}"

    def contracts(self, body: str) -> Iterator[tuple[str, Contract]]:
        for info in json.loads(body)["data"]:
            kind = info["instType"]
            multiplier = Decimal(info["ctVal"] or 1) * Decimal(info["ctMult"] or 1)
            market = {"SPOT": "spot", "OPTION": "option"}.get(kind) or info["ctType"]
            yield info["instId"], Contract(market, multiplier if kind != "SPOT" else Decimal(1), market == "inverse")

    def prints(self, payload: str, contracts: Mapping[str, Contract]) -> Iterator[Print]:
        for row in json.loads(payload)["data"]:
            symbol = row["instId"]
            yield Print(symbol, contracts[symbol].base(Decimal(row["sz"]), Decimal(row["px"])))

    def settings(self, listings: Sequence[str]) -> dict[str, str]:
        families = [name.removeprefix("OPTION/") for name in listings if name.startswith("OPTION/")]
        return {"OKX_TRADE_CHANNEL": "trades", "OKX_OPTION_FAMILIES": json.dumps(families)}


class DeribitVenue(SubscribedVenue):
    """Streams are channels; the recorded interval is ``raw``."""

    def stream_of(self, payload: str) -> str | None:
        message: dict[str, Any] = json.loads(payload)
        channel = message.get("params", {}).get("channel") if message.get("method") == "subscription" else None
        return None if channel is None else str(channel)

    def kind_of(self, stream: str) -> Kind:
        channel = stream.partition(".")[0]
        return {"trades": "trade", "book": "depth", "ticker": "mark"}.get(channel, "other")  # type: ignore[return-value]

    def symbol_of(self, stream: str) -> str:
        return stream.split(".")[1]

    def listing_of(self, url: str) -> str | None:
        parts = urlsplit(url)
        return parse_qs(parts.query)["currency"][0] if parts.path.endswith("/public/get_instruments") else None

    def contracts(self, body: str) -> Iterator[tuple[str, Contract]]:
        for info in json.loads(body)["result"]:
            market = info["kind"]
            if market == "future":
                dollars = info["quote_currency"] == "USD"
                said = info.get("instrument_type") or info.get("future_type") or ("reversed" if dollars else "linear")
                market = "inverse" if said == "reversed" else "linear"
            yield info["instrument_name"], Contract(market, Decimal(1), market == "inverse")

    def prints(self, payload: str, contracts: Mapping[str, Contract]) -> Iterator[Print]:
        for row in json.loads(payload, parse_float=Decimal, parse_int=Decimal)["params"]["data"]:
            symbol = row["instrument_name"]
            yield Print(symbol, contracts[symbol].base(row["amount"], row["price"]))

    def settings(self, listings: Sequence[str]) -> dict[str, str]:
        return {
            "DERIBIT_INTERVAL": "raw",
            "DERIBIT_CURRENCIES": json.dumps(list(listings)),
            "DERIBIT_HISTORY_URL": "",
            "DERIBIT_VOLATILITY_INDICES": "[]",
        }


SUBSCRIBED: Final[tuple[SubscribedVenue, ...]] = (
    OkxVenue(
        name="okx",
        hosts=frozenset({"ws.okx.com", "www.okx.com", "openapi.okx.com", "aws.okx.com"}),
        routes=(("/okx/ws/v5/public", "public"), ("/okx/ws/v5/business", "business")),
        dialect=OkxDialect(),
    ),
    DeribitVenue(
        name="deribit",
        hosts=frozenset({"www.deribit.com", "streams.deribit.com", "history.deribit.com"}),
        routes=(("/deribit/ws/api/v2", "public"),),
        dialect=DeribitDialect(raw=True),
    ),
)
