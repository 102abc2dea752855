-- Signing in: sessions beside tokens, further kinds of links, mail without a link, SSO, second factors.
-- The closed lists of kinds stand in code from here on: to widen a CHECK, SQLite must copy the whole table.

ALTER TABLE credentials DROP CONSTRAINT credentials_kind_check;
-- Sessions: SHA-256 of the browser's cookie. One browser, one cookie, an account in each of several organizations.
ALTER TABLE credentials ADD COLUMN browser BYTEA;
-- Sessions: how its person was proved (password, link, operator, sso, invite), and by which connection.
ALTER TABLE credentials ADD COLUMN via TEXT;
ALTER TABLE credentials ADD COLUMN via_id UUID;
-- Sessions: when the person was last proved, when this account was last chosen, and what is still asked for.
ALTER TABLE credentials ADD COLUMN proved_at BIGINT;
ALTER TABLE credentials ADD COLUMN chosen_at BIGINT;
ALTER TABLE credentials ADD COLUMN waits_for TEXT;
CREATE INDEX credentials_by_browser ON credentials (browser) WHERE browser IS NOT NULL;
CREATE INDEX credentials_of_sessions ON credentials (created_at) WHERE kind = 'session' AND revoked_at IS NULL;

ALTER TABLE links DROP CONSTRAINT links_kind_check;
-- SHA-256 of the mark of the browser that asked; only there does the link open anything. An invite has none.
ALTER TABLE links ADD COLUMN browser BYTEA;
-- Whether that browser had signed in before: it then has a budget of its own.
ALTER TABLE links ADD COLUMN known BIGINT NOT NULL DEFAULT 0;
-- What the link is about beside its person, as JSON: the SSO identity that it would connect.
ALTER TABLE links ADD COLUMN detail TEXT;

ALTER TABLE outbox ALTER COLUMN link_id DROP NOT NULL;
-- Which letter it is, and the facts of a notice as JSON: never a secret.
ALTER TABLE outbox ADD COLUMN letter TEXT NOT NULL DEFAULT 'invite';
ALTER TABLE outbox ADD COLUMN detail TEXT;

-- One address may have accounts in several organizations (B06).
CREATE INDEX users_by_email_key ON users (email_key);

-- Wrong passwords in a row, by keyed hash of the address, whether it has an account or not; for a browser that the
-- account has signed in from before, by its mark, else for all strangers together (an empty mark).
CREATE TABLE sign_in_tries (
    org       BIGINT NOT NULL REFERENCES organizations (number),
    address   BYTEA  NOT NULL,
    browser   BYTEA  NOT NULL,
    failures  BIGINT NOT NULL,
    failed_at BIGINT NOT NULL,
    PRIMARY KEY (org, address, browser)
);
CREATE INDEX sign_in_tries_by_time ON sign_in_tries (failed_at);

-- Browsers, by SHA-256 of their mark, that an account has signed in from.
CREATE TABLE known_browsers (
    user_key BIGINT NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    browser  BYTEA  NOT NULL,
    first_at BIGINT NOT NULL,
    last_at  BIGINT NOT NULL,
    PRIMARY KEY (user_key, browser)
);

CREATE TABLE sso_connections (
    id                      UUID   NOT NULL PRIMARY KEY,
    org                     BIGINT NOT NULL REFERENCES organizations (number),
    name                    TEXT   NOT NULL,
    issuer                  TEXT   NOT NULL,
    client_id               TEXT   NOT NULL,
    -- Sealed; bound to organization, table, row and column.
    client_secret           TEXT   NOT NULL,
    trusts_unverified_email BIGINT NOT NULL DEFAULT 0,
    created_at              BIGINT NOT NULL,
    removed_at              BIGINT
);
CREATE INDEX sso_connections_by_org ON sso_connections (org, created_at);

-- Who somebody is at a provider: issuer and subject, never an address.
CREATE TABLE sso_identities (
    org           BIGINT NOT NULL REFERENCES organizations (number),
    issuer        TEXT   NOT NULL,
    subject       TEXT   NOT NULL,
    connection_id UUID   NOT NULL REFERENCES sso_connections (id) ON DELETE CASCADE,
    user_key      BIGINT NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    email         TEXT,
    linked_at     BIGINT NOT NULL,
    last_used_at  BIGINT,
    PRIMARY KEY (org, issuer, subject)
);
CREATE INDEX sso_identities_by_user ON sso_identities (user_key);

-- A time-based second factor (RFC 6238): secret sealed, the last step that was used, and its recovery codes by hash.
CREATE TABLE second_factors (
    user_key     BIGINT NOT NULL PRIMARY KEY REFERENCES users (key) ON DELETE CASCADE,
    secret       TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    confirmed_at BIGINT,
    last_step    BIGINT NOT NULL DEFAULT 0,
    failures     BIGINT NOT NULL DEFAULT 0,
    failed_at    BIGINT
);
CREATE TABLE recovery_codes (
    user_key BIGINT NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    hash     BYTEA  NOT NULL,
    used_at  BIGINT,
    PRIMARY KEY (user_key, hash)
);
