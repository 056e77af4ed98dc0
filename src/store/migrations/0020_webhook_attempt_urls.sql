-- Where each attempt went, without the query: an endpoint may be given another URL between two of them.
ALTER TABLE webhook_attempts ADD COLUMN url TEXT;
-- For lists of one type of event; the status behind the id lets those of one type and status be found within the index.
CREATE INDEX webhook_deliveries_by_type ON webhook_deliveries (endpoint_id, event_type, id, status);
