-- Tickets for websockets from browsers (fleet/connect_ticket.h). Each is good once and for a minute.
CREATE TABLE connect_tickets (
  hash TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL,
  key_id TEXT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX connect_tickets_by_expiry ON connect_tickets (expires_at);
