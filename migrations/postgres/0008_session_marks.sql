-- The browser that a session was opened in, by SHA-256 of its mark: it is known from when the session asks for nothing any more.
ALTER TABLE credentials ADD COLUMN mark BYTEA;
-- Wrong codes of a second factor stand in sign_in_tries from here on, like wrong passwords; the columns for them in second_factors are
-- only what was counted before.
