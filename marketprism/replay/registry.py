"""Every venue whose recordings can be replayed, by host and by name."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from marketprism.replay.subscribed import SUBSCRIBED, SubscribedVenue
from marketprism.replay.venues import VENUES, ReplayVenue

AnyVenue = ReplayVenue | SubscribedVenue

ALL: Final[tuple[AnyVenue, ...]] = (*VENUES, *SUBSCRIBED)


_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost"})


def venue_of(url: str) -> AnyVenue | None:
    """The venue that a recorded URL belongs to, by its host; one of the simulator's by its path."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in _LOOPBACK:
        return next((venue for venue in VENUES if venue.simulates(parts.path)), None)
    return next((venue for venue in ALL if host in venue.hosts), None)


def venue_named(name: str) -> AnyVenue:
    """The registry entry of a name; raises KeyError."""
    for venue in ALL:
        if venue.name == name:
            return venue
    raise KeyError(name)
