-- name:      vpin_exact
-- purpose:   VPIN over buckets of exactly one volume, for audits: a trade that crosses an edge is split
-- grain:     one row per bucket_seq, the number of a full bucket from 0, of one symbol and UTC day
-- inputs:    marketprism_features.all_trades, marketprism_features.gap_minutes
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    Easley, Lopez de Prado, O'Hara (2012); polars-trading 0.2.0 and PINstimation split in the same way
--
-- Parameters: exchange, market_type, symbol, day (Date), bucket_volume (Decimal(38, 12), base units). Volumes are whole
-- numbers of 1e-12 base units, so that every bucket holds exactly bucket_volume. An unfilled last bucket has no row.
-- available_at: when the window's trades had been received, and not before the last of them happened (a local clock may be
-- behind the exchange's).
-- quality: ok, gap (an unrepaired hole in the trades touches the time that the window spans) or warmup (below 50 buckets).
CREATE OR REPLACE VIEW marketprism_features.vpin_exact
COMMENT 'VPIN over buckets of one exact volume (parameters exchange, market_type, symbol, day, bucket_volume)'
AS WITH
    (
        SELECT groupArray(ts_1m)
        FROM marketprism_features.gap_minutes
        WHERE of_type = 'trades' AND exchange = {exchange:String} AND market_type = {market_type:String} AND symbol = {symbol:String}
            AND toDate(ts_1m) = {day:Date}
    ) AS holes
SELECT
    exchange,
    market_type,
    symbol,
    bucket_seq,
    bucket_ts_end,
    buy_units / toFloat64(unit) AS buy_volume,
    sell_units / toFloat64(unit) AS sell_volume,
    toFloat64(abs(buy_units - sell_units)) / toFloat64(size) AS imbalance,
    if(window_buckets = 50, toFloat64(sum(abs(buy_units - sell_units)) OVER last_50) / toFloat64(50 * size), NULL) AS vpin,
    count() OVER last_50 AS window_buckets,
    max(heard_at) OVER last_50 AS available_at,
    multiIf(
        arrayExists(hole -> hole BETWEEN toStartOfMinute(min(bucket_ts_start) OVER last_50) AND max(bucket_ts_end) OVER last_50, holes), 'gap',
        window_buckets < 50, 'warmup',
        'ok'
    ) AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        bucket_seq,
        size,
        toInt256(1000000000000) AS unit,
        sumIf(part, side = 'buy') AS buy_units,
        sumIf(part, side = 'sell') AS sell_units,
        min(timestamp) AS bucket_ts_start,
        max(timestamp) AS bucket_ts_end,
        greatest(max(received_at), toDateTime64(max(timestamp), 6, 'UTC')) AS heard_at
    FROM
    (
        SELECT
            exchange, market_type, symbol, side, timestamp, received_at, size,
            arrayJoin(range(toUInt64(intDiv(after - units, size)), toUInt64(intDiv(after - 1, size)) + 1)) AS bucket_seq,
            least(after, (bucket_seq + 1) * size) - greatest(after - units, bucket_seq * size) AS part
        FROM
        (
            SELECT
                exchange, market_type, symbol, side, timestamp, received_at,
                toInt256(toDecimal256(quantity, 12) * toDecimal256(1000000000000, 0)) AS units,
                toInt256(toDecimal256({bucket_volume:Decimal(38, 12)}, 12) * toDecimal256(1000000000000, 0)) AS size,
                sum(units) OVER (
                    PARTITION BY exchange, market_type, symbol ORDER BY sequence ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
                ) AS after
            FROM marketprism_features.all_trades
            WHERE exchange = {exchange:String} AND market_type = {market_type:String} AND symbol = {symbol:String}
                AND intDiv(bucket_id, 1000000) = toYYYYMMDD({day:Date})
        )
        WHERE units > 0
    )
    GROUP BY exchange, market_type, symbol, bucket_seq, size
    HAVING sum(part) = size
)
WINDOW last_50 AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_seq ROWS BETWEEN 49 PRECEDING AND CURRENT ROW);
