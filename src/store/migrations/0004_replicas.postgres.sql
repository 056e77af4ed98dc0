-- Which replicas live, and which run each of them advances.
-- A replica's row is its lease and its fence: every commit of the replica locks it for sharing, so that whoever takes
-- it away waits for the commits under way, and finds every later one refused.
CREATE TABLE replicas (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  beat BIGINT NOT NULL DEFAULT 0,
  joined_at BIGINT NOT NULL
);

-- Replicas that are gone while somebody has yet to take their runs over.
CREATE TABLE departed_replicas (
  id TEXT PRIMARY KEY,
  departed_at BIGINT NOT NULL
);

-- Null: whoever comes may take it (it sleeps until wake_at, or is parked, or waits in a queue).
ALTER TABLE runs ADD COLUMN replica_id TEXT;
ALTER TABLE runs ADD COLUMN parent_id TEXT;

-- What was running when this migration came has nobody: due at once.
UPDATE runs SET wake_at = started_at WHERE completed_at IS NULL AND wake_at IS NULL AND parked_reason IS NULL;

-- Each holds live runs only, so its size is that of the live work, whatever the history.
DROP INDEX runs_live;
CREATE INDEX runs_owned ON runs (replica_id, id) WHERE completed_at IS NULL AND replica_id IS NOT NULL;
CREATE INDEX runs_due ON runs (wake_at) WHERE completed_at IS NULL AND replica_id IS NULL;
CREATE INDEX runs_of_parent ON runs (parent_id, id) WHERE parent_id IS NOT NULL;

-- The mailbox: what was said to a run and not yet taken in by it.
CREATE TABLE run_inputs (
  id BIGSERIAL PRIMARY KEY,
  run_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  input_key TEXT,
  payload TEXT NOT NULL,
  sender TEXT NOT NULL,
  at BIGINT NOT NULL
);
CREATE UNIQUE INDEX run_inputs_once ON run_inputs (run_id, kind, input_key);
