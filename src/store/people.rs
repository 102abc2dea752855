//! People: rows of `users`, as lists show them and as rules see them.

use super::{
    audit::{self, Change, Entry, Said},
    links,
    search::{self, SMALL},
    sql::{Engine, Pool, Row, StoreError, Tx},
    work::Work,
};
use crate::{
    authz::{
        Authorized, Org, PersonRef, Visible,
        action::{AcceptInvite, DeactivateUser, InviteUser, PersonFacts, ReactivateUser, ResendInvite, UpdateUser},
    },
    domain::{Email, GroupId, PermissionSet, Role, Status, Timestamp, UserId},
};
use std::collections::HashMap;
use uuid::Uuid;

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

macro_rules! person_columns {
    () => {
        "u.key, u.id, u.email, u.first_name, u.last_name, u.role, u.status, u.slack_id, u.created_at, u.activated_at,
         u.deactivated_at, u.last_seen_at, u.version, l.sent_at, l.expires_at, o.state, o.error"
    };
}

macro_rules! person_joins {
    () => {
        " LEFT JOIN links l ON l.user_key = u.key AND l.kind = 'invite' AND l.generation = u.invite_generation
          LEFT JOIN outbox o ON o.link_id = l.id "
    };
}

const PERSON_COLUMNS: usize = 17;

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
        groups: Vec::new(),
    })
}

const GROUPS_OF_SQLITE: &str = "SELECT m.user_key, g.id, g.name FROM group_members m JOIN access_groups g ON g.key = m.group_key
  WHERE m.user_key IN (SELECT value FROM json_each($1)) ORDER BY g.key";
const GROUPS_OF_POSTGRES: &str = "SELECT m.user_key, g.id, g.name FROM group_members m JOIN access_groups g ON g.key = m.group_key
  WHERE m.user_key = ANY($1) ORDER BY g.key";

fn place_groups(people: &mut [Person], rows: &[Row]) -> Result<(), StoreError> {
    let mut groups: HashMap<i64, Vec<(GroupId, String)>> = HashMap::new();
    for row in rows {
        groups.entry(row.get(0)?).or_default().push((GroupId::from_uuid(row.get(1)?), row.get(2)?));
    }
    for person in people {
        person.groups = groups.remove(&person.key).unwrap_or_default();
    }
    Ok(())
}

/// A person by id or address, as far as `visible` lets the caller see.
pub async fn find(pool: &Pool, org: Org, who: &Who, visible: Visible) -> Result<Option<Person>, StoreError> {
    let only = match visible {
        Visible::All => None,
        Visible::Only(person) => Some(person.key),
    };
    let query = match who {
        Who::Id(id) => pool
            .query(concat!(
                "SELECT ",
                person_columns!(),
                " FROM users u",
                person_joins!(),
                "WHERE u.org = $1 AND u.id = $2 AND ($3 IS NULL OR u.key = $3)"
            ))
            .bind(org.number)
            .bind(id.as_uuid()),
        Who::EmailKey(key) => pool
            .query(concat!(
                "SELECT ",
                person_columns!(),
                " FROM users u",
                person_joins!(),
                "WHERE u.org = $1 AND u.email_key = $2 AND ($3 IS NULL OR u.key = $3)"
            ))
            .bind(org.number)
            .bind(key.clone()),
    };
    let Some(row) = query.bind(only).optional().await? else { return Ok(None) };
    let mut people = [read_person(&row)?];
    let rows = pool.query(pool.engine().either(GROUPS_OF_SQLITE, GROUPS_OF_POSTGRES)).bind(vec![people[0].key]).all().await?;
    place_groups(&mut people, &rows)?;
    let [person] = people;
    Ok(Some(person))
}

/// The same inside a unit of work, for the answer of a write.
pub async fn show(work: &mut Work, key: i64) -> Result<Person, StoreError> {
    let row =
        work.tx.query(concat!("SELECT ", person_columns!(), " FROM users u", person_joins!(), "WHERE u.key = $1")).bind(key).one().await?;
    let mut people = [read_person(&row)?];
    let sql = work.tx.engine().either(GROUPS_OF_SQLITE, GROUPS_OF_POSTGRES);
    let rows = work.tx.query(sql).bind(vec![key]).all().await?;
    place_groups(&mut people, &rows)?;
    let [person] = people;
    Ok(person)
}

/// What a list is narrowed to, and where it goes on.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Folded search text; empty is none.
    pub query: String,
    /// Only this status.
    pub status: Option<Status>,
    /// Only this role.
    pub role: Option<Role>,
    /// Only members of the group with this key.
    pub group: Option<i64>,
    /// Only Pending people whose invite has expired, or only everybody else.
    pub invite_expired: Option<bool>,
}

/// A page of people, newest first.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its people.
    pub people: Vec<Person>,
    /// Where the next page begins, if there is one.
    pub next: Option<i64>,
    /// How many there are in all.
    pub total: i64,
    /// Whether `total` is all, or where counting stopped.
    pub total_is_exact: bool,
}

/// Up to where a total is counted that no counter keeps.
const COUNTED: i64 = 1000;
/// How many rows a search for one or two letters looks at, at most, per page (SQLite, large organizations).
const SCAN: i64 = 20_000;

// Placeholders of every list statement: $1 first key of the organization, $2 below which key, $3 status,
// $4 role, $5 group, $6 expired 0/1, $7 now, $8 search text, $9 limit, $10 grams or phrase, $11 organization,
// $12 lowest key to look at.
macro_rules! narrowed {
    () => {
        " AND ($3 IS NULL OR u.status = $3) AND ($4 IS NULL OR u.role = $4)
          AND ($5 IS NULL OR EXISTS (SELECT 1 FROM group_members gm WHERE gm.user_key = u.key AND gm.group_key = $5))
          AND ($6 IS NULL OR $6 = (CASE WHEN u.status = 'pending' AND EXISTS (SELECT 1 FROM links x WHERE x.user_key = u.key
               AND x.kind = 'invite' AND x.generation = u.invite_generation AND x.expires_at < $7) THEN 1 ELSE 0 END)) "
    };
}
macro_rules! counters {
    () => {
        "(SELECT (CASE WHEN ($3 IS NULL OR $3 = 'pending') AND ($4 IS NULL OR $4 = 'administrator') THEN pending_administrators ELSE 0 END)
               + (CASE WHEN ($3 IS NULL OR $3 = 'pending') AND ($4 IS NULL OR $4 = 'user') THEN pending_users ELSE 0 END)
               + (CASE WHEN ($3 IS NULL OR $3 = 'active') AND ($4 IS NULL OR $4 = 'administrator') THEN active_administrators ELSE 0 END)
               + (CASE WHEN ($3 IS NULL OR $3 = 'active') AND ($4 IS NULL OR $4 = 'user') THEN active_users ELSE 0 END)
               + (CASE WHEN ($3 IS NULL OR $3 = 'deactivated') AND ($4 IS NULL OR $4 = 'administrator') THEN deactivated_administrators ELSE 0 END)
               + (CASE WHEN ($3 IS NULL OR $3 = 'deactivated') AND ($4 IS NULL OR $4 = 'user') THEN deactivated_users ELSE 0 END)
            FROM org_heads WHERE org = $11)"
    };
}
macro_rules! counted {
    ($source:expr) => {
        concat!("(SELECT count(*) FROM (SELECT 1 ", $source, narrowed!(), " LIMIT 1001) counted)")
    };
}
/// (page, total): the page's rows carry the total in their last column; the second statement asks for it alone.
macro_rules! list_statement {
    ($source:expr, $order:literal, $total:expr) => {
        (
            concat!(
                "SELECT ",
                person_columns!(),
                ", ",
                $total,
                " FROM (SELECT u.* ",
                $source,
                narrowed!(),
                " AND u.key < $2 ORDER BY ",
                $order,
                " DESC LIMIT $9) u",
                person_joins!(),
                "ORDER BY u.key DESC"
            ),
            concat!("SELECT ", $total),
        )
    };
}
macro_rules! all_people {
    () => {
        "FROM users u WHERE u.key > $1 AND u.key < $1 + 4294967296"
    };
}
macro_rules! by_status {
    () => {
        "FROM users u WHERE u.status = $3 AND u.key > $1 AND u.key < $1 + 4294967296"
    };
}
macro_rules! by_role {
    () => {
        "FROM users u WHERE u.role = $4 AND u.key > $1 AND u.key < $1 + 4294967296"
    };
}
macro_rules! by_group {
    () => {
        "FROM group_members m JOIN users u ON u.key = m.user_key WHERE m.group_key = $5"
    };
}
macro_rules! sqlite_scan {
    () => {
        "FROM users u WHERE u.key > $1 AND u.key < $1 + 4294967296 AND u.key >= $12 AND instr(u.folded, $8) > 0"
    };
}
macro_rules! postgres_scan {
    () => {
        "FROM users u WHERE u.key > $1 AND u.key < $1 + 4294967296 AND strpos(u.folded, $8) > 0"
    };
}
macro_rules! sqlite_index {
    () => {
        "FROM users_fts f JOIN users u ON u.key = f.rowid WHERE users_fts MATCH $10 AND f.rowid > $1 AND f.rowid < $1 + 4294967296"
    };
}
macro_rules! postgres_index {
    () => {
        "FROM users_grams g JOIN users u ON u.key = g.key WHERE g.grams @> $10 AND strpos(u.folded, $8) > 0"
    };
}

/// A page of at most `limit` people below `before`. `people` is how many the organization has.
pub async fn list(
    pool: &Pool,
    org: Org,
    filter: &Filter,
    people: i64,
    before: Option<i64>,
    limit: i64,
    now: Timestamp,
) -> Result<Page, StoreError> {
    let engine = pool.engine();
    let low = org.number << 32;
    let before = before.unwrap_or(low + (1 << 32));
    let searching = !filter.query.is_empty();
    let large = people > SMALL;
    let short = filter.query.chars().count() < 3;
    let bounded = searching && large && short && engine == Engine::Sqlite;
    let counters = !searching && filter.group.is_none() && filter.invite_expired.is_none();
    let (page, total) = match (searching, large && !bounded, engine) {
        (true, false, Engine::Sqlite) => list_statement!(sqlite_scan!(), "u.key", counted!(sqlite_scan!())),
        (true, false, Engine::Postgres) => list_statement!(postgres_scan!(), "u.key", counted!(postgres_scan!())),
        (true, true, Engine::Sqlite) => list_statement!(sqlite_index!(), "f.rowid", counted!(sqlite_index!())),
        (true, true, Engine::Postgres) => list_statement!(postgres_index!(), "u.key", counted!(postgres_index!())),
        (false, _, _) => match (counters, filter.group, filter.status, filter.invite_expired, filter.role) {
            (false, Some(_), _, _, _) => list_statement!(by_group!(), "m.user_key", counted!(by_group!())),
            (false, None, _, Some(true), _) => list_statement!(by_status!(), "u.key", counted!(by_status!())),
            (false, None, _, _, _) => list_statement!(all_people!(), "u.key", counted!(all_people!())),
            (true, _, Some(_), _, _) => list_statement!(by_status!(), "u.key", counters!()),
            (true, _, None, _, Some(_)) => list_statement!(by_role!(), "u.key", counters!()),
            (true, _, None, _, None) => list_statement!(all_people!(), "u.key", counters!()),
        },
    };
    // An expired invite is a Pending person's.
    let status = filter.status.or((filter.invite_expired == Some(true)).then_some(Status::Pending));
    let lowest = if bounded { before.saturating_sub(SCAN).max(low) } else { low };
    let bind = |sql: &'static str, lowest: i64| {
        let query = pool
            .query(sql)
            .bind(low)
            .bind(before)
            .bind(status)
            .bind(filter.role)
            .bind(filter.group)
            .bind(filter.invite_expired.map(i64::from))
            .bind(now)
            .bind(filter.query.as_str())
            .bind(limit + 1);
        let query = match engine {
            Engine::Sqlite => query.bind(search::fts_phrase(&filter.query)),
            Engine::Postgres => query.bind(search::query_grams(org.number, &filter.query)),
        };
        query.bind(org.number).bind(lowest)
    };
    let rows = bind(page, lowest).all().await?;
    let total = match rows.first() {
        Some(row) => row.get::<i64>(PERSON_COLUMNS)?,
        None => bind(total, lowest).one().await?.get(0)?,
    };
    let mut people = rows.iter().map(read_person).collect::<Result<Vec<_>, _>>()?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = people.len() > wanted;
    people.truncate(wanted);
    let next = if more {
        people.last().map(|person| person.key)
    } else if bounded && lowest > low {
        Some(lowest)
    } else {
        None
    };
    if !people.is_empty() {
        let keys: Vec<i64> = people.iter().map(|person| person.key).collect();
        let rows = pool.query(engine.either(GROUPS_OF_SQLITE, GROUPS_OF_POSTGRES)).bind(keys).all().await?;
        place_groups(&mut people, &rows)?;
    }
    let exact = counters || (total <= COUNTED && !(bounded && (lowest > low || before < low + (1 << 32))));
    Ok(Page { people, next, total: total.min(if counters { i64::MAX } else { COUNTED }), total_is_exact: exact })
}

macro_rules! facts_sql {
    ($where:literal) => {
        concat!(
            "SELECT u.key, u.id, u.first_name, u.last_name, u.role, u.status, u.version, u.invite_generation, u.folded, u.activated_at,
                    (SELECT string_agg(p.permission, ' ') FROM group_members m JOIN group_permissions p ON p.group_key = m.group_key
                      WHERE m.user_key = u.key), u.email, u.slack_id
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
}

/// Reads a person's facts under the lock.
pub async fn facts(work: &mut Work, who: &Who) -> Result<Option<Found>, StoreError> {
    let org = work.org.number;
    let query = match who {
        Who::Id(id) => work.tx.query(facts_sql!("u.id = $2")).bind(org).bind(id.as_uuid()),
        Who::EmailKey(key) => work.tx.query(facts_sql!("u.email_key = $2")).bind(org).bind(key.clone()),
    };
    let Some(row) = query.optional().await? else { return Ok(None) };
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
    Ok(Some(Found {
        facts: PersonFacts { permissions: PermissionSet::parse_joined(permissions.as_deref().unwrap_or_default()), ..facts },
        first_name,
        last_name,
        had_joined,
        email: c.take()?,
        slack_id: c.take()?,
    }))
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

/// Inserts the person, or says that the address is taken (`None`): the unique key decides, no look-up before.
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
    let inserted = work
        .tx
        .query(
            "INSERT INTO users (key, id, org, email, email_key, first_name, last_name, role, status, created_at, activated_at, folded, invite_generation)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (org, email_key) DO NOTHING",
        )
        .bind(key)
        .bind(id.as_uuid())
        .bind(work.org.number)
        .bind(email.typed())
        .bind(email.key())
        .bind(name.0)
        .bind(name.1)
        .bind(role)
        .bind(status)
        .bind(work.now)
        .bind(activated)
        .bind(folded.as_str())
        .bind(generation)
        .execute()
        .await?;
    if inserted == 0 {
        return Ok(None);
    }
    work.head.user_seq += 1;
    work.head.enter(status, role);
    work.touch_head();
    search::enter(work, key, &folded).await?;
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
    for group in &action.groups {
        super::groups::enter(&mut work.tx, work.now, key, group.key).await?;
        changes.push(Change::set("access_group", group_said(&group.name)));
    }
    audit::append(work, Entry::done(stamp, changes)).await?;
    Ok(Some(key))
}

/// Stores a new link for a Pending person; every earlier one ends.
pub async fn resend(work: &mut Work, proof: Authorized<ResendInvite>, invite: &links::NewLink) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    links::insert(work, action.person.person.key, invite, stamp.person).await?;
    let key = action.person.person.key;
    work.tx.query("UPDATE users SET version = version + 1 WHERE key = $1").bind(key).execute().await?;
    let changes = vec![Change::plain("invite_generation", action.person.invite_generation.to_string(), invite.generation.to_string())];
    audit::append(work, Entry::done(stamp, changes)).await
}

/// Writes new names, Slack ID or role.
pub async fn update(work: &mut Work, proof: Authorized<UpdateUser>, before: &Found) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let id = action.person.person.id;
    let mut changes = Vec::new();
    let (mut first, mut last) = (before.first_name.clone(), before.last_name.clone());
    if let Some(name) = &action.name {
        for (field, before, after) in [("first_name", &mut first, name.first()), ("last_name", &mut last, name.last())] {
            if before != after {
                changes.push(Change { field, before: theirs(id, before.clone()), after: theirs(id, after) });
                after.clone_into(before);
            }
        }
    }
    let slack_id = match &action.slack_id {
        Some(after) => {
            let after = after.as_ref().map(|text| text.as_str().to_owned());
            let said = |text: &Option<String>| text.as_ref().map_or(Said::Nothing, |text| theirs(id, text.clone()));
            changes.push(Change { field: "slack_id", before: said(&before.slack_id), after: said(&after) });
            after
        }
        None => before.slack_id.clone(),
    };
    let role = action.role.unwrap_or(action.person.role);
    if role != action.person.role {
        changes.push(Change::plain("role", action.person.role.shown(), role.shown()));
        work.head.leave(action.person.status, action.person.role);
        work.head.enter(action.person.status, role);
    }
    work.tx
        .query(
            "UPDATE users SET first_name = $2, last_name = $3, slack_id = $4, role = $5, folded = $6, version = version + 1 WHERE key = $1",
        )
        .bind(action.person.person.key)
        .bind(first)
        .bind(last)
        .bind(slack_id)
        .bind(role)
        .bind(action.folded.as_str())
        .execute()
        .await?;
    if action.folded != action.person.folded {
        search::replace(&mut work.tx, work.org.number, action.person.person.key, &action.person.folded, &action.folded).await?;
    }
    audit::append(work, Entry::done(stamp, changes)).await
}

/// What a deactivation ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Personal MCP tokens.
    pub mcp_tokens: u64,
    /// Invite links that were still good.
    pub links: u64,
}

/// Ends all access of a person in one transaction.
pub async fn deactivate(work: &mut Work, proof: Authorized<DeactivateUser>) -> Result<Ended, StoreError> {
    let (action, stamp) = proof.into_parts();
    let person = &action.person;
    set_status(work, person, Status::Deactivated).await?;
    let mcp_tokens = super::credentials::end_all(&mut work.tx, person.person.key, work.now).await?;
    let links = links::end_live(work, person.person.key, "withdrawn").await?;
    let changes = vec![
        Change::plain("status", person.status.as_str(), Status::Deactivated.as_str()),
        Change::set("mcp_tokens_ended", Said::Plain(mcp_tokens.to_string())),
        Change::set("links_ended", Said::Plain(links.to_string())),
    ];
    audit::append(work, Entry::done(stamp, changes)).await?;
    Ok(Ended { mcp_tokens, links })
}

/// Brings a person back; with a new invite where they had never joined.
pub async fn reactivate(work: &mut Work, proof: Authorized<ReactivateUser>, invite: Option<&links::NewLink>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let person = &action.person;
    let status = if action.had_joined { Status::Active } else { Status::Pending };
    set_status(work, person, status).await?;
    if let Some(invite) = invite {
        links::insert(work, person.person.key, invite, stamp.person).await?;
    }
    audit::append(work, Entry::done(stamp, vec![Change::plain("status", person.status.as_str(), status.as_str())])).await
}

async fn set_status(work: &mut Work, person: &PersonFacts, status: Status) -> Result<(), StoreError> {
    let deactivated = (status == Status::Deactivated).then_some(work.now);
    work.tx
        .query("UPDATE users SET status = $2, deactivated_at = $3, version = version + 1 WHERE key = $1")
        .bind(person.person.key)
        .bind(status)
        .bind(deactivated)
        .execute()
        .await?;
    work.head.leave(person.status, person.role);
    work.head.enter(status, person.role);
    work.touch_head();
    Ok(())
}

/// Makes an invited person Active with their password and corrected names; the link is used up.
pub async fn accept(work: &mut Work, proof: Authorized<AcceptInvite>, before: &Found) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let person = &action.person;
    let id = person.person.id;
    work.tx
        .query(
            "UPDATE users SET status = 'active', activated_at = $2, last_seen_at = $2, password_hash = $3, first_name = $4, last_name = $5,
                    folded = $6, version = version + 1 WHERE key = $1",
        )
        .bind(person.person.key)
        .bind(work.now)
        .bind(action.password_hash.as_str())
        .bind(action.name.first())
        .bind(action.name.last())
        .bind(action.folded.as_str())
        .execute()
        .await?;
    if action.folded != person.folded {
        search::replace(&mut work.tx, work.org.number, person.person.key, &person.folded, &action.folded).await?;
    }
    work.head.leave(person.status, person.role);
    work.head.enter(Status::Active, person.role);
    links::end_live(work, person.person.key, "used").await?;
    let mut changes = vec![Change::plain("status", person.status.as_str(), Status::Active.as_str())];
    for (field, before, after) in
        [("first_name", &before.first_name, action.name.first()), ("last_name", &before.last_name, action.name.last())]
    {
        if before != after {
            changes.push(Change { field, before: theirs(id, before.clone()), after: theirs(id, after) });
        }
    }
    work.actor_name = Some(person.name.clone());
    audit::append(work, Entry::done(stamp, changes)).await
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

/// The id behind an address, for evidence of a refusal that named one.
pub async fn id_of(pool: &Pool, org: Org, email_key: &str) -> Result<Option<Uuid>, StoreError> {
    let row = pool.query("SELECT id FROM users WHERE org = $1 AND email_key = $2").bind(org.number).bind(email_key).optional().await?;
    row.map(|row| row.get(0)).transpose()
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
