"""Hot → cold on another server: rows travel into a table there, and are archived there as if they were hot.

Both servers hold the verified fingerprint in their ``archive_status``. The other server has the same schema
(``marketprism migrate`` with its URL); what is asked of days that are there is asked there.
"""

from __future__ import annotations

import time
import uuid
from datetime import date, datetime

from marketprism.clickhouse import COLD, HOT
from marketprism.cluster import local_copy
from marketprism.errors import DayError
from storage_service.days.content import columns_of, fingerprint
from storage_service.days.engine import STAGING, Engine
from storage_service.days.install import partitions
from storage_service.days.locks import drop_left, identity
from storage_service.days.tiers import Archived, Archivist, is_closed
from storage_service.faultpoints import reach


class RemoteArchivist:
    """Archives table-days of ``here`` into ``there``, and drops here what is verified there."""

    def __init__(self, here: Engine, there: Engine, now: datetime) -> None:
        self._here, self._there, self._now = here, there, now
        self._local = Archivist(here, now)

    def archive(self, data_type: str, day: date) -> Archived:
        """Send one table-day and verify it there. Raises DayError when the day is open or a check fails."""
        if not is_closed(day, self._now):
            raise DayError(f"{day} is still open; archive it after its midnight and an hour (UTC)")
        present = self._local.present(data_type, day)
        rows = sum(part.rows for part in present.values())
        if present == self._local.recorded(data_type, day):
            return Archived(data_type, day, "unchanged", rows)
        began = time.monotonic()
        drop_left(self._there, "arriving_")
        arriving = f"{STAGING}.arriving_{uuid.uuid4().hex[:12]}_{data_type}"  # of this job alone: two may send at once
        try:
            self._send(data_type, day, arriving)
            reach("archive_sent", data_type)
            remote = Archivist(self._there, self._now, arriving)
            remote.archive(data_type, day)
        finally:
            self._there.run(f"DROP TABLE IF EXISTS {arriving} SYNC")
        if self._local.present(data_type, day) != present:
            raise DayError(f"{HOT}.{data_type} of {day} changed while it was archived; run it again")
        self._local.record(data_type, day, present, remote.stored_bytes(data_type, day), time.monotonic() - began)
        reach("archive_recorded", data_type)
        return Archived(data_type, day, "archived", rows)

    def drop(self, data_type: str, day: date, after_days: int) -> Archived:
        """Drop a hot table-day that is verified there and old enough."""
        why = self._local.reason_to_keep(data_type, day, after_days)
        if why:
            return Archived(data_type, day, "kept", why=why)
        Archivist(self._there, self._now).say_dropped(data_type, day)
        return self._local.drop(data_type, day, after_days)

    def _send(self, data_type: str, day: date, arriving: str) -> None:
        """The hot rows of the day into a table there."""
        hot = f"{HOT}.{data_type}"
        columns = columns_of(self._here, hot)
        if columns != columns_of(self._there, f"{COLD}.{data_type}"):
            raise DayError(f"{COLD}.{data_type} there has other columns than {hot} here; migrate both servers")
        names, where = [f"`{name}`" for name in columns], partitions([day])
        expected = fingerprint(self._here, hot, columns, where, without=())
        create = str(self._there.rows(f"SHOW CREATE TABLE {COLD}.{data_type}")[0][0])
        self._there.run(local_copy(create, arriving))
        self._there.run(f"ALTER TABLE {arriving} MODIFY COMMENT '{identity()}'")
        self._there.insert_native(
            arriving, list(columns), self._here.native(f"SELECT {', '.join(names)} FROM {hot} WHERE {where}")
        )
        arrived = fingerprint(self._there, arriving, columns, without=())
        if arrived != expected:
            raise DayError(f"{hot} of {day}: {expected} were sent, {arrived} arrived; run it again")
