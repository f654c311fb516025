"""The page on a replayed recording: years-old data is shown as recorded, with the numbers of SQL."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.asking import asked
from tests.browser.chromium import Browser
from tests.migrated import Template

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

RECORDING = "binance_usdm_202107_alts.jsonl.zst"
SYMBOL = "SUSHIUSDT"
KEY = f"exchange = 'binance' AND market_type = 'linear' AND symbol = '{SYMBOL}'"


@pytest.fixture(scope="module")
def replayed(
    shared: Path, tmp_path_factory: pytest.TempPathFactory, chromium: None, migrated: Template
) -> Iterator[tuple[str, str]]:
    """Addresses of the page and of ClickHouse, while ``marketprism replay --look`` stays up."""
    folder = tmp_path_factory.mktemp("recorded")
    migrated.seed(folder / "data")
    errors = folder / "stderr.txt"
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "marketprism", "replay", str(shared / "recordings" / RECORDING),
             "--data", str(folder / "data"), "--look", "--json"],
            cwd=folder, stdout=subprocess.PIPE, stderr=stderr, text=True, env={**os.environ, "COLUMNS": "200"},
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 150
        while not (found := re.search(r"look at (http://\S+)", errors.read_text())):
            assert process.poll() is None, errors.read_text()
            assert time.monotonic() < deadline, errors.read_text()
            time.sleep(0.1)
        holder = json.loads((folder / "data" / "supervisor.lock").read_text())
        assert holder["page_url"] == found[1]
        yield found[1], holder["clickhouse_url"]
        process.send_signal(signal.SIGINT)
        report, _ = process.communicate(timeout=40)
        assert json.loads(report)["exact"]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def browser(replayed: tuple[str, str], artifacts: Path) -> Iterator[Browser]:
    browser = Browser(replayed[0], artifacts)
    yield browser
    browser.close()


def test_every_view_loads(browser: Browser) -> None:
    browser.open("/pipeline")
    browser.until("document.querySelectorAll('#flows tbody tr').length >= 2")
    browser.until("document.querySelector('#live').dataset.state === 'recorded'")
    browser.open("/coverage")
    browser.until("document.querySelector('#calendar .day[data-trades]')")
    browser.shot("recorded-coverage")
    browser.open("/features/unified_buckets?column=vwap")
    browser.until("document.querySelector('#values tbody tr')")
    browser.open("/sql?q=SELECT+count()+FROM+marketprism_hot.trades")
    browser.until("document.querySelector('.result tbody td')")


@pytest.mark.parametrize("clock", ["bucket", "time"])
def test_symbol_shows_the_recorded_day(browser: Browser, replayed: tuple[str, str], clock: str) -> None:
    browser.open(f"/symbol/binance/linear/{SYMBOL}?clock={clock}")
    browser.until("document.querySelector('#live').dataset.state === 'recorded'")
    browser.until("Number(document.querySelector('#view').dataset.footprint) > 0")
    ((day, newest),) = asked(
        replayed[1], f"SELECT toDate(max(timestamp)), max(sequence) FROM marketprism_hot.trades WHERE {KEY}"
    )
    assert browser.text("#live b") == f"recorded {day}"
    assert browser.run("document.querySelector('#tape').dataset.sequence") == newest
    ((update, bids),) = asked(
        replayed[1],
        "SELECT last_update_id, bid_prices FROM marketprism_hot.orderbooks "
        f"WHERE {KEY} ORDER BY timestamp DESC, sequence DESC LIMIT 1",
    )
    assert browser.run("document.querySelector('#ladder').dataset.update") == update
    assert float(browser.text(".level.bid .mono").replace(",", "")) == json.loads(bids)[0]
    browser.shot(f"recorded-symbol-{clock}")


def test_a_day_opens_to_its_minutes(browser: Browser, replayed: tuple[str, str]) -> None:
    ((day, trades),) = asked(
        replayed[1],
        f"SELECT toDate(max(timestamp)), count() FROM marketprism_hot.trades WHERE {KEY} AND bucket_id != 0",
    )
    browser.open(f"/coverage/binance/linear/{SYMBOL}/{day}")
    browser.until("document.querySelector('.day-strip svg rect')")
    cell = f'.day[data-key="binance.linear.{SYMBOL}.{day}"]'
    assert browser.run("document.querySelector(arguments[0]).dataset.trades", cell) == trades
