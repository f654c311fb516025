-- Shadows of days that are being prepared, and locks of whoever prepares them. Nothing here is for reading: what a killed
-- job leaves behind is dropped or used again by the next one.
CREATE DATABASE IF NOT EXISTS marketprism_staging COMMENT 'days in preparation; emptied by the jobs that fill it';
