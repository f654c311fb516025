"""The coverage page: a day is archived when its trades are, whatever else was."""

from __future__ import annotations

from monitors.web.coverage import _ARCHIVE
from tests.sql.conftest import Engine


def test_a_day_is_archived_when_its_trades_are(engine: Engine) -> None:
    rows = (
        ("best_quotes", "booksonly", "true"), ("trades", "bothkinds", "true"), ("best_quotes", "bothkinds", "false"),
        ("trades", "unverified", "false"), ("best_quotes", "unverified", "true"),
    )  # fmt: skip
    values = ", ".join(f"('2019-03-04', '{kind}', '{exchange}', 5, {verified})" for kind, exchange, verified in rows)
    engine.client.command(
        "INSERT INTO marketprism_cold.archive_status (archive_date, data_type, exchange, records_archived, verified) "
        f"SETTINGS async_insert = 0 VALUES {values}"
    )
    found = engine.client.query(_ARCHIVE, parameters={"last": "2019-03-05", "days": 5}).named_results()
    assert {row["exchange"]: row["state"] for row in found} == {"bothkinds": "archived", "unverified": "unverified"}
    engine.client.command("DELETE FROM marketprism_cold.archive_status WHERE archive_date = '2019-03-04'")
