-- Where the journal of a run without end began again: recovery reads it from there. Empty but for such runs.
CREATE INDEX run_continuations ON run_events (run_id, seq) WHERE type = 'run_continued';
