"""The data of an INSERT, gathered until they are whole, as a file that the engine can read.

The engine sees an upload only when all of it is there: a cut one stores nothing, and a slow client holds no writer.
chDB's own streamed insert (``send_insert``) is not used: in chDB 4 it reports success when a view throws, a constraint
fails or a block holds too many partitions, and stores nothing. ``INSERT … FROM INFILE`` raises what a server raises.
"""

from __future__ import annotations

import os
import tempfile
from types import TracebackType
from typing import IO, Final, Self

from marketprism.embedded.exceptions import EngineError

IN_MEMORY_BYTES: Final = 32 << 20
"""A larger upload goes to a file in the temporary directory ($TMPDIR), which has no name and ends with the upload."""


class Upload:
    """Bytes of one INSERT. ``append`` and ``path`` raise EngineError 243 when there is no room for them."""

    def __init__(self) -> None:
        self._in_memory = hasattr(os, "memfd_create")
        self._file: IO[bytes] = (
            os.fdopen(os.memfd_create("insert"), "w+b", buffering=0) if self._in_memory else _temporary()
        )
        self.size = 0

    def append(self, piece: bytes) -> None:
        """Add to the end."""
        self.size += len(piece)
        try:
            if self._in_memory and self.size > IN_MEMORY_BYTES:
                self._spill()
            _write(self._file, piece)
        except OSError as error:
            raise EngineError(
                243,
                f"Cannot hold an upload of {self.size} bytes: {error.strerror}; free some in $TMPDIR",
                "NOT_ENOUGH_SPACE",
            ) from error

    @property
    def path(self) -> str:
        """Where the engine finds the bytes; each opening begins at the first."""
        return f"/dev/fd/{self._file.fileno()}"

    def _spill(self) -> None:
        file, self._file, self._in_memory = self._file, _temporary(), False
        with file:
            file.seek(0)
            while piece := file.read(1 << 20):
                _write(self._file, piece)

    def close(self) -> None:
        """Let the bytes go."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _temporary() -> IO[bytes]:
    return tempfile.TemporaryFile(prefix="marketprism-insert-", buffering=0)


def _write(file: IO[bytes], piece: bytes) -> None:
    """All of it: an unbuffered file may take only a part."""
    left = memoryview(piece)
    while left:
        left = left[file.write(left) :]
