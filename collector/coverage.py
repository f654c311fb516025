"""What is collected of each exchange and market, and which real message or recording proves it.

``docs/coverage.md`` is made from this (``python -m collector.coverage --write``); a test holds that they agree, that
every venue has its row, and that every proof exists among the shared messages and is read by a test.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

COLUMNS: Final[dict[str, str]] = {
    "orderbooks": "orderbooks",
    "trades": "trades",
    "funding_rates": "funding",
    "open_interests": "open interest",
    "liquidations": "liquidations",
    "lsr_top_positions": "LSR top positions",
    "lsr_all_accounts": "LSR all accounts",
    "volatility_indices": "volatility",
    "instruments": "instruments",
}
"""Data type → heading."""


@dataclass(frozen=True, slots=True)
class Cell:
    """``proofs``: ``recordings/<name>`` or ``payloads/<exchange>/<file>``; none = built after documentation only."""

    proofs: tuple[str, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        if not self.proofs:
            return f"*unproven* {self.note}".rstrip()
        said = f"✓ {self.note}".rstrip()
        return f"{said} <sub>{', '.join(proof.partition('/')[2] for proof in self.proofs)}</sub>"


def _recorded(*names: str, note: str = "") -> Cell:
    return Cell(tuple(f"recordings/{name}" for name in names), note)


def _said(folder: str, *names: str, note: str = "") -> Cell:
    return Cell(tuple(f"payloads/{folder}/{name}" for name in names), note)


def _unproven(note: str = "") -> Cell:
    return Cell((), note)


COVERAGE: Final[dict[str, dict[str, Cell]]] = {
    "binance.spot": {
        "orderbooks": _recorded("binance_spot"),
        "trades": _recorded("binance_spot"),
        "instruments": _unproven(),
    },
    "binance.linear": {
        "orderbooks": _recorded("binance_usdm", "binance_usdm_20240808", "binance_usdm_202107_alts"),
        "trades": _recorded("binance_usdm", "binance_usdm_20240808", "binance_usdm_202107_alts", note="agg, raw"),
        "funding_rates": Cell(
            ("recordings/binance_usdm", "payloads/binance_usdm/fundingRate.rest.json"), "predicted, settled"
        ),
        "open_interests": _said("binance_usdm", "openInterest.rest.json"),
        "liquidations": _said("binance_usdm", "forceOrder.json", "forceOrder_arr.json", note="sampled"),
        "lsr_top_positions": _said("binance_usdm", "topLongShortPositionRatio.rest.json"),
        "lsr_all_accounts": _said("binance_usdm", "globalLongShortAccountRatio.rest.json"),
        "instruments": _recorded("binance_usdm_202107_alts"),
    },
    "binance.inverse": {
        "orderbooks": _recorded("binance_coinm", "binance_coinm_202107"),
        "trades": _recorded("binance_coinm", "binance_coinm_202107", note="agg, raw"),
        "funding_rates": _said("binance_coinm", "fundingRate.rest.json", note="settled; predicted *unproven*"),
        "open_interests": _said("binance_coinm", "openInterest.rest.json", "premiumIndex.rest.json"),
        "liquidations": _said("binance_coinm", "forceOrder.json", note="sampled"),
        "lsr_top_positions": _said("binance_coinm", "topLongShortPositionRatio.rest.json"),
        "lsr_all_accounts": _said("binance_coinm", "globalLongShortAccountRatio.rest.json"),
        "instruments": _recorded("binance_coinm_202107"),
    },
    "binance.option": {
        "orderbooks": _unproven(),
        "trades": _unproven(),
        "open_interests": _unproven(),
        "volatility_indices": _unproven("mark IV"),
        "instruments": _unproven(),
    },
    "okx.spot": {
        "orderbooks": _recorded("okx", note="CRC32 of the recording"),
        "trades": Cell(("recordings/okx", "payloads/okx/trades_2025.jsonl")),
        "liquidations": _unproven("sampled, margin"),
        "instruments": _recorded("okx"),
    },
    "okx.linear": {
        "orderbooks": _said("okx", "books_update_chain.jsonl"),
        "trades": _said("okx", "trades_2026.json"),
        "funding_rates": _said("okx", "funding-rate.json", note="swaps"),
        "open_interests": _said("okx", "open-interest.json"),
        "liquidations": _said("okx", "liquidation-orders.json", note="sampled"),
        "lsr_top_positions": _unproven(),
        "lsr_all_accounts": _said("okx", "rubik_long-short-account-ratio-contract.json"),
        "instruments": _recorded("okx"),
    },
    "okx.inverse": {
        "orderbooks": _recorded("okx", note="CRC32 of the recording"),
        "trades": _recorded("okx"),
        "funding_rates": _unproven("swaps"),
        "open_interests": _unproven(),
        "liquidations": _unproven("sampled"),
        "lsr_top_positions": _unproven(),
        "lsr_all_accounts": _unproven(),
        "instruments": _recorded("okx"),
    },
    "okx.option": {
        "orderbooks": _unproven(),
        "trades": _unproven(),
        "open_interests": _unproven(),
        "liquidations": _unproven("sampled"),
        "volatility_indices": _unproven("IV summary"),
        "instruments": _recorded("okx"),
    },
    "deribit.spot": {
        "orderbooks": _unproven(),
        "trades": _unproven(),
        "instruments": _unproven(),
    },
    "deribit.linear": {
        "orderbooks": _unproven(),
        "trades": _unproven(),
        "funding_rates": _unproven("perpetuals"),
        "open_interests": _unproven(),
        "liquidations": _unproven("from the trade flag"),
        "instruments": _recorded("deribit"),
    },
    "deribit.inverse": {
        "orderbooks": _said("deribit", "book_perp_chain_testnet2026.jsonl", "get_order_book.rest.json"),
        "trades": _said("deribit", "trades_perp_2025.json", "trades_agg2_2025.jsonl"),
        "funding_rates": _said("deribit", "ticker_perp.json", "ticker_perp_2025.json", note="perpetuals"),
        "open_interests": _said("deribit", "ticker_perp.json", "ticker_perp_2025.json"),
        "liquidations": _unproven("from the trade flag"),
        "instruments": _recorded("deribit"),
    },
    "deribit.option": {
        "orderbooks": _recorded("deribit"),
        "trades": _unproven(),
        "open_interests": _said("deribit", "ticker_option_2021.json"),
        "liquidations": _unproven("from the trade flag"),
        # of DVOL only the documentation's example and a reshaped history are at hand
        "volatility_indices": _recorded("deribit", note="mark IV; DVOL *unproven*"),
        "instruments": _recorded("deribit"),
    },
    "bybit.spot": {
        "orderbooks": _unproven(),
        "trades": _unproven(),
        "instruments": _unproven(),
    },
    "bybit.linear": {
        "orderbooks": _unproven(),
        "trades": _unproven(),
        "funding_rates": _unproven(),
        "open_interests": _unproven(),
        "liquidations": _unproven(),
        "instruments": _unproven(),
    },
}
"""Venue → data type → proof. What is not there, the exchange does not have or we do not collect."""

_NAMES: Final = {"binance": "Binance", "okx": "OKX", "deribit": "Deribit", "bybit": "Bybit"}
_MARKETS: Final = {"binance.linear": "linear (USD-M)", "binance.inverse": "inverse (COIN-M)"}

BEGIN: Final = "<!-- coverage: python -m collector.coverage --write -->"
END: Final = "<!-- /coverage -->"
_HEAD: Final = """# Coverage

One row for each exchange and market. A ✓ names the real message or recording that a test reads and compares with an
independent reading of the same JSON. *unproven* is built after the exchange's documentation and tested with messages of
that shape; no real one was at hand. An empty cell: the exchange does not have it. Names without a dot are recordings,
the others single messages; both are test data that the project does not ship.

This page is made by `python -m collector.coverage --write`.

"""


def table() -> str:
    """The Markdown table."""
    lines = ["| | " + " | ".join(COLUMNS.values()) + " |", "|---|" + "---|" * len(COLUMNS)]
    for venue, cells in COVERAGE.items():
        exchange, _, market = venue.partition(".")
        name = f"{_NAMES[exchange]} {_MARKETS.get(venue, market)}"
        lines.append(f"| {name} | " + " | ".join(str(cells.get(kind, "")) for kind in COLUMNS) + " |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The whole of ``docs/coverage.md``."""
    return _HEAD + table()


def readme(text: str) -> str:
    """The README with the table of today between its two marks. Raises ValueError when a mark is missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md lacks {BEGIN} or {END}: put them around the coverage table")
    return f"{before}{BEGIN}\n{table()}{END}{after}"


def main() -> int:
    """Print the page, or write it and the README's table with ``--write``."""
    if sys.argv[1:] == ["--write"]:
        root = Path(__file__).resolve().parent.parent
        (root / "docs" / "coverage.md").write_text(page())
        (root / "README.md").write_text(readme((root / "README.md").read_text()))
    else:
        sys.stdout.write(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
