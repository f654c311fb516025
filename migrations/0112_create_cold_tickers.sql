-- name:      cold_tickers
-- purpose:   last price, and volume, change, high and low of 24 hours, cold days
-- grain:     one row per (exchange, market_type, symbol)
-- inputs:    marketprism_cold.trades
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    compatibility with the seed schema; the 24 hours up to each symbol's own last market trade
--
-- leak-ok: whole-history: a ticker is the newest state of a symbol, for looking; no feature reads it
CREATE VIEW IF NOT EXISTS marketprism_cold.cold_tickers
(
    timestamp DateTime64(3, 'UTC') COMMENT 'exchange time of the last market trade, UTC',
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    last_price Decimal(38, 12) COMMENT 'price of the last market trade by sequence, quote units',
    volume_24h Decimal(38, 12) COMMENT 'volume of the 24 hours, base units',
    price_change_24h Decimal(38, 12) COMMENT 'last price - first price of the 24 hours, quote units',
    high_24h Decimal(38, 12) COMMENT 'highest price of the 24 hours, quote units',
    low_24h Decimal(38, 12) COMMENT 'lowest price of the 24 hours, quote units'
)
COMMENT 'tickers in the seed schema\'s simplified form, cold days'
AS SELECT
    max(t.timestamp) AS timestamp,
    t.exchange AS exchange,
    t.market_type AS market_type,
    t.symbol AS symbol,
    argMax(t.price, t.sequence) AS last_price,
    sum(t.quantity) AS volume_24h,
    argMax(t.price, t.sequence) - argMin(t.price, t.sequence) AS price_change_24h,
    max(t.price) AS high_24h,
    min(t.price) AS low_24h
FROM marketprism_cold.trades AS t
INNER JOIN
(
    SELECT exchange, market_type, symbol, max(timestamp) AS newest
    FROM marketprism_cold.trades
    WHERE bucket_id != 0
    GROUP BY exchange, market_type, symbol
) AS n ON n.exchange = t.exchange AND n.market_type = t.market_type AND n.symbol = t.symbol
WHERE t.bucket_id != 0 AND t.timestamp > n.newest - toIntervalDay(1)
GROUP BY t.exchange, t.market_type, t.symbol;
