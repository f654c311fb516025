"""The ClickHouse engine in this process: opened once, then a fresh handle for every request.

A handle is a session: its SET, USE and temporary tables are its own, its calls run one after the other, and different
handles run beside each other. A fresh one costs half a millisecond (``tests/bench/bench_front.py``), spent before it is
asked for (``Engine.spare``), so settings of one request can never reach another. One process can open one directory.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode

import chdb
from chdb import _chdb

from marketprism.embedded.exceptions import EngineError
from marketprism.errors import DataDirectoryError

VERSION: Final[str] = chdb.engine_version
"""ClickHouse's version number of the engine, as ``SELECT version()`` gives it."""

_PIPE_BYTES: Final = 1 << 20
_SET_PIPE_SIZE: Final = 1031  # F_SETPIPE_SZ, Linux

# Formats whose blocks can stand one after the other: the engine hands them over block by block. All others (headers,
# footers, separators) are written by the engine's own output format into a pipe.
_BLOCKWISE: Final = frozenset(
    name.lower()
    for name in (
        *("Native", "TabSeparated", "TSV", "TabSeparatedRaw", "TSVRaw", "CSV", "TSKV", "RowBinary"),
        *(
            "JSONEachRow",
            "JSONLines",
            "NDJSON",
            "JSONCompactEachRow",
            "JSONStringsEachRow",
            "JSONCompactStringsEachRow",
        ),
    )
)


def quote(value: str) -> str:
    """A ClickHouse string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(name: str) -> str:
    """A quoted ClickHouse identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def assigned(settings: Mapping[str, str]) -> str:
    """What stands behind SET or SETTINGS."""
    return ", ".join(f"{identifier(name)} = {quote(value)}" for name, value in settings.items())


class Progress:
    """What a statement has read and written, for X-ClickHouse-Summary."""

    __slots__ = (
        "elapsed_ns",
        "read_bytes",
        "read_rows",
        "result_bytes",
        "result_rows",
        "written_bytes",
        "written_rows",
    )

    def __init__(self) -> None:
        self.read_rows = self.read_bytes = self.written_rows = self.written_bytes = 0
        self.result_rows = self.result_bytes = self.elapsed_ns = 0

    def summary(self) -> dict[str, str]:
        """ClickHouse's keys; all values are strings there."""
        names = [name for name in self.__slots__ if name != "elapsed_ns"]
        return {name: str(getattr(self, name)) for name in names} | {
            "total_rows_to_read": str(self.read_rows),
            "elapsed_ns": str(self.elapsed_ns),
        }


class Handle:
    """One session of the engine. Use it from one thread at a time. Every method raises EngineError."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def apply(self, settings: Mapping[str, str]) -> None:
        """SET them all at once; ``readonly`` among them counts from the next statement on."""
        if settings:
            self.query("SET " + assigned(settings))

    def query(
        self,
        sql: str,
        format: str = "TabSeparated",
        params: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> bytes:
        """The whole answer at once: for statements whose answer is small."""
        try:
            result = self._connection.query(sql, format, params=dict(params or {}))
        except (RuntimeError, ValueError) as error:
            raise EngineError.of(error) from error
        if progress is not None:
            progress.read_rows += result.storage_rows_read()
            progress.read_bytes += result.storage_bytes_read()
            progress.written_rows += result.rows_written()
            progress.written_bytes += result.bytes_written()
            progress.result_rows += result.rows_read()
        answer: bytes = result.bytes()
        return answer

    def blocks(
        self, sql: str, format: str, params: Mapping[str, str], progress: Progress
    ) -> Generator[bytes, None, None]:
        """A SELECT's answer block by block, for a format that ``is_blockwise``; the engine waits in between."""
        try:
            stream = self._connection.send_query(sql, format, params=dict(params))
        except (RuntimeError, ValueError) as error:
            raise EngineError.of(error) from error
        try:
            while True:
                try:
                    block = stream.fetch()
                except (RuntimeError, ValueError) as error:
                    raise EngineError.of(error) from error
                if block is None:
                    return
                progress.result_rows += block.rows_read()
                progress.read_rows = max(progress.read_rows, block.storage_rows_read())
                progress.read_bytes = max(progress.read_bytes, block.storage_bytes_read())
                yield block.bytes()
        finally:
            stream.close()

    def piped(self, statement: str, params: Mapping[str, str], progress: Progress) -> Generator[bytes, None, None]:
        """A SELECT's answer INTO OUTFILE ``PIPE``: written by the engine's own format, held back by who reads."""
        reading, writing = os.pipe()
        failed: list[EngineError] = []

        def run() -> None:
            try:
                self.query(statement.replace(PIPE, f"/dev/fd/{writing}", 1), "TabSeparated", params, progress)
            except EngineError as error:
                failed.append(error)
            finally:
                os.close(writing)

        _widen(writing)
        thread = threading.Thread(target=run, name="engine-pipe")
        thread.start()
        try:
            while piece := os.read(reading, _PIPE_BYTES):
                yield piece
        finally:
            os.close(reading)
            thread.join()
        if failed:
            raise failed[0]


PIPE: Final = "/dev/fd/marketprism-pipe"
"""Stands for the pipe in a statement for ``Handle.piped``."""


def is_blockwise(format: str) -> bool:
    """Whether answers of this format come block by block, without a pipe."""
    return format.lower() in _BLOCKWISE


def _widen(pipe: int) -> None:
    try:
        import fcntl

        fcntl.fcntl(pipe, _SET_PIPE_SIZE, _PIPE_BYTES)
    except OSError:  # not Linux, or above the user's limit: a narrow pipe is only slower
        return


class Engine:
    """An open engine directory. Make one per process, and close it."""

    def __init__(self, path: Path, options: Mapping[str, str] | None = None) -> None:
        _chdb.set_signal_handlers_enabled(0)  # type: ignore[attr-defined]  # SIGTERM and SIGINT are ours
        self._path = str(path.resolve())
        self._options = dict(options or {})
        self._spare: queue.SimpleQueue[Handle] = queue.SimpleQueue()
        self._closing, self._closed = threading.Lock(), False
        target = self._path + ("?" + urlencode(self._options) if self._options else "")
        try:
            self._keeper = Handle(chdb.connect(target))
        except RuntimeError as error:
            raise DataDirectoryError(
                f"the engine cannot open {self._path}: {' '.join(str(error).split())[:200]}; "
                "stop whatever else has it open, or choose another with --data"
            ) from error

    def fresh(self) -> Handle:
        """A new session with the engine's own settings."""
        try:
            return self._spare.get_nowait()
        except queue.Empty:
            return Handle(chdb.connect(self._path))

    def spare(self) -> None:
        """Open a session for the next who asks, unless there is one: nobody then waits for it."""
        with self._closing:
            if not self._closed and self._spare.empty():
                self._spare.put(Handle(chdb.connect(self._path)))

    @contextmanager
    def session(self) -> Iterator[Handle]:
        """A new session for the length of a block."""
        handle = self.fresh()
        try:
            yield handle
        finally:
            handle.close()

    def kill(self, tag: str) -> None:
        """Ask the engine to stop the statements whose log_comment is ``tag``; returns at once."""
        with self.session() as handle:
            handle.query(f"KILL QUERY WHERE query_id IN ({processes_of(tag)}) ASYNC")

    def kill_all(self) -> None:
        """Ask the engine to stop every statement."""
        with self.session() as handle:
            handle.query("KILL QUERY WHERE query_id != query_id() ASYNC")

    def close(self) -> None:
        """Close the last handles: the engine flushes and lets the directory go."""
        with self._closing, contextlib.suppress(queue.Empty):
            self._closed = True
            while True:
                self._spare.get_nowait().close()
        self._keeper.close()


def processes_of(tag: str) -> str:
    """SQL for the engine's own query ids of a request: chDB gives ids itself, ours travels as log_comment."""
    return f"SELECT query_id FROM system.processes WHERE Settings['log_comment'] = {quote(tag)}"
