"""``serving``: which symbols are served bucket features, why not, and what only a person may decide."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from marketprism.errors import SettingsError

app = typer.Typer(help="Degraded symbols: list them, accept an anomaly by hand.", no_args_is_help=True)
Data = Annotated[Path | None, typer.Option(help="Data directory of the run [MARKETPRISM_DATA_DIR].")]


async def _client(data: Path | None) -> Any:
    from marketprism.clickhouse import connect_async
    from marketprism.supervisor.attach import find_servers

    return await connect_async(find_servers(data).clickhouse)


@app.command("list")
def list_states(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a symbol.")] = False, data: Data = None
) -> None:
    """Every symbol that ever changed its state: state, since when, and why."""
    import msgspec

    from monitors.serving.checker import read_states

    async def read() -> Any:
        client = await _client(data)
        try:
            return await read_states(client)
        finally:
            await client.close()

    for (exchange, market, symbol), serving in sorted(asyncio.run(read()).items()):
        since = time.strftime("%F %T", time.gmtime(serving.since_s))
        if as_json:
            body = {"exchange": exchange, "market_type": market, "symbol": symbol, **serving._asdict()}
            print(msgspec.json.encode(body).decode())
        else:
            print(f"{serving.state:<10}  {since}  {exchange} {market} {symbol}  {serving.reason}")


@app.command()
def accept(
    symbol: Annotated[str, typer.Argument(help="exchange.market_type.symbol, as in binance.spot.BTCUSDT")],
    reason: Annotated[str, typer.Option(help="What was found and done; it is kept.")],
    data: Data = None,
) -> None:
    """Say that the bucket ids of a symbol are right again: it recovers, and is healthy after ten complete buckets."""
    from monitors.serving.checker import read_states, write_transition
    from monitors.serving.machine import BY_HAND, Serving, begins_s

    parts = symbol.split(".", 2)
    if len(parts) != 3:
        raise SettingsError(f"{symbol!r} is not exchange.market_type.symbol; write it as in binance.spot.BTCUSDT")
    key = (parts[0], parts[1], parts[2])

    async def write() -> None:
        client = await _client(data)
        try:
            states = await read_states(client)
            if key not in states:
                raise SettingsError(f"{symbol} has never changed its state; see `marketprism serving list`")
            since_s = begins_s(states[key], time.time())
            await write_transition(client, key, Serving("recovering", f"{BY_HAND}: {reason}", since_s))
        finally:
            await client.close()

    asyncio.run(write())
    print(f"{symbol} is recovering; it is healthy again after ten complete buckets")
