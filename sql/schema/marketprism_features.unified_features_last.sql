CREATE VIEW marketprism_features.unified_features_last
COMMENT 'every feature of the last n closed buckets of one symbol (parameters exchange, market_type, symbol, n)'
AS SELECT *
FROM `marketprism_features.unified_features_since`(from_bucket = (
    SELECT min(bucket_id)
    FROM
    (
        SELECT DISTINCT bucket_id
        FROM marketprism_features.bucket_flow
        WHERE (exchange = {exchange:String}) AND (market_type = {market_type:String}) AND (symbol = {symbol:String})
        ORDER BY bucket_id DESC
        LIMIT {n:UInt64} + 182
    )
), to_bucket = 99999999999999, newest = 0, since = '1970-01-02 00:00:00')
WHERE (exchange = {exchange:String}) AND (market_type = {market_type:String}) AND (symbol = {symbol:String})
ORDER BY bucket_id DESC
LIMIT {n:UInt64}
