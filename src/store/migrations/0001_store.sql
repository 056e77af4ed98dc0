-- What the store itself needs. Each writer notes here, in the same transaction, the number of the last group that it
-- committed: when the answer to a COMMIT is lost, the row tells whether the group is stored.
CREATE TABLE commit_markers (
  writer TEXT PRIMARY KEY,
  sequence BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
