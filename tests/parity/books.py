"""Shape and dynamics of the book: plain Python over the stored levels, and running sums of numpy over the books."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.parity.market import Market, agree
from tests.sql.test_catalogue_books import shape

SAMPLES = 150
ADDED = ("bid_added_quantity", "bid_cancelled_quantity", "ask_added_quantity", "ask_cancelled_quantity")
RATES = ("bid_add_rate", "bid_cancel_rate", "ask_add_rate", "ask_cancel_rate")
UNSEEN_MS = 5000


def levels(market: Market, sequences: list[int]) -> pd.DataFrame:
    """The stored levels of these books."""
    rows = market.ask(
        "SELECT sequence, bid_prices, bid_quantities, ask_prices, ask_quantities FROM marketprism_hot.orderbooks "
        f"WHERE symbol = '{market.symbol}' AND market_type = '{market.market_type}' "
        f"AND sequence IN ({', '.join(map(str, sequences))}) ORDER BY timestamp, sequence"
    )
    for side in ("bid", "ask"):
        pairs = zip(rows[f"{side}_prices"], rows[f"{side}_quantities"], strict=True)
        rows[f"{side}s"] = [list(zip(*pair, strict=True)) for pair in pairs]
    return rows


def compare_shapes(ours: pd.DataFrame, held: pd.DataFrame) -> int:
    expected = pd.DataFrame(
        [shape({"bids": bids, "asks": asks}) for bids, asks in zip(held["bids"], held["asks"], strict=True)]
    )
    return sum(agree(ours[name], expected[name], rel=1e-9, absolute=1e-9) for name in expected)


def columns(market: Market) -> list[str]:
    """What ``shape`` knows."""
    (first,) = levels(market, [int(market.books["sequence"].iloc[0])]).itertuples()
    return list(shape({"bids": first.bids, "asks": first.asks}))


def shape_of_books(market: Market) -> int:
    """book_features of books over the whole time: 1e-9, absolutely 1e-9 (basis points, shares)."""
    books = market.books[market.books["mid"].notna()]
    chosen = books["sequence"].iloc[:: max(1, len(books) // SAMPLES)]
    rows = market.feature("book_features", *columns(market), key="sequence")
    return compare_shapes(rows.loc[sorted(chosen)], levels(market, list(chosen)))


def shape_at_bucket_ends(market: Market) -> int:
    """book_features_by_bucket is the shape of the last book at or before the bucket's end: 1e-9."""
    held = pd.merge_asof(market.bars.reset_index(), market.books, left_on="end", right_on="ms", suffixes=("", "_book"))
    held = held[(held["end"] - held["age_from"] <= 60_000) & held["mid"].notna()]
    chosen = held.iloc[:: max(1, len(held) // SAMPLES)]
    rows = market.feature("book_features_by_bucket", *columns(market)).loc[chosen["bucket_id"]]
    by_sequence = levels(market, [int(each) for each in chosen["sequence"]]).set_index("sequence")
    return compare_shapes(rows, by_sequence.loc[chosen["sequence"]])


def dynamics_by_bucket(market: Market) -> int:
    """Rates of added and cancelled quantity from books in (start, end] of a bucket, as differences of sums: 1e-7."""
    names = ", ".join(ADDED)
    books = market.ask(
        f"SELECT toUnixTimestamp64Milli(timestamp) AS ms, {names}, ofi_l1 FROM marketprism_hot.orderbooks "
        f"WHERE symbol = '{market.symbol}' AND market_type = '{market.market_type}' ORDER BY timestamp, sequence"
    )
    step = books["ms"].diff()
    books["seen_s"] = step.where(step <= UNSEEN_MS, 0) / 1000
    books[[*ADDED]] = books[[*ADDED]].mul(step <= UNSEEN_MS, axis=0)
    running = np.vstack([np.zeros(6), books[[*ADDED, "ofi_l1", "seen_s"]].cumsum().to_numpy()])
    first, last = (np.searchsorted(books["ms"], market.bars[name], side="right") for name in ("start", "end"))
    sums = running[last] - running[first]
    seconds = np.where(sums[:, 5] > 1e-9, sums[:, 5], np.nan)
    rows = market.feature("lob_dynamics_by_bucket", *RATES, "ofi_l1", "books")
    scale = float(np.abs(running).max())
    compared = agree(rows["books"], last - first, rel=0)
    compared += agree(rows["ofi_l1"], sums[:, 4], rel=1e-7, absolute=1e-12 * scale)
    for position, name in enumerate(RATES):
        compared += agree(rows[name], sums[:, position] / seconds, rel=1e-7, absolute=1e-10 * scale)
    return compared


CHECKS = [shape_of_books, shape_at_bucket_ends, dynamics_by_bucket]
