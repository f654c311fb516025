-- ClickHouse itself refuses an insert whose sender no longer owns the partition: a storage service that fell asleep in the
-- middle of one (SIGSTOP, a paused machine) wakes up when others have stored its rows and thousands of blocks more, so
-- that the deduplication window has forgotten its token. Every insert of the storage service says in log_comment until
-- when it may be stored (storage_service/lease.py); inserts that say nothing of it are not concerned.
ALTER TABLE marketprism_hot.trades DROP CONSTRAINT IF EXISTS lease;
ALTER TABLE marketprism_hot.trades ADD CONSTRAINT lease CHECK extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '' OR toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)'));
ALTER TABLE marketprism_hot.orderbooks DROP CONSTRAINT IF EXISTS lease;
ALTER TABLE marketprism_hot.orderbooks ADD CONSTRAINT lease CHECK extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '' OR toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)'));
ALTER TABLE marketprism_hot.best_quotes DROP CONSTRAINT IF EXISTS lease;
ALTER TABLE marketprism_hot.best_quotes ADD CONSTRAINT lease CHECK extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '' OR toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)'));
ALTER TABLE marketprism_hot.funding_rates DROP CONSTRAINT IF EXISTS lease;
ALTER TABLE marketprism_hot.funding_rates ADD CONSTRAINT lease CHECK extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '' OR toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)'));
ALTER TABLE marketprism_hot.open_interests DROP CONSTRAINT IF EXISTS lease;
ALTER TABLE marketprism_hot.open_interests ADD CONSTRAINT lease CHECK extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '' OR toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)'));
ALTER TABLE marketprism_hot.liquidations DROP CONSTRAINT IF EXISTS lease;
ALTER TABLE marketprism_hot.liquidations ADD CONSTRAINT lease CHECK extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '' OR toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)'));
ALTER TABLE marketprism_hot.lsr_top_positions DROP CONSTRAINT IF EXISTS lease;
ALTER TABLE marketprism_hot.lsr_top_positions ADD CONSTRAINT lease CHECK extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '' OR toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)'));
ALTER TABLE marketprism_hot.lsr_all_accounts DROP CONSTRAINT IF EXISTS lease;
ALTER TABLE marketprism_hot.lsr_all_accounts ADD CONSTRAINT lease CHECK extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '' OR toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)'));
ALTER TABLE marketprism_hot.volatility_indices DROP CONSTRAINT IF EXISTS lease;
ALTER TABLE marketprism_hot.volatility_indices ADD CONSTRAINT lease CHECK extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '' OR toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)'));
ALTER TABLE marketprism_hot.instruments DROP CONSTRAINT IF EXISTS lease;
ALTER TABLE marketprism_hot.instruments ADD CONSTRAINT lease CHECK extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '' OR toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)'));
ALTER TABLE marketprism_hot.gaps DROP CONSTRAINT IF EXISTS lease;
ALTER TABLE marketprism_hot.gaps ADD CONSTRAINT lease CHECK extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '' OR toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)'));
ALTER TABLE marketprism_hot.dead_letters DROP CONSTRAINT IF EXISTS lease;
ALTER TABLE marketprism_hot.dead_letters ADD CONSTRAINT lease CHECK extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '' OR toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)'));
ALTER TABLE marketprism_features.bucket_days DROP CONSTRAINT IF EXISTS lease;
ALTER TABLE marketprism_features.bucket_days ADD CONSTRAINT lease CHECK extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '' OR toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)'));
