"""Every feature of the catalogue has its case: rows in, rows out, with a boundary, hole, late and duplicate row."""

from __future__ import annotations

import ast
import random
from pathlib import Path

import pytest

from marketprism.catalogue import Feature, features
from tests.sql.catalogue_tape import make_tape

HERE = Path(__file__).parent
CASES = {
    "test_edges": "bucket_flow unified_buckets vpin_by_bucket kyle_lambda_by_bucket trades_1m flow_1s footprint_1m "
    "footprint_by_bucket footprint_profile_1m footprint_profile_by_bucket lob_top5 mid_1m mid_by_bucket gap_minutes",
    "test_catalogue_minutes": "quoted_trades price_impact_1m spread_analysis_1m realised_spread_1m vpin_1m "
    "rv_decomposition_1m lob_dynamics_1m",
    "test_catalogue_minute_windows": "impact_1m bulk_volume_1m trend_state_1m",
    "test_catalogue_books": "book_features book_features_1m book_features_by_bucket lob_dynamics_by_bucket",
    "test_catalogue_trades": "returns_by_bucket returns_1s returns_1m trade_flow_by_bucket trade_flow_1m",
    "test_catalogue_impact": "impact_by_bucket spreads_by_bucket realised_spread_by_bucket bulk_volume_by_bucket",
    "test_catalogue_volatility": "volatility_by_bucket",
    "test_edges_volatility": "volatility_1d volatility_1m",
    "test_catalogue_footprint": "footprint_clusters trade_clusters footprint_candidates",
    "test_catalogue_labels": "bucket_labels trend_state_by_bucket excluded_intervals",
    "test_catalogue_unified": "unified_features_1s unified_features_1m unified_features_by_bucket",
    "test_reference_venues": "reference_venues",
}
"""Module of tests → the features whose rows it computes apart from SQL, or by hand, on a tape with every edge."""
OTHERWISE = {
    "test_latest": "latest_features latest_buckets latest_details latest_impact",
    "test_serving": "latest_minutes serving_transitions serving_state serving_missing serving_features recent_buckets "
    "recent_features",
    "test_catalogue_footprint": "job_runs",
    "test_reference_venues": "reference_venues",
    "test_catalogue_labels": "excluded_by_hand",
    "test_catalogue_page": "feature_registry",
    "../integration/test_days_order_flow": "agg_trades_1m agg_trades_1h",
}
"""Newest rows of the features above, rows that no market data make, and the sums that a real day's file is for."""
STATES = {"trades_1m_state", "footprint_1m_state", "footprint_by_bucket_state", "mid_1m_state"}
"""Read by a view of the same name, whose case is theirs."""
REFRESHED = {"footprint_candidates_1h", "footprint_candidates_4h", "footprint_candidates_24h"}
"""The answer of footprint_candidates_at at a refresh, whose case is in test_catalogue_footprint."""
NAMED_IN_PARTS = {"footprint_1m", "footprint_by_bucket", "footprint_profile_1m", "footprint_profile_by_bucket"}
"""test_edges puts their names together; what it reads is what it compares."""
READ_THROUGH = {"bucket_flow": "unified_buckets"}
"""Additive states, whose rows are those of the view that merges them."""


def catalogue() -> list[Feature]:
    """What has columns of its own and is no relay of raw rows."""
    return [
        each
        for each in features()
        if each.columns and not any(column.name == "stream_seq" for column in each.columns) and _is_own(each)
    ]


def _is_own(each: Feature) -> bool:
    """Panels, universes and drift have their own plans (tests of panels, tests of monitors)."""
    return not each.name.split(".")[1].startswith(
        ("grid_", "panel_", "tradable_", "feature_drift", "lob_manifest", "all_")
    )


def code_of(module: str) -> tuple[str, set[str]]:
    """(the strings of the code without its docstrings, the names it calls): a comment is no case."""
    tree = ast.parse((HERE / f"{module}.py").read_text())
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said
    ]
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return "\n".join(texts), calls


@pytest.mark.parametrize("module", sorted({*CASES, *OTHERWISE}))
def test_the_case_is_there(module: str) -> None:
    texts, calls = code_of(module)
    names = f"{CASES.get(module, '')} {OTHERWISE.get(module, '')}".split()
    read = {READ_THROUGH.get(name, name) for name in names} - NAMED_IN_PARTS
    assert [name for name in sorted(read) if name not in texts] == []
    if module in CASES:
        assert "make_tape" in calls, "the tape with every edge"


def test_every_feature_has_one() -> None:
    known = {name for names in CASES.values() for name in names.split()}
    known |= {name for names in OTHERWISE.values() for name in names.split()} | STATES | REFRESHED
    names = {each.name.split(".")[1] for each in catalogue()}
    assert names - known == set(), "write its case, and name it here"
    assert known - names == set()


def test_the_tape_has_every_edge() -> None:
    """Boundary: a trade on the first millisecond of a minute; hole; late row; the third batch goes in twice."""
    tape = make_tape("EDGES", random.Random(1).randrange(1000), count=600)
    assert any(row["timestamp"] % 60_000 == 0 for row in tape.trades)
    assert tape.hole is not None
    (late,) = (row for row in tape.trades if row["late"])
    assert any(row["received_at"] < late["received_at"] for row in tape.trades if row["sequence"] > late["sequence"])
    stamps = {row["timestamp"] for row in tape.trades}
    assert any(row["timestamp"] in stamps for row in tape.quotes), "a quote in the very millisecond of a trade"
