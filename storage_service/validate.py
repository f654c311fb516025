"""Validation on columns, once, before anything is stored: afterwards the engine would wrap or truncate silently.

Every rule is one boolean expression that is true for a bad row, with the words that go to ``dead_letters``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

import polars as pl

from storage_service.allowed import (
    EARLIEST_MS,
    FREE_TEXT,
    LATEST_MS,
    LIVE_SOURCES,
    MAX_MS,
    ONE_OF,
    OTHER_LIMIT,
    PARALLEL,
    POSITIVE,
    PRICE_LIMIT,
    UINT16_MAX,
    names_one_symbol,
)
from storage_service.decode import Decoded
from storage_service.frames import DeadLetter, Frame
from storage_service.schema import DECIMAL, FEW_ROWS, select, wire_columns, with_columns
from storage_service.sound import sound

_DECIMAL_TEXT: Final = r"^-?[0-9]{1,26}(\.[0-9]{1,12})?$"  # \d would let digits of other scripts through to the cast

Rules = list[tuple[pl.Expr, str]]
"""Each expression is true for a bad row, null counts as true, and is named by its place in the list."""


def validate(data_type: str, decoded: Decoded, frames: Sequence[Frame]) -> tuple[pl.DataFrame, list[DeadLetter]]:
    """Good rows with decimals as Decimal(38, 12), and the dead letters of decoding and validation together.

    The columns are those of decoding. Rows keep their order.
    """
    columns = wire_columns(data_type)
    casts = [pl.col(column.name).cast(column.clean) for column in columns if column.clean != column.parsed]
    if decoded.rows.height < FEW_ROWS and sound(data_type, decoded.rows, frames):
        return with_columns(decoded.rows, casts), decoded.dead
    rows = _with_subject(decoded.rows, frames)
    complete = not any(rows[column.name].null_count() for column in columns if not column.nullable)
    rows, dead = _split(rows, _text_rules(data_type, complete), frames)
    rows = with_columns(rows, casts)
    rows, out_of_range = _split(rows, _value_rules(data_type), frames)
    return rows[decoded.rows.columns], [*decoded.dead, *dead, *out_of_range]


def _with_subject(rows: pl.DataFrame, frames: Sequence[Frame]) -> pl.DataFrame:
    """Beside each row what its subject says; a shared frame (symbol ``_n``) leaves the symbol open."""
    subjects = []
    for frame in frames:
        try:
            subject = frame.parsed_subject()
        except ValueError:  # such a frame has no rows here: decoding made it a dead letter
            subjects.append(("", "", ""))
            continue
        symbol = subject.symbol if names_one_symbol(subject.symbol) else ""
        subjects.append((subject.exchange, subject.market_type, symbol))
    table = pl.DataFrame(
        subjects,
        schema=["_exchange", "_market", "_symbol"],
        orient="row",
        schema_overrides=dict.fromkeys(["_exchange", "_market", "_symbol"], pl.String),
    )
    return rows.hstack(table[rows["_frame"]])


def _split(rows: pl.DataFrame, rules: Rules, frames: Sequence[Frame]) -> tuple[pl.DataFrame, list[DeadLetter]]:
    checks = select(rows, [rule for rule, _ in rules])
    if not rows.height or not any(column.any() for column in checks):
        return rows, []
    bad = checks.select(pl.any_horizontal(pl.all())).to_series()
    dead = []
    lines: dict[int, list[bytes]] = {}
    for position in bad.arg_true().to_list():
        index, number = rows["_frame"][position], rows["_row"][position]
        frame = frames[index]
        if index not in lines:
            lines[index] = frame.payload.split(b"\n")
        reason = next(words for i, (_, words) in enumerate(rules) if checks[str(i)][position])
        dead.append(
            DeadLetter(
                stream_seq=frame.seq,
                row_number=number,
                subject=frame.subject,
                payload=lines[index][number - 1],
                error=reason,
                stored_us=frame.stored_us,
            )
        )
    return rows.filter(~bad), dead


@cache
def _text_rules(data_type: str, complete: bool) -> Rules:
    """What can be judged before decimals are numbers: presence, form of decimals, membership, times, arrays.

    ``complete``: nothing is null that must not be, so that need not be asked.
    """
    rules: Rules = []
    columns = wire_columns(data_type)
    names = {column.name for column in columns}
    for column in columns:
        value = pl.col(column.name)
        if not column.nullable and not complete:
            rules.append((value.is_null(), f"{column.name} is missing or null"))
        if column.kind == "decimal":
            bad = ~value.str.contains(_DECIMAL_TEXT)
            rules.append((bad.fill_null(False), f"{column.name} is not a decimal number of at most 12 decimals"))
        elif column.kind == "ms":
            rules.append((~value.fill_null(0).is_between(0, MAX_MS), f"{column.name} is not a time in milliseconds"))
        elif column.kind == "us":
            bad = ~value.fill_null(0).is_between(0, MAX_MS * 1000)
            rules.append((bad, f"{column.name} is not a time in microseconds"))
        elif column.kind == "uint" and column.clean == pl.UInt16():
            rules.append((value.fill_null(0) > UINT16_MAX, f"{column.name} is above {UINT16_MAX}"))
        elif column.kind == "float":
            rules.append((~value.is_finite(), f"{column.name} is not a finite number"))
        elif column.kind == "floats":
            bad = value.list.eval(pl.element().is_finite().fill_null(False)).list.all()
            rules.append((~bad, f"{column.name} holds a value that is not a finite number"))
        elif column.kind == "text" and column.name not in FREE_TEXT:
            rules.append((value.str.len_bytes() == 0, f"{column.name} is empty"))
    for name, allowed in ONE_OF.items():
        if name in names:
            rules.append((~pl.col(name).is_in(list(allowed)), f"{name} is not one of {', '.join(allowed)}"))
    for prices, quantities in PARALLEL:
        if prices in names:
            unequal = pl.col(prices).list.len() != pl.col(quantities).list.len()
            rules.append((unequal, f"{prices} and {quantities} have different lengths"))
    return _named([*rules, *_origin_rules()])


def _origin_rules() -> Rules:
    late = pl.col("timestamp") - pl.col("received_at") // 1000
    return [
        (pl.col("exchange") != pl.col("_exchange"), "exchange is not that of the subject"),
        (pl.col("market_type") != pl.col("_market"), "market_type is not that of the subject"),
        ((pl.col("_symbol") != "") & (pl.col("symbol") != pl.col("_symbol")), "symbol is not that of the subject"),
        (
            pl.col("data_source").is_in(list(LIVE_SOURCES)) & ~late.is_between(EARLIEST_MS, LATEST_MS),
            "timestamp is not within 7 days before and 1 hour after received_at",
        ),
    ]


@cache
def _value_rules(data_type: str) -> Rules:
    """Ranges within which no sum or product of the views can wrap."""
    rules: Rules = []
    for column in wire_columns(data_type):
        if column.kind != "decimal":
            continue
        value = pl.col(column.name)
        is_price = column.name.endswith("price") or column.name == "tick_size"
        limit = pl.lit(PRICE_LIMIT if is_price else OTHER_LIMIT, DECIMAL)
        size = pl.when(value < 0).then(-value).otherwise(value)
        words = f"{column.name} is {'1e12' if is_price else '1e18'} or more"
        rules.append(((size >= limit).fill_null(False), words))
        if column.name.endswith("quantity") or column.name.startswith("open_interest"):
            rules.append(((value < 0).fill_null(False), f"{column.name} is negative"))
        if column.name in POSITIVE:
            rules.append((value <= 0, f"{column.name} is not above 0"))
    return _named(rules)


def _named(rules: Rules) -> Rules:
    return [(rule.fill_null(True).alias(str(place)), words) for place, (rule, words) in enumerate(rules)]
