CREATE VIEW marketprism_features.dynamic_levels
COMMENT 'resistance and support from footprint clusters (parameters exchange, market_type, symbol, at, price)'
AS WITH
    arraySlice(arrayReverseSort(groupArray((weight, side, distance_bps))), 1, 200) AS heaviest,
    arrayFilter(level -> ((level.2) = 1), heaviest) AS above,
    arrayFilter(level -> ((level.2) = -1), heaviest) AS below
SELECT
    exchange,
    market_type,
    symbol,
    max(run_ts) AS run_ts,
    arraySum(arrayMap(level -> (level.1), above)) AS resistance,
    arraySum(arrayMap(level -> (level.1), below)) AS support,
    if(empty(above), NULL, arrayMin(arrayMap(level -> (level.3), above))) AS resistance_bps,
    if(empty(below), NULL, arrayMin(arrayMap(level -> (level.3), below))) AS support_bps,
    log(nullIf(resistance, 0) / nullIf(support, 0)) AS level_log_ratio,
    length(heaviest) AS clusters,
    if(dateDiff('second', run_ts, {at:DateTime64(3)}) > 600, 'stale', 'ok') AS quality
FROM
(
    SELECT
        c.exchange AS exchange,
        c.market_type AS market_type,
        c.symbol AS symbol,
        c.run_ts AS run_ts,
        if(c.cluster_price >= {price:Float64}, 1, -1) AS side,
        abs((c.cluster_price / {price:Float64}) - 1) * 10000 AS distance_bps,
        (c.total_vol * exp((-distance_bps) / 50)) * exp((-dateDiff('millisecond', c.last_ts, {at:DateTime64(3)})) / 7200000) AS weight
    FROM marketprism_features.footprint_clusters AS c
    WHERE (c.exchange = {exchange:String}) AND (c.market_type = {market_type:String}) AND (c.symbol = {symbol:String}) AND (c.run_ts = (
        SELECT max(run_ts)
        FROM marketprism_features.footprint_clusters
        WHERE (exchange = {exchange:String}) AND (market_type = {market_type:String}) AND (symbol = {symbol:String}) AND (run_ts <= {at:DateTime64(3)})
    ))
)
GROUP BY
    exchange,
    market_type,
    symbol
