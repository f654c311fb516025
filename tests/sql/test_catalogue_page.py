"""The catalogue page is that of the tree; features are listed, shown, exported and registered."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from marketprism.catalogue import costs, features, lineage, page
from marketprism.cli.commands import app
from marketprism.errors import QueryError
from marketprism.feature_export import export_parquet
from marketprism.jobs import feature_registry, run_job
from marketprism.migrate import shipped
from tests.sql.catalogue_tape import insert, make_tape

MINUTE_FORMS = {
    "price_impact_1m": "kyle_lambda amihud_illiq effective_spread_buy effective_spread_sell",
    "vpin_1m": "vpin_approx vpin_approx_5m",
    "rv_decomposition_1m": "rv_total rv_jump rv_continuous jump_ratio",
    "lob_dynamics_1m": "bid_add_rate bid_cancel_rate bid_net_rate ask_add_rate ask_cancel_rate ask_net_rate",
    "spread_analysis_1m": "effective_spread quoted_spread spread_ratio",
    "footprint_candidates_1h": "run_ts cluster_price total_vol delta avg_range_bps candidate_type",
    "footprint_candidates_4h": "run_ts cluster_price total_vol delta avg_range_bps candidate_type",
    "footprint_candidates_24h": "run_ts cluster_price total_vol delta avg_range_bps candidate_type",
}


WRITTEN = {"marketprism_features.bucket_days"}
"""What the storage service writes beside raw rows: no feature, so it has no header."""


def test_the_page_is_current() -> None:
    written = (shipped("migrations").parent / "docs" / "catalogue.md").read_text()
    assert written == page(features()), "run `python -m marketprism.catalogue --write` and commit docs/catalogue.md"


def test_every_object_says_what_it_is() -> None:
    found = features()
    assert len({each.name for each in found}) == len(found) > 60
    names = {each.name for each in found}
    for each in found:
        assert each.comment
        assert each.columns or "parameter" in each.comment, each.name
    for source, name in lineage(found):
        assert source in names | WRITTEN or source.startswith(("marketprism_hot.", "marketprism_cold.")), (
            f"{name} reads {source}, which has no header"
        )


def test_what_jobs_write_is_described_by_a_header_of_its_own() -> None:
    headers = {each.name.split(".")[1]: each.header.name for each in features()}
    for name in ("footprint_clusters", "trade_clusters", "feature_registry", "job_runs"):
        assert headers[name] == name


def test_every_view_has_its_cost(engine: Any) -> None:
    """Plain views cost a read, refreshable ones a refresh; a view that is gone costs nothing any more."""
    read = engine.rows(
        "SELECT database || '.' || name AS view, "
        "extract(create_table_query, ' TO (marketprism_features[.]\\\\w+)') AS made "
        "FROM system.tables WHERE database IN ('marketprism_features', 'marketprism_labels') "
        "AND NOT startsWith(name, 'all_') AND (create_table_query LIKE '%REFRESH EVERY%' "
        "OR engine = 'View' AND create_table_query NOT LIKE '%{%:%}%')"
    )
    assert costs().keys() == {row["made"] or row["view"] for row in read}, (
        "run `python -m tests.bench.bench_features --costs` and write the page anew"
    )
    assert costs()["marketprism_features.unified_buckets"] == 1.0


@pytest.mark.parametrize("table", MINUTE_FORMS)
def test_names_that_users_know(table: str) -> None:
    (each,) = [each for each in features() if each.name == f"marketprism_features.{table}"]
    wanted = {"exchange", "market_type", "symbol", "quality", *MINUTE_FORMS[table].split()}
    assert wanted <= {column.name for column in each.columns}


def test_few_files_need_a_waiver_of_the_leak_linter() -> None:
    """What they waive chooses rows or dates them; the linter itself runs over the whole tree in its own tests."""
    waived = {path.stem[5:] for path in shipped("migrations").glob("*.sql") if "-- leak-ok" in path.read_text()}
    assert waived == {
        "create_unified_buckets_between",
        "recreate_unified_buckets_between",
        "recreate_gap_minutes",
        "recreate_serving_state",
        "create_mid_by_bucket_between",
        "recreate_mid_by_bucket_between",
        "create_unified_features_last",
        "create_latest_features",
        "create_latest_buckets",
        "create_latest_details",
        "recreate_latest_details",
        "create_recent_buckets",
        "create_recent_features",
        "create_serving_features",
        "recreate_serving_features",
        "create_unified_features_1m",
        "create_unified_features_since",
        "recreate_latest_features",
        "recreate_recent_buckets",
        "recreate_unified_features_1s",
        "recreate_unified_features_1m",
        "recreate_unified_features",
        "recreate_lob_dynamics_by_bucket_between",
        "create_grid_panel_between",
        "create_reference_venues",
        "recreate_grid_panel_between",
        "create_hot_tickers",
        "create_cold_tickers",
    }


def test_list_and_show() -> None:
    listed = CliRunner().invoke(app, ["features", "list"])
    assert listed.exit_code == 0
    assert "marketprism_features.vpin_1m\tapproximate VPIN" in listed.stdout
    assert "marketprism_labels.bucket_labels" in listed.stdout
    shown = CliRunner().invoke(app, ["features", "show", "vpin_1m"])
    assert "grain:     one row per (exchange, market_type, symbol, ts_1m)" in shown.stdout
    assert "vpin_approx\tNullable(Float64)" in shown.stdout
    unknown = CliRunner().invoke(app, ["features", "show", "nothing"])
    assert isinstance(unknown.exception, QueryError)


def test_export_is_what_the_view_shows(engine: Any, tmp_path: Path) -> None:
    tape = make_tape("EXPORTUSDT", 45, count=300)
    insert(engine.client, tape)
    out = tmp_path / "flow.parquet"
    whole = engine.feature("trade_flow_1m", "EXPORTUSDT", "ts_1m")
    assert export_parquet(engine.client, "trade_flow_1m", out, ["EXPORTUSDT"], None, None) == len(whole)
    got = pq.read_table(out)
    assert sorted(zip(got["ts_1m"].to_pylist(), got["cvd"].to_pylist(), strict=True)) == sorted(
        (row["ts_1m"].replace(tzinfo=dt.UTC), row["cvd"]) for row in whole
    )
    opened = pl.read_parquet(out).sort("ts_1m")  # of a file with a Decimal(76, 24) polars opens no column
    told = [float(row["large_buy_quote"]) for row in whole]
    assert opened["large_buy_quote"].to_list() == pytest.approx(told, rel=1e-15)
    middle = sorted(row["available_at"] for row in whole)[len(whole) // 2]
    part = export_parquet(engine.client, "trade_flow_1m", out, ["EXPORTUSDT"], None, middle.isoformat())
    assert part == sum(row["available_at"] < middle for row in whole)
    with pytest.raises(QueryError, match="is no time"):
        export_parquet(engine.client, "trade_flow_1m", out, [], "yesterday", None)
    with pytest.raises(QueryError, match="has no available_at"):
        export_parquet(engine.client, "footprint_1m", out, [], "2024-08-08", None)


def test_the_registry_counts_versions(engine: Any) -> None:
    client, view = engine.client, "marketprism_features.registered"
    client.command(f"CREATE VIEW {view} AS SELECT 1 AS a")
    try:
        run_job(client, feature_registry)
        before = engine.rows("SELECT count() AS n FROM marketprism_features.feature_registry")
        run_job(client, feature_registry)
        assert engine.rows("SELECT count() AS n FROM marketprism_features.feature_registry") == before
        client.command(f"CREATE OR REPLACE VIEW {view} AS SELECT 1 AS a COMMENT 'said better'")
        run_job(client, feature_registry)
        client.command(f"CREATE OR REPLACE VIEW {view} AS SELECT 2 AS a")
        run_job(client, feature_registry)
        rows = engine.rows(
            f"SELECT * FROM marketprism_features.feature_registry WHERE name = '{view}' ORDER BY version"
        )
        assert [(row["version"], row["signature"]) for row in rows] == [(1, "a UInt8"), (2, "a UInt8")]
        assert rows[0]["sql_hash"] != rows[1]["sql_hash"]
    finally:
        client.command(f"DROP VIEW {view}")


def test_a_view_has_a_new_version_when_what_it_reads_changes(engine: Any) -> None:
    """Views that users know are often ``SELECT *`` of the one that computes."""
    client, inner, outer = engine.client, "marketprism_features.computes", "marketprism_features.shows"
    try:
        for factor in (1, 1, 2):
            client.command(f"CREATE OR REPLACE VIEW {inner} AS SELECT toUInt8({factor}) AS a")
            client.command(f"CREATE OR REPLACE VIEW {outer} AS SELECT * FROM {inner}")
            run_job(client, feature_registry)
        for name in (inner, outer):
            rows = engine.rows(
                f"SELECT version FROM marketprism_features.feature_registry WHERE name = '{name}' ORDER BY version"
            )
            assert [row["version"] for row in rows] == [1, 2], name
    finally:
        client.command(f"DROP VIEW IF EXISTS {outer}")
        client.command(f"DROP VIEW IF EXISTS {inner}")


def test_a_table_has_a_new_version_when_what_fills_it_changes(engine: Any) -> None:
    client, table = engine.client, "marketprism_features.registered_sums"
    client.command(f"CREATE TABLE {table} (a UInt8) ENGINE = MergeTree ORDER BY a")
    try:
        for factor in (1, 1, 2):
            client.command(f"DROP VIEW IF EXISTS {table}_mv")
            client.command(
                f"CREATE MATERIALIZED VIEW {table}_mv TO {table} AS "
                f"SELECT toUInt8({factor} * sequence) AS a FROM marketprism_hot.best_quotes"
            )
            run_job(client, feature_registry)
        rows = engine.rows(
            "SELECT version, sql_hash FROM marketprism_features.feature_registry "
            f"WHERE name = '{table}' ORDER BY version"
        )
        assert [row["version"] for row in rows] == [1, 2]
        assert rows[0]["sql_hash"] != rows[1]["sql_hash"]
    finally:
        client.command(f"DROP VIEW {table}_mv")
        client.command(f"DROP TABLE {table}")
