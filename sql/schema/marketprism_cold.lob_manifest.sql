CREATE TABLE marketprism_cold.lob_manifest
(
    `date` Date COMMENT 'UTC day of the file; the first day of a month of trades',
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot or linear',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `kind` LowCardinality(String) COMMENT 'book, or trades (a file beside the day folders)',
    `path` String COMMENT 'the file',
    `checksum` String COMMENT 'sha256 of the file, hexadecimal',
    `state` LowCardinality(String) COMMENT 'installed, failed, or superseded (its day has live rows, or those of an exchange archive)',
    `rows` UInt64 COMMENT 'rows of the file; of trades those of its period, each once',
    `levels` UInt64 COMMENT 'levels a side that the file shows; 0 for trades',
    `outside_rows` UInt64 COMMENT 'rows whose time is not of the day, left out',
    `non_monotonic_rows` UInt64 COMMENT 'rows earlier than the row before them in the file; sorted here',
    `duplicate_rows` UInt64 COMMENT 'rows whose time another row has; the last of them is kept',
    `first_time` DateTime64(3, 'UTC') COMMENT 'earliest time of a row that was kept, UTC',
    `last_time` DateTime64(3, 'UTC') COMMENT 'latest time of a row that was kept, UTC',
    `median_dt_ms` Float64 COMMENT 'median time between neighbouring rows, milliseconds',
    `p99_dt_ms` Float64 COMMENT '99th percentile of the same (linear between ranks), milliseconds',
    `crossed_ratio` Float64 COMMENT 'share of rows with both sides whose best bid is at or above the best ask, 0 to 1',
    `mean_spread_bps` Float64 COMMENT 'mean of (ask - bid) / mid over rows that are not crossed, basis points',
    `coverage` Float64 COMMENT 'share of the seconds of the day at which a row was at most 3,000 ms old, 0 to 1',
    `quality_score` Float64 COMMENT 'coverage * (1 - crossed_ratio) * (1 - share of outside, non-monotonic and duplicate rows), 0 to 1',
    `trade_coverage` Float64 COMMENT 'share of the seconds of the day, closed on the right, in which trades happened, 0 to 1',
    `median_trade_dt_ms` Float64 COMMENT 'median time between neighbouring trades by sequence, milliseconds',
    `note` String COMMENT 'days left to live rows',
    `error` String COMMENT 'why it failed',
    `updated_at` DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when this row was written; the newest of a key holds'
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (exchange, market_type, symbol, date, kind)
SETTINGS non_replicated_deduplication_window = 0, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'day files of order books and trades, and what was found in them; read with FINAL'
