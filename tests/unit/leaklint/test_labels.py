# ruff: noqa: E501 — planted statements stay on one line so that a reader sees them whole
"""Labels under another name: engines, dictionaries, renames and views that write; the same of features passes."""

from __future__ import annotations

import pytest

from tests.unit.leaklint.pairs import Pairs, hold

# rule, leak, honest twin
PAIRS: Pairs = {
    "a Merge table over the labels": (
        "labels-read",
        "CREATE TABLE marketprism_features.x (a Float64) ENGINE = Merge('marketprism_labels', '.*')",
        "CREATE TABLE marketprism_features.x (a Float64) ENGINE = Merge('marketprism_hot', '.*')",
    ),
    "a Merge table by a pattern": (
        "labels-read",
        "CREATE TABLE marketprism_features.x (a Float64) ENGINE = Merge(REGEXP('marketprism_.*'), '^bucket_labels$')",
        "CREATE TABLE marketprism_features.x (a Float64) ENGINE = Merge(REGEXP('marketprism_(hot|cold)'), '^trades$')",
    ),
    "a Distributed table": (
        "labels-read",
        "CREATE TABLE marketprism_features.x (a Float64) ENGINE = Distributed('c', 'marketprism_labels', 'y')",
        "CREATE TABLE marketprism_labels_cluster.x (a Float64) ENGINE = Distributed('c', 'marketprism_labels', 'y')",
    ),
    "merge() of any database": (
        "labels-read",
        "SELECT a FROM merge(REGEXP('marketprism_.*'), '^bucket_labels$')",
        "SELECT a FROM merge(marketprism_features, '^trades_1m$')",
    ),
    "merge() behind remote()": (
        "labels-read",
        "SELECT a FROM remote('one', merge(REGEXP('marketprism_.*'), '^bucket_labels$'))",
        "SELECT a FROM remote('one', merge(REGEXP('marketprism_(hot|cold)'), '^trades$'))",
    ),
    "merge() of the current database": (
        "labels-read",
        "SELECT a FROM merge(currentDatabase(), '^x$')",
        "SELECT a FROM merge('marketprism_features', '^x$')",
    ),
    "remote() by three texts": (
        "labels-read",
        "SELECT a FROM remote('one', 'marketprism_labels', 'returns')",
        "SELECT a FROM remote('one', 'marketprism_features', 'returns')",
    ),
    "a database by a parameter": (
        "labels-read",
        "SELECT a FROM {db:Identifier}.x",
        "SELECT a FROM marketprism_features.x",
    ),
    "a dictionary of a table": (
        "labels-read",
        "CREATE DICTIONARY marketprism_features.d (a String, r Float64) PRIMARY KEY a SOURCE(CLICKHOUSE(TABLE 'returns' DB 'marketprism_labels')) LAYOUT(HASHED()) LIFETIME(60)",
        "CREATE DICTIONARY marketprism_features.d (a String, r Float64) PRIMARY KEY a SOURCE(CLICKHOUSE(TABLE 'returns' DB 'marketprism_features')) LAYOUT(HASHED()) LIFETIME(60)",
    ),
    "a dictionary of a query": (
        "labels-read",
        "CREATE DICTIONARY marketprism_features.d (a String, r Float64) PRIMARY KEY a SOURCE(CLICKHOUSE(QUERY 'SELECT a, r FROM marketprism_labels.returns')) LAYOUT(HASHED()) LIFETIME(60)",
        "CREATE DICTIONARY marketprism_labels.d (a String, r Float64) PRIMARY KEY a SOURCE(CLICKHOUSE(QUERY 'SELECT a, r FROM marketprism_labels.returns')) LAYOUT(HASHED()) LIFETIME(60)",
    ),
    "a dictionary as a table": (
        "labels-read",
        "SELECT r FROM dictionary('marketprism_labels.d')",
        "SELECT r FROM dictionary('marketprism_features.d')",
    ),
    "dictGet": (
        "labels-read",
        "SELECT dictGet('marketprism_labels.d', 'r', symbol) FROM f",
        "SELECT dictGet('marketprism_features.d', 'r', symbol) FROM f",
    ),
    "dictGet in a default": (
        "labels-read",
        "CREATE TABLE marketprism_features.x (s String, r Float64 DEFAULT dictGet('marketprism_labels.d', 'r', s)) ENGINE = MergeTree ORDER BY s",
        "CREATE TABLE marketprism_features.x (s String, r Float64 DEFAULT dictGet('marketprism_features.d', 'r', s)) ENGINE = MergeTree ORDER BY s",
    ),
    "a table made after one of the labels": (
        "labels-read",
        "CREATE TABLE marketprism_features.x AS marketprism_labels.y",
        "CREATE TABLE marketprism_labels.x AS marketprism_labels.y",
    ),
    "RENAME": (
        "labels-read",
        "RENAME TABLE marketprism_labels.x TO marketprism_features.y",
        "RENAME TABLE marketprism_labels.x TO marketprism_labels.y, marketprism_features.x TO marketprism_features.y",
    ),
    "RENAME of the database": (
        "labels-read",
        "RENAME DATABASE marketprism_labels TO marketprism_more",
        "RENAME DATABASE marketprism_more TO marketprism_other",
    ),
    "EXCHANGE": (
        "labels-read",
        "EXCHANGE TABLES `marketprism_labels`.`x` AND `marketprism_features`.`y`",
        "EXCHANGE TABLES `marketprism_labels`.`x` AND `marketprism_labels`.`y`",
    ),
    "a partition of the labels": (
        "labels-read",
        "ALTER TABLE marketprism_features.x REPLACE PARTITION 1 FROM marketprism_labels.y",
        "ALTER TABLE marketprism_features.x REPLACE PARTITION 1 FROM marketprism_hot.y",
    ),
    "a partition that leaves the labels": (
        "labels-read",
        "ALTER TABLE marketprism_labels.y MOVE PARTITION 1 TO TABLE marketprism_features.x",
        "ALTER TABLE marketprism_labels.y COMMENT COLUMN a 'PARTITION 1 TO TABLE marketprism_features.x'",
    ),
    "USE": (
        "labels-read",
        "USE marketprism_labels; SELECT a FROM returns",
        "USE marketprism_features; SELECT a FROM returns",
    ),
    "a view of features that writes labels": (
        "labels-written",
        "CREATE MATERIALIZED VIEW marketprism_features.v TO marketprism_labels.t AS SELECT a FROM marketprism_features.f",
        "CREATE MATERIALIZED VIEW marketprism_labels.v TO marketprism_labels.t AS SELECT a FROM marketprism_features.f",
    ),
    "a refreshed view of features that looks ahead into labels": (
        "window-lead",
        "CREATE MATERIALIZED VIEW marketprism_features.v REFRESH EVERY 1 DAY TO marketprism_labels.t AS SELECT lead(a) OVER (PARTITION BY exchange, market_type, symbol ORDER BY ts) AS a FROM f",
        "CREATE MATERIALIZED VIEW marketprism_labels.v REFRESH EVERY 1 DAY TO marketprism_labels.t AS SELECT lead(a) OVER (PARTITION BY exchange, market_type, symbol ORDER BY ts) AS a FROM f",
    ),
}


@pytest.mark.parametrize(("rule", "leak", "honest"), PAIRS.values(), ids=PAIRS.keys())
def test_the_leak_is_caught_and_its_honest_twin_is_not(rule: str, leak: str, honest: str) -> None:
    hold(rule, leak, honest)
