"""One zip → one table in the staging database: the engine parses the CSV, Python only inflates it.

A staged file has the columns of the cold table, from the day and the file alone; what depends on other days or files
(buckets, ticks) is computed when its days are installed.
"""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from marketprism.clickhouse import COLD
from storage_service.days.content import Fingerprint, columns_of, row_hash
from storage_service.days.engine import STAGING, Engine, StatementRefused
from storage_service.days.install import COMPUTED, quoted
from storage_service.days.layouts import Layout, known_defects
from storage_service.days.ledger import Entry
from storage_service.days.vision import ArchiveFile, FileFailed

logger = logging.getLogger(__name__)

_CHUNK: Final = 1 << 20
_FIXED: Final = {
    "data_source": "{source}",
    "exchange": "{exchange}",
    "market_type": "{market_type}",
    "symbol": "{symbol}",
}


@dataclass(frozen=True, slots=True)
class Staged:
    """A file whose rows are in ``table``; ``days``: fingerprint of the rows of each day, over what is not COMPUTED."""

    file: ArchiveFile
    entry: Entry
    table: str
    days: dict[date, Fingerprint]


def staged_name(file: ArchiveFile, checksum: str) -> str:
    """The same for the same content of the same path: a killed load finds it again."""
    digest = hashlib.blake2b(f"{file.path} {checksum}".encode(), digest_size=8).hexdigest()
    return f"{STAGING}.file_{digest}"


class Stager:
    """Stages files of one kind and market. ``contract_size``: quote units of a contract, for COIN-M symbols.

    ``source``: the data_source of the rows.
    """

    def __init__(
        self, engine: Engine, layout: Layout, market: str, latency_ms: int, *, source: str = "archive"
    ) -> None:
        self._engine, self._layout, self._market, self._latency_us = engine, layout, market, latency_ms * 1000
        self._source = source
        self._columns = {
            name: kind for name, kind in columns_of(engine, f"{COLD}.{layout.table}").items() if name != "created_at"
        }
        self._compared = {name: kind for name, kind in self._columns.items() if name not in COMPUTED}

    def stage(
        self, file: ArchiveFile, zipped: Path, entry: Entry, contract_size: int, told: Callable[[int], None]
    ) -> Staged:
        """Raises FileFailed when the zip or a line of it is not what the kind's files are."""
        names = [f"c{number}" for number in range(1, len(self._layout.fields[self._market]) + 1)]

        def insert(table: str) -> int:
            with zipfile.ZipFile(zipped) as archive:
                lines = Lines(archive, len(names), told)
                self._engine.insert_csv(table, names, lines.chunks(), empty_fields=self._layout.empty_fields)
            return lines.count

        try:
            return self.stage_by(insert, file, entry, contract_size)
        except (zipfile.BadZipFile, EOFError, OSError) as error:
            raise FileFailed(f"{file.path} is no intact zip ({error}); nothing of it was loaded") from error

    def stage_by(self, insert: Callable[[str], int], file: ArchiveFile, entry: Entry, contract_size: int = 1) -> Staged:
        """Stage what ``insert`` puts into the table it is given, fields c1, c2, …; it says how many rows it sent."""
        table = staged_name(file, entry.checksum)
        self._engine.run(f"DROP TABLE IF EXISTS {table} SYNC")
        self._engine.run(self._create(table, file, entry, contract_size))
        try:
            sent = insert(table)
        except StatementRefused as error:
            raise FileFailed(f"{entry.path} is not as files of its kind are: {error}") from error
        stored = self._number(f"SELECT count() FROM {table}")
        if stored != sent:  # an engine may take a stream, fail behind the parser, and say nothing
            raise FileFailed(f"{entry.path} has {sent} lines, {stored} were stored; run the load again")
        entry.duplicates = self._without_duplicates(table)
        return self.describe(file, entry, table)

    def describe(self, file: ArchiveFile, entry: Entry, table: str) -> Staged:
        """Count what is staged, leave out what is not of the period, and fill the ledger's row. Raises FileFailed."""
        inside = self._in_period(file)
        bad, outside = self._engine.rows(
            f"SELECT countIf(NOT ({self._layout.plausible})), countIf(NOT ({inside})) FROM {table}"
        )[0]
        if bad:
            raise FileFailed(f"{entry.path}: {bad} rows have a price, quantity or side that cannot be; left out whole")
        rows = self._engine.rows(
            f"SELECT toDate(timestamp) AS day, count(), sum({row_hash(self._compared)}), min(sequence), max(sequence), "
            f"min(timestamp), max(timestamp) FROM {table} WHERE {inside} GROUP BY day ORDER BY day"
        )
        days = {row[0]: Fingerprint(int(row[1]), int(row[2])) for row in rows}
        total = Fingerprint()
        for part in days.values():
            total = total.plus(part)
        entry.state, entry.error = "staged", ""
        entry.rows, entry.content_hash, entry.outside = total.rows, total.hash, int(outside)
        if rows:
            entry.first_id, entry.last_id = min(row[3] for row in rows), max(row[4] for row in rows)
            entry.first_time, entry.last_time = min(row[5] for row in rows), max(row[6] for row in rows)
        defects = known_defects(self._market, file.kind, file.first.isoformat(), file.last.isoformat())
        if self._layout.contiguous and entry.rows:
            entry.missing_ids = entry.last_id - entry.first_id + 1 - entry.rows
        entry.note = "; ".join(f"known defect {d.first}…{d.last}: {d.what}" for d in defects)
        return Staged(file, entry, table, days)

    def _create(self, table: str, file: ArchiveFile, entry: Entry, contract_size: int) -> str:
        values = {
            "source": quoted(self._source),
            "exchange": quoted(entry.exchange),
            "market_type": quoted(entry.market_type),
            "symbol": quoted(file.symbol),
            "interval": quoted(file.interval),
            "latency_us": str(self._latency_us),
            "contract_size_e12": f"toInt256('{contract_size * 10**12}')",
        }
        fields = self._layout.fields[self._market]
        values |= {f"c{number}": f"c{number}" for number in range(1, len(fields) + 1)}
        expressions = {**_FIXED, **self._layout.expressions(self._market)}
        lines = [f"c{number} {kind} EPHEMERAL" for number, kind in enumerate(fields, start=1)]
        for name, kind in self._columns.items():
            default = f" DEFAULT {expressions[name].format(**values)}" if name in expressions else ""
            lines.append(f"`{name}` {kind}{default}")
        # by day, as the days are read one after the other; whatever days a damaged file names
        return (
            f"CREATE TABLE {table} ({', '.join(lines)}) ENGINE = MergeTree PARTITION BY toYYYYMMDD(timestamp) "
            f"ORDER BY {self._layout.order}"
        )

    def _in_period(self, file: ArchiveFile) -> str:
        return period_condition(file, closed_end=self._layout.closed_end)

    def _without_duplicates(self, table: str) -> int:
        """How many rows were left out: by identity, or, in files that have every row twice, one of each pair."""
        names = ", ".join(f"`{name}`" for name in self._columns)
        total = self._number(f"SELECT count() FROM {table}")
        if self._market in self._layout.doubled:
            odd = self._number(f"SELECT count() FROM (SELECT count() AS n FROM {table} GROUP BY {names} HAVING n % 2)")
            copies = f"SELECT *, row_number() OVER (PARTITION BY {names}) AS copy FROM {table}"
            return 0 if odd else self._rewrite(table, f"SELECT {names} FROM ({copies}) WHERE copy % 2 = 1", total)
        if not self._layout.identity:
            return 0
        identity = ", ".join(self._layout.identity)
        if self._number(f"SELECT uniqExact({identity}) FROM {table}") == total:
            return 0
        return self._rewrite(table, f"SELECT {names} FROM {table} ORDER BY {names} LIMIT 1 BY {identity}", total)

    def _rewrite(self, table: str, select: str, before: int) -> int:
        fewer = f"{table}_once"
        names = ", ".join(f"`{name}`" for name in self._columns)
        self._engine.run(f"DROP TABLE IF EXISTS {fewer} SYNC")
        self._engine.run(f"CREATE TABLE {fewer} AS {table}")
        self._engine.run(f"INSERT INTO {fewer} ({names}) {select}")
        self._engine.run(f"EXCHANGE TABLES {fewer} AND {table}")
        self._engine.run(f"DROP TABLE {fewer} SYNC")
        return before - self._number(f"SELECT count() FROM {table}")

    def _number(self, query: str) -> int:
        return int(self._engine.rows(query)[0][0])


def period_condition(file: ArchiveFile, *, closed_end: bool) -> str:
    """Condition on ``timestamp``: from the period's first instant up to its end, which is in it when ``closed_end``."""
    start = datetime(file.first.year, file.first.month, file.first.day, tzinfo=UTC)
    end = datetime(file.last.year, file.last.month, file.last.day, tzinfo=UTC) + timedelta(days=1)
    return f"timestamp >= {_literal(start)} AND timestamp {'<=' if closed_end else '<'} {_literal(end)}"


def _literal(moment: datetime) -> str:
    return f"toDateTime64('{moment:%Y-%m-%d %H:%M:%S}', 3, 'UTC')"


class Lines:
    """The only CSV of a zip without its header; a header is a first line that begins with a letter. Counts lines."""

    def __init__(self, archive: zipfile.ZipFile, fields: int, told: Callable[[int], None]) -> None:
        self._archive, self._fields, self._told = archive, fields, told
        self.count = 0

    def chunks(self) -> Iterator[bytes]:
        """Raises FileFailed when there is not one CSV, or its lines have another number of fields."""
        members = [member for member in self._archive.infolist() if member.filename.lower().endswith(".csv")]
        if len(members) != 1:
            raise FileFailed(f"{self._archive.filename} holds {len(members)} CSV files instead of one")
        with self._archive.open(members[0]) as csv:
            first = csv.readline()
            found = first.count(b",") + 1
            if first and found != self._fields:
                raise FileFailed(f"{members[0].filename} has {found} columns, files of its kind have {self._fields}")
            last = b"\n"
            if not first[:1].isalpha():
                last = yield from self._counted(first, last)
            while chunk := csv.read(_CHUNK):
                self._told(len(chunk))
                last = yield from self._counted(chunk, last)
            self.count += last != b"\n"

    def _counted(self, chunk: bytes, last: bytes) -> Generator[bytes, None, bytes]:
        self.count += chunk.count(b"\n")
        yield chunk
        return chunk[-1:] or last
