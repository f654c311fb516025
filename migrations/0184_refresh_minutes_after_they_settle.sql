-- A minute is 'partial' for 3 s after its end (0177, 0180): made on the minute, latest_minutes would be a minute old already.
ALTER TABLE marketprism_features.latest_minutes MODIFY REFRESH EVERY 1 MINUTE OFFSET 4 SECOND;
