#!/bin/sh
# ClickHouse's own start, after inserts that a kill left unfinished are forgotten (storage_service/DELIVERY.md, "A token
# without its rows"). Docker restarts a killed container by itself, so this is the container's entry and not a job before it.
set -eu
python3 -I "${MARKETPRISM_UNFINISHED:-/opt/marketprism/unfinished.py}" "${CLICKHOUSE_DATA:-/var/lib/clickhouse}"
exec "${CLICKHOUSE_ENTRYPOINT:-/entrypoint.sh}" "$@"
