-- What has ended, by type and time: retention takes the oldest from here, in small batches.
CREATE INDEX runs_ended ON runs (type, completed_at) WHERE completed_at IS NOT NULL;
