-- How long the steps of the latest completed runs of each type took, as a text that only durable/step_timings.h reads.
CREATE TABLE step_timings (
  type TEXT PRIMARY KEY,
  samples TEXT NOT NULL
);
