"""Addresses of servers as people write them: what is wrong with one, and how to show one."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

_NATS: Final = ("nats", "tls", "ws", "wss")
HIDDEN: Final = "••••"
"""Stands where a password is."""


def http_address(text: str) -> str:
    """The address as it is. Raises ValueError for what a client would take for another server than the one meant."""
    _check(text, ("http", "https"), "http://host:8123")
    return text


def http_address_or_none(text: str) -> str:
    """The same; empty says that there is none."""
    return http_address(text) if text else text


def nats_addresses(text: str) -> str:
    """One or several with commas between; a scheme may be left out. Raises ValueError."""
    addresses = [address.strip() for address in text.split(",") if address.strip()]
    if not addresses:
        raise ValueError("no address; write nats://host:4222")
    for address in addresses:
        _check(address if "://" in address else f"nats://{address}", _NATS, "nats://host:4222")
    return text


def _check(address: str, schemes: tuple[str, ...], example: str) -> None:
    """What is raised does not repeat the address: there may be a password in it."""
    if "://" not in address:
        raise ValueError(f"no {' or '.join(f'{scheme}://' for scheme in schemes)} before the host; write {example}")
    url = urlsplit(address)
    if url.scheme not in schemes:
        raise ValueError(f"{url.scheme}:// is none of {', '.join(schemes)}; write {example}")
    if not url.hostname:
        raise ValueError(f"no host; write {example}")
    try:
        port = url.port
    except ValueError as error:
        raise ValueError(f"the port is no number from 1 to 65535; write {example}") from error
    if port == 0:
        raise ValueError(f"the port is no number from 1 to 65535; write {example}")


def password_hidden(text: str) -> str:
    """An address with dots for all that may be a user and a password; any other text as it is."""
    scheme, separator, rest = text.partition("://")
    credentials, at, host = rest.rpartition("@")
    return f"{scheme}{separator}{HIDDEN}{at}{host}" if credentials else text
