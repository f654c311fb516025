"""The audits of ``sql/audits``: each a SELECT that must return no row, run when it is due."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from clickhouse_connect.driver.exceptions import ClickHouseError

from marketprism.migrate import shipped
from marketprism.sqlfiles import parse_audit_header

MOST_ROWS: Final = 100
"""Rows of one audit that are counted and kept: what is wrong a hundred times is wrong."""
TIME_LIMIT_S: Final = 60
_OF_THE_SERVER: Final = re.compile(r"\bcode: *\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Audit:
    """One file of ``sql/audits``. ``severity`` is warning or critical; ``every_s`` seconds lie between runs."""

    name: str
    purpose: str
    severity: str
    every_s: float
    sql: str


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What a run found. ``error`` is empty unless the audit could not run; then ``rows`` says nothing."""

    audit: Audit
    ended_s: float
    seconds: float
    rows: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""

    def told(self) -> dict[str, Any]:
        """For a page: what it is, when it ran, what it found."""
        return {
            "audit": self.audit.name,
            "severity": self.audit.severity,
            "purpose": self.audit.purpose,
            "ended_s": self.ended_s,
            "seconds": round(self.seconds, 3),
            "found": len(self.rows),
            "rows": self.rows,
            "error": self.error,
        }


def load_audits(folder: Path | None = None) -> tuple[Audit, ...]:
    """Every audit, by name. Raises SqlFileError for a header that is wrong or not the file's."""
    audits = []
    for path in sorted((folder or shipped("sql") / "audits").glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        found = parse_audit_header(text, path.name)
        audits.append(Audit(path.stem, found.header.purpose, found.severity, found.every_s, text.rstrip().rstrip(";")))
    return tuple(audits)


async def run_audit(client: Any, audit: Audit) -> AuditResult:
    """Run one audit. A refused or too long statement is a result with an error; a lost connection raises."""
    began = time.monotonic()
    rows: list[dict[str, Any]] = []
    error = ""
    try:
        answer = await client.query(
            f"SELECT * FROM (\n{audit.sql}\n) LIMIT {MOST_ROWS}", settings={"max_execution_time": TIME_LIMIT_S}
        )
        rows = list(answer.named_results())
    except ClickHouseError as failure:
        if not _OF_THE_SERVER.search(str(failure)):
            raise  # nobody answered: that is said once, not by each audit
        error = " ".join(str(failure).split())[:300]
    return AuditResult(audit, time.time(), time.monotonic() - began, rows, error)


class AuditClock:
    """Which audits are due. ``now`` is a monotonic clock in seconds."""

    def __init__(self, audits: Iterable[Audit], now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._next: dict[str, float] = {}
        self._audits = tuple(audits)

    def missed(self, audit: Audit) -> None:
        """It could not be asked: it is due again at once."""
        self._next.pop(audit.name, None)

    def due(self) -> Iterator[Audit]:
        """Those whose time has come; each counts as begun when it is handed out."""
        for audit in self._audits:
            now = self._now()
            if now >= self._next.get(audit.name, now):
                self._next[audit.name] = now + audit.every_s
                yield audit
