"""Binance spot as a ``Venue``: trades and books; it has no other data types."""

from __future__ import annotations

from collections.abc import Sequence

from collector.rest import RestClient, RestError
from collector.venue import BookRule, ConnectionPlan, Poll, RepairPage
from collector.venues.binance import books, channels, rest, rows, symbols
from collector.venues.binance.market import PAGE, BinanceMarket, page
from collector.venues.binance.messages import RestTrade, SymbolInfo
from marketprism.events import Instrument
from marketprism.settings import CollectorSettings


class BinanceSpot(BinanceMarket):
    """Trades and books; spot has no other data types."""

    market_type = "spot"
    book_rule: BookRule = staticmethod(books.spot_rule)
    depth_path = "/api/v3/depth"
    agg_trades_path = "/api/v3/aggTrades"
    agg_trades_weight = 4
    info_path = "/api/v3/exchangeInfo"
    info_weight = 20
    volume_path = "/api/v3/ticker/24hr"
    volume_weight = 80

    def __init__(self, settings: CollectorSettings, client: RestClient) -> None:
        api = rest.BinanceRest(client, "spot", settings.binance_spot_rest_url, rest.SPOT_BUDGET)
        super().__init__(settings, api, settings.binance_spot_trade_stream, settings.binance_spot_depth_stream)

    def plan(self, symbols: Sequence[str]) -> list[ConnectionPlan]:
        streams = [stream for symbol in symbols for stream in self._market_streams(symbol)]
        urls = self._bases(self._settings.binance_spot_ws_url, self._settings.binance_spot_ws_fallback_url)
        return channels.connections("binance.spot", urls, streams)

    def polls(self) -> Sequence[Poll]:
        return ()

    def _instrument(self, info: SymbolInfo, received_at: int) -> Instrument:
        return symbols.spot_instrument(info, received_at)

    def can_repair(self, trade_kind: str) -> bool:
        return True

    async def fetch_trades(self, symbol: str, trade_kind: str, first: int, last: int) -> RepairPage:
        if trade_kind == "agg_trade":
            return await super().fetch_trades(symbol, trade_kind, first, last)
        try:
            answer, received_at = await self._api.get(
                "/api/v3/historicalTrades",
                list[RestTrade],
                {"symbol": symbol, "fromId": first, "limit": min(PAGE, last - first + 1)},
                weight=25,
                urgent=True,
            )
        except RestError as error:
            if error.status not in (401, 403):
                raise
            # where a key is asked for after all, the latest thousand need none
            answer, received_at = await self._api.get(
                "/api/v3/trades", list[RestTrade], {"symbol": symbol, "limit": PAGE}, weight=25
            )
        of = self._of(symbol)
        return page([rows.rest_trade_row(of, row, received_at) for row in answer if row.id >= first], last)
