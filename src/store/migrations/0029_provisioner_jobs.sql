-- Work for provisioner daemons (RUN-1). `turn`: its place in the line of its class, given when it comes, so that owners
-- take turns (RUN-5). `fence` grows with each daemon that takes it. `phase`: how far its daemon says it is.
-- `salvage_until`: its daemon is gone, and what it left still may write the state.
CREATE TABLE provisioner_jobs (
  id TEXT PRIMARY KEY,
  type TEXT NOT NULL,
  status TEXT NOT NULL,
  provisioner TEXT NOT NULL,
  tags TEXT NOT NULL,
  priority BIGINT NOT NULL,
  turn BIGINT NOT NULL,
  owner_id TEXT NOT NULL,
  requested_by TEXT NOT NULL,
  template_id TEXT,
  version_id TEXT,
  workspace_id TEXT,
  build_id TEXT,
  run_id TEXT,
  archive TEXT NOT NULL,
  metadata TEXT NOT NULL,
  sealed_values TEXT NOT NULL,
  debug BIGINT NOT NULL,
  trace TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  attempts_max BIGINT NOT NULL,
  available_at BIGINT NOT NULL,
  fence BIGINT NOT NULL,
  daemon_id TEXT,
  acquire_token TEXT,
  lease_until BIGINT,
  salvage_until BIGINT,
  phase TEXT NOT NULL,
  repeatable BIGINT NOT NULL,
  cancel_requested_at BIGINT,
  cancel_by TEXT,
  next_log BIGINT NOT NULL,
  log_bytes BIGINT NOT NULL,
  outcome TEXT,
  error_code TEXT,
  error_class TEXT,
  error_message TEXT,
  dead_letter BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  started_at BIGINT,
  ended_at BIGINT,
  updated_at BIGINT NOT NULL
);
CREATE INDEX provisioner_jobs_in_line ON provisioner_jobs (status, provisioner, tags, priority, turn, id);
CREATE INDEX provisioner_jobs_leased ON provisioner_jobs (status, lease_until);
CREATE INDEX provisioner_jobs_by_age ON provisioner_jobs (created_at, id);
CREATE INDEX provisioner_jobs_by_owner ON provisioner_jobs (owner_id, status, created_at);
CREATE INDEX provisioner_jobs_by_daemon ON provisioner_jobs (daemon_id, status);
CREATE INDEX provisioner_jobs_by_template ON provisioner_jobs (template_id, status);

-- The turn of the job of each class that was taken last: whoever comes new begins there. Its row is the lock under
-- which jobs are taken.
CREATE TABLE provisioner_job_turns (
  priority BIGINT PRIMARY KEY,
  turn BIGINT NOT NULL
);

-- Lines in pieces, as they came: the head and the tail of a long log, with what lies between left out. `lines` is a JSON
-- array.
CREATE TABLE provisioner_job_logs (
  job_id TEXT NOT NULL,
  first_line BIGINT NOT NULL,
  line_count BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  tail BIGINT NOT NULL,
  lines TEXT NOT NULL,
  PRIMARY KEY (job_id, first_line)
);

CREATE TABLE provisioner_daemons (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  key_id TEXT NOT NULL,
  version TEXT NOT NULL,
  api_version BIGINT NOT NULL,
  provisioners TEXT NOT NULL,
  tags TEXT NOT NULL,
  runners BIGINT NOT NULL,
  status TEXT NOT NULL,
  registered_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL
);
CREATE INDEX provisioner_daemons_by_sight ON provisioner_daemons (seen_at);

-- What daemons show. `tags` (JSON, or null): all that a daemon with this key may have.
CREATE TABLE daemon_keys (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  hash TEXT NOT NULL UNIQUE,
  tags TEXT,
  created_by TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  used_at BIGINT
);
