"""A session that is opened ahead is nobody's before it is asked for, and none outlives the engine."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """if True:
    import tempfile
    from pathlib import Path
    from marketprism.embedded.engine import Engine
    from marketprism.embedded.exceptions import EngineError

    engine = Engine(Path(tempfile.mkdtemp()))
    engine.spare()
    engine.spare()
    with engine.session() as first, engine.session() as second:
        assert first is not second
        first.query("CREATE TEMPORARY TABLE mine (x UInt8)")
        first.query("SET max_threads = 3")
        try:
            second.query("SELECT * FROM mine")
        except EngineError as error:
            assert error.code == 60, error
        else:
            raise AssertionError("a session saw another's table")
        engine.spare()
    with engine.session() as third:
        assert third.query("SELECT count() FROM system.settings WHERE name = 'max_threads' AND changed") == b"0\\n"
    engine.spare()
    engine.close()
    engine.spare()
    other = Engine(Path(tempfile.mkdtemp()))  # a process has one directory open: the first one is let go
    with other.session() as handle:
        print(handle.query("SELECT 'open'").decode().strip())
    other.close()
"""


def test_a_spare_session_is_handed_out_once_and_goes_with_the_engine() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "open"), done.stderr
