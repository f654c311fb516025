"""What somebody might send to the SQL view to write, to read files, to reach other servers, or to see secrets."""

from __future__ import annotations

from typing import Final

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
