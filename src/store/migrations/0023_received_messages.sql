-- Messages that a subscription delivered, each once however often it came: what was made of it. `id` is for the API, and
-- grows with the time of the first delivery. Of a refused one everything is kept (`data` in base64, because it may be
-- anything), so that it can be looked at, and done again when what was wrong is mended; of an accepted one the run has it.
CREATE TABLE received_messages (
  subscription TEXT NOT NULL,
  message_id TEXT NOT NULL,
  id TEXT NOT NULL UNIQUE,
  published_at BIGINT,
  received_at BIGINT NOT NULL,
  last_received_at BIGINT NOT NULL,
  deliveries BIGINT NOT NULL,
  outcome TEXT NOT NULL,
  run_id TEXT,
  reason TEXT,
  explanation TEXT,
  data TEXT,
  attributes TEXT,
  ordering_key TEXT,
  dead_letter_run_id TEXT,
  dead_letter_message_id TEXT,
  replayed_at BIGINT,
  replayed_by TEXT,
  PRIMARY KEY (subscription, message_id)
);
CREATE INDEX received_messages_by_outcome ON received_messages (outcome, id);
CREATE INDEX received_messages_by_subscription ON received_messages (subscription, outcome, id);
CREATE INDEX received_messages_by_age ON received_messages (last_received_at);
