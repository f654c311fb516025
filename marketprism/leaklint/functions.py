"""Names of functions, whatever class the parser gave them."""

from __future__ import annotations

from sqlglot import exp


def function_name(node: exp.Expression | None) -> str:
    """Lower-case name of a function node, whatever class the parser gave it."""
    if node is None:
        return ""
    if isinstance(node, exp.IgnoreNulls | exp.RespectNulls):
        return function_name(node.this)
    if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc | exp.ParameterizedAgg | exp.CombinedAggFunc):
        return str(node.this).lower()
    if isinstance(node, exp.Func):
        return str(node.sql_name()).lower()
    return ""
