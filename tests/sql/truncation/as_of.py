"""What is told as of an instant: views with the instant as a parameter, refreshable views, outputs of jobs.

Told of all data as of the cut, it is what is told of the cut. Nothing here has a key: a reading is a list of rows.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from marketprism.jobs import Job
from tests.sql.truncation.comparing import unequal
from tests.sql.truncation.cuts import Cut, outputs
from tests.sql.truncation.reading import Row

Readings = dict[str, list[Row]]
"""Symbol → its rows in order."""
Reader = Callable[[Any, Cut], Readings]
NOW = re.compile(r"now64\([36], 'UTC'\)|now\(\)|now\('UTC'\)")
OF_RUN = ("symbol", "run_id")
PRICES = (59_990.0, 60_000.0, 60_010.0)


@dataclass(slots=True)
class Told:
    """What was compared: rows of the whole data, and what of them is not told of the cuts."""

    rows: int
    columns: int
    found: list[str]


def compare(client: Any, reader: Reader, whole: str, cuts: list[Cut], hole_us: int) -> Told:
    """Read as of every cut, and compare what is told of the symbol ``whole`` and of the cut."""
    told = Told(0, 0, [])
    for cut in cuts:
        readings = reader(client, cut)
        rows, others = (readings.get(symbol, []) for symbol in (whole, cut.symbol))
        told.rows += len(rows)
        told.columns = max([told.columns, *map(len, rows)])
        told.found += [f"{cut.symbol}: {difference}" for difference in _differences(rows, others, cut, hole_us)]
    return told


def _differences(rows: list[Row], others: list[Row], cut: Cut, hole_us: int) -> Iterator[str]:
    if len(rows) != len(others):
        yield f"{len(rows)} rows of all data, {len(others)} at {cut.at_us}"
        return
    for row, other in zip(rows, others, strict=True):
        yield from unequal(row, other, cut, hole_us)


def refreshed(client: Any) -> dict[str, str]:
    """Refreshable view → its SELECT."""
    rows = client.query(
        "SELECT name, as_select FROM system.tables WHERE database = 'marketprism_features' "
        "AND engine = 'MaterializedView' AND create_table_query LIKE '%REFRESH %' ORDER BY name"
    ).result_rows
    return dict(rows)


def at_instant(select: str) -> Reader:
    """What a SELECT that asks the clock would have answered at the cut."""
    assert NOW.search(select), f"nothing in it is as of an instant: {select[:200]}"

    def reader(client: Any, cut: Cut) -> Readings:
        at = f"toDateTime64('{_words(cut.at)}', 6, 'UTC')"
        return _of(client, f"({NOW.sub(at, select)})", cut)

    return reader


def candidates(view: str, hours: int) -> Reader:
    """A view with the parameters of ``footprint_candidates_at``."""
    return lambda client, cut: _of(
        client, f"marketprism_features.{view}(run_at = '{_words(cut.at, 3)}', hours = {hours})", cut
    )


def levels(view: str) -> Reader:
    """A view with the parameters of ``dynamic_levels``, of every symbol at some prices."""

    def reader(client: Any, cut: Cut) -> Readings:
        out: Readings = defaultdict(list)
        for price in PRICES:
            for symbol in (_whole(cut), cut.symbol):
                given = (
                    f"exchange = 'binance', market_type = 'spot', symbol = '{symbol}', at = '{_words(cut.at, 3)}', "
                    f"price = {price}"
                )
                out[symbol] += _of(client, f"marketprism_features.{view}({given})", cut)[symbol]
        return out

    return reader


def job_outputs(job: Job, ahead: dt.timedelta = dt.timedelta(0)) -> Reader:
    """What a job writes as of the cut, or as of so much later."""

    def reader(client: Any, cut: Cut) -> Readings:
        made = outputs(client, job, cut.at_us + ahead // dt.timedelta(microseconds=1))
        return _by_symbol(made.to_pylist())

    return reader


def _of(client: Any, source: str, cut: Cut) -> Readings:
    asked = f"symbol IN ('{_whole(cut)}', '{cut.symbol}')"
    return _by_symbol(list(client.query(f"SELECT * FROM {source} WHERE {asked} ORDER BY ALL").named_results()))


def _by_symbol(rows: list[Row]) -> Readings:
    out: Readings = defaultdict(list)
    for row in rows:
        out[row["symbol"]].append({name: value for name, value in row.items() if name not in OF_RUN})
    return out


def _whole(cut: Cut) -> str:
    return cut.symbol.rstrip("0123456789")


def _words(at: dt.datetime, digits: int = 6) -> str:
    return f"{at:%F %T.%f}"[: -(6 - digits) or None]
