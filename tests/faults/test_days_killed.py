"""A load killed with SIGKILL at each step and run again ends with the rows and features of one that was left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketprism.settings import ClickHouseSettings
from storage_service.buckets.plan import DayPlan
from storage_service.days.content import columns_of, fingerprint
from storage_service.days.engine import Engine
from storage_service.days.install import INSTALL_POINTS
from storage_service.days.tiers import ARCHIVE_POINTS
from storage_service.days.vision import ArchiveFile
from tests.integration.embedded_process import EmbeddedServer
from tests.integration.test_days_history import content, forget, ms
from tests.migrated import Template
from tests.unit.days.samples import store_live, trade_row
from tests.unit.days.vision_files import AGG_HEADER, agg_rows, write_file

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(600)]

SYMBOLS = ("KILLUSDT", "STAYUSDT")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, migrated: Template) -> Iterator[EmbeddedServer]:
    data = tmp_path_factory.mktemp("days-killed")
    migrated.seed(data)
    server = EmbeddedServer(data).stand_still().start()
    yield server
    server.stop()


def backfill(server: EmbeddedServer, root: Path, symbol: str, fault: str = "") -> subprocess.Popen[bytes]:
    arguments = [
        "--market",
        "um",
        "--type",
        "aggTrades",
        "--symbols",
        symbol,
        "--from",
        "2024-03-01",
        "--to",
        "2024-03-02",
    ]
    environment = {**os.environ, "MARKETPRISM_CLICKHOUSE_URL": server.url, "MARKETPRISM_FAULT": fault}
    command = [sys.executable, "-m", "marketprism", "backfill", "binance-vision", *arguments, "--base-url", str(root)]
    return subprocess.Popen([*command, "--json"], env=environment, cwd=root, stdout=subprocess.PIPE)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for offset, symbol in enumerate(SYMBOLS):
        for day in (1, 2):
            rows = agg_rows(1 + 2000 * day + offset, 2000, ms(f"2024-03-0{day}"), step_ms=40_000 // 1000)
            write_file(tmp_path, ArchiveFile("um", "aggTrades", symbol, "", f"2024-03-0{day}"), rows, header=AGG_HEADER)
    return tmp_path


def test_killed_at_each_step_and_at_random(server: EmbeddedServer, archive: Path) -> None:
    engine = Engine.open(ClickHouseSettings(url=server.url, _env_file=None))
    assert backfill(server, archive, "STAYUSDT").wait(120) == 0
    untouched = content(engine, "STAYUSDT")
    for point in ("staged", *INSTALL_POINTS, "days_installed"):
        assert backfill(server, archive, "KILLUSDT", f"{point}:trades").wait(120) == -9, point
    for delay in (1.2, 1.6, 2.0):  # wherever that is
        process = backfill(server, archive, "KILLUSDT")
        time.sleep(delay)
        process.kill()
        process.wait(20)
        if engine.rows("SELECT countIf(state = 'installed') FROM marketprism_cold.archive_files FINAL")[0][0] == 4:
            forget(engine, "KILLUSDT")
    assert backfill(server, archive, "KILLUSDT").wait(120) == 0
    resumed = content(engine, "KILLUSDT")
    assert resumed["marketprism_cold.trades"][0] == 4000
    assert content(engine, "STAYUSDT") == untouched
    assert engine.rows("SELECT name FROM system.tables WHERE database = 'marketprism_staging'") == []
    forget(engine, "KILLUSDT")
    assert backfill(server, archive, "KILLUSDT").wait(120) == 0
    assert content(engine, "KILLUSDT") == resumed


ARCHIVE = """
import os
from datetime import UTC, date, datetime
from marketprism.settings import ClickHouseSettings
from storage_service.days.engine import Engine
from storage_service.days.tiers import run_archive
now = datetime(datetime.now(UTC).year + 1, 1, 9, tzinfo=UTC)
run_archive(Engine.open(ClickHouseSettings()), now, [date(2024, 4, 1)], ["trades"], drop_after=7)
"""


def test_archive_and_drop_killed_at_each_step(server: EmbeddedServer) -> None:
    engine = Engine.open(ClickHouseSettings(url=server.url, _env_file=None))
    rows = [trade_row("TIERUSDT", 1 + n, ms("2024-04-01") + n * 900) for n in range(2000)]
    store_live(engine, rows, DayPlan("agg_trade", "time", t_max_ms=60_000, source="time"))
    where = "symbol = 'TIERUSDT'"

    def held_by(database: str) -> tuple[int, int]:
        columns = columns_of(engine, f"{database}.trades")
        return tuple(fingerprint(engine, f"{database}.trades", columns, where, without=()))

    whole = held_by("marketprism_hot")
    for point in ("shadow_filled", "before_raw", "after_raw", *ARCHIVE_POINTS):
        environment = {**os.environ, "MARKETPRISM_CLICKHOUSE_URL": server.url, "MARKETPRISM_FAULT": f"{point}:trades"}
        died = subprocess.run([sys.executable, "-c", ARCHIVE], env=environment, timeout=120, check=False)
        assert died.returncode == -9, point
        assert whole in (held_by("marketprism_hot"), held_by("marketprism_cold")), point
        found = engine.rows(f"SELECT count(), uniqExact(sequence) FROM marketprism_features.all_trades WHERE {where}")
        assert found == [(2000, 2000)], point
    assert held_by("marketprism_hot") == (0, 0)
    environment = {**os.environ, "MARKETPRISM_CLICKHOUSE_URL": server.url}
    assert subprocess.run([sys.executable, "-c", ARCHIVE], env=environment, timeout=120, check=False).returncode == 0
    assert held_by("marketprism_cold") == whole
    assert "held_days_" not in engine.rows("SHOW CREATE TABLE marketprism_hot.trades")[0][0]


IMPORT = """
import sys
from datetime import date
from pathlib import Path
from marketprism.settings import ClickHouseSettings, StorageSettings
from storage_service.days.lob.files import Wanted
from storage_service.days.lob.load import LobImport, LobRequest
from storage_service.days.lob.reading import ColumnMap
wanted = Wanted(date(2024, 5, 1), date(2024, 5, 31))
request = LobRequest(Path(sys.argv[1]), "binance", "linear", wanted, ColumnMap())
LobImport(ClickHouseSettings(), StorageSettings(), request).run()
"""
BOOK_TABLES = ("cold.orderbooks", "cold.trades", "features.lob_top5", "features.mid_1m", "features.bucket_flow")


def import_lob(server: EmbeddedServer, root: Path, fault: str = "") -> subprocess.Popen[bytes]:
    environment = {**os.environ, "MARKETPRISM_CLICKHOUSE_URL": server.url, "MARKETPRISM_FAULT": fault}
    return subprocess.Popen([sys.executable, "-c", IMPORT, str(root)], env=environment)


def write_day_files(root: Path, symbol: str) -> None:
    for day in ("2024-05-01", "2024-05-02"):
        (root / day).mkdir(parents=True, exist_ok=True)
        lines = ["T,ap1,av1,bp1,bv1,ap2,av2,bp2,bv2"]
        for n in range(3_000):
            bid = 100 + n % 13 / 10
            lines.append(
                f"{ms(day) + n * 500},{bid + 0.1:.1f},{1 + n % 7},{bid},{2 + n % 5},{bid + 0.2:.1f},3,{bid - 0.1:.1f},4"
            )
        (root / day / f"{symbol}-book.csv").write_text("\n".join(lines) + "\n")
    rows = [",".join(map(str, row)) for row in agg_rows(1, 2_000, ms("2024-05-01"), step_ms=50_000)]
    (root / f"{symbol}-aggTrades-2024-05.csv").write_text("\n".join([AGG_HEADER, *rows]) + "\n")


@pytest.mark.timeout(400)
def test_an_import_killed_at_each_step(server: EmbeddedServer, tmp_path: Path) -> None:
    engine = Engine.open(ClickHouseSettings(url=server.url, _env_file=None))

    def held(symbol: str) -> list[tuple[int, int]]:
        found = []
        for table in (f"marketprism_{name}" for name in BOOK_TABLES):
            columns = {name: kind for name, kind in columns_of(engine, table).items() if name != "symbol"}
            merged = not table.startswith(("marketprism_cold", "marketprism_features.lob"))
            found.append(tuple(fingerprint(engine, table, columns, f"symbol = '{symbol}'", final=merged)))
        return found

    for symbol in ("LEFTUSDT", "DIESUSDT"):
        write_day_files(tmp_path / symbol, symbol)
    assert import_lob(server, tmp_path / "LEFTUSDT").wait(120) == 0
    untouched = held("LEFTUSDT")
    assert untouched[0][0] == 6_000
    assert untouched[1][0] == 2_000
    root = tmp_path / "DIESUSDT"
    points = [
        "shadow_filled:trades",
        *(f"{point}:orderbooks" for point in ("staged", "between_targets", "days_installed")),
    ]
    for point in points:
        assert import_lob(server, root, point).wait(120) == -9, point
    assert import_lob(server, root).wait(120) == 0
    assert held("DIESUSDT") == untouched, "the same but for the symbol"
    assert held("LEFTUSDT") == untouched
    states = engine.rows("SELECT DISTINCT state FROM marketprism_cold.lob_manifest FINAL WHERE symbol = 'DIESUSDT'")
    assert states == [("installed",)]
    assert engine.rows("SELECT name FROM system.tables WHERE database = 'marketprism_staging'") == []
