-- The tenants that count at an issuer that serves many, separated by commas; none where the issuer is one tenant's own.
ALTER TABLE sso_connections ADD COLUMN tenants TEXT;
