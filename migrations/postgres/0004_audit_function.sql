-- A function looks for tables where its caller's session says: first among the caller's own temporary ones. A table of the
-- caller's named audit_log would have told it which entry is the last.
ALTER FUNCTION usher_audit_in_order() SET search_path = pg_catalog, public, pg_temp;
ALTER FUNCTION usher_refuse() SET search_path = pg_catalog, public, pg_temp;
