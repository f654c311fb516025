"""Compare a recording with what was stored from its replay, reading both independently of the services.

    python -m tests.golden.compare_recording RECORDING --url http://127.0.0.1:8123 [--json]

Shares no code with MarketPrism: the recording is read line by line here, the tables over ClickHouse's HTTP interface.
Trades are compared one by one by id, volumes as exact decimals, and the last stored book with the book that the
recording's snapshot and diffs give by the venue's own rule. Exit code: 0 all equal, 1 something differs, 2 cannot run.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import zstandard

HOSTS = {
    "stream.binance.com": ("binance", "spot"),
    "api.binance.com": ("binance", "spot"),
    "fstream.binance.com": ("binance", "linear"),
    "fapi.binance.com": ("binance", "linear"),
    "dstream.binance.com": ("binance", "inverse"),
    "dapi.binance.com": ("binance", "inverse"),
}
SHOWN = 5
"""Ids that a message names."""


class CannotCompare(Exception):
    """The recording or the server cannot be read."""


# ---------------------------------------------------------------------------------------------------- the recording


@dataclass(frozen=True)
class Print:
    """One trade as the exchange sent it."""

    price: Decimal
    quantity: Decimal
    side: str
    is_market: bool
    time: int


@dataclass
class Chain:
    """A book by the venue's rule: the first snapshot, then every diff that follows it without a hole."""

    spot: bool
    bids: dict[Decimal, Decimal] = field(default_factory=dict)
    asks: dict[Decimal, Decimal] = field(default_factory=dict)
    last_id: int | None = None
    fresh: bool = True
    waiting: list[dict[str, Any]] = field(default_factory=list)
    breaks: int = 0
    applied: int = 0

    def snapshot(self, body: dict[str, Any]) -> None:
        if self.last_id is not None:
            return
        self.bids, self.asks = ({Decimal(p): Decimal(q) for p, q in body[side]} for side in ("bids", "asks"))
        self.last_id = body["lastUpdateId"]
        for diff in self.waiting:
            self.diff(diff)
        self.waiting.clear()

    def diff(self, diff: dict[str, Any]) -> None:
        if self.last_id is None:
            self.waiting.append(diff)
            return
        first, last = diff["U"], diff["u"]
        if self.spot:
            if last <= self.last_id:
                return
            follows = first <= self.last_id + 1
        elif self.fresh:
            if last < self.last_id:
                return
            follows = first <= self.last_id <= last
        else:
            follows = diff["pu"] == self.last_id
        self.breaks += not follows
        for side, changes in ((self.bids, diff["b"]), (self.asks, diff["a"])):
            for price, quantity in changes:
                if Decimal(quantity):
                    side[Decimal(price)] = Decimal(quantity)
                else:
                    side.pop(Decimal(price), None)
        self.last_id, self.fresh = last, False
        self.applied += 1

    def top(self, side: str, count: int) -> list[tuple[Decimal, Decimal]]:
        levels = self.bids if side == "bids" else self.asks
        return sorted(levels.items(), reverse=side == "bids")[:count]


@dataclass
class Recorded:
    """What a recording holds of one symbol."""

    prints: dict[tuple[str, str], Print] = field(default_factory=dict)
    """(trade kind, id) → trade."""
    messages: int = 0
    book: Chain | None = None


def lines_of(path: str) -> Iterator[dict[str, Any]]:
    try:
        with Path(path).open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            for number, line in enumerate(io.TextIOWrapper(stream, encoding="utf-8"), 1):
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise CannotCompare(f"{path}: line {number} is not JSON ({error})") from error
    except (OSError, zstandard.ZstdError) as error:
        raise CannotCompare(f"{path}: {error}") from error


def read_recording(path: str) -> dict[tuple[str, str, str], Recorded]:
    """(exchange, market_type, symbol) → what the file has."""
    found: dict[tuple[str, str, str], Recorded] = {}
    for line in lines_of(path):
        if line["direction"] != "in":
            continue
        address = urllib.parse.urlsplit(line["url"])
        venue = HOSTS.get(address.hostname or "")
        if venue is None:
            raise CannotCompare(f"{path}: nothing here knows {address.hostname}")
        if line["transport"] == "http":
            if address.path.endswith("/depth"):
                symbol = urllib.parse.parse_qs(address.query)["symbol"][0]
                chain_of(found, (*venue, symbol)).snapshot(json.loads(line["payload"]))
            continue
        message = json.loads(line["payload"])
        data = message.get("data", {})
        kind = data.get("e")
        if kind == "depthUpdate":
            chain_of(found, (*venue, data["s"])).diff(data)
        elif kind in ("trade", "aggTrade"):
            recorded = found.setdefault((*venue, data["s"]), Recorded())
            recorded.messages += 1
            key = ("trade", str(data["t"])) if kind == "trade" else ("agg_trade", str(data["a"]))
            recorded.prints[key] = Print(
                Decimal(data["p"]),
                Decimal(data["q"]),
                "sell" if data["m"] else "buy",
                data.get("X", "MARKET") == "MARKET",
                data["T"],
            )
    if not found:
        raise CannotCompare(f"{path}: no trades and no books of a known venue")
    return found


def chain_of(found: dict[tuple[str, str, str], Recorded], key: tuple[str, str, str]) -> Chain:
    recorded = found.setdefault(key, Recorded())
    if recorded.book is None:
        recorded.book = Chain(spot=key[1] == "spot")
    return recorded.book


# -------------------------------------------------------------------------------------------------------- the tables


@dataclass(frozen=True)
class Server:
    """ClickHouse over HTTP."""

    url: str
    user: str = ""
    password: str = ""

    def rows(self, statement: str) -> list[dict[str, Any]]:
        request = urllib.request.Request(self.url, data=f"{statement} FORMAT JSONEachRow".encode())
        # 64-bit integers as text: JSON numbers of other readers would round them.
        request.full_url = (
            f"{self.url.rstrip('/')}/?output_format_json_quote_64bit_integers=1&output_format_json_quote_decimals=1"
        )
        if self.user:
            request.add_header("X-ClickHouse-User", self.user)
            request.add_header("X-ClickHouse-Key", self.password)
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return [json.loads(line) for line in answer.read().splitlines() if line]
        except urllib.error.HTTPError as error:
            raise CannotCompare(f"{self.url}: {error.read().decode(errors='replace').strip()[:300]}") from error
        except (OSError, ValueError) as error:
            raise CannotCompare(f"{self.url} does not answer ({error})") from error

    def one(self, statement: str) -> dict[str, Any]:
        return self.rows(statement)[0]


def where(key: tuple[str, str, str]) -> str:
    exchange, market_type, symbol = key
    return f"exchange = '{exchange}' AND market_type = '{market_type}' AND symbol = '{symbol}'"


# --------------------------------------------------------------------------------------------------- the comparison


def compare_trades(server: Server, key: tuple[str, str, str], recorded: Recorded) -> tuple[dict[str, Any], list[str]]:
    """Every trade by id, then the sums."""
    rows = server.rows(
        "SELECT trade_kind, trade_id, toString(price) AS price, toString(quantity) AS quantity, "
        "toString(native_quantity) AS native_quantity, toString(side) AS side, toUInt8(is_market) AS is_market, "
        "bucket_id, toUnixTimestamp64Milli(trade_time) AS time "
        f"FROM marketprism_hot.trades WHERE {where(key)}"
    )
    kinds = {kind for kind, _ in recorded.prints}
    stored = Counter((row["trade_kind"], row["trade_id"]) for row in rows if row["trade_kind"] in kinds)
    missing = sorted(recorded.prints.keys() - stored.keys())
    extra = sorted(stored.keys() - recorded.prints.keys())
    doubled = sorted(identity for identity, count in stored.items() if count > 1)
    wrong: dict[str, list[str]] = {name: [] for name in ("price", "quantity", "side", "is_market", "time", "bucket_id")}
    sums: Counter[str] = Counter()
    total = {"all": Decimal(0), "market": Decimal(0)}
    for row in rows:
        original = recorded.prints.get((row["trade_kind"], row["trade_id"]))
        total["all"] += Decimal(row["quantity"])
        total["market"] += Decimal(row["quantity"]) if row["is_market"] else 0
        sums["not_market"] += not row["is_market"]
        if original is None:
            continue
        quantity = Decimal(row["native_quantity"])
        if key[1] != "inverse" and quantity != Decimal(row["quantity"]):
            quantity = Decimal(-1)
        for name, same in (
            ("price", Decimal(row["price"]) == original.price),
            ("quantity", quantity == original.quantity),
            ("side", row["side"] == original.side),
            ("is_market", bool(row["is_market"]) == original.is_market),
            ("time", int(row["time"]) == original.time),
            ("bucket_id", (int(row["bucket_id"]) != 0) == original.is_market),
        ):
            if not same:
                wrong[name].append(row["trade_id"])
    report = {
        "recorded_messages": recorded.messages,
        "recorded_ids": len(recorded.prints),
        "recorded_not_market": sum(not each.is_market for each in recorded.prints.values()),
        "stored_rows": sum(stored.values()),
        "stored_ids": len(stored),
        "stored_not_market": sums["not_market"],
        "missing": len(missing),
        "extra": len(extra),
        "doubled": len(doubled),
        **{f"wrong_{name}": len(ids) for name, ids in wrong.items()},
    }
    problems = [
        f"{len(ids)} trades {what}: {', '.join(map(str, ids[:SHOWN]))}"
        for what, ids in (
            ("are missing", [identity for _, identity in missing]),
            ("are not in the recording", [identity for _, identity in extra]),
            ("are stored more than once", [identity for _, identity in doubled]),
            *((f"differ in {name}", ids) for name, ids in wrong.items()),
        )
        if ids
    ]
    volume, volume_problems = compare_volume(server, key, recorded, total)
    return {"trades": report, "volume": volume}, problems + volume_problems


def compare_volume(
    server: Server, key: tuple[str, str, str], recorded: Recorded, stored: dict[str, Decimal]
) -> tuple[dict[str, Any], list[str]]:
    """Σ quantity: recording, trades, buckets; exact to the last digit."""
    everything = sum((each.quantity for each in recorded.prints.values()), Decimal(0))
    market = sum((each.quantity for each in recorded.prints.values() if each.is_market), Decimal(0))
    sums = {}
    for table in ("bucket_flow", "unified_buckets"):
        row = server.one(
            f"SELECT toString(sum(vol)) AS vol, sum(trades) AS trades, uniqExact(bucket_id) AS buckets "
            f"FROM marketprism_features.{table} WHERE {where(key)}"
        )
        sums[table] = (Decimal(row["vol"]), int(row["trades"]), int(row["buckets"]))
    report = {
        "recorded_all": plain(everything),
        "recorded_market": plain(market),
        "stored_all": plain(stored["all"]),
        "stored_market": plain(stored["market"]),
        "bucket_flow": plain(sums["bucket_flow"][0]),
        "unified_buckets": plain(sums["unified_buckets"][0]),
        "buckets": sums["unified_buckets"][2],
    }
    problems = []
    pairs = [("bucket_flow", stored["market"]), ("unified_buckets", stored["market"])]
    if key[1] != "inverse":  # there the recording counts contracts
        pairs = [("bucket_flow", market), ("unified_buckets", market)]
        for name, ours, theirs in (
            ("stored_all", stored["all"], everything),
            ("stored_market", stored["market"], market),
        ):
            if ours != theirs:
                problems.append(f"{name} is {plain(ours)}, recorded {plain(theirs)}")
    for table, expected in pairs:
        if sums[table][0] != expected:
            problems.append(f"Σ vol of {table} is {plain(sums[table][0])}, recorded {plain(expected)}")
    market_prints = sum(each.is_market for each in recorded.prints.values())
    if sums["bucket_flow"][1] != market_prints:
        problems.append(f"bucket_flow counts {sums['bucket_flow'][1]} trades, recorded {market_prints} market trades")
    return report, problems


def compare_book(server: Server, key: tuple[str, str, str], chain: Chain) -> tuple[dict[str, Any], list[str]]:
    """The last stored book against the recording's final one."""
    if chain.last_id is None:
        return {"recorded": "no snapshot"}, []
    rows = server.rows(
        "SELECT last_update_id, bid_prices, bid_quantities, ask_prices, ask_quantities, bids_count, asks_count, "
        "toString(best_bid_price) AS bid, toString(best_ask_price) AS ask, "
        "toString(best_bid_quantity) AS bid_quantity, "
        f"toString(best_ask_quantity) AS ask_quantity FROM marketprism_hot.orderbooks WHERE {where(key)} "
        "ORDER BY sequence DESC LIMIT 1"
    )
    stored_count = int(server.one(f"SELECT count() AS n FROM marketprism_hot.orderbooks WHERE {where(key)}")["n"])
    report = {
        "recorded_last_id": chain.last_id,
        "recorded_diffs_applied": chain.applied,
        "recorded_breaks": chain.breaks,
        "stored_rows": stored_count,
    }
    if not rows:
        return report | {"equal": False}, ["no book is stored"]
    row, problems = rows[0], []
    report["stored_last_id"] = int(row["last_update_id"])
    if report["stored_last_id"] != chain.last_id:
        problems.append(
            f"the last stored book is of update {row['last_update_id']}, the recording ends at {chain.last_id}"
        )
    for side, name in (("bids", "bid"), ("asks", "ask")):
        depth = len(row[f"{name}_prices"])
        expected = chain.top(side, depth)
        stored = list(zip(row[f"{name}_prices"], row[f"{name}_quantities"], strict=True))
        report[f"{side}_levels"] = depth
        if not depth or stored != [(float(price), float(quantity)) for price, quantity in expected]:
            problems.append(f"the top {depth} {side} differ: stored {stored[:2]}…, recorded {show(expected[:2])}…")
        elif (Decimal(row[name]), Decimal(row[f"{name}_quantity"])) != expected[0]:
            problems.append(
                f"the best {name} is {row[name]} × {row[f'{name}_quantity']}, recorded {show(expected[:1])}"
            )
        whole = len(chain.bids if side == "bids" else chain.asks)
        if int(row[f"{side}_count"]) != whole:
            problems.append(f"{side}_count is {row[f'{side}_count']}, the recording's book has {whole} {side}")
    return report | {"equal": not problems}, problems


def compare(path: str, server: Server) -> dict[str, Any]:
    """The whole report; ``equal`` is the verdict."""
    symbols: dict[str, Any] = {}
    for key, recorded in sorted(read_recording(path).items()):
        report, problems = compare_trades(server, key, recorded)
        if recorded.book is not None:
            report["book"], book_problems = compare_book(server, key, recorded.book)
            problems += book_problems
        report["gaps"] = int(server.one(f"SELECT count() AS n FROM marketprism_hot.gaps WHERE {where(key)}")["n"])
        breaks = recorded.book.breaks if recorded.book is not None else 0
        if report["gaps"] != breaks:
            problems.append(f"{report['gaps']} rows in gaps, the recording has {breaks} breaks")
        symbols[".".join(key)] = report | {"differences": problems}
    dead = int(server.one("SELECT count() AS n FROM marketprism_hot.dead_letters")["n"])
    equal = not dead and not any(report["differences"] for report in symbols.values())
    return {"recording": path, "equal": equal, "dead_letters": dead, "symbols": symbols}


# ------------------------------------------------------------------------------------------------------- for people


def plain(value: Decimal) -> str:
    """Decimal text without exponent and without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def show(levels: list[tuple[Decimal, Decimal]]) -> str:
    return ", ".join(f"{plain(price)} × {plain(quantity)}" for price, quantity in levels)


def table(report: dict[str, Any]) -> str:
    verdict = "ALL EQUAL" if report["equal"] else "DIFFERENT"
    lines = [f"{report['recording']}: {verdict}, {report['dead_letters']} dead letters"]
    for name, symbol in report["symbols"].items():
        lines.append(f"\n{name}: {'equal' if not symbol['differences'] else 'DIFFERENT'}, {symbol['gaps']} gaps rows")
        for part in ("trades", "volume", "book"):
            for what, value in symbol.get(part, {}).items():
                lines.append(f"  {part:7} {what:22} {value}")
        lines += [f"  !! {problem}" for problem in symbol["differences"]]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording")
    parser.add_argument("--url", default=os.environ.get("MARKETPRISM_CLICKHOUSE_URL", "http://127.0.0.1:8123"))
    parser.add_argument("--user", default=os.environ.get("MARKETPRISM_CLICKHOUSE_USER", ""))
    parser.add_argument("--password", default=os.environ.get("MARKETPRISM_CLICKHOUSE_PASSWORD", ""))
    parser.add_argument("--json", action="store_true", help="for scripts")
    given = parser.parse_args(arguments)
    try:
        report = compare(given.recording, Server(given.url, given.user, given.password))
    except CannotCompare as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(report, indent=2) if given.json else table(report))
    return 0 if report["equal"] else 1


if __name__ == "__main__":
    sys.exit(main())
