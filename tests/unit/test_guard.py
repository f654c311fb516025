"""The analyst's allow-list: what gets through, and a list of attacks that do not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketprism.embedded.engine_tree import check_tree
from marketprism.embedded.guard import READABLE, ReaderRefused, check_format, check_statement, query_of
from marketprism.embedded.vocabulary import allowed_functions

T = "marketprism_hot.trades"


@pytest.fixture(scope="module")
def functions() -> frozenset[str]:
    """The vocabulary of the real engine, asked in a process of its own (one engine per process)."""
    program = """if True:
        import json, sys, tempfile
        from pathlib import Path
        from marketprism.embedded.engine import Engine
        from marketprism.embedded.vocabulary import vocabulary
        engine = Engine(Path(tempfile.mkdtemp()))
        with engine.session() as handle:
            json.dump(sorted(vocabulary(handle)), sys.stdout)
        engine.close()
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return frozenset(json.loads(done.stdout))


ACCEPTED = [
    "SELECT arraySum((p, q) -> p * q, bid_prices, bid_quantities) FROM marketprism_hot.orderbooks",
    f"SELECT * FROM {T} LIMIT 10",
    f"select symbol, count() from {T} final group by symbol having count() > 1 order by 2 desc limit 3 by symbol",
    f"SELECT sum(quantity) OVER w FROM {T} WINDOW w AS (PARTITION BY symbol ORDER BY timestamp ROWS 10 PRECEDING)",
    f"SELECT lagInFrame(price) OVER (PARTITION BY symbol ORDER BY sequence) AS before FROM {T} QUALIFY before > 1",
    "SELECT t.price, q.bid FROM marketprism_hot.trades AS t ASOF LEFT JOIN marketprism_hot.best_quotes AS q "
    "ON t.symbol = q.symbol AND t.timestamp >= q.timestamp",
    "SELECT arrayMap(x -> x + 1, [1, 2]), arrayFold((a, x) -> a + x, [1, 2], 0)",
    f"WITH t AS (SELECT * FROM {T}), 5 AS n SELECT * FROM t WHERE symbol IN (SELECT symbol FROM t) LIMIT 5",
    "WITH [1, 2] AS some SELECT 1 IN some",
    f"SELECT count() FROM {T} WHERE symbol = {{symbol:String}} AND price > {{least:Decimal(38, 12)}}",
    f"SELECT 1 UNION ALL SELECT count() FROM {T} UNION DISTINCT SELECT 3",
    f"SELECT quantile(0.9)(price), quantilesIf(0.5, 0.9)(price, a > 1), argMaxMerge(x), sumIfState(a, b) FROM {T}",
    "SELECT topK(3)(symbol), uniqExact(symbol), avgWeighted(price, quantity) FROM marketprism_cold.trades",
    "SELECT toStartOfInterval(timestamp, INTERVAL 5 MINUTE), date_trunc('day', now()), CAST(1 AS Decimal(38, 12))",
    "SELECT 1::UInt8, toDecimal64('1.5', 2)",
    "SELECT CASE WHEN 1 THEN 2 ELSE 3 END, if(1, 2, 3), 1 ? 2 : 3, -1, 'a' || 'b', (1, 2).1, map('a', 1)['a']",
    "SELECT EXTRACT(DAY FROM now()), now() - INTERVAL 1 DAY, 'a' LIKE 'b', 1 BETWEEN 0 AND 2, trim(BOTH 'a' FROM 'b')",
    f"SELECT * EXCEPT (price), COLUMNS('^a'), * REPLACE (1 AS price) FROM {T}",
    f"SELECT price FROM {T} PREWHERE price > 1 WHERE quantity > 0",
    f"SELECT timestamp FROM {T} ORDER BY timestamp WITH FILL STEP 1",
    f"SELECT level FROM {T} ARRAY JOIN [1, 2] AS level",
    f"FROM {T} SELECT price",
    f"(SELECT 1) UNION ALL (SELECT count() FROM {T})",
    "SELECT number FROM numbers(10) WHERE number % 2",
    "SELECT * FROM generateSeries(1, 10)",
    "SELECT * FROM values('a Int32, b String', (1, 'x'), (2, 'y'))",
    "SELECT count() FROM system.parts WHERE active",
    "SELECT name FROM system.tables WHERE database = 'marketprism_hot'",
    "SELECT version(), timezone(), currentUser(), currentDatabase()",
    f"SELECT 'DROP TABLE x; SELECT 1', \"price\" FROM {T} -- a comment; with DROP\n",
    f"SELECT /* file('x') */ price FROM {T} FORMAT JSONCompact",
    f"SELECT price FROM {T};",
    f"EXPLAIN SELECT * FROM {T}",
    f"EXPLAIN indexes = 1, actions = 0 SELECT * FROM {T} WHERE symbol = 'x'",
    f"EXPLAIN PIPELINE SELECT count() FROM {T}",
    "EXPLAIN QUERY TREE SELECT 1",
    "SHOW DATABASES",
    "SHOW TABLES FROM marketprism_features",
    "SHOW TABLES FROM marketprism_hot LIKE '%trades%' FORMAT Native",
    f"SHOW CREATE TABLE {T}",
    "SHOW COLUMNS FROM marketprism_hot.trades",
    f"DESCRIBE TABLE {T}",
    f"DESC {T}",
    f"DESCRIBE (SELECT price FROM {T})",
    'SELECT * FROM `marketprism_hot`."trades"',
    "SELECT vpin FROM marketprism_features.unified_features_last(symbol = 'x', n = {n:UInt64}) AS u WHERE n > 1",
]

REFUSED = [
    # what changes something
    "INSERT INTO marketprism_hot.trades SELECT 1",
    "WITH x AS (SELECT 1) INSERT INTO marketprism_hot.trades SELECT * FROM x",
    "DROP TABLE marketprism_hot.trades",
    "TRUNCATE TABLE marketprism_hot.trades",
    "ALTER TABLE marketprism_hot.trades DELETE WHERE 1",
    "CREATE TABLE marketprism_hot.x (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE x (a Int8)",
    "RENAME TABLE a TO b",
    "OPTIMIZE TABLE marketprism_hot.trades FINAL",
    "KILL QUERY WHERE 1",
    "SYSTEM STOP MERGES",
    "SYSTEM SHUTDOWN",
    "SET readonly = 0",
    "USE system",
    "ATTACH TABLE x",
    "GRANT ALL ON *.* TO analyst",
    "BACKUP DATABASE marketprism_hot TO Disk('d', 'x')",
    "DELETE FROM marketprism_hot.trades WHERE 1",
    "UPDATE marketprism_hot.trades SET price = 1 WHERE 1",
    "EXPLAIN INSERT INTO marketprism_hot.trades SELECT 1",
    "EXPLAIN ESTIMATE DROP TABLE x",
    # what leaves the tables
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT file('/etc/passwd')",
    "SELECT `file`('/etc/passwd')",
    "SELECT \"file\"('/etc/passwd')",
    "SELECT FILE /* */ ('/etc/passwd')",
    "SELECT * FROM url('http://169.254.169.254/', 'LineAsString')",
    "SELECT * FROM s3('https://x/y')",
    "SELECT * FROM remote('other:9000', marketprism_hot.trades)",
    "SELECT * FROM remoteSecure('other:9440', a.b)",
    "SELECT * FROM cluster('c', system.one)",
    "SELECT * FROM mysql('h', 'd', 't', 'u', 'p')",
    "SELECT * FROM postgresql('h', 'd', 't', 'u', 'p')",
    "SELECT * FROM executable('id', 'TSV', 'a String')",
    "SELECT * FROM python('x')",
    "SELECT * FROM input('a Int8')",
    "SELECT * FROM eval('SELECT 1')",
    "SELECT * FROM merge('default', '.*')",
    "SELECT * FROM view(SELECT * FROM file('x'))",
    "SELECT * FROM dictionary('d')",
    "SELECT * FROM sqlite('/x', 't')",
    "SELECT * FROM filesystem('/')",
    "SELECT * FROM icebergLocal('/x')",
    "SELECT * FROM loop(numbers(1))",
    # views that take parameters are ours, and take values
    "SELECT * FROM default.view(a = 1)",
    "SELECT * FROM system.file('x')",
    "SELECT * FROM marketprism_features.view(file('x'))",
    "SELECT * FROM marketprism_features.view('x')",
    "SELECT * FROM marketprism_features.view(a = (SELECT max(a) FROM default.private))",
    "SELECT * FROM marketprism_features.view(a = file('x'))",
    "SELECT marketprism_features.file('/etc/passwd')",
    "SELECT * FROM `marketprism_features.view`(a = 1)",
    "SELECT 1 INTO OUTFILE '/tmp/x'",
    "SELECT 1 INTO OUTFILE '/tmp/x' TRUNCATE FORMAT CSV",
    # other tables
    "SELECT * FROM default.private",
    "SELECT * FROM private",
    "SELECT * FROM system.processes",
    "SELECT * FROM system.users",
    "SELECT * FROM system.server_settings",
    "SELECT * FROM information_schema.tables",
    "SELECT 1 IN system.processes",
    "SELECT 1 IN private",
    "SELECT * FROM {t:Identifier}",
    "SELECT * FROM marketprism_hot.trades JOIN default.private USING a",
    "SELECT (SELECT max(a) FROM default.private)",
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM default.private)",
    "WITH x AS (SELECT * FROM default.private) SELECT * FROM x",
    "SELECT 1 UNION ALL SELECT a FROM default.private",
    "SELECT arrayMap(x -> (SELECT max(a) FROM default.private), [1])",
    "SELECT * FROM `marketprism_hot.x`.trades.y",
    "SELECT * FROM `marketprism_hot.trades`",
    "EXPLAIN SELECT * FROM default.private",
    "DESCRIBE TABLE default.private",
    "DESCRIBE TABLE url('http://x')",
    "DESCRIBE (SELECT * FROM file('x'))",
    "SHOW TABLES FROM default",
    "SHOW TABLES",
    "SHOW CREATE TABLE default.private",
    "SHOW CREATE USER default",
    "SHOW PROCESSLIST",
    "SHOW GRANTS",
    "SHOW TABLES FROM marketprism_hot WHERE name IN (SELECT a FROM default.private)",
    # functions with reach
    "SELECT sleep(3)",
    "SELECT sleepEachRow(3) FROM numbers(10)",
    "SELECT dictGet('d', 'a', 1)",
    "SELECT joinGet('default.j', 'a', 1)",
    "SELECT hasColumnInTable('other', 'u', 'p', 'd', 't', 'c')",
    "SELECT getSetting('s3_secret')",
    "SELECT getServerPort('tcp_port'), hostName()",
    "SELECT getMacro('x'), serverUUID(), filesystemAvailable()",
    "SELECT catboostEvaluate('/m', 1)",
    "SELECT addressToLine(1), demangle('x')",
    "SELECT currentQueryID(), getClientHTTPHeader('Authorization')",
    "SELECT aiGenerate('x', 'y')",
    "SELECT showCertificate()",
    "SELECT myOwnFunction(1)",
    f"SELECT * APPLY(file) FROM {T}",
    f"SELECT * APPLY file FROM {T}",
    f"SELECT COLUMNS('s') APPLY(x -> file(x)) FROM {T}",
    # limits, formats, tricks
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT * FROM (SELECT 1 SETTINGS readonly = 0)",
    "SELECT 1 FORMAT JSON SETTINGS max_memory_usage = 0",
    "SELECT 1 FORMAT Template",
    "SELECT 1 FORMAT Prometheus",
    "SELECT 1; DROP TABLE marketprism_hot.trades",
    "SELECT 1;; SELECT 2",
    "",
    "-- nothing",
    "SELECT 1 /* unterminated",
    "SELECT 'unterminated",
    "CALL something()",
    "EXECUTE IMMEDIATE 'x'",
    "PARALLEL WITH SELECT 1",
    "EXPLAIN",
    "SELECT $$ heredoc $$; KILL QUERY WHERE 1",
]


@pytest.mark.parametrize("sql", ACCEPTED)
def test_an_analyst_may(functions: frozenset[str], sql: str) -> None:
    checked = check_statement(sql, tables=READABLE, functions=functions)
    assert checked.rstrip(" ;\n") in sql


@pytest.mark.parametrize("sql", REFUSED)
def test_an_analyst_may_not(functions: frozenset[str], sql: str) -> None:
    with pytest.raises(ReaderRefused) as refused:
        check_statement(sql, tables=READABLE, functions=functions)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) > 20


@given(st.text(max_size=200))
def test_any_text_is_checked_or_refused_with_one_line(text: str) -> None:
    refusal = ""
    try:
        check_statement(text, tables=READABLE, functions=frozenset({"count"}))
    except ReaderRefused as refused:
        refusal = str(refused)
    assert "\n" not in refusal


@pytest.mark.parametrize(
    "line",
    [
        "  Function file (children 1)",
        "  Function dictGet (alias x) (children 1)",
        "  TableIdentifier default.private (alias z)",
        "  TableIdentifier system.users",
        " InsertQuery (children 2)",
    ],
)
def test_what_the_engines_parser_sees_counts(line: str) -> None:
    allowed = {"sum", "plus"}
    fine = "SelectQuery (children 2)\n  Function sumIf (children 1)\n  TableIdentifier marketprism_hot.trades (alias t)"
    check_tree(fine, tables=READABLE, functions=allowed)
    with pytest.raises(ReaderRefused):
        check_tree(f"{fine}\n{line}", tables=READABLE, functions=allowed)


@given(st.sampled_from(["file", "url", "sleep", "dictGet"]), st.text("fileurl('/etc), \t\n-/*`\"", max_size=20))
def test_no_spelling_of_a_call_gets_through(name: str, space: str) -> None:
    sql = f"SELECT {name}{space}('x')"
    try:
        checked = check_statement(sql, tables=(), functions=frozenset())
    except ReaderRefused:
        return
    assert f"{name}('x')" not in "".join(checked.split())


def test_names_without_a_database_are_looked_up_where_the_request_is() -> None:
    assert check_statement("SELECT 1 FROM trades", tables=READABLE, functions=frozenset(), database="marketprism_hot")
    assert check_statement("SHOW TABLES", tables=READABLE, functions=frozenset(), database="marketprism_hot")


def test_the_query_inside_an_explain() -> None:
    assert query_of("EXPLAIN indexes = 1 SELECT 1 FROM t") == "SELECT 1 FROM t"
    assert query_of("DESCRIBE TABLE (SELECT 1)") == "(SELECT 1)"
    assert query_of("SHOW DATABASES") == query_of("DESC a.b") == ""


def test_formats() -> None:
    for name in ("JSON", "JSONCompactEachRow", "CSVWithNames", "tsv", "Native", "Parquet", "PrettyCompact"):
        check_format(name)
    for name in ("Template", "CustomSeparated", "Prometheus", "CapnProto", "Protobuf", "MySQLWire", "Npy", "JSON x"):
        with pytest.raises(ReaderRefused):
            check_format(name)


def test_a_new_engines_functions_stay_outside() -> None:
    rows = [
        ("sum", "", "Aggregate Functions", "System"),
        ("readDisk", "", "Other", "System"),
        ("launch", "", "Brand New Category", "System"),
        ("plus", "", "Arithmetic", "ExecutableUserDefined"),
        ("total", "sum", "", "System"),
        ("load", "readDisk", "", "System"),
        ("aggThrow", "", "Aggregate Functions", "System"),
    ]
    allowed = allowed_functions(rows)
    assert {"sum", "total"} <= allowed
    assert not {"readdisk", "launch", "plus", "load", "aggthrow"} & allowed
