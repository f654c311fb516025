"""Mutated HTTP requests into the embedded ClickHouse front: it lives, answers, and stores nothing wrong."""

from __future__ import annotations

import contextlib
import random
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.fuzz.mutations import mutated
from tests.integration.embedded_process import EmbeddedServer

TABLE: Final = "marketprism_hot.fuzz"
EVERY: Final = 250
"""Requests between two looks at whether the server is well."""
AT_ONCE: Final = 16
"""Half a request is waited for by the server, and so by us: the others go on meanwhile."""


def _requests() -> list[bytes]:
    rows = b'{"n":1,"t":"a"}\n{"n":2,"t":"b"}\n'
    insert = b"/?query=INSERT+INTO+marketprism_hot.fuzz+FORMAT+JSONEachRow"
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(rows), rows)
    head = b"Host: 127.0.0.1\r\nConnection: close\r\n"
    return [
        b"GET /ping HTTP/1.1\r\n" + head + b"\r\n",
        b"GET /?query=SELECT+1 HTTP/1.1\r\n" + head + b"\r\n",
        b"POST /?query=SELECT+sum(n)+FROM+marketprism_hot.fuzz HTTP/1.1\r\n" + head + b"Content-Length: 0\r\n\r\n",
        b"POST %s HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s" % (insert, head, len(rows), rows),
        b"POST %s HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n%s" % (insert, head, chunked),
        b"POST /?param_x=1 HTTP/1.1\r\n%sContent-Length: 27\r\n\r\nSELECT {x:UInt8} FORMAT TSV" % head,
        b"GET /?query=SELECT+1&user=analyst&max_threads=1 HTTP/1.1\r\n" + head + b"Accept-Encoding: gzip\r\n\r\n",
    ]  # fmt: skip


def _send(server: EmbeddedServer, request: bytes) -> str:
    """The class of the answer: 2xx … 5xx, or closed."""
    answer = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.settimeout(0.4)  # half a request waits for its rest: so do we, a little
        connection.sendall(request)
        while len(answer) < 12 and (piece := connection.recv(4096)):
            answer += piece
    return f"{answer[9:10].decode()}xx" if answer.startswith(b"HTTP/1") else "closed"


def fuzz_front(folder: Path, seed: int, count: int) -> Counter[str]:
    """``count`` requests. Raises AssertionError when the server dies, or holds a row that nobody could have sent."""
    chance, counts = random.Random(seed), Counter[str]()
    server = EmbeddedServer(folder).start()
    try:
        server.ask("CREATE DATABASE IF NOT EXISTS marketprism_hot")
        server.ask(f"CREATE TABLE {TABLE} (n UInt32, t String) ENGINE = MergeTree ORDER BY n")
        requests = _requests()
        sent = [mutated(chance, chance.choice(requests), requests) for _ in range(count)]
        with ThreadPoolExecutor(AT_ONCE) as clients:
            for start in range(0, count, EVERY):
                counts.update(clients.map(lambda request: _send(server, request), sent[start : start + EVERY]))
                assert server.process is not None
                assert server.process.poll() is None, server.log()[-2000:]
                assert server.ask("SELECT 41 + 1") == "42"
        inserted = int(server.ask(f"SELECT count() FROM {TABLE}"))
        server.post(f"INSERT INTO {TABLE} FORMAT JSONEachRow\n" + '{"n":7,"t":"whole"}')
        assert int(server.ask(f"SELECT count() FROM {TABLE}")) == inserted + 1
        counts["rows"] = inserted
        counts["resident_mb"] = server.resident_mb()
    finally:
        code = server.stop()
    assert code == 0, server.log()[-2000:]
    return counts
