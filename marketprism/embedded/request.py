"""An HTTP request as ClickHouse understands it: URL parameters, headers, forms."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from marketprism.embedded.exceptions import EngineError

# Consumed by the HTTP interface; never engine settings here.
_RESERVED: Final = frozenset(
    (
        *("query", "database", "default_format", "user", "password", "session_id", "session_timeout", "session_check"),
        *("query_id", "quota_key", "compress", "decompress", "wait_end_of_query", "buffer_size", "role", "stacktrace"),
        *("client_protocol_version", "send_progress_in_http_headers", "http_headers_progress_interval_ms"),
        *("enable_http_compression", "http_zlib_compression_level", "add_http_cors_header"),
        *("cancel_http_readonly_queries_on_client_close", "http_write_exception_in_output_format", "log_comment"),
        *(
            "http_response_buffer_size",
            "http_wait_end_of_query",
            "http_native_compression_disable_checksumming_on_decompress",
        ),
    )
)
_EXTERNAL: Final = ("_format", "_structure", "_types")
_TRUE: Final = frozenset({"1", "true", "True"})


@dataclass(slots=True)
class ExternalTable:
    """A table that came with the request as a form file."""

    name: str
    data: bytes
    format: str = "TabSeparated"
    structure: str = ""


@dataclass(slots=True)
class Request:
    """What was asked, before the body is looked at."""

    user: str
    password: str
    query: str
    database: str
    default_format: str
    query_id: str
    session_id: str
    session_timeout: int
    session_check: bool
    wait_end: bool
    compressed: bool
    settings: dict[str, str]
    params: dict[str, str]
    comment: str = ""
    external: list[ExternalTable] = field(default_factory=list)


def credentials(headers: Mapping[str, str], url: Mapping[str, str]) -> tuple[str, str]:
    """User and password: X-ClickHouse-User/Key, HTTP Basic, or URL parameters, in that order; else ``default``."""
    if "X-ClickHouse-User" in headers or "X-ClickHouse-Key" in headers:
        return headers.get("X-ClickHouse-User", "default"), headers.get("X-ClickHouse-Key", "")
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise EngineError(
                516, "Authentication failed: the Basic header is malformed", "AUTHENTICATION_FAILED"
            ) from error
        return user or "default", password
    if scheme:
        raise EngineError(
            516, f"Authentication failed: scheme {scheme[:20]!r} is not supported", "AUTHENTICATION_FAILED"
        )
    return url.get("user", "default") or "default", url.get("password", "")


def read_request(headers: Mapping[str, str], url: Mapping[str, str]) -> Request:
    """Sort the URL parameters. Raises EngineError for what this front does not speak."""
    for name in ("compress", "decompress"):
        if url.get(name) in _TRUE:
            raise EngineError(
                48,
                f"{name}=1 (ClickHouse's own block compression) is not supported; use HTTP compression",
                "NOT_IMPLEMENTED",
            )
    user, password = credentials(headers, url)
    timeout = url.get("session_timeout", "60")
    if not timeout.isdigit() or not 0 < int(timeout) <= 3600:
        raise EngineError(
            374, f"Invalid session timeout: {timeout[:20]!r}; 1 to 3600 seconds", "INVALID_SESSION_TIMEOUT"
        )
    return Request(
        user=user,
        password=password,
        query=url.get("query", ""),
        database=url.get("database", "") or headers.get("X-ClickHouse-Database", ""),
        default_format=url.get("default_format", "") or headers.get("X-ClickHouse-Format", "") or "TabSeparated",
        query_id=url.get("query_id", "") or str(uuid.uuid4()),
        session_id=url.get("session_id", ""),
        session_timeout=int(timeout),
        session_check=url.get("session_check") in _TRUE,
        wait_end=url.get("wait_end_of_query") in _TRUE,
        compressed=url.get("enable_http_compression") in _TRUE,
        settings={
            key: value
            for key, value in url.items()
            if key not in _RESERVED and not key.startswith("param_") and not key.endswith(_EXTERNAL)
        },
        params={key[6:]: value for key, value in url.items() if key.startswith("param_")},
        comment=url.get("log_comment", ""),
    )


def add_form(request: Request, fields: Mapping[str, bytes], url: Mapping[str, str]) -> None:
    """Take a multipart form: ``query``, ``param_x``, settings, and each other field a table's data."""
    for name, data in fields.items():
        if name == "query":
            request.query += data.decode()
        elif name.startswith("param_"):
            request.params[name[6:]] = data.decode()
        else:
            structure = url.get(f"{name}_structure") or _columns(url.get(f"{name}_types", ""))
            request.external.append(ExternalTable(name, data, url.get(f"{name}_format", "TabSeparated"), structure))


def _columns(types: str) -> str:
    return ", ".join(f"_{index + 1} {type_}" for index, type_ in enumerate(types.split(",")) if type_)
