"""The job ``feature_registry``: a new version of every feature whose SQL or columns have changed since its last one."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from marketprism.clickhouse import FEATURES, LABELS
from marketprism.jobs.runs import JobResult, Run

_COMMENT = re.compile(r"\s*COMMENT '(?:[^'\\]|\\.)*'")
_SPACE = re.compile(r"\s+")
_FILLS = re.compile(r" TO ([\w.]+)")
_NAMES = re.compile(rf"\b(?:{FEATURES}|{LABELS})\.\w+")


def sql_hash(statement: str) -> str:
    """SHA-256 of a SHOW CREATE statement, white space and comments aside: a better comment is no new version."""
    return hashlib.sha256(_SPACE.sub(" ", _COMMENT.sub("", statement)).strip().encode()).hexdigest()


def sql_hashes(objects: Mapping[str, str]) -> dict[str, str]:
    """Of each object with all that it reads: a view over a changed one has changed, although its own text has not."""
    found: dict[str, str] = {}

    def hashed(name: str, above: frozenset[str]) -> str:
        if name not in found:
            text = _COMMENT.sub("", objects[name])
            read = {other for other in _NAMES.findall(text) if other in objects} - above - {name}
            own = sql_hash(objects[name])
            below = [hashed(other, above | {name}) for other in sorted(read)]
            found[name] = hashlib.sha256(" ".join([own, *below]).encode()).hexdigest() if below else own
        return found[name]

    return {name: hashed(name, frozenset()) for name in sorted(objects)}


def feature_registry(client: Any, run: Run) -> JobResult:
    """Compare every view and state table with its newest version; write those that are new or changed."""
    objects = _statements(client)
    columns = dict(
        client.query(
            "SELECT concat(database, '.', table), arrayStringConcat(groupArray(concat(name, ' ', type)), ', ') "
            "FROM (SELECT database, table, name, type FROM system.columns "
            f"WHERE database IN ('{FEATURES}', '{LABELS}') ORDER BY database, table, position) GROUP BY database, table"
        ).result_rows
    )
    known = {
        name: (version, signature, hashed)
        for name, version, signature, hashed in client.query(
            "SELECT name, max(version), argMax(signature, version), argMax(sql_hash, version) "
            f"FROM {FEATURES}.feature_registry GROUP BY name"
        ).result_rows
    }
    changed = []
    for name, hashed in sql_hashes(objects).items():
        version, *last = known.get(name, (0, "", ""))
        now = [columns.get(name, ""), hashed]
        if now != last:
            changed.append((name, version + 1, *now))
    return JobResult(len(objects), run.insert(client, "feature_registry", _table(changed, run.at)))


def _statements(client: Any) -> dict[str, str]:
    """What made each view and table; for a table, also the views that fill it: its numbers are theirs."""
    found: dict[str, str] = dict(
        client.query(
            "SELECT concat(database, '.', name) AS object, create_table_query FROM system.tables "
            f"WHERE database IN ('{FEATURES}', '{LABELS}') AND NOT startsWith(name, '.') ORDER BY object"
        ).result_rows
    )
    fills = {name: found.pop(name) for name in list(found) if name.endswith("_mv")}
    for view in fills.values():
        if (filled := _FILLS.search(view)) and filled[1] in found:
            found[filled[1]] += view
    return found


def _table(rows: list[tuple[str, int, str, str]], at: dt.datetime) -> pa.Table:
    return pa.table(
        {
            "name": pa.array([row[0] for row in rows], pa.string()),
            "version": pa.array([row[1] for row in rows], pa.uint32()),
            "signature": pa.array([row[2] for row in rows], pa.string()),
            "sql_hash": pa.array([row[3] for row in rows], pa.string()),
            "valid_from": pa.array([at] * len(rows), pa.timestamp("us", "UTC")),
        }
    )
