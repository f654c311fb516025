"""ClickHouse and services → people: metrics of what is stored, freshness, bucket health, and a status page."""
