-- The tokens of an organization that work, in the order in which they are listed.
CREATE INDEX credentials_of_tokens ON credentials (org, created_at, id) WHERE kind = 'token' AND revoked_at IS NULL;
