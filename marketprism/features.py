"""Read features from Python: the newest values of every symbol, and the last buckets of one, as Arrow or polars."""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa

from marketprism.clickhouse import FEATURES, connect
from marketprism.settings import ClickHouseSettings


class Features:
    """Feature reads over one ClickHouse connection.

    ``source``: ClickHouseSettings (None: from the environment), or an open clickhouse-connect client.
    """

    def __init__(self, source: ClickHouseSettings | Any | None = None) -> None:
        self._client: Any
        if source is None or isinstance(source, ClickHouseSettings):
            self._client = connect(source or ClickHouseSettings())
        else:
            self._client = source

    def latest(self) -> pa.Table:
        """One row per (exchange, market_type, symbol): its newest closed bucket's features and its newest book.

        ``updated_at`` says when ClickHouse refreshed them, ``staleness_ms`` how old the bucket was then.
        """
        return self._arrow(f"SELECT * FROM {FEATURES}.latest_features ORDER BY exchange, market_type, symbol")

    def buckets(self, exchange: str, market_type: str, symbol: str, last: int = 100) -> pa.Table:
        """Every feature of the last closed buckets of a symbol, oldest first (columns of unified_features_by_bucket).

        Raises ValueError when ``last`` is below 1.
        """
        if last < 1:
            raise ValueError(f"last={last}: ask for at least one bucket")
        return self._arrow(
            f"SELECT * FROM {FEATURES}.unified_features_last(exchange = {{exchange:String}}, "
            "market_type = {market_type:String}, symbol = {symbol:String}, n = {last:UInt64}) ORDER BY bucket_id",
            {"exchange": exchange, "market_type": market_type, "symbol": symbol, "last": last},
        )

    def latest_polars(self) -> pl.DataFrame:
        """``latest`` as polars."""
        return self._polars(self.latest())

    def buckets_polars(self, exchange: str, market_type: str, symbol: str, last: int = 100) -> pl.DataFrame:
        """``buckets`` as polars."""
        return self._polars(self.buckets(exchange, market_type, symbol, last))

    def _arrow(self, query: str, parameters: dict[str, Any] | None = None) -> pa.Table:
        return self._client.query_arrow(query, parameters=parameters, use_strings=True)

    @staticmethod
    def _polars(table: pa.Table) -> pl.DataFrame:
        """Wide decimals (notionals, Decimal(76, 24)) become Float64: polars has no 256-bit decimal."""
        for index, field in enumerate(table.schema):
            if pa.types.is_decimal256(field.type):
                table = table.set_column(index, field.name, table.column(index).cast(pa.float64()))
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)  # from_arrow gives a Series only for an array
        return frame
