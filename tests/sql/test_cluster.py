"""Migrations for a cluster: what becomes of each kind of statement, and that the engine takes every one of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from marketprism.cli import app
from marketprism.cluster import SHARD_KEY, ClusterSchema
from marketprism.dialect import parse
from marketprism.errors import MigrationError, SettingsError
from marketprism.migrate import scripts
from marketprism.subjects import partition_of
from tests.conftest import REPOSITORY

TRADES = """-- why it is so
CREATE TABLE IF NOT EXISTS marketprism_hot.t
(
    exchange LowCardinality(String) COMMENT 'ENGINE = MergeTree; it says; \\'x\\'',
    market_type LowCardinality(String) COMMENT 'm',
    symbol LowCardinality(String) COMMENT 's' CODEC(ZSTD(1)),
    price Decimal(38, 12) COMMENT 'p'
)
ENGINE = ReplacingMergeTree(price)
ORDER BY (exchange, market_type, symbol)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'rows';
"""
TRADES_ON_CLUSTER = f"""-- why it is so
CREATE TABLE IF NOT EXISTS marketprism_hot.t ON CLUSTER 'prism'
(
    exchange LowCardinality(String) COMMENT 'ENGINE = MergeTree; it says; \\'x\\'',
    market_type LowCardinality(String) COMMENT 'm',
    symbol LowCardinality(String) COMMENT 's' CODEC(ZSTD(1)),
    price Decimal(38, 12) COMMENT 'p'
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{{uuid}}/{{shard}}', '{{replica}}', price)
ORDER BY (exchange, market_type, symbol)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800
COMMENT 'rows';

CREATE OR REPLACE TABLE marketprism_hot_cluster.t ON CLUSTER 'prism' AS marketprism_hot.t
ENGINE = Distributed('prism', 'marketprism_hot', 't', {SHARD_KEY});
"""
ENGINE = "ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')"
CASES = {
    "database": (
        "CREATE DATABASE IF NOT EXISTS marketprism_hot COMMENT 'raw';",
        "CREATE DATABASE IF NOT EXISTS marketprism_hot ON CLUSTER 'prism' COMMENT 'raw';\n\n"
        "CREATE DATABASE IF NOT EXISTS marketprism_hot_cluster ON CLUSTER 'prism' "
        "COMMENT 'every shard of marketprism_hot, for reading';",
    ),
    "staging": (
        "CREATE DATABASE IF NOT EXISTS marketprism_staging;",
        "CREATE DATABASE IF NOT EXISTS marketprism_staging ON CLUSTER 'prism';",
    ),
    "no key, no window": (
        "CREATE TABLE a.t (day Date) ENGINE = MergeTree ORDER BY day SETTINGS non_replicated_deduplication_window = 0",
        f"CREATE TABLE a.t ON CLUSTER 'prism' (day Date) {ENGINE} ORDER BY day "
        "SETTINGS replicated_deduplication_window = 0;\n\n"
        "CREATE OR REPLACE TABLE a_cluster.t ON CLUSTER 'prism' AS a.t\nENGINE = Distributed('prism', 'a', 't')",
    ),
    "view": (
        "CREATE OR REPLACE VIEW a.v AS SELECT 1 AS x",
        "CREATE OR REPLACE VIEW a.v ON CLUSTER 'prism' AS SELECT 1 AS x;\n\n"
        "CREATE OR REPLACE TABLE a_cluster.v ON CLUSTER 'prism' AS a.v\nENGINE = Distributed('prism', 'a', 'v')",
    ),
    "view with parameters": (
        "CREATE VIEW a.v AS SELECT x FROM a.t WHERE x > {since:UInt64}",
        "CREATE VIEW a.v ON CLUSTER 'prism' AS SELECT x FROM a.t WHERE x > {since:UInt64}",
    ),
    "materialized view on local tables": (
        "CREATE MATERIALIZED VIEW IF NOT EXISTS a.m\nTO a.s\nAS SELECT x FROM a.t",
        "CREATE MATERIALIZED VIEW IF NOT EXISTS a.m ON CLUSTER 'prism'\nTO a.s\nAS SELECT x FROM a.t",
    ),
    "refreshed view: each replica makes its own": (
        "CREATE MATERIALIZED VIEW a.m REFRESH EVERY 1 SECOND (x Int8) ENGINE = MergeTree ORDER BY x AS SELECT 1 AS x",
        "CREATE MATERIALIZED VIEW a.m ON CLUSTER 'prism' REFRESH EVERY 1 SECOND (x Int8) ENGINE = MergeTree ORDER BY x "
        "AS SELECT 1 AS x;\n\n"
        "CREATE OR REPLACE TABLE a_cluster.m ON CLUSTER 'prism' AS a.m\nENGINE = Distributed('prism', 'a', 'm')",
    ),
    "table in memory that a refresh replaces: each server makes its own": (
        "CREATE TABLE a.t (x Int8) ENGINE = Memory; "
        "CREATE MATERIALIZED VIEW a.m REFRESH EVERY 1 SECOND TO a.t AS SELECT 1 AS x",
        "CREATE TABLE a.t ON CLUSTER 'prism' (x Int8) ENGINE = Memory;\n\n"
        "CREATE OR REPLACE TABLE a_cluster.t ON CLUSTER 'prism' AS a.t\nENGINE = Distributed('prism', 'a', 't'); "
        "CREATE MATERIALIZED VIEW a.m ON CLUSTER 'prism' REFRESH EVERY 1 SECOND TO a.t AS SELECT 1 AS x",
    ),
    "alter, and the twin follows": (
        "CREATE VIEW a.v AS SELECT 1; ALTER TABLE a.v ADD COLUMN IF NOT EXISTS y Int8 AFTER x; "
        "ALTER TABLE a.v ADD CONSTRAINT IF NOT EXISTS c CHECK y > 0; DROP VIEW IF EXISTS a.v; DROP VIEW IF EXISTS a.m;",
        "CREATE VIEW a.v ON CLUSTER 'prism' AS SELECT 1;\n\n{twin}; "
        "ALTER TABLE a.v ON CLUSTER 'prism' ADD COLUMN IF NOT EXISTS y Int8 AFTER x;\n\n{twin}; "
        "ALTER TABLE a.v ON CLUSTER 'prism' ADD CONSTRAINT IF NOT EXISTS c CHECK y > 0; "
        "DROP VIEW IF EXISTS a.v ON CLUSTER 'prism';\n\nDROP TABLE IF EXISTS a_cluster.v ON CLUSTER 'prism'; "
        "DROP VIEW IF EXISTS a.m ON CLUSTER 'prism';".replace(
            "{twin}",
            "CREATE OR REPLACE TABLE a_cluster.v ON CLUSTER 'prism' AS a.v\nENGINE = Distributed('prism', 'a', 'v')",
        ),
    ),
}


def test_a_table_becomes_replicas_and_a_twin() -> None:
    assert ClusterSchema("prism").rewrite(TRADES) == TRADES_ON_CLUSTER


@pytest.mark.parametrize("case", CASES)
def test_each_kind_of_statement(case: str) -> None:
    given, expected = CASES[case]
    assert ClusterSchema("prism").rewrite(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        "INSERT INTO a.t VALUES (1)",
        "CREATE TABLE a.t (x Int8) ENGINE = Memory",
        "CREATE MATERIALIZED VIEW a.m REFRESH EVERY 1 SECOND TO a.t AS SELECT 1 AS x",
        "CREATE TABLE a.t (x Int8) ENGINE = MergeTree ORDER BY x; "
        "CREATE MATERIALIZED VIEW a.m REFRESH EVERY 1 SECOND TO a.t AS SELECT 1 AS x",
        "CREATE TABLE a.t (x String COMMENT 'no end",
    ],
)
def test_what_a_cluster_cannot_have_is_refused(given: str) -> None:
    with pytest.raises(MigrationError, match=r"migration 0009_x\.sql: "):
        ClusterSchema("prism").rewrite_all({"0009_x.sql": given})


def test_a_name_is_a_name() -> None:
    with pytest.raises(SettingsError):
        ClusterSchema("prism' DROP")


def test_print_shows_what_would_run_and_needs_no_server() -> None:
    shown = CliRunner().invoke(app, ["migrate", "--cluster", "prism", "--print"])
    assert shown.exit_code == 0
    assert "CREATE TABLE IF NOT EXISTS marketprism_hot.trades ON CLUSTER 'prism'" in shown.output
    assert "non_replicated" not in shown.output


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("cluster")
    command = [sys.executable, "-m", "tests.sql.cluster_engine", str(directory)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def test_every_statement_parses_and_runs_in_the_engine(engine: dict[str, Any]) -> None:
    assert engine["failed"] == []
    trees = [tree for script in scripts(cluster="prism").values() for tree in parse(script)]
    assert engine["parsed"] == len(trees) > 300  # sqlglot counts the same statements as the engine took


def test_every_stored_table_is_replicated_and_everything_readable_has_a_twin(engine: dict[str, Any]) -> None:
    tables = {f"{t['database']}.{t['name']}": t for t in engine["tables"]}
    stored = {n: t for n, t in tables.items() if t["engine"] and not t["database"].endswith("_cluster")}
    unreplicated = {n for n, t in stored.items() if not t["engine"].startswith("Replicated")}
    refreshed = {n for n in unreplicated if "REFRESH EVERY" in tables[n]["create"]} | {
        "marketprism_features.latest_features"
    }
    assert unreplicated == set(engine["altered"]) | refreshed
    for name, table in tables.items():
        database = table["database"]
        if database.endswith(("_cluster", "_staging")):
            continue
        fills = "MATERIALIZED VIEW" in table["create"] and " TO " in table["create"]
        parameters = re.search(r"\{\w+:", table["create"])
        if not fills and not parameters:
            assert f"{database}_cluster.{table['name']}" in tables, name


def test_a_symbol_is_on_the_shard_of_its_partition(engine: dict[str, Any]) -> None:
    for exchange, market_type, symbol, key in engine["keys"]:
        for shards in (2, 4):
            assert key % shards == partition_of(exchange, market_type, symbol, 8) % shards
    trades = next(t for t in engine["tables"] if (t["database"], t["name"]) == ("marketprism_hot_cluster", "trades"))
    assert "arrayFold" in trades["engine"]


def test_compose_has_two_shards_of_two_replicas_and_keeper() -> None:
    compose = yaml.safe_load((REPOSITORY / "docker-compose.cluster.yml").read_text())
    services = compose["services"]
    servers = {name: s["environment"] for name, s in services.items() if "clickhouse-server" in str(s.get("image"))}
    assert sorted((e["SHARD"], e["REPLICA"]) for e in servers.values()) == [
        ("01", "a"), ("01", "b"), ("02", "a"), ("02", "b"),
    ]  # fmt: skip
    keepers = [name for name, s in services.items() if "clickhouse-keeper" in str(s.get("image"))]
    assert len(keepers) == 3
    cluster = compose["configs"]["clickhouse"]["content"]
    assert all(f"<host>{name}</host>" in cluster for name in [*servers, *keepers])
    single = (REPOSITORY / "Dockerfile").read_text().split("FROM ")[1].split()[0]
    assert {services[name]["image"] for name in servers} == {single}
    for name in keepers:
        assert services[name]["image"] == single.replace("clickhouse-server", "clickhouse-keeper")
    owned = sorted(
        int(number)
        for s in services.values()
        for number in str((s.get("environment") or {}).get("MARKETPRISM_STORAGE_PARTITIONS", "")).split(",")
        if number
    )
    assert owned == list(range(8))
