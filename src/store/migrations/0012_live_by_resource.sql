-- What is at work on a resource: asked before each start of a schedule and each change of a workspace, whatever the history.
CREATE INDEX runs_live_by_resource ON runs (resource_id, id) WHERE completed_at IS NULL;
