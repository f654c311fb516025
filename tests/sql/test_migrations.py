"""The migrations build the contract: names, types, comments, windows, headers, snapshot; and the runner is safe."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlglot

from marketprism import events
from marketprism.errors import MigrationError
from marketprism.migrate import VERSIONS_TABLE, migrate, pending, schema, shipped
from marketprism.sqlfiles import has_header, read_header
from storage_service.allowed import VIEWED
from tests.conftest import REPOSITORY

KEY = ("exchange", "market_type", "symbol")
COMMON = (*KEY, "timestamp", "received_at", "sequence", "stream_seq", "data_source", "created_at")
RAW = {
    "trades": "trade_id trade_kind price quantity native_quantity side is_maker trade_time is_market first_trade_id "
    "last_trade_id bucket_id late tick_size price_tick",
    "orderbooks": "last_update_id best_bid_price best_ask_price best_bid_quantity best_ask_quantity bids_count "
    "asks_count updates ofi_l1 ofi_l5",
    "best_quotes": "bid_price bid_quantity ask_price ask_quantity last_update_id",
    "funding_rates": "funding_rate funding_kind funding_interval_h funding_time next_funding_time mark_price "
    "index_price",
    "open_interests": "open_interest open_interest_native open_interest_value count",
    "liquidations": "side price price_kind quantity native_quantity liquidation_time sampled",
    "lsr_top_positions": "long_position_ratio short_position_ratio period",
    "lsr_all_accounts": "long_account_ratio short_account_ratio period",
    "volatility_indices": "index_value underlying_asset maturity_date kind",
    "instruments": "canonical base quote settle type is_inverse multiplier tick_size lot_size expiry strike "
    "option_side valid_from valid_to status",
    "gaps": "from_sequence to_sequence from_time to_time cause repaired",
}
FEATURES = {
    "lob_top5": "timestamp mid_price bid_prices_5 bid_quantities_5 ask_prices_5 ask_quantities_5 tob_imbalance "
    "weighted_imbalance_5 microprice spread_bps",
    "bucket_config": "session_tag mode t_target_s t_max_s q_bucket q_min q_max n_trades n_min n_max n_updates u_min "
    "u_max vps_p50 vps_p80 tps_p50 tps_p80 ups_p50 ups_p80 window_min source notes valid_from valid_to version",
    "unified_buckets": "bucket_id bucket_ts_start bucket_ts_end available_at trades vol buy_vol sell_vol notional vwap "
    "open high low close cut_trigger is_closed quality",
    "mid_by_bucket": "bucket_id bucket_ts_end mid mid_avg staleness_ms",
    "footprint_by_bucket": "bucket_id px_bin px ask_vol bid_vol total_vol delta trades",
    "footprint_1m": "ts_1m px_bin px ask_vol bid_vol total_vol delta trades",
    "kyle_lambda_by_bucket": "bucket_id bucket_ts_end kyle_lambda kyle_lambda_ols kyle_r2 amihud_illiq signed_volume "
    "price_change window_buckets",
    "vpin_by_bucket": "bucket_id bucket_ts_end vpin imbalance buy_volume sell_volume total_volume window_buckets",
    "trades_1m": "ts_1m total_volume buy_volume sell_volume trade_count flow_imbalance avg_trade_size",
    "mid_1m": "ts_1m mid",
    "latest_features": "bucket_id vpin kyle_lambda kyle_lambda_ols kyle_r2 amihud_illiq mid mid_price microprice "
    "spread_bps poc_px value_area_low value_area_high updated_at staleness_ms quality",
    "unified_features_by_bucket": "bucket_id bucket_ts_end available_at vpin kyle_lambda mid poc_px quality",
}
FROZEN_DAY = {
    "day": "Date",
    "trade_kind": "LowCardinality(String)",
    "mode": "LowCardinality(String)",
    "q_bucket": "Decimal(38, 12)",
    "n_trades": "UInt32",
    "n_updates": "UInt32",
    "t_target_s": "Float64",
    "t_max_ms": "UInt32",
    "n_min": "UInt32",
    "quality_close": "Float64",
    "config_version": "UInt64",
    "source": "LowCardinality(String)",
    "frozen_at": "DateTime64(6, 'UTC')",
}


def types(engine: Any, database: str, table: str) -> dict[str, str]:
    rows = engine.rows(
        f"SELECT name, type FROM system.columns WHERE database = '{database}' AND table = '{table}' ORDER BY position"
    )
    return {row["name"]: row["type"] for row in rows}


@pytest.mark.parametrize("table", RAW)
def test_raw_tables_are_the_wire_contract(engine: Any, table: str) -> None:
    got = types(engine, "marketprism_hot", table)
    assert set(COMMON) | set(RAW[table].split()) <= set(got)
    assert got.pop("created_at") == "DateTime64(6, 'UTC')"
    assert list(got.items()) == list(events.stored_columns(table).items())


def test_every_data_type_has_its_table() -> None:
    assert set(RAW) == set(events.ROW_TYPES)


@pytest.mark.parametrize("table", FEATURES)
def test_features_have_their_names(engine: Any, table: str) -> None:
    got = types(engine, "marketprism_features", table)
    assert set(KEY) | set(FEATURES[table].split()) <= set(got)
    if not table.startswith("bucket_config"):
        assert all(
            "Nullable(DateTime" not in kind or name.endswith(("_at", "_timestamp")) for name, kind in got.items()
        )


def test_frozen_days_are_what_the_storage_service_writes(engine: Any) -> None:
    got = types(engine, "marketprism_features", "bucket_days")
    assert got == {**dict.fromkeys(KEY, "LowCardinality(String)"), **FROZEN_DAY}


def test_no_view_calls_a_period_complete_before_what_was_received_in_it_is_stored() -> None:
    clocks = [
        (path.stem, line.strip())
        for path in sorted((REPOSITORY / "sql" / "schema").glob("*.sql"))
        for line in path.read_text().splitlines()
        if re.search(r"now64\(6, 'UTC'\) (<|>=) ", line)
    ]
    assert len(clocks) > 10
    assert [each for each in clocks if "+ toIntervalSecond(3)" not in each[1]] == []


def test_every_object_and_every_column_has_a_comment(engine: Any) -> None:
    where = "database LIKE 'marketprism\\_%' AND {} NOT LIKE '.%' AND {} != 'schema_versions'"
    bare = engine.rows(
        f"SELECT table, name FROM system.columns WHERE comment = '' AND {where.format('table', 'table')} "
        "AND table NOT LIKE '%\\_mv'"  # a view that writes TO a table has the table's columns
    )
    assert bare == []
    bare = engine.rows(
        f"SELECT name FROM system.tables WHERE comment = '' AND {where.format('name', 'name')} "
        "AND name NOT LIKE '%\\_mv'"
    )
    assert bare == []


def test_every_live_table_and_view_target_remembers_tokens(engine: Any) -> None:
    tables = engine.rows(
        "SELECT name, create_table_query AS ddl FROM system.tables WHERE engine LIKE '%MergeTree' "
        "AND name NOT LIKE '.%' AND name != 'schema_versions' "
        "AND database IN ('marketprism_hot', 'marketprism_features')"
    )
    assert len(tables) >= 20
    forgetful = [row["name"] for row in tables if "non_replicated_deduplication_window = 10000" not in row["ddl"]]
    assert forgetful == []


def test_every_table_keeps_its_small_parts_in_one_file(engine: Any) -> None:
    tables = engine.rows(
        "SELECT name, create_table_query AS ddl FROM system.tables WHERE engine LIKE '%MergeTree' "
        "AND name NOT LIKE '.%' AND name != 'schema_versions' AND database LIKE 'marketprism\\_%'"
    )
    assert len(tables) >= 50
    packed = "min_bytes_for_full_part_storage = 10485760"
    assert [row["name"] for row in tables if packed not in row["ddl"]] == []
    engine.client.command("CREATE TABLE default.small AS marketprism_hot.trades")
    engine.client.command("INSERT INTO default.small (price) VALUES (1)")
    kinds = engine.rows("SELECT part_storage_type AS kind FROM system.parts WHERE active AND table = 'small'")
    engine.client.command("DROP TABLE default.small")
    assert [row["kind"] for row in kinds] == ["Packed"]


def test_every_view_gives_what_its_table_declares(engine: Any) -> None:
    """Views fill by name: a column that is declared and not selected is NULL forever, and nothing says so."""
    views = engine.rows(
        "SELECT database, name, as_select, extract(create_table_query, '^[^(]* TO ([^ (]+)') AS target "
        "FROM system.tables WHERE database LIKE 'marketprism%' AND engine = 'MaterializedView'"
    )
    assert len(views) >= 18
    for view in views:
        database, table = (view["target"] or f"{view['database']}.{view['name']}").split(".")
        declared = engine.rows(
            f"SELECT name FROM system.columns WHERE database = '{database}' AND table = '{table}' AND default_kind = ''"
        )
        selected = engine.client.query(f"DESCRIBE ({view['as_select']})").result_rows
        assert {row[0] for row in selected} == {row["name"] for row in declared}, view["name"]


def test_at_most_five_views_hang_on_trades_and_none_joins(engine: Any) -> None:
    views = engine.rows(
        "SELECT name, as_select FROM system.tables WHERE engine = 'MaterializedView' AND name LIKE '%\\_mv' "
        "AND create_table_query NOT LIKE '% REFRESH %'"
    )
    on_trades = [row["name"] for row in views if "FROM marketprism_hot.trades" in row["as_select"]]
    assert sorted(on_trades) == [
        "bucket_flow_mv",
        "flow_1s_mv",
        "footprint_1m_mv",
        "footprint_by_bucket_mv",
        "trades_1m_state_mv",
    ]
    assert all("JOIN" not in row["as_select"] for row in views)


def test_every_feature_file_has_a_header_and_no_lookahead() -> None:
    files = sorted(shipped("migrations").glob("*.sql"))
    numbers = [int(path.name[:4]) for path in files]
    assert numbers == list(range(1, len(files) + 1)), "one file a number, and no number left out"
    for path in files:
        text = path.read_text()
        creates_feature = re.search(r"CREATE (OR REPLACE )?(MATERIALIZED )?VIEW", text)
        tells_what_a_table_is = "MODIFY COMMENT" in text
        assert has_header(text) == bool(creates_feature or tells_what_a_table_is), path.name
        if creates_feature:
            header = read_header(path)
            assert header.lookahead == ("label" if "marketprism_labels." in text else "none")
            for source in header.inputs:
                assert source in text, f"{path.name}: header names {source}, the SQL does not read it"


def test_sqlglot_reads_every_statement() -> None:
    """The linter and the history loader work on the tree: an opaque statement has none, and need not to set a table."""
    for path in sorted([*shipped("migrations").glob("*.sql"), *(shipped("sql") / "queries").glob("*.sql")]):
        text = re.sub(r"^ALTER TABLE \S+ MODIFY SETTING [^;]+;", "SELECT 1;", path.read_text(), flags=re.MULTILINE)
        statements = [tree for tree in sqlglot.parse(text, dialect="clickhouse") if tree is not None]
        assert statements, path.name
        assert not any(isinstance(tree, sqlglot.exp.Command) for tree in statements), path.name


def test_snapshot_is_the_schema(engine: Any) -> None:
    files = {path.stem: path.read_text() for path in (shipped("sql") / "schema").glob("*.sql")}
    now = schema(engine.client)
    assert set(files) == set(now)
    stale = [name for name in now if files[name] != now[name]]
    assert stale == [], "run `python -m marketprism.migrate --snapshot` and commit sql/schema"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "migrations"
    shutil.copytree(shipped("migrations"), copy)
    return copy


def test_migrating_twice_does_nothing(engine: Any) -> None:
    assert pending(engine.client) == []
    assert migrate(engine.client) == []


def test_an_edited_file_is_refused(engine: Any, folder: Path) -> None:
    edited = folder / "0002_create_trades.sql"
    edited.write_text(edited.read_text() + "\n-- edited\n")
    with pytest.raises(MigrationError, match=r"0002_create_trades\.sql was changed after"):
        migrate(engine.client, folder)


def test_a_newer_database_is_refused(engine: Any, folder: Path) -> None:
    newest = max(folder.glob("*.sql"))
    newest.unlink()
    with pytest.raises(MigrationError, match=f"has migration {newest.name[:4]}, which this checkout does not know"):
        pending(engine.client, folder)


@pytest.fixture
def unrecorded(engine: Any) -> Iterator[int]:
    """As after a kill between the last statement of the newest migration and its entry."""
    newest = engine.client.command(f"SELECT max(version) FROM {VERSIONS_TABLE}")
    engine.client.command(f"ALTER TABLE {VERSIONS_TABLE} DELETE WHERE version = {newest} SETTINGS mutations_sync = 1")
    yield int(newest)
    migrate(engine.client)


def test_a_run_that_was_killed_goes_on(engine: Any, unrecorded: int) -> None:
    (name,) = pending(engine.client)
    assert name.startswith(f"{unrecorded:04d}_")
    assert migrate(engine.client) == [name]
    assert pending(engine.client) == []


def test_a_failing_statement_says_which_file(engine: Any, folder: Path) -> None:
    number = max(int(path.name[:4]) for path in folder.glob("*.sql")) + 1
    (folder / f"{number:04d}_create_nothing.sql").write_text(
        "CREATE TABLE marketprism_hot.nothing (a NoSuchType) ENGINE = Memory;"
    )
    with pytest.raises(MigrationError, match=f"{number:04d}_create_nothing.sql failed: .*NoSuchType") as caught:
        migrate(engine.client, folder)
    assert "\n" not in str(caught.value)
    assert migrate(engine.client) == []


def test_the_raw_tables_with_views_are_those_whose_days_are_rebuilt(engine: Any) -> None:
    fed = engine.rows(
        "SELECT create_table_query AS text FROM system.tables WHERE engine = 'MaterializedView' "
        "AND position(create_table_query, 'REFRESH ') = 0"
    )
    assert {found for row in fed for found in re.findall(r"FROM marketprism_hot\.(\w+)", row["text"])} == set(VIEWED)
