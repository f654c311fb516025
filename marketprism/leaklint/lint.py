"""From the text of a file to its findings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from sqlglot import exp
from sqlglot.errors import SqlglotError

from marketprism.dialect import parse
from marketprism.leaklint import arrays, buckets, dates, fills, history, joins, keys, labels, lambdas, timeless, windows
from marketprism.leaklint.findings import RULES, Finding, Hit, line_of

Rule = Callable[[exp.Expression], Iterator[Hit]]

LOOK_AHEAD: Final[tuple[Rule, ...]] = (
    windows.offsets,
    windows.frames,
    fills.windows,
    fills.unbounded,
    dates.backdated,
    dates.early,
    dates.ranked,
    dates.coarse,
    arrays.shifted,
    arrays.exploded,
    arrays.summed_up,
    lambdas.ahead,
    lambdas.later,
    joins.asof,
    buckets.own,
    buckets.chosen,
    buckets.looked_up,
    timeless.joined,
    joins.future,
    joins.correlated,
    joins.members,
    history.whole,
    history.kept,
)
KEYS: Final[tuple[Rule, ...]] = (keys.market_type,)
# Asked of every statement that is not the labels' own, whether it computes something or not.
LABELS: Final[tuple[Rule, ...]] = (labels.read, labels.behind, labels.written)

_WAIVER: Final = re.compile(r"^\s*--\s*leak-ok\s*:\s*([^:]*?)\s*(?::\s*(.*?))?\s*$", re.MULTILINE)


def lint_text(sql: str, path: str = "<sql>") -> list[Finding]:
    """Findings of every statement that computes something: views, INSERT … SELECT and plain SELECT.

    Of tables, databases and settings, which compute nothing, only what they make of the labels is judged; SQL that
    cannot be parsed is a finding.
    """
    waived, findings = _waivers(sql, path)
    try:
        statements = parse(sql)
    except SqlglotError as error:
        return [*findings, Finding(path, _error_line(error), "unparsed", str(error).splitlines()[0][:200])]
    for statement in statements:
        for rule in _rules(statement):
            findings += [Finding(path, line_of(hit.node), hit.rule, hit.detail) for hit in rule(statement)]
        if isinstance(statement, exp.Command) and _computes(statement):
            findings.append(Finding(path, line_of(statement), "unparsed", f"opaque {str(statement.this)[:40]}"))
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


def _rules(statement: exp.Expression) -> tuple[Rule, ...]:
    """What is asked of a statement: labels may look ahead, and read each other."""
    own = labels.of_labels(statement)
    rules: tuple[Rule, ...] = (labels.moved,) if own else (labels.moved, *LABELS)
    if isinstance(statement, exp.Command) or not _computes(statement):
        return rules
    return rules + KEYS if own else rules + LOOK_AHEAD + KEYS


def _computes(statement: exp.Expression) -> bool:
    if isinstance(statement, exp.Command):
        return bool(re.search(r"\b(select|view)\b", statement.sql(), re.IGNORECASE))
    return statement.find(exp.Select) is not None


def _error_line(error: SqlglotError) -> int:
    details = getattr(error, "errors", None) or [{}]
    return int(details[0].get("line") or 1)
