//! People: rows of `users`, as lists show them and as rules see them.

use super::{
    audit::{self, Change, Entry, Said},
    links, notices, search, slack,
    sql::{Pool, Row, StoreError, Tx},
    work::Work,
};
use crate::{
    authz::{
        Authorized, Org, PersonRef, Visible,
        action::{AcceptInvite, DeactivateUser, ExportUsers, InviteUser, Joining, PersonFacts, ReactivateUser, ResendInvite},
    },
    domain::{Email, GroupId, PermissionSet, Role, SlackBy, Status, Timestamp, UserId},
};
use uuid::Uuid;

pub(super) use changes::found_in_slack;
pub use changes::update;
pub use list::{Filter, Page, list};
pub use search::folded;

/// By what a person is named in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// By id.
    Id(UserId),
    /// By the folded key of an address.
    EmailKey(String),
}

/// A person as the contract shows them.
#[derive(Clone, Debug)]
pub struct Person {
    /// Row order and cursor.
    pub key: i64,
    /// Public id.
    pub id: UserId,
    /// Address as the inviter typed it.
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Role.
    pub role: Role,
    /// Status.
    pub status: Status,
    /// Slack ID, if known.
    pub slack_id: Option<String>,
    /// When the person was first invited; never moves.
    pub created_at: Timestamp,
    /// When they joined.
    pub activated_at: Option<Timestamp>,
    /// When they were deactivated.
    pub deactivated_at: Option<Timestamp>,
    /// When they were last seen, exact to a minute.
    pub last_seen_at: Option<Timestamp>,
    /// Counts changes.
    pub version: i64,
    /// When the newest invite was sent.
    pub invite_sent_at: Option<Timestamp>,
    /// When it ends.
    pub invite_expires_at: Option<Timestamp>,
    /// State of its mail, and the error's code.
    pub delivery: Option<(String, Option<String>)>,
    /// Groups: id and name, in the order they were made.
    pub groups: Vec<(GroupId, String)>,
}

impl Person {
    /// First and last name.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}

/// With how this engine writes a group's id as text.
macro_rules! person_columns {
    ($group_id:literal) => {
        concat!(
            "u.key, u.id, u.email, u.first_name, u.last_name, u.role, u.status, u.slack_id, u.created_at, u.activated_at,
             u.deactivated_at, u.last_seen_at, u.version, l.sent_at, l.expires_at, o.state, o.error,
             (SELECT string_agg(",
            $group_id,
            " || ' ' || g.name, '\n' ORDER BY g.key) FROM group_members m JOIN access_groups g ON g.key = m.group_key WHERE m.user_key = u.key)"
        )
    };
}

macro_rules! person_joins {
    () => {
        " LEFT JOIN links l ON l.user_key = u.key AND l.kind = 'invite' AND l.generation = u.invite_generation
          LEFT JOIN outbox o ON o.link_id = l.id "
    };
}

const PERSON_COLUMNS: usize = 18;

// Below the macros that it uses.
mod changes;
mod list;

fn read_person(row: &Row) -> Result<Person, StoreError> {
    let mut c = row.columns();
    Ok(Person {
        key: c.take()?,
        id: UserId::from_uuid(c.take()?),
        email: c.take()?,
        first_name: c.take()?,
        last_name: c.take()?,
        role: c.parse(Role::parse)?,
        status: c.parse(Status::parse)?,
        slack_id: c.take()?,
        created_at: c.time()?,
        activated_at: c.maybe_time()?,
        deactivated_at: c.maybe_time()?,
        last_seen_at: c.maybe_time()?,
        version: c.take()?,
        invite_sent_at: c.maybe_time()?,
        invite_expires_at: c.maybe_time()?,
        delivery: {
            let state: Option<String> = c.take()?;
            let error = c.take()?;
            state.map(|state| (state, error))
        },
        groups: read_groups(c.take::<Option<String>>()?.as_deref().unwrap_or_default())?,
    })
}

/// One group a line, its id before its name: a name is one line.
fn read_groups(lines: &str) -> Result<Vec<(GroupId, String)>, StoreError> {
    let read = |line: &str| {
        let (id, name) = line.split_once(' ')?;
        Some((GroupId::from_uuid(Uuid::parse_str(id).ok()?), name.to_owned()))
    };
    lines.lines().map(|line| read(line).ok_or_else(|| StoreError::Corrupt("a person's groups".to_owned()))).collect()
}

macro_rules! person_statement {
    ($group_id:literal, $where:literal) => {
        concat!("SELECT ", person_columns!($group_id), " FROM users u", person_joins!(), "WHERE ", $where)
    };
}
/// (SQLite, PostgreSQL).
macro_rules! person_statements {
    ($where:literal) => {
        (person_statement!("hex(g.id)", $where), person_statement!("g.id::text", $where))
    };
}

// Below the macro that it uses.
pub mod roster;

/// A person by id or address, as far as `visible` lets the caller see.
pub async fn find(pool: &Pool, org: Org, who: &Who, visible: Visible) -> Result<Option<Person>, StoreError> {
    let only = match visible {
        Visible::All => None,
        Visible::Only(person) => Some(person.key),
    };
    let (sqlite, postgres) = match who {
        Who::Id(_) => person_statements!("u.org = $1 AND u.id = $2 AND ($3 IS NULL OR u.key = $3)"),
        Who::EmailKey(_) => person_statements!("u.org = $1 AND u.email_key = $2 AND ($3 IS NULL OR u.key = $3)"),
    };
    let query = pool.query(pool.engine().either(sqlite, postgres)).bind(org.number);
    let query = match who {
        Who::Id(id) => query.bind(id.as_uuid()),
        Who::EmailKey(key) => query.bind(key.clone()),
    };
    query.bind(only).optional().await?.map(|row| read_person(&row)).transpose()
}

/// The people with these ids that there are, for whoever may see all.
pub async fn of_ids(pool: &Pool, org: Org, ids: &[UserId]) -> Result<Vec<Person>, StoreError> {
    let sql = pool.engine().either(
        person_statement!("hex(g.id)", "u.org = $1 AND u.id IN (SELECT unhex(value, '-') FROM json_each($2))"),
        person_statement!("g.id::text", "u.org = $1 AND u.id = ANY(ARRAY(SELECT value::uuid FROM json_array_elements_text($2::json)))"),
    );
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    pool.query(sql).bind(org.number).bind(serde_json::json!(ids).to_string()).all().await?.iter().map(read_person).collect()
}

/// The same inside a unit of work, for the answer of a write.
pub async fn show(work: &mut Work, key: i64) -> Result<Person, StoreError> {
    let (sqlite, postgres) = person_statements!("u.key = $1");
    let sql = work.tx.engine().either(sqlite, postgres);
    read_person(&work.tx.query(sql).bind(key).one().await?)
}

macro_rules! facts_sql {
    ($where:literal) => {
        concat!(
            "SELECT u.key, u.id, u.first_name, u.last_name, u.role, u.status, u.version, u.invite_generation, u.folded, u.activated_at,
                    (SELECT string_agg(p.permission, ' ') FROM group_members m JOIN group_permissions p ON p.group_key = m.group_key
                      WHERE m.user_key = u.key), u.email, u.slack_id, u.slack_by
               FROM users u WHERE u.org = $1 AND ",
            $where
        )
    };
}

/// A person's facts for a rule, and what a change must know beside them.
#[derive(Clone, Debug)]
pub struct Found {
    /// What rules see.
    pub facts: PersonFacts,
    /// First name now.
    pub first_name: String,
    /// Last name now.
    pub last_name: String,
    /// Whether they ever joined.
    pub had_joined: bool,
    /// Address as typed.
    pub email: String,
    /// Slack ID now.
    pub slack_id: Option<String>,
    /// Who decided so.
    pub slack_by: Option<SlackBy>,
}

/// Reads a person's facts under the lock.
pub async fn facts(work: &mut Work, who: &Who) -> Result<Option<Found>, StoreError> {
    let org = work.org.number;
    let query = match who {
        Who::Id(id) => work.tx.query(facts_sql!("u.id = $2")).bind(org).bind(id.as_uuid()),
        Who::EmailKey(key) => work.tx.query(facts_sql!("u.email_key = $2")).bind(org).bind(key.clone()),
    };
    query.optional().await?.map(|row| read_found(&row)).transpose()
}

/// The same outside any transaction, for what a page offers.
pub async fn facts_now(pool: &Pool, org: Org, id: UserId) -> Result<Option<Found>, StoreError> {
    let query = pool.query(facts_sql!("u.id = $2")).bind(org.number).bind(id.as_uuid());
    query.optional().await?.map(|row| read_found(&row)).transpose()
}

fn read_found(row: &Row) -> Result<Found, StoreError> {
    let mut c = row.columns();
    let person = PersonRef { key: c.take()?, id: UserId::from_uuid(c.take()?) };
    let (first_name, last_name): (String, String) = (c.take()?, c.take()?);
    let facts = PersonFacts {
        person,
        name: format!("{first_name} {last_name}"),
        role: c.parse(Role::parse)?,
        status: c.parse(Status::parse)?,
        permissions: PermissionSet::default(),
        version: c.take()?,
        invite_generation: c.take()?,
        folded: c.take()?,
    };
    let had_joined = c.maybe_time()?.is_some();
    let permissions: Option<String> = c.take()?;
    Ok(Found {
        facts: PersonFacts { permissions: PermissionSet::parse_joined(permissions.as_deref().unwrap_or_default()), ..facts },
        first_name,
        last_name,
        had_joined,
        email: c.take()?,
        slack_id: c.take()?,
        slack_by: c.take::<Option<String>>()?.as_deref().and_then(SlackBy::parse),
    })
}

/// Who holds an address, by its folded key: id and status.
pub async fn holder(work: &mut Work, email_key: &str) -> Result<Option<(UserId, Status, bool)>, StoreError> {
    let row = work
        .tx
        .query("SELECT id, status, activated_at FROM users WHERE org = $1 AND email_key = $2")
        .bind(work.org.number)
        .bind(email_key)
        .optional()
        .await?;
    row.map(|row| Ok((UserId::from_uuid(row.get(0)?), row.parse(1, Status::parse)?, row.get::<Option<i64>>(2)?.is_some()))).transpose()
}

/// How many Administrators could sign in now: the predicate of authentication, not a counter.
pub async fn active_administrators(work: &mut Work) -> Result<i64, StoreError> {
    work.tx
        .query("SELECT count(*) FROM users WHERE org = $1 AND role = 'administrator' AND status = 'active'")
        .bind(work.org.number)
        .one()
        .await?
        .get(0)
}

/// How many people an organization has, by status and role.
#[derive(Clone, Copy, Debug)]
pub struct Counts([(Status, Role, i64); 6]);

impl Counts {
    /// Those of a status, or of any, and of a role, or of any.
    #[must_use]
    pub fn of(&self, status: Option<Status>, role: Option<Role>) -> i64 {
        let fits = |(of, as_what, _): &&(Status, Role, i64)| {
            status.is_none_or(|wanted| wanted == *of) && role.is_none_or(|wanted| wanted == *as_what)
        };
        self.0.iter().filter(fits).map(|(_, _, count)| count).sum()
    }
}

/// The counters of the organization's head row.
pub async fn counts(pool: &Pool, org: Org) -> Result<Counts, StoreError> {
    let row = pool
        .query(
            "SELECT pending_administrators, pending_users, active_administrators, active_users, deactivated_administrators, deactivated_users
               FROM org_heads WHERE org = $1",
        )
        .bind(org.number)
        .one()
        .await?;
    Ok(Counts([
        (Status::Pending, Role::Administrator, row.get(0)?),
        (Status::Pending, Role::User, row.get(1)?),
        (Status::Active, Role::Administrator, row.get(2)?),
        (Status::Active, Role::User, row.get(3)?),
        (Status::Deactivated, Role::Administrator, row.get(4)?),
        (Status::Deactivated, Role::User, row.get(5)?),
    ]))
}

macro_rules! insert_person {
    () => {
        "INSERT INTO users (key, id, org, email, email_key, first_name, last_name, role, status, created_at, activated_at, folded, invite_generation)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (org, email_key) DO NOTHING"
    };
}

/// Inserts the person with their search row, or says that the address is taken (`None`): the unique key decides, no look-up before.
pub(super) async fn insert(
    work: &mut Work,
    id: UserId,
    email: &Email,
    name: (&str, &str),
    role: Role,
    status: Status,
) -> Result<Option<i64>, StoreError> {
    let key = (work.org.number << 32) | (work.head.user_seq + 1);
    let folded = folded(name.0, name.1, email, None);
    let generation = i64::from(status == Status::Pending);
    let activated = (status == Status::Active).then_some(work.now);
    let engine = work.tx.engine();
    let sql = engine.either(
        concat!(insert_person!(), "; INSERT INTO users_fts (rowid, folded) SELECT key, folded FROM users WHERE key = $1"),
        concat!("WITH person AS (", insert_person!(), " RETURNING key) INSERT INTO users_grams (key, grams) SELECT key, $14 FROM person"),
    );
    let org = work.org.number;
    let query = work
        .tx
        .query(sql)
        .bind(key)
        .bind(id.as_uuid())
        .bind(org)
        .bind(email.typed())
        .bind(email.key())
        .bind(name.0)
        .bind(name.1)
        .bind(role)
        .bind(status)
        .bind(work.now)
        .bind(activated)
        .bind(folded.as_str())
        .bind(generation);
    let inserted = query.bind(search::entered(engine, org, &folded)).execute().await?;
    if inserted == 0 {
        return Ok(None);
    }
    work.head.user_seq += 1;
    work.head.enter(status, role);
    work.touch_head();
    Ok(Some(key))
}

/// What a person's own texts are in the log.
pub(super) fn theirs(id: UserId, text: impl Into<String>) -> Said {
    Said::Text(Some(id.as_uuid()), text.into())
}

pub(super) fn group_said(name: &str) -> Said {
    Said::Text(None, name.to_owned())
}

/// Creates a Pending person with their invite and its mail. `None` when the address is taken.
pub async fn invite(work: &mut Work, proof: Authorized<InviteUser>, invite: &links::NewLink) -> Result<Option<i64>, StoreError> {
    let (action, stamp) = proof.into_parts();
    let name = (action.name.first(), action.name.last());
    let Some(key) = insert(work, action.id, &action.email, name, action.role, Status::Pending).await? else {
        return Ok(None);
    };
    links::insert(work, key, invite, stamp.person).await?;
    let mut changes = vec![
        Change::set("email", theirs(action.id, action.email.typed())),
        Change::set("first_name", theirs(action.id, name.0)),
        Change::set("last_name", theirs(action.id, name.1)),
        Change::set("role", Said::Plain(action.role.shown().to_owned())),
        Change::set("status", Said::Plain(Status::Pending.as_str().to_owned())),
    ];
    if !action.groups.is_empty() {
        super::groups::enter(work, key, &action.groups, 0).await?;
    }
    for group in &action.groups {
        changes.push(Change::set("access_group", group_said(&group.name)));
    }
    audit::append(work, Entry::done(stamp, changes)).await?;
    Ok(Some(key))
}

/// Stores a new link for a Pending person; every earlier one ends.
pub async fn resend(work: &mut Work, proof: Authorized<ResendInvite>, invite: &links::NewLink) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    links::renew(work, action.person.person.key, invite, stamp.person).await?;
    let changes = vec![Change::plain("invite_generation", action.person.invite_generation.to_string(), invite.generation.to_string())];
    audit::append(work, Entry::done(stamp, changes)).await
}

/// What a deactivation ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Sessions of browsers.
    pub sessions: u64,
    /// Personal MCP tokens.
    pub mcp_tokens: u64,
    /// Invite links that were still good.
    pub links: u64,
}

// What had run out by itself ends as expired; only what was alive is counted. Their mail does not leave, whatever it tells of, and
// nobody who comes back is taken for somebody who was here before.
const DEACTIVATE_SQLITE: &str = "UPDATE users SET status = 'deactivated', deactivated_at = $2, version = version + 1 WHERE key = $1;
    UPDATE outbox SET state = 'superseded', done_at = $2 WHERE state = 'queued' AND channel = 'mail' AND user_key = $1;
    DELETE FROM known_browsers WHERE user_key = $1;
    UPDATE credentials SET revoked_at = $2 WHERE user_key = $1 AND revoked_at IS NULL RETURNING kind, expires_at > $2 AND (kind <> 'session' OR coalesce(last_used_at, created_at) > $3);
    UPDATE links SET ended_at = $2, ended_as = CASE WHEN expires_at < $2 THEN 'expired' ELSE 'withdrawn' END
     WHERE user_key = $1 AND ended_at IS NULL RETURNING 'link', ended_as = 'withdrawn'";
const DEACTIVATE_POSTGRES: &str = "WITH person AS (
      UPDATE users SET status = 'deactivated', deactivated_at = $2, version = version + 1 WHERE key = $1),
    mail AS (UPDATE outbox SET state = 'superseded', done_at = $2 WHERE state = 'queued' AND channel = 'mail' AND user_key = $1),
    browser AS (DELETE FROM known_browsers WHERE user_key = $1),
    secret AS (UPDATE credentials SET revoked_at = $2 WHERE user_key = $1 AND revoked_at IS NULL RETURNING kind,
                  expires_at > $2 AND (kind <> 'session' OR coalesce(last_used_at, created_at) > $3) AS alive),
    link AS (UPDATE links SET ended_at = $2, ended_as = CASE WHEN expires_at < $2 THEN 'expired' ELSE 'withdrawn' END
              WHERE user_key = $1 AND ended_at IS NULL RETURNING ended_as = 'withdrawn' AS alive)
    SELECT kind, alive::int::bigint FROM secret UNION ALL SELECT 'link', alive::int::bigint FROM link";

/// What deactivating the person with this key would end at this moment, by what [`deactivate`] counts.
pub async fn would_end(pool: &Pool, key: i64, now: Timestamp) -> Result<Ended, StoreError> {
    let sql = "SELECT (SELECT count(*) FROM credentials WHERE user_key = $1 AND revoked_at IS NULL AND expires_at > $2 AND kind = 'session'
                          AND coalesce(last_used_at, created_at) > $3),
                      (SELECT count(*) FROM credentials WHERE user_key = $1 AND revoked_at IS NULL AND expires_at > $2 AND kind = 'token'),
                      (SELECT count(*) FROM links WHERE user_key = $1 AND ended_at IS NULL AND expires_at >= $2)";
    let row = pool.query(sql).bind(key).bind(now).bind(now.plus(-super::sessions::IDLE)).one().await?;
    let count = |column| row.get::<i64>(column).map(|count| u64::try_from(count).unwrap_or_default());
    Ok(Ended { sessions: count(0)?, mcp_tokens: count(1)?, links: count(2)? })
}

/// Ends all access of a person in one transaction.
pub async fn deactivate(work: &mut Work, proof: Authorized<DeactivateUser>) -> Result<Ended, StoreError> {
    let (action, stamp) = proof.into_parts();
    let person = &action.person;
    let broke_glass = match person.role {
        Role::Administrator => notices::breaks_glass(work, person.person.key).await?,
        Role::User => None,
    };
    let sql = work.tx.engine().either(DEACTIVATE_SQLITE, DEACTIVATE_POSTGRES);
    let now = work.now;
    let idle = now.plus(-super::sessions::IDLE);
    let rows = work.tx.query(sql).bind(person.person.key).bind(now).bind(idle).all().await?;
    work.head.leave(person.status, person.role);
    work.head.enter(Status::Deactivated, person.role);
    notices::break_glass(work, person.person, broke_glass, notices::by(&stamp)).await?;
    let mut ended = Ended::default();
    for row in &rows {
        let alive = u64::from(row.get::<i64>(1)? != 0);
        match row.get::<String>(0)?.as_str() {
            "token" => ended.mcp_tokens += alive,
            "session" => ended.sessions += alive,
            "link" => ended.links += alive,
            other => return Err(StoreError::Corrupt(format!("a credential of the kind {other}"))),
        }
    }
    let changes = vec![
        Change::plain("status", person.status.as_str(), Status::Deactivated.as_str()),
        Change::set("sessions_ended", Said::Plain(ended.sessions.to_string())),
        Change::set("mcp_tokens_ended", Said::Plain(ended.mcp_tokens.to_string())),
        Change::set("links_ended", Said::Plain(ended.links.to_string())),
    ];
    audit::append(work, Entry::done(stamp, changes)).await?;
    Ok(ended)
}

/// Brings a person back; with a new invite where they had never joined.
pub async fn reactivate(work: &mut Work, proof: Authorized<ReactivateUser>, invite: Option<&links::NewLink>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let person = &action.person;
    let status = if action.had_joined { Status::Active } else { Status::Pending };
    if let Some(invite) = invite {
        // Makes them Pending, too.
        links::renew(work, person.person.key, invite, stamp.person).await?;
    } else {
        let query = work.tx.query("UPDATE users SET status = $2, deactivated_at = NULL, version = version + 1 WHERE key = $1");
        query.bind(person.person.key).bind(status).execute().await?;
    }
    work.head.leave(person.status, person.role);
    work.head.enter(status, person.role);
    if (status, person.role) == (Status::Active, Role::Administrator) {
        notices::administrator_made(work, person.person.id, notices::by(&stamp)).await?;
        notices::break_glass(work, person.person, Some(false), notices::by(&stamp)).await?;
    }
    audit::append(work, Entry::done(stamp, vec![Change::plain("status", person.status.as_str(), status.as_str())])).await
}

macro_rules! join {
    () => {
        "UPDATE users SET folded = $3, status = 'active', activated_at = $4, last_seen_at = $4, password_hash = $5, first_name = $6,
                last_name = $7, mailbox_read_at = CASE WHEN $8 = 1 THEN $4 ELSE mailbox_read_at END, version = version + 1 WHERE key = $1"
    };
}

/// Makes an invited person Active with their password or identity and corrected names; the link is used up. `false` where the
/// identity opens another account.
pub async fn accept(work: &mut Work, proof: Authorized<AcceptInvite>, before: &Found) -> Result<bool, StoreError> {
    let (action, stamp) = proof.into_parts();
    let person = &action.person;
    let id = person.person.id;
    let (sqlite, postgres) = if action.folded == person.folded {
        (join!(), join!())
    } else {
        (search::replacing!(sqlite, join!()), search::replacing!(postgres, join!()))
    };
    let (engine, org) = (work.tx.engine(), work.org.number);
    let (hash, identity, holds_link) = match &action.joining {
        Joining::Password { hash, .. } => (Some(hash.as_str()), None, true),
        Joining::Identity { identity, holds_link, .. } => (None, Some(identity), *holds_link),
    };
    work.tx
        .query(engine.either(sqlite, postgres))
        .bind(person.person.key)
        .bind(search::replaced(engine, org, &person.folded, &action.folded))
        .bind(action.folded.as_str())
        .bind(work.now)
        .bind(hash)
        .bind(action.name.first())
        .bind(action.name.last())
        .bind(i64::from(holds_link))
        .execute()
        .await?;
    work.head.leave(person.status, person.role);
    work.head.enter(Status::Active, person.role);
    links::use_up(work, person.person.key).await?;
    slack::look_up_joined(work, person.person.key).await?;
    if person.role == Role::Administrator {
        let by = notices::inviter(work, action.link).await?;
        notices::administrator_made(work, id, by).await?;
    }
    let mut changes = vec![Change::plain("status", person.status.as_str(), Status::Active.as_str())];
    if let Some(identity) = identity {
        if !super::sso::insert(work, person.person.key, identity, true).await? {
            return Ok(false);
        }
        changes.extend(super::sso::said(id, identity));
    }
    for (field, before, after) in
        [("first_name", &before.first_name, action.name.first()), ("last_name", &before.last_name, action.name.last())]
    {
        if before != after {
            changes.push(Change { field, before: theirs(id, before.clone()), after: theirs(id, after) });
        }
    }
    work.actor_name = Some(person.name.clone());
    audit::append(work, Entry::done(stamp, changes)).await?;
    Ok(true)
}

/// Notes that the roster was taken away as a file. Of a search it says only that there was one: what somebody looks for is often
/// a person's own.
pub async fn exported(work: &mut Work, proof: Authorized<ExportUsers>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let word = |field, word: Option<&str>| word.map(|word| Change::set(field, Said::Plain(word.to_owned())));
    let changes = [
        word("only_status", action.status.map(Status::as_str)),
        word("only_role", action.role.map(Role::shown)),
        action.group.map(|name| Change::set("only_access_group", group_said(&name))),
        word("only_unseen", action.unseen),
        word("searched", action.searched.then_some("yes")),
    ];
    audit::append(work, Entry::done(stamp, changes.into_iter().flatten().collect())).await
}

/// Marks when people were last seen; one statement, outside the lock.
pub(super) async fn mark_seen(tx: &mut Tx, seen: &[(i64, i64)]) -> Result<(), StoreError> {
    let sql = tx.engine().either(
        "UPDATE users SET last_seen_at = s.at FROM (SELECT value ->> 0 AS key, value ->> 1 AS at FROM json_each($1)) s
          WHERE users.key = s.key AND coalesce(users.last_seen_at, 0) < s.at",
        "UPDATE users SET last_seen_at = s.at FROM (SELECT (value ->> 0)::bigint AS key, (value ->> 1)::bigint AS at FROM json_array_elements($1::json)) s
          WHERE users.key = s.key AND coalesce(users.last_seen_at, 0) < s.at",
    );
    tx.query(sql).bind(serde_json::json!(seen).to_string()).execute().await?;
    Ok(())
}

/// What a person's groups give them now.
pub async fn permissions_of(pool: &Pool, key: i64) -> Result<PermissionSet, StoreError> {
    let row = pool
        .query(
            "SELECT string_agg(p.permission, ' ') FROM group_members m JOIN group_permissions p ON p.group_key = m.group_key
              WHERE m.user_key = $1",
        )
        .bind(key)
        .one()
        .await?;
    Ok(PermissionSet::parse_joined(row.get::<Option<String>>(0)?.as_deref().unwrap_or_default()))
}
