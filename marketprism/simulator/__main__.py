"""``python -m marketprism.simulator``: the simulated exchange as a process; one line on stderr when it is ready."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from marketprism.errors import MarketPrismError
from marketprism.simulator.environment import LINEAR, SPOT
from marketprism.simulator.faults import KINDS, Faults
from marketprism.simulator.server import Simulator, SimulatorOptions


def options_from(arguments: list[str]) -> SimulatorOptions:
    """Parse the command line; raises SettingsError, or SystemExit for usage."""
    parser = argparse.ArgumentParser(prog="marketprism.simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 = any free port")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--symbols", default="BTCUSDT,ETHUSDT", help="comma-separated, each on spot and as a perpetual")
    parser.add_argument("--venues", default=f"{SPOT},{LINEAR}", help="comma-separated <exchange>.<market_type>")
    parser.add_argument("--unlisted", default="", help="symbols that are listed later, by the fault list_symbol")
    parser.add_argument("--history-hours", type=float, default=2.0, help="market hours played first, at full speed")
    parser.add_argument("--ledger", type=Path, help="append every trade to this file, one JSON object a line")
    parser.add_argument("--state", type=Path, help="go on where the run that wrote this file ended; kept up to date")
    parser.add_argument("--fault", action="append", default=[], metavar="KIND[=RATE]", help=", ".join(KINDS))
    parser.add_argument("--fault-seed", type=int, help="a random plan of faults")
    given = parser.parse_args(arguments)
    faults = None
    if given.fault_seed is not None:
        faults = Faults.random_plan(given.fault_seed)
    elif given.fault:
        faults = Faults.parse(given.fault, seed=given.seed)
    return SimulatorOptions(
        host=given.host,
        port=given.port,
        seed=given.seed,
        symbols=_words(given.symbols),
        venues=_words(given.venues),
        unlisted=_words(given.unlisted),
        history_hours=given.history_hours,
        ledger=given.ledger,
        state=given.state,
        faults=faults,
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


async def serve(options: SimulatorOptions) -> None:
    """Run until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with Simulator(options) as exchange:
        sys.stderr.write(f"simulator ready at {exchange.url} (seed {options.seed}, {', '.join(options.symbols)})\n")
        sys.stderr.flush()
        failed = asyncio.create_task(exchange.finished())
        stopped = asyncio.create_task(stop.wait())
        done, pending = await asyncio.wait({failed, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        for task in done:
            task.result()


def main() -> int:
    try:
        options = options_from(sys.argv[1:])
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(options))
    except MarketPrismError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
