"""The engine's errors as ClickHouse's HTTP interface tells them: a code, a text, an HTTP status."""

from __future__ import annotations

import re
from typing import Final

_CODE: Final = re.compile(r"Code: (\d+)\. (?:DB::(?:NetException|Exception): )?")
_NESTED: Final = re.compile(r"^(?:Code: \d+\. DB::Exception: )(?=Code: \d+\. DB::Exception: )")
_TRAILER: Final = re.compile(r"(?: \(version [^)]*(?:\([^)]*\))?\))?\.?(?: \([A-Z_0-9]+\))?\s*$")

# HTTPHandler's exceptionCodeToHTTPStatus, the codes that occur here; all others are 500.
_STATUS: Final[dict[int, int]] = {
    **dict.fromkeys((194,), 401),
    **dict.fromkeys((192, 193, 497, 516), 403),
    **dict.fromkeys((46, 47, 50, 56, 60, 81, 115, 372), 404),
    **dict.fromkeys(
        (
            6,
            7,
            16,
            19,
            26,
            27,
            32,
            33,
            34,
            36,
            38,
            41,
            42,
            43,
            49,
            53,
            57,
            62,
            69,
            70,
            72,
            73,
            82,
            117,
            130,
            131,
            456,
            457,
        ),
        400,
    ),
    159: 408,
    202: 429,
    48: 501,
    381: 411,
}


class EngineError(Exception):
    """What a client gets instead of a result: ClickHouse's code and name, and the text."""

    def __init__(self, code: int, message: str, name: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.name = name

    @classmethod
    def of(cls, error: BaseException) -> EngineError:
        """Read the engine's own text, ``Code: 60. DB::Exception: … (UNKNOWN_TABLE)``."""
        text = str(error).strip()
        text = _NESTED.sub("", text)
        found = _CODE.search(text)
        if found is None:
            return cls(1002, text or type(error).__name__, "UNKNOWN_EXCEPTION")
        name = re.search(r"\(([A-Z][A-Z_0-9]+)\)\s*$", text)
        return cls(int(found[1]), _TRAILER.sub("", text[found.end() :]), name[1] if name else "")

    @property
    def status(self) -> int:
        """The HTTP status that ClickHouse gives this code."""
        return _STATUS.get(self.code, 500)

    def line(self, version: str) -> str:
        """ClickHouse's form, which clients parse for the code and the name."""
        name = f" ({self.name})" if self.name else ""
        return f"Code: {self.code}. DB::Exception: {self.message}.{name} (version {version} (embedded))\n"
