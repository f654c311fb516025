"""A market of known trades: what was published, kept as plain Python so that tables can be compared with it."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from marketprism.events import Trade
from marketprism.subjects import frame_id

DAY_US = 86_400_000_000


@dataclass
class Ledger:
    """Seeded trades of some symbols, with sequences from 1 without holes; ``rows`` are the first copies only."""

    seed: int = 1
    symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT", "PEPEUSDT")
    start_ms: int = 1_700_000_000_000
    step_ms: int = 40
    rows: list[Trade] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._next: dict[str, int] = defaultdict(lambda: 1)
        self._now = self.start_ms

    def trade(self, symbol: str) -> Trade:
        """The next trade of a symbol."""
        number = self._next[symbol]
        self._next[symbol] = number + 1
        self._now += self._random.randint(0, self.step_ms)
        scale = {"PEPEUSDT": (10**6, 0, 8), "ETHUSDT": (1, 4, 2)}.get(symbol, (1, 5, 2))
        quantity = Decimal(self._random.randint(1, 90_000)).scaleb(-scale[1]) * scale[0]
        ticks = self._random.randint(3_000_000, 3_010_000)
        price = Decimal(ticks).scaleb(-scale[2])
        row = Trade(
            timestamp=self._now + self._random.choice([0, 0, 0, -3]),
            received_at=self._now * 1000 + 1_500,
            exchange="binance",
            market_type="spot",
            symbol=symbol,
            sequence=number,
            trade_id=str(number),
            trade_kind="trade",
            price=f"{price:f}",
            quantity=f"{quantity:f}",
            native_quantity=f"{quantity:f}",
            side=self._random.choice(["buy", "sell"]),
            is_maker=False,
            trade_time=self._now,
            is_market=self._random.random() > 0.01,
            first_trade_id=number,
            last_trade_id=number,
            tick_size=f"{Decimal(1).scaleb(-scale[2]):f}",
            price_tick=ticks,
        )
        self.rows.append(row)
        return row

    def frames(self, count: int, rows: int = 20) -> list[tuple[str, bytes]]:
        """(subject, payload) of frames of one symbol each."""
        result = []
        for _ in range(count):
            symbol = self._random.choice(self.symbols)
            trades = [self.trade(symbol) for _ in range(self._random.randint(1, rows))]
            result.append((f"md.trades.binance.spot.{symbol}", msgspec.json.Encoder().encode_lines(trades)))
        return result

    def expected_rows(self) -> Counter[tuple[str, int, Decimal, Decimal, str]]:
        """(symbol, sequence, price, quantity, side), each once."""
        return Counter((t.symbol, t.sequence, Decimal(t.price), Decimal(t.quantity), t.side) for t in self.rows)

    def volumes(self) -> dict[str, tuple[int, Decimal, Decimal]]:
        """Symbol → market trades, volume, notional."""
        found: dict[str, tuple[int, Decimal, Decimal]] = {}
        for t in self.rows:
            if t.is_market:
                count, volume, notional = found.get(t.symbol, (0, Decimal(0), Decimal(0)))
                quantity = Decimal(t.quantity)
                found[t.symbol] = (count + 1, volume + quantity, notional + quantity * Decimal(t.price))
        return found


def headers(subject: str, payload: bytes, salt: str = "") -> dict[str, str]:
    """Headers of a frame; a salt makes it another message to the server (a second collector)."""
    return {
        "Nats-Msg-Id": frame_id(subject + salt, payload),
        "Mp-Contract": "1",
        "Mp-Rows": str(payload.count(b"\n")),
        "Mp-Frame": frame_id(subject, payload),
    }
