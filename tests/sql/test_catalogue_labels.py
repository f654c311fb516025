"""Labels, the trend state and excluded intervals against plain Python."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from typing import Any

import numpy as np
import pytest

from tests.sql.catalogue_tape import Tape, epoch_us, insert, make_tape, same
from tests.sql.rows import DAY_MS
from tests.sql.tape import Rows, by_bucket

SPANS = (1, 3, 5, 10)


@pytest.fixture(scope="module")
def tape(engine: Any) -> Tape:
    made = make_tape("LABELUSDT", 95, count=3000)
    insert(engine.client, made)
    insert(engine.client, make_tape("LABELUSDT", 195, count=300), market_type="linear")
    return made


def of_spot(engine: Any, source: str, symbol: str, order: str = "bucket_id") -> list[dict[str, Any]]:
    return engine.rows(f"SELECT * FROM {source} WHERE symbol = '{symbol}' AND market_type = 'spot' ORDER BY {order}")


def mid_at(tape: Tape, times: Any, at: int) -> float | None:
    position = int(np.searchsorted(times, at, side="right")) - 1
    if position < 0 or at - times[position] > 60_000 or not tape.books[position]["asks"]:
        return None
    return (tape.books[position]["bids"][0][0] + tape.books[position]["asks"][0][0]) / 2


def rate(earlier: tuple[int, float | None], later: tuple[int, float | None]) -> float | None:
    """Log return of the mid per second; None without a mid or without time between."""
    (start, one), (end, two) = earlier, later
    return None if one is None or two is None or end == start else math.log(two / one) / ((end - start) / 1000)


def known_us(rows: Rows, following: Rows) -> int:
    """When a bucket was known, epoch µs: by the trade that closed it, else by the clock or a trade after it."""
    received, end = max(row["received_at"] for row in rows), max(row["timestamp"] for row in rows) * 1000
    if max(row["bucket_cut"] for row in rows):
        return max(received, end)
    first = min(row["timestamp"] for row in rows)
    deadline, midnight = (first + rows[0]["bucket_t_max_ms"]) * 1000, (first // DAY_MS + 1) * DAY_MS * 1000
    closed = min([deadline, *(row["received_at"] for row in following)]) if deadline <= midnight else midnight
    return max(received, end, closed)


def test_labels(engine: Any, tape: Tape) -> None:
    rows = {row["bucket_id"]: row for row in of_spot(engine, "marketprism_labels.bucket_labels", tape.symbol)}
    times = np.array([row["timestamp"] for row in tape.books])
    buckets = by_bucket(tape.trades)
    spans = [(min(r["timestamp"] for r in t), max(r["timestamp"] for r in t)) for t in buckets.values()]
    known = [known_us(t, after) for t, after in itertools.pairwise([*buckets.values(), []])]
    ends = [(end, mid_at(tape, times, end)) for _, end in spans]
    speeds = [None, *(rate(a, b) for a, b in itertools.pairwise(ends))]
    assert tape.hole is not None
    hole = [stamp // 1000 * 1000 for stamp in tape.hole]
    settled = int(times[-1])
    left_out, classes, qualities = 0, set(), set()
    for i, (key, (start, _)) in enumerate(zip(buckets, spans, strict=True)):
        end, mid = ends[i]
        last = max(known[i] // 1000 + 300_000, ends[i + 10][0] if i + 10 < len(ends) else 0)
        if hole[0] <= last and hole[1] >= start:
            assert key not in rows
            left_out += 1
            continue
        row = rows.pop(key)
        assert same(row["mid"], mid)
        for span in SPANS:
            follows = i + span < len(ends) and ends[i + span][0] <= settled
            value = rate(ends[i], ends[i + span]) if follows else None
            assert same(row[f"return_per_s_{span}"], value, absolute=1e-14)
        assert epoch_us(row["bucket_available_at"]) == known[i]
        assert same(row["mid_available"], mid_at(tape, times, known[i] // 1000))
        for origin, suffix in ((end, ""), (known[i] // 1000, "_available")):
            one = mid_at(tape, times, origin)
            for name, seconds in (("return_30s", 30), ("return_1m", 60), ("return_5m", 300)):
                at = origin + seconds * 1000
                then = mid_at(tape, times, at) if at <= settled else None
                assert same(row[name + suffix], math.log(then / one) if one and then else None, absolute=1e-12)
        value = rate(ends[i], ends[i + 5]) if i + 5 < len(ends) and ends[i + 5][0] <= settled else None
        assert row["class_fixed"] == (None if value is None else int(value > 1e-5) - int(value < -1e-5))
        past = speeds[max(0, i - 49) : i + 1]
        deviation = float(np.std(past, ddof=1)) if len(past) == 50 and None not in past else None
        assert same(row["past_deviation"], deviation)
        scaled = (
            None if value is None or deviation is None else int(value > deviation / 2) - int(value < -deviation / 2)
        )
        assert row["class_scaled"] == scaled
        classes.add(row["class_fixed"])
        assert epoch_us(row["known_at"]) == last * 1000
        open_yet = i + 10 >= len(ends) or last > settled
        assert row["quality"] == ("stale" if mid is None else "partial" if open_yet else "ok")
        qualities.add(row["quality"])
    assert rows == {}
    assert left_out > 5
    assert classes == {-1, 0, 1, None} or classes == {-1, 1, None}
    assert qualities == {"ok", "partial", "stale"}


def test_no_duration_no_label(engine: Any) -> None:
    rows = make_tape("STILLUSDT", 96, count=40).trades[:6]
    for number, row in enumerate(rows, start=1):
        row.update(timestamp=rows[0]["timestamp"], bucket_id=20240808000000 + number, bucket_cut="volume")
    book = make_tape("STILLUSDT", 96, count=40).books[0]
    start = rows[0]["timestamp"]
    books = [{**book, "sequence": n, "timestamp": at} for n, at in ((1, start - 10), (2, start + 31_000))]
    insert(engine.client, Tape("STILLUSDT", rows, books, [], None))
    got = engine.rows("SELECT * FROM marketprism_labels.bucket_labels WHERE symbol = 'STILLUSDT' ORDER BY bucket_id")
    assert [row["return_per_s_1"] for row in got] == [None] * 6
    assert got[0]["return_30s"] == 0.0


def states(momenta: list[float | None]) -> list[str]:
    """The state machine, step by step."""
    now, out = "flat", []
    for value in momenta:
        if value is None:
            now = "flat"
        elif value >= 1.5:
            now = "up"
        elif value <= -1.5:
            now = "down"
        elif (now == "up" and value < 0.5) or (now == "down" and value > -0.5):
            now = "flat"
        out.append(now)
    return out


def test_trend_state_is_the_state_machine(engine: Any, tape: Tape) -> None:
    rows = of_spot(engine, "marketprism_features.trend_state_by_bucket", tape.symbol)
    assert [row["trend_state"] for row in rows] == states([row["momentum_30"] for row in rows])
    assert {row["trend_state"] for row in rows} == {"up", "flat", "down"}
    held = [abs(row["momentum_30"]) < 1.5 for row in rows if row["trend_state"] != "flat"]
    assert any(held), "hysteresis must be seen"


def test_excluded_intervals(engine: Any, tape: Tape) -> None:
    (hole,) = of_spot(engine, "marketprism_features.excluded_intervals", tape.symbol, "from_time")
    assert tape.hole is not None
    assert (hole["cause"], epoch_us(hole["from_time"]) // 1_000_000) == ("gap in trades", tape.hole[0] // 1000)
    key = "'binance', 'spot', 'LABELUSDT'"
    start = dt.datetime(2024, 8, 8, 20, 0)
    engine.client.command(
        "INSERT INTO marketprism_features.excluded_by_hand (exchange, market_type, symbol, from_time, to_time, reason) "
        f"VALUES ({key}, '2024-08-08 20:00:00', '2024-08-08 20:10:00', 'exchange said so')"
    )
    first, second = of_spot(engine, "marketprism_features.excluded_intervals", tape.symbol, "from_time")
    assert (first["from_time"], first["cause"]) == (start, "by hand: exchange said so")
    assert second == hole


def test_a_jump_is_excluded_and_has_no_label(engine: Any) -> None:
    rows = make_tape("JUMPUSDT", 94, count=40).trades[:2]
    for row, price in zip(rows, ("100", "110.5"), strict=True):
        row.update(price=price, timestamp=rows[0]["timestamp"], bucket_id=20240808000001, bucket_cut="")
    insert(engine.client, Tape("JUMPUSDT", rows, [], [], None))
    (interval,) = of_spot(engine, "marketprism_features.excluded_intervals", "JUMPUSDT", "from_time")
    assert interval["cause"] == "jump"
    assert len(engine.feature("unified_buckets", "JUMPUSDT")) == 1
    assert of_spot(engine, "marketprism_labels.bucket_labels", "JUMPUSDT") == []
