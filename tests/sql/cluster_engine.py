"""Run the cluster's migrations in an engine whose configuration has a cluster and Keeper; a process of its own.

``python -m tests.sql.cluster_engine DIRECTORY``: every statement is parsed as it is, then executed without ON CLUSTER
(no other server answers here). A library's replica stays read-only: a table that a later migration alters is made as a
replica and then once more as a plain table. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

from chdb import session

from marketprism.cluster import SHARD_KEY, local_copy, statements
from marketprism.migrate import scripts

CONFIGURATION = """<clickhouse>
<remote_servers><prism>
<shard><replica><host>127.0.0.1</host><port>9000</port></replica></shard>
<shard><replica><host>127.0.0.2</host><port>9000</port></replica></shard>
</prism></remote_servers>
<macros><shard>01</shard><replica>a</replica></macros>
<zookeeper><implementation>testkeeper</implementation></zookeeper>
</clickhouse>"""
ENGINES = """SELECT database, name, engine_full, create_table_query FROM system.tables
WHERE database LIKE 'marketprism%' AND name NOT LIKE '.%' ORDER BY database, name"""


def texts(script: str) -> list[str]:
    """The statements of a script as text."""
    return [script[s.tokens[0].start : s.tokens[-1].end + 1] for s in statements(script)]


def local(statement: str) -> str:
    """The statement for one server without Keeper's DDL queue and its UUIDs."""
    return re.sub(r" ON CLUSTER 'prism'", "", statement).replace("{uuid}", "{database}/{table}")


def main(directory: Path) -> None:
    (directory / "config.xml").write_text(CONFIGURATION)
    engine = session.Session(f"{directory / 'data'}?config-file={directory / 'config.xml'}")
    failed, parsed = [], 0
    rewritten = scripts(cluster="prism")
    altered = {
        s.name
        for script in rewritten.values()
        for s in statements(script)
        if s.verb == "ALTER" and not s.has("REFRESH")
    }
    for name, script in rewritten.items():
        for text, statement in zip(texts(script), statements(script), strict=True):
            try:
                engine.query(f"EXPLAIN AST {text}")
                parsed += 1
                engine.query(local(text))
                if statement.verb == "CREATE" and statement.name in altered:
                    created = str(engine.query(f"SHOW CREATE TABLE {statement.name}", "TSVRaw")).strip()
                    engine.query(f"DROP TABLE {statement.name} SYNC")
                    engine.query(local_copy(created, statement.name))
            except RuntimeError as error:
                failed.append(f"{name}: {text[:80]}: {str(error)[:400]}")
    tables = [
        dict(zip(("database", "name", "engine", "create"), line, strict=True))
        for line in (json.loads(row) for row in str(engine.query(ENGINES, "JSONCompactEachRow")).splitlines())
    ]
    symbols = "('binance', 'spot', 'BTCUSDT'), ('okx', 'linear', 'BTC-USDT-SWAP'), ('x', 'option', 'Ünïcode-₿')"
    hashes = engine.query(
        f"SELECT exchange, market_type, symbol, {SHARD_KEY} FROM "
        f"values('exchange String, market_type String, symbol String', {symbols})",
        "JSONCompactEachRow",
    )
    keys = [json.loads(line) for line in str(hashes).splitlines()]
    result = {"failed": failed, "parsed": parsed, "altered": sorted(altered), "tables": tables, "keys": keys}
    print(json.dumps(result), flush=True)
    os._exit(0)  # the library's threads end in an assertion when Keeper's client is one of them


if __name__ == "__main__":
    main(Path(sys.argv[1]))
