"""An analyst's request before it runs: the guard's refusals as ClickHouse's error 497."""

from __future__ import annotations

from collections.abc import Set

from marketprism.embedded.engine import Engine
from marketprism.embedded.engine_tree import checked
from marketprism.embedded.exceptions import EngineError
from marketprism.embedded.guard import ReaderRefused, check_format
from marketprism.embedded.request import Request
from marketprism.embedded.statement import Statement, parse
from marketprism.embedded.vocabulary import vocabulary


class ReaderGuard:
    """Both walls in front of the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with engine.session() as handle:
            self._functions: Set[str] = vocabulary(handle)

    def check(self, asked: Request, statement: Statement) -> Statement:
        """The statement to run, in a thread. Raises EngineError 497 for what an analyst must not do."""
        try:
            if asked.external:
                raise ReaderRefused("external data are not for this user")
            check_format(asked.default_format)
            with self._engine.session() as handle:
                sql = checked(
                    handle,
                    statement.sql,
                    functions=self._functions,
                    database=asked.database or "default",
                    params=asked.params,
                )
        except ReaderRefused as error:
            raise EngineError(497, f"{asked.user}: {error}", "ACCESS_DENIED") from error
        return parse(sql.encode())
