-- Runs that were made to do again what an earlier one did not finish.
ALTER TABLE runs ADD COLUMN retry_of TEXT;
CREATE INDEX runs_of_retry ON runs (retry_of, id) WHERE retry_of IS NOT NULL;

-- Every filter of a list of runs reads its page from an index that is ordered by id, which is the order of the starts.
-- Each costs something with every run, so each holds no more than is asked of it: completed runs are found by walking
-- the runs themselves, since most are; who triggers what is not theirs is rare; so is what needs a person.
CREATE INDEX runs_not_completed ON runs (status, id) WHERE status <> 'completed';
CREATE INDEX runs_by_resource_type ON runs (resource_type, id);
CREATE INDEX runs_for_others ON runs (triggered_by, id) WHERE triggered_by <> owner_id;
CREATE INDEX runs_needing_attention ON runs (id) WHERE needs_attention <> 0;
