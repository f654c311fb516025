"""The engine in this very process: for `marketprism query --data DIR` when nobody serves the directory, and tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from marketprism.embedded.directory import EngineDirectory
from marketprism.embedded.engine import PIPE, VERSION, Engine, Handle, Progress, is_blockwise
from marketprism.embedded.options import engine_options
from marketprism.embedded.statement import Kind, parse
from marketprism.errors import DataDirectoryError
from marketprism.settings import EmbeddedSettings

ENGINE_FOLDER: Final = "clickhouse"
"""The engine's folder inside a data directory."""


class LocalEngine:
    """Statements in one session of the engine. Errors are EngineError."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def query(self, sql: str, format: str = "TabSeparated") -> bytes:
        """The whole answer; a FORMAT in the statement comes before ``format``."""
        return b"".join(self.stream(sql, format))

    def stream(self, sql: str, format: str = "TabSeparated") -> Iterator[bytes]:
        """The same piece by piece, never held whole."""
        statement = parse(sql.encode())
        format = statement.format or format
        if statement.kind is not Kind.SELECT:
            yield self._handle.query(sql, format)
        elif is_blockwise(format):
            yield from self._handle.blocks(statement.sql, format, {}, Progress())
        else:
            yield from self._handle.piped(statement.into_file(PIPE, format), {}, Progress())


@contextmanager
def open_engine(data_dir: Path, *, create: bool = False) -> Iterator[LocalEngine]:
    """Open ``data_dir``'s engine for the length of a block; one directory per process.

    Raises DataDirectoryError when there is no engine's folder (unless ``create``), when another process holds it
    (``directory.serving_port`` tells where that one serves), or when another engine version wrote it.
    """
    path = data_dir / ENGINE_FOLDER
    if not create and not path.is_dir():
        raise DataDirectoryError(
            f"no ClickHouse data in {data_dir}; run `marketprism up` or `replay --data` there first"
        )
    with EngineDirectory(path, engine=VERSION) as directory:
        engine = Engine(directory.path, engine_options(EmbeddedSettings(), directory.path))
        try:
            with engine.session() as handle:
                yield LocalEngine(handle)
        finally:
            engine.close()
