"""What the linter says, and the list of everything it can say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlglot import exp

RULES: Final[dict[str, str]] = {
    "window-lead": "lead, a negative lag or a positive neighbor reads a later row",
    "window-following": "a frame that reaches FOLLOWING rows reads later rows",
    "window-unordered": "a window without ORDER BY spans its whole partition, past and future",
    "window-by-value": "a rank or a choice by value over all of time knows what came later; rank one instant",
    "window-descending": "a window ordered DESC has the later rows before the current one",
    "forward-fill": "a fill that may carry a value for ever; bound the frame, or carry its clock too and limit its age",
    "block-order": "runningDifference, neighbor and their like depend on how the engine cuts blocks",
    "array-forward": "an array expression that pairs an element with a later one",
    "asof-forward": "an as-of join that takes the next row instead of the last",
    "join-future": "a join that matches rows later than the row they join",
    "unfinished-period": "a period is complete at its end, not its start; join on available_at or on the shifted end",
    "market-type": "symbol without market_type (joined: or exchange): two instruments of one name would mix",
    "backdated": "a row dated before what it says was known; date it by the moment it was, or join it as of then",
    "whole-history": "an aggregate over all of history used beside its rows knows the future; bound it in time",
    "latest-row": "the newest row of a table joined to older rows; bound it in time",
    "labels-read": "labels look ahead by design; nothing outside marketprism_labels may read them",
    "labels-written": "a view of another database that writes labels; labels have views of their own",
    "unparsed": "SQL that the parser does not understand cannot be shown to be free of leaks",
    "waiver": "a leak-ok line needs a known rule, a reason, and a place where the rule is broken",
}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One place where SQL may see the future. ``line`` counts from 1 in the file."""

    path: str
    line: int
    rule: str
    detail: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.detail} ({RULES[self.rule]})"


@dataclass(frozen=True, slots=True)
class Hit:
    """A finding before its file is known: the rule, the node it stands on, and what was seen."""

    rule: str
    node: exp.Expression
    detail: str


def line_of(node: exp.Expression) -> int:
    """First line that any identifier below ``node`` stands on, else of its nearest parent; 1 when none is known."""
    current: exp.Expression | None = node
    while current is not None:
        lines = [int(part.meta["line"]) for part in current.walk() if "line" in part.meta]
        if lines:
            return min(lines)
        current = current.parent
    return 1
