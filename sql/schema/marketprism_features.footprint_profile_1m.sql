CREATE VIEW marketprism_features.footprint_profile_1m
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `poc_px` Float64 COMMENT 'price bin with the largest volume (the lowest of equals), quote units',
    `poc_vol` Decimal(38, 12) COMMENT 'volume at the point of control, base units',
    `value_area_low` Float64 COMMENT 'lowest price of the 70 % value area, quote units',
    `value_area_high` Float64 COMMENT 'highest price of the 70 % value area, quote units',
    `value_area_vol` Decimal(38, 12) COMMENT 'volume inside the value area, base units',
    `total_vol` Decimal(38, 12) COMMENT 'volume of the whole minute, base units',
    `bins` UInt64 COMMENT 'price bins with a trade',
    `available_at` DateTime64(6, 'UTC') COMMENT 'the later of the minute\'s end and the last receipt in it, UTC',
    `quality` LowCardinality(String) COMMENT 'ok, partial (rows may still be on their way) or gap (an unrepaired hole in the trades touches the minute)'
)
COMMENT 'point of control and 70 % value area of each minute'
AS SELECT
    p.exchange AS exchange,
    p.market_type AS market_type,
    p.symbol AS symbol,
    p.ts_1m AS ts_1m,
    p.poc_px AS poc_px,
    p.poc_vol AS poc_vol,
    p.value_area_low AS value_area_low,
    p.value_area_high AS value_area_high,
    p.value_area_vol AS value_area_vol,
    p.total_vol AS total_vol,
    p.bins AS bins,
    t.available_at AS available_at,
    t.quality AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        ts_1m,
        anyIf(px, place = 0) AS poc_px,
        sumIf(bin_vol, place = 0) AS poc_vol,
        minIf(px, inside) AS value_area_low,
        maxIf(px, inside) AS value_area_high,
        sumIf(bin_vol, inside) AS value_area_vol,
        sum(bin_vol) AS total_vol,
        count() AS bins
    FROM
    (
        SELECT
            exchange,
            market_type,
            symbol,
            ts_1m,
            px,
            bin_vol,
            place,
            ((10 * toDecimal256(taken - bin_vol, 12)) < (7 * toDecimal256(all_vol, 12))) OR (place = 0) AS inside
        FROM
        (
            SELECT
                exchange,
                market_type,
                symbol,
                ts_1m,
                px,
                bin_vol,
                place,
                all_vol,
                sum(bin_vol) OVER (PARTITION BY exchange, market_type, symbol, ts_1m ORDER BY place != 0 ASC, reach DESC, place < 0 ASC, abs(place) ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS taken
            FROM
            (
                SELECT
                    exchange,
                    market_type,
                    symbol,
                    ts_1m,
                    px,
                    bin_vol,
                    all_vol,
                    toInt64(rank) - toInt64(poc_rank) AS place,
                    min(bin_vol) OVER (PARTITION BY exchange, market_type, symbol, ts_1m, sign(place) ORDER BY abs(place) ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS reach
                FROM
                (
                    SELECT
                        exchange,
                        market_type,
                        symbol,
                        ts_1m,
                        px,
                        bin_vol,
                        rank,
                        sum(bin_vol) OVER whole AS all_vol,
                        argMax(rank, (bin_vol, -toInt64(rank))) OVER whole AS poc_rank
                    FROM
                    (
                        SELECT
                            exchange,
                            market_type,
                            symbol,
                            ts_1m,
                            px,
                            total_vol AS bin_vol,
                            row_number() OVER (PARTITION BY exchange, market_type, symbol, ts_1m ORDER BY px ASC, tick_size ASC) AS rank
                        FROM marketprism_features.footprint_1m
                    )
                    WINDOW whole AS (PARTITION BY exchange, market_type, symbol, ts_1m)
                )
            )
        )
    )
    GROUP BY
        exchange,
        market_type,
        symbol,
        ts_1m
) AS p
INNER JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        ts_1m,
        available_at,
        quality
    FROM marketprism_features.trades_1m
) AS t ON (t.exchange = p.exchange) AND (t.market_type = p.market_type) AND (t.symbol = p.symbol) AND (t.ts_1m = p.ts_1m)
