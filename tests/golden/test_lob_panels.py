"""Day files of the real recording through ``import lob``: manifest and panels equal polars; gaps hold what they say."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.dataset
import pytest

import marketprism.panel
from marketprism.errors import QueryError
from marketprism.panel import Panel, read, universe
from marketprism.panel_export import export_panel
from marketprism.settings import ClickHouseSettings, StorageSettings
from storage_service.days.content import columns_of, fingerprint
from storage_service.days.engine import Engine
from storage_service.days.lob.files import Wanted
from storage_service.days.lob.load import LobImport, LobRequest, LobSummary
from storage_service.days.lob.reading import ColumnMap
from tests.golden import panel_reference as reference
from tests.golden.panel_reference import DAY, GRID, MIDNIGHT_MS, Made, make
from tests.integration.embedded_process import EmbeddedServer
from tests.migrated import Template

pytestmark = pytest.mark.slow

NEXT = DAY + dt.timedelta(days=1)
START_MS, END_MS = MIDNIGHT_MS - 8_460_000, MIDNIGHT_MS + 310_000
SYMBOLS = ("BTCUSDT", "ETHUSDT")
FEATURES = ("book", "trades", "factors", "ranks", "execution")


def moment(ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC)


def write_files(made: Made, root: Path) -> dict[tuple[dt.date, str], pl.DataFrame]:
    """What is in each file, as it stands there."""
    files = {}
    for name, books in made.books.items():
        for day, start in ((DAY, MIDNIGHT_MS - 86_400_000), (NEXT, MIDNIGHT_MS)):
            files[day, name] = books.filter(pl.col("T").is_between(start, start + 86_400_000, closed="left"))
            (root / str(day)).mkdir(exist_ok=True)
    btc = files[DAY, "BTCUSDT"]
    btc = pl.concat([btc[:100], btc[101:102], btc[100:101], btc[102:500], btc[499:]])  # a step back, a row twice
    files[DAY, "BTCUSDT"] = btc
    btc.write_csv(root / str(DAY) / "BTCUSDT-book.csv")
    next_day = files[NEXT, "BTCUSDT"].with_columns(pl.col("T") * 1000).rename({"T": "ts"})
    next_day.write_parquet(root / str(NEXT) / "BTCUSDT-book.parquet")
    eth = files[DAY, "ETHUSDT"].with_columns(pl.col("T").cast(pl.Datetime("ms"))).rename({"T": "timestamp"})
    eth.write_ipc(root / str(DAY) / "ETHUSDT-book.feather", compression="lz4")
    del files[NEXT, "ETHUSDT"]  # the missing symbol
    whole = (root / str(NEXT) / "BTCUSDT-book.parquet").read_bytes()
    (root / str(NEXT) / "SOLUSDT-book.parquet").write_bytes(whole[: len(whole) // 2])
    text = (root / str(DAY) / "BTCUSDT-book.csv").read_bytes()
    (root / str(DAY) / "SOLUSDT-book.csv").write_bytes(text[: len(text) // 2 - 9])
    (root / str(DAY) / "XRPUSDT-book.csv").write_text("T,ap1\n1723150000000,5\n")
    for name, trades in made.trades.items():
        trades.write_ipc(root / f"{name}-aggTrades-2024-08.feather", compression="lz4")
    return files


@dataclass
class Imported:
    """The server after an import, what was in the files, and how the import went."""

    server: EmbeddedServer
    client: Any
    made: Made
    files: dict[tuple[dt.date, str], pl.DataFrame]
    root: Path
    summary: LobSummary

    def again(self) -> LobSummary:
        return run_import(self.server, self.root)


def run_import(server: EmbeddedServer, root: Path) -> LobSummary:
    wanted = Wanted(dt.date(2024, 8, 1), dt.date(2024, 8, 31))
    request = LobRequest(root, "binance", "spot", wanted, ColumnMap())
    clickhouse = ClickHouseSettings(url=server.url, _env_file=None)
    return LobImport(clickhouse, StorageSettings(_env_file=None), request).run()


@pytest.fixture(scope="module")
def imported(shared: Path, tmp_path_factory: pytest.TempPathFactory, migrated: Template) -> Iterator[Imported]:
    folder = tmp_path_factory.mktemp("lob")
    made = make(shared / "recordings" / "binance_spot.jsonl.zst")
    root = folder / "days"
    root.mkdir()
    files = write_files(made, root)
    made.books["ETHUSDT"] = made.books["ETHUSDT"].filter(pl.col("T") < MIDNIGHT_MS)
    migrated.seed(folder / "data")
    server = EmbeddedServer(folder / "data").stand_still().start()
    client = server.client()
    yield Imported(server, client, made, files, root, run_import(server, root))
    client.close()
    server.stop()


@pytest.fixture(scope="module")
def whole(imported: Imported) -> pl.DataFrame:
    """The panel of the whole range as the SQL gives it."""
    return as_polars(read(imported.client, a_panel()))


def a_panel(**changes: Any) -> Panel:
    asked: dict[str, Any] = {
        "exchange": "binance",
        "market_type": "spot",
        "features": FEATURES,
        "window": reference.WINDOW,
        "penalty_bps_per_s": reference.PENALTY,
        **changes,
    }
    return Panel(SYMBOLS, moment(START_MS), moment(END_MS), **asked)


def as_polars(table: Any) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame.with_columns(pl.col("ts").dt.epoch("ms")).sort("symbol", "ts")


def test_the_manifest_is_what_polars_finds(imported: Imported) -> None:
    rows = list(imported.client.query("SELECT * FROM marketprism_cold.lob_manifest FINAL").named_results())
    found = {(row["date"], row["symbol"]): row for row in rows if row["kind"] == "book"}
    assert set(found) == {*imported.files, (DAY, "SOLUSDT"), (NEXT, "SOLUSDT"), (DAY, "XRPUSDT")}
    for (day, symbol), file in imported.files.items():
        row = found[day, symbol]
        day_ms = MIDNIGHT_MS - (86_400_000 if day == DAY else 0)
        wanted = reference.statistics(file, day_ms) | reference.trade_statistics(imported.made.trades[symbol], day_ms)
        assert row["state"] == "installed"
        for name, value in wanted.items():
            assert row[name] == pytest.approx(value, rel=1e-12), (day, symbol, name)
    assert found[DAY, "BTCUSDT"]["non_monotonic_rows"] == found[DAY, "BTCUSDT"]["duplicate_rows"] == 1
    assert found[DAY, "ETHUSDT"]["crossed_ratio"] > 0
    assert {found[key]["state"] for key in ((DAY, "SOLUSDT"), (NEXT, "SOLUSDT"), (DAY, "XRPUSDT"))} == {"failed"}
    assert "cannot be read" in found[NEXT, "SOLUSDT"]["error"]
    assert "cannot be read" in found[DAY, "SOLUSDT"]["error"]
    assert "no time" not in found[DAY, "XRPUSDT"]["error"]
    assert "do not match" in found[DAY, "XRPUSDT"]["error"]
    assert (imported.summary.files, len(imported.summary.failed), imported.summary.trade_files) == (3, 3, 2)
    assert [row["rows"] for row in rows if row["kind"] == "trades"] == [
        imported.made.trades[row["symbol"]].height for row in rows if row["kind"] == "trades"
    ]


def test_books_lie_in_cold_and_fill_the_features(imported: Imported) -> None:
    kept = {key: file.unique("T").height for key, file in imported.files.items()}
    for table, names in (("marketprism_cold.orderbooks", ""), ("marketprism_features.lob_top5", "")):
        got = imported.client.query(f"SELECT toDate(timestamp), symbol, count() FROM {table} {names} GROUP BY ALL")
        assert {(row[0], row[1]): row[2] for row in got.result_rows} == kept
    minutes = imported.client.query("SELECT count() FROM marketprism_features.mid_1m").result_rows[0][0]
    assert minutes > 200
    ofi, added = imported.client.query(
        "SELECT countIf(ofi_l1 != 0), countIf(bid_added_quantity > 0) FROM marketprism_cold.orderbooks"
    ).result_rows[0]
    assert min(ofi, added) > 1000
    trades = imported.client.query("SELECT count(), countIf(bucket_id = 0) FROM marketprism_cold.trades").result_rows
    assert trades == [(sum(part.height for part in imported.made.trades.values()), 0)]


def test_order_flow_between_two_rows(imported: Imported) -> None:
    """Against a plain loop over neighbouring rows of the file; nothing is told across the removed hour."""
    books = imported.files[NEXT, "BTCUSDT"].sort("T").head(200)
    got = imported.client.query(
        "SELECT ofi_l1, bid_added_quantity, ask_cancelled_quantity FROM marketprism_cold.orderbooks "
        "WHERE symbol = 'BTCUSDT' AND toDate(timestamp) = '2024-08-09' ORDER BY timestamp LIMIT 200"
    ).result_rows
    rows = books.rows(named=True)
    assert got[0] == (0.0, 0.0, 0.0)
    for (ofi, added, cancelled), old, new in zip(got[1:], rows, rows[1:], strict=False):
        bid = (new["bp1"] >= old["bp1"]) * new["bv1"] - (new["bp1"] <= old["bp1"]) * old["bv1"]
        ask = (new["ap1"] <= old["ap1"]) * new["av1"] - (new["ap1"] >= old["ap1"]) * old["av1"]
        assert ofi == pytest.approx(bid - ask, abs=1e-9)
        levels = range(1, reference.LEVELS + 1)
        old_bids, new_bids = ({row[f"bp{n}"]: row[f"bv{n}"] for n in levels} for row in (old, new))
        floor = max(min(old_bids), min(new_bids))
        more = sum(max(q - old_bids.get(p, 0), 0) for p, q in new_bids.items() if p >= floor)
        assert added == pytest.approx(more, abs=1e-9)
        old_asks, new_asks = ({row[f"ap{n}"]: row[f"av{n}"] for n in levels} for row in (old, new))
        ceiling = min(max(old_asks), max(new_asks))
        gone = sum(max(q - new_asks.get(p, 0), 0) for p, q in old_asks.items() if p <= ceiling)
        assert cancelled == pytest.approx(gone, abs=1e-9)
    across = imported.client.query(
        "SELECT ofi_l1, ask_added_quantity FROM marketprism_cold.orderbooks WHERE symbol = 'BTCUSDT' "
        f"AND toUnixTimestamp64Milli(timestamp) > {reference.HOUR[1]} ORDER BY timestamp LIMIT 1"
    ).result_rows
    assert across == [(0.0, 0.0)]


def test_an_import_again_does_nothing_and_a_changed_file_is_loaded_anew(imported: Imported) -> None:
    engine = Engine.open(ClickHouseSettings(url=imported.server.url, _env_file=None))
    tables = ("marketprism_cold.orderbooks", "marketprism_cold.trades", "marketprism_features.lob_top5")

    def content() -> list[Any]:
        return [fingerprint(engine, table, columns_of(engine, table)) for table in tables]

    before = content()
    again = imported.again()
    assert (again.files, again.trade_files, again.skipped, len(again.failed)) == (0, 0, 5, 3)
    path = imported.root / str(NEXT) / "BTCUSDT-book.parquet"
    frame = pl.read_parquet(path)
    frame.head(10).write_parquet(path)
    assert imported.again().rows == 10
    frame.write_parquet(path)
    assert imported.again().rows == frame.height
    assert content() == before
    engine.close()


def test_every_column_of_the_panel_is_what_polars_computes(imported: Imported, whole: pl.DataFrame) -> None:
    wanted = reference.panel(imported.made, START_MS, END_MS).sort("symbol", "ts")
    assert whole.height == wanted.height == 2 * (END_MS - START_MS) // GRID
    names = [name for name in whole.columns if name in wanted.columns]
    assert set(whole.columns) - set(names) == {
        *("exchange", "market_type", "mark_price", "available_at", "quality", "excluded")
    }
    assert whole["excluded"].unique().to_list() == [""]
    for name in names:
        for number, (value, expected) in enumerate(zip(whole[name], wanted[name], strict=True)):
            if isinstance(expected, float) and value is not None:
                same = math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-7)
            else:
                same = value == expected
            assert same, f"{name} at {wanted['symbol'][number]} {wanted['ts'][number]}: {value}, polars {expected}"
    assert wanted["momentum"].is_not_null().sum() > 10_000
    assert wanted["momentum_rank"].is_not_null().sum() > 10_000


def test_no_rolling_value_crosses_a_segment_and_midnight_is_none(whole: pl.DataFrame) -> None:
    btc = whole.filter(pl.col("symbol") == "BTCUSDT")
    assert btc["segment_id"].unique().sort().to_list() == [0, 1, 2]
    for segment in (1, 2):
        inside = btc.filter((pl.col("segment_id") == segment) & pl.col("mid").is_not_null())
        first = inside["momentum"].is_not_null().arg_max()
        assert first == reference.WINDOW
        assert inside["gap_exit"].to_list()[:1] == [True]
        assert inside["gap_exit"].sum() == 1
    hour = btc.filter(pl.col("ts").is_between(reference.HOUR[0] + 61_000, reference.HOUR[1] - 1_000))
    assert hour.height > 3_500
    assert hour["quality"].unique().to_list() == ["gap"]
    assert not hour["mask_live"].any()
    assert hour.select("mid", "momentum", "buy_price", "momentum_rank").null_count().row(0) == (hour.height,) * 4
    assert hour["n_trades"].sum() > 1000, "trades go on while books are missing"
    around = btc.filter(pl.col("ts").is_between(MIDNIGHT_MS - 20_000, MIDNIGHT_MS + 20_000))
    assert around["momentum"].null_count() == 0
    crossed = whole.filter(
        (pl.col("symbol") == "ETHUSDT")
        & pl.col("ts").is_between(reference.CROSSED[0] + 1_000, reference.CROSSED[1] - 1_000)
    )
    assert crossed["quality"].unique().to_list() == ["partial"]
    assert not crossed["can_trade"].any()


def test_pieces_and_files_hold_what_the_whole_does(
    imported: Imported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = a_panel(features=FEATURES[:3])
    whole = as_polars(read(imported.client, asked))
    monkeypatch.setattr(marketprism.panel, "ROWS_AT_ONCE", 7_001)
    days: list[tuple[dt.date, int]] = []
    rows = export_panel(imported.client, asked, tmp_path, lambda day, count: days.append((day, count)))
    assert (rows, [day for day, _ in days]) == (whole.height, [DAY, NEXT])
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files == [
        f"exchange=binance/market_type=spot/symbol={symbol}/date={day}/part-0.parquet"
        for symbol in SYMBOLS
        for day in (DAY, NEXT)
    ]
    table = pyarrow.dataset.dataset(tmp_path, partitioning="hive").to_table()
    written = as_polars(table.drop_columns(["date"]))
    of_whole = whole.select(written.columns)
    assert {"ap5", "ret_last", "momentum"} <= set(written.columns)
    assert written.cast(dict(of_whole.schema.items())).equals(of_whole)  # type: ignore[arg-type]


def test_the_universe_of_a_day_knows_only_the_days_before(imported: Imported) -> None:
    panel = Panel(
        SYMBOLS, dt.datetime(2024, 8, 8), dt.datetime(2024, 8, 11), market_type="spot", min_coverage=0.05,
        max_crossed=0.5,
    )  # fmt: skip
    found = universe(imported.client, panel).to_pylist()
    assert [(row["day"], row["symbol"]) for row in found] == [(NEXT, "BTCUSDT"), (NEXT, "ETHUSDT")]
    manifest = dict(
        imported.client.query(
            "SELECT symbol, (coverage, crossed_ratio) FROM marketprism_cold.lob_manifest FINAL "
            "WHERE date = '2024-08-08' AND kind = 'book' AND state = 'installed'"
        ).result_rows
    )
    assert {row["symbol"]: (row["coverage"], row["crossed_ratio"]) for row in found} == manifest
    strict = Panel(SYMBOLS, panel.start, panel.end, market_type="spot", min_coverage=0.05, max_crossed=0.0001)
    assert [row["symbol"] for row in universe(imported.client, strict).to_pylist()] == ["BTCUSDT"]


def test_bucket_features_come_as_of_their_availability(imported: Imported) -> None:
    table = as_polars(read(imported.client, a_panel(features=("vpin", "bucket_id"))))
    assert {"vpin", "bucket_id"} <= set(table.columns)
    with pytest.raises(QueryError, match="no feature 'nothing'"):
        read(imported.client, a_panel(features=("nothing",)))
    shown = table.filter(pl.col("bucket_id").is_not_null())
    assert shown.height > 1000
    known = pl.DataFrame(
        imported.client.query(
            "SELECT symbol, bucket_id, toUnixTimestamp64Milli(toDateTime64(available_at, 3)) "
            "FROM marketprism_features.unified_buckets WHERE is_closed"
        ).result_rows,
        schema={"symbol": pl.String, "bucket_id": pl.UInt64, "at": pl.Int64},
        orient="row",
    ).sort("at", "bucket_id")
    wanted = table.sort("ts").join_asof(known, left_on="ts", right_on="at", by="symbol", check_sortedness=False)
    old = pl.col("ts") - pl.col("at") > 300_999
    wanted = wanted.with_columns(pl.when(~old).then("bucket_id_right").alias("expected"))
    assert wanted.filter(pl.col("bucket_id") != pl.col("expected")).height == 0
    assert (wanted["bucket_id"].null_count() - wanted["expected"].null_count()) <= 2
