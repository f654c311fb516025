"""HTTP sessions: a handle of the engine that stays open between requests, for SET, USE and temporary tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from marketprism.embedded.engine import Handle, identifier, quote
from marketprism.embedded.exceptions import EngineError
from marketprism.embedded.text import strings


class Session:
    """A kept handle. One request at a time; per-request settings are taken back after each."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle
        self.busy = False
        self.expires = 0.0
        self.timeout = 60

    @contextmanager
    def entered(self, base: dict[str, str], settings: dict[str, str], database: str) -> Iterator[Handle]:
        """In a thread: the handle with what holds for one request; taken back at the end of the block.

        ``base`` gives way to what the session has SET itself, ``settings`` does not.
        """
        names = ", ".join(quote(name) for name in (base | settings))
        changed = self.handle.query(
            f"SELECT name, value FROM system.settings WHERE changed AND name IN ({names})", "RowBinary"
        )
        before = dict(_pairs(changed))
        settings = {name: value for name, value in base.items() if name not in before} | settings
        undo = [f"{identifier(name)} = {quote(before[name]) if name in before else 'DEFAULT'}" for name in settings]
        back = next(strings(self.handle.query("SELECT currentDatabase()", "RowBinary"))) if database else ""
        try:
            if database:
                self.handle.query("USE " + identifier(database))
            self.handle.apply(settings)
            yield self.handle
        finally:
            self.handle.query("SET " + ", ".join(undo))
            if back:
                self.handle.query("USE " + identifier(back))


class Sessions:
    """All open sessions, by user and id. Used from the event loop only."""

    def __init__(self, open_handle: Callable[[], Handle], clock: Callable[[], float] = time.monotonic) -> None:
        self._open = open_handle
        self._clock = clock
        self._sessions: dict[tuple[str, str], Session] = {}

    def take(self, user: str, session_id: str, timeout_s: int, must_exist: bool) -> Session:
        """Lock a session for one request, opening it when new. Raises EngineError 372 and 373 like ClickHouse."""
        self.expire()
        key = (user, session_id)
        session = self._sessions.get(key)
        if session is None:
            if must_exist:
                raise EngineError(372, f"Session {session_id} not found", "SESSION_NOT_FOUND")
            session = self._sessions[key] = Session(self._open())
        if session.busy:
            raise EngineError(373, f"Session {session_id} is locked by a concurrent client", "SESSION_IS_LOCKED")
        session.busy = True
        session.timeout = timeout_s
        return session

    def give_back(self, session: Session) -> None:
        """Unlock; its life starts anew."""
        session.busy = False
        session.expires = self._clock() + session.timeout

    def drop(self, session: Session) -> None:
        """Forget a session whose state is not certain any more."""
        for key, kept in list(self._sessions.items()):
            if kept is session:
                del self._sessions[key]
        session.handle.close()

    def expire(self) -> None:
        """Close what nobody used for its timeout."""
        now = self._clock()
        for session in list(self._sessions.values()):
            if not session.busy and session.expires < now:
                self.drop(session)

    def close(self) -> None:
        for session in list(self._sessions.values()):
            self.drop(session)


def _pairs(raw: bytes) -> Iterator[tuple[str, str]]:
    values = strings(raw)
    return zip(values, values, strict=True)
