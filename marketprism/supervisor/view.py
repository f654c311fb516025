"""What the person at the terminal sees of a run: a live table, or a plain line every few seconds, or JSON lines.

Everything goes to stderr, except the JSON lines, which are results.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from marketprism.status import Status, status_json
from marketprism.supervisor.supervise import PartState
from marketprism.supervisor.table import live_view, plain_line

TABLE_EVERY_S: Final = 1.0
LINE_EVERY_S: Final = 5.0

WriteLine = Callable[[str], None]


def _to_stdout(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class View:
    """``with View(...) as view``; ``show`` may be called as often as ``every_s`` says; ``notify`` at any time."""

    def __init__(self, *, table: bool, as_json: bool, console: Console | None = None, write: WriteLine = _to_stdout):
        self.console = console or Console(stderr=True)
        self._as_json = as_json
        self._write = write
        self._table = table and not as_json and self.console.is_terminal
        self._live: Live | None = None
        self._stack = ExitStack()

    @property
    def every_s(self) -> float:
        return TABLE_EVERY_S if self._table or self._as_json else LINE_EVERY_S

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end_table()

    def notify(self, line: str) -> None:
        """One line for the person; it scrolls away above the table."""
        self.console.print(Text(line, "dim"), soft_wrap=True)

    def show(self, status: Status, parts: list[PartState], headline: str) -> None:
        """Draw the state anew."""
        if self._as_json:
            self._write(status_json(status, [_told(part) for part in parts]))
        elif not self._table:
            self.console.print(Text(plain_line(status)), soft_wrap=True)
        else:
            view = live_view(status, parts, headline, self.console.width)
            if self._live is None:
                self._live = self._stack.enter_context(Live(view, console=self.console, auto_refresh=False))
            self._live.update(view, refresh=True)

    def end_table(self) -> None:
        """Leave the last table on the screen and go on with plain lines."""
        self._stack.close()
        self._live = None


def _told(part: PartState) -> dict[str, object]:
    return {"name": part.name, "pid": part.pid, "running": part.running, "restarts": part.restarts}


@contextlib.contextmanager
def log_through(view: View) -> Iterator[None]:
    """Our own warnings go through the view too, or they would tear the table."""

    class ToView(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            view.notify(self.format(record))

    root = logging.getLogger()
    before = root.handlers[:]
    root.handlers[:] = [ToView(level=logging.WARNING)]
    try:
        yield
    finally:
        root.handlers[:] = before
