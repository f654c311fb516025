"""An analyst's statement before it runs: the guard on sqlglot's tree, then the engine's own parser asked the same."""

from __future__ import annotations

from marketprism.embedded.engine import Handle
from marketprism.embedded.exceptions import EngineError
from marketprism.embedded.front import Guard


def guard_for(user: str) -> Guard:
    """A guard whose errors name the user."""

    def check(handle: Handle, sql: str, database: str) -> str:
        raise EngineError(497, f"{user}: not served yet", "ACCESS_DENIED")

    return check
