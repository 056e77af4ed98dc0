-- What starts runs by the calendar. `fire_at` is when a schedule wants to be looked at next; it is empty only while it
-- is paused, has ended, or does nothing but wait for a run to end (`buffered_at`). Every change counts `turn` up: who
-- changes a schedule says which turn it saw, so that of two replicas one is refused.
CREATE TABLE schedules (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  type TEXT NOT NULL,
  input TEXT NOT NULL,
  cron TEXT NOT NULL,
  time_zone TEXT NOT NULL,
  jitter_ms BIGINT NOT NULL,
  overlap TEXT NOT NULL,
  catch_up_ms BIGINT NOT NULL,
  starts_at BIGINT,
  ends_at BIGINT,
  remaining BIGINT,
  declared BIGINT NOT NULL,
  owner_id TEXT NOT NULL,
  paused_at BIGINT,
  paused_by TEXT,
  pause_reason TEXT,
  next_at BIGINT,
  fire_at BIGINT,
  buffered_at BIGINT,
  ended_at BIGINT,
  error TEXT,
  error_at BIGINT,
  last_run_id TEXT,
  last_started_at BIGINT,
  started BIGINT NOT NULL,
  skipped BIGINT NOT NULL,
  missed BIGINT NOT NULL,
  outcomes BIGINT NOT NULL,
  turn BIGINT NOT NULL,
  version BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX schedules_by_fire_at ON schedules (fire_at, id) WHERE fire_at IS NOT NULL;
CREATE INDEX schedules_buffered ON schedules (id) WHERE buffered_at IS NOT NULL;

-- The last things that came of each schedule. `calendar_at` is the time of the calendar that it is about, empty for what
-- a person asked for; that no time comes twice is not left to the code alone.
CREATE TABLE schedule_outcomes (
  schedule_id TEXT NOT NULL,
  seq BIGINT NOT NULL,
  kind TEXT NOT NULL,
  calendar_at BIGINT,
  until_at BIGINT,
  count BIGINT NOT NULL,
  run_id TEXT,
  at BIGINT NOT NULL,
  PRIMARY KEY (schedule_id, seq)
);
CREATE UNIQUE INDEX schedule_starts ON schedule_outcomes (schedule_id, calendar_at)
  WHERE kind = 'started' OR kind = 'backfilled';
