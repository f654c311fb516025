"""The short form of the fault plan: all Binance markets at once, several misbehaviours together, another seed each."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketprism.simulator.faults import KINDS
from tests.faults.exchange_plan import LEAST_TRADES, VENUES, run

PLANS = {
    "frames": ("drop", "duplicate", "reorder", "delay", "malformed", "unknown_fields"),
    "sockets": ("cut", "stall", "silent_ack", "day_over", "drop"),
    "exchange": ("skip_ids", "too_many_requests", "tick_change", "list_symbol"),
}


@pytest.mark.faults
@pytest.mark.parametrize("name", PLANS)
async def test_nothing_is_lost_doubled_or_wrong(name: str, tmp_path: Path) -> None:
    verdict = await run(tmp_path, VENUES, PLANS[name], seed=len(name))
    print(name, verdict)
    assert verdict.wrong == []
    assert verdict.trades > LEAST_TRADES
    assert all(verdict.struck[kind] for kind in PLANS[name])


def test_every_misbehaviour_is_in_a_plan() -> None:
    assert {kind for plan in PLANS.values() for kind in plan} == set(KINDS)
