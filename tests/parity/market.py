"""One symbol of a served engine: its raw rows for other people's packages, its features, and their comparison."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd


@dataclass
class Market:
    """``client`` is connected to an engine that holds the rows of ``symbol`` and the views over them."""

    client: Any
    symbol: str
    market_type: str

    @property
    def _key(self) -> str:
        return f"exchange = 'binance' AND market_type = '{self.market_type}' AND symbol = '{self.symbol}'"

    @property
    def parameters(self) -> str:
        """The key as parameters of a view."""
        return self._key.replace(" AND", ",")

    def ask(self, sql: str) -> pd.DataFrame:
        """The answer in columns; what is NULL is NaN."""
        answer = self.client.query(sql)
        columns = zip(*answer.result_rows, strict=True) if answer.result_rows else [()] * len(answer.column_names)
        return pd.DataFrame({name: list(values) for name, values in zip(answer.column_names, columns, strict=True)})

    def feature(
        self, view: str, *columns: str, key: str = "bucket_id", database: str = "marketprism_features"
    ) -> pd.DataFrame:
        """Columns of a feature as floats, in the order of ``key``, which becomes the index (times: seconds)."""
        index = f"toUnixTimestamp({key})" if key.startswith("ts_") else f"toInt64({key})"
        chosen = ", ".join(f"toFloat64(v.{name}) AS {name}" for name in columns)
        rows = self.ask(f"SELECT {index} AS key, {chosen} FROM {database}.{view} AS v WHERE {self._key}")
        return rows.set_index("key").sort_index().astype(float)

    @cached_property
    def trades(self) -> pd.DataFrame:
        """The trades that bear buckets, in order of sequence; ``units`` are quantities of 1e-8."""
        return self.ask(
            "SELECT sequence, toUnixTimestamp64Milli(t.timestamp) AS ms, toFloat64(t.price) AS price, "
            "toFloat64(t.quantity) AS quantity, toInt64(t.quantity * 100000000) AS units, "
            "if(t.side = 'buy', 1, -1) AS sign, toInt64(t.bucket_id) AS bucket_id, "
            "toFloat64(toDecimal256(t.price, 12) * t.quantity) AS amount "
            f"FROM marketprism_features.all_trades AS t WHERE t.bucket_id != 0 AND {self._key} ORDER BY sequence"
        )

    @cached_property
    def bars(self) -> pd.DataFrame:
        """Sums of each closed bucket over the trades, by bucket id."""
        closed = self.feature("unified_buckets", "is_closed").index
        trades = self.trades[self.trades["bucket_id"].isin(closed)]
        signed = trades.assign(flow=trades["sign"] * trades["amount"], signed=trades["sign"] * trades["quantity"])
        return signed.groupby("bucket_id").agg(
            start=("ms", "min"), end=("ms", "max"), trades=("ms", "size"), volume=("quantity", "sum"),
            amount=("amount", "sum"), flow=("flow", "sum"), signed=("signed", "sum"), open=("price", "first"),
            high=("price", "max"), low=("price", "min"), close=("price", "last"),
        )  # fmt: skip

    @cached_property
    def books(self) -> pd.DataFrame:
        """The best of every published book, in order; NaN for one-sided ones."""
        return self._bests("orderbooks", "best_bid_price", "best_ask_price")

    @cached_property
    def quotes(self) -> pd.DataFrame:
        """Changes of the best and published books as one sequence."""
        both = [self.books, self._bests("best_quotes", "bid_price", "ask_price")]
        return pd.concat([each for each in both if len(each)]).sort_values(["ms", "sequence"], ignore_index=True)

    def _bests(self, table: str, bid: str, ask: str) -> pd.DataFrame:
        rows = self.ask(
            "SELECT toUnixTimestamp64Milli(timestamp) AS ms, sequence, "
            f"toFloat64({bid}) AS bid, toFloat64({ask}) AS ask "
            f"FROM marketprism_hot.{table} WHERE {self._key} ORDER BY timestamp, sequence"
        )
        if rows.empty:
            return rows
        one_sided = (rows["bid"] == 0) | (rows["ask"] == 0)
        return rows.assign(mid=((rows["bid"] + rows["ask"]) / 2).where(~one_sided), age_from=rows["ms"])


def agree(got: Any, expected: Any, rel: float, absolute: float = 0.0) -> int:
    """Assert equality within ``rel`` (and ``absolute`` near zero), NaN where NaN is; how many values were compared."""
    ours, theirs = np.asarray(got, dtype=float), np.asarray(expected, dtype=float)
    assert ours.shape == theirs.shape
    wrong = np.flatnonzero(~np.isclose(ours, theirs, rtol=rel, atol=absolute, equal_nan=True))
    assert not wrong.size, (
        f"{wrong.size} of {ours.size} differ, first at {wrong[0]}: {ours[wrong[0]]!r}, expected {theirs[wrong[0]]!r}"
    )
    return int(np.isfinite(theirs).sum())
