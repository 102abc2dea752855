-- Texts come with their entry or not at all: a text of later would have stood beside an old entry. Theirs may be written
-- a moment after them in the same statement; that it is written then is the foreign key's affair.
CREATE FUNCTION usher_audit_values_with_their_entry() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.seq < (SELECT max(seq) FROM audit_log WHERE org = NEW.org) THEN
        RAISE EXCEPTION 'audit_values come with their entry';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_values_with_their_entry BEFORE INSERT ON audit_values
    FOR EACH ROW EXECUTE FUNCTION usher_audit_values_with_their_entry();
