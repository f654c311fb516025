CREATE VIEW marketprism_features.dynamic_levels
COMMENT 'resistance and support from footprint clusters (parameters exchange, market_type, symbol, at, price)'
AS SELECT
    exchange,
    market_type,
    symbol,
    max(run_ts) AS run_ts,
    max(known_at) AS available_at,
    sumIf(weight, above) AS resistance,
    sumIf(weight, NOT above) AS support,
    minOrNullIf(distance_bps, above) AS resistance_bps,
    minOrNullIf(distance_bps, NOT above) AS support_bps,
    log(nullIf(resistance, 0) / nullIf(support, 0)) AS level_log_ratio,
    count() AS clusters,
    multiIf(dateDiff('second', run_ts, {at:DateTime64(3)}) > 600, 'stale', max(grade = 'gap'), 'gap', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        run_ts,
        known_at,
        grade,
        cluster_price >= {price:Float64} AS above,
        abs((cluster_price / {price:Float64}) - 1) * 10000 AS distance_bps,
        (total_vol * exp((-distance_bps) / 50)) * exp((-dateDiff('millisecond', last_ts, {at:DateTime64(3)})) / 7200000) AS weight
    FROM
    (
        SELECT
            exchange,
            market_type,
            symbol,
            run_ts,
            available_at AS known_at,
            quality AS grade,
            cluster_price,
            total_vol,
            last_ts
        FROM marketprism_features.footprint_clusters
        WHERE (exchange = {exchange:String}) AND (market_type = {market_type:String}) AND (symbol = {symbol:String}) AND (run_ts <= {at:DateTime64(3)}) AND (available_at <= {at:DateTime64(3)})
        ORDER BY run_ts DESC
        LIMIT 1
         WITH TIES
    )
    ORDER BY
        weight DESC,
        above DESC,
        distance_bps DESC
    LIMIT 200
)
GROUP BY
    exchange,
    market_type,
    symbol
