"""Instants that a person wrote: ISO 8601, in UTC where no zone is given."""

from __future__ import annotations

import datetime as dt

from marketprism.errors import SettingsError


def moment(text: str, option: str) -> dt.datetime:
    """The instant, UTC; of a day its first. Raises SettingsError for what is no time."""
    try:
        given = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"{option} {text!r} is no time; write 2024-08-08 or 2024-08-08T12:00:00") from error
    return given.replace(tzinfo=dt.UTC) if given.tzinfo is None else given.astimezone(dt.UTC)
