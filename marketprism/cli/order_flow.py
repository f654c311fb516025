"""``order-flow``: from which quote value on a trade is a whale's, and up to which it is retail."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Limits of whale and retail trades in the minute layers.", no_args_is_help=True)
Data = Annotated[Path | None, typer.Option(help="Data directory of the run [MARKETPRISM_DATA_DIR].")]


def _client(data: Path | None) -> Any:
    from marketprism.clickhouse import connect
    from marketprism.supervisor.attach import find_servers

    return connect(find_servers(data).clickhouse)


@app.command()
def show(data: Data = None) -> None:
    """The limits, each with the day from which it holds."""
    from marketprism.order_flow import read_thresholds

    client = _client(data)
    for each in read_thresholds(client):
        print(f"from {each.valid_from}  whale {each.whale:>12,} or more  retail {each.retail:>9,} or less")
    client.close()


@app.command("set")
def set_limits(
    whale: Annotated[int, typer.Option(help="Quote units a trade, or more.")],
    retail: Annotated[int, typer.Option(help="Quote units a trade, or less.")],
    since: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First UTC day it holds for.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept.")],
    over_stored: Annotated[bool, typer.Option(help="Although days from --from on are stored: rebuild them.")] = False,
    data: Data = None,
) -> None:
    """Change the limits from a day on. The view on trades carries them from then on, for live rows and archives."""
    from marketprism.order_flow import Thresholds, set_thresholds

    client = _client(data)
    days = set_thresholds(client, Thresholds(since.date(), whale, retail), reason, over_stored=over_stored)
    client.close()
    for day in days:
        print(f"marketprism buckets rebuild --day {day}")


@app.command()
def apply(data: Data = None) -> None:
    """Write the limits into the view again, after a migration that made it anew."""
    from marketprism.order_flow import apply_thresholds

    client = _client(data)
    print("written" if apply_thresholds(client) else "nothing to do")
    client.close()
