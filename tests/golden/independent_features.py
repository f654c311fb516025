"""Every bucket and minute feature of a recording, computed a second time from its raw JSON.

Shares no code with MarketPrism: the recording is read line by line, trades are folded into buckets by a plain loop over
exact decimals, books are plain dictionaries searched for their best levels, sums are ``Decimal``, regressions are numpy
in extended precision. ``features_of`` gives the rows of each table as dictionaries, in the order of its key; times are
integers (milliseconds of the exchange, microseconds of receipts and of ``available_at``), what the tables hold as
Decimal is Decimal, ratios are floats.
"""

from __future__ import annotations

import datetime as dt
import heapq
import io
import json
import urllib.parse
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

Row = dict[str, Any]
DAY_MS = 86_400_000
MINUTE_MS = 60_000
GRID_MS = 100
WINDOW = 50
BOOK_MAX_AGE_MS = 60_000
BOOK_STALE_MS = 3_000
E8 = 10**8


# ---------------------------------------------------------------------------------------------------- the recording


@dataclass(frozen=True)
class Print:
    """A trade as the exchange told it. Times: exchange ms, receipt µs."""

    sequence: int
    time: int
    received_at: int
    price: Decimal
    quantity: Decimal
    buy: bool


@dataclass
class Recorded:
    """One symbol of a recording; ``prints`` are its market trades in sequence order."""

    prints: list[Print] = field(default_factory=list)
    other_prints: int = 0
    snapshot: dict[str, Any] = field(default_factory=dict)
    diffs: list[tuple[int, dict[str, Any]]] = field(default_factory=list)


def read_recording(path: Path) -> dict[str, Recorded]:
    """Symbol → what the file says of it."""
    found: dict[str, Recorded] = defaultdict(Recorded)
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        for text in io.TextIOWrapper(stream, encoding="utf-8"):
            line = json.loads(text)
            if line["direction"] != "in":
                continue
            body = json.loads(line["payload"])
            received_at = round(line["received_at"] * 1_000_000)
            if line["transport"] == "http":
                address = urllib.parse.urlsplit(line["url"])
                if address.path.endswith("/depth"):
                    found[urllib.parse.parse_qs(address.query)["symbol"][0]].snapshot = body
                continue
            data = body.get("data", {})
            if data.get("e") == "depthUpdate":
                found[data["s"]].diffs.append((received_at, data))
            elif data.get("e") == "trade":
                recorded = found[data["s"]]
                if data.get("X", "MARKET") != "MARKET":
                    recorded.other_prints += 1
                    continue
                recorded.prints.append(
                    Print(data["t"], data["T"], received_at, Decimal(data["p"]), Decimal(data["q"]), not data["m"])
                )
    for recorded in found.values():
        recorded.prints.sort(key=lambda each: each.sequence)
    return dict(found)


# ------------------------------------------------------------------------------------------------------------ buckets


@dataclass
class Bucket:
    """Trades of one bucket; ``cut`` is 'volume' when its last trade reached the volume."""

    number: int
    t_max_ms: int
    prints: list[Print] = field(default_factory=list)
    volume: Decimal = Decimal(0)
    cut: str = ""


def day_of(time_ms: int) -> int:
    """YYYYMMDD, UTC."""
    return int(dt.datetime.fromtimestamp(time_ms // 1000, dt.UTC).strftime("%Y%m%d"))


def midnight_after(bucket_id: int) -> int:
    """Milliseconds at the end of the bucket's UTC day."""
    day = dt.datetime.strptime(str(bucket_id // 1_000_000), "%Y%m%d").replace(tzinfo=dt.UTC)
    return int(day.timestamp()) * 1000 + DAY_MS


def fold(prints: Iterable[Print], days: dict[int, tuple[Decimal, int]]) -> list[Bucket]:
    """Buckets by volume q or time limit, restarting each UTC day. ``days``: YYYYMMDD → (q, t_max in ms)."""
    buckets: list[Bucket] = []
    day = number = 0
    for each in prints:
        today = day_of(each.time)
        if today != day:
            day, number = today, 0
        q_bucket, t_max_ms = days[day]
        current = buckets[-1] if number else None
        if current is None or current.cut or each.time - current.prints[0].time >= t_max_ms:
            number += 1
            current = Bucket(day * 1_000_000 + number, t_max_ms)
            buckets.append(current)
        current.prints.append(each)
        current.volume += each.quantity
        if current.volume >= q_bucket:
            current.cut = "volume"
    return buckets


def flow(prints: Iterable[Print]) -> Row:
    """What any set of trades adds up to, exactly."""
    held = list(prints)
    with localcontext() as context:
        context.prec = 76
        notional = sum((each.price * each.quantity for each in held), Decimal(0))
        buy_notional = sum((each.price * each.quantity for each in held if each.buy), Decimal(0))
        vol = sum((each.quantity for each in held), Decimal(0))
        buy_vol = sum((each.quantity for each in held if each.buy), Decimal(0))
    return {
        "trades": len(held),
        "buy_trades": sum(each.buy for each in held),
        "vol": vol,
        "buy_vol": buy_vol,
        "sell_vol": vol - buy_vol,
        "notional": notional,
        "buy_notional": buy_notional,
        "vwap": float(Fraction(notional) / Fraction(vol)),
        "open": held[0].price,
        "high": max(each.price for each in held),
        "low": min(each.price for each in held),
        "close": held[-1].price,
    }


def known_us(each: Print) -> int:
    """A receipt, or the time of the exchange when the clock of who received it was behind."""
    return max(each.received_at, each.time * 1000)


def first_known_us(bucket: Bucket) -> int:
    """When a bucket was first heard of, by the same rule."""
    first = min(each.time for each in bucket.prints)
    return max(min(each.received_at for each in bucket.prints), first * 1000)


def unified_buckets(buckets: list[Bucket]) -> list[Row]:
    """Every bucket, all of them closed: the recording is of the past."""
    rows = []
    for bucket, after in pairwise([*buckets, None]):
        assert bucket is not None
        deadline = (min(each.time for each in bucket.prints) + bucket.t_max_ms) * 1000
        midnight = midnight_after(bucket.number) * 1000
        received_at = max(known_us(each) for each in bucket.prints)
        if bucket.cut:
            trigger, available_at = bucket.cut, received_at
        elif deadline <= midnight:
            seen = first_known_us(after) if after else deadline
            trigger, available_at = "time", max(received_at, min(seen, deadline))
        else:
            trigger, available_at = "day", max(received_at, midnight)
        rows.append(
            {
                "bucket_id": bucket.number,
                "bucket_ts_start": min(each.time for each in bucket.prints),
                "bucket_ts_end": max(each.time for each in bucket.prints),
                "available_at": available_at,
                **flow(bucket.prints),
                "cut_trigger": trigger,
                "is_closed": True,
                "quality": "ok",
            }
        )
    return rows


# ---------------------------------------------------------------------------------------------------------- footprint


def footprint(groups: dict[str, list[tuple[int, list[Print]]]], tick: Decimal) -> dict[str, list[Row]]:
    """``footprint_<suffix>`` and ``footprint_profile_<suffix>`` of (key, trades) groups, by key column name."""
    tables: dict[str, list[Row]] = {}
    for key, parts in groups.items():
        suffix = "1m" if key == "ts_1m" else "by_bucket"
        bins, profiles = [], []
        for value, prints in parts:
            rows = bins_of(prints, tick)
            bins += [{key: value, "tick_size": tick, **row, "quality": "ok"} for row in rows]
            profiles.append({key: value, **profile(rows), "quality": "ok"})
        tables[f"footprint_{suffix}"], tables[f"footprint_profile_{suffix}"] = bins, profiles
    return tables


def bins_of(prints: list[Print], tick: Decimal) -> list[Row]:
    """Volume by price bin, from the lowest price up."""
    found: dict[int, Row] = {}
    for each in prints:
        ticks = each.price / tick
        assert ticks == int(ticks), f"{each.price} is no multiple of {tick}"
        row = found.setdefault(int(ticks), {"ask_vol": Decimal(0), "bid_vol": Decimal(0), "trades": 0})
        row["ask_vol" if each.buy else "bid_vol"] += each.quantity
        row["trades"] += 1
    return [
        {
            "px_bin": number,
            "px": float(number * tick),
            **row,
            "total_vol": row["ask_vol"] + row["bid_vol"],
            "delta": row["ask_vol"] - row["bid_vol"],
        }
        for number, row in sorted(found.items())
    ]


def profile(bins: list[Row]) -> Row:
    """Point of control and the area around it that first holds 70 %: the larger neighbour next, a tie goes up."""
    volumes = [row["total_vol"] for row in bins]
    poc = low = high = volumes.index(max(volumes))
    inside = volumes[poc]
    while inside * 10 < sum(volumes) * 7:
        above = volumes[high + 1] if high + 1 < len(volumes) else Decimal(-1)
        below = volumes[low - 1] if low else Decimal(-1)
        if above >= below:
            high, inside = high + 1, inside + above
        else:
            low, inside = low - 1, inside + below
    return {
        "poc_px": bins[poc]["px"],
        "poc_vol": volumes[poc],
        "value_area_low": bins[low]["px"],
        "value_area_high": bins[high]["px"],
        "value_area_vol": inside,
        "total_vol": sum(volumes),
        "bins": len(bins),
    }


# ------------------------------------------------------------------------------------------------------------ minutes


def by_minute(times: Iterable[int]) -> Iterator[tuple[int, list[int]]]:
    """(start of the minute in ms, positions), in order of time."""
    found: dict[int, list[int]] = defaultdict(list)
    for position, time in enumerate(times):
        found[time // MINUTE_MS * MINUTE_MS].append(position)
    yield from sorted(found.items())


def trades_1m(minutes: list[tuple[int, list[Print]]]) -> list[Row]:
    """Trading by minute."""
    rows = []
    for start, prints in minutes:
        sums = flow(prints)
        rows.append(
            {
                "ts_1m": start,
                "total_volume": sums["vol"],
                "buy_volume": sums["buy_vol"],
                "sell_volume": sums["sell_vol"],
                "trade_count": sums["trades"],
                "flow_imbalance": ratio(sums["buy_vol"] - sums["sell_vol"], sums["vol"]),
                "avg_trade_size": ratio(sums["vol"], Decimal(sums["trades"])),
                **{name: sums[name] for name in ("notional", "vwap", "open", "high", "low", "close")},
                "available_at": max((start + MINUTE_MS) * 1000, *(each.received_at for each in prints)),
                "quality": "ok",
            }
        )
    return rows


def mid_1m(books: list[Row]) -> list[Row]:
    """The last mid of each minute and the mean over its books."""
    rows = []
    for start, positions in by_minute(book["timestamp"] for book in books):
        held = [books[position] for position in positions]
        last = max(held, key=lambda book: (book["timestamp"], book["sequence"]))
        rows.append(
            {
                "ts_1m": start,
                "mid": last["mid_price"],
                "mid_avg": float(sum(exact_mid(book) for book in held) / len(held)),
                "books": len(held),
                "staleness_ms": start + MINUTE_MS - last["timestamp"],
                "available_at": max((start + MINUTE_MS) * 1000, *(book["received_at"] for book in held)),
                "quality": "stale" if start + MINUTE_MS - last["timestamp"] > BOOK_STALE_MS else "ok",
            }
        )
    return rows


# -------------------------------------------------------------------------------------------------------------- books


def units(text: str) -> int:
    """A number of at most eight decimals in units of 1e-8."""
    value = Decimal(text) * E8
    number = int(value)
    assert value == number, text
    return number


def lob_top5(recorded: Recorded, spot: bool) -> list[Row]:
    """Five levels a side at the grid's moments.

    An update that the snapshot holds (u ≤ lastUpdateId) is left out. A book is published at the first update of each
    100 ms slot of exchange time (running maximum), at the last one before a whole empty slot, and at the end.
    """
    last_id = recorded.snapshot["lastUpdateId"]
    sides = {
        short: {units(price): units(quantity) for price, quantity in recorded.snapshot[name]}
        for short, name in (("b", "bids"), ("a", "asks"))
    }
    diffs = [(received_at, diff) for received_at, diff in recorded.diffs if diff["u"] > last_id]
    joins = diffs[0][1]["U"] <= last_id + 1 if spot else diffs[0][1]["pu"] <= last_id
    assert joins, "the chain does not begin at the snapshot"
    assert all(
        (now["U"] == was["u"] + 1) if spot else (now["pu"] == was["u"]) for (_, was), (_, now) in pairwise(diffs)
    )
    times = [diff.get("T", diff["E"]) for _, diff in diffs]
    slots = [time // GRID_MS for time in accumulate(times, max)]
    rows = []
    for number, (received_at, diff) in enumerate(diffs):
        for name, side in sides.items():
            for price, quantity in diff[name]:
                side[units(price)] = units(quantity)
                if not side[units(price)]:
                    del side[units(price)]
        first = number == 0 or slots[number] > slots[number - 1]
        last = number == len(diffs) - 1 or slots[number + 1] >= slots[number] + 2
        if first or last:
            bids = [(price, sides["b"][price]) for price in heapq.nlargest(5, sides["b"])]
            asks = [(price, sides["a"][price]) for price in heapq.nsmallest(5, sides["a"])]
            rows.append(
                {"timestamp": times[number], "received_at": received_at, "sequence": diff["u"], **shape(bids, asks)}
            )
    return rows


def shape(bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> Row:
    """What lob_top5 says of a two-sided book, in exact fractions until the last step."""
    (bid, bid_quantity), (ask, ask_quantity) = bids[0], asks[0]
    weights = [sum(Fraction(quantity, level) for level, (_, quantity) in enumerate(side, 1)) for side in (bids, asks)]
    return {
        "mid_price": float(Fraction(bid + ask, 2 * E8)),
        "bid_prices_5": [price / E8 for price, _ in bids],
        "bid_quantities_5": [quantity / E8 for _, quantity in bids],
        "ask_prices_5": [price / E8 for price, _ in asks],
        "ask_quantities_5": [quantity / E8 for _, quantity in asks],
        "tob_imbalance": float(Fraction(bid_quantity - ask_quantity, bid_quantity + ask_quantity)),
        "weighted_imbalance_5": float((weights[0] - weights[1]) / (weights[0] + weights[1])),
        "microprice": float(Fraction(bid * ask_quantity + ask * bid_quantity, (bid_quantity + ask_quantity) * E8)),
        "spread_bps": float(Fraction(ask - bid, 1) / Fraction(bid + ask, 2) * 10_000),
    }


def exact_mid(book: Row) -> Fraction:
    """The mid of a book row without the rounding of a float."""
    return (Fraction(repr(book["bid_prices_5"][0])) + Fraction(repr(book["ask_prices_5"][0]))) / 2


def mid_by_bucket(buckets: list[Bucket], books: list[Row]) -> list[Row]:
    """The last book at or before each bucket's end, and the mean over the books between its first and last trade.

    Known when all the trades have been received and have happened, and that book.
    """
    rows = []
    books = sorted(books, key=lambda book: (book["timestamp"], book["sequence"]))
    times = np.array([book["timestamp"] for book in books])
    for bucket in buckets:
        start, end = min(each.time for each in bucket.prints), max(each.time for each in bucket.prints)
        position = int(np.searchsorted(times, end, side="right")) - 1
        inside = [exact_mid(book) for book in books[int(np.searchsorted(times, start)) : position + 1]]
        age = end - books[position]["timestamp"] if position >= 0 else None
        known = age is not None and age <= BOOK_MAX_AGE_MS
        receipts = [known_us(each) for each in bucket.prints] + [books[position]["received_at"]] * (position >= 0)
        rows.append(
            {
                "bucket_id": bucket.number,
                "bucket_ts_end": end,
                "available_at": max(receipts),
                "mid": books[position]["mid_price"] if known else None,
                "mid_avg": float(sum(inside) / len(inside)) if inside else None,
                "staleness_ms": age,
                "quality": "ok" if age is not None and age <= BOOK_STALE_MS else "stale",
            }
        )
    return rows


# ------------------------------------------------------------------------------------------------- impact and toxicity


def ratio(above: Decimal, below: Decimal) -> float | None:
    """Exact division, rounded once; None over zero."""
    return float(Fraction(above) / Fraction(below)) if below else None


def regression(flows: list[Decimal], changes: list[Decimal]) -> tuple[float, float]:
    """(slope, R²) of ordinary least squares with intercept, in numpy's extended precision."""
    x, y = (np.array([np.longdouble(str(value)) for value in values]) for values in (flows, changes))
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / (x * x).sum()), float((x * y).sum() ** 2 / ((x * x).sum() * (y * y).sum()))


def impact(buckets: list[Row]) -> dict[str, list[Row]]:
    """vpin_by_bucket and kyle_lambda_by_bucket over the last 50 buckets, this one included."""
    vpin, kyle = [], []
    signed = [bucket["buy_vol"] - bucket["sell_vol"] for bucket in buckets]
    changes = [bucket["close"] - bucket["open"] for bucket in buckets]
    for index, bucket in enumerate(buckets):
        part = slice(max(0, index + 1 - WINDOW), index + 1)
        full = index + 1 >= WINDOW
        slope, r2 = regression(signed[part], changes[part]) if full else (None, None)
        window_volume = sum((each["vol"] for each in buckets[part]), Decimal(0))
        shared = {
            **{name: bucket[name] for name in ("bucket_id", "bucket_ts_end", "available_at")},
            "window_buckets": min(index + 1, WINDOW),
            "quality": "ok" if full else "warmup",
        }
        vpin.append(
            {
                **shared,
                "vpin": ratio(sum(map(abs, signed[part]), Decimal(0)), window_volume) if full else None,
                "imbalance": ratio(abs(signed[index]), bucket["vol"]),
                "buy_volume": bucket["buy_vol"],
                "sell_volume": bucket["sell_vol"],
                "total_volume": bucket["vol"],
            }
        )
        kyle.append(
            {
                **shared,
                "kyle_lambda": ratio(changes[index], signed[index]),
                "kyle_lambda_ols": slope,
                "kyle_r2": r2,
                "amihud_illiq": float(
                    abs(Fraction(changes[index]) / Fraction(bucket["open"])) / Fraction(bucket["notional"])
                ),
                "signed_volume": signed[index],
                "price_change": changes[index],
            }
        )
    return {"vpin_by_bucket": vpin, "kyle_lambda_by_bucket": kyle}


# ---------------------------------------------------------------------------------------------------------- all of it


def side_by_side(tables: dict[str, list[Row]]) -> list[Row]:
    """unified_features_by_bucket from the tables it shows."""
    names = (
        "unified_buckets",
        "vpin_by_bucket",
        "kyle_lambda_by_bucket",
        "mid_by_bucket",
        "footprint_profile_by_bucket",
    )
    rows = []
    for bucket, vpin, kyle, mid, area in zip(*(tables[name] for name in names), strict=True):
        row = {key: value for key, value in bucket.items() if key not in ("is_closed", "quality")}
        row |= {key: kyle[key] for key in ("signed_volume", "price_change", "window_buckets")}
        row |= {key: kyle[key] for key in ("kyle_lambda", "kyle_lambda_ols", "kyle_r2", "amihud_illiq")}
        row |= {key: vpin[key] for key in ("vpin", "imbalance")}
        row |= {"mid": mid["mid"], "mid_avg": mid["mid_avg"], "mid_staleness_ms": mid["staleness_ms"]}
        row |= {key: area[key] for key in ("poc_px", "value_area_low", "value_area_high")}
        row["range_bps"] = float(Fraction(bucket["high"] - bucket["low"]) / Fraction(bucket["open"]) * 10_000)
        row["quality"] = vpin["quality"] if vpin["quality"] != "ok" else mid["quality"]
        rows.append(row)
    return rows


def latest(tables: dict[str, list[Row]]) -> list[Row]:
    """The one row of latest_features, without the columns that say when it was made."""
    book = max(tables["lob_top5"], key=lambda row: (row["timestamp"], row["sequence"]))
    names = ("mid_price", "tob_imbalance", "weighted_imbalance_5", "microprice", "spread_bps")
    row = tables["unified_features_by_bucket"][-1] | {name: book[name] for name in names}
    return [row | {"book_timestamp": book["timestamp"]}]


def features_of(
    recorded: Recorded, spot: bool, tick: Decimal, days: dict[int, tuple[Decimal, int]]
) -> dict[str, list[Row]]:
    """Table → rows of one symbol, in key order. ``days``: YYYYMMDD → (q_bucket, t_max in ms) as frozen."""
    buckets = fold(recorded.prints, days)
    minutes = [
        (start, [recorded.prints[position] for position in positions])
        for start, positions in by_minute(each.time for each in recorded.prints)
    ]
    tables = {"unified_buckets": unified_buckets(buckets), "lob_top5": lob_top5(recorded, spot)}
    groups = {"bucket_id": [(bucket.number, bucket.prints) for bucket in buckets], "ts_1m": minutes}
    tables |= footprint(groups, tick) | impact(tables["unified_buckets"])
    tables["trades_1m"] = trades_1m(minutes)
    for area, clock in (("footprint_profile_by_bucket", "unified_buckets"), ("footprint_profile_1m", "trades_1m")):
        for row, known in zip(tables[area], tables[clock], strict=True):
            row["available_at"] = known["available_at"]
    tables["mid_1m"] = mid_1m(tables["lob_top5"])
    tables["mid_by_bucket"] = mid_by_bucket(buckets, tables["lob_top5"])
    tables["unified_features_by_bucket"] = side_by_side(tables)
    tables["latest_features"] = latest(tables)
    return tables


ORDER: dict[str, Callable[[Row], Any]] = {
    "lob_top5": lambda row: (row["timestamp"], row["sequence"]),
    "footprint_1m": lambda row: (row["ts_1m"], row["px_bin"]),
    "footprint_by_bucket": lambda row: (row["bucket_id"], row["px_bin"]),
}
"""How rows of a table are ordered; all others by bucket_id or ts_1m."""
