-- Browsers are forgotten once nobody signed in from them for as long as they keep their mark.
CREATE INDEX known_browsers_by_time ON known_browsers (last_at);
