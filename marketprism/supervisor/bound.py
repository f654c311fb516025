"""Run a command that dies with its parent: ``python -I -S bound.py <parent pid> <command> …``.

A supervisor that is killed cannot stop anybody, and children that live on hold ports and the data directory. Linux
sends a signal of our choice when the parent is gone (PR_SET_PDEATHSIG survives exec). The parent may already be gone
when we ask, so its pid is compared afterwards. Elsewhere than on Linux the command runs unbound.

This file is started by path in a bare interpreter: it imports the standard library only.
"""

from __future__ import annotations

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def bind_to_parent(parent: int) -> None:
    """Ask for SIGKILL at the parent's end; exit at once when it has ended already."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes  # costs milliseconds, and only Linux needs it

    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        sys.exit(f"error: the supervisor {parent} ended before its child started")


if __name__ == "__main__":
    bind_to_parent(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
