-- How many addresses were typed in vain into the page of a link that is good in any browser, and asks to which mailbox it came.
ALTER TABLE links ADD COLUMN guesses BIGINT NOT NULL DEFAULT 0;
