-- Journeys to an identity provider that have opened something, by SHA-256 of their state: what a browser carries back works
-- once, on every node. Kept for a day; the browser's own copy is good for minutes.
CREATE TABLE spent_journeys (
    org      BIGINT NOT NULL REFERENCES organizations (number),
    journey  BYTEA  NOT NULL,
    spent_at BIGINT NOT NULL,
    PRIMARY KEY (org, journey)
);
CREATE INDEX spent_journeys_by_time ON spent_journeys (spent_at);
