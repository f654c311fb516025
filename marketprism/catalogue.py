"""The page of all features, made from the headers of the migrations, the schema snapshot and measured costs.

``python -m marketprism.catalogue --write`` writes docs/catalogue.md; a test fails when it is stale. The engine is not
needed: headers say what an object means, sql/schema what its columns are and what it reads, sql/costs.json what that
costs (``python -m tests.bench.bench_features --costs``).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from marketprism.errors import QueryError, SqlFileError
from marketprism.migrate import shipped
from marketprism.sqlfiles import Header, has_header, parse_header

_TOLD: Final = re.compile(
    r"(?:CREATE (?:(?:TABLE|VIEW|MATERIALIZED VIEW) IF NOT EXISTS|OR REPLACE VIEW) |ALTER TABLE (?=\S+ MODIFY COMMENT))"
    r"(?P<object>marketprism_(?:features|labels)\.\w+)"
)
"""What a migration with a header builds, or says anew what it is."""
_COLUMN: Final = re.compile(r"^    `(?P<name>\w+)` (?P<type>.+?) COMMENT '(?P<comment>(?:[^'\\]|\\.)*)'")
_READ: Final = re.compile(r"`?(?P<name>marketprism_(?:hot|cold|features|labels)\.\w+)`?")
_FILLS: Final = re.compile(r"^(?:CREATE MATERIALIZED VIEW \S+|REFRESH [^\n]*) TO (?P<target>\S+)", re.MULTILINE)
_COMMENT: Final = re.compile(r"^COMMENT '(?P<comment>(?:[^'\\]|\\.)*)'$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Column:
    """A column with its type and its meaning, which names the unit."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True, slots=True)
class Feature:
    """An object of the catalogue: its ``database.object`` name, the header of its file, what it says of itself."""

    name: str
    header: Header
    comment: str
    columns: tuple[Column, ...]
    inputs: tuple[str, ...]
    """What its SQL reads; of a table what the views read that fill it, or what its header says of a program."""


def features(migrations: Path | None = None, schema: Path | None = None) -> list[Feature]:
    """Everything that a migration with a header builds, in order; the plumbing of materialized views is left out.

    An object that a later migration makes or describes anew keeps its place, and its header unless the later one is
    about it.

    Raises SqlFileError for an object without its file in the snapshot.
    """
    folder = schema or shipped("sql") / "schema"
    reads = _inputs(folder)
    found: dict[str, Feature] = {}
    for path in sorted((migrations or shipped("migrations")).glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        if not has_header(text):
            continue
        header = parse_header(text, path.name)
        for match in _TOLD.finditer(text):
            name = match["object"]
            if not name.endswith("_mv") and (name not in found or _short(name) == header.name):
                found[name] = _feature(name, header, folder / f"{name}.sql", reads.get(name) or header.inputs)
    return list(found.values())


def find(name: str) -> Feature:
    """The feature of this name, with or without its database. Raises QueryError."""
    for each in features():
        if name in (each.name, each.name.split(".", 1)[1]):
            return each
    raise QueryError(f"no feature {name!r}; `marketprism features list` names them")


def _inputs(schema: Path) -> dict[str, tuple[str, ...]]:
    """Object → what its SQL reads; a table that a materialized view fills reads what that view does."""
    found: dict[str, set[str]] = {}
    for path in schema.glob("*.sql"):
        text = path.read_text(encoding="utf-8")
        head, select, query = text.partition("\nAS ")
        if not select:
            continue
        filled = _FILLS.search(head)
        name = filled["target"] if filled else path.stem
        found.setdefault(name, set()).update({match["name"] for match in _READ.finditer(query)} - {name})
    return {name: tuple(sorted(inputs)) for name, inputs in found.items()}


def _feature(name: str, header: Header, path: Path, inputs: tuple[str, ...]) -> Feature:
    if not path.is_file():
        raise SqlFileError(f"{name} has no file in {path.parent}; run `python -m marketprism.migrate --snapshot`")
    text = path.read_text(encoding="utf-8")
    columns = tuple(
        Column(match["name"], match["type"], _plain(match["comment"]))
        for line in text.splitlines()
        if (match := _COLUMN.match(line))
    )
    comment = _COMMENT.search(text)
    return Feature(name, header, _plain(comment["comment"]) if comment else header.purpose, columns, inputs)


def _plain(comment: str) -> str:
    return comment.replace("\\'", "'").replace("\\\\", "\\")


def lineage(found: Iterable[Feature]) -> list[tuple[str, str]]:
    """(input, object) edges of the objects."""
    return sorted({(source, each.name) for each in found for source in each.inputs if source != each.name})


def costs() -> dict[str, float]:
    """Object → cost of one read of all its rows, or of one refresh, in reads of unified_buckets of the same run."""
    found: dict[str, float] = json.loads((shipped("sql") / "costs.json").read_text(encoding="utf-8"))
    return found


def page(found: list[Feature]) -> str:
    """The catalogue as Markdown."""
    lines = [
        "# Feature catalogue",
        "",
        "Made by `python -m marketprism.catalogue --write` from the headers of `migrations/`, from `sql/schema`",
        "(columns, and what reads what) and `sql/costs.json`. Every key is (exchange, market_type, symbol, …);",
        "`available_at` is the clock of as-of reads; `quality` says ok, warmup, partial, gap or stale. A cost is that",
        "of one refresh, or of one read of every row, in reads of `unified_buckets` over the same rows in the same",
        "run: an hour of five busy symbols (`python -m tests.bench.bench_features --costs`).",
        "",
        "| object | what it is | freshness | lookahead |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| [{each.name}](#{_anchor(each.name)}) | {_cell(each.comment)} | {each.header.freshness} "
        f"| {each.header.lookahead} |"
        for each in found
    ]
    lines += ["", "## Lineage", "", "```mermaid", "graph LR"]
    lines += [f"    {_short(source)} --> {_short(name)}" for source, name in lineage(found)]
    lines += ["```", ""]
    priced = costs()
    for each in found:
        lines += _section(each, priced.get(each.name))
    return "\n".join(lines).rstrip() + "\n"


def _section(each: Feature, cost: float | None) -> list[str]:
    header = each.header
    refreshed = header.freshness.startswith("refreshed")
    paid = f"{'a refresh' if refreshed else 'a read of all'} costs"
    lines = [
        f"## {each.name}",
        "",
        f"{each.comment}.",
        "",
        f"- Purpose: {header.purpose}",
        f"- Grain: {header.grain}",
        f"- Inputs: {', '.join(f'`{source}`' for source in each.inputs) or 'none'}",
        f"- Time: {header.time}; freshness: {header.freshness}; lookahead: {header.lookahead}",
        *([f"- Cost: {paid} {cost:.1f} × unified_buckets"] if cost is not None else []),
        f"- Formula: {header.source}",
        "",
    ]
    if not each.columns:
        return [*lines, "Columns: those of its query; it takes parameters.", ""]
    lines += ["| column | type | meaning |", "|---|---|---|"]
    lines += [f"| {column.name} | `{column.type}` | {_cell(column.comment)} |" for column in each.columns]
    return [*lines, ""]


def _anchor(name: str) -> str:
    return name.replace(".", "").lower()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _short(name: str) -> str:
    return name.split(".", 1)[1]


def main(arguments: list[str] | None = None) -> int:
    """``python -m marketprism.catalogue --write``: write docs/catalogue.md of this checkout."""
    parser = argparse.ArgumentParser(prog="python -m marketprism.catalogue", description=main.__doc__)
    parser.add_argument("--write", action="store_true", required=True, help="write docs/catalogue.md")
    parser.parse_args(arguments)
    found = features()
    target = shipped("migrations").parent / "docs" / "catalogue.md"
    target.write_text(page(found), encoding="utf-8")
    sys.stdout.write(f"{len(found)} objects written to {target}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
