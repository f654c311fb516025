CREATE VIEW marketprism_features.quoted_trades
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `timestamp` DateTime64(3, 'UTC') COMMENT 'exchange time, UTC',
    `sequence` UInt64 COMMENT 'the exchange\'s own monotonic id of the row',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `taker_sign` Int8 COMMENT '1 for a taker buy, -1 for a taker sell',
    `price` Decimal(38, 12) COMMENT 'price of the trade, quote units',
    `quantity` Decimal(38, 12) COMMENT 'base units',
    `bid` Nullable(Decimal(38, 12)) COMMENT 'best bid strictly before the trade, quote units; NULL when older than 60 s or one-sided',
    `ask` Nullable(Decimal(38, 12)) COMMENT 'best ask strictly before the trade, quote units; NULL when older than 60 s or one-sided',
    `quote_age_ms` Nullable(Int64) COMMENT 'age of that quote at the trade, milliseconds',
    `later_bid` Nullable(Decimal(38, 12)) COMMENT 'best bid as of five seconds after the trade, quote units',
    `later_ask` Nullable(Decimal(38, 12)) COMMENT 'best ask as of five seconds after the trade, quote units',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when the row was complete, five seconds after the trade at the earliest, UTC; as-of reads use it',
    `quality` LowCardinality(String) COMMENT 'ok, partial (quotes may still be on their way), gap (an unrepaired hole in the trades touches the minute) or stale (a quote is missing or too old)'
)
COMMENT 'trades with the quote strictly before them'
AS SELECT *
FROM `marketprism_features.quoted_trades_settled_between`(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00')
