"""What is checked before a command works: that the named symbols are stored, and that its file can be written."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from marketprism.errors import SettingsError

_TABLES: Final = """
SELECT c.database || '.' || c.table AS name FROM system.columns AS c
JOIN system.tables AS t ON t.database = c.database AND t.name = c.table
WHERE c.database IN {databases:Array(String)} AND (endsWith(t.engine, 'MergeTree') OR t.engine = 'Distributed')
GROUP BY name HAVING countIf(c.name IN ('exchange', 'market_type', 'symbol', 'timestamp')) = 4"""


def require_stored(client: Any, symbols: Collection[str], exchange: str = "", market_type: str = "") -> None:
    """Raises SettingsError when a symbol, or the market itself, has no raw row in hot or cold; empty = any."""
    from marketprism.clickhouse import COLD, HOT

    tables = [name for (name,) in client.query(_TABLES, parameters={"databases": [HOT, COLD]}).result_rows]
    given = {"exchange": exchange, "market_type": market_type}
    market = [f"{name} = {{{name}:String}}" for name, value in given.items() if value]
    missing = set(symbols or ("",))
    for table in sorted(tables):
        chosen = ["symbol IN {symbols:Array(String)}"] if symbols else []
        where = " AND ".join([*market, *chosen]) or "1"
        shown = "toString(symbol)" if symbols else "''"
        rows = client.query(
            f"SELECT DISTINCT {shown} FROM {table} WHERE {where}{'' if symbols else ' LIMIT 1'}",
            parameters={**given, "symbols": sorted(missing)},
        ).result_rows
        missing -= {name for (name,) in rows}
        if not missing:
            return
    what = f"symbol {', '.join(sorted(missing))}" if symbols else "rows"
    of = " ".join(value for value in given.values() if value)
    raise SettingsError(f"no {what} stored{f' of {of}' if of else ''}; correct the name (it is case-sensitive)")


def require_file(path: Path | None) -> None:
    """Raises SettingsError when ``path`` cannot be written; None is no file."""
    if path is None:
        return
    if path.is_dir():
        raise SettingsError(f"{path} is a directory; name a file")
    try:
        if path.exists():
            path.open("ab").close()
        else:
            tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}; choose another") from error


def require_folder(path: Path) -> None:
    """Make ``path`` when it is absent. Raises SettingsError when nothing can be written into it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}; choose another") from error
