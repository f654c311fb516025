"""What is told as of an instant is the same of all data and of data that end there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from marketprism.jobs import JOBS, footprint_candidates, footprint_clusters, trade_clusters
from tests.sql.catalogue_tape import Tape
from tests.sql.truncation.as_of import (
    Reader,
    Told,
    at_instant,
    candidates,
    compare,
    job_outputs,
    levels,
    refreshed,
)
from tests.sql.truncation.cuts import Cut
from tests.sql.truncation.planted import LAST_PRICE_OF_ALL, NEWEST_RUN_OF_ALL, planted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NEWEST = {
    "latest_buckets": "the newest row of features that test_truncation compares; test_latest shows that it is",
    "latest_details": "as latest_buckets",
    "latest_features_mv": "as latest_buckets",
    "latest_impact": "as latest_buckets",
    "latest_minutes": "as latest_buckets",
    "recent_buckets": "the rows of unified_features_by_bucket of the last hours",
    "recent_features": "as recent_buckets",
    "serving_missing": "of the last hour's rows what share has no value: nothing of it is a feature",
}
"""Refreshable views that are not told as of an instant: they show the newest rows, whatever the time."""
CANDIDATES = ("footprint_candidates_1h", "footprint_candidates_4h", "footprint_candidates_24h")
READERS: dict[str, Callable[[Any], Reader]] = {
    "footprint_candidates_at": lambda client: candidates("footprint_candidates_at", 1),
    **{name: lambda client, name=name: at_instant(refreshed(client)[name]) for name in CANDIDATES},  # type: ignore[misc]
    "dynamic_levels": lambda client: levels("dynamic_levels"),
    "footprint_candidates": lambda client: job_outputs(footprint_candidates),
    "footprint_clusters": lambda client: job_outputs(footprint_clusters),
    "trade_clusters": lambda client: job_outputs(trade_clusters),
}
WHOLE_MINUTES = {"footprint_candidates_at", *CANDIDATES, "footprint_candidates", "footprint_clusters"}
LATE = pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a minute whose late trade has not come yet is left out as of that instant, for trades_1m.available_at is "
    "the last receipt of all; then, the minute was there without that trade. Only what was stored then is exact",
)


def on_its_way(tape: Tape, cut: Cut) -> bool:
    """Whether the cut is between a late trade and its receipt."""
    (late,) = (row for row in tape.trades if row["late"])
    return bool(late["timestamp"] * 1000 <= cut.at_us < late["received_at"])


def over(engine: Any, reader: Reader, tape: Tape, cuts: list[Cut]) -> Told:
    assert tape.hole is not None
    return compare(engine.client, reader, tape.symbol, cuts, tape.hole[1] * 1000)


@pytest.mark.parametrize("name", READERS)
def test_what_is_told_as_of_a_cut_is_what_the_cut_tells(engine: Any, tape: Tape, cuts: list[Cut], name: str) -> None:
    cuts = [cut for cut in cuts if not on_its_way(tape, cut)]
    told = over(engine, READERS[name](engine.client), tape, cuts)
    print(f"{name}, {told.columns} columns x {len(cuts)} cuts: {told.rows} rows, {len(told.found)} differences")
    assert told.rows >= len(cuts) / 2
    assert told.found == []


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[LATE] if name in WHOLE_MINUTES else []) for name in READERS]
)
def test_the_same_while_a_late_trade_is_on_its_way(engine: Any, tape: Tape, cuts: list[Cut], name: str) -> None:
    late = [cut for cut in cuts if on_its_way(tape, cut)]
    told = over(engine, READERS[name](engine.client), tape, late)
    if not told.rows >= len(late) >= 5:
        pytest.fail(f"nothing is told while it is on its way: {told.rows} rows, {len(late)} cuts")
    assert told.found == []


def test_a_candidate_of_the_last_price_of_all_is_found(engine: Any, tape: Tape, cuts: list[Cut]) -> None:
    with planted(engine.client, LAST_PRICE_OF_ALL) as view:
        select = f"SELECT * FROM marketprism_features.{view}(run_at = (SELECT now64(3, 'UTC')), hours = 1)"
        for reader in (candidates(view, 1), at_instant(select)):
            found = over(engine, reader, tape, cuts[::4]).found
            assert found
            assert all("return_since" in difference for difference in found)


def test_levels_of_a_later_run_are_found(engine: Any, tape: Tape, cuts: list[Cut]) -> None:
    with planted(engine.client, NEWEST_RUN_OF_ALL) as view:
        assert over(engine, levels(view), tape, cuts[::4]).found


@pytest.mark.parametrize("job", [footprint_clusters, trade_clusters])
def test_a_job_that_reads_ahead_is_found(engine: Any, tape: Tape, cuts: list[Cut], job: Any) -> None:
    assert over(engine, job_outputs(job, ahead=dt.timedelta(minutes=10)), tape, cuts[::4]).found


def test_every_refreshable_view_and_every_job_is_compared_or_newest(engine: Any) -> None:
    assert refreshed(engine.client).keys() == {*CANDIDATES, *NEWEST}
    assert set(JOBS) <= {"feature_registry", *READERS}
