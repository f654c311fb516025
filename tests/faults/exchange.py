"""The simulated exchange with a fast clock and a pause: ``pause`` and ``go`` on stdin, an answer each on stdout.

The market and its clock stand still until the first ``go``.
Paused, the market stands still and its ledger file holds all it has traded, so that tables can be compared with it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

from marketprism.simulator.server import Simulator, SimulatorOptions


class PausedSimulator(Simulator):
    """A simulator whose steps wait while ``running`` is not set."""

    def __init__(self, options: SimulatorOptions) -> None:
        super().__init__(options)
        self.running = asyncio.Event()

    async def _step(self, step_ms: int) -> None:
        await self.running.wait()
        await super()._step(step_ms)


class FastClock:
    """Milliseconds since the epoch: from ``start_ms`` on, ``speed`` times as fast as the wall once it has begun."""

    def __init__(self, start_ms: int, speed: float) -> None:
        self._start_ms, self._speed, self._began = start_ms, speed, 0.0

    def begin(self) -> None:
        """Go, if it does not yet."""
        self._began = self._began or time.monotonic()

    def __call__(self) -> int:
        passed = time.monotonic() - self._began if self._began else 0.0
        return self._start_ms + int(passed * 1000 * self._speed)


async def serve(given: argparse.Namespace) -> None:
    """Until stdin ends."""
    clock = FastClock(given.start_ms, given.speed)
    options = SimulatorOptions(
        seed=given.seed,
        history_hours=0,
        ledger=given.ledger,
        clock_ms=clock,
        slow_client_s=600,  # a pause holds a step longer than any client does
    )
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with PausedSimulator(options) as exchange:
        print(exchange.url, flush=True)
        while line := (await reader.readline()).strip():
            if line == b"pause":
                exchange.running.clear()
                exchange.trades.flush()
            else:
                clock.begin()
                exchange.running.set()
            print(line.decode(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--start-ms", type=int, required=True)
    parser.add_argument("--speed", type=float, required=True)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
