"""Where the buckets of stored trades must be cut, derived once more from the trades and the frozen configuration.

Shares no code with MarketPrism: a plain loop over exact fractions, by the rules of the design. The day of a trade is
the UTC date of its own time; a bucket closes with the trade that fulfils its mode, and a trade ``t_max_ms`` or more
after the first of a bucket opens the next; buckets restart every day.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Protocol

DAY_MS = 86_400_000


class Tables(Protocol):
    """Who answers a SELECT with rows."""

    def rows(self, query: str) -> list[list[Any]]: ...


@dataclass
class Plan:
    """How a symbol-day is cut, as its row of ``bucket_days`` says."""

    mode: str
    q_bucket: Fraction
    n_trades: int
    t_target_s: Fraction
    t_max_ms: int
    n_min: int
    quality_close: Fraction

    @classmethod
    def of(cls, row: list[Any]) -> Plan:
        mode, volume, n_trades, t_target_s, t_max_ms, n_min, quality = row
        target, quality = Fraction(str(t_target_s)), Fraction(str(quality))
        return cls(mode, Fraction(volume), int(n_trades), target, int(t_max_ms), int(n_min), quality)

    def closes(self, volume: Fraction, trades: int, elapsed_ms: int) -> bool:
        """Whether a bucket that holds this is full."""
        if self.mode == "volume":
            return volume >= self.q_bucket
        if self.mode == "count":
            return trades >= self.n_trades
        if self.mode == "adaptive":
            parts = [volume / self.q_bucket, Fraction(elapsed_ms) / (self.t_target_s * 1000)]
            return min([*parts, *([Fraction(trades, self.n_min)] if self.n_min else [])]) >= self.quality_close
        if self.mode == "time":
            return False
        raise ValueError(f"no trade says when a bucket of mode {self.mode} is full")


def check_cuts(name: str, where: str, first: int, tables: Tables) -> list[str]:
    """What is wrong with the buckets of the trades from sequence ``first`` on. The bucket of the trade before it is
    folded, too: whether it ended rightly depends on what came after.
    """
    before = f"SELECT argMax(bucket_id, sequence) FROM marketprism_hot.trades WHERE {where} AND sequence < {first}"
    stored = tables.rows(
        "SELECT sequence, toUnixTimestamp64Milli(timestamp), quantity, bucket_id, bucket_cut, bucket_t_max_ms "
        f"FROM marketprism_hot.trades WHERE {where} AND bucket_id >= ({before}) ORDER BY sequence"
    )
    plans: dict[int, list[Plan]] = defaultdict(list)
    for day, *row in tables.rows(
        "SELECT toUInt32(day), mode, q_bucket, n_trades, t_target_s, t_max_ms, n_min, quality_close "
        f"FROM marketprism_features.bucket_days WHERE {where}"
    ):
        plans[day].append(Plan.of(row))
    days: dict[int, list[list[Any]]] = defaultdict(list)
    for line in stored:
        days[line[1] // DAY_MS].append(line)
    wrong: list[str] = []
    for place, (day, rows) in enumerate(sorted(days.items())):
        begins = int(f"{datetime.fromtimestamp(day * 86_400, UTC):%Y%m%d}") * 1_000_000 + 1
        if not place:  # read from the bucket of the trade before on
            begins = max(begins, int(rows[0][3]))
        if any(plan != plans[day][0] for plan in plans[day]) or not plans[day]:
            wrong.append(f"{name} day {day}: {len(plans[day])} configurations")
        else:
            wrong += [f"{name} {line}" for line in _fold(plans[day][0], begins, rows)]
    return wrong


def _fold(plan: Plan, begins: int, rows: list[list[Any]]) -> list[str]:
    """Rows of a day in order, from the first of bucket ``begins``; one line for the first that is not as it must be."""
    number = begins - 1
    volume, trades, start, newest, is_open = Fraction(0), 0, 0, 0, False
    for sequence, time_ms, quantity, bucket, cut, t_max_ms in rows:
        if is_open and time_ms - start >= plan.t_max_ms:
            is_open = False
        if not is_open:
            number, volume, trades, start, newest, is_open = number + 1, Fraction(0), 0, time_ms, time_ms, True
        volume, trades, newest = volume + Fraction(quantity), trades + 1, max(newest, time_ms)
        is_open = not plan.closes(volume, trades, newest - start)
        closing = "" if is_open else "volume" if plan.mode == "adaptive" else plan.mode
        if (bucket, cut, t_max_ms) != (number, closing, plan.t_max_ms):
            return [
                f"{sequence}: in bucket {bucket} (cut {cut!r}, {t_max_ms} ms), "
                f"must be in {number} (cut {closing!r}, {plan.t_max_ms} ms)"
            ]
    return []
