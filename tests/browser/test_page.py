"""The page on a live simulated market, in a real Chromium: views, numbers, links, keys, trouble, and attacks on it."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.asking import api, asked
from tests.browser.attacks import AttackCases
from tests.browser.chromium import Browser
from tests.integration.running import Running
from tests.migrated import Template

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

KEY = "exchange = 'binance' AND market_type = 'linear' AND symbol = 'BTCUSDT'"
MARKETS = 4  # two symbols, spot and perpetual, as `up --simulate` has them
SYMBOL = "/symbol/binance/linear/BTCUSDT"
VIEWS = {
    "pipeline": ("/pipeline", "document.querySelectorAll('#flows tbody tr').length > 8"),
    "symbol": (SYMBOL, "Number(document.querySelector('#view').dataset.footprint) > 2"),
    "symbol-time": (f"{SYMBOL}?clock=time", "Number(document.querySelector('#view').dataset.footprint) > 2"),
    "coverage": ("/coverage", "document.querySelectorAll('#calendar .day[data-level]').length > 30"),
    "features": ("/features/vpin_by_bucket", f"document.querySelectorAll('#values tbody tr').length == {MARKETS}"),
    "sql": (
        "/sql?q=SELECT+ts_1m,+symbol,+market_type,+close+FROM+marketprism_features.trades_1m+ORDER+BY+ts_1m&as=chart",
        "document.querySelector('.result-chart canvas') !== null",
    ),
}


def _windows_are_full(status: dict[str, Any]) -> bool:
    return len(status["symbols"]) == MARKETS and all(row.get("vpin") is not None for row in status["symbols"])


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, chromium: None, migrated: Template) -> Iterator[Running]:
    """Every market has its window of fifty buckets: a bucket ends after 12 s, so that none is too quiet in 0.2 h."""
    folder = tmp_path_factory.mktemp("page")
    migrated.seed(folder / "data")
    run = Running(folder, "--simulate", "--history-hours", "0.2", MARKETPRISM_STORAGE_DEFAULT_T_MAX_MS="12000")
    try:
        run.until(_windows_are_full, timeout_s=240)
        yield run
    finally:
        run.kill()


@pytest.fixture(scope="module")
def url(up: Running) -> str:
    return f"http://127.0.0.1:{up.environment['MARKETPRISM_WEB_PORT']}"


@pytest.fixture(scope="module")
def browser(url: str, artifacts: Path) -> Iterator[Browser]:
    browser = Browser(url, artifacts)
    yield browser
    browser.close()


def test_up_prints_the_address(up: Running, url: str) -> None:
    assert f"page {url}" in up.stderr


@pytest.mark.parametrize("name", VIEWS)
def test_view_loads_in_both_themes(browser: Browser, name: str) -> None:
    path, there = VIEWS[name]
    for theme in ("dark", "light"):
        browser.open(f"{path}{'&' if '?' in path else '?'}theme={theme}")
        browser.until(there)
        assert browser.run("document.documentElement.dataset.theme") == theme
        browser.shot(f"{name}-{theme}")
        assert browser.run("document.querySelector('.state.failed') === null")


def test_pages_that_were_left_hold_no_connection(browser: Browser) -> None:
    """A browser has six connections to a host: page after page, no request waits for one, and "back" is live again."""
    for theme in ("dark", "light") * 4:  # the same address again would be a reload, which keeps nothing
        browser.open(f"{SYMBOL}?clock=time&theme={theme}")
        browser.until("Number(document.querySelector('#view').dataset.footprint) > 2")
        waited = browser.run(
            "Math.max(...performance.getEntriesByType('resource').filter((entry) => entry.name.includes('/api/'))"
            ".map((entry) => entry.requestStart - entry.fetchStart))"
        )
        assert waited < 3000, "milliseconds in the browser's own queue"
    update = "document.querySelector('#ladder')?.dataset.update"
    browser.open(SYMBOL)
    left = browser.until(update)
    browser.open("/pipeline")
    browser.driver.back()
    browser.until(f"({update} ?? '{left}') !== '{left}'")


class TestNumbers:
    """What the page shows is what SQL says of the same bucket, book, print, day."""

    def test_features_of_the_newest_bucket(self, browser: Browser, up: Running) -> None:
        browser.open(SYMBOL)
        browser.until("document.querySelector('#stat-vpin')?.dataset.bucket > 0")
        shown = browser.run(
            "(() => { const t = (id) => document.querySelector('#stat-' + id).textContent;"
            " return {bucket: document.querySelector('#stat-vpin').dataset.bucket, vpin: t('vpin'), poc: t('poc'),"
            " number: t('bucket'), r2: t('r2'), quality: t('quality')}; })()"
        )
        ((vpin, r2, poc, cut, quality),) = asked(
            up.clickhouse_url,
            "SELECT vpin, kyle_r2, poc_px, cut_trigger, quality FROM marketprism_features.unified_features_between("
            f"from_bucket = 0, to_bucket = {int(shown['bucket'])}, newest = 60) "
            f"WHERE {KEY} AND bucket_id = {int(shown['bucket'])}",
        )
        decimals = len(shown["poc"].partition(".")[2])
        assert shown["vpin"] == f"{float(vpin):.4f}"
        assert shown["r2"] == f"{float(r2):.3f}"
        assert shown["poc"] == f"{float(poc):,.{decimals}f}"
        assert shown["number"] == f"#{int(shown['bucket']) % 1_000_000} {cut}"
        assert shown["quality"] == quality

    def test_book_and_tape(self, browser: Browser, up: Running) -> None:
        browser.open(SYMBOL)
        browser.until(
            "document.querySelector('#ladder')?.dataset.update && document.querySelector('#tape')?.dataset.sequence"
        )
        shown = browser.run(
            "({update: document.querySelector('#ladder').dataset.update,"
            " bids: [...document.querySelectorAll('.level.bid:not([hidden])')].map((r) => r.children[1].textContent),"
            " sequence: document.querySelector('#tape').dataset.sequence,"
            " print: [...document.querySelector('.print').children].map((c) => c.textContent),"
            " side: document.querySelector('.print').className})"
        )
        ((bids,),) = asked(
            up.clickhouse_url,
            f"SELECT bid_prices FROM marketprism_hot.orderbooks WHERE {KEY} "
            f"AND last_update_id = {int(shown['update'])}",
        )
        prices = json.loads(bids)[: len(shown["bids"])]
        assert len(prices) >= 5
        assert [float(text.replace(",", "")) for text in shown["bids"]] == prices
        ((moment, price, side),) = asked(
            up.clickhouse_url,
            "SELECT formatDateTime(timestamp, '%H:%i:%S', 'UTC'), price, side FROM marketprism_hot.trades "
            f"WHERE {KEY} AND sequence = {int(shown['sequence'])}",
        )
        assert shown["print"][0] == moment
        assert float(shown["print"][1].replace(",", "")) == float(price)
        assert side in shown["side"].split()

    def test_footprint_cells_sum_to_the_bucket(self, url: str, up: Running) -> None:
        symbol = {"exchange": "binance", "market_type": "linear", "symbol": "BTCUSDT"}
        _, buckets = api(url, f"buckets?{urllib.parse.urlencode({**symbol, 'last': 3})}")
        ids = buckets["bucket_id"]
        query = urllib.parse.urlencode({**symbol, "clock": "bucket", "first": ids[0], "last": ids[-1], "step": 7})
        _, foot = api(url, f"footprint?{query}")
        rows = asked(
            up.clickhouse_url,
            "SELECT bucket_id, toFloat64(vol), toFloat64(signed_volume) "
            "FROM marketprism_features.unified_features_between("
            f"from_bucket = {ids[0]}, to_bucket = {ids[-1]}, newest = 0) WHERE {KEY} ORDER BY bucket_id",
        )
        assert [int(row[0]) for row in rows] == ids
        assert [float(row[1]) for row in rows] == buckets["volume"]
        assert [float(row[2]) for row in rows] == buckets["delta"]
        bars = foot["cells"]["bar"]
        for bucket, volume in zip(ids, buckets["volume"], strict=True):
            cells = [foot["cells"]["bid"][k] + foot["cells"]["ask"][k] for k, bar in enumerate(bars) if bar == bucket]
            assert sum(cells) == pytest.approx(volume, rel=1e-9)
        ((cvd,),) = asked(
            up.clickhouse_url,
            f"SELECT toFloat64(sum(2 * buy_vol - vol)) FROM marketprism_features.bucket_flow WHERE {KEY} "
            f"AND intDiv(bucket_id, 1000000) = {ids[-1] // 1_000_000} AND bucket_id <= {ids[-1]}",
        )
        assert buckets["cvd"][-1] == pytest.approx(float(cvd), rel=1e-9)

    def test_coverage_and_stored_rows_lie_between_two_looks(self, browser: Browser, up: Running) -> None:
        def counts() -> tuple[int, int]:
            ((day, stored),) = asked(
                up.clickhouse_url,
                f"SELECT countIf({KEY} AND toDate(timestamp) = today()), count() FROM marketprism_hot.trades",
            )
            return int(day), int(stored)

        before = counts()
        browser.open("/coverage")
        cell = '#calendar .day[data-key^="binance.linear.BTCUSDT"][data-trades]'
        day = int(browser.until(f"[...document.querySelectorAll('{cell}')].at(-1)?.dataset.trades"))
        browser.open("/pipeline")
        # what a page is given at once may be a look that another page had, from before `before`
        number = "Number(document.querySelector('[data-stored=trades]')?.textContent.replaceAll(',', ''))"
        stored = int(browser.until(f"{number} >= {before[1]} && {number}", within_s=10))
        after = counts()
        assert before[0] <= day <= after[0]
        assert stored <= after[1]

    def test_value_of_a_feature(self, browser: Browser, up: Running) -> None:
        browser.open("/features/kyle_lambda_by_bucket?column=kyle_lambda")
        cell = '#values td[data-key="binance.linear.BTCUSDT"]'
        shown = browser.until(
            f"(() => {{ const c = document.querySelector('{cell}'); return c && {{...c.dataset}}; }})()"
        )
        (rows,) = zip(*asked(
            up.clickhouse_url,
            f"SELECT kyle_lambda FROM marketprism_features.kyle_lambda_by_bucket WHERE {KEY} "
            f"AND toUnixTimestamp64Milli(bucket_ts_end) = {int(shown['at'])}",
        ), strict=True)  # fmt: skip
        assert float(shown["value"]) in [float(row) for row in rows]


def test_values_move_without_reload(browser: Browser) -> None:
    browser.open(SYMBOL)
    browser.run("window.here = 1")
    for attribute in ("#ladder')?.dataset.update", "#tape')?.dataset.sequence"):
        first = browser.until(f"document.querySelector('{attribute}")
        browser.until(f"document.querySelector('{attribute} !== arguments[0]", first)
    browser.until("document.querySelector('#live').dataset.state === 'live'")
    assert browser.run("window.here") == 1


def test_deep_links_restore(browser: Browser) -> None:
    browser.open(SYMBOL)
    browser.until(VIEWS["symbol"][1])
    for _ in range(3):
        browser.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft', bubbles: true}))")
    link = browser.until("location.search.includes('from=') && location.pathname + location.search")
    browser.open(link)
    browser.until(VIEWS["symbol"][1])
    browser.until("document.querySelector('.tools button.quiet').hidden === false")
    wanted, got = (
        dict(urllib.parse.parse_qsl(text.partition("?")[2])) for text in (link, browser.run("location.href"))
    )
    assert abs(int(wanted["from"]) - int(got["from"])) <= 1
    browser.click("[data-clock=time]")
    browser.until("location.search.includes('clock=time')")
    browser.open("/features/latest_features?column=spread_bps")
    browser.until("document.querySelector('.values select')?.value === 'spread_bps'")
    browser.open("/coverage")
    browser.until("document.querySelector('.day[data-trades]')")
    browser.click(".day[data-trades]")
    day = browser.until("document.querySelector('.day-strip') && location.pathname")
    assert re.fullmatch(r"/coverage/binance/\w+/\w+/\d{4}-\d\d-\d\d", day)
    browser.open(day)
    browser.until("document.querySelector('.day-strip svg rect')")


def test_keyboard(browser: Browser) -> None:
    browser.open("/pipeline")
    browser.until(VIEWS["pipeline"][1])
    press = "document.dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))"
    for key, view in (("2", "symbol"), ("3", "coverage"), ("4", "features"), ("5", "sql"), ("1", "pipeline")):
        there = f"location.pathname.startsWith('/{view}')"
        again = f"document.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}', bubbles: true}}))"
        browser.until(f"({there}) || ({again}, false)")  # a view that is still loading may miss a key
    theme = browser.run("document.documentElement.dataset.theme")
    browser.run(press, "t")
    assert browser.run("document.documentElement.dataset.theme") != theme
    browser.run(press, "?")
    assert browser.run("document.querySelector('#dialog').open")
    browser.run("document.querySelector('#dialog').close()")


def test_phone_width(browser: Browser) -> None:
    browser.size(390, 844, phone=True)
    try:
        for name, (path, there) in VIEWS.items():
            browser.open(path)
            browser.until(there)
            assert browser.run("document.documentElement.scrollWidth <= 390"), name
            assert browser.run("document.querySelector('.rail').getBoundingClientRect().bottom <= 845"), name
            browser.shot(f"phone-{name}")
    finally:
        browser.size(1440, 900)


class TestSql:
    def test_example_in_one_click_and_table(self, browser: Browser) -> None:
        browser.open("/sql")
        browser.until("document.querySelector('[data-example=newest_values]')")
        browser.click("[data-example=newest_values]")
        assert browser.until("document.querySelectorAll('.result tbody tr').length === 4")
        assert "newest" not in browser.run("document.querySelector('#sql').value.split('\\n')[0]")

    def test_error_is_shown_where_it_is(self, browser: Browser, expected_complaints: list[str]) -> None:
        expected_complaints.append("/api/sql")
        statement = "SELECT symbol,\n  vpinn\nFROM marketprism_features.latest_features"
        browser.open(f"/sql?q={urllib.parse.quote(statement)}")
        browser.until("document.querySelector('.t-wrong')")
        assert browser.text(".t-wrong") == "vpinn"
        assert browser.text(".said") == "line 2, column 3"

    def test_completion_knows_tables_and_columns(self, browser: Browser) -> None:
        browser.open("/sql")
        browser.until("document.querySelectorAll('.tables summary').length > 20")
        typed = (
            "(() => { const t = document.querySelector('#sql'); t.focus(); t.value = arguments[0];"
            " t.setSelectionRange(arguments[1], arguments[1]); t.dispatchEvent(new Event('input')); })()"
        )
        offered = "[...document.querySelectorAll('.completion b')].map((b) => b.textContent)"
        browser.run(typed, "SELECT 1 FROM latest_f", 22)
        assert "marketprism_features.latest_features" in browser.run(offered)
        browser.run(typed, "SELECT micro FROM marketprism_features.latest_features", 12)
        assert browser.run(offered)[0] == "microprice"

    def test_export(self, url: str, up: Running, tmp_path: Path) -> None:
        import pyarrow.parquet as pq

        sql = "SELECT number AS n, toString(number) AS t FROM numbers(70000)"
        for kind in ("csv", "parquet"):
            body = json.dumps({"sql": sql, "format": kind}).encode()
            request = urllib.request.Request(f"{url}/api/sql/export", body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=60) as response:
                (tmp_path / kind).write_bytes(response.read())
        assert len((tmp_path / "csv").read_text().splitlines()) == 70_001
        assert pq.read_table(tmp_path / "parquet").num_rows == 70_000


class TestAttacks(AttackCases):
    """What attacks.py says, on the same run."""


def test_a_hole_is_in_the_calendar_its_day_and_on_the_axis(browser: Browser, url: str, up: Running) -> None:
    where = {"exchange": "binance", "market_type": "spot", "symbol": "ETHUSDT"}
    insert = (
        "INSERT INTO marketprism_hot.gaps (timestamp, received_at, exchange, market_type, symbol, sequence, "
        "data_source, of_type, from_sequence, to_sequence, from_time, to_time, cause, repaired) "
        "SELECT now64(3), now64(6), 'binance', 'spot', 'ETHUSDT', 7, 'marketprism', 'orderbooks', 5, 7, "
        "now64(3) - INTERVAL 90 SECOND, "
        "now64(3) - INTERVAL 60 SECOND, 'resync', false"
    )
    with urllib.request.urlopen(urllib.request.Request(up.clickhouse_url, insert.encode()), timeout=30):
        pass
    now = int(time.time() * 1000)
    _, events = api(url, f"events?{urllib.parse.urlencode({**where, 'from_ms': now - 600_000, 'to_ms': now})}")
    (gap,) = [event for event in events if event["kind"] == "gap"]
    assert gap["text"] == "orderbooks: resync, 3 missing"
    assert gap["to_ms"] - gap["from_ms"] == 30_000
    browser.open("/coverage")
    browser.until("document.querySelector('.day[data-holes][data-key^=\"binance.spot.ETHUSDT\"]')")
    browser.click('.day[data-holes][data-key^="binance.spot.ETHUSDT"]')
    browser.until("document.querySelector('.day-strip rect.hole')")
    assert "orderbooks" in browser.text(".day-detail tbody")
    assert browser.text(".day-detail .chip") == "1 open hole"


class TestTrouble:
    def test_killed_storage_shows_as_stale_and_recovers(self, browser: Browser, up: Running) -> None:
        browser.open(SYMBOL)
        browser.until("document.querySelector('#live').dataset.state === 'live'", within_s=60)
        killed: set[int] = set()

        def stale() -> bool:
            pid = up.pids().get("storage")
            if pid and pid not in killed:  # the supervisor brings it back: with each death it waits longer
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            return bool(browser.run("document.querySelector('#live').dataset.state === 'stale'"))

        browser.until_true(stale, "stale", 60)
        browser.shot("symbol-stale")
        assert browser.text("#live b").startswith("stale")
        browser.until("document.querySelector('#live').dataset.state === 'live'", within_s=90)

    def test_a_page_server_that_dies_is_reconnected_to(
        self, browser: Browser, up: Running, expected_complaints: list[str]
    ) -> None:
        expected_complaints.append("net::ERR_")  # of any name: refused, reset, cut off, or found dead at its next use
        browser.open(SYMBOL)
        browser.until("document.querySelector('#live').dataset.state === 'live'", within_s=60)
        os.kill(up.pids()["web"], signal.SIGKILL)
        browser.until("document.querySelector('#live').dataset.state === 'reconnecting'")
        browser.until("document.querySelector('#live').dataset.state === 'live'", within_s=90)
