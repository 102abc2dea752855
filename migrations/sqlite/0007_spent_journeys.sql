-- Journeys to an identity provider that have opened something, by SHA-256 of their state: what a browser carries back works
-- once, on every node. Kept for a day; the browser's own copy is good for minutes.
CREATE TABLE spent_journeys (
    org      INTEGER NOT NULL REFERENCES organizations (number),
    journey  BLOB    NOT NULL,
    spent_at INTEGER NOT NULL,
    PRIMARY KEY (org, journey)
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_journeys_by_time ON spent_journeys (spent_at);
