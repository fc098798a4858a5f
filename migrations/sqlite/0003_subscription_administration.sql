-- Subscriptions are paused, moved and changed by administrators.

ALTER TABLE subscription ADD COLUMN settings_revision INTEGER NOT NULL DEFAULT 1;  -- revision of `spec`: one more with each update
ALTER TABLE subscription ADD COLUMN paused_since INTEGER;                          -- paused by an administrator since; NULL = it is not
ALTER TABLE subscription ADD COLUMN sought_epoch INTEGER NOT NULL DEFAULT 0;       -- epoch of the last seek: tokens of earlier ones are void
