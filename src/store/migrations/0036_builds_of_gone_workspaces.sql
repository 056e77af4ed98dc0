-- Builds are kept for some time, as history; what was chosen for them goes with their workspace.
CREATE INDEX workspace_builds_by_end ON workspace_builds (ended_at);
UPDATE workspace_builds SET sealed_parameters = ''
WHERE NOT EXISTS (SELECT 1 FROM built_workspaces b WHERE b.workspace_id = workspace_builds.workspace_id);
