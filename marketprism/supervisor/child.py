"""One child process: start it bound to us, keep its log, tell its warnings, stop it within a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from marketprism.errors import ServiceFailed

BOUND: Final = Path(__file__).with_name("bound.py")
LOG_BYTES: Final = 16 << 20
LOG_FILES: Final = 3
_WARNING: Final = re.compile(
    r"\b(WARNING|ERROR|CRITICAL)\b|\[(WRN|ERR|FTL)\]|\"level\": ?\"(warning|error|critical)\"|^error: "
)
_ROUTINE: Final = re.compile(r"\[WRN\] Filestore .*(outdated|index errored)")
"""What nats-server says of each stream when it comes back after a kill; its log has it."""
_POLL_S: Final = 0.05

Notify = Callable[[str], None]
"""Shows one line to the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Part:
    """What to run. ``healthy`` says whether it does its work; ``environment`` is added to ours."""

    name: str
    command: tuple[str, ...]
    healthy: Callable[[], Awaitable[bool]]
    environment: Mapping[str, str] = field(default_factory=dict)
    start_timeout_s: float = 30.0
    stop_timeout_s: float = 3.0
    once: bool = False
    """Ends by itself when its work is done: exit code 0 is no failure and no reason to restart."""
    unfit: re.Pattern[str] | None = None
    """What it logs when it answers, but will not do its work again until it is started anew: then it is ended."""


class _LogFile(RotatingFileHandler):
    """A full disk takes no lines, and a traceback for each of them helps nobody: that is said once."""

    def __init__(self, file: Path, notify: Notify) -> None:
        super().__init__(file, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8")
        self._notify = notify
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        lost = self._lost
        super().emit(record)
        if lost and lost == self._lost:
            self._notify(f"{self.baseFilename} is written again; {lost} lines are missing")
            self._lost = 0

    def handleError(self, record: logging.LogRecord) -> None:
        if not self._lost:
            self._notify(f"{self.baseFilename} cannot be written: {sys.exc_info()[1]}")
        self._lost += 1

    def close(self) -> None:
        """What the disk did not take stays unwritten: a stop goes on."""
        with contextlib.suppress(OSError):
            super().close()


class Child:
    """A running Part. Its output goes to ``<log_dir>/<name>.log``, lines that warn also to ``notify``."""

    def __init__(self, part: Part, log_dir: Path, notify: Notify) -> None:
        self.part = part
        self.log_file = log_dir / f"{part.name}.log"
        self.last_lines: deque[str] = deque(maxlen=20)
        self._notify = notify
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._log = logging.Logger(f"child.{part.name}")

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def returncode(self) -> int | None:
        return self._process.returncode if self._process else None

    async def start(self) -> None:
        """Start the process in its own group: Ctrl-C at the terminal is for the supervisor, which stops in order."""
        if not self._log.handlers:
            self._log.addHandler(_LogFile(self.log_file, self._notify))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(BOUND), str(os.getpid()), *self.part.command,
            env={**os.environ, **self.part.environment, "PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            process_group=0,
        )  # fmt: skip
        self._ending = None
        self._reader = asyncio.create_task(self._read(), name=f"log of {self.part.name}")

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        rest = b""
        while chunk := await self._process.stdout.read(1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._line(line)
        if rest:
            self._line(rest)

    def _line(self, raw: bytes) -> None:
        line = raw.decode(errors="replace").rstrip()
        self._log.info("%s", line)
        if line:
            self.last_lines.append(line)
        if _WARNING.search(line) and not _ROUTINE.search(line):
            self._notify(f"{self.part.name}: {line}")
        if self._ending is None and self.part.unfit is not None and self.part.unfit.search(line):
            self._notify(f"{self.part.name}: it does no more work until it is started again")
            self._ending = asyncio.create_task(self._end_unfit(), name=f"end of {self.part.name}")

    async def _end_unfit(self) -> None:
        """SIGTERM, later SIGKILL; its keeper starts it again, with pauses that grow while it stays so."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), self.part.stop_timeout_s)
        except TimeoutError:
            if process.returncode is None:
                process.kill()

    async def wait_healthy(self) -> None:
        """Return when it does its work. Raises ServiceFailed with the last log line when it ends or takes too long."""
        deadline = asyncio.get_running_loop().time() + self.part.start_timeout_s
        while not await self.part.healthy():
            if self.returncode is not None:
                if self.part.once and self.returncode == 0:
                    return
                await self.exited()
                raise self._failed_with(f"{self.part.name} ended with {self.end()}; see {self.log_file}")
            if asyncio.get_running_loop().time() > deadline:
                raise ServiceFailed(
                    f"{self.part.name} did not become healthy within {self.part.start_timeout_s:g} s"
                    f"{self._last()}; see {self.log_file}"
                )
            await asyncio.sleep(_POLL_S)

    def _failed_with(self, text: str) -> ServiceFailed:
        """The failure keeps the child's exit code, so that a taken port is a taken port to the caller as well."""
        failure = ServiceFailed(text)
        if self.returncode is not None and self.returncode > 1:
            failure.exit_code = self.returncode
        return failure

    async def exited(self) -> int:
        """Wait for the end, and until all it said is in the log."""
        assert self._process is not None
        assert self._reader is not None
        code = await self._process.wait()
        await asyncio.wait([self._reader], timeout=1)  # a grandchild that lives on would hold the pipe open
        return code

    def end(self) -> str:
        """How it ended, for people: the exit code or signal, and its last line.

        Who is killed has no last word: an old line behind SIGKILL would read as its cause.
        """
        code = self.returncode
        if code == -signal.SIGKILL:
            return "SIGKILL (killed from outside, or out of memory)"
        if code is not None and code < 0:
            return f"{signal.Signals(-code).name}{self._last()}"
        return f"exit code {code}{self._last()}"

    def _last(self) -> str:
        telling = [line for line in self.last_lines if _WARNING.search(line)] or list(self.last_lines)
        return f": {telling[-1][-400:]}" if telling else ""

    async def stop(self, within_s: float | None = None) -> bool:
        """SIGTERM, and SIGKILL after ``within_s`` (else its own ``stop_timeout_s``). False when it had to be killed."""
        within_s = self.part.stop_timeout_s if within_s is None else within_s
        if self._process is None:
            return True
        clean = True
        if self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), within_s)
            except TimeoutError:
                if self._process.returncode is None:  # else it ended while the time ran out, and cannot be killed
                    self._process.kill()
                    clean = False
                    self._notify(f"{self.part.name}: did not stop within {within_s:.1f} s and was killed")
        await self.exited()
        for handler in self._log.handlers:
            handler.close()
        return clean
