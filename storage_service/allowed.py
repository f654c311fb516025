"""What a row may hold, where that is more than its types say; and which tables feed views."""

from __future__ import annotations

from typing import Final

from marketprism.events import SIDES

LIVE_SOURCES: Final = ("marketprism", "rest")
FILE_SOURCES: Final = ("archive", "import")
FROM_FILES: Final = f"data_source IN {FILE_SOURCES}"
"""SQL: a row that files gave. What came live is what it is not true of."""
SOURCES: Final = (*LIVE_SOURCES, *FILE_SOURCES)
VIEWED: Final = ("trades", "orderbooks")
"""Raw tables that materialized views hang on: of these alone a day can be rebuilt, and need be."""
TRADE_KINDS: Final = ("trade", "agg_trade")

MAX_MS: Final = 10_413_792_000_000  # 2300-01-01: beyond it DateTime64 wraps
UINT16_MAX: Final = 65_535
_DAY_MS: Final = 86_400_000
EARLIEST_MS: Final = -7 * _DAY_MS
LATEST_MS: Final = 3_600_000
"""A live row's time, counted from its reception."""
PRICE_LIMIT: Final = 10**12
OTHER_LIMIT: Final = 10**18

PARALLEL: Final = (("bid_prices", "bid_quantities"), ("ask_prices", "ask_quantities"))
POSITIVE: Final = ("tick_size", "multiplier")
ONE_OF: Final = {"side": SIDES, "data_source": SOURCES, "trade_kind": TRADE_KINDS}
FREE_TEXT: Final = frozenset({"option_side", "canonical", "base", "quote", "settle", "underlying_asset"})


def names_one_symbol(symbol: str) -> bool:
    """Whether a subject's last token is a symbol: a shared frame's (``_`` and the partition) leaves it open."""
    return not (symbol.startswith("_") and symbol[1:].isdecimal())
