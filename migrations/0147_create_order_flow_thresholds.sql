-- From which quote value on a trade is a whale's and up to which it is retail, each with the UTC day from which it holds;
-- of one valid_from the newest row counts, and before the first row 50,000 and 1,000 hold. Written by `marketprism order-flow
-- set`. The view on trades does not read this table (views never join): the command writes the limits and their days into the
-- view's own SELECT, so a trade's class follows from the trade alone, live as from an archive.
CREATE TABLE IF NOT EXISTS marketprism_features.order_flow_thresholds
(
    valid_from Date COMMENT 'first UTC day that the row holds for',
    whale_quote UInt64 COMMENT 'a trade of so many quote units or more is a whale\'s',
    retail_quote UInt64 COMMENT 'a trade of so many quote units or less is retail',
    reason String COMMENT 'why, in a person\'s words',
    created_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when the row was written, UTC'
)
ENGINE = MergeTree
ORDER BY (valid_from, created_at)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'limits of whale and retail trades by day; the minute view carries them in its text';

ALTER TABLE marketprism_features.trades_1m_state MODIFY COLUMN whale_buy_notional COMMENT 'quote value of whale taker buys: at or above whale_quote of order_flow_thresholds (50,000 without a row)';
ALTER TABLE marketprism_features.trades_1m_state MODIFY COLUMN whale_sell_notional COMMENT 'quote value of whale taker sells: at or above whale_quote of order_flow_thresholds (50,000 without a row)';
ALTER TABLE marketprism_features.trades_1m_state MODIFY COLUMN retail_buy_notional COMMENT 'quote value of retail taker buys: at or below retail_quote of order_flow_thresholds (1,000 without a row)';
ALTER TABLE marketprism_features.trades_1m_state MODIFY COLUMN retail_sell_notional COMMENT 'quote value of retail taker sells: at or below retail_quote of order_flow_thresholds (1,000 without a row)';
