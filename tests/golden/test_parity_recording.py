"""Features of a real recording over midnight equal those of other people's packages; each check states its tolerance.

The replay is the one that test_features_spot.py compares with the recorded JSON, trade by trade and book by book.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.golden.replays import Replays
from tests.integration.embedded_process import EmbeddedServer
from tests.parity import bars, books, flow, impact, labels, moves, spreads
from tests.parity.market import Market

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CHECKS = [each for module in (bars, books, flow, impact, labels, moves, spreads) for each in module.CHECKS]


@pytest.fixture(scope="module")
def market(shared: Path, tmp_path_factory: pytest.TempPathFactory, replays: Replays) -> Iterator[Market]:
    recording = shared / "recordings" / "binance_spot.jsonl.zst"
    (made,) = replays.copies(recording, tmp_path_factory.mktemp("replay"))
    server = EmbeddedServer(made.data).stand_still().start()
    try:
        with server.client() as client:
            yield Market(client, "BTCUSDT", "spot")
    finally:
        server.stop()


def test_the_recording_has_what_the_windows_need(market: Market) -> None:
    assert len(market.bars) > 150, "a hundred buckets before the first bulk VPIN"
    assert len(market.quotes) > len(market.books) > 0
    assert market.trades["bucket_id"].floordiv(1_000_000).nunique() == 2, "the recording crosses midnight"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_feature_equals_the_package(market: Market, check: Callable[[Market], int]) -> None:
    assert check(market) >= 20, "next to nothing was compared"
