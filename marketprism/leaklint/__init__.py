"""The leak linter: refuses SQL that lets a feature see the future. Works on the syntax tree (sqlglot), not on text.

``lint_text`` gives the findings of one file, ``lint_tree`` those of many. A rule that is broken on purpose is waived
in the file, with its reason, and only there::

    -- leak-ok: window-lead: the next bucket's first receipt says when this one was known to be closed
"""

from marketprism.leaklint.files import default_files, lint_tree
from marketprism.leaklint.findings import RULES, Finding
from marketprism.leaklint.lint import lint_text

__all__ = ["RULES", "Finding", "default_files", "lint_text", "lint_tree"]
