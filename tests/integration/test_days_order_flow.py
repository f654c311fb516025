"""The real COIN-M day: agg_trades_1m and 1h against pandas on the CSV, in exact integers; how long trends stay."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Context, Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from marketprism.errors import QueryError
from marketprism.flow_export import HOURS, MINUTES, FlowRange, export_flows
from marketprism.migrate import shipped
from marketprism.settings import ClickHouseSettings, StorageSettings
from storage_service.days.engine import Engine
from storage_service.days.fetching import Request
from storage_service.days.history import Backfill
from storage_service.days.layouts import LAYOUTS
from tests.integration.embedded_process import EmbeddedServer
from tests.migrated import Template
from tests.parity import flow, impact, minutes
from tests.parity.market import Market

DAY = "cm/daily/aggTrades/BTCUSD_PERP/BTCUSD_PERP-aggTrades-2026-05-08.zip"
E12 = 10**12
WIDE = Context(prec=90)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, shared: Path, migrated: Template) -> Iterator[Engine]:
    data = tmp_path_factory.mktemp("days-flow")
    migrated.seed(data)
    server = EmbeddedServer(data).stand_still().start()
    clickhouse = ClickHouseSettings(url=server.url, _env_file=None)
    day = date(2026, 5, 8)
    request = Request("cm", LAYOUTS["aggTrades"], ("BTCUSD_PERP",), ("",), day, day)
    Backfill(clickhouse, StorageSettings(_env_file=None), request, base_url=str(shared / "vision")).run()
    yield Engine.open(clickhouse)
    server.stop()


def scaled(text: str) -> int:
    return int(Decimal(text).scaleb(12))


def base_units(contracts: str, price: str) -> int:
    """contracts · 100 / price at twelve decimals, half to even."""
    numerator, divisor = scaled(contracts) * 100 * E12, scaled(price)
    whole, rest = divmod(numerator, divisor)
    return whole + (2 * rest > divisor or (2 * rest == divisor and whole % 2 == 1))


@pytest.fixture(scope="module")
def tape(shared: Path) -> pd.DataFrame:
    with zipfile.ZipFile(shared / "vision/data/futures" / DAY) as archive, archive.open(archive.namelist()[0]) as csv:
        rows = pd.read_csv(csv, dtype=str)
    tape = pd.DataFrame(index=rows.index)
    tape["id"] = rows["agg_trade_id"].astype("int64")
    tape["ms"] = rows["transact_time"].astype("int64")
    tape["buy"] = rows["is_buyer_maker"] == "false"
    tape["price"] = [scaled(price) for price in rows["price"]]
    tape["base"] = [base_units(q, p) for q, p in zip(rows["quantity"], rows["price"], strict=True)]
    tape = tape.astype({"price": object, "base": object})
    tape["quote"] = tape["price"] * tape["base"]  # at 24 decimals
    tape["square"] = [(quote // 10**14) ** 2 for quote in tape["quote"]]  # at 20 decimals
    return tape.sort_values("id")


def layer(tape: pd.DataFrame, seconds: int) -> pd.DataFrame:
    """The sums of each interval; integers at the scales of the tape."""
    grouped = tape.groupby(tape["ms"] // (1000 * seconds))
    sides = {
        f"{side}_{name}": part.groupby(part["ms"] // (1000 * seconds))[column].sum()
        for side, rows in (("buy", tape[tape["buy"]]), ("sell", tape[~tape["buy"]]))
        for name, column, part in (
            ("qty", "base", rows),
            ("quote", "quote", rows),
            ("square", "square", rows),
            ("whale", "quote", rows[rows["quote"] >= 50_000 * 10**24]),
            ("retail", "quote", rows[rows["quote"] <= 1_000 * 10**24]),
        )
    }
    out = pd.DataFrame(
        {"count": grouped.size(), "base": grouped["base"].sum(), "quote": grouped["quote"].sum(), **sides}
    )
    out = out.astype(object).where(out.notna(), 0)
    out["buys"] = grouped["buy"].sum()
    for name, how in (("first", "first"), ("last", "last"), ("high", "max"), ("low", "min")):
        out[name] = getattr(grouped["price"], how)()
    out["first_ts"], out["last_ts"] = grouped["ms"].min(), grouped["ms"].max()
    return out


def as_int(value: Any, scale: int) -> int:
    return int(WIDE.scaleb(value, scale))


def test_every_minute_to_the_last_digit(engine: Engine, tape: pd.DataFrame) -> None:
    names = [
        "trade_count",
        "base_volume",
        "quote_volume",
        "taker_buy_qty",
        "taker_sell_qty",
        "taker_buy_quote",
        "taker_sell_quote",
        "taker_buy_quote_sq",
        "taker_sell_quote_sq",
        "taker_buy_trade_count",
        "taker_sell_trade_count",
        "whale_buy_quote",
        "whale_sell_quote",
        "retail_buy_quote",
        "retail_sell_quote",
        "price_first",
        "price_last",
        "price_high",
        "price_low",
    ]
    scales = [0, 12, 24, 12, 12, 24, 24, 20, 20, 0, 0, 24, 24, 24, 24, 12, 12, 12, 12]
    got = engine.rows(
        f"SELECT toUnixTimestamp(ts_1m), {', '.join(names)}, toUnixTimestamp64Milli(first_ts), "
        "toUnixTimestamp64Milli(last_ts) FROM marketprism_features.agg_trades_1m ORDER BY ts_1m"
    )
    expected = layer(tape, 60)
    assert len(got) == len(expected) > 1400
    for row, (minute, want) in zip(got, expected.iterrows(), strict=True):
        values = [as_int(Decimal(value), scale) for value, scale in zip(row[1:-2], scales, strict=True)]
        assert row[0] == minute * 60
        assert values == [
            want["count"], want["base"], want["quote"], want["buy_qty"], want["sell_qty"], want["buy_quote"],
            want["sell_quote"], want["buy_square"], want["sell_square"], want["buys"], want["count"] - want["buys"],
            want["buy_whale"], want["sell_whale"], want["buy_retail"], want["sell_retail"], want["first"],
            want["last"], want["high"], want["low"],
        ]  # fmt: skip
        assert row[-2:] == (want["first_ts"], want["last_ts"])


def test_every_hour(engine: Engine, tape: pd.DataFrame) -> None:
    hours, minutes = layer(tape, 3600), layer(tape, 60)
    names = [
        "cvd_qty",
        "cvd_quote",
        "vwap",
        "whale_cvd_quote",
        "retail_cvd_quote",
        "avg_trade_quote",
        "avg_trade_base",
        "taker_buy_avg_trade_quote",
        "taker_sell_avg_trade_quote",
        "taker_buy_hhi_quote",
        "taker_sell_hhi_quote",
        "imbalance_ratio_quote",
        "tw_cvd_quote_norm",
        "price_change",
        "cvd_per_abs_price_change",
        "price_open",
        "price_close",
    ]
    got = engine.rows(
        f"SELECT toUnixTimestamp(ts_1h), trade_count, {', '.join(names)} FROM marketprism_features.agg_trades_1h "
        "ORDER BY ts_1h"
    )
    assert [row[0] for row in got] == [hour * 3600 for hour in hours.index]
    minutes["cvd"] = minutes["buy_quote"] - minutes["sell_quote"]
    minutes["weight"] = minutes.index % 60 + 1
    for row, (hour, want) in zip(got, hours.iterrows(), strict=True):
        inside = minutes[minutes.index // 60 == hour]
        cvd, change = want["buy_quote"] - want["sell_quote"], want["last"] - want["first"]
        expected = [
            (want["buy_qty"] - want["sell_qty"]) / 1e12,
            cvd / 1e24,
            want["quote"] / want["base"] / 1e12,
            (want["buy_whale"] - want["sell_whale"]) / 1e24,
            (want["buy_retail"] - want["sell_retail"]) / 1e24,
            want["quote"] / want["count"] / 1e24,
            want["base"] / want["count"] / 1e12,
            want["buy_quote"] / want["buys"] / 1e24,
            want["sell_quote"] / (want["count"] - want["buys"]) / 1e24,
            want["buy_square"] * 10**28 / want["buy_quote"] ** 2,
            want["sell_square"] * 10**28 / want["sell_quote"] ** 2,
            cvd / want["quote"],
            sum(inside["cvd"] * inside["weight"]) / sum(inside["weight"]) * 60 / 1e24,
            change / 1e12,
            cvd / abs(change) / 1e12 if change else None,
            want["first"] / 1e12,
            want["last"] / 1e12,
        ]
        assert row[1] == want["count"]
        for name, value, wanted in zip(names, row[2:], expected, strict=True):
            if wanted is None:
                assert value is None
            else:
                assert float(value) == pytest.approx(wanted, rel=1e-12, abs=1e-9), name


@pytest.mark.parametrize("check", [*minutes.CHECKS, impact.kyle_within_buckets, flow.flow_by_bucket])
def test_features_of_the_day_equal_the_packages(engine: Engine, check: Callable[[Market], int]) -> None:
    assert check(Market(engine._client, "BTCUSD_PERP", "inverse")) > 0


def test_files_in_the_naming_of_archive_users(engine: Engine, tmp_path: Path) -> None:
    wanted = FlowRange("binance", "inverse", date(2026, 5, 1), date(2026, 5, 31))
    meta = export_flows(engine._client, "BTCUSD_PERP", wanted, tmp_path)
    minutes = pd.read_parquet(tmp_path / "BTCUSD_PERP" / "2026-05.parquet")
    hours = pd.read_csv(tmp_path / "BTCUSD_PERP_aggTrades.csv", parse_dates=["minute"])
    assert json.loads((tmp_path / "BTCUSD_PERP_aggTrades.meta.json").read_text()) == meta
    assert (list(hours.columns), list(minutes.columns)) == (["minute", *HOURS], ["minute", *MINUTES])
    assert (len(hours), len(minutes)) == (meta["hours"], meta["minutes"]) == (24, len(minutes))
    sums = minutes.groupby(minutes["minute"].dt.floor("h"))
    for name in ("trade_count", "base_volume", "quote_volume", "taker_buy_quote", "whale_sell_quote"):
        assert hours[name].to_list() == pytest.approx(sums[name].sum().to_list(), rel=1e-12)
    assert hours["minute"].dt.tz_localize("UTC").to_list() == list(sums.groups)
    assert hours["price_open"].to_list() == sums["price_first"].first().to_list()
    with pytest.raises(QueryError, match="load them with backfill"):
        export_flows(engine._client, "NONE", wanted, tmp_path)


def test_the_trend_state_of_a_real_day_stays(engine: Engine) -> None:
    """Thresholds of its report, on 1,900 buckets; the dwells, against runs that Python counts."""
    names = ("buckets", "flips_per_100", "mean_dwell", "p90_dwell", "share_up", "share_flat", "share_down")
    report = (shipped("sql") / "queries" / "trend_report.sql").read_text().rstrip().rstrip(";")
    (row,) = engine.rows(f"SELECT {', '.join(names)} FROM ({report})")
    said = dict(zip(names, row, strict=True))
    assert said["buckets"] > 1_900
    assert said["flips_per_100"] < 5
    assert said["mean_dwell"] >= 10
    assert said["p90_dwell"] >= 25
    assert max(said["share_up"], said["share_flat"], said["share_down"]) <= 0.8
    states = engine.rows(
        "SELECT trend_state FROM marketprism_features.trend_state_by_bucket "
        "WHERE quality != 'warmup' ORDER BY bucket_id"
    )
    dwells = sorted(len(list(stay)) for _, stay in groupby(state for (state,) in states))
    assert said["mean_dwell"] == pytest.approx(sum(dwells) / len(dwells))
    assert said["p90_dwell"] == dwells[int(0.9 * len(dwells))]
    assert said["flips_per_100"] == pytest.approx(100 * (len(dwells) - 1) / len(states))
