-- Of Terraform's states: what tells an older one from a newer one.
ALTER TABLE workspace_states ADD COLUMN serial BIGINT;
ALTER TABLE workspace_states ADD COLUMN lineage TEXT;
