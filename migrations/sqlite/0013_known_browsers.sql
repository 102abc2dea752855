-- A browser that was here before, whichever account it opened: strangers at its network address cannot use up its tries.
CREATE INDEX known_browsers_by_browser ON known_browsers (browser);
