-- Data of events that is too large to stand among them: lists and folds of a journal's neighbours do not drag it along.
CREATE TABLE run_payloads (
  run_id TEXT NOT NULL,
  seq BIGINT NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (run_id, seq)
);
