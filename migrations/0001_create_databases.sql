-- Every statement of every migration says IF NOT EXISTS: ClickHouse has no transaction over DDL, so a run that is killed
-- between a statement and its entry in schema_versions must be able to go on. That the objects are what the files say
-- is held by the snapshot in sql/schema and its test.
CREATE DATABASE IF NOT EXISTS marketprism_hot COMMENT 'raw rows of the last days, written by the storage service';
CREATE DATABASE IF NOT EXISTS marketprism_cold COMMENT 'verified days of raw rows: archived from hot, or loaded from exchange archives';
CREATE DATABASE IF NOT EXISTS marketprism_features COMMENT 'features: additive states kept on insert, and the views that read them';
CREATE DATABASE IF NOT EXISTS marketprism_labels COMMENT 'research labels: the only place that may look ahead';
