"""What a table holds, as a number of rows and an order-independent hash: fingerprints of disjoint sets add up."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from storage_service.days.engine import Engine

NOT_CONTENT: Final = frozenset({"created_at"})
"""When a row was stored is no content: two loads of one file hold the same."""


class Fingerprint(NamedTuple):
    """Rows, and the sum of their 64-bit hashes modulo 2^64 (a sum, not XOR: two equal rows must not cancel out)."""

    rows: int = 0
    hash: int = 0

    def plus(self, other: Fingerprint) -> Fingerprint:
        """Of both sets together."""
        return Fingerprint(self.rows + other.rows, (self.hash + other.hash) % 2**64)

    def __str__(self) -> str:
        return f"{self.rows} rows, hash {self.hash:016x}"


def columns_of(engine: Engine, table: str) -> dict[str, str]:
    """Column → type, in order; ``table`` is database.table."""
    database, _, name = table.partition(".")
    return dict(
        engine.rows(
            "SELECT name, type FROM system.columns WHERE database = {d:String} AND table = {t:String} "
            "AND default_kind != 'EPHEMERAL' ORDER BY position",
            {"d": database, "t": name},
        )
    )


def row_hash(columns: Mapping[str, str], without: Collection[str] = NOT_CONTENT) -> str:
    """SQL for a row's hash. cityHash64 of a NULL is NULL, and aggregate states have no hash: both are unfolded."""
    parts = []
    for name, kind in columns.items():
        if name in without:
            continue
        if kind.startswith("Nullable("):
            parts += [f"isNull(`{name}`)", f"ifNull(toString(`{name}`), '')"]
        elif kind.startswith("AggregateFunction("):
            parts.append(f"finalizeAggregation(`{name}`)")
        else:
            parts.append(f"`{name}`")
    return f"cityHash64({', '.join(parts)})"


def fingerprint(
    engine: Engine,
    table: str,
    columns: Mapping[str, str],
    where: str = "1",
    *,
    final: bool = False,
    without: Collection[str] = NOT_CONTENT,
) -> Fingerprint:
    """Of the rows of ``table`` that satisfy ``where``; ``final`` merges the states of aggregating tables first."""
    # every aggregating table here is partitioned by a prefix of its key: merging stays within a partition
    source = f"{table} FINAL WHERE {where} SETTINGS do_not_merge_across_partitions_select_final = 1"
    source = source if final else f"{table} WHERE {where}"
    rows, total = engine.rows(f"SELECT count(), sum({row_hash(columns, without)}) FROM {source}")[0]
    return Fingerprint(int(rows), int(total))
