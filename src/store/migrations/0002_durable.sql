-- Runs and their journals. A run's truth is its events; the row of runs is what lists, filters and recovery need.
CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  type TEXT NOT NULL,
  status TEXT NOT NULL,
  resource_type TEXT NOT NULL,
  resource_id TEXT NOT NULL,
  triggered_by TEXT NOT NULL,
  owner_id TEXT NOT NULL,
  input TEXT NOT NULL,
  output TEXT,
  error_code TEXT,
  error_message TEXT,
  error_step TEXT,
  needs_attention BIGINT NOT NULL DEFAULT 0,
  parked_reason TEXT,
  started_at BIGINT NOT NULL,
  completed_at BIGINT,
  wake_at BIGINT
);

-- Recovery reads this one: its size is that of the live work, whatever the history.
CREATE INDEX runs_live ON runs (id) WHERE completed_at IS NULL;
CREATE INDEX runs_by_resource ON runs (resource_id, id);
CREATE INDEX runs_by_owner ON runs (owner_id, id);
CREATE INDEX runs_by_type ON runs (type, id);

CREATE TABLE run_events (
  run_id TEXT NOT NULL,
  seq BIGINT NOT NULL,
  type TEXT NOT NULL,
  at BIGINT NOT NULL,
  step TEXT NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (run_id, seq)
);
