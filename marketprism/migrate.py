"""Bring a ClickHouse to the schema of this checkout: ``migrations/NNNN_verb_object.sql``, applied once and in order.

The clickhouse-migrations library applies the files and keeps ``marketprism_hot.schema_versions``. ``python -m
marketprism.migrate --snapshot`` writes the schema as it then stands into ``sql/schema``, one file an object.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from clickhouse_migrations.connection import ClickhouseConnectConnection
from clickhouse_migrations.exceptions import MigrationException
from clickhouse_migrations.migration import Migration, MigrationStorage
from clickhouse_migrations.migrator import Migrator

from marketprism.clickhouse import DATABASES, HOT
from marketprism.errors import MigrationError

logger = logging.getLogger(__name__)

VERSIONS_TABLE = f"{HOT}.schema_versions"


def shipped(folder: str) -> Path:
    """``migrations`` or ``sql``: beside the package in a checkout, inside it in a wheel. Raises MigrationError."""
    package = Path(__file__).resolve().parent
    for candidate in (package.parent / folder, package / "_shipped" / folder):
        if candidate.is_dir():
            return candidate
    raise MigrationError(
        f"no folder {folder}/ beside or inside {package}: the installation is incomplete; install it again"
    )


def migrate(client: Any, directory: Path | None = None) -> list[str]:
    """Apply what is pending, in order; returns the file names applied now, [] when the schema is current.

    Raises MigrationError when an applied file was edited, when the database is newer than this checkout, or when a
    statement fails (the files before it stay applied, and the next run goes on from there).
    """
    folder = directory or shipped("migrations")
    waiting = pending(client, folder)
    migrator = Migrator(ClickhouseConnectConnection(client), migrations_table=VERSIONS_TABLE)
    migrations = _read(folder)
    names = _names(folder)
    for name in waiting:
        version = next(version for version, known in names.items() if known == name)
        try:
            migrator.apply_migration(migrations, multi_statement=True, to_version=version)
        except MigrationError:
            raise
        except Exception as error:  # the driver's errors and the library's alike
            reason = " ".join(str(error).split())[:500]
            raise MigrationError(f"migration {name} failed: {reason}; correct the cause and migrate again") from error
        logger.info("migration applied: %s", name)
    return waiting


def pending(client: Any, directory: Path | None = None) -> list[str]:
    """Names of the files that ``migrate`` would apply now. Raises MigrationError as ``migrate`` does."""
    folder = directory or shipped("migrations")
    client.command(f"CREATE DATABASE IF NOT EXISTS {HOT}")  # the library never creates the database of its own table
    migrator = Migrator(ClickhouseConnectConnection(client), migrations_table=VERSIONS_TABLE)
    migrator.init_schema()
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


def _names(folder: Path) -> dict[int, str]:
    return dict(MigrationStorage(folder).migration_filenames())
