"""What every pair of a planted leak and its honest twin is held to."""

from __future__ import annotations

from marketprism.leaklint import lint_text

Pairs = dict[str, tuple[str, str, str]]  # what is planted -> rule, leak, honest twin


def hold(rule: str, leak: str, honest: str) -> None:
    """The leak is found by the rule that names it; its twin, which differs in what makes it honest, is not found."""
    assert rule in {finding.rule for finding in lint_text(leak)}
    assert lint_text(honest) == []
