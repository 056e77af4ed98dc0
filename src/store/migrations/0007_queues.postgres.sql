-- Queues: how many runs of a kind may be at work at a time, and who is next.
CREATE TABLE queues (
  name TEXT PRIMARY KEY,
  concurrency BIGINT,
  key_concurrency BIGINT,
  rate_count BIGINT,
  rate_period_ms BIGINT,
  size_max BIGINT,
  paused_at BIGINT,
  paused_by TEXT,
  paused_reason TEXT,
  -- The token bucket: until when the rate is used up, in microseconds since 1970.
  rate_used_until_us BIGINT NOT NULL DEFAULT 0,
  admissions BIGINT NOT NULL DEFAULT 0,
  updated_at BIGINT NOT NULL
);
-- For runs that wait for their time only, and for those whose queue was deleted.
INSERT INTO queues (name, updated_at) VALUES ('default', 0);

-- One row for each run that waits in a queue or was admitted from it, until it ends. A waiting one gets its tag, its
-- place among the keys of its class, when an admission finds it there and due.
CREATE TABLE queue_entries (
  seq BIGSERIAL PRIMARY KEY,
  run_id TEXT NOT NULL UNIQUE,
  queue TEXT NOT NULL,
  queue_key TEXT NOT NULL,
  priority BIGINT NOT NULL,
  weight BIGINT NOT NULL,
  queued_at BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  tag BIGINT,
  admitted_at BIGINT
);
CREATE INDEX queue_entries_arriving ON queue_entries (queue, due_at, seq) WHERE admitted_at IS NULL AND tag IS NULL;
CREATE INDEX queue_entries_in_line ON queue_entries (queue, priority DESC, tag, seq)
  WHERE admitted_at IS NULL AND tag IS NOT NULL;
CREATE INDEX queue_entries_by_age ON queue_entries (queue, seq) WHERE admitted_at IS NULL AND tag IS NOT NULL;
CREATE INDEX queue_entries_admitted ON queue_entries (queue, queue_key) WHERE admitted_at IS NOT NULL;

-- How far each class (all of one priority in a queue) has come, and the last tag given to each of its keys.
CREATE TABLE queue_classes (
  queue TEXT NOT NULL,
  priority BIGINT NOT NULL,
  virtual_time BIGINT NOT NULL,
  PRIMARY KEY (queue, priority)
);
CREATE TABLE queue_keys (
  queue TEXT NOT NULL,
  priority BIGINT NOT NULL,
  queue_key TEXT NOT NULL,
  last_tag BIGINT NOT NULL,
  PRIMARY KEY (queue, priority, queue_key)
);

-- Which run a second start under the same key means: 'dedup' until ttl_ms after its end, 'leading' until until_at,
-- 'trailing' while it waits.
CREATE TABLE start_keys (
  kind TEXT NOT NULL,
  type TEXT NOT NULL,
  owner_id TEXT NOT NULL,
  start_key TEXT NOT NULL,
  run_id TEXT NOT NULL,
  ttl_ms BIGINT NOT NULL,
  until_at BIGINT NOT NULL,
  latest_at BIGINT NOT NULL,
  PRIMARY KEY (kind, type, owner_id, start_key)
);

-- Null: it never stood in one.
ALTER TABLE runs ADD COLUMN queue TEXT;
