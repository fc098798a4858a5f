-- Dead letters are counted by reason without their histories being read.

CREATE INDEX subscription_dead_reason ON subscription_dead (subscription, reason);
