-- Texts come with their entry or not at all: REPLACE would have put another text in a place that is taken, and a text of
-- later would have stood beside an old entry.
CREATE TRIGGER audit_values_with_their_entry BEFORE INSERT ON audit_values
WHEN NEW.seq < (SELECT max(seq) FROM audit_log WHERE org = NEW.org)
  OR EXISTS (SELECT 1 FROM audit_values WHERE org = NEW.org AND seq = NEW.seq AND n = NEW.n)
BEGIN SELECT RAISE(ABORT, 'audit_values come with their entry'); END;
