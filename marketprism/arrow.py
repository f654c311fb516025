"""Times in Arrow and parquet: ClickHouse gives a DateTime there as UInt32 seconds and a Date as UInt16 days.

And decimals of more than 38 digits in files: polars opens no file that has a column of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_WIDER: Final = {"DateTime": "toDateTime64({0}, 3, 'UTC')", "Date": "toDate32({0})"}
_NARROW: Final = re.compile(r"(?:Nullable\()?(DateTime|Date)(?:\('[^']*'\))?\)?")
_TOO_WIDE: Final = re.compile(r"(?:Nullable\()?Decimal\((?:39|[4-7]\d), \d+\)\)?")


def with_times(types: Mapping[str, str], *, for_files: bool = False) -> str:
    """What follows the ``*`` of a SELECT over columns of these ClickHouse types, so that each time arrives as one.

    ``for_files``: and notionals, Decimal(76, 24), as Float64, as they are in polars. Put it on a SELECT without a
    WHERE: there the wider column would hide the one that an index knows.
    """
    wider = [
        f"{_WIDER[narrow[1]].format(f'`{name}`')} AS `{name}`"
        for name, type_ in types.items()
        if (narrow := _NARROW.fullmatch(type_))
    ]
    if for_files:
        wider += [f"toFloat64(`{name}`) AS `{name}`" for name, type_ in types.items() if _TOO_WIDE.fullmatch(type_)]
    return f" REPLACE ({', '.join(wider)})" if wider else ""
