"""What engine threads do for one request: read into a hand-over, insert an upload, or run a small statement."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Final

from marketprism.embedded.compression import Encoder
from marketprism.embedded.engine import PIPE, Handle, Progress, identifier, is_blockwise, quote
from marketprism.embedded.exceptions import EngineError
from marketprism.embedded.handoff import Abandoned, Handoff
from marketprism.embedded.request import ExternalTable
from marketprism.embedded.statement import Kind, Statement
from marketprism.embedded.upload import Upload

STALL_S: Final = 60.0
"""A client that takes nothing for this long has gone."""

_PIECE: Final = 1 << 20


@dataclass(slots=True)
class Outcome:
    """What a thread tells beside its result; ``unsent`` is what a read held back when it failed."""

    progress: Progress = field(default_factory=Progress)
    unsent: bytes = b""


def load_external(handle: Handle, tables: list[ExternalTable]) -> None:
    """Make temporary tables of what came with the request."""
    for table in tables:
        name = identifier(table.name)
        handle.query(f"CREATE TEMPORARY TABLE {name} ({table.structure})")
        with Upload() as upload:
            upload.append(table.data)
            handle.query(f"INSERT INTO {name} FROM INFILE {quote(upload.path)} FORMAT {table.format}")


def read_into(
    handle: Handle,
    statement: Statement,
    format: str,
    params: dict[str, str],
    encoder: Encoder | None,
    out: Handoff,
    outcome: Outcome,
) -> None:
    """Run a read; its bytes, encoded, go to ``out``. Small blocks are joined, so few pieces cross the threads.

    Raises EngineError, also when nobody takes them any more.
    """
    begun = time.perf_counter_ns()
    progress = outcome.progress
    pieces: Generator[bytes, None, None]
    if statement.kind is not Kind.SELECT:
        pieces = (handle.query(sql, format, params, progress) for sql in (statement.sql,))
    elif is_blockwise(format):
        pieces = handle.blocks(statement.sql, format, params, progress)
    else:
        pieces = handle.piped(statement.into_file(PIPE, format), params, progress)
    try:
        waiting: list[bytes] = []
        held = 0
        for piece in pieces:
            progress.result_bytes += len(piece)
            waiting.append(piece)
            held += len(piece)
            if held >= _PIECE:
                joined = b"".join(waiting)
                waiting, held = [], 0
                out.put(encoder.encode(joined) if encoder else joined, STALL_S)
        last = b"".join(waiting)
        out.put(encoder.encode(last) + encoder.finish() if encoder else last, STALL_S)
    except EngineError:
        outcome.unsent = b"".join(waiting)
        raise
    except Abandoned as error:
        raise EngineError(394, "Query was cancelled: the client has gone", "QUERY_WAS_CANCELLED") from error
    finally:
        pieces.close()
        progress.elapsed_ns = time.perf_counter_ns() - begun


def insert(handle: Handle, statement: Statement, params: dict[str, str], upload: Upload, progress: Progress) -> None:
    """Insert an upload that is whole. As on a server, of several blocks those before a bad one stay."""
    begun = time.perf_counter_ns()
    handle.query(statement.from_file(upload.path), "TabSeparated", params, progress)
    progress.result_rows = progress.read_rows = progress.written_rows
    progress.read_bytes = progress.written_bytes
    progress.elapsed_ns = time.perf_counter_ns() - begun


def run_small(handle: Handle, statement: Statement, format: str, params: dict[str, str], outcome: Outcome) -> bytes:
    """DDL, SET, KILL, INSERT SELECT: statements whose answer is small."""
    begun = time.perf_counter_ns()
    answer = handle.query(statement.sql, format, params, outcome.progress)
    outcome.progress.elapsed_ns = time.perf_counter_ns() - begun
    return answer if statement.kind is not Kind.INSERT_SELECT else b""
