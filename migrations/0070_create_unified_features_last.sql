-- name:      unified_features_last
-- purpose:   every feature of the last n closed buckets of one symbol, fast
-- grain:     one row per bucket_id of closed buckets
-- inputs:    marketprism_features.unified_features_between, marketprism_features.bucket_flow
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    the inputs' own
--
-- Parameters: exchange, market_type, symbol, n. Reads n + 51 buckets: the windows of the oldest row are full, too.
-- leak-ok: whole-history: chooses which buckets are shown, the newest n; each row's values come from its own window of 50
-- leak-ok: latest-row: chooses which buckets are shown
CREATE VIEW IF NOT EXISTS marketprism_features.unified_features_last
COMMENT 'every feature of the last n closed buckets of one symbol (parameters exchange, market_type, symbol, n)'
AS SELECT *
FROM marketprism_features.unified_features_between(
    from_bucket = (
        SELECT min(bucket_id)
        FROM
        (
            SELECT DISTINCT bucket_id
            FROM marketprism_features.bucket_flow
            WHERE exchange = {exchange:String} AND market_type = {market_type:String} AND symbol = {symbol:String}
            ORDER BY bucket_id DESC
            LIMIT {n:UInt64} + 51
        )
    ),
    to_bucket = 99999999999999,
    newest = 0
)
WHERE exchange = {exchange:String} AND market_type = {market_type:String} AND symbol = {symbol:String}
ORDER BY bucket_id DESC
LIMIT {n:UInt64};
