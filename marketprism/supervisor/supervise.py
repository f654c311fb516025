"""Keep a list of parts running: start in order, restart what dies with growing pauses and say so, stop in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from marketprism.errors import MarketPrismError
from marketprism.supervisor.child import Child, Notify, Part

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
CALM_S: Final = 60.0
"""A part that has lived this long starts again with the shortest pause."""


@dataclass(slots=True)
class PartState:
    """What a status page says of a part."""

    name: str
    pid: int | None
    running: bool
    restarts: int


class Supervisor:
    """Children of this process. ``notify`` gets one line for every event a person should see."""

    def __init__(self, log_dir: Path, notify: Notify) -> None:
        self._log_dir = log_dir
        self._notify = notify
        self._children: dict[str, Child] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._restarts: dict[str, int] = {}
        self._stopping: set[str] = set()
        log_dir.mkdir(parents=True, exist_ok=True)

    async def start(self, part: Part) -> Child:
        """Start one part and wait for its health. Raises ServiceFailed; the part is then stopped again."""
        child = Child(part, self._log_dir, self._notify)
        self._children[part.name] = child
        self._restarts[part.name] = 0
        await child.start()
        try:
            await child.wait_healthy()
        except BaseException:
            await child.stop()
            raise
        self._keepers[part.name] = asyncio.create_task(self._keep(child), name=f"keeper of {part.name}")
        return child

    async def _keep(self, child: Child) -> None:
        """Restart ``child`` whenever it ends by itself."""
        clock = asyncio.get_running_loop().time
        pause, started = FIRST_PAUSE_S, clock()
        while True:
            code = await child.exited()
            if child.part.name in self._stopping or (child.part.once and code == 0):
                return
            if clock() - started > CALM_S:
                pause = FIRST_PAUSE_S
            self._notify(f"{child.part.name} ended with {child.end()}; restarting in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
            if child.part.name in self._stopping:
                return
            self._restarts[child.part.name] += 1
            started = clock()
            try:
                await child.start()
                await child.wait_healthy()
            except (MarketPrismError, OSError) as error:  # OSError: the machine gives no process or file now
                self._notify(str(error))
            else:
                self._notify(f"{child.part.name} is back (restart {self._restarts[child.part.name]})")

    async def stop(self, names: Sequence[str], within_s: float | None = None) -> bool:
        """Stop these parts side by side, each ``within_s`` or its own time. True when all ended by themselves."""
        return all(await asyncio.gather(*(self._stop(name, within_s) for name in names if name in self._children)))

    async def _stop(self, name: str, within_s: float | None) -> bool:
        self._stopping.add(name)
        clean = await self._children[name].stop(within_s)
        keeper = self._keepers.pop(name, None)
        if keeper is not None:
            keeper.cancel()  # it may be in its pause, or waiting for health
            await asyncio.gather(keeper, return_exceptions=True)
            # between our stop and its cancellation the keeper may have started the child once more
            clean = await self._children[name].stop() and clean
        return clean

    def states(self) -> list[PartState]:
        """Every part that was started, in order of start."""
        return [
            PartState(name, child.pid, child.pid is not None and child.returncode is None, self._restarts[name])
            for name, child in self._children.items()
        ]
