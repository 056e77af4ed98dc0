-- The values of a job go with its end.
UPDATE provisioner_jobs SET sealed_values = '' WHERE ended_at IS NOT NULL;
