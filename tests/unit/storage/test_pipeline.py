"""Law: whatever the batches, the restarts and the duplicates, what is stored is what one plain loop would store."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import polars as pl
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from marketprism.events import Trade
from storage_service.batching import accept, clean, finish
from storage_service.buckets.book import BucketBook, Day, SymbolDays, bucket_prefix
from storage_service.buckets.fold import DayState
from storage_service.buckets.plan import SCALE, DayPlan
from storage_service.duplicates import Mark, SequenceJudge
from storage_service.frames import Frame

MIDNIGHT = 19_700 * 86_400_000
PLANS = {
    "volume": DayPlan("trade", "volume", q_bucket=5 * SCALE, t_max_ms=30_000),
    "count": DayPlan("trade", "count", n_trades=3, t_max_ms=30_000),
    "adaptive": DayPlan(
        "trade", "adaptive", q_bucket=5 * SCALE, n_min=2, t_target_s=1.0, t_max_ms=40_000, quality_close=0.8
    ),
    "time": DayPlan("trade", "time", t_max_ms=30_000),
}


@dataclass
class Message:
    symbol: str
    rows: list[Trade]


@st.composite
def traffic(draw: st.DrawFn) -> list[Message]:
    """Two symbols around midnight; holes that close later or never; repeats; prints that are no trades."""
    messages: list[Message] = []
    state = {"A": [0, MIDNIGHT - 60_000], "B": [10**9, MIDNIGHT - 4_000_000]}
    held: list[Message] = []
    for _ in range(draw(st.integers(1, 25))):
        symbol = draw(st.sampled_from("AB"))
        rows = []
        for _ in range(draw(st.integers(1, 6))):
            state[symbol][0] += 1
            state[symbol][1] += draw(st.sampled_from([-500, 0, 10, 900, 40_000, 1_900_000]))
            number, ts = state[symbol]
            quantity = draw(st.sampled_from(["0.5", "1", "2.25", "7", "0.000000000001"]))
            rows.append(trade(symbol, number, ts, quantity, market=draw(st.integers(0, 9)) > 0))
        what = draw(st.sampled_from(["send", "send", "send", "twice", "hold", "lose", "other kind"]))
        message = Message(symbol, rows)
        if what == "hold":
            held.append(message)
        elif what == "other kind":
            messages.append(Message(symbol, [msgspec.structs.replace(r, trade_kind="agg_trade") for r in rows]))
        elif what != "lose":
            messages += [message] * (2 if what == "twice" else 1)
        if held and draw(st.booleans()):
            messages.append(held.pop(0))
    return messages


def trade(symbol: str, number: int, ts: int, quantity: str, market: bool) -> Trade:
    return Trade(
        timestamp=ts,
        received_at=ts * 1000,
        exchange="binance",
        market_type="spot",
        symbol=symbol,
        sequence=number,
        trade_id=str(number),
        trade_kind="trade",
        price="10",
        quantity=quantity,
        native_quantity=quantity,
        side="buy",
        is_maker=False,
        trade_time=ts,
        is_market=market,
        first_trade_id=number,
        last_trade_id=number,
        tick_size="0.1",
        price_tick=100,
    )


@dataclass
class Reference:
    """One row at a time, on dictionaries and sets."""

    plan: DayPlan
    stored: list[dict[str, Any]] = field(default_factory=list)
    seen: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    kind_of: dict[tuple[str, int], str] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    days: dict[tuple[str, int], dict[str, int]] = field(default_factory=dict)

    def take(self, row: Trade) -> None:
        seen = self.seen.setdefault((row.symbol, row.trade_kind), set())
        if row.sequence in seen or (seen and row.sequence < min(seen)):
            return
        late = bool(seen) and row.sequence < max(seen)
        seen.add(row.sequence)
        bucket, cut = 0, ""
        day = row.timestamp // 86_400_000
        if row.is_market:
            self.kind_of.setdefault((row.symbol, day), row.trade_kind)
            if not late and self.kind_of[row.symbol, day] == row.trade_kind:
                self.newest[row.symbol] = max(self.newest.get(row.symbol, 0), row.timestamp)
                if self.newest[row.symbol] >= (day + 1) * 86_400_000 + 3_600_000:
                    late = True
                else:
                    bucket, cut = self._bucket(row, day)
        self.stored.append(
            {
                "symbol": row.symbol,
                "kind": row.trade_kind,
                "sequence": row.sequence,
                "bucket": bucket,
                "cut": cut,
                "late": late,
            }
        )

    def _bucket(self, row: Trade, day: int) -> tuple[int, str]:
        state = self.days.setdefault((row.symbol, day), {"n": 0, "open": 0})
        if state["open"] and row.timestamp >= state["first"] + self.plan.t_max_ms:
            state["open"] = 0
        if not state["open"]:
            state.update(n=state["n"] + 1, open=1, volume=0, trades=0, first=row.timestamp, last=row.timestamp)
        whole, _, fraction = row.quantity.partition(".")
        state["volume"] += int(whole + fraction.ljust(12, "0"))
        state["trades"] += 1
        state["last"] = max(state["last"], row.timestamp)
        closes = self._closes(state)
        if closes:
            state["open"] = 0
        return int(datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y%m%d")) * 10**6 + state["n"], (
            "count" if self.plan.mode == "count" else "volume"
        ) if closes else ""

    def _closes(self, state: dict[str, int]) -> bool:
        if self.plan.mode == "volume":
            return state["volume"] >= self.plan.q_bucket
        if self.plan.mode == "count":
            return state["trades"] >= self.plan.n_trades
        if self.plan.mode == "adaptive":  # q 5, target 1 s, two trades: four fifths of each
            return state["volume"] >= 4 * SCALE and state["last"] - state["first"] >= 800 and state["trades"] >= 2
        return False


class Table:
    """What ClickHouse would hold, and the state a worker recovers from it below a position."""

    def __init__(self) -> None:
        self.rows = pl.DataFrame()
        self.holes: dict[tuple[str, ...], list[tuple[int, int]]] = {}
        self.plans: dict[tuple[Any, int], DayPlan] = {}

    def recover(self) -> tuple[SequenceJudge, BucketBook]:
        book, marks = BucketBook(), {}
        if self.rows.height:
            by = ["exchange", "market_type", "symbol", "trade_kind"]
            for *key, top in self.rows.group_by(by).agg(pl.col("sequence").max()).iter_rows():
                marks[tuple(key)] = Mark(top, list(self.holes.get(tuple(key), [])))
            bearing = self.rows.filter(pl.col("bucket_id") != 0).with_columns(
                day=pl.col("timestamp").dt.epoch("ms") // 86_400_000, ms=pl.col("timestamp").dt.epoch("ms")
            )
            for (symbol, day), part in bearing.group_by("symbol", "day"):
                key3 = ("binance", "spot", symbol)
                last = part.filter(pl.col("bucket_id") == part["bucket_id"].max()).sort("sequence")
                volume = sum(int(q * SCALE) for q in last["quantity"])
                state = DayState(
                    last["bucket_id"][0] % 10**6,
                    last["bucket_cut"][-1] == "",
                    volume,
                    last.height,
                    0,
                    last["ms"][0],
                    last["ms"].max(),
                )
                entry = book.symbols.setdefault(key3, SymbolDays())
                entry.days[day] = Day(self.plans[key3, day], state, bucket_prefix(day))
                entry.max_ms = max(entry.max_ms, part["ms"].max())
        return SequenceJudge("trades", marks), book


def store(table: Table, frames: list[Frame], judge: SequenceJudge, book: BucketBook, plan: DayPlan) -> bytes:
    rows, dead = clean("trades", frames)
    assert not dead
    accepted = accept(rows, dead, judge, book)
    for request in accepted.missing_days:
        frozen = table.plans.setdefault((request.symbol, request.day), replace(plan, trade_kind=request.trade_kind))
        book.open_days([(request.symbol, request.day, frozen)])
    return finish("trades", accepted, book).body


@settings(max_examples=100, deadline=None)
@given(
    traffic(),
    st.lists(st.integers(0, 3), min_size=1, max_size=40),
    st.lists(st.booleans(), min_size=1, max_size=40),
    st.sampled_from(sorted(PLANS)),
)
def test_any_cut_any_restart_any_duplication(messages, sizes, restarts, mode):
    encoder = msgspec.json.Encoder()
    frames = [
        Frame.of(i + 1, f"md.trades.binance.spot.{m.symbol}", encoder.encode_lines(m.rows), 0)
        for i, m in enumerate(messages)
    ]
    table = Table()
    judge, book = table.recover()
    position = step = 0
    while position < len(frames):
        part = frames[position : position + 1 + sizes[step % len(sizes)]]
        body = store(table, part, judge, book, PLANS[mode])
        if restarts[step % len(restarts)]:  # killed after the intent: the replay must give the same bytes
            judge, book = table.recover()
            assert store(table, part, judge, book, PLANS[mode]) == body
        if body:
            batch = pl.DataFrame(pl.from_arrow(pa.ipc.open_stream(body).read_all()))
            table.rows = pl.concat([table.rows, batch]) if table.rows.height else batch
        table.holes = {key: list(mark.holes) for key, mark in judge.marks.items()}
        position += len(part)
        step += 1
    reference = Reference(PLANS[mode])
    for message in messages:
        for row in message.rows:
            reference.take(row)
    got = (
        table.rows.select(
            "symbol", kind="trade_kind", sequence="sequence", bucket="bucket_id", cut="bucket_cut", late="late"
        ).to_dicts()
        if table.rows.height
        else []
    )
    assert got == reference.stored
