-- A member asks for what is theirs and did not end well, or is under way: few runs, whatever the history.
CREATE INDEX runs_not_completed_by_owner ON runs (owner_id, status, id) WHERE status <> 'completed';
