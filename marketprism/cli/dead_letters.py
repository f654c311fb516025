"""``dead-letters``: frames that could not be stored, with the reason: list, try again, or drop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from marketprism.errors import ClickHouseUnreachable, NatsUnreachable, QueryError, SettingsError

app = typer.Typer(help="Frames that could not be stored: list, try again, or drop.", no_args_is_help=True)

Data = Annotated[Path | None, typer.Option(help="Data directory of the run [MARKETPRISM_DATA_DIR, else ./data].")]
Ids = Annotated[list[str] | None, typer.Argument(help="STREAM:SEQUENCE:ROW, as `list` shows them.")]
All = Annotated[bool, typer.Option("--all", help="Every open one.")]
_PREVIEW = 120
_ALL = 1_000_000


def _with_warehouse(data: Path | None, work: Callable[[Any, Any], Awaitable[None]]) -> None:
    """Run ``work(warehouse, servers)`` and close the connection after it.

    Raises ClickHouseUnreachable, NatsUnreachable, QueryError: what the storage service's parts raise is for a worker.
    """
    from nats.errors import Error as NatsError  # what a command runs is imported by it: help is instant

    from marketprism.supervisor.attach import find_servers
    from storage_service.clickhouse_io import ClickHouseAway, InsertRefused, Warehouse

    servers = find_servers(data)

    async def run() -> None:
        warehouse = Warehouse(servers.clickhouse)
        try:
            await work(warehouse, servers)
        except ClickHouseAway as error:
            raise ClickHouseUnreachable(str(error)) from error
        except InsertRefused as error:
            raise QueryError.of(error, "see `marketprism doctor`") from error
        except NatsError as error:
            raise NatsUnreachable.of(servers.nats.url, error) from error
        finally:
            await warehouse.close()

    asyncio.run(run())


async def _chosen(warehouse: Any, ids: list[str] | None, every: bool) -> list[Any]:
    from storage_service.deadletters import list_letters

    if bool(ids) == every:
        raise SettingsError("name the dead letters (`marketprism dead-letters list` shows them), or give --all")
    letters = await list_letters(warehouse, limit=_ALL)
    if every:
        return letters
    unknown = sorted(set(ids or ()) - {letter.id for letter in letters})
    if unknown:
        raise SettingsError(f"no open dead letter {', '.join(unknown)}; `marketprism dead-letters list` shows them")
    return [letter for letter in letters if letter.id in set(ids or ())]


@app.command("list")
def list_command(
    data_type: Annotated[str, typer.Option("--type", help="Only this data type.")] = "",
    status: Annotated[Literal["open", "retried", "dropped"], typer.Option(help="Which ones.")] = "open",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, payload whole.")] = False,
    data: Data = None,
) -> None:
    """List dead letters, oldest first: id, subject, reason, and how the payload begins."""
    import msgspec

    from storage_service.deadletters import list_letters

    async def show(warehouse: Any, _: Any) -> None:
        for letter in await list_letters(warehouse, data_type=data_type, status=status, limit=limit):
            payload = letter.payload.decode(errors="backslashreplace").rstrip("\n")
            if as_json:
                fields = {**msgspec.structs.asdict(letter), "payload": payload, "id": letter.id}
                print(msgspec.json.encode(fields).decode())
            else:
                print(f"{letter.id}\t{letter.subject}\t{letter.error}\t{payload[:_PREVIEW]}")

    _with_warehouse(data, show)


@app.command()
def retry(ids: Ids = None, every: All = False, data: Data = None) -> None:
    """Publish them to their subject again; what fails again becomes a new dead letter.

    Books, best quotes and trades without consecutive ids stay: older than what is stored, they would be dropped.
    """
    from marketprism.status import connect_nats
    from storage_service.deadletters import can_be_retried, retry_letters

    async def again(warehouse: Any, servers: Any) -> None:
        chosen = await _chosen(warehouse, ids, every)
        letters = [letter for letter in chosen if can_be_retried(letter)]
        if len(letters) < len(chosen):
            typer.echo(
                f"{len(chosen) - len(letters)} stay: their ids have gaps of their own, so a row older than the newest "
                "stored counts as a duplicate; `marketprism dead-letters list --json` has the rows, `drop` takes them "
                "off the list",
                err=True,
            )
        client = await connect_nats(servers.nats)
        try:
            print(f"{await retry_letters(warehouse, client.jetstream(), letters)} published again")
        finally:
            await client.close()

    _with_warehouse(data, again)


@app.command()
def drop(ids: Ids = None, every: All = False, data: Data = None) -> None:
    """Take them off the list; the table keeps them as dropped."""
    from storage_service.deadletters import drop_letters

    async def away(warehouse: Any, _: Any) -> None:
        print(f"{await drop_letters(warehouse, await _chosen(warehouse, ids, every))} dropped")

    _with_warehouse(data, away)
