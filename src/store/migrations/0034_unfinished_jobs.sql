-- The jobs at work on a workspace.
CREATE INDEX provisioner_jobs_by_workspace ON provisioner_jobs (workspace_id, status);
