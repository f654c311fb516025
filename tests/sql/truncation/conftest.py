"""One tape with its cuts per test process."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sql.catalogue_tape import Tape
from tests.sql.truncation.cuts import Cut, long_tape, make_cuts

CUTS = 20


@pytest.fixture(scope="session")
def tape() -> Tape:
    return long_tape("CUT", 173)


@pytest.fixture(scope="session")
def cuts(engine: Any, tape: Tape) -> list[Cut]:
    return make_cuts(engine.client, tape, CUTS, seed=5)
