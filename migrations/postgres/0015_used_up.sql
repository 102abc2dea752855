-- Whether so many wrong passwords in a row were tried that the password alone opens nothing. It stands apart from their number: time takes
-- that away for every address alike, and whether somebody came in by another way shows in nothing that strangers are told.
ALTER TABLE sign_in_tries ADD COLUMN used_up BIGINT NOT NULL DEFAULT 0;
