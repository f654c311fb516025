"""Archive files made in the archive's own layout: zip, CSV, .CHECKSUM."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from storage_service.days.vision import ArchiveFile

AGG_HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"


def write_file(
    root: Path,
    file: ArchiveFile,
    rows: Iterable[Sequence[object]],
    *,
    header: str = "",
    checksum: str | None = None,
    damage: bool = False,
) -> Path:
    """Write ``rows`` as the zip that the archive would have; ``checksum`` states another one, ``damage`` cuts it."""
    lines = [header] if header else []
    lines += [",".join(str(value) for value in row) for row in rows]
    body = io.BytesIO()
    path = root / "data" / file.path
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        member = zipfile.ZipInfo(path.stem + ".csv", (2024, 1, 1, 0, 0, 0))  # the same rows, the same checksum
        archive.writestr(member, "\n".join(lines) + "\n")
    content = body.getvalue()[: -len(body.getvalue()) // 3] if damage else body.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    stated = checksum or hashlib.sha256(content).hexdigest()
    path.with_name(path.name + ".CHECKSUM").write_text(f"{stated}  {path.name}\n")
    return path


def agg_rows(
    first_id: int,
    count: int,
    start_ms: int,
    *,
    step_ms: int = 700,
    price: float = 100.0,
    scale: int = 1,
    true: str = "true",
) -> list[list[object]]:
    """``count`` aggregate trades from ``start_ms`` on; ``scale`` 1000 makes microseconds."""
    false = "False" if true == "True" else "false"
    return [
        [
            first_id + n,
            f"{100 + (n * 7 % 23) / 10:.1f}",
            f"{1 + n % 5}.{n % 10}",
            10 * (first_id + n),
            10 * (first_id + n) + 3,
            (start_ms + n * step_ms) * scale,
            true if n % 3 == 0 else false,
        ]
        for n in range(count)
    ]
