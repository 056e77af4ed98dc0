-- The trace of the request that asked for a run (W3C traceparent, and tracestate after a space).
ALTER TABLE runs ADD COLUMN trace TEXT;
