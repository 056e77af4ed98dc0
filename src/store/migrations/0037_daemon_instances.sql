-- Which process registered, in its own words: one that registers again takes the place of itself, and of no other that
-- has its name.
ALTER TABLE provisioner_daemons ADD COLUMN instance TEXT NOT NULL DEFAULT '';
