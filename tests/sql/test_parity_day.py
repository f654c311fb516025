"""Features of one synthetic day equal those of other people's packages; each check states its tolerance."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tests.integration.embedded_process import EmbeddedServer
from tests.migrated import Template
from tests.parity import bars, books, flow, impact, labels, minutes, moves, spreads
from tests.parity.day import make_books, make_trades
from tests.parity.market import Market, agree
from tests.sql.conftest import Engine

CHECKS = [each for module in (bars, books, flow, impact, labels, minutes, moves, spreads) for each in module.CHECKS]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory, migrated: Template) -> Iterator[Market]:
    """On a server of its own: the other files of a test process would read around a whole day."""
    data = tmp_path_factory.mktemp("day")
    migrated.seed(data)
    server = EmbeddedServer(data).stand_still().start()
    try:
        with server.client() as client:
            trades, engine = make_trades(11, 20_000), Engine(client)
            engine.trades("DAYUSDT", trades, batches=4)
            engine.books("DAYUSDT", make_books(12, trades, 10_000))
            yield Market(client, "DAYUSDT", "spot")
    finally:
        server.stop()


@pytest.mark.parametrize("damaged", [1 + 1e-7, 0.0, np.nan, -1.0])
def test_the_comparison_finds_damage(damaged: float) -> None:
    assert agree([1.0, np.nan, 2.0], [1 + 1e-10, np.nan, 2.0], rel=1e-9) == 2
    with pytest.raises(AssertionError, match="1 of 3 differ, first at 0"):
        agree([damaged, np.nan, 2.0], [1.0, np.nan, 2.0], rel=1e-9)
    with pytest.raises(AssertionError):
        agree([1.0, 2.0, 2.0], [1.0, np.nan, 2.0], rel=1e-9)


def test_the_day_is_a_whole_one(market: Market) -> None:
    assert market.trades["ms"].max() - market.trades["ms"].min() > 86_000_000
    assert market.trades["ms"].duplicated().any(), "trades of one millisecond"
    assert len(market.bars) > 500


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_feature_equals_the_package(market: Market, check: Callable[[Market], int]) -> None:
    assert check(market) > 100 or check is minutes.volatility_of_the_day, "next to nothing was compared"
