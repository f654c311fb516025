"""Faults that are rows: a bucket id out of order, crossed books, a feature that is no longer what it was.

All on an exchange of their own (``test``), so that what the simulator stores stays as it is.
"""

from __future__ import annotations

import datetime as dt
import urllib.error
import urllib.request
from pathlib import Path

from tests.integration.running import Running

EXCHANGE, SYMBOL = "test", "FAULTUSDT"
_KEY = f"'{EXCHANGE}', 'spot', '{SYMBOL}'"
_TRADES = (
    "INSERT INTO marketprism_hot.trades (timestamp, received_at, exchange, market_type, symbol, sequence, trade_id, "
    "trade_kind, data_source, price, quantity, side, is_market, tick_size, bucket_id, bucket_cut, bucket_t_max_ms) "
)
_OWN = ("marketprism_hot.trades", "marketprism_hot.orderbooks", "marketprism_features.bucket_flow")
VIEW = "kyle_lambda_by_bucket"


class Sql:
    """Statements over HTTP."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, statement: str) -> str:
        request = urllib.request.Request(self._url, data=statement.encode())
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return str(response.read().decode().strip())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{error.read().decode()[:500]} in {statement[:200]}") from error


def _trades(first: int, count: int, start: str, step_ms: int, bucket: str, side: str) -> str:
    """One trade a bucket: ``count`` buckets from bucket number ``bucket`` on."""
    return (
        f"{_TRADES} SELECT {start} + toIntervalMillisecond(number * {step_ms}) AS ts, ts, {_KEY}, {first} + number, "
        f"toString({first} + number), 'trade', 'test', 100 + (cityHash64(number) % 9) / 2, "
        f"1 + (cityHash64(number, 1) % 10) / 10, {side}, true, 0.5, "
        f"toUInt64(toYYYYMMDD(ts)) * 1000000 + {bucket} + number, 'volume', 60000 FROM numbers({count})"
    )


def id_anomaly(sql: Sql) -> None:
    """Three buckets of which the second is missing."""
    sql(_trades(1, 1, "now64(3) - INTERVAL 20 SECOND", 1000, "1", "'buy'"))
    sql(_trades(2, 1, "now64(3) - INTERVAL 10 SECOND", 1000, "3", "'buy'"))


def crossed_books(sql: Sql) -> None:
    """Books whose bid is above the ask."""
    sql(
        "INSERT INTO marketprism_hot.orderbooks (timestamp, received_at, exchange, market_type, symbol, sequence, "
        "best_bid_price, best_ask_price, best_bid_quantity, best_ask_quantity, bid_prices, bid_quantities, ask_prices, "
        f"ask_quantities) SELECT now64(3), now64(6), {_KEY}, number, 101, 100, 1, 1, [101.], [1.], [100.], [1.] "
        "FROM numbers(10)"
    )


def drift(sql: Sql, running: Running, folder: Path) -> None:
    """Two weeks ago buyers and sellers took turns; yesterday nine of ten takers bought. Then drift is measured."""
    balanced, one_sided = (f"if(cityHash64(number, 2) % 100 < {share}, 'buy', 'sell')" for share in (50, 90))
    sql(_trades(1_000, 800, "toDateTime64(toDate(now('UTC')) - 10, 3, 'UTC')", 60_000, "1", balanced))
    sql(_trades(100_000, 800, "toDateTime64(toDate(now('UTC')) - 1, 3, 'UTC')", 60_000, "1", one_sided))
    report = folder / "drift.html"
    done = running.command("drift", "--view", VIEW, "--report", str(report))
    assert done.returncode == 1, done.stderr
    assert "<svg" in report.read_text()


def new_reference(sql: Sql, running: Running) -> None:
    """The change is accepted: yesterday becomes the reference, and nothing drifts from it."""
    yesterday = str(dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1))
    done = running.command("drift", "--view", VIEW, "--reference", f"{yesterday}..{yesterday}")
    assert done.returncode == 0, done.stdout + done.stderr
    forget(sql)


def forget(sql: Sql) -> None:
    """By hand: the rows of the fault go."""
    for table in _OWN:
        sql(f"ALTER TABLE {table} DELETE WHERE exchange = '{EXCHANGE}' SETTINGS mutations_sync = 1")
