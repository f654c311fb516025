"""Spreads of frds against those by bucket and by minute, on quotes that pandas paired.

frds weighs by price · quantity, MarketPrism by mid · quantity: it is given the quantity times mid / price.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from tests.parity.market import Market, agree
from tests.parity.packages import frds_measure

PERCENT_TO_BPS = 100
HORIZON_MS = 5000
GROUPS = 150
"""So many buckets or minutes are compared, spread over all."""
OLDEST_MS = 60_000


def paired(market: Market) -> pd.DataFrame:
    """The trades with the mid strictly before them, and the one known five seconds after them."""
    trades, quotes = market.trades, market.quotes
    before = pd.merge_asof(trades.sort_values("ms", kind="stable"), quotes, on="ms", allow_exact_matches=False)
    before["mid"] = before["mid"].where(before["ms"] - before["age_from"] <= OLDEST_MS)
    before["at"] = before["ms"] + HORIZON_MS
    later = pd.merge_asof(
        before, quotes[["ms", "age_from", "mid"]], left_on="at", right_on="ms", suffixes=("", "_later")
    )
    fresh = later["at"] - later["age_from_later"] <= OLDEST_MS
    return later.assign(settled=later["mid_later"].where(fresh & later["mid"].notna()))


def arguments(rows: pd.DataFrame) -> dict[str, Any]:
    return {
        "price": rows["price"].to_numpy(),
        "midpoint": rows["mid"].to_numpy(),
        "volume": (rows["quantity"] * rows["mid"] / rows["price"]).to_numpy(),
        "trade_direction": rows["sign"].to_numpy(),
    }


def expected(groups: Any) -> Iterator[tuple[int, dict[str, float]]]:
    """Key → spreads in basis points, NaN where no trade has its quotes."""
    spread, impact = frds_measure("spread"), frds_measure("price_impact")
    for key, rows in list(groups)[:: max(1, groups.ngroups // GROUPS)]:
        quoted, settled = rows[rows["mid"].notna()], rows[rows["settled"].notna()]
        out = dict.fromkeys(("effective_spread", "quoted_spread", "realised_spread", "price_impact"), float("nan"))
        if len(quoted):
            bought = quoted.assign(price=quoted["ask"], sign=1)  # twice ask less mid is the quoted spread
            out["effective_spread"] = spread.effective_spread(**arguments(quoted)) * PERCENT_TO_BPS
            out["quoted_spread"] = spread.effective_spread(**arguments(bought)) * PERCENT_TO_BPS
        if len(settled):
            given = arguments(settled) | {"midpoint_later": settled["settled"].to_numpy()}
            out["realised_spread"] = spread.realized_spread(**given) * PERCENT_TO_BPS
            out["price_impact"] = impact.simple_price_impact(**given) * PERCENT_TO_BPS
        yield key, out


def compare(market: Market, key: str, shown: str, settled: str, groups: Any) -> int:
    theirs = pd.DataFrame.from_dict(dict(expected(groups)), orient="index").sort_index()
    ours = market.feature(shown, "effective_spread", "quoted_spread", key=key).join(
        market.feature(settled, "realised_spread", "price_impact", key=key)
    )
    assert len(ours.index.difference(groups.groups)) == 0
    theirs = theirs[theirs.index.isin(ours.index)]  # the last bucket may be open
    return sum(agree(ours.loc[theirs.index, name], theirs[name], rel=1e-8, absolute=1e-8) for name in theirs)


def spreads_by_bucket(market: Market) -> int:
    """Effective, quoted and realised spread and impact of closed buckets: 1e-8, in basis points."""
    return compare(
        market, "bucket_id", "spreads_by_bucket", "realised_spread_by_bucket", paired(market).groupby("bucket_id")
    )


def spreads_by_minute(market: Market) -> int:
    """The same by minute."""
    rows = paired(market)
    minutes = rows.groupby(rows["ms"] // 60_000 * 60)
    return compare(market, "ts_1m", "spread_analysis_1m", "realised_spread_1m", minutes)


CHECKS = [spreads_by_bucket, spreads_by_minute]
