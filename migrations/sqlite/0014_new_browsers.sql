-- Mails that tell an Administrator of a browser that was not there before: so many in a time, and no more.
CREATE INDEX outbox_new_browsers ON outbox (user_key, created_at) WHERE letter = 'new_browser';
