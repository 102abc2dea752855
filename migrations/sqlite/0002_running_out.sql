-- What has run out is found by its end, not by going through everything.
CREATE INDEX credentials_running_out ON credentials (expires_at) WHERE revoked_at IS NULL;
CREATE INDEX links_running_out ON links (expires_at) WHERE ended_at IS NULL;
