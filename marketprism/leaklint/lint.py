"""From the text of a file to its findings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from sqlglot import exp
from sqlglot.errors import SqlglotError

from marketprism.dialect import parse
from marketprism.leaklint import arrays, dates, history, joins, keys, windows
from marketprism.leaklint.findings import RULES, Finding, Hit, line_of

Rule = Callable[[exp.Expression], Iterator[Hit]]

LOOK_AHEAD: Final[tuple[Rule, ...]] = (
    windows.offsets,
    windows.frames,
    windows.fills,
    dates.backdated,
    dates.ranked,
    dates.coarse,
    arrays.shifted,
    arrays.exploded,
    joins.asof,
    joins.future,
    joins.correlated,
    joins.members,
    keys.labels,
    history.whole,
)
KEYS: Final[tuple[Rule, ...]] = (keys.market_type,)

_WAIVER: Final = re.compile(r"^\s*--\s*leak-ok\s*:\s*([^:]*?)\s*(?::\s*(.*?))?\s*$", re.MULTILINE)


def lint_text(sql: str, path: str = "<sql>") -> list[Finding]:
    """Findings of every statement that computes something: views, INSERT … SELECT and plain SELECT.

    Tables, databases and settings compute nothing and are passed over; SQL that cannot be parsed is a finding.
    """
    waived, findings = _waivers(sql, path)
    try:
        statements = parse(sql)
    except SqlglotError as error:
        return [*findings, Finding(path, _error_line(error), "unparsed", str(error).splitlines()[0][:200])]
    for statement in statements:
        if not _computes(statement):
            continue
        if isinstance(statement, exp.Command):
            findings.append(Finding(path, line_of(statement), "unparsed", f"opaque {str(statement.this)[:40]}"))
            continue
        rules = KEYS if _target_database(statement) == keys.LABELS_DATABASE else LOOK_AHEAD + KEYS
        for rule in rules:
            findings += [Finding(path, line_of(hit.node), hit.rule, hit.detail) for hit in rule(statement)]
    broken = {finding.rule for finding in findings}
    unused = [
        Finding(path, line, "waiver", f"{rule} is not broken here")
        for rule, line in waived.items()
        if rule not in broken
    ]
    return sorted({finding for finding in findings if finding.rule not in waived} | set(unused))


def _waivers(sql: str, path: str) -> tuple[dict[str, int], list[Finding]]:
    """Line of each waived rule, and the waivers that are none."""
    waived: dict[str, int] = {}
    findings = []
    for match in _WAIVER.finditer(sql):
        rule, reason = match.group(1), match.group(2)
        line = sql.count("\n", 0, match.start()) + 1
        if rule in RULES and reason:
            waived[rule] = line
        else:
            findings.append(Finding(path, line, "waiver", match.group(0).strip()))
    return waived, findings


def _computes(statement: exp.Expression) -> bool:
    if isinstance(statement, exp.Command):
        return bool(re.search(r"\b(select|view)\b", statement.sql(), re.IGNORECASE))
    return statement.find(exp.Select) is not None


def _target_database(statement: exp.Expression) -> str:
    if isinstance(statement, exp.Create):
        properties = statement.args.get("properties")
        to = properties.find(exp.ToTableProperty) if properties else None
        target = to.this if to is not None else statement.find(exp.Table)
        return target.db if target is not None else ""
    if isinstance(statement, exp.Insert):
        table = statement.this if isinstance(statement.this, exp.Table) else statement.this.find(exp.Table)
        return table.db if table is not None else ""
    return ""


def _error_line(error: SqlglotError) -> int:
    details = getattr(error, "errors", None) or [{}]
    return int(details[0].get("line") or 1)
