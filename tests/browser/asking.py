"""Questions to the page's server, and the same to ClickHouse without it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any


def asked(url: str, statement: str) -> list[list[str]]:
    """Rows of a statement as text, asked of ClickHouse itself and not of the page."""
    request = urllib.request.Request(url, data=f"{statement} FORMAT TSV".encode())
    with urllib.request.urlopen(request, timeout=30) as response:
        return [line.split("\t") for line in response.read().decode().splitlines()]


def api(url: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/api/{path}", data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
