"""Which of the engine's functions are for analysts: by category, so that a new engine's dangers stay outside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from marketprism.embedded.text import strings

if TYPE_CHECKING:  # who asks over HTTP needs the rules, not the engine
    from marketprism.embedded.engine import Handle

_CATEGORIES: Final = frozenset(
    {
        *("Aggregate Functions", "Arithmetic", "Arrays", "Bit", "Bitmap", "Comparison", "Conditional"),
        *("Dates and Times", "Distance", "Encoding", "Financial", "Hash", "IP Address", "JSON", "Logical", "Map"),
        *("Mathematical", "Null", "Random Number", "Rounding", "String", "String Replacement", "String Search"),
        *("String Splitting", "Time Window", "Tuple", "Type Conversion", "URL", "UUID"),
    }
)

# Of the category Other, what computes from its arguments alone, and what clients ask about their connection.
_OTHER: Final = frozenset(
    [
        "bar",
        "bytesize",
        "blocknumber",
        "countdigits",
        "currentdatabase",
        "currentuser",
        "defaultvalueofargumenttype",
        "finalizeaggregation",
        "formatreadabledecimalsize",
        "formatreadablequantity",
        "formatreadablesize",
        "formatreadabletimedelta",
        "getsubcolumn",
        "identity",
        "ignore",
        "initializeaggregation",
        "isconstant",
        "isdecimaloverflow",
        "lowcardinalityindices",
        "lowcardinalitykeys",
        "materialize",
        "neighbor",
        "parsetimedelta",
        "rownumberinallblocks",
        "rownumberinblock",
        "runningaccumulate",
        "runningconcurrency",
        "runningdifference",
        "runningdifferencestartingwithfirstvalue",
        "throwif",
        "tocolumntypename",
        "totypename",
        "transform",
        "varianttype",
        "variantelement",
        "version",
        "visiblewidth",
    ]
)

# Not for analysts although their category is.
_NOT: Final = frozenset({"aggthrow", "flamegraph", "chdb", "estimatecompressionratio", "generateuuidv7thread"})

# What the engine's own parser writes for syntax that has no function name.
_SYNTAX: Final = frozenset({"lambda", "_cast", "grouping", "grouping_sets", "untuple", "exists", "columns"})

_NAMES: Final = "SELECT name, alias_to, categories, toString(origin) FROM system.functions"
_TYPES: Final = "SELECT name FROM system.data_type_families"


def allowed_functions(rows: Iterable[tuple[str, str, str, str]]) -> frozenset[str]:
    """Lower-case names, out of (name, alias_to, categories, origin) of ``system.functions``."""
    listed = [row for row in rows if row[3] == "System"]
    allowed = set(_SYNTAX)
    for name, alias_to, categories, _ in listed:
        if not alias_to and (categories in _CATEGORIES or name.lower() in _OTHER):
            allowed.add(name.lower())
    allowed -= _NOT
    allowed |= {name.lower() for name, alias_to, _, _ in listed if alias_to and alias_to.lower() in allowed}
    return frozenset(allowed)


def vocabulary(handle: Handle) -> frozenset[str]:
    """Functions and data types of this engine that an analyst may name, in lower case."""
    names = strings(handle.query(_NAMES, "RowBinary"))
    functions = allowed_functions(zip(names, names, names, names, strict=True))
    return functions | {name.lower() for name in strings(handle.query(_TYPES, "RowBinary"))}
