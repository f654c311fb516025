"""Archive files through the whole loader into a real server: content, order of files, resumption, what is refused."""

from __future__ import annotations

import itertools
import threading
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from marketprism.settings import ClickHouseSettings, StorageSettings
from storage_service.days.content import columns_of, fingerprint
from storage_service.days.engine import Engine
from storage_service.days.fetching import Request
from storage_service.days.history import Backfill, Summary
from storage_service.days.layouts import LAYOUTS
from storage_service.days.vision import ArchiveFile
from tests.integration.embedded_process import EmbeddedServer
from tests.migrated import Template
from tests.unit.days.vision_files import AGG_HEADER, agg_rows, write_file

TARGETS = ("bucket_flow", "flow_1s", "trades_1m_state", "footprint_1m_state", "footprint_by_bucket_state")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, migrated: Template) -> Iterator[EmbeddedServer]:
    data = tmp_path_factory.mktemp("days-history")
    migrated.seed(data)
    server = EmbeddedServer(data).stand_still().start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def engine(server: EmbeddedServer) -> Engine:
    return Engine.open(ClickHouseSettings(url=server.url, _env_file=None))


class Loader:
    """Loads into the module's server."""

    def __init__(self, server: EmbeddedServer, root: Path) -> None:
        self.server, self.root = server, root

    def __call__(
        self,
        market: str,
        kind: str,
        symbols: str | Sequence[str],
        first: str,
        last: str = "",
        *,
        interval: str = "",
        base: str = "",
        over_live: bool = False,
    ) -> Summary:
        names = (symbols,) if isinstance(symbols, str) else tuple(symbols)
        days = date.fromisoformat(first), date.fromisoformat(last or first)
        request = Request(market, LAYOUTS[kind], names, (interval,), *days, over_live)
        settings = StorageSettings(_env_file=None)
        clickhouse = ClickHouseSettings(url=self.server.url, _env_file=None)
        return Backfill(clickhouse, settings, request, base_url=base or str(self.root), workers=2).run()


@pytest.fixture
def load(server: EmbeddedServer, tmp_path: Path) -> Loader:
    (tmp_path / "data").mkdir()
    return Loader(server, tmp_path)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def content(engine: Engine, symbol: str) -> dict[str, tuple[int, int]]:
    """Rows and hash of a symbol in cold trades and in each feature table."""
    found = {}
    for table in ("marketprism_cold.trades", *(f"marketprism_features.{name}" for name in TARGETS)):
        final = table != "marketprism_cold.trades"
        found[table] = tuple(fingerprint(engine, table, columns_of(engine, table), f"symbol = '{symbol}'", final=final))
    return found


def forget(engine: Engine, symbol: str) -> None:
    """As if the ledger had never seen the symbol."""
    engine.run(f"DELETE FROM marketprism_cold.archive_files WHERE symbol = '{symbol}'")


def test_the_real_coin_margined_day(engine: Engine, load: Loader, shared: Path) -> None:
    arguments = ("cm", "aggTrades", "BTCUSD_PERP", "2026-05-08")
    summary = load(*arguments, base=str(shared / "vision"))
    assert (summary.files, summary.rows, summary.missing_ids, summary.failed) == (1, 105_280, 0, [])
    path = "futures/cm/daily/aggTrades/BTCUSD_PERP/BTCUSD_PERP-aggTrades-2026-05-08.zip"
    with zipfile.ZipFile(shared / "vision" / "data" / path) as archive:
        lines = archive.read(archive.namelist()[0]).decode().split()[1:]
    expected = []
    for line in lines:
        number, price, contracts, _, _, time, maker = line.split(",")
        base = (Decimal(contracts) * 100 / Decimal(price)).quantize(Decimal(1).scaleb(-12), ROUND_HALF_EVEN)
        expected.append((int(number), Decimal(price), base, Decimal(contracts), int(time), maker == "true"))
    got = engine.rows(
        "SELECT sequence, price, quantity, native_quantity, toUnixTimestamp64Milli(timestamp), is_maker "
        "FROM marketprism_cold.trades WHERE symbol = 'BTCUSD_PERP' ORDER BY sequence"
    )
    assert got == expected
    assert [row[0] for row in got] == list(range(480_537_903, 480_537_903 + 105_280))
    before = content(engine, "BTCUSD_PERP")
    assert before["marketprism_features.bucket_flow"][0] > 1000
    again = load(*arguments, base=str(shared / "vision"))
    assert (again.files, again.skipped) == (0, 1)
    forget(engine, "BTCUSD_PERP")
    assert load(*arguments, base=str(shared / "vision")).rows == 105_280
    assert content(engine, "BTCUSD_PERP") == before


def test_a_second_symbol_leaves_the_first_untouched(engine: Engine, load: Loader) -> None:
    start = ms("2024-03-04")
    for name, first_id in (("AAAUSDT", 1), ("BBBUSDT", 50_000)):
        file = ArchiveFile("um", "aggTrades", name, "", "2024-03-04")
        write_file(load.root, file, agg_rows(first_id, 3000, start), header=AGG_HEADER)
    assert load("um", "aggTrades", "AAAUSDT", "2024-03-04").rows == 3000
    before = content(engine, "AAAUSDT")
    assert load("um", "aggTrades", "BBBUSDT", "2024-03-04").rows == 3000
    assert content(engine, "AAAUSDT") == before
    other = content(engine, "BBBUSDT")
    assert [other[table][0] for table in other] == [before[table][0] for table in before]


def test_months_first_then_days_that_the_month_lacks(engine: Engine, load: Loader) -> None:
    """Rows of the month's file are interleaved; one day is only in a daily file; the daily copies differ."""
    start = ms("2023-05-01")
    day_ms = 86_400_000
    month = [row for n in range(31) if n != 9 for row in agg_rows(1 + 100 * n, 100, start + n * day_ms)]
    month = month[::2] + month[1::2]
    write_file(load.root, ArchiveFile("um", "aggTrades", "CCCUSDT", "", "2023-05"), month, header=AGG_HEADER)
    tenth = ArchiveFile("um", "aggTrades", "CCCUSDT", "", "2023-05-10")
    write_file(load.root, tenth, agg_rows(901, 90, start + 9 * day_ms))
    summary = load("um", "aggTrades", "CCCUSDT", "2023-05-01", "2023-05-31")
    assert (summary.files, summary.rows, summary.days, summary.missing_ids) == (2, 3090, 31, 10)
    assert any("known defect 2023-05-01" in note for note in summary.notes)
    gaps = engine.rows(
        "SELECT from_sequence, to_sequence, toString(toDate(timestamp)) FROM marketprism_cold.gaps "
        "WHERE symbol = 'CCCUSDT'"
    )
    assert gaps == [(991, 1000, "2023-05-11")]
    write_file(load.root, tenth, agg_rows(901, 100, start + 9 * day_ms), header=AGG_HEADER)  # issued anew, complete
    again = load("um", "aggTrades", "CCCUSDT", "2023-05-01", "2023-05-31")
    assert (again.files, again.skipped, again.rows, again.missing_ids) == (1, 1, 100, 0)
    assert engine.rows("SELECT count() FROM marketprism_cold.gaps WHERE symbol = 'CCCUSDT'") == [(0,)]
    ids = engine.rows("SELECT count(), uniqExact(sequence) FROM marketprism_cold.trades WHERE symbol = 'CCCUSDT'")
    assert ids == [(3100, 3100)]


def test_spot_microseconds_no_header_and_capital_booleans(engine: Engine, load: Loader) -> None:
    start = ms("2025-02-03")
    rows = [[*row, "True"] for row in agg_rows(7, 500, start, scale=1000, true="True")]
    write_file(load.root, ArchiveFile("spot", "aggTrades", "DDDUSDT", "", "2025-02-03"), rows)
    assert load("spot", "aggTrades", "DDDUSDT", "2025-02-03").rows == 500
    (found,) = engine.rows(
        "SELECT toUnixTimestamp64Milli(min(timestamp)), toUnixTimestamp64Micro(min(received_at)), countIf(is_maker), "
        "countIf(side = 'sell'), any(data_source), any(tick_size), countIf(price != tick_size * price_tick) "
        "FROM marketprism_cold.trades WHERE symbol = 'DDDUSDT'"
    )
    assert found == (start, start * 1000 + 100_000, 167, 167, "archive", Decimal("0.1"), 0)


def test_what_is_wrong_with_a_file_costs_only_that_file(engine: Engine, load: Loader) -> None:
    start = ms("2024-06-01")

    def file(name: str) -> ArchiveFile:
        return ArchiveFile("um", "aggTrades", name, "", "2024-06-01")

    good = agg_rows(1, 200, start)
    write_file(load.root, file("OKUSDT"), good)
    write_file(load.root, file("SUMUSDT"), good, checksum="0" * 64)
    write_file(load.root, file("CUTUSDT"), good, damage=True)
    write_file(load.root, file("COLUSDT"), [row[:-1] for row in good])
    write_file(load.root, file("BADUSDT"), [[*row[:5], "soon", row[6]] for row in good])
    write_file(load.root, file("BIGUSDT"), [[row[0], "2000000000000.0", *row[2:]] for row in good])
    (load.root / "data" / file("NOSUMUSDT").path).parent.mkdir(parents=True)
    (load.root / "data" / file("NOSUMUSDT").path).write_bytes(b"zip")
    names = ["OKUSDT", "SUMUSDT", "CUTUSDT", "COLUSDT", "BADUSDT", "BIGUSDT", "NOSUMUSDT", "GONEUSDT"]
    summary = load("um", "aggTrades", names, "2024-06-01")
    assert (summary.files, summary.rows, summary.absent) == (1, 200, 2)  # the day, then the month
    reasons = {failure["path"].split("/")[4]: failure["error"] for failure in summary.failed}
    assert set(reasons) == set(names) - {"OKUSDT", "GONEUSDT"}
    assert "SHA-256 is" in reasons["SUMUSDT"]
    assert "no intact zip" in reasons["CUTUSDT"]
    assert "has 6 columns" in reasons["COLUSDT"]
    assert "not as files of its kind" in reasons["BADUSDT"]
    assert "cannot be" in reasons["BIGUSDT"]
    assert "no .CHECKSUM" in reasons["NOSUMUSDT"]
    states = dict(
        engine.rows("SELECT symbol, state FROM marketprism_cold.archive_files FINAL WHERE period LIKE '2024-06%'")
    )
    assert states == {**dict.fromkeys(reasons, "failed"), "OKUSDT": "installed", "GONEUSDT": "absent"}
    assert (
        engine.rows("SELECT name FROM system.tables WHERE database = 'marketprism_staging' AND name LIKE 'shadow%'")
        == []
    )
    write_file(load.root, file("SUMUSDT"), good)
    assert load("um", "aggTrades", ["OKUSDT", "SUMUSDT"], "2024-06-01").rows == 200


def test_over_http(load: Loader) -> None:
    write_file(
        load.root, ArchiveFile("um", "aggTrades", "WEBUSDT", "", "2024-06-02"), agg_rows(1, 50, ms("2024-06-02"))
    )

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            return

    door = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(load.root)))
    threading.Thread(target=door.serve_forever, daemon=True).start()
    try:
        base = f"http://127.0.0.1:{door.server_address[1]}"
        summary = load("um", "aggTrades", "WEBUSDT", "2024-06-01", "2024-06-02", base=base)
    finally:
        door.shutdown()
    assert (summary.rows, summary.absent, summary.failed) == (50, 2, [])


def test_the_two_kinds_of_trades_never_mix(engine: Engine, load: Loader) -> None:
    start = ms("2024-06-03")
    write_file(load.root, ArchiveFile("um", "aggTrades", "MIXUSDT", "", "2024-06-03"), agg_rows(1, 50, start))
    raw = [[n, "100.5", "2", "201", start + n * 100, "false"] for n in range(1, 300)]
    write_file(load.root, ArchiveFile("um", "trades", "MIXUSDT", "", "2024-06-03"), raw)
    assert load("um", "aggTrades", "MIXUSDT", "2024-06-03").rows == 50
    before = content(engine, "MIXUSDT")
    summary = load("um", "trades", "MIXUSDT", "2024-06-03")
    assert "other kind of trades" in summary.failed[0]["error"]
    assert content(engine, "MIXUSDT") == before


def live_trade(engine: Engine, symbol: str, sequence: int, time_ms: int) -> None:
    engine.run(
        "INSERT INTO marketprism_hot.trades (timestamp, received_at, exchange, market_type, symbol, sequence, "
        "data_source, trade_id, trade_kind, price, quantity, native_quantity, side, is_maker, trade_time, is_market, "
        "first_trade_id, last_trade_id, tick_size, price_tick, stream_seq, bucket_id, bucket_cut, "
        "bucket_t_max_ms, late) "
        f"SELECT fromUnixTimestamp64Milli({time_ms}, 'UTC') AS t, t, 'binance', 'linear', '{symbol}', {sequence}, "
        f"'marketprism', '{sequence}', 'agg_trade', 100, 1, 1, 'buy', false, t, true, 1, 1, 0.1, 1000, 1, "
        "20240604000001, '', 60000, false"
    )


def test_days_of_live_rows_are_left_to_them_unless_asked(engine: Engine, load: Loader) -> None:
    start = ms("2024-06-04")
    live_trade(engine, "LIVEUSDT", 25, start + 5000)
    write_file(load.root, ArchiveFile("um", "aggTrades", "LIVEUSDT", "", "2024-06-04"), agg_rows(1, 100, start))
    summary = load("um", "aggTrades", "LIVEUSDT", "2024-06-04")
    assert (summary.rows, summary.live_days) == (0, 1)
    assert engine.rows("SELECT count() FROM marketprism_cold.trades WHERE symbol = 'LIVEUSDT'") == [(0,)]
    assert load("um", "aggTrades", "LIVEUSDT", "2024-06-04").skipped == 1
    assert load("um", "aggTrades", "LIVEUSDT", "2024-06-04", over_live=True).rows == 100
    assert engine.rows("SELECT sum(trades) FROM marketprism_features.bucket_flow WHERE symbol = 'LIVEUSDT'") == [(100,)]


def tell_live(engine: Engine, symbol: str, *holes: tuple[int, int, int, int]) -> None:
    """Holes as the live service tells them: milliseconds of start and end, first and last sequence."""
    engine.run(
        "INSERT INTO marketprism_hot.gaps (timestamp, received_at, exchange, market_type, symbol, sequence, "
        "data_source, of_type, from_sequence, to_sequence, from_time, to_time, cause, repaired) "
        f"SELECT fromUnixTimestamp64Milli(t, 'UTC') AS at, at, 'binance', 'linear', '{symbol}', until + 1, "
        "'marketprism', 'trades', first, until, fromUnixTimestamp64Milli(since, 'UTC'), at, 'disconnect', false "
        f"FROM values('since Int64, t Int64, first UInt64, until UInt64', {', '.join(map(str, holes))})"
    )


def standing(engine: Engine, symbol: str) -> list[tuple[int, int]]:
    """First and last sequence of the holes that nobody repaired."""
    return engine.rows(
        "SELECT from_sequence, to_sequence FROM marketprism_features.all_gaps "
        f"WHERE symbol = '{symbol}' GROUP BY ALL HAVING NOT max(repaired) ORDER BY ALL"
    )


def test_a_hole_that_was_told_live_ends_where_files_have_its_days(engine: Engine, load: Loader) -> None:
    """The collector was away over midnight: first one day is loaded over the live rows, then the other."""
    name, start, day_ms = "HOLEUSDT", ms("2024-06-11"), 86_400_000
    live_trade(engine, name, 60, start + 50_000)
    live_trade(engine, name, 140, start + day_ms + 39_000)
    tell_live(engine, name, (start + 9_000, start + 20_000, 11, 20), (start + 50_000, start + day_ms + 39_000, 61, 139))
    for n in range(2):
        rows = agg_rows(1 + 100 * n, 100, start + n * day_ms)
        write_file(load.root, ArchiveFile("um", "aggTrades", name, "", f"2024-06-1{1 + n}"), rows, header=AGG_HEADER)

    assert standing(engine, name) == [(11, 20), (61, 139)]
    assert load("um", "aggTrades", name, "2024-06-11", over_live=True).rows == 100
    assert standing(engine, name) == [(61, 139)]
    assert load("um", "aggTrades", name, "2024-06-12", over_live=True).rows == 100
    assert standing(engine, name) == []
    told = engine.rows(f"SELECT DISTINCT quality FROM marketprism_features.unified_buckets WHERE symbol = '{name}'")
    assert told == [("ok",)]
    assert engine.rows(f"SELECT * FROM marketprism_features.excluded_intervals WHERE symbol = '{name}'") == []


def test_a_hole_that_was_told_live_stands_beside_those_of_a_file(engine: Engine, load: Loader) -> None:
    """The collector was away over midnight; the file of the second day, loaded over the live rows, lacks ids itself."""
    name, start, day_ms = "BESIDEUSDT", ms("2024-06-21"), 86_400_000
    live_trade(engine, name, 60, start + 50_000)
    live_trade(engine, name, 140, start + day_ms + 39_000)
    tell_live(engine, name, (start + 50_000, start + day_ms + 39_000, 61, 139))
    rows = agg_rows(101, 100, start + day_ms)
    file = ArchiveFile("um", "aggTrades", name, "", "2024-06-22")
    write_file(load.root, file, [*rows[:70], *rows[80:]], header=AGG_HEADER)
    assert load("um", "aggTrades", name, "2024-06-22", over_live=True).rows == 90
    assert standing(engine, name) == [(61, 139), (171, 180)]


def test_a_hole_between_files_is_told_however_many_days_it_lasts(engine: Engine, load: Loader) -> None:
    name, start = "WIDEUSDT", ms("2024-07-01")
    for day in range(6):
        file = ArchiveFile("um", "aggTrades", name, "", f"2024-07-0{1 + day}")
        write_file(load.root, file, agg_rows(1 + 100 * day, 100, start + day * 86_400_000), header=AGG_HEADER)

    def told() -> list[tuple[int, int, str]]:
        return engine.rows(
            "SELECT from_sequence, to_sequence, toString(toDate(timestamp)) FROM marketprism_cold.gaps "
            f"WHERE symbol = '{name}' ORDER BY ALL"
        )

    loaded = []
    for day in (6, 1, 4, 3, 2, 5):
        load("um", "aggTrades", name, f"2024-07-0{day}")
        loaded = sorted([*loaded, day])
        holes = [(a, b) for a, b in itertools.pairwise(loaded) if b > a + 1]
        assert told() == [(100 * a + 1, 100 * (b - 1), f"2024-07-0{b}") for a, b in holes], loaded


def test_a_live_day_between_files_is_no_hole(engine: Engine, load: Loader) -> None:
    """Neither when the files around it are loaded at once, nor one after the other; of another id space besides."""
    name, start, day_ms = "BETWEENUSDT", ms("2024-07-11"), 86_400_000
    live_trade(engine, name, 7_000_000, start + day_ms + 5_000)
    for day in (0, 2, 3):
        file = ArchiveFile("um", "aggTrades", name, "", f"2024-07-1{1 + day}")
        write_file(load.root, file, agg_rows(1 + 100 * day, 100, start + day * day_ms), header=AGG_HEADER)
    assert load("um", "aggTrades", name, "2024-07-11", "2024-07-13").missing_ids == 0
    assert load("um", "aggTrades", name, "2024-07-14").missing_ids == 0
    assert engine.rows(f"SELECT * FROM marketprism_cold.gaps WHERE symbol = '{name}'") == []
