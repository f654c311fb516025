"""Real child processes: health, restart, stop in time, and death with the supervisor."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from marketprism.embedded.nats import STORE_FAILED
from marketprism.errors import ServiceFailed
from marketprism.supervisor.child import Part
from marketprism.supervisor.supervise import Supervisor

WAITS = "import signal; signal.pause()"


def _part(name: str, code: str, *, flag: Path | None = None, **options: object) -> Part:
    async def healthy() -> bool:
        return flag is None or flag.exists()

    return Part(name, (sys.executable, "-c", code), healthy, **options)  # type: ignore[arg-type]


async def _until(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    async def poll() -> None:
        while not condition():
            await asyncio.sleep(0.02)

    await asyncio.wait_for(poll(), timeout_s)


def _alive(pid: int) -> bool:
    """Running, and no zombie that its parent has yet to collect."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


async def test_waits_for_health_and_stops_by_sigterm(tmp_path: Path) -> None:
    flag, notices = tmp_path / "flag", []
    code = f"import pathlib, signal, time; time.sleep(.2); pathlib.Path({str(flag)!r}).touch(); signal.pause()"
    supervisor = Supervisor(tmp_path / "logs", notices.append)
    child = await supervisor.start(_part("one", code, flag=flag))
    assert flag.exists()
    assert supervisor.states()[0].running
    assert await supervisor.stop(["one"])
    assert child.returncode == -signal.SIGTERM
    assert notices == []


async def test_who_ends_while_its_time_runs_out_is_not_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notices: list[str] = []
    supervisor = Supervisor(tmp_path / "logs", notices.append)
    child = await supervisor.start(_part("one", WAITS))

    async def too_late(ended: Awaitable[int], _: float) -> None:
        await ended
        raise TimeoutError

    monkeypatch.setattr(asyncio, "wait_for", too_late)
    assert await supervisor.stop(["one"])
    assert child.returncode == -signal.SIGTERM
    assert notices == []


async def test_restarts_what_dies_and_says_so(tmp_path: Path) -> None:
    notices: list[str] = []
    supervisor = Supervisor(tmp_path / "logs", notices.append)
    child = await supervisor.start(_part("one", WAITS))
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await _until(lambda: any("is back" in notice for notice in notices))
    assert child.pid != first
    assert notices[0] == "one ended with SIGKILL (killed from outside, or out of memory); restarting in 0.5 s"
    assert supervisor.states()[0].restarts == 1
    await supervisor.stop(["one"])
    assert child.pid is not None
    assert not _alive(child.pid)


async def test_who_says_that_it_works_no_more_is_started_again(tmp_path: Path) -> None:
    """nats-server 2.15.1 on a disk that was full: it refuses every write until it is started again."""
    failure = (
        "[11888] 2026/11/22 07:29:36.620206 [ERR] Filestore [MD_TRADES_0] Critical write error: "
        "write /data/nats/jetstream/$G/streams/MD_TRADES_0/msgs/4.blk: no space left on device"
    )
    seen, notices = tmp_path / "seen", []
    code = (
        f"import pathlib, signal; seen = pathlib.Path({str(seen)!r})\n"
        f"if not seen.exists(): seen.touch(); print({failure!r}); print({failure!r})\n"
        "signal.pause()"
    )
    supervisor = Supervisor(tmp_path / "logs", notices.append)
    child = await supervisor.start(_part("nats", code, unfit=STORE_FAILED))
    first = child.pid
    await _until(lambda: any("is back" in notice for notice in notices))
    assert child.pid != first
    assert [notice for notice in notices if "started again" in notice] == [
        "nats: it does no more work until it is started again"
    ]
    await asyncio.sleep(0)
    assert supervisor.states()[0].running
    assert await supervisor.stop(["nats"])


async def test_a_log_that_cannot_be_written_is_said_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    logs, notices = tmp_path / "logs", []
    supervisor = Supervisor(logs, notices.append)
    (logs / "one.log").symlink_to("/dev/full")
    ready = tmp_path / "ready"
    code = f"import pathlib, signal\nfor n in range(5): print(n)\npathlib.Path({str(ready)!r}).touch()\nsignal.pause()"
    await supervisor.start(_part("one", code, flag=ready))
    await _until(lambda: bool(notices))
    assert await supervisor.stop(["one"])
    assert notices == [f"{logs / 'one.log'} cannot be written: [Errno 28] No space left on device"]
    assert capfd.readouterr().err == ""


async def test_a_part_that_fails_at_start_tells_its_last_line_and_keeps_its_exit_code(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "logs", lambda _: None)
    code = "import sys; print('hello'); print('error: port 1 is in use', file=sys.stderr); sys.exit(5)"
    with pytest.raises(ServiceFailed, match="one ended with exit code 5: error: port 1 is in use; see ") as caught:
        await supervisor.start(_part("one", code, flag=tmp_path / "never"))
    assert caught.value.exit_code == 5
    assert (tmp_path / "logs" / "one.log").read_text().splitlines() == ["hello", "error: port 1 is in use"]


async def test_a_part_that_never_becomes_healthy_is_stopped(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "logs", lambda _: None)
    with pytest.raises(ServiceFailed, match=r"one did not become healthy within 0\.3 s"):
        await supervisor.start(_part("one", WAITS, flag=tmp_path / "never", start_timeout_s=0.3))
    assert not supervisor.states()[0].running


async def test_a_deaf_part_is_killed_and_named(tmp_path: Path) -> None:
    flag, notices = tmp_path / "flag", []
    code = (
        "import pathlib, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f" pathlib.Path({str(flag)!r}).touch();\nwhile True: signal.pause()"
    )
    supervisor = Supervisor(tmp_path / "logs", notices.append)
    await supervisor.start(_part("deaf", code, flag=flag, stop_timeout_s=0.2))
    assert not await supervisor.stop(["deaf"])
    assert notices == ["deaf: did not stop within 0.2 s and was killed"]


async def test_warnings_of_a_child_reach_the_person(tmp_path: Path) -> None:
    notices: list[str] = []
    lines = ["quiet", "2026-01-01T00:00:00.000Z WARNING one: gap", "[1] 2026/01/01 [WRN] slow consumer"]
    supervisor = Supervisor(tmp_path / "logs", notices.append)
    await supervisor.start(_part("one", f"print('\\n'.join({lines!r})); {WAITS}"))
    await _until(lambda: len(notices) == 2)
    assert notices == [f"one: {line}" for line in lines[1:]]
    await supervisor.stop(["one"])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="parent death signals are Linux's")
async def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    code = f"""
import asyncio, sys
from pathlib import Path
from marketprism.supervisor.child import Part
from marketprism.supervisor.supervise import Supervisor

async def healthy() -> bool:
    return True

async def main() -> None:
    supervisor = Supervisor(Path({str(tmp_path)!r}), print)
    child = await supervisor.start(Part("one", (sys.executable, "-c", {WAITS!r}), healthy))
    print(child.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(await asyncio.to_thread(parent.stdout.readline))
    assert _alive(pid)
    parent.kill()
    parent.wait()
    await _until(lambda: not _alive(pid))


def test_a_command_whose_parent_is_gone_does_not_start(tmp_path: Path) -> None:
    from marketprism.supervisor.child import BOUND

    never = tmp_path / "never"
    command = [sys.executable, "-I", "-S", str(BOUND), "1", "touch", str(never)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ended before its child started" in done.stderr
    assert not never.exists()
