"""An engine directory with the whole schema, made once a test session and copied wherever a test needs one.

Applying every migration costs seconds of CPU, copying their result a tenth of one. That migrations do what they should
is tests/sql/test_migrations.py; that a fresh directory gets them is tests/integration/test_up.py.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from marketprism.embedded.inprocess import ENGINE_FOLDER
from marketprism.migrate import migrate
from tests.integration.embedded_process import EmbeddedServer
from tests.once import alone


class Template:
    """``folder`` is shared by the test processes of one session: the first that asks makes it, the others wait."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._engine = folder / "made" / ENGINE_FOLDER

    def copy(self, engine: Path) -> None:
        """Make ``engine`` a migrated engine directory, which nobody has open."""
        with alone(self._folder):
            if not self._engine.exists():
                self._make()
        shutil.copytree(self._engine, engine, symlinks=True)  # its links are relative

    def seed(self, data: Path) -> None:
        """Give a data directory that has no engine yet a migrated one."""
        data.mkdir(parents=True, exist_ok=True)
        self.copy(data / ENGINE_FOLDER)

    def _make(self) -> None:
        making = self._folder / "making"
        shutil.rmtree(making, ignore_errors=True)  # of a process that ended before it had finished
        server = EmbeddedServer(making).stand_still().start()
        try:
            client = server.client()
            migrate(client)
            client.close()
        finally:
            server.stop()
        making.rename(self._engine.parent)
