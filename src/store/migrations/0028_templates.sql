-- Files by their content: archives of templates. In pieces, in base 64, so that none is too large for a row.
CREATE TABLE blobs (
  hash TEXT PRIMARY KEY,
  size BIGINT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX blobs_by_age ON blobs (created_at);
CREATE TABLE blob_pieces (
  hash TEXT NOT NULL,
  number BIGINT NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (hash, number)
);

-- `active_version`: what new workspaces are built from. `jobs_max`: of its jobs at once.
CREATE TABLE templates (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  display_name TEXT NOT NULL,
  description TEXT NOT NULL,
  icon TEXT NOT NULL,
  active_version TEXT,
  deprecated TEXT,
  jobs_max BIGINT,
  owner_id TEXT NOT NULL,
  version BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

-- `status`: importing, ready, failed, cancelled. What was parsed and planned is JSON; the values of its variables are
-- sealed. `promote`: becomes the active one when it is ready.
CREATE TABLE template_versions (
  id TEXT PRIMARY KEY,
  template_id TEXT NOT NULL,
  name TEXT NOT NULL,
  message TEXT NOT NULL,
  archive TEXT NOT NULL,
  provisioner TEXT NOT NULL,
  tags TEXT NOT NULL,
  status TEXT NOT NULL,
  promote BIGINT NOT NULL,
  run_id TEXT,
  job_id TEXT,
  sealed_values TEXT NOT NULL,
  parsed TEXT,
  outcome TEXT,
  readme TEXT,
  error_code TEXT,
  error_message TEXT,
  created_by TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  ended_at BIGINT,
  UNIQUE (template_id, name)
);
CREATE INDEX template_versions_by_age ON template_versions (template_id, created_at, id);
CREATE INDEX template_versions_by_archive ON template_versions (archive);

-- Workspaces that are built from templates; the rest of each is its row in `workspaces`. `build_number`: the last
-- build's. `daily_cost`: what it holds of its owner's budget (RUN-11).
CREATE TABLE built_workspaces (
  workspace_id TEXT PRIMARY KEY,
  owner_id TEXT NOT NULL,
  template_id TEXT NOT NULL,
  version_id TEXT NOT NULL,
  build_number BIGINT NOT NULL,
  daily_cost BIGINT NOT NULL,
  sealed_parameters TEXT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX built_workspaces_by_owner ON built_workspaces (owner_id);
CREATE INDEX built_workspaces_by_template ON built_workspaces (template_id);

-- `status`: pending, running, succeeded, failed, cancelled. They outlive their workspace, as its history.
CREATE TABLE workspace_builds (
  id TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL,
  number BIGINT NOT NULL,
  workspace_name TEXT NOT NULL,
  owner_id TEXT NOT NULL,
  template_id TEXT NOT NULL,
  version_id TEXT NOT NULL,
  transition TEXT NOT NULL,
  reason TEXT NOT NULL,
  status TEXT NOT NULL,
  run_id TEXT,
  job_id TEXT,
  sealed_parameters TEXT NOT NULL,
  daily_cost BIGINT NOT NULL,
  resources TEXT,
  outputs TEXT,
  error_code TEXT,
  error_message TEXT,
  requested_by TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  started_at BIGINT,
  ended_at BIGINT,
  UNIQUE (workspace_id, number)
);
CREATE INDEX workspace_builds_by_owner ON workspace_builds (owner_id, created_at, id);
CREATE INDEX workspace_builds_by_version ON workspace_builds (version_id, created_at);

-- States, sealed: one for each build, written again and again while it applies. In pieces of sealed text.
CREATE TABLE workspace_states (
  workspace_id TEXT NOT NULL,
  build_number BIGINT NOT NULL,
  writes BIGINT NOT NULL,
  sha256 TEXT NOT NULL,
  size BIGINT NOT NULL,
  job_id TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (workspace_id, build_number)
);
CREATE TABLE workspace_state_pieces (
  workspace_id TEXT NOT NULL,
  build_number BIGINT NOT NULL,
  number BIGINT NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (workspace_id, build_number, number)
);
-- Who writes a state: Terraform's lock, by the id that it chose.
CREATE TABLE workspace_state_locks (
  workspace_id TEXT PRIMARY KEY,
  lock_id TEXT NOT NULL,
  info TEXT NOT NULL,
  job_id TEXT NOT NULL,
  fence BIGINT NOT NULL,
  locked_at BIGINT NOT NULL
);
