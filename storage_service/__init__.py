"""NATS → ClickHouse, exactly once; unified buckets."""
