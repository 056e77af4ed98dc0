-- A run finds what it holds. `other_name`: a second machine that is there while a run moves a workstation to another tier.
CREATE INDEX workstation_records_by_run ON workstation_records (run_id) WHERE run_id IS NOT NULL;
ALTER TABLE workstation_records ADD COLUMN other_name TEXT;
