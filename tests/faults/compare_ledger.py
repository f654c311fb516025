"""Compare the simulated exchange's ledger with the tables, reading both independently of the services.

    python -m tests.faults.compare_ledger LEDGER --url http://127.0.0.1:8123

Shares no code with MarketPrism: the ledger is read line by line here, the tables over ClickHouse's HTTP interface.
Every trade is compared by id, price, quantity and side, and where buckets were cut with where they must be
(``derive_cuts``); then what the views hold: each bucket against the trades that carry its id, each second and minute,
and each price of each footprint against the ledger. Exit code: 0 equal, 1 something differs.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.faults.derive_cuts import check_cuts

Key = tuple[str, str]
MINUTE_MS = 60_000


@dataclass
class Trade:
    """One row that must be stored: a fill on spot, an aggregate of fills on the perpetuals."""

    time_ms: int
    price: Decimal
    side: str
    quantity: Decimal = Decimal(0)


@dataclass
class Verdict:
    """What a comparison found. ``rows``: trades compared; the rest should be zero or empty."""

    rows: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)


class LedgerFile:
    """The ledger, read on from where it was read to."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, 0
        self.trades: dict[Key, dict[int, Trade]] = defaultdict(dict)

    def read_on(self) -> dict[Key, dict[int, Trade]]:
        """What has come since the last call. An aggregate that had begun before is told again, whole."""
        new: dict[Key, dict[int, Trade]] = defaultdict(dict)
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                fill = json.loads(line)
                if fill["kind"] != "MARKET":
                    continue
                market = fill["venue"].partition(".")[2]
                number = fill["id"] if market == "spot" else fill["aggregate_id"]
                key = (market, fill["symbol"])
                trade = self.trades[key].setdefault(number, Trade(fill["time"], Decimal(fill["price"]), fill["side"]))
                trade.quantity += Decimal(fill["quantity"])
                new[key][number] = trade
        return new


class Tables:
    """SELECTs over HTTP; rows as lists of JSON values, decimals as text."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def rows(self, query: str) -> list[list[Any]]:
        settings = "output_format_json_quote_decimals=1&output_format_json_quote_64bit_integers=0"
        request = urllib.request.Request(
            f"{self._url}/?{settings}", data=f"{query} FORMAT JSONCompactEachRow".encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return [json.loads(line) for line in answer]


def compare(expected: dict[Key, dict[int, Trade]], tables: Tables) -> Verdict:
    """Compare everything at or after the first of ``expected``, symbol by symbol, with the tables."""
    verdict = Verdict()
    for (market, symbol), trades in sorted(expected.items()):
        where = f"market_type = '{market}' AND symbol = '{symbol}'"
        stored = tables.rows(
            "SELECT sequence, price, quantity, side, toUnixTimestamp64Milli(timestamp), bucket_id "
            f"FROM marketprism_hot.trades WHERE {where} AND sequence >= {min(trades)}"
        )
        _trades(f"{market} {symbol}", trades, stored, verdict)
        verdict.wrong += check_cuts(f"{market} {symbol}", where, min(trades), tables)
        _buckets(f"{market} {symbol}", stored, where, tables, verdict)
        _seconds(f"{market} {symbol}", trades, where, tables, verdict)
        _minutes(f"{market} {symbol}", trades, where, tables, verdict)
    extra = tables.rows(
        "SELECT count(), uniqExact(exchange, market_type, symbol, sequence) FROM marketprism_hot.trades"
    )
    verdict.doubled += int(extra[0][0]) - int(extra[0][1])
    return verdict


def _trades(name: str, trades: dict[int, Trade], stored: list[list[Any]], verdict: Verdict) -> None:
    times = Counter(row[0] for row in stored)
    verdict.rows += len(trades)
    verdict.lost += len(trades.keys() - times.keys())
    verdict.doubled += sum(count - 1 for count in times.values())
    for sequence, price, quantity, side, time_ms, bucket_id in stored:
        trade = trades.get(sequence)
        said = (Decimal(price), Decimal(quantity), side, time_ms)
        if trade is None:
            verdict.wrong.append(f"{name} {sequence}: nobody traded that")
        elif said != (trade.price, trade.quantity, trade.side, trade.time_ms):
            verdict.wrong.append(f"{name} {sequence}: stored {said}, traded {trade}")
        elif bucket_id == 0:
            verdict.wrong.append(f"{name} {sequence}: in no bucket")
    order = [row[5] for row in sorted(stored)]
    if order != sorted(order):
        verdict.wrong.append(f"{name}: bucket ids fall")


def _buckets(name: str, stored: list[list[Any]], where: str, tables: Tables, verdict: Verdict) -> None:
    """The first bucket may have begun before what is compared, so it is left to the comparison before."""
    sums: dict[int, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
    prices: dict[tuple[int, Decimal], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
    for _, price, quantity, side, _, bucket_id in stored:
        _add(sums[bucket_id], Decimal(quantity), side)
        _add(prices[bucket_id, Decimal(price).normalize()], Decimal(quantity), side)
    if not sums:
        return
    first = min(sums)
    asked = f"{where} AND bucket_id > {first} GROUP BY bucket_id"
    views = tables.rows(
        f"SELECT bucket_id, sum(trades), sum(vol), sum(buy_vol) FROM marketprism_features.bucket_flow WHERE {asked}"
    )
    _equal(f"{name} bucket", {n: v for n, v in sums.items() if n > first}, {row[0]: row[1:] for row in views}, verdict)
    views = tables.rows(
        "SELECT bucket_id, toDecimal128(px_bin * tick_size, 12) AS px, sum(trades), sum(total_vol), sum(ask_vol) "
        f"FROM marketprism_features.footprint_by_bucket WHERE {asked}, px"
    )
    held = {(row[0], Decimal(row[1]).normalize()): row[2:] for row in views}
    _equal(f"{name} footprint of bucket", {k: v for k, v in prices.items() if k[0] > first}, held, verdict)


def _seconds(name: str, trades: dict[int, Trade], where: str, tables: Tables, verdict: Verdict) -> None:
    """As with buckets, the first second is left out. First and last price are by id, as trades were numbered."""
    seconds: dict[int, list[Trade]] = defaultdict(list)
    for _, trade in sorted(trades.items()):
        seconds[trade.time_ms // 1000].append(trade)
    wanted = {}
    for second, of_it in seconds.items():
        sums = [Decimal(0)] * 3
        for trade in of_it:
            _add(sums, trade.quantity, trade.side)
        prices = [trade.price for trade in of_it]
        notional = sum((trade.price * trade.quantity for trade in of_it), Decimal(0))
        wanted[second] = [*sums, notional, prices[0], max(prices), min(prices), prices[-1]]
    first = min(wanted)
    views = tables.rows(
        "SELECT toUnixTimestamp(ts_1s), sum(trades), sum(vol), sum(buy_vol), sum(notional), argMinMerge(open), "
        "max(high), min(low), argMaxMerge(close) "
        f"FROM marketprism_features.flow_1s WHERE {where} AND ts_1s > fromUnixTimestamp({first}) GROUP BY ts_1s"
    )
    held = {row[0]: row[1:] for row in views}
    _equal(f"{name} second", {n: values for n, values in wanted.items() if n > first}, held, verdict)


def _minutes(name: str, trades: dict[int, Trade], where: str, tables: Tables, verdict: Verdict) -> None:
    """As with buckets, the first minute is left out."""
    sums: dict[int, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
    prices: dict[tuple[int, Decimal], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
    for trade in trades.values():
        minute = trade.time_ms // MINUTE_MS
        _add(sums[minute], trade.quantity, trade.side)
        _add(prices[minute, trade.price.normalize()], trade.quantity, trade.side)
    first = min(sums)
    asked = f"{where} AND ts_1m >= fromUnixTimestamp({(first + 1) * 60})"
    views = tables.rows(
        "SELECT intDiv(toUnixTimestamp(ts_1m), 60), trade_count, total_volume, buy_volume "
        f"FROM marketprism_features.trades_1m WHERE {asked}"
    )
    _equal(f"{name} minute", {n: v for n, v in sums.items() if n > first}, {row[0]: row[1:] for row in views}, verdict)
    views = tables.rows(
        "SELECT intDiv(toUnixTimestamp(ts_1m), 60), toDecimal128(px_bin * tick_size, 12), trades, total_vol, ask_vol "
        f"FROM marketprism_features.footprint_1m WHERE {asked}"
    )
    held = {(row[0], Decimal(row[1]).normalize()): row[2:] for row in views}
    _equal(f"{name} footprint of minute", {k: v for k, v in prices.items() if k[0] > first}, held, verdict)


def _add(sums: list[Decimal], quantity: Decimal, side: str) -> None:
    sums[0] += 1
    sums[1] += quantity
    if side == "buy":
        sums[2] += quantity


def _equal(name: str, wanted: dict[Any, list[Decimal]], held: dict[Any, Iterable[Any]], verdict: Verdict) -> None:
    for key in sorted(wanted.keys() | held.keys()):
        said = [Decimal(value) for value in held.get(key, ())]
        if said != wanted.get(key, []):
            verdict.wrong.append(f"{name} {key}: the view has {said}, the ledger {wanted.get(key)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ledger", type=Path)
    parser.add_argument("--url", required=True)
    given = parser.parse_args()
    ledger = LedgerFile(given.ledger)
    verdict = compare(ledger.read_on(), Tables(given.url))
    for line in verdict.wrong[:20]:
        print(line)
    print(f"rows checked {verdict.rows}, lost {verdict.lost}, doubled {verdict.doubled}, wrong {len(verdict.wrong)}")
    return 0 if verdict.exact else 1


if __name__ == "__main__":
    sys.exit(main())
