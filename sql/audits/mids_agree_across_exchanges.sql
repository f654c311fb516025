-- name:      mids_agree_across_exchanges
-- purpose:   mids of one instrument on several exchanges lie within 1 % of their median
-- grain:     one row per symbol that is off
-- inputs:    marketprism_features.lob_top5, marketprism_hot.instruments
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    instruments.canonical says what is one instrument; one book out of step, or a symbol mapped wrong
-- severity:  warning
-- every:     60 s
-- leak-ok: whole-history: the median is over rows that are bounded below to the last minute
SELECT canonical, one.1 AS exchange, one.2 AS market_type, one.3 AS symbol, one.4 AS mid, middle, (mid / middle - 1) * 10000 AS deviation_bps
FROM
(
    SELECT
        i.canonical AS canonical, quantile(0.5)(b.mid) AS middle,
        groupArray((b.exchange, b.market_type, b.symbol, b.mid)) AS all_mids
    FROM
    (
        SELECT exchange, market_type, symbol, argMax(mid_price, (timestamp, sequence)) AS mid
        FROM marketprism_features.lob_top5
        WHERE timestamp >= now('UTC') - INTERVAL 1 MINUTE AND mid_price IS NOT NULL
        GROUP BY exchange, market_type, symbol
    ) AS b
    INNER JOIN
    (
        SELECT exchange, market_type, symbol, argMax(canonical, (valid_from, timestamp)) AS canonical
        FROM marketprism_hot.instruments
        WHERE timestamp <= now('UTC')
        GROUP BY exchange, market_type, symbol
    ) AS i ON i.exchange = b.exchange AND i.market_type = b.market_type AND i.symbol = b.symbol
    GROUP BY canonical
    HAVING length(all_mids) > 1
)
ARRAY JOIN all_mids AS one
WHERE abs(deviation_bps) > 100
ORDER BY canonical, exchange, market_type, symbol
