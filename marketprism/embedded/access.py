"""Who may do what: user ``default`` everything, the analyst what the guard lets through, within limits."""

from __future__ import annotations

import hmac
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from marketprism.embedded.exceptions import EngineError
from marketprism.errors import SettingsError
from marketprism.settings import EmbeddedSettings

ADMIN: Final = "default"

# What an analyst may set for one request; the numbers are the most.
_LIMITED: Final = ("max_execution_time", "max_memory_usage", "max_threads")
_FREE: Final = frozenset(
    (
        *("max_block_size", "max_result_rows", "max_result_bytes", "result_overflow_mode", "max_rows_to_read"),
        *("max_bytes_to_read", "read_overflow_mode", "join_use_nulls", "session_timezone", "date_time_output_format"),
        *(
            "output_format_json_quote_64bit_integers",
            "output_format_json_quote_denormals",
            "limit",
            "offset",
            "extremes",
        ),
        *("output_format_arrow_string_as_string", "output_format_native_encode_types_in_binary_format", "final"),
        *("output_format_json_quote_decimals", "use_query_cache", "max_columns_to_read", "timeout_overflow_mode"),
        *(
            "input_format_binary_read_json_as_string",
            "output_format_binary_write_json_as_string",
            "date_time_input_format",
        ),
    )
)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_foreign_page(headers: Mapping[str, str]) -> None:
    """Raise EngineError 497 for what a browser sends on behalf of a web page of some other host.

    Without a password, loopback is the only lock, and any page that a person visits can post to 127.0.0.1.
    """
    origin = headers.get("Origin", "")
    foreign = origin != "" and not is_loopback(urlsplit(origin).hostname or "")
    if foreign or headers.get("Sec-Fetch-Site") == "cross-site":
        raise EngineError(497, "Requests of web pages from another host are not answered", "ACCESS_DENIED")


@dataclass(frozen=True, slots=True)
class Access:
    """The two users, their passwords, and the limits of readers."""

    password: str
    analyst: str
    analyst_password: str
    open_analyst: bool
    limits: dict[str, int]

    @classmethod
    def of(cls, settings: EmbeddedSettings) -> Access:
        """Raises SettingsError when others could reach a server without a password."""
        password = settings.password.get_secret_value()
        if not is_loopback(settings.host) and not password:
            raise SettingsError(
                f"MARKETPRISM_EMBEDDED_HOST={settings.host} can be reached from other machines: "
                "set MARKETPRISM_EMBEDDED_PASSWORD, or listen on 127.0.0.1"
            )
        if settings.readonly_user == ADMIN:
            raise SettingsError("MARKETPRISM_EMBEDDED_READONLY_USER must not be `default`; choose another name")
        return cls(
            password=password,
            analyst=settings.readonly_user,
            analyst_password=settings.readonly_password.get_secret_value(),
            open_analyst=is_loopback(settings.host),
            limits={
                "max_execution_time": settings.reader_max_execution_time_s,
                "max_memory_usage": settings.reader_max_memory_mb << 20,
                "max_threads": max(1, (os.cpu_count() or 2) // 2),
            },
        )

    def check(self, user: str, password: str) -> bool:
        """Whether this is the administrator (else the analyst). Raises EngineError 516."""
        if user == ADMIN and _same(password, self.password):
            return True
        known = user == self.analyst and _same(password, self.analyst_password)
        if known and (self.analyst_password or self.open_analyst):
            return False
        raise EngineError(
            516,
            f"{user[:64]}: Authentication failed: password is incorrect, or there is no user with such name",
            "AUTHENTICATION_FAILED",
        )

    def reader_settings(self) -> dict[str, str]:
        """What every read starts from."""
        return {name: str(limit) for name, limit in self.limits.items()}

    def analyst_settings(self, asked: dict[str, str]) -> dict[str, str]:
        """What an analyst asked for, within the limits. Raises EngineError for a setting that is not theirs."""
        allowed: dict[str, str] = {}
        for name, value in asked.items():
            if name in _LIMITED:
                allowed[name] = str(self._limited(name, value))
            elif name in _FREE:
                allowed[name] = value
            elif name != "readonly":
                raise EngineError(
                    452, f"Setting {name[:64]} is not allowed for user {self.analyst}", "SETTING_CONSTRAINT_VIOLATION"
                )
        return {**self.reader_settings(), **allowed, "readonly": "1", "allow_introspection_functions": "0"}

    def _limited(self, name: str, value: str) -> int:
        """The smaller of what was asked and the limit; 0 means "no limit" to the engine, so it is the limit."""
        try:
            asked = int(float(value))
        except (ValueError, OverflowError):
            asked = 0
        return min(asked, self.limits[name]) if asked > 0 else self.limits[name]


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
