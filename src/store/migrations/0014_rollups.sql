-- What has become of runs, counted as they end: by the minute, hour and day in which they started, for each owner and for
-- everyone (owner '*'). Histograms and failure codes are texts that only the hub's code reads (fleet/run_rollups.h).
CREATE TABLE run_rollups (
  owner_id TEXT NOT NULL,
  level_ms BIGINT NOT NULL,
  bucket BIGINT NOT NULL,
  type TEXT NOT NULL,
  completed BIGINT NOT NULL,
  failed BIGINT NOT NULL,
  cancelled BIGINT NOT NULL,
  duration_sum_ms BIGINT NOT NULL,
  durations TEXT NOT NULL,
  failures TEXT NOT NULL,
  PRIMARY KEY (owner_id, level_ms, bucket, type)
);

-- One row: who advances the rollups locks it. Ends of runs in the feed up to feed_cursor are counted; minutes before
-- minutes_from are kept as hours only.
CREATE TABLE run_rollup_state (
  id BIGINT PRIMARY KEY,
  turn BIGINT NOT NULL,
  feed_cursor BIGINT NOT NULL,
  minutes_from BIGINT NOT NULL
);
INSERT INTO run_rollup_state (id, turn, feed_cursor, minutes_from)
  SELECT 1, 0, COALESCE(MAX(seq), 0), 0 FROM changes;

-- Runs that had ended before there were rollups, until they are counted too.
CREATE TABLE run_rollup_backlog (run_id TEXT PRIMARY KEY);
INSERT INTO run_rollup_backlog (run_id) SELECT id FROM runs WHERE completed_at IS NOT NULL;

-- The edges of a period, which no whole minute covers, are counted one by one.
CREATE INDEX runs_ended_by_start ON runs (started_at) WHERE completed_at IS NOT NULL;
