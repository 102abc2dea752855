-- Slack: one workspace for each organization, and looking people up there through the outbox.

CREATE TABLE slack_connections (
    org        BIGINT  NOT NULL PRIMARY KEY REFERENCES organizations (number),
    id         UUID    NOT NULL CONSTRAINT slack_connections_id UNIQUE,
    team_id    TEXT    NOT NULL,
    team_name  TEXT    NOT NULL,
    -- The bot token, sealed; bound to organization, table, row and column.
    token      TEXT    NOT NULL,
    created_at BIGINT  NOT NULL,
    -- Until when Slack asked to be left alone.
    held_until BIGINT ,
    -- Since when, and why, Slack takes the token no longer.
    stopped_at BIGINT ,
    stopped_as TEXT
);

-- Who decided the Slack ID, or that there is none: 'hand' or 'lookup'.
ALTER TABLE users ADD COLUMN slack_by TEXT;

-- Whose worker takes a row: 'mail' or 'slack'.
ALTER TABLE outbox ADD COLUMN channel TEXT NOT NULL DEFAULT 'mail';
CREATE INDEX outbox_due_by_channel ON outbox (channel, next_at) WHERE state = 'queued';
-- Nobody waits to be looked up twice.
CREATE UNIQUE INDEX outbox_one_look_up ON outbox (user_key) WHERE channel = 'slack' AND state = 'queued';
