"""Unified buckets: the exact fold from trades to ``bucket_id``, live (incremental) and over history (a whole day)."""
