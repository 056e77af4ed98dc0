-- Tenants share no network: a cluster is one organization's (WP-22).
CREATE UNIQUE INDEX organizations_cluster ON organizations (cluster) WHERE cluster IS NOT NULL;

-- What a hub has once and for all its replicas, such as its id in the cloud: written by the first who needs it, and
-- never changed.
CREATE TABLE hub_settings (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
);
