-- The orders of the roster beside that of its keys, each below one status: a page is a short range of one of these for each
-- status that it shows. A name is the beginning of the text that is searched, for its
-- first line is the full name, folded; as much of it as any index takes.
CREATE INDEX users_by_name ON users (org, status, substr(folded, 1, 64), key);
CREATE INDEX users_by_email ON users (org, status, email_key, key);
-- Whoever was never seen was seen longest ago.
CREATE INDEX users_by_last_seen ON users (org, status, coalesce(last_seen_at, 0), key);
