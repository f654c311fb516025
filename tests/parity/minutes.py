"""Windows of an hour and of a day over minutes; a recording of ten minutes fills none of them, a whole day does."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.parity.market import Market, agree
from tests.parity.moves import SPANS, compare_measures, variance_measures

HOUR = 60
OLDER = 4
"""Minutes that the base of a return may be older than asked."""


def traded(market: Market) -> pd.DataFrame:
    """Close and high of each minute that traded."""
    return market.trades.groupby(market.trades["ms"] // 60_000 * 60)["price"].agg(close="last", high="max")


def every_minute(rows: pd.DataFrame) -> pd.DataFrame:
    """The same with NaN for the minutes between that did not trade."""
    return rows.reindex(range(rows.index[0], rows.index[-1] + 60, 60))


def volatility_of_the_hour(market: Market) -> int:
    """volatility_1m over 60 returns of neighbouring minutes, none where one is missing: 1e-8."""
    rows = traded(market)
    expected = variance_measures(np.log(every_minute(rows)["close"]).diff(), HOUR).loc[rows.index]
    return compare_measures(market.feature("volatility_1m", *expected, key="ts_1m"), expected)


def volatility_of_the_day(market: Market) -> int:
    """volatility_1d over all returns between neighbouring minutes: 1e-9."""
    steps = np.log(every_minute(traded(market))["close"]).diff().dropna()
    expected = variance_measures(steps, len(steps)).iloc[[-1]].drop(columns="lee_mykland")
    rows = market.feature("volatility_1d", *expected, key="day")
    return sum(agree(rows[name], expected[name], rel=1e-9, absolute=1e-22) for name in expected)


def returns_by_minute(market: Market) -> int:
    """returns_1m from its second hour on: 1e-8, absolutely 1e-11."""
    rows = traded(market)
    bars, step = every_minute(rows), np.log(rows["close"]).diff()
    close = np.log(bars["close"])
    expected = {f"log_return_{span}": close - close.ffill(limit=OLDER).shift(span) for span in SPANS}
    squares = (every_minute(step.to_frame())["close"] ** 2).fillna(0)
    for span in (10, 60):
        expected[f"momentum_{span}"] = expected[f"log_return_{span}"] / np.sqrt(squares.rolling(span).sum())
    expected["drawdown_60"] = close - np.log(bars["high"].rolling(HOUR, min_periods=1).max())
    later = rows.index[HOUR + 1 :]
    shown = market.feature("returns_1m", *expected, key="ts_1m").loc[later]
    return sum(agree(shown[name], each.loc[later], rel=1e-8, absolute=1e-11) for name, each in expected.items())


CHECKS = [volatility_of_the_hour, volatility_of_the_day, returns_by_minute]
