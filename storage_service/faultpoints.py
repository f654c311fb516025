"""Places where a fault test kills this process: ``MARKETPRISM_FAULT=<point>[:<data type>][:<n-th time>]``.

Unset (always, outside tests) a point costs one look at an empty text. The points are the rows of DELIVERY.md.
``MARKETPRISM_FAULT_SIGNAL=STOP`` puts the process to sleep there instead. ``mid_insert`` strikes
``MARKETPRISM_FAULT_AFTER_MS`` after the request was sent, and takes the process ``MARKETPRISM_FAULT_WITH`` (ClickHouse)
with it: between a table and its views.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Final

POINTS: Final = (
    "before_intent",
    "after_intent",
    "mid_insert",
    "after_insert",
    "after_ack",
    "after_done",
)
BEFORE_SEND: Final = "before_send"
"""The last instruction before an insert leaves: who falls asleep here has looked at its lease and found it valid."""
_MID_INSERT_S: Final = float(os.environ.get("MARKETPRISM_FAULT_AFTER_MS", "4")) / 1000
_with: Final = int(os.environ.get("MARKETPRISM_FAULT_WITH", "0"))

_armed = os.environ.get("MARKETPRISM_FAULT", "")
_signal: Final = signal.SIGSTOP if os.environ.get("MARKETPRISM_FAULT_SIGNAL") == "STOP" else signal.SIGKILL
_seen = 0


def reach(point: str, data_type: str) -> None:
    """Kill this process (or put it to sleep) when the environment asks for it here."""
    if not _armed or not _due(point, data_type):
        return
    if point == "mid_insert":  # the request is about to be sent: die while the engine works on it
        asyncio.get_running_loop().call_later(_MID_INSERT_S, _strike)
        return
    _strike()


def _strike() -> None:
    if _with:
        os.kill(_with, signal.SIGKILL)
    os.kill(os.getpid(), _signal)


def _due(point: str, data_type: str) -> bool:
    global _seen
    wanted, _, rest = _armed.partition(":")
    wanted_type, _, nth = rest.partition(":")
    if wanted != point or wanted_type not in ("", data_type):
        return False
    _seen += 1
    return _seen == int(nth or 1)
