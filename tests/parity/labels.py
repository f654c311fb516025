"""Labels by the as-of join of pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.parity.market import Market, agree

OLDEST_MS = 60_000
HORIZONS = {"return_30s": 30, "return_1m": 60, "return_5m": 300}


def mids(market: Market, times: pd.Series) -> pd.Series:
    """The mid at each time, of a two-sided book that is not older than a minute."""
    held = pd.merge_asof(times.rename("at").to_frame(), market.books, left_on="at", right_on="ms")
    return held["mid"].where(held["at"] - held["age_from"] <= OLDEST_MS)


def labels_by_bucket(market: Market) -> int:
    """Log returns of the mid up to the last book, over clock horizons and per second over five buckets: 1e-9, 1e-12."""
    ends = market.bars["end"].reset_index(drop=True)
    mid = mids(market, ends)
    expected, last_book = pd.DataFrame({"mid": mid}), market.books["ms"].max()
    for name, seconds in HORIZONS.items():
        at = ends + seconds * 1000
        expected[name] = np.log(mids(market, at).where(at <= last_book) / mid)
    lasted = (ends.shift(-5) - ends) / 1000
    expected["return_per_s_5"] = np.log(mid.shift(-5) / mid) / lasted.where(
        (lasted > 0) & (ends.shift(-5) <= last_book)
    )
    rows = market.feature("bucket_labels", *expected, database="marketprism_labels")
    shown = market.bars.index.isin(rows.index)
    assert shown.sum() == len(rows) > 0, "labels of buckets there are; a jump leaves some out"
    return sum(agree(rows[name], expected[name][shown], rel=1e-9, absolute=1e-12) for name in expected)


CHECKS = [labels_by_bucket]
