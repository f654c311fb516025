"""What somebody might send to the SQL view to write, to read files, to reach other servers, or to see secrets."""

from __future__ import annotations

import threading
import time
import urllib.parse
from typing import Final

from tests.browser.asking import api, asked
from tests.integration.running import Running

T: Final = "marketprism_hot.trades"

REFUSED: Final = [
    # writing
    f"INSERT INTO {T} SELECT * FROM {T}",
    f"DROP TABLE {T}",
    f"TRUNCATE TABLE {T}",
    f"ALTER TABLE {T} DELETE WHERE 1",
    "CREATE TABLE marketprism_hot.mine (a Int8) ENGINE = Memory",
    "SYSTEM SHUTDOWN",
    "KILL QUERY WHERE 1",
    "SET readonly = 0",
    f"SELECT 1; DROP TABLE {T}",
    f"SELECT 1 /* */ ; INSERT INTO {T} VALUES (1)",
    # files
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT file('/etc/passwd')",
    "SELECT * FROM `file`('/etc/passwd')",
    f"SELECT * FROM {T} INTO OUTFILE '/tmp/taken'",
    "SELECT * FROM filesystem('/')",
    "SELECT * FROM marketprism_features.file('/etc/passwd')",
    # other servers
    "SELECT * FROM url('http://169.254.169.254/latest/meta-data', 'LineAsString')",
    "SELECT * FROM remote('127.0.0.1:9000', system.one)",
    "SELECT * FROM remoteSecure('example.org', a.b)",
    "SELECT * FROM s3('https://example.org/x.csv')",
    "SELECT * FROM mysql('h', 'd', 't', 'u', 'p')",
    "SELECT * FROM postgresql('h', 'd', 't', 'u', 'p')",
    "SELECT * FROM executable('id', 'TSV', 'a String')",
    "SELECT * FROM python('x')",
    # what holds secrets, or is nobody's business
    "SELECT * FROM system.users",
    "SELECT * FROM system.server_settings",
    "SELECT * FROM system.processes",
    "SELECT * FROM system.query_log",
    "SELECT * FROM system.named_collections",
    "SELECT getSetting('s3_secret')",
    "SELECT getMacro('x')",
    "SHOW CREATE USER default",
    "SHOW GRANTS",
    "SHOW PROCESSLIST",
    "SELECT getClientHTTPHeader('Authorization')",
    # limits are not the statement's to lift
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT sleep(3)",
    "SELECT sleepEachRow(1) FROM numbers(100)",
    # no statement at all
    "",
    ";",
    "-- nothing",
    "SELECT " + "(" * 2000 + "1" + ")" * 2000,
    "\x00SELECT 1",
]

INJECTED: Final = [
    "' OR 1 = 1 --",
    "BTCUSDT'; DROP TABLE marketprism_hot.trades; --",
    "\\' UNION ALL SELECT * FROM system.users --",
    "{symbol:String}",
    "BTCUSDT\n\tUNION",
    "‮币安人生USDT",
]
"""Values that would be something else, were they ever pasted into a statement."""


class AttackCases:
    """Each is refused with a clear line, or harmless; nothing is slowed for others."""

    def test_every_statement_is_refused_with_a_clear_line(self, url: str, up: Running) -> None:
        # a refreshable view swaps a table with a dot in front every second
        listed = (
            "SELECT database, name FROM system.tables "
            "WHERE database LIKE 'marketprism%' AND NOT startsWith(name, '.') ORDER BY ALL"
        )
        before = asked(up.clickhouse_url, listed)
        for statement in REFUSED:
            status, answer = api(url, "sql", {"sql": statement})
            assert 400 <= status < 500, (statement, status, answer)
            assert 10 < len(answer["error"]) < 2100, statement
            assert "root:" not in answer["error"]
        for statement in REFUSED[::7]:
            assert 400 <= api(url, "sql/export", {"sql": statement, "format": "csv"})[0] < 500, statement
        assert asked(up.clickhouse_url, listed) == before

    def test_values_are_bound_never_pasted(self, url: str) -> None:
        for value in INJECTED:
            where = {"exchange": "binance", "market_type": "linear", "symbol": value}
            for path in ("buckets", "book", "tape", "minutes"):
                status, answer = api(url, f"{path}?{urllib.parse.urlencode(where)}")
                assert status == 200, (value, answer)
            assert api(url, f"buckets?{urllib.parse.urlencode(where)}")[1]["bucket_id"] == []
            assert api(url, f"feature?{urllib.parse.urlencode({'name': value})}")[0] == 404
            query = urllib.parse.urlencode({"name": "vpin_by_bucket", "column": value})
            assert api(url, f"feature/values?{query}")[0] == 404
            assert api(url, f"rows?{urllib.parse.urlencode({'data_type': value})}")[0] == 404
            assert api(url, f"coverage?{urllib.parse.urlencode({'until': value})}")[0] == 400
            status, answer = api(url, f"rows?{urllib.parse.urlencode({'data_type': 'trades', 'exchange': value})}")
            assert (status, answer["rows"]) == (200, [])

    def test_huge_results_and_long_queries_end(self, url: str) -> None:
        status, answer = api(url, "sql", {"sql": "SELECT number FROM numbers(100000000)"})
        assert status == 200
        assert len(answer["rows"]) == 10_000
        assert "first 10,000 rows" in answer["truncated"]
        status, answer = api(url, "sql", {"sql": "SELECT repeat('x', 100000) FROM numbers(400)"})
        assert status == 200
        assert "16 MB" in answer["truncated"]
        status, answer = api(url, "sql", {"sql": "SELECT groupArray(number) FROM numbers(1000000000)"})
        assert status == 400
        assert "memory" in answer["error"].lower() or "Timeout" in answer["error"]
        assert api(url, "sql", {"sql": "SELECT " + "1, " * 30_000 + "1"})[0] == 413

    def test_pages_go_on_while_someone_asks_too_much(self, url: str) -> None:
        heavy = {"sql": "SELECT count() FROM numbers(3000000000) WHERE number % 7 = sipHash64(number) % 5"}
        answers: list[int] = []
        busy = [threading.Thread(target=lambda: answers.append(api(url, "sql", heavy)[0])) for _ in range(5)]
        for thread in busy:
            thread.start()
        began = time.monotonic()
        assert api(url, "book?exchange=binance&market_type=linear&symbol=BTCUSDT")[0] == 200
        took = time.monotonic() - began
        for thread in busy:
            thread.join()
        assert took < 10
        assert set(answers) <= {200, 400, 429}

    def test_other_sites_and_names_are_refused(self, url: str) -> None:
        assert api(url, "symbols", Origin="https://example.org")[0] == 403
        assert api(url, "symbols", Host="rebound.example.org")[0] == 421
