"""Live = history: the recording replayed through collector, NATS and views, and the same prints as archive files.

Books have no archive of their own: the history side gets the rows that the live side stored, as one block.
"""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import zstandard

from marketprism import catalogue
from marketprism.migrate import shipped
from marketprism.settings import ClickHouseSettings, StorageSettings
from storage_service.days.content import columns_of, row_hash
from storage_service.days.engine import Engine
from storage_service.days.fetching import Request
from storage_service.days.history import Backfill
from storage_service.days.layouts import LAYOUTS
from storage_service.days.vision import ArchiveFile
from tests.golden.replays import Replays
from tests.integration.embedded_process import EmbeddedServer
from tests.migrated import Template
from tests.unit.days.vision_files import write_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SYMBOLS = ("BTCUSDT", "ETHUSDT")
TARGETS = ("bucket_flow", "flow_1s", "trades_1m_state", "footprint_1m_state", "footprint_by_bucket_state")
BOOKS = ("orderbooks", "best_quotes", "instruments")
"""What no archive of trades holds."""
RECEIPT = frozenset({"first_received_at", "last_received_at", "available_at", "opened_received_at"})
"""The archive has no receipts: what live rows were received at is all that may differ."""
AS_OF_RECEIPT = frozenset({"marketprism_features.unified_features_1s"})
"""A second shows the bucket that was known to be closed by its end, which receipts tell; it has a test of its own."""
SERVED_NOW = frozenset({"marketprism_features.serving_state", "marketprism_features.serving_features"})
"""What the clock and the health check say of this moment, not what the data say."""
SETTLED = {
    "unified_features_by_bucket": frozenset(
        {"realised_spread", "price_impact", "realised_staleness_ms", "clusters_staleness_ms"}
    ),
    "unified_features_1m": frozenset({"realised_staleness_ms"}),
}
"""These are as of the row's availability, which is told by receipts."""
EMPTY = frozenset({"gap_minutes", "excluded_intervals"})
"""The recording has no hole."""


@dataclass
class Both:
    """The two engines, and the prints of the recording by symbol and day."""

    live: Engine
    history: Engine
    prints: dict[tuple[str, date], list[list[object]]]


def prints_of(recording: Path) -> dict[tuple[str, date], list[list[object]]]:
    """Every trade message of the recording once, as a line of the archive's spot ``trades`` files."""
    found: dict[tuple[str, date], dict[int, list[object]]] = defaultdict(dict)
    with zstandard.open(recording, "rb") as packed:
        for line in io.TextIOWrapper(packed, "utf-8"):
            if "trade" not in line:
                continue
            payload: Any = json.loads(json.loads(line)["payload"] or "null")
            message = payload.get("data", payload) if isinstance(payload, dict) else {}
            if message.get("e") == "trade":
                day = datetime.fromtimestamp(message["T"] / 1000, UTC).date()
                maker = str(bool(message["m"]))
                row = [message["t"], message["p"], message["q"], "0", message["T"], maker, "True"]
                found[message["s"], day][message["t"]] = row
    return {key: list(rows.values()) for key, rows in found.items()}


@pytest.fixture(scope="module")
def both(
    shared: Path, tmp_path_factory: pytest.TempPathFactory, migrated: Template, replays: Replays
) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("live-history")
    recording = shared / "recordings" / "binance_spot.jsonl.zst"
    (made,) = replays.copies(recording, folder)
    prints = prints_of(recording)
    archive = folder / "archive"
    for (symbol, day), rows in prints.items():
        write_file(archive, ArchiveFile("spot", "trades", symbol, "", day.isoformat()), rows)
    live = EmbeddedServer(made.data).stand_still().start()
    migrated.seed(folder / "history")
    history = EmbeddedServer(folder / "history").stand_still().start()
    clickhouse = ClickHouseSettings(url=history.url, _env_file=None)
    settings = StorageSettings(default_q_notional={"*": 120_000.0}, default_t_max_ms=8_000, _env_file=None)
    days = sorted(day for _, day in prints)
    request = Request("spot", LAYOUTS["trades"], SYMBOLS, ("",), days[0], days[-1])
    summary = Backfill(clickhouse, settings, request, base_url=str(archive)).run()
    assert (summary.failed, summary.rows) == ([], sum(len(rows) for rows in prints.values()))
    both = Both(Engine.open(ClickHouseSettings(url=live.url, _env_file=None)), Engine.open(clickhouse), prints)
    for table in BOOKS:
        rows = live.client().query_arrow(f"SELECT * FROM marketprism_hot.{table} ORDER BY symbol, timestamp, sequence")
        history.client().insert_arrow(f"marketprism_hot.{table}", rows)
    yield both
    live.stop()
    history.stop()


def read_views() -> list[catalogue.Feature]:
    """Every view that is read without parameters, but what the archive cannot know; ``all_*`` are raw rows."""
    return [
        each
        for each in catalogue.features()
        if each.name.startswith("marketprism_features.")
        and not each.name.startswith("marketprism_features.all_")
        and each.name not in AS_OF_RECEIPT | SERVED_NOW
        and each.columns
        and (shipped("sql") / "schema" / f"{each.name}.sql").read_text().startswith("CREATE VIEW")
    ]


@pytest.mark.parametrize("feature", read_views(), ids=lambda feature: feature.name.partition(".")[2])
def test_every_feature_is_equal_to_the_bit(both: Both, feature: catalogue.Feature) -> None:
    """All columns but the times of receipt, which an archive does not have, and what follows from them."""
    name = feature.name.partition(".")[2]
    without = RECEIPT | SETTLED.get(name, frozenset())
    names = [column.name for column in feature.columns if column.name not in without]
    query = f"SELECT {', '.join(names)} FROM {feature.name} WHERE market_type = 'spot' ORDER BY ALL"
    live, history = both.live.rows(query), both.history.rows(query)
    assert bool(live) == (name not in EMPTY)
    assert [repr(row) for row in history] == [repr(row) for row in live]


def test_every_second_is_equal_to_the_bit(both: Both) -> None:
    """All but which bucket it shows, how old that is, and the quality of that; where it is the same, all of it is.

    The newest closed bucket of a second is another where the trade that closed it was received after the second.
    """
    (columns,) = (
        [column.name for column in each.columns] for each in catalogue.features() if each.name in AS_OF_RECEIPT
    )
    first, last = columns.index("bucket_id"), columns.index("bucket_staleness_ms")
    of_bucket = [name for name in columns[first:last] if name not in SETTLED["unified_features_by_bucket"]]
    of_second = [name for name in [*columns[:first], *columns[last + 1 :]] if name not in RECEIPT | {"quality"}]
    assert len(of_bucket) > 80
    query = f"SELECT {{}} FROM {next(iter(AS_OF_RECEIPT))} WHERE market_type = 'spot' ORDER BY exchange, symbol, ts_1s"
    live, history = (engine.rows(query.format(", ".join(of_second))) for engine in (both.live, both.history))
    assert len(live) > 1000
    assert [repr(row) for row in history] == [repr(row) for row in live]
    shown = ", ".join(of_bucket)
    pairs = list(zip(*(engine.rows(query.format(shown)) for engine in (both.live, both.history)), strict=True))
    same = [(one, other) for one, other in pairs if one[0] == other[0]]
    assert len(same) > 0.9 * len(pairs)
    assert sum(one[0] is not None for one, _ in same) > 1000
    assert [repr(other) for _, other in same] == [repr(one) for one, _ in same]


@pytest.mark.parametrize("target", TARGETS)
def test_every_state_is_equal_to_the_bit(both: Both, target: str) -> None:
    table = f"marketprism_features.{target}"
    columns = columns_of(both.history, table)
    key = both.history.rows(
        f"SELECT sorting_key FROM system.tables WHERE database = 'marketprism_features' AND name = '{target}'"
    )[0][0]
    symbols = ", ".join(f"'{symbol}'" for symbol in SYMBOLS)
    query = (
        f"SELECT {key}, {row_hash(columns, without=RECEIPT)} FROM {table} FINAL "
        f"WHERE market_type = 'spot' AND symbol IN ({symbols}) ORDER BY {key}"
    )
    live, history = both.live.rows(query), both.history.rows(query)
    assert len(live) > 100 if target != "trades_1m_state" else len(live) >= 20
    assert history == live


def test_every_bucket_of_every_print_is_equal(both: Both) -> None:
    """And both are the prints of the recording: one row each."""
    query = (
        "SELECT symbol, sequence, price, quantity, side, bucket_id, bucket_cut, bucket_t_max_ms, tick_size, price_tick "
    )
    live = both.live.rows(query + "FROM marketprism_hot.trades WHERE market_type = 'spot' ORDER BY symbol, sequence")
    history = both.history.rows(query + "FROM marketprism_cold.trades ORDER BY symbol, sequence")
    assert len(history) == sum(len(rows) for rows in both.prints.values()) > 30_000
    assert history == live
