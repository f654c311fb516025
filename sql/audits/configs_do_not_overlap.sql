-- name:      configs_do_not_overlap
-- purpose:   at every moment at most one bucket_config row of a symbol and session holds
-- grain:     one row per pair that overlaps
-- inputs:    marketprism_features.bucket_config
-- time:      valid_from
-- freshness: when read
-- lookahead: none
-- source:    of two that hold, the storage service takes the newer version
-- severity:  warning
-- every:     3600 s
SELECT exchange, market_type, symbol, session_tag, valid_from, previous_to
FROM
(
    SELECT
        exchange, market_type, symbol, session_tag, valid_from,
        max(valid_to) OVER (
            PARTITION BY exchange, market_type, symbol, session_tag ORDER BY valid_from ASC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS previous_to
    FROM marketprism_features.bucket_config FINAL
)
WHERE valid_from < previous_to
ORDER BY exchange, market_type, symbol, session_tag, valid_from
