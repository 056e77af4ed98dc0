-- What needs the attention of a person, for those without Prometheus. While one is not resolved, what raises it again
-- counts it up. `owner_id` is empty where it is about nobody's resource; `notified_at` is when on-call was told by mail.
CREATE TABLE alerts (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  severity TEXT NOT NULL,
  state TEXT NOT NULL,
  resource_type TEXT NOT NULL,
  resource_id TEXT NOT NULL,
  owner_id TEXT NOT NULL,
  run_id TEXT,
  message TEXT NOT NULL,
  details TEXT NOT NULL,
  count BIGINT NOT NULL,
  raised_at BIGINT NOT NULL,
  last_raised_at BIGINT NOT NULL,
  acknowledged_at BIGINT,
  acknowledged_by TEXT,
  resolved_at BIGINT,
  resolved_by TEXT,
  note TEXT NOT NULL,
  notified_at BIGINT,
  version BIGINT NOT NULL
);
CREATE UNIQUE INDEX alerts_not_resolved ON alerts (kind, resource_type, resource_id) WHERE resolved_at IS NULL;
CREATE INDEX alerts_by_state ON alerts (state, id);
CREATE INDEX alerts_by_owner ON alerts (owner_id, id);
CREATE INDEX alerts_by_end ON alerts (resolved_at) WHERE resolved_at IS NOT NULL;
