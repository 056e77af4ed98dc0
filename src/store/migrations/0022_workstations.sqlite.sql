-- Workstations on Cloud Workstations (WP-4). `first_id` is the id that was chosen first, which the run knows: it differs
-- from `id` when that was taken in the cloud. `counted`: it is in its organization's workstation_count. A deleted one
-- stays as a row.
CREATE TABLE workstation_records (
  id TEXT PRIMARY KEY,
  first_id TEXT NOT NULL UNIQUE,
  organization_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  user_email TEXT NOT NULL,
  tier TEXT NOT NULL,
  machine_type TEXT NOT NULL,
  vcpus BIGINT NOT NULL,
  memory_gb BIGINT NOT NULL,
  boot_disk_size_gb BIGINT NOT NULL,
  config TEXT NOT NULL,
  status TEXT NOT NULL,
  waiting_for TEXT,
  gcp_workstation_id TEXT,
  launch_url TEXT,
  run_id TEXT,
  error_code TEXT,
  error_message TEXT,
  counted BIGINT NOT NULL,
  sealed_environment TEXT NOT NULL,
  version BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  provisioned_at BIGINT,
  updated_at BIGINT NOT NULL
);
CREATE INDEX workstation_records_by_age ON workstation_records (created_at, id);
CREATE INDEX workstation_records_by_user ON workstation_records (user_id, created_at, id);
CREATE INDEX workstation_records_by_organization ON workstation_records (organization_id, created_at, id);
CREATE INDEX workstation_records_by_status ON workstation_records (status, created_at, id);
CREATE INDEX workstation_records_by_tier ON workstation_records (tier, created_at, id);

-- Whose workstations they are, and into which network they go (WP-22).
CREATE TABLE organizations (
  id TEXT PRIMARY KEY,
  workstation_count BIGINT NOT NULL,
  cluster TEXT,
  network TEXT,
  subnetwork TEXT,
  version BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

-- For people and their reports: plain columns, times as times.
CREATE VIEW workstations AS
  SELECT id, organization_id, user_id, machine_type, boot_disk_size_gb, status,
         strftime('%Y-%m-%dT%H:%M:%fZ', created_at / 1000.0, 'unixepoch') AS created_at, gcp_workstation_id,
         strftime('%Y-%m-%dT%H:%M:%fZ', provisioned_at / 1000.0, 'unixepoch') AS provisioned_at, tier, vcpus, memory_gb, user_email
  FROM workstation_records;
