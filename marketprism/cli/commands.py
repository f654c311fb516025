"""Every command of ``marketprism``, one file a group."""

from __future__ import annotations

import typer

from marketprism.cli import (
    archive,
    backfill,
    buckets,
    calibrate,
    dead_letters,
    drift,
    features,
    importing,
    inspect,
    integrity,
    order_flow,
    page,
    panel,
    play,
    serve,
    serving,
    sql,
)

app = typer.Typer(
    name="marketprism",
    help="Exchange wire traffic to point-in-time-correct microstructure features, queried with SQL.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (play, serve, page, sql, inspect, archive, calibrate, drift, integrity):
    part.register(app)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(features.app, name="features")
app.add_typer(serving.app, name="serving")
app.add_typer(backfill.app, name="backfill")
app.add_typer(importing.app, name="import")
app.add_typer(panel.app, name="panel")
app.add_typer(buckets.app, name="buckets")
app.add_typer(order_flow.app, name="order-flow")
