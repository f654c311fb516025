"""Which files of a symbol's month are needed, and getting them staged: monthly first, daily where months lack days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from marketprism.clickhouse import COLD
from storage_service.days.engine import Engine
from storage_service.days.install import Symbol, partitions, quoted, same_symbol
from storage_service.days.instruments import contract_size
from storage_service.days.layouts import MARKETS, Layout
from storage_service.days.ledger import EXCHANGE, Entry, read_entries, write_entries
from storage_service.days.pieces import LEFT_TO_LIVE
from storage_service.days.stage import Staged, Stager, staged_name
from storage_service.days.vision import Archive, ArchiveFile, FileFailed, day_of, days_between, month_of
from storage_service.faultpoints import reach


@dataclass(frozen=True, slots=True)
class Request:
    """What to load: ``symbols`` as the archive names them; ``intervals`` is ("",) for kinds without.

    Kinds that exist by month only are loaded by whole months. ``over_live``: closed days that live rows have are taken
    from the archive all the same.
    """

    market: str
    layout: Layout
    symbols: tuple[str, ...]
    intervals: tuple[str, ...]
    first: date
    last: date
    over_live: bool = False

    def symbol(self, name: str) -> Symbol:
        """The key columns of a symbol."""
        return (EXCHANGE, MARKETS[self.market], name)


@dataclass(slots=True)
class Fetched:
    """What a symbol's month came to: files to install, and ledger rows of all that were looked at."""

    staged: list[tuple[Staged, frozenset[date]]] = field(default_factory=list)
    skipped: list[Entry] = field(default_factory=list)
    absent: list[Entry] = field(default_factory=list)
    failed: list[Entry] = field(default_factory=list)


@dataclass(slots=True)
class Told:
    """Progress callbacks: how many symbol-months there are, one of them done, bytes downloaded, bytes of CSV parsed, a
    file done with (its ledger row).
    """

    planned: Callable[[int], None] = lambda _: None
    month: Callable[[], None] = lambda: None
    downloaded: Callable[[int], None] = lambda _: None
    parsed: Callable[[int], None] = lambda _: None
    file: Callable[[Entry], None] = lambda _: None


class MonthFetcher:
    """One symbol (and interval) of one month. Every method writes what it learns into the ledger."""

    def __init__(
        self, engine: Engine, archive: Archive, stager: Stager, request: Request, sizes: dict[str, int], told: Told
    ) -> None:
        self._engine, self._archive, self._stager = engine, archive, stager
        self._request, self._sizes, self._told = request, sizes, told
        self._known: dict[str, Entry] = {}
        self._by_daily_files: set[date] = set()
        self._result = Fetched()

    def fetch(self, name: str, interval: str, month: date) -> Fetched:
        """Stage what the wanted days of the month need. Failures of files are in the result, not raised."""
        layout, market = self._request.layout, self._request.market
        monthly = month_of(layout, market, name, interval, month)
        every = days_between(monthly.first, monthly.last)
        wanted = [day for day in every if self._request.first <= day <= self._request.last]
        daily = {day: day_of(layout, market, name, interval, day) for day in wanted} if layout.daily else {}
        self._known = read_entries(self._engine, [monthly.path, *(file.path for file in daily.values())])
        self._by_daily_files = {
            day for day, file in daily.items() if (found := self._known.get(file.path)) and found.state == "installed"
        }
        whole = wanted == every or not layout.daily
        if whole:
            wanted = every
        if layout.monthly and whole and not self._all_installed(daily, wanted):
            covered = self._obtain(monthly, wanted, name, interval)
            lacking = [day for day in wanted if day not in covered]
        else:
            lacking = wanted
        missing = [day for day in lacking if day in daily and not self._obtain(daily[day], [day], name, interval)]
        if layout.monthly and not whole and missing:  # old days of which only the month was kept
            self._obtain(monthly, missing, name, interval)
        return self._result

    def _all_installed(self, daily: dict[date, ArchiveFile], wanted: list[date]) -> bool:
        """Whether daily files did it already: then the month's file would only bring the same again."""
        return bool(daily) and all(
            (entry := self._known.get(daily[day].path)) is not None and entry.state == "installed" for day in wanted
        )

    def _obtain(self, file: ArchiveFile, wanted: list[date], name: str, interval: str) -> set[date]:
        """Days of ``wanted`` that the file has: staged now, or installed before and unchanged in the archive."""
        entry = self._known.get(file.path) or Entry.of(file)
        try:
            checksum = self._archive.checksum(file.path)
            if checksum is None:
                self._record(Entry.of(file), "absent", self._result.absent)
                return set()
            if entry.state in ("installed", "superseded") and entry.checksum == checksum:
                present = self._days_in_cold(file, name, interval) & set(wanted)
                again = self._request.over_live and LEFT_TO_LIVE in entry.note
                if not again and (entry.state == "superseded" or present or not entry.rows):
                    self._result.skipped.append(entry)
                    self._told.file(entry)
                    return present - self._by_daily_files if file.monthly else present
            staged = self._staged_before(file, entry, checksum) or self._stage(file, checksum, name)
        except FileFailed as error:
            failed = Entry.of(file)
            failed.error = str(error)
            self._record(failed, "failed", self._result.failed)
            return set() if file.monthly else set(wanted)
        taken = frozenset(staged.days) & {*wanted, *([file.last + timedelta(days=1)] * self._request.layout.closed_end)}
        self._result.staged.append((staged, taken))
        self._told.file(staged.entry)
        return set(taken)

    def _staged_before(self, file: ArchiveFile, entry: Entry, checksum: str) -> Staged | None:
        """What a killed load had staged, when all of it is still there."""
        if entry.state != "staged" or entry.checksum != checksum:
            return None
        table = staged_name(file, checksum)
        if not self._engine.rows(f"EXISTS TABLE {table}")[0][0]:
            return None
        rows, content = entry.rows, entry.content_hash
        found = self._stager.describe(file, entry, table)
        return found if (found.entry.rows, found.entry.content_hash) == (rows, content) else None

    def _stage(self, file: ArchiveFile, checksum: str, name: str) -> Staged:
        entry = Entry.of(file)
        entry.checksum = checksum
        size = 1
        if self._request.market == "cm":
            size = contract_size(self._engine, self._request.symbol(name), self._sizes)
        zipped = self._archive.fetch(file.path, checksum, self._told.downloaded)
        try:
            staged = self._stager.stage(file, zipped, entry, size, self._told.parsed)
        finally:
            zipped.unlink(missing_ok=True)
        write_entries(self._engine, [entry])
        reach("staged", self._request.layout.table)
        return staged

    def _record(self, entry: Entry, state: str, to: list[Entry]) -> None:
        entry.state = state
        write_entries(self._engine, [entry])
        to.append(entry)
        self._told.file(entry)

    def _days_in_cold(self, file: ArchiveFile, name: str, interval: str) -> set[date]:
        days = days_between(file.first, file.last)
        of_interval = f" AND interval = {quoted(interval)}" if interval else ""
        rows = self._engine.rows(
            f"SELECT DISTINCT toDate(timestamp) FROM {COLD}.{self._request.layout.table} "
            f"WHERE {partitions(days)} AND {same_symbol(self._request.symbol(name))}{of_interval}"
        )
        return {row[0] for row in rows}
