-- Who is told of changes, and what became of each telling. `failures` counts those since the last success;
-- `since_seq` is where in the feed of changes the endpoint begins to listen.
CREATE TABLE webhook_endpoints (
  id TEXT PRIMARY KEY,
  owner_id TEXT NOT NULL REFERENCES users (id),
  url TEXT NOT NULL,
  description TEXT NOT NULL,
  event_types TEXT NOT NULL,
  resource_type TEXT,
  resource_id TEXT,
  run_type TEXT,
  scope TEXT NOT NULL,
  ordered BIGINT NOT NULL,
  format TEXT NOT NULL,
  status TEXT NOT NULL,
  status_reason TEXT NOT NULL,
  sealed_secret TEXT NOT NULL,
  sealed_old_secret TEXT,
  old_secret_until BIGINT,
  since_seq BIGINT NOT NULL,
  failures BIGINT NOT NULL,
  failing_since BIGINT,
  hold_until BIGINT,
  last_success_at BIGINT,
  last_failure_at BIGINT,
  version BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX webhook_endpoints_by_owner ON webhook_endpoints (owner_id, id);

-- One message to one endpoint. `place` is its number in the feed, empty for a ping. While pending it is either due
-- (`due_at`), being sent (`claimed_until`), or waits for those before it in the line of its resource (neither). Every
-- claim counts `turn` up: an outcome is taken only from the last one.
CREATE TABLE webhook_deliveries (
  id TEXT PRIMARY KEY,
  endpoint_id TEXT NOT NULL,
  place BIGINT,
  event_type TEXT NOT NULL,
  resource TEXT NOT NULL,
  content_type TEXT NOT NULL,
  body TEXT NOT NULL,
  status TEXT NOT NULL,
  due_at BIGINT,
  claimed_until BIGINT,
  turn BIGINT NOT NULL,
  attempts BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  first_tried_at BIGINT,
  last_attempt_at BIGINT,
  last_status BIGINT,
  last_error TEXT,
  created_at BIGINT NOT NULL,
  ended_at BIGINT,
  UNIQUE (endpoint_id, place)
);
CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint_id, id);
CREATE INDEX webhook_deliveries_by_status ON webhook_deliveries (endpoint_id, status, id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_deliveries_claimed ON webhook_deliveries (claimed_until) WHERE claimed_until IS NOT NULL;
CREATE INDEX webhook_deliveries_line ON webhook_deliveries (endpoint_id, resource, place) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE webhook_attempts (
  delivery_id TEXT NOT NULL,
  number BIGINT NOT NULL,
  at BIGINT NOT NULL,
  duration_ms BIGINT NOT NULL,
  status BIGINT,
  error_code TEXT,
  error_message TEXT,
  headers TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (delivery_id, number)
);

-- How far the feed of changes has been turned into deliveries. Whoever decides about deliveries changes this row first,
-- so that replicas decide one after another.
CREATE TABLE webhook_feed (
  id BIGINT PRIMARY KEY,
  seq BIGINT NOT NULL,
  turn BIGINT NOT NULL
);
INSERT INTO webhook_feed (id, seq, turn) VALUES (1, 0, 0);
