-- When an organization was resumed last: what it had queued could not leave before, and is given up no sooner than what is queued now.
ALTER TABLE organizations ADD COLUMN resumed_at BIGINT;
