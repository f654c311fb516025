"""Times in Arrow and parquet: ClickHouse gives a DateTime there as UInt32 seconds and a Date as UInt16 days."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_WIDER: Final = {"DateTime": "toDateTime64({0}, 3, 'UTC')", "Date": "toDate32({0})"}
_NARROW: Final = re.compile(r"(?:Nullable\()?(DateTime|Date)(?:\('[^']*'\))?\)?")


def with_times(types: Mapping[str, str]) -> str:
    """What follows the ``*`` of a SELECT over columns of these ClickHouse types, so that each time arrives as one.

    Put it on a SELECT without a WHERE: there the wider column would hide the one that an index knows.
    """
    wider = [
        f"{_WIDER[narrow[1]].format(f'`{name}`')} AS `{name}`"
        for name, type_ in types.items()
        if (narrow := _NARROW.fullmatch(type_))
    ]
    return f" REPLACE ({', '.join(wider)})" if wider else ""
