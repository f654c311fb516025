CREATE VIEW marketprism_features.grid_panel_between
COMMENT 'books and trades of several symbols on a grid (parameters exchange, market_type, symbols, from_ts, to_ts, grid_ms, stale_ms, gap_ms, carry_ms, warm_rows, segments_before)'
AS WITH
    toInt64({grid_ms:UInt32}) AS grid,
    intDiv((toUnixTimestamp64Milli({from_ts:DateTime64(3, 'UTC')}) + toInt64({grid_ms:UInt32})) - 1, toInt64({grid_ms:UInt32})) AS first_cell,
    (g.cell * grid) - toUnixTimestamp64Milli(b.book.1) AS age,
    ((b.book.1) > toDateTime64(0, 3, 'UTC')) AND (age <= {carry_ms:UInt32}) AS has_book,
    has_book AND (NOT empty(b.book.3)) AND (NOT empty(b.book.5)) AS two_sided,
    f.trades > 0 AS traded,
    traded AND (f.price_before > 0) AND (((g.cell - f.cell_before) * grid) <= 60000) AND (fromUnixTimestamp64Milli(f.cell_before * grid, 'UTC') >= newest_start) AS follows,
    arrayFilter(i -> (((i.1) <= fromUnixTimestamp64Milli(g.cell * grid, 'UTC')) AND ((i.2) > fromUnixTimestamp64Milli((g.cell - 1) * grid, 'UTC'))), x.intervals) AS hiding,
    NOT empty(hiding) AS hidden,
    arrayMax(arrayMap((started, at) -> if(started <= g.cell, at, toDateTime64(0, 3, 'UTC')), s.start_cells, s.start_times)) AS newest_start
SELECT
    g.exchange AS exchange,
    g.market_type AS market_type,
    g.symbol AS symbol,
    fromUnixTimestamp64Milli(g.cell * grid, 'UTC') AS ts,
    if(two_sided AND (NOT hidden), (b.book.7) / 2, NULL) AS mid,
    if(two_sided AND (NOT hidden), b.book.8, NULL) AS spread,
    toBool(two_sided AND (NOT hidden) AND (age <= {stale_ms:UInt32})) AS mask_live,
    if(has_book, age, NULL) AS staleness_ms,
    (greatest(if(empty({segments_before:Array(Int64)}), 0, {segments_before:Array(Int64)}[indexOf({symbols:Array(String)}, g.symbol)]), toInt64((s.books > 0) AND (s.first_book < first_cell))) + arrayCount(started -> (started <= g.cell), s.start_cells)) - arrayCount(started -> (started < first_cell), s.start_cells) AS segment_id,
    if(has_book AND (length(b.book.5) >= 1), (b.book.5)[1], NULL) AS ap1,
    if(has_book AND (length(b.book.5) >= 2), (b.book.5)[2], NULL) AS ap2,
    if(has_book AND (length(b.book.5) >= 3), (b.book.5)[3], NULL) AS ap3,
    if(has_book AND (length(b.book.5) >= 4), (b.book.5)[4], NULL) AS ap4,
    if(has_book AND (length(b.book.5) >= 5), (b.book.5)[5], NULL) AS ap5,
    if(has_book AND (length(b.book.6) >= 1), (b.book.6)[1], NULL) AS av1,
    if(has_book AND (length(b.book.6) >= 2), (b.book.6)[2], NULL) AS av2,
    if(has_book AND (length(b.book.6) >= 3), (b.book.6)[3], NULL) AS av3,
    if(has_book AND (length(b.book.6) >= 4), (b.book.6)[4], NULL) AS av4,
    if(has_book AND (length(b.book.6) >= 5), (b.book.6)[5], NULL) AS av5,
    if(has_book AND (length(b.book.3) >= 1), (b.book.3)[1], NULL) AS bp1,
    if(has_book AND (length(b.book.3) >= 2), (b.book.3)[2], NULL) AS bp2,
    if(has_book AND (length(b.book.3) >= 3), (b.book.3)[3], NULL) AS bp3,
    if(has_book AND (length(b.book.3) >= 4), (b.book.3)[4], NULL) AS bp4,
    if(has_book AND (length(b.book.3) >= 5), (b.book.3)[5], NULL) AS bp5,
    if(has_book AND (length(b.book.4) >= 1), (b.book.4)[1], NULL) AS bv1,
    if(has_book AND (length(b.book.4) >= 2), (b.book.4)[2], NULL) AS bv2,
    if(has_book AND (length(b.book.4) >= 3), (b.book.4)[3], NULL) AS bv3,
    if(has_book AND (length(b.book.4) >= 4), (b.book.4)[4], NULL) AS bv4,
    if(has_book AND (length(b.book.4) >= 5), (b.book.4)[5], NULL) AS bv5,
    if(has_book, b.book.5, []) AS ask_prices,
    if(has_book, b.book.6, []) AS ask_quantities,
    if(has_book, b.book.3, []) AS bid_prices,
    if(has_book, b.book.4, []) AS bid_quantities,
    f.trades AS n_trades,
    toFloat64(f.volume) AS vol,
    toFloat64(f.buy_volume) AS vol_buy,
    toFloat64(f.volume - f.buy_volume) AS vol_sell,
    toFloat64((2 * f.buy_volume) - f.volume) AS vol_net,
    toFloat64(f.notional) AS dollar_vol,
    toFloat64((2 * f.buy_notional) - f.notional) AS signed_dv,
    if(f.volume > 0, toFloat64(f.buy_volume) / toFloat64(f.volume), 0.5) AS of_buy_ratio,
    if(f.volume > 0, toFloat64(f.notional) / toFloat64(f.volume), NULL) AS vwap,
    if(traded, f.price, NULL) AS last_price,
    multiIf(hidden, NULL, NOT traded, 0, follows, log(f.price / f.price_before), NULL) AS ret_last,
    toBool(traded AND (NOT hidden)) AS mask_trade,
    if(newest_start > toDateTime64(0, 3, 'UTC'), newest_start, NULL) AS segment_from,
    greatest(toDateTime64(fromUnixTimestamp64Milli(g.cell * grid, 'UTC'), 6, 'UTC'), b.book.2, f.heard_at, if(follows, f.heard_before, toDateTime64(0, 6, 'UTC')), arrayMin(arrayMap(i -> (i.4), hiding))) AS available_at,
    if(hidden, (hiding[1]).3, '') AS excluded,
    multiIf(hidden, 'gap', (NOT has_book) OR (age > {gap_ms:UInt32}), 'gap', age > {stale_ms:UInt32}, 'stale', (NOT two_sided) OR ((b.book.8) <= 0), 'partial', 'ok') AS quality
FROM
(
    SELECT
        {exchange:String} AS exchange,
        {market_type:String} AS market_type,
        symbols.name AS symbol,
        arrayJoin(range((intDiv((toUnixTimestamp64Milli({from_ts:DateTime64(3, 'UTC')}) + toInt64({grid_ms:UInt32})) - 1, toInt64({grid_ms:UInt32})) - {warm_rows:UInt32}), intDiv((toUnixTimestamp64Milli({to_ts:DateTime64(3, 'UTC')}) + toInt64({grid_ms:UInt32})) - 1, toInt64({grid_ms:UInt32})))) AS cell
    FROM
    (
        SELECT arrayJoin({symbols:Array(String)}) AS name
    ) AS symbols
) AS g
ASOF LEFT JOIN
(
    SELECT
        o.exchange AS exchange,
        o.market_type AS market_type,
        o.symbol AS symbol,
        intDiv((toUnixTimestamp64Milli(o.timestamp) + toInt64({grid_ms:UInt32})) - 1, toInt64({grid_ms:UInt32})) AS cell,
        argMax((o.timestamp, greatest(o.received_at, toDateTime64(o.timestamp, 6, 'UTC')), o.bid_prices, o.bid_quantities, o.ask_prices, o.ask_quantities, toFloat64(o.best_bid_price + o.best_ask_price), toFloat64(o.best_ask_price - o.best_bid_price)), (o.timestamp, o.sequence)) AS book
    FROM marketprism_features.all_orderbooks AS o
    WHERE (o.exchange = {exchange:String}) AND (o.market_type = {market_type:String}) AND has({symbols:Array(String)}, o.symbol) AND (o.timestamp >= fromUnixTimestamp64Milli(((((intDiv((toUnixTimestamp64Milli({from_ts:DateTime64(3, 'UTC')}) + toInt64({grid_ms:UInt32})) - 1, toInt64({grid_ms:UInt32})) - {warm_rows:UInt32}) * toInt64({grid_ms:UInt32})) - {carry_ms:UInt32}) - {gap_ms:UInt32}) - 60000, 'UTC')) AND (o.timestamp <= fromUnixTimestamp64Milli((intDiv((toUnixTimestamp64Milli({to_ts:DateTime64(3, 'UTC')}) + toInt64({grid_ms:UInt32})) - 1, toInt64({grid_ms:UInt32})) - 1) * toInt64({grid_ms:UInt32}), 'UTC'))
    GROUP BY
        exchange,
        market_type,
        symbol,
        cell
) AS b ON (b.exchange = g.exchange) AND (b.market_type = g.market_type) AND (b.symbol = g.symbol) AND (b.cell <= g.cell)
LEFT JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        count() AS books,
        min(intDiv((toUnixTimestamp64Milli(p.timestamp) + toInt64({grid_ms:UInt32})) - 1, toInt64({grid_ms:UInt32}))) AS first_book,
        groupArrayIf(intDiv((toUnixTimestamp64Milli(p.timestamp) + toInt64({grid_ms:UInt32})) - 1, toInt64({grid_ms:UInt32})), dateDiff('millisecond', p.before, p.timestamp) > {gap_ms:UInt32}) AS start_cells,
        groupArrayIf(p.timestamp, dateDiff('millisecond', p.before, p.timestamp) > {gap_ms:UInt32}) AS start_times
    FROM
    (
        SELECT
            o.exchange AS exchange,
            o.market_type AS market_type,
            o.symbol AS symbol,
            o.timestamp AS timestamp,
            lagInFrame(o.timestamp, 1, fromUnixTimestamp64Milli(((((intDiv((toUnixTimestamp64Milli({from_ts:DateTime64(3, 'UTC')}) + toInt64({grid_ms:UInt32})) - 1, toInt64({grid_ms:UInt32})) - {warm_rows:UInt32}) * toInt64({grid_ms:UInt32})) - {carry_ms:UInt32}) - {gap_ms:UInt32}) - 60000, 'UTC')) OVER (PARTITION BY o.exchange, o.market_type, o.symbol ORDER BY o.timestamp ASC, o.sequence ASC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before
        FROM marketprism_features.all_orderbooks AS o
        WHERE (o.exchange = {exchange:String}) AND (o.market_type = {market_type:String}) AND has({symbols:Array(String)}, o.symbol) AND (o.timestamp >= fromUnixTimestamp64Milli(((((intDiv((toUnixTimestamp64Milli({from_ts:DateTime64(3, 'UTC')}) + toInt64({grid_ms:UInt32})) - 1, toInt64({grid_ms:UInt32})) - {warm_rows:UInt32}) * toInt64({grid_ms:UInt32})) - {carry_ms:UInt32}) - {gap_ms:UInt32}) - 60000, 'UTC')) AND (o.timestamp <= fromUnixTimestamp64Milli((intDiv((toUnixTimestamp64Milli({to_ts:DateTime64(3, 'UTC')}) + toInt64({grid_ms:UInt32})) - 1, toInt64({grid_ms:UInt32})) - 1) * toInt64({grid_ms:UInt32}), 'UTC'))
    ) AS p
    GROUP BY
        exchange,
        market_type,
        symbol
) AS s ON (s.exchange = g.exchange) AND (s.market_type = g.market_type) AND (s.symbol = g.symbol)
LEFT JOIN
(
    SELECT
        *,
        lagInFrame(t.price) OVER (PARTITION BY t.exchange, t.market_type, t.symbol ORDER BY t.cell ASC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS price_before,
        lagInFrame(t.cell) OVER (PARTITION BY t.exchange, t.market_type, t.symbol ORDER BY t.cell ASC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS cell_before,
        lagInFrame(t.heard_at) OVER (PARTITION BY t.exchange, t.market_type, t.symbol ORDER BY t.cell ASC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS heard_before
    FROM
    (
        SELECT
            r.exchange AS exchange,
            r.market_type AS market_type,
            r.symbol AS symbol,
            intDiv((toUnixTimestamp64Milli(r.timestamp) + toInt64({grid_ms:UInt32})) - 1, toInt64({grid_ms:UInt32})) AS cell,
            count() AS trades,
            sum(r.quantity) AS volume,
            sumIf(r.quantity, r.side = 'buy') AS buy_volume,
            sum(toDecimal256(r.price, 12) * r.quantity) AS notional,
            sumIf(toDecimal256(r.price, 12) * r.quantity, r.side = 'buy') AS buy_notional,
            toFloat64(argMax(r.price, r.sequence)) AS price,
            max(r.received_at) AS heard_at
        FROM marketprism_features.all_trades AS r
        WHERE (r.bucket_id != 0) AND (r.exchange = {exchange:String}) AND (r.market_type = {market_type:String}) AND has({symbols:Array(String)}, r.symbol) AND (r.timestamp > fromUnixTimestamp64Milli((((intDiv((toUnixTimestamp64Milli({from_ts:DateTime64(3, 'UTC')}) + toInt64({grid_ms:UInt32})) - 1, toInt64({grid_ms:UInt32})) - {warm_rows:UInt32}) - 1) * toInt64({grid_ms:UInt32})) - 60000, 'UTC')) AND (r.timestamp <= fromUnixTimestamp64Milli((intDiv((toUnixTimestamp64Milli({to_ts:DateTime64(3, 'UTC')}) + toInt64({grid_ms:UInt32})) - 1, toInt64({grid_ms:UInt32})) - 1) * toInt64({grid_ms:UInt32}), 'UTC'))
        GROUP BY
            exchange,
            market_type,
            symbol,
            cell
    ) AS t
) AS f ON (f.exchange = g.exchange) AND (f.market_type = g.market_type) AND (f.symbol = g.symbol) AND (f.cell = g.cell)
LEFT JOIN
(
    SELECT
        i.exchange AS exchange,
        i.market_type AS market_type,
        i.symbol AS symbol,
        arraySort(groupArray((i.from_time, i.to_time, i.cause, i.known_at))) AS intervals
    FROM marketprism_features.excluded_intervals AS i
    WHERE (i.exchange = {exchange:String}) AND (i.market_type = {market_type:String}) AND has({symbols:Array(String)}, i.symbol) AND (i.to_time >= fromUnixTimestamp64Milli(((intDiv((toUnixTimestamp64Milli({from_ts:DateTime64(3, 'UTC')}) + toInt64({grid_ms:UInt32})) - 1, toInt64({grid_ms:UInt32})) - {warm_rows:UInt32}) - 1) * toInt64({grid_ms:UInt32}), 'UTC')) AND (i.from_time <= {to_ts:DateTime64(3, 'UTC')})
    GROUP BY
        exchange,
        market_type,
        symbol
) AS x ON (x.exchange = g.exchange) AND (x.market_type = g.market_type) AND (x.symbol = g.symbol)
