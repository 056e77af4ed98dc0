-- Budgets (RUN-11): an owner's is the sum over the groups that they are in; everybody is in `everyone`. While there is no
-- group there is no limit.
CREATE TABLE user_groups (
  name TEXT PRIMARY KEY,
  daily_budget BIGINT NOT NULL,
  version BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE TABLE user_group_members (
  group_name TEXT NOT NULL,
  user_id TEXT NOT NULL,
  PRIMARY KEY (group_name, user_id)
);
CREATE INDEX user_group_members_by_user ON user_group_members (user_id);
-- One row for each owner who was ever asked for: its lock puts commits one after another.
CREATE TABLE quota_owners (
  owner_id TEXT PRIMARY KEY,
  commits BIGINT NOT NULL
);
