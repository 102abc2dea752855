-- usher, first schema. Times are Unix milliseconds. Every table leads with its organization (`org`),
-- except what is global by nature. A migration only adds; what it replaces is taken away one release later.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE organizations (
    number       INTEGER NOT NULL PRIMARY KEY,
    id           BLOB    NOT NULL CONSTRAINT organizations_id UNIQUE,
    slug         TEXT    NOT NULL CONSTRAINT organizations_slug UNIQUE,
    name         TEXT    NOT NULL,
    locator      TEXT    NOT NULL CONSTRAINT organizations_locator UNIQUE,
    settings     TEXT    NOT NULL DEFAULT '{}',
    created_at   INTEGER NOT NULL,
    suspended_at INTEGER
) STRICT;

-- The row every write of an organization locks first. Nothing references it.
CREATE TABLE org_heads (
    org                        INTEGER NOT NULL PRIMARY KEY,
    audit_seq                  INTEGER NOT NULL DEFAULT 0,
    audit_hash                 BLOB    NOT NULL,
    audit_at                   INTEGER NOT NULL DEFAULT 0,
    user_seq                   INTEGER NOT NULL DEFAULT 0,
    group_seq                  INTEGER NOT NULL DEFAULT 0,
    pending_administrators     INTEGER NOT NULL DEFAULT 0,
    pending_users              INTEGER NOT NULL DEFAULT 0,
    active_administrators      INTEGER NOT NULL DEFAULT 0,
    active_users               INTEGER NOT NULL DEFAULT 0,
    deactivated_administrators INTEGER NOT NULL DEFAULT 0,
    deactivated_users          INTEGER NOT NULL DEFAULT 0,
    access_groups              INTEGER NOT NULL DEFAULT 0
) STRICT;

-- key = organization number << 32 | sequence: row order, list order, cursor and search scope in one.
CREATE TABLE users (
    key               INTEGER NOT NULL PRIMARY KEY,
    id                BLOB    NOT NULL CONSTRAINT users_id UNIQUE,
    org               INTEGER NOT NULL REFERENCES organizations (number),
    email             TEXT    NOT NULL,
    email_key         TEXT    NOT NULL,
    first_name        TEXT    NOT NULL,
    last_name         TEXT    NOT NULL,
    slack_id          TEXT,
    role              TEXT    NOT NULL CHECK (role IN ('administrator', 'user')),
    status            TEXT    NOT NULL CHECK (status IN ('pending', 'active', 'deactivated')),
    created_at        INTEGER NOT NULL,
    activated_at      INTEGER,
    deactivated_at    INTEGER,
    last_seen_at      INTEGER,
    password_hash     TEXT,
    folded            TEXT    NOT NULL,
    invite_generation INTEGER NOT NULL DEFAULT 0,
    version           INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT users_email_key UNIQUE (org, email_key)
) STRICT;
CREATE INDEX users_by_status ON users (status, key);
CREATE INDEX users_by_role ON users (role, key);
CREATE INDEX users_active_administrators ON users (org) WHERE role = 'administrator' AND status = 'active';

-- Search above 500 people. Contentless: it holds trigrams and row numbers, no text; rows leave by the
-- 'delete' command with the stored folded text. Never contentless_delete, which keeps erased trigrams in the file.
CREATE VIRTUAL TABLE users_fts USING fts5 (folded, content = '', tokenize = 'trigram case_sensitive 1');
INSERT INTO users_fts (users_fts, rank) VALUES ('secure-delete', 1);

CREATE TABLE access_groups (
    key         INTEGER NOT NULL PRIMARY KEY,
    id          BLOB    NOT NULL CONSTRAINT access_groups_id UNIQUE,
    org         INTEGER NOT NULL REFERENCES organizations (number),
    name        TEXT    NOT NULL,
    name_key    TEXT    NOT NULL,
    folded      TEXT    NOT NULL,
    description TEXT    NOT NULL DEFAULT '',
    members     INTEGER NOT NULL DEFAULT 0,
    created_at  INTEGER NOT NULL,
    version     INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT access_groups_name_key UNIQUE (org, name_key)
) STRICT;

CREATE TABLE group_permissions (
    group_key  INTEGER NOT NULL REFERENCES access_groups (key) ON DELETE CASCADE,
    permission TEXT    NOT NULL,
    PRIMARY KEY (group_key, permission)
) STRICT, WITHOUT ROWID;

CREATE TABLE group_members (
    user_key  INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    group_key INTEGER NOT NULL REFERENCES access_groups (key) ON DELETE CASCADE,
    added_at  INTEGER NOT NULL,
    PRIMARY KEY (user_key, group_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_members_by_group ON group_members (group_key, user_key);

CREATE TABLE credentials (
    id           BLOB    NOT NULL PRIMARY KEY,
    org          INTEGER NOT NULL REFERENCES organizations (number),
    user_key     INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    kind         TEXT    NOT NULL CHECK (kind IN ('token')),
    hash         BLOB    NOT NULL CONSTRAINT credentials_hash UNIQUE,
    label        TEXT    NOT NULL,
    client       TEXT,
    scopes       TEXT    NOT NULL CHECK (scopes IN ('read', 'read write')),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;
CREATE INDEX credentials_by_user ON credentials (user_key);

-- One row per generation, never overwritten, so that a dead link can say why it is dead.
CREATE TABLE links (
    id          BLOB    NOT NULL PRIMARY KEY,
    org         INTEGER NOT NULL REFERENCES organizations (number),
    user_key    INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    kind        TEXT    NOT NULL CHECK (kind IN ('invite')),
    generation  INTEGER NOT NULL,
    hash        BLOB    NOT NULL CONSTRAINT links_hash UNIQUE,
    inviter_key INTEGER,
    sent_at     INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    ended_as    TEXT CHECK (ended_as IN ('superseded', 'withdrawn', 'used', 'expired')),
    CONSTRAINT links_generation UNIQUE (user_key, kind, generation)
) STRICT;
CREATE INDEX links_by_time ON links (org, kind, sent_at);
CREATE INDEX links_by_inviter ON links (inviter_key, kind, sent_at);

CREATE TABLE outbox (
    id          BLOB    NOT NULL PRIMARY KEY,
    org         INTEGER NOT NULL REFERENCES organizations (number),
    user_key    INTEGER NOT NULL REFERENCES users (key) ON DELETE CASCADE,
    link_id     BLOB    NOT NULL CONSTRAINT outbox_link UNIQUE REFERENCES links (id) ON DELETE CASCADE,
    state       TEXT    NOT NULL CHECK (state IN ('queued', 'sent', 'failed', 'folder', 'superseded')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    next_at     INTEGER NOT NULL,
    lease_until INTEGER,
    error       TEXT,
    created_at  INTEGER NOT NULL,
    done_at     INTEGER
) STRICT;
CREATE INDEX outbox_due ON outbox (next_at) WHERE state = 'queued';

CREATE TABLE idempotency_keys (
    credential_id BLOB    NOT NULL,
    tool          TEXT    NOT NULL,
    key           TEXT    NOT NULL,
    org           INTEGER NOT NULL REFERENCES organizations (number),
    digest        BLOB    NOT NULL,
    subject       TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    PRIMARY KEY (credential_id, tool, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_at);

CREATE TABLE audit_log (
    org             INTEGER NOT NULL REFERENCES organizations (number),
    seq             INTEGER NOT NULL,
    id              BLOB    NOT NULL CONSTRAINT audit_log_id UNIQUE,
    at              INTEGER NOT NULL,
    actor_kind      TEXT    NOT NULL,
    actor_id        BLOB,
    credential_kind TEXT,
    credential_id   BLOB,
    surface         TEXT    NOT NULL,
    tool            TEXT,
    action          TEXT    NOT NULL,
    target_kind     TEXT,
    target_id       BLOB,
    outcome         TEXT    NOT NULL,
    code            TEXT,
    repeated        INTEGER NOT NULL DEFAULT 1,
    request_id      BLOB,
    detail          TEXT    NOT NULL,
    hash            BLOB    NOT NULL,
    PRIMARY KEY (org, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_log_by_actor ON audit_log (org, actor_id, seq);
CREATE INDEX audit_log_by_target ON audit_log (org, target_id, seq);
CREATE INDEX audit_log_by_action ON audit_log (org, action, seq);
CREATE INDEX audit_log_by_time ON audit_log (org, at);

-- Texts that people and programs wrote, committed to in audit_log.detail by SHA-256(salt || text).
CREATE TABLE audit_values (
    org     INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    n       INTEGER NOT NULL,
    field   TEXT    NOT NULL,
    subject BLOB,
    salt    BLOB    NOT NULL,
    text    TEXT    NOT NULL,
    PRIMARY KEY (org, seq, n),
    FOREIGN KEY (org, seq) REFERENCES audit_log (org, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_values_by_subject ON audit_values (org, subject);
CREATE INDEX audit_values_by_client ON audit_values (org, text, seq) WHERE field = 'client.name';

CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log cannot be changed'); END;
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log cannot be deleted from'); END;
CREATE TRIGGER audit_log_in_order BEFORE INSERT ON audit_log
WHEN NEW.seq <> 1 + coalesce((SELECT max(seq) FROM audit_log WHERE org = NEW.org), 0)
BEGIN SELECT RAISE(ABORT, 'audit_log grows by one entry at a time'); END;
CREATE TRIGGER audit_values_no_update BEFORE UPDATE ON audit_values
BEGIN SELECT RAISE(ABORT, 'audit_values cannot be changed'); END;

-- Callers without a live credential. No chain, no lock, bounded.
CREATE TABLE security_events (
    id      BLOB    NOT NULL PRIMARY KEY,
    at      INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    surface TEXT    NOT NULL,
    address BLOB,
    count   INTEGER NOT NULL
) STRICT;
CREATE INDEX security_events_by_time ON security_events (at);
