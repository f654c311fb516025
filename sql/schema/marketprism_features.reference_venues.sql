CREATE VIEW marketprism_features.reference_venues
(
    `day` Date COMMENT 'UTC day on which the venue leads',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `canonical` String COMMENT 'MarketPrism\'s venue-neutral name of the instrument',
    `reference_exchange` LowCardinality(String) COMMENT 'exchange of the leading venue, lower case',
    `reference_market_type` LowCardinality(String) COMMENT 'its market type; that of the row',
    `reference_symbol` LowCardinality(String) COMMENT 'the leading exchange\'s own id of the instrument',
    `quote_volume` Decimal(76, 24) COMMENT 'what the leading venue traded on the day before, quote units',
    `volume_share` Nullable(Float64) COMMENT 'quote_volume over that of all venues on the day before, 0 to 1',
    `venues` UInt64 COMMENT 'number of venues that traded the instrument on the day before',
    `available_at` DateTime64(6, 'UTC') COMMENT 'the later of the day\'s midnight and the last receipt of what was compared, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, partial (the day has not begun), gap (an unrepaired hole in the trades of a venue touches the day before) or warmup (the minutes in which a venue traded then lie within 23 hours: it may not have been recorded all day)'
)
COMMENT 'the most liquid venue of each instrument on a UTC day, by the day before'
AS SELECT
    v.day AS day,
    v.market_type AS market_type,
    v.canonical AS canonical,
    (argMin((v.exchange, v.symbol), (-v.volume, v.exchange, v.symbol)) AS leader).1 AS reference_exchange,
    v.market_type AS reference_market_type,
    leader.2 AS reference_symbol,
    max(v.volume) AS quote_volume,
    toFloat64(max(v.volume)) / nullIf(toFloat64(sum(v.volume)), 0) AS volume_share,
    count() AS venues,
    greatest(max(v.heard_at), toDateTime64(v.day, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < (available_at + toIntervalSecond(3)), 'partial', max(v.has_hole), 'gap', min(v.span_minutes) < 1380, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        t.day AS day,
        t.exchange AS exchange,
        t.market_type AS market_type,
        t.symbol AS symbol,
        i.canonical AS canonical,
        t.volume AS volume,
        t.heard_at AS heard_at,
        t.span_minutes AS span_minutes,
        g.market_type != '' AS has_hole
    FROM
    (
        SELECT
            toDate(ts_1m) + 1 AS day,
            exchange,
            market_type,
            symbol,
            sum(notional) AS volume,
            max(last_received_at) AS heard_at,
            dateDiff('minute', min(ts_1m), max(ts_1m)) AS span_minutes
        FROM marketprism_features.trades_1m_state
        GROUP BY
            day,
            exchange,
            market_type,
            symbol
    ) AS t
    INNER JOIN
    (
        SELECT
            exchange,
            market_type,
            symbol,
            argMax(canonical, (valid_from, timestamp)) AS canonical
        FROM marketprism_features.all_instruments
        GROUP BY
            exchange,
            market_type,
            symbol
    ) AS i ON (i.exchange = t.exchange) AND (i.market_type = t.market_type) AND (i.symbol = t.symbol)
    LEFT JOIN
    (
        SELECT DISTINCT
            exchange,
            market_type,
            symbol,
            toDate(ts_1m) + 1 AS day
        FROM marketprism_features.gap_minutes
        WHERE of_type = 'trades'
    ) AS g ON (g.exchange = t.exchange) AND (g.market_type = t.market_type) AND (g.symbol = t.symbol) AND (g.day = t.day)
) AS v
GROUP BY
    v.day,
    v.market_type,
    v.canonical
