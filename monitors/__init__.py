"""ClickHouse and services → people: metrics, health, status."""
