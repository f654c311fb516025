"""``query`` and ``migrate``: SQL from the command line, and the schema."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from marketprism.errors import QueryError, SettingsError


def query(
    statement: Annotated[str, typer.Argument(help="One SQL statement; - reads it from stdin.")],
    output_format: Annotated[
        str | None,
        typer.Option("--format", help="Any ClickHouse format [PrettyCompact at a terminal, else TSVWithNames]."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Data directory; its engine is opened in process when nothing serves it.")
    ] = None,
) -> None:
    """Run SQL against the running server, or against a data directory, and write the result to stdout."""
    from marketprism.query import run_query  # what a command runs is imported by it: help is instant

    text = sys.stdin.read() if statement == "-" else statement
    if not text.strip():
        raise QueryError("no statement given; write one, or - and one on stdin")
    chosen = output_format or ("PrettyCompactMonoBlock" if sys.stdout.isatty() else "TSVWithNames")
    for chunk in run_query(text, chosen, data):
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def migrate(
    print_only: Annotated[
        bool, typer.Option("--print", help="Name what is pending, or show a cluster's SQL; apply nothing.")
    ] = False,
    cluster: Annotated[
        str | None,
        typer.Option(help="Replicated tables on every shard of this cluster, and twins that read all shards."),
    ] = None,
) -> None:
    """Bring the schema of the ClickHouse in the settings up to this version."""
    from marketprism.clickhouse import connect
    from marketprism.migrate import migrate as apply
    from marketprism.migrate import pending, scripts
    from marketprism.supervisor.attach import find_servers

    if cluster is not None and not cluster.strip():  # a shell variable that is not set: it would be a plain migration
        raise SettingsError("--cluster is empty; name the cluster, or leave it out for one server")
    if cluster and print_only:
        for name, text in scripts(cluster=cluster).items():
            print(f"-- {name}\n{text}")
        return
    client = connect(find_servers().clickhouse)
    try:
        for name in pending(client) if print_only else apply(client, cluster=cluster or ""):
            print(name)
    finally:
        client.close()


def lint_sql(
    files: Annotated[list[Path] | None, typer.Argument(help="SQL files; none = every feature of the tree.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout: a list of findings.")] = False,
) -> None:
    """Refuse SQL that lets a feature see the future: one line a finding, exit 1 when there is one.

    A rule that is broken on purpose is waived in its file: `-- leak-ok: <rule>: <reason>`.
    """
    from dataclasses import asdict

    import msgspec

    from marketprism.errors import SqlFileError
    from marketprism.leaklint import default_files, lint_tree

    chosen = files or default_files()
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # what it cannot read is a finding
    try:
        findings = lint_tree(chosen)
    except (OSError, UnicodeDecodeError) as error:
        raise SqlFileError(f"cannot read SQL: {error}; give files of SQL text") from error
    if as_json:
        print(msgspec.json.encode([asdict(finding) for finding in findings]).decode())
    else:
        for finding in findings:
            print(finding)
        print(f"{len(chosen)} files, {len(findings)} findings", file=sys.stderr)
    raise typer.Exit(1 if findings else 0)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    # a pasted statement may begin with a comment, which looks like an option
    app.command(context_settings={"ignore_unknown_options": True})(query)
    app.command()(migrate)
    app.command("lint-sql")(lint_sql)
