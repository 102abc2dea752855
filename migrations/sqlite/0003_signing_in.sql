-- Signing in: sessions beside tokens, further kinds of links, mail without a link, SSO, second factors.
-- The closed lists of kinds stand in code from here on: to widen a CHECK, SQLite must copy the whole table.

CREATE TABLE credentials_next (
    id           BLOB    NOT NULL PRIMARY KEY,
    org          INTEGER NOT NULL REFERENCES organizations (number),
    user_key     INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    kind         TEXT    NOT NULL,
    hash         BLOB    NOT NULL CONSTRAINT credentials_hash UNIQUE,
    label        TEXT    NOT NULL,
    client       TEXT,
    scopes       TEXT    NOT NULL CHECK (scopes IN ('read', 'read write')),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at   INTEGER,
    -- Sessions: SHA-256 of the browser's cookie. One browser, one cookie, an account in each of several organizations.
    browser      BLOB,
    -- Sessions: how its person was proved (password, link, operator, sso, invite), and by which connection.
    via          TEXT,
    via_id       BLOB,
    -- Sessions: when the person was last proved, when this account was last chosen, and what is still asked for.
    proved_at    INTEGER,
    chosen_at    INTEGER,
    waits_for    TEXT
) STRICT;
INSERT INTO credentials_next (id, org, user_key, kind, hash, label, client, scopes, created_at, expires_at, last_used_at, revoked_at)
SELECT id, org, user_key, kind, hash, label, client, scopes, created_at, expires_at, last_used_at, revoked_at FROM credentials;
DROP TABLE credentials;
ALTER TABLE credentials_next RENAME TO credentials;
CREATE INDEX credentials_by_user ON credentials (user_key);
CREATE INDEX credentials_running_out ON credentials (expires_at) WHERE revoked_at IS NULL;
CREATE INDEX credentials_by_browser ON credentials (browser) WHERE browser IS NOT NULL;
CREATE INDEX credentials_of_sessions ON credentials (created_at) WHERE kind = 'session' AND revoked_at IS NULL;

CREATE TABLE links_next (
    id          BLOB    NOT NULL PRIMARY KEY,
    org         INTEGER NOT NULL REFERENCES organizations (number),
    user_key    INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    kind        TEXT    NOT NULL,
    generation  INTEGER NOT NULL,
    hash        BLOB    NOT NULL CONSTRAINT links_hash UNIQUE,
    inviter_key INTEGER,
    sent_at     INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    ended_as    TEXT CHECK (ended_as IN ('superseded', 'withdrawn', 'used', 'expired')),
    -- SHA-256 of the mark of the browser that asked; only there does the link open anything. An invite has none.
    browser     BLOB,
    -- Whether that browser had signed in before: it then has a budget of its own.
    known       INTEGER NOT NULL DEFAULT 0,
    -- What the link is about beside its person, as JSON: the SSO identity that it would connect.
    detail      TEXT,
    CONSTRAINT links_generation UNIQUE (user_key, kind, generation)
) STRICT;
INSERT INTO links_next (id, org, user_key, kind, generation, hash, inviter_key, sent_at, expires_at, ended_at, ended_as)
SELECT id, org, user_key, kind, generation, hash, inviter_key, sent_at, expires_at, ended_at, ended_as FROM links;

CREATE TABLE outbox_next (
    id          BLOB    NOT NULL PRIMARY KEY,
    org         INTEGER NOT NULL REFERENCES organizations (number),
    user_key    INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    link_id     BLOB CONSTRAINT outbox_link UNIQUE REFERENCES links_next (id) ON DELETE CASCADE,
    state       TEXT    NOT NULL CHECK (state IN ('queued', 'sent', 'failed', 'folder', 'superseded')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    next_at     INTEGER NOT NULL,
    lease_until INTEGER,
    error       TEXT,
    created_at  INTEGER NOT NULL,
    done_at     INTEGER,
    -- Which letter it is, and the facts of a notice as JSON: never a secret.
    letter      TEXT    NOT NULL DEFAULT 'invite',
    detail      TEXT
) STRICT;
INSERT INTO outbox_next (id, org, user_key, link_id, state, attempts, next_at, lease_until, error, created_at, done_at)
SELECT id, org, user_key, link_id, state, attempts, next_at, lease_until, error, created_at, done_at FROM outbox;
DROP TABLE outbox;
DROP TABLE links;
ALTER TABLE links_next RENAME TO links;
ALTER TABLE outbox_next RENAME TO outbox;
CREATE INDEX links_by_time ON links (org, kind, sent_at);
CREATE INDEX links_by_inviter ON links (inviter_key, kind, sent_at);
CREATE INDEX links_running_out ON links (expires_at) WHERE ended_at IS NULL;
CREATE INDEX outbox_due ON outbox (next_at) WHERE state = 'queued';

-- One address may have accounts in several organizations (B06).
CREATE INDEX users_by_email_key ON users (email_key);

-- Wrong passwords in a row, by keyed hash of the address, whether it has an account or not; for a browser that the
-- account has signed in from before, by its mark, else for all strangers together (an empty mark).
CREATE TABLE sign_in_tries (
    org       INTEGER NOT NULL REFERENCES organizations (number),
    address   BLOB    NOT NULL,
    browser   BLOB    NOT NULL,
    failures  INTEGER NOT NULL,
    failed_at INTEGER NOT NULL,
    PRIMARY KEY (org, address, browser)
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_tries_by_time ON sign_in_tries (failed_at);

-- Browsers, by SHA-256 of their mark, that an account has signed in from.
CREATE TABLE known_browsers (
    user_key INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    browser  BLOB    NOT NULL,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    PRIMARY KEY (user_key, browser)
) STRICT, WITHOUT ROWID;

CREATE TABLE sso_connections (
    id                      BLOB    NOT NULL PRIMARY KEY,
    org                     INTEGER NOT NULL REFERENCES organizations (number),
    name                    TEXT    NOT NULL,
    issuer                  TEXT    NOT NULL,
    client_id               TEXT    NOT NULL,
    -- Sealed; bound to organization, table, row and column.
    client_secret           TEXT    NOT NULL,
    trusts_unverified_email INTEGER NOT NULL DEFAULT 0,
    created_at              INTEGER NOT NULL,
    removed_at              INTEGER
) STRICT;
CREATE INDEX sso_connections_by_org ON sso_connections (org, created_at);

-- Who somebody is at a provider: issuer and subject, never an address.
CREATE TABLE sso_identities (
    org           INTEGER NOT NULL REFERENCES organizations (number),
    issuer        TEXT    NOT NULL,
    subject       TEXT    NOT NULL,
    connection_id BLOB    NOT NULL REFERENCES sso_connections (id) ON DELETE CASCADE,
    user_key      INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    email         TEXT,
    linked_at     INTEGER NOT NULL,
    last_used_at  INTEGER,
    PRIMARY KEY (org, issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX sso_identities_by_user ON sso_identities (user_key);

-- A time-based second factor (RFC 6238): secret sealed, the last step that was used, and its recovery codes by hash.
CREATE TABLE second_factors (
    user_key     INTEGER NOT NULL PRIMARY KEY REFERENCES users (key) ON DELETE CASCADE,
    secret       TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    confirmed_at INTEGER,
    last_step    INTEGER NOT NULL DEFAULT 0,
    failures     INTEGER NOT NULL DEFAULT 0,
    failed_at    INTEGER
) STRICT;
CREATE TABLE recovery_codes (
    user_key INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    hash     BLOB    NOT NULL,
    used_at  INTEGER,
    PRIMARY KEY (user_key, hash)
) STRICT, WITHOUT ROWID;
