"""The state of one symbol: healthy → degraded → recovering → healthy. Pure: what was seen in, transitions out.

The contract with the serving view stands in the migration that creates ``serving_transitions``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args

State = Literal["healthy", "degraded", "recovering"]
STATES: Final[tuple[State, ...]] = get_args(State)
Key = tuple[str, str, str]
"""exchange, market_type, symbol"""

ANOMALY: Final = "bucket ids"
"""How the reason begins that only a person ends: ids that do not rise are never repaired silently."""
BY_HAND: Final = "by hand"
"""How the reason of a person begins."""
_TICK_S: Final = 0.001


class Seen(NamedTuple):
    """One look at a symbol; times in seconds since the epoch.

    ``closed_s``: end of the newest closed bucket, 0 when none is. ``complete_s``: when each of the newest closed
    buckets became known, newest first, up to the first that has a gap. ``p90_s``: 0.9 quantile of the bucket lengths
    within the last hour. ``anomalies``: buckets whose id does not follow the one before, and when the newest of them
    became known. ``plan``: where today's bucket plan came from (config, expired, default, time; empty when unknown).
    """

    key: Key
    closed_s: float
    complete_s: tuple[float, ...] = ()
    p90_s: float = 0.0
    anomalies: int = 0
    anomaly_s: float = 0.0
    plan: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a symbol degrades, and how many complete buckets bring it back."""

    stale_s: float = 300
    slow_s: float = 120
    buckets: int = 10


class Serving(NamedTuple):
    """A state, why, and since when. ``accepted_s``: when a person last accepted what was wrong with the ids."""

    state: State = "healthy"
    reason: str = ""
    since_s: float = 0.0
    accepted_s: float = 0.0


def complaint(seen: Seen, now_s: float, limits: Limits, accepted_s: float = 0.0) -> str:
    """Why the symbol's buckets must not be served now; empty when they may."""
    if seen.anomalies and seen.anomaly_s > accepted_s:
        return f"{ANOMALY}: {seen.anomalies} do not follow the one before"
    age = now_s - seen.closed_s
    if age > limits.stale_s:
        return f"stale {age:.0f} s"
    if seen.p90_s > limits.slow_s:
        return f"slow p90 {seen.p90_s:.0f} s"
    if seen.plan == "time":
        return "no bucket_config: time buckets"
    return ""


def begins_s(before: Serving, now_s: float) -> float:
    """From when the next state holds: now, but after the one before, or that one would hold on (the newest does)."""
    return max(now_s, before.since_s + _TICK_S)


def step(before: Serving, seen: Seen, now_s: float, limits: Limits) -> Serving | None:
    """The state after this look, or None when it stays as it is.

    A degraded symbol begins to recover at the first look without a complaint, and is healthy again when
    ``limits.buckets`` complete buckets in a row have become known since.

    When the clock has been put back behind the state's beginning, no bucket can have become known since: all count.
    """
    since_s = begins_s(before, now_s)
    reason = complaint(seen, now_s, limits, before.accepted_s)
    if before.state == "degraded":
        if reason or before.reason.startswith(ANOMALY):
            return None
        return Serving("recovering", "buckets close again", since_s, before.accepted_s)
    if reason:
        return Serving("degraded", reason, since_s, before.accepted_s)
    if before.state == "recovering":
        put_back = before.since_s > now_s
        fresh = sum(put_back or known_s > before.since_s for known_s in seen.complete_s)
        if fresh >= limits.buckets:
            return Serving("healthy", f"{fresh} fresh buckets", since_s, before.accepted_s)
    return None
