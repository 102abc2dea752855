-- Entries of one surface or one outcome, newest first, as those of an actor, a target and an action are found.
CREATE INDEX audit_log_by_surface ON audit_log (org, surface, seq);
CREATE INDEX audit_log_by_outcome ON audit_log (org, outcome, seq);
