"""Bring a ClickHouse to the schema of this checkout: ``migrations/NNNN_verb_object.sql``, applied once and in order.

The clickhouse-migrations library applies the files and keeps ``marketprism_hot.schema_versions``. With a cluster's name
the same files are rewritten for it (``marketprism.cluster``); what is recorded is the digest of the file. ``python -m
marketprism.migrate --snapshot`` writes the schema as it then stands into ``sql/schema``, one file an object.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_migrations.connection import ClickhouseConnectConnection
from clickhouse_migrations.exceptions import MigrationException
from clickhouse_migrations.migration import Migration, MigrationStorage
from clickhouse_migrations.migrator import Migrator

from marketprism.clickhouse import DATABASES, HOT
from marketprism.cluster import ClusterSchema
from marketprism.errors import MigrationError

logger = logging.getLogger(__name__)

VERSIONS_TABLE = f"{HOT}.schema_versions"
_VERSION_COLUMNS = {"version": "UInt32", "md5": "String", "script": "String"}


def shipped(folder: str) -> Path:
    """``migrations`` or ``sql``: beside the package in a checkout, inside it in a wheel. Raises MigrationError."""
    package = Path(__file__).resolve().parent
    for candidate in (package.parent / folder, package / "_shipped" / folder):
        if candidate.is_dir():
            return candidate
    raise MigrationError(
        f"no folder {folder}/ beside or inside {package}: the installation is incomplete; install it again"
    )


def migrate(client: Any, directory: Path | None = None, cluster: str = "") -> list[str]:
    """Apply what is pending, in order; returns the file names applied now, [] when the schema is current.

    Raises MigrationError when an applied file was edited, when the database is newer than this checkout, or when a
    statement fails (the files before it stay applied, and the next run goes on from there).
    """
    folder = directory or shipped("migrations")
    waiting = pending(client, folder, cluster)
    if not waiting:
        return []
    migrations = _for_cluster(_read(folder), folder, cluster) if cluster else _read(folder)
    connection = _Recording(client, _names(folder))
    try:
        Migrator(connection, migrations_table=VERSIONS_TABLE).apply_migration(migrations, multi_statement=True)
    except Exception as error:  # the driver's errors and the library's alike
        name = waiting[len(connection.applied)]
        reason = " ".join(str(error).split())[:500]
        raise MigrationError(f"migration {name} failed: {reason}; correct the cause and migrate again") from error
    return connection.applied


class _Recording(ClickhouseConnectConnection):  # type: ignore[misc]  # the library has no types
    """Says which file has been applied; the library writes its row at the end of each.

    The row's types are known here: without them the driver asks the server before each of the inserts.
    """

    def __init__(self, client: Any, names: dict[int, str]) -> None:
        super().__init__(client)
        self._names = names
        self.applied: list[str] = []

    def insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        data = [[row[column] for column in _VERSION_COLUMNS] for row in rows]
        self._client.insert(
            table,
            data=data,
            column_names=list(_VERSION_COLUMNS),
            column_type_names=list(_VERSION_COLUMNS.values()),
        )
        for row in rows:
            self.applied.append(self._names[row["version"]])
            logger.info("migration applied: %s", self.applied[-1])


def scripts(directory: Path | None = None, cluster: str = "") -> dict[str, str]:
    """File name → what is run for it, in order; rewritten for a cluster when one is named. Raises MigrationError."""
    folder = directory or shipped("migrations")
    names = _names(folder)
    texts = {names[migration.version]: migration.script for migration in sorted(_read(folder), key=lambda m: m.version)}
    return ClusterSchema(cluster).rewrite_all(texts) if cluster else texts


def pending(client: Any, directory: Path | None = None, cluster: str = "") -> list[str]:
    """Names of the files that ``migrate`` would apply now. Raises MigrationError as ``migrate`` does."""
    folder = directory or shipped("migrations")
    everywhere = f" ON CLUSTER '{cluster}'" if cluster else ""
    client.command(f"CREATE DATABASE IF NOT EXISTS {HOT}{everywhere}")  # the library never creates that of its table
    migrator = Migrator(ClickhouseConnectConnection(client), migrations_table=VERSIONS_TABLE)
    migrator.init_schema(cluster or None)
    applied = {migration.version: migration for migration in migrator.query_applied_migrations()}
    names = _names(folder)
    local = {migration.version: migration for migration in _read(folder)}
    _refuse_foreign(applied, local, names)
    return [names[version] for version in sorted(local) if version not in applied]


def _refuse_foreign(applied: dict[int, Migration], local: dict[int, Migration], names: dict[int, str]) -> None:
    """The library would say the same in words that do not help: name the file, and say what to do."""
    newer = sorted(version for version in applied if version not in local)
    if newer:
        raise MigrationError(
            f"the database has migration {newer[-1]:04d}, which this checkout does not know; "
            "update marketprism, or point it at another database or data directory"
        )
    for version, migration in sorted(applied.items()):
        if migration.md5 != local[version].md5:
            raise MigrationError(
                f"migration {names[version]} was changed after it had been applied; restore the file "
                "and put the change into a new migration (or start with a fresh data directory)"
            )
    last = max(applied, default=0)
    for version in sorted(local):
        if version < last and version not in applied:
            raise MigrationError(
                f"migration {names[version]} is older than the newest applied one ({last:04d}); "
                "give it the next free number"
            )


def _read(folder: Path) -> list[Migration]:
    try:
        return list(MigrationStorage(folder).migrations())
    except MigrationException as error:
        raise MigrationError(f"{folder}: {error}") from error


def _for_cluster(migrations: list[Migration], folder: Path, cluster: str) -> list[Migration]:
    """What is run is the rewritten text, what is compared stays the digest of the file."""
    rewritten, names = scripts(folder, cluster), _names(folder)
    return [migration._replace(script=rewritten[names[migration.version]]) for migration in migrations]


def _names(folder: Path) -> dict[int, str]:
    return dict(MigrationStorage(folder).migration_filenames())


def schema(client: Any) -> dict[str, str]:
    """``database.object`` → SHOW CREATE of everything in the project's databases, without the library's own table."""
    objects = client.query(
        "SELECT database, name FROM system.tables WHERE database IN {databases:Array(String)} "
        "AND name NOT LIKE '.%' AND name != 'schema_versions' ORDER BY database, name",
        parameters={"databases": list(DATABASES)},
    ).result_rows
    return {
        f"{database}.{name}": str(client.query(f"SHOW CREATE TABLE {database}.`{name}`").result_rows[0][0]) + "\n"
        for database, name in objects
    }


def write_snapshot(folder: Path) -> list[Path]:
    """Migrate an empty engine in process and write its schema, one file an object; files of gone objects go."""
    with tempfile.TemporaryDirectory(prefix="marketprism-schema-") as directory:
        client = clickhouse_connect.get_client(interface="chdb", path=directory)
        try:
            migrate(client)
            objects = schema(client)
        finally:
            client.close()
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in objects.items():
        path = folder / f"{name}.sql"
        path.write_text(text, encoding="utf-8")
        written.append(path)
    for path in set(folder.glob("*.sql")) - set(written):
        path.unlink()
    return written


def main(arguments: list[str] | None = None) -> int:
    """``python -m marketprism.migrate --snapshot``: write sql/schema of this checkout."""
    parser = argparse.ArgumentParser(prog="python -m marketprism.migrate", description=main.__doc__)
    parser.add_argument("--snapshot", action="store_true", required=True, help="write sql/schema from the migrations")
    parser.parse_args(arguments)
    written = write_snapshot(shipped("sql") / "schema")
    sys.stdout.write(f"{len(written)} objects written to {written[0].parent}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
