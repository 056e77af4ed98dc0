-- `daemon_key`: that of the daemon which has it; calls about it are its holder's alone.
ALTER TABLE provisioner_jobs ADD COLUMN requested_by_name TEXT NOT NULL DEFAULT '';
ALTER TABLE provisioner_jobs ADD COLUMN daemon_key TEXT;
ALTER TABLE provisioner_jobs ADD COLUMN daemon_name TEXT;
ALTER TABLE provisioner_jobs ADD COLUMN error_details TEXT;
ALTER TABLE provisioner_jobs ADD COLUMN timings TEXT;

INSERT INTO provisioner_job_turns (priority, turn) VALUES (0, 0), (1, 0), (2, 0);
CREATE INDEX provisioner_jobs_by_run ON provisioner_jobs (run_id);
CREATE INDEX provisioner_jobs_by_end ON provisioner_jobs (ended_at);
