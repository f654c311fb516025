"""CPU of the collector per message, parse → row → frame → publish, and what one process takes through to JetStream.

``main()`` gives figures by name: ``…_us`` are CPU microseconds a message, ``…_per_s`` messages a second of wall time,
``…_per_core_s`` messages a second of the process's own CPU (its server and this machine's other work have theirs).
Messages are made here (seeded), shaped like Binance's: trades, aggregated trades, mark prices, depth diffs of 20 and of
44 levels (the mean of a recorded spot stream) around a book of 1,000 levels a side.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry

from collector.framing import Frame, Framer
from collector.market import BookOptions, Market
from collector.metrics import CollectorMetrics
from collector.publisher import Publisher
from collector.venue import BookUpdate
from marketprism.settings import NatsSettings
from marketprism.streams import ensure_streams
from tests.unit.collector.feeding import core, instrument

_FRAME_S = 0.02
_PARTS = 24
_NOW = 1_700_000_000_000
_Levels = list[tuple[str, str]]


def _trades(count: int, symbols: Sequence[str], event: str = "trade") -> list[bytes]:
    rng = random.Random(1)
    made = []
    for number in range(count):
        symbol = symbols[number % len(symbols)]
        sequence = number // len(symbols) + 1
        ids = {"t": sequence} if event == "trade" else {"a": sequence, "f": sequence, "l": sequence}
        data = {"e": event, "E": _NOW + number, "s": symbol, **ids, "p": f"{61000 + rng.random() * 100:.2f}000000"}
        data |= {"q": f"{rng.random():.5f}000", "T": _NOW + number, "m": rng.random() < 0.5}
        made.append(json.dumps({"stream": f"{symbol.lower()}@{event}", "data": data}).encode())
    return made


def _marks(count: int) -> list[bytes]:
    made = []
    for number in range(count):
        data = {"e": "markPriceUpdate", "E": _NOW + number, "s": "BTCUSDT", "p": f"{61000 + number % 97}.12345678"}
        data |= {"i": "61001.12345678", "r": "0.00010000", "T": _NOW + 10**7}
        made.append(json.dumps({"stream": "btcusdt@markPrice@1s", "data": data}).encode())
    return made


def _price(step: int) -> str:
    return f"{61000 + step / 100:.2f}000000"


def _book(levels: int) -> tuple[_Levels, _Levels]:
    rng = random.Random(2)
    bids = [(_price(-1 - 2 * rank), f"{rng.random() + 0.00001:.5f}000") for rank in range(levels)]
    asks = [(_price(1 + 2 * rank), f"{rng.random() + 0.00001:.5f}000") for rank in range(levels)]
    return bids, asks


def _depths(count: int, levels: int, symbols: Sequence[str], chained: bool = False) -> list[bytes]:
    """Changes fall off with the distance from the best; two in five delete."""
    rng = random.Random(3)
    made = []
    for number in range(count):
        symbol = symbols[number % len(symbols)]
        update = number // len(symbols)
        sides = []
        for sign in (-1, 1):
            ranks = {min(int(rng.expovariate(1 / 60)), 999) for _ in range(levels // 2)}
            sides.append(
                [
                    [_price(sign * (3 + rank)), "0.00000000" if rng.random() < 0.4 else f"{rng.random() + 0.1:.5f}000"]
                    for rank in ranks
                ]
            )
        data = {"e": "depthUpdate", "E": _NOW + 100 * update, "s": symbol, "U": 100 + update, "u": 100 + update}
        data |= {"b": sides[0], "a": sides[1], **({"pu": 99 + update, "T": data["E"]} if chained else {})}
        made.append(json.dumps({"stream": f"{symbol.lower()}@depth@100ms", "data": data}).encode())
    return made


def _market(
    symbols: Sequence[str],
    sink: Callable[[Frame], None],
    venue: str = "binance.spot",
    framer: Framer | None = None,
    **options: int,
) -> Market:
    inverse = venue == "binance.inverse"
    listed = [
        instrument(venue.partition(".")[2], symbol, "0.01", is_inverse=inverse, multiplier="100" if inverse else "1")
        for symbol in symbols
    ]
    played = core(venue, dict.fromkeys(symbols, "0.01"), instruments=listed)
    framer = framer or Framer(sink, max_rows=200, max_bytes=64 << 10, partitions=1)
    return Market(played.venue, BookOptions(**options), CollectorMetrics(CollectorRegistry()), framer.add)


def _load_books(market: Market, symbols: Sequence[str], levels: int = 1000) -> None:
    bids, asks = _book(levels)
    for symbol in symbols:
        market.snapshot(BookUpdate(symbol, 99, 99, 0, 0, 0, bids, asks, snapshot=True))


def _cpu_us(market: Market, messages: list[bytes]) -> float:
    start = time.process_time()
    for number, message in enumerate(messages):
        market.receive(message, (_NOW + number) * 1000)
    spent = time.process_time() - start
    if market._metrics.counts["errors"]:
        raise RuntimeError(f"the bench made bad messages: {dict(market._metrics.counts['errors'])}")
    return spent / len(messages) * 1e6


def _per_type() -> dict[str, float]:
    one = ["BTCUSDT"]
    figures = {"trade_us": _cpu_us(_market(one, lambda _: None), _trades(40_000, one))}
    figures["agg_trade_us"] = _cpu_us(_market(one, lambda _: None, "binance.linear"), _trades(40_000, one, "aggTrade"))
    figures["inverse_agg_trade_us"] = _cpu_us(
        _market(one, lambda _: None, "binance.inverse"), _trades(40_000, one, "aggTrade")
    )
    figures["mark_price_us"] = _cpu_us(_market(one, lambda _: None, "binance.linear"), _marks(20_000))
    market = _market(one, lambda _: None, "binance.inverse")
    _load_books(market, one)
    figures["inverse_depth_20_levels_us"] = _cpu_us(market, _depths(8_000, 20, one, chained=True))
    for levels in (20, 44):
        market = _market(one, lambda _: None)
        _load_books(market, one)
        figures[f"depth_{levels}_levels_us"] = _cpu_us(market, _depths(8_000, levels, one))
    market = _market(one, lambda _: None, interval_ms=1000)
    _load_books(market, one)
    figures["depth_20_levels_no_row_us"] = _cpu_us(market, _depths(8_000, 20, one))
    return figures


def _in_bursts(messages: list[bytes], symbols: int, burst: int) -> list[bytes]:
    """Messages that go round the symbols, a symbol's next ``burst`` together instead of one by one."""
    rounds = [messages[at : at + symbols] for at in range(0, len(messages), symbols)]
    groups = [rounds[at : at + burst] for at in range(0, len(rounds), burst)]
    return [message for group in groups for of_one in zip(*group, strict=True) for message in of_one]


def _scaling() -> dict[str, float]:
    """Messages go round the symbols, so every one finds its book cold when there are many; ``in_bursts``: 12 of one
    symbol together find it warm. The numbers of symbols take turns of 500 messages; medians of the turns and their
    ratios."""
    figures: dict[str, float] = {}
    markets: dict[str, tuple[Market, Sequence[str]]] = {}
    for label, count in (("1", 1), ("10", 10), ("100", 100), ("1000", 1000), ("1000_in_bursts", 1000)):
        symbols = [f"S{number}USDT" for number in range(count)]
        markets[label] = _market(symbols, lambda _: None), symbols
        _load_books(*markets[label], 400)
        if label == str(count):
            figures[f"resident_mb_{label}_symbols_400_levels"] = _resident_mb()
    makers: list[tuple[str, Callable[[Sequence[str]], list[bytes]]]] = [
        ("trade_us", lambda symbols: _trades(24_000, symbols)),
        ("depth_20_levels_us", lambda symbols: _depths(24_000, 20, symbols)),
    ]
    for kind, make in makers:
        messages = {label: make(symbols) for label, (_, symbols) in markets.items()}
        messages["1000_in_bursts"] = _in_bursts(messages["1000_in_bursts"], 1000, 12)
        took: dict[str, list[float]] = {label: [] for label in markets}
        for at in range(0, 24_000, 500):
            for label, (market, _) in markets.items():
                took[label].append(_cpu_us(market, messages[label][at : at + 500]))
        for label, times in took.items():
            figures[f"{kind}_{label}_symbols"] = statistics.median(times)
        for label in ("1000", "1000_in_bursts"):
            ratios = [big / small for big, small in zip(took[label], took["10"], strict=True)]
            figures[f"{kind}_{label}_to_10_symbols"] = statistics.median(ratios)
    return figures


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


class _Line:
    """Messages of some symbols in memory → acknowledged frames in a real JetStream, a part at a time."""

    def __init__(self, publisher: Publisher, symbols: Sequence[str], messages: list[bytes], parts: int) -> None:
        self._publisher = publisher
        self._framer = Framer(publisher.offer, max_rows=200, max_bytes=64 << 10, partitions=1)
        self._market = _market(symbols, publisher.offer, framer=self._framer)
        self._messages = messages
        self._size = len(messages) // (parts + 1)
        self._at = 0
        self.cpu_us: list[float] = []
        self.per_s: list[float] = []
        _load_books(self._market, symbols, 400)

    async def part(self) -> None:
        """As fast as it goes, until all of it is acknowledged; open frames leave every 20 ms, as in the service."""
        start, cpu = time.monotonic(), time.process_time()
        flushed = start
        for number in range(self._at, self._at + self._size):
            self._market.receive(self._messages[number], (_NOW + number) * 1000)
            if number % 64 == 0:
                await self._publisher.room()
                await asyncio.sleep(0)
                if (now := time.monotonic()) - flushed > _FRAME_S:
                    self._framer.flush()
                    flushed = now
        self._framer.flush()
        await self._publisher.drained()
        if self._at:  # the first messages of a symbol make its buffers
            self.cpu_us.append((time.process_time() - cpu) / self._size * 1e6)
            self.per_s.append(self._size / (time.monotonic() - start))
        self._at += self._size


async def _through(url: str, kind: str, make: Callable[[Sequence[str]], list[bytes]]) -> dict[str, float]:
    """Medians of parts; the numbers of symbols take turns, so that the machine's other work meets all of them."""
    settings = NatsSettings(_env_file=None, url=url, stream_max_bytes=64 << 20)
    publisher = Publisher(
        settings,
        CollectorMetrics(CollectorRegistry()),
        prepare=lambda client: ensure_streams(client.jetstream(), settings),
        stored=lambda _: None,
    )
    running = asyncio.create_task(publisher.run())
    await publisher.connected.wait()
    names = {count: [f"S{number}USDT" for number in range(count)] for count in (1, 10, 100, 1000)}
    lines = {count: _Line(publisher, symbols, make(symbols), _PARTS) for count, symbols in names.items()}
    for _ in range(_PARTS + 1):
        for line in lines.values():
            await line.part()
    running.cancel()
    await asyncio.wait([running])
    figures: dict[str, float] = {}
    for count, line in lines.items():
        cost = statistics.median(line.cpu_us)
        figures[f"{kind}_{count}_symbols_to_jetstream_per_s"] = statistics.median(line.per_s)
        figures[f"{kind}_{count}_symbols_to_jetstream_us"] = cost
        figures[f"{kind}_{count}_symbols_to_jetstream_per_core_s"] = 1e6 / cost
    ratios = [big / small for big, small in zip(lines[1000].cpu_us, lines[10].cpu_us, strict=True)]
    figures[f"{kind}_to_jetstream_us_1000_to_10_symbols"] = statistics.median(ratios)
    return figures


async def _jetstream() -> dict[str, float]:
    server = Path(sys.executable).parent / "nats-server"
    with tempfile.TemporaryDirectory(prefix="bench-collector-") as folder:
        ports = Path(folder) / "ports"
        ports.mkdir()
        command = [str(server), "-js", "-sd", folder, "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", str(ports)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not (files := list(ports.glob("*.ports"))):
                await asyncio.sleep(0.02)
            url = json.loads(files[0].read_text())["nats"][0]
            trades = await _through(url, "trades", lambda symbols: _trades(70_000, symbols))
            return trades | await _through(url, "depth", lambda symbols: _depths(21_000, 20, symbols))
        finally:
            process.kill()
            process.wait()


def main() -> dict[str, float]:
    """Every figure, rounded to what repeats."""
    figures = {**_per_type(), **_scaling(), **asyncio.run(_jetstream())}
    return {name: round(value, 2) for name, value in figures.items()}


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name:45} {value:12,.2f}")
