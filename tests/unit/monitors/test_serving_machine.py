"""The serving state of one symbol: what degrades it, and what brings it back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitors.serving.machine import STATES, Limits, Seen, Serving, complaint, step

KEY = ("binance", "spot", "BTCUSDT")
LIMITS = Limits()
NOW = 10_000.0


def look(age_s: float = 5.0, fresh: int = 0, **changed: object) -> Seen:
    """A symbol whose newest bucket closed ``age_s`` ago, with ``fresh`` complete buckets since NOW - 100."""
    known = (*(NOW - 1 - i for i in range(fresh)), NOW - 500)
    return Seen(KEY, NOW - age_s, known)._replace(**changed)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (look(300.0), ""),
        (look(301.0), "stale 301 s"),
        (look(p90_s=120.0), ""),
        (look(p90_s=120.5), "slow p90 120 s"),
        (look(plan="time"), "no bucket_config: time buckets"),
        (look(plan="default"), ""),
        (look(anomalies=2, anomaly_s=NOW - 50), "bucket ids: 2 do not follow the one before"),
    ],
)
def test_what_degrades(seen: Seen, reason: str) -> None:
    assert complaint(seen, NOW, LIMITS) == reason
    after = step(Serving(), seen, NOW, LIMITS)
    assert (after is None) == (reason == "")
    if after is not None:
        assert (after.state, after.reason, after.since_s) == ("degraded", reason, NOW)


def test_recovers_with_the_tenth_complete_bucket() -> None:
    before = Serving("degraded", "stale 400 s", NOW - 200)
    assert step(before, look(301.0), NOW, LIMITS) is None
    recovering = step(before, look(2.0, fresh=1), NOW, LIMITS)
    assert recovering is not None
    assert recovering.state == "recovering"
    since = Serving("recovering", "", NOW - 100)
    assert step(since, look(fresh=9), NOW, LIMITS) is None
    healthy = step(since, look(fresh=10), NOW, LIMITS)
    assert healthy is not None
    assert healthy.state == "healthy"
    relapsed = step(since, look(400.0, fresh=10), NOW, LIMITS)
    assert relapsed is not None
    assert relapsed.state == "degraded"


def test_an_anomaly_ends_only_by_hand() -> None:
    anomaly = look(2.0, fresh=20, anomalies=1, anomaly_s=NOW - 300)
    degraded = step(Serving(), anomaly, NOW - 200, LIMITS)
    assert degraded is not None
    assert step(degraded, look(2.0, fresh=20), NOW, LIMITS) is None  # the ids look well again: that is not enough
    accepted = Serving("recovering", "by hand: day rebuilt", NOW - 100, accepted_s=NOW - 100)
    healthy = step(accepted, anomaly, NOW, LIMITS)
    assert healthy is not None
    assert healthy.state == "healthy"
    again = step(healthy, anomaly._replace(anomalies=2, anomaly_s=NOW + 1), NOW + 2, LIMITS)
    assert again is not None
    assert again.state == "degraded"


@settings(deadline=None)
@given(
    st.sampled_from(STATES),
    st.floats(0, 1000),
    st.integers(0, 20),
    st.floats(0, 300),
    st.integers(0, 2),
    st.sampled_from(["config", "time", ""]),
)
def test_laws(state: str, age_s: float, fresh: int, p90_s: float, anomalies: int, plan: str) -> None:
    """A complaint never leaves or makes a symbol healthy; no look without one degrades; a step is never a stay."""
    seen = look(age_s, fresh, p90_s=p90_s, anomalies=anomalies, anomaly_s=NOW, plan=plan)
    before = Serving(state, "some reason", NOW - 100)  # type: ignore[arg-type]
    after = step(before, seen, NOW, LIMITS)
    stands = after or before
    if complaint(seen, NOW, LIMITS):
        assert stands.state == "degraded"
    else:
        assert after is None or after.state != "degraded"
    assert after is None or after.state != state


def test_a_clock_that_is_put_back_neither_holds_a_state_nor_writes_it_again_and_again() -> None:
    """An hour ahead for a moment: every symbol looked stale, and the newest state is that hour away."""
    ahead = step(Serving(), look()._replace(closed_s=NOW), NOW + 3600, LIMITS)
    assert ahead is not None
    assert ahead.state == "degraded"
    stored, written = ahead, [ahead.state]
    for second in range(0, 10, 2):
        after = step(stored, look(fresh=10), NOW + second, LIMITS)
        if after is not None:
            written.append(after.state)
            stored = max(stored, after, key=lambda state: state.since_s)  # as serving_transitions is read
    assert written == ["degraded", "recovering", "healthy"]
    assert stored.state == "healthy"
