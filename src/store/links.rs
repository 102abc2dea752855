//! Links: one row per generation, never overwritten, so that a dead link can say why it is dead.
//!
//! A row holds the SHA-256 of its token. The token itself is derived anew whenever the mail is rendered
//! (`keys::Keyring::link_token`), so a copy of the database opens nothing.

use super::{
    slack::look_up_invited,
    sql::{Pool, StoreError},
    work::Work,
};
use crate::{
    authz::{Org, PersonRef},
    domain::{INVITE_LIFETIME, LinkId, OrgId, OutboxId, Role, Timestamp, UserId},
};

/// The next generation of somebody's invite, ready to be stored with its mail.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// Id of the link.
    pub id: LinkId,
    /// Generation, from 1.
    pub generation: i64,
    /// SHA-256 of its token.
    pub hash: [u8; 32],
    /// Id of the mail that carries it.
    pub mail: OutboxId,
}

// Placeholders: $1 link, $2 organization, $3 person, $4 generation, $5 hash, $6 inviter's id, $7 now, $8 its end, $9 mail.
macro_rules! link {
    () => {
        "INSERT INTO links (id, org, user_key, kind, generation, hash, inviter_key, sent_at, expires_at)
         VALUES ($1, $2, $3, 'invite', $4, $5, (SELECT key FROM users WHERE id = $6), $7, $8)"
    };
}
macro_rules! mail {
    () => {
        "INSERT INTO outbox (id, org, user_key, link_id, state, next_at, created_at) VALUES ($9, $2, $3, $1, 'queued', $7, $7)"
    };
}
// Reached by the links, for the queue may be long.
macro_rules! drop_mail {
    () => {
        "UPDATE outbox SET state = 'superseded', done_at = $7
          WHERE state = 'queued' AND link_id IN (SELECT id FROM links WHERE user_key = $3)"
    };
}
// A link that had run out by itself ends as expired; it did not live to be ended otherwise.
macro_rules! supersede {
    () => {
        "UPDATE links SET ended_at = $7, ended_as = CASE WHEN expires_at < $7 THEN 'expired' ELSE 'superseded' END
          WHERE user_key = $3 AND ended_at IS NULL"
    };
}
macro_rules! pending {
    () => {
        "UPDATE users SET invite_generation = $4, status = 'pending', deactivated_at = NULL, version = version + 1 WHERE key = $3"
    };
}

/// Stores a person's first link and queues its mail; and that they are looked up in Slack, where it is connected.
pub(super) async fn insert(work: &mut Work, user_key: i64, link: &NewLink, inviter: Option<UserId>) -> Result<(), StoreError> {
    let sql = work.tx.engine().either(
        concat!(link!(), "; ", mail!(), "; ", look_up_invited!()),
        concat!("WITH link AS (", link!(), "), mail AS (", mail!(), ") ", look_up_invited!()),
    );
    let look_up = OutboxId::new(work.now, &work.random);
    bind(work, sql, user_key, link, inviter, Some(look_up)).await
}

/// Stores a further link of somebody who is Pending, or becomes so by it, and queues its mail. Earlier ones end, and so
/// does mail of theirs that has not left.
pub(super) async fn renew(work: &mut Work, user_key: i64, link: &NewLink, inviter: Option<UserId>) -> Result<(), StoreError> {
    let sql = work.tx.engine().either(
        concat!(drop_mail!(), "; ", supersede!(), "; ", pending!(), "; ", link!(), "; ", mail!()),
        concat!(
            "WITH dropped AS (",
            drop_mail!(),
            "), ended AS (",
            supersede!(),
            "), person AS (",
            pending!(),
            "), link AS (",
            link!(),
            ") ",
            mail!()
        ),
    );
    bind(work, sql, user_key, link, inviter, None).await
}

async fn bind(
    work: &mut Work,
    sql: &'static str,
    user_key: i64,
    link: &NewLink,
    inviter: Option<UserId>,
    look_up: Option<OutboxId>,
) -> Result<(), StoreError> {
    let (org, now) = (work.org.number, work.now);
    let query = work
        .tx
        .query(sql)
        .bind(link.id.as_uuid())
        .bind(org)
        .bind(user_key)
        .bind(link.generation)
        .bind(link.hash)
        .bind(inviter.map(|id| id.as_uuid()))
        .bind(now)
        .bind(now.plus(INVITE_LIFETIME))
        .bind(link.mail.as_uuid());
    let query = match look_up {
        Some(id) => query.bind(id.as_uuid()),
        None => query,
    };
    query.execute().await?;
    Ok(())
}

/// Ends a person's links because one of them was used, and drops mail that has not left.
pub(super) async fn use_up(work: &mut Work, user_key: i64) -> Result<(), StoreError> {
    let now = work.now;
    let sql = work.tx.engine().either(
        "UPDATE outbox SET state = 'superseded', done_at = $2
          WHERE state = 'queued' AND link_id IN (SELECT id FROM links WHERE user_key = $1);
         UPDATE links SET ended_at = $2, ended_as = 'used' WHERE user_key = $1 AND ended_at IS NULL",
        "WITH dropped AS (UPDATE outbox SET state = 'superseded', done_at = $2
                           WHERE state = 'queued' AND link_id IN (SELECT id FROM links WHERE user_key = $1))
         UPDATE links SET ended_at = $2, ended_as = 'used' WHERE user_key = $1 AND ended_at IS NULL",
    );
    work.tx.query(sql).bind(user_key).bind(now).execute().await?;
    Ok(())
}

/// Why a link is dead, if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It works.
    Live,
    /// Seven days are over.
    Expired,
    /// A newer one was sent.
    Superseded,
    /// The invite was taken back.
    Withdrawn,
    /// Its person joined with it.
    Used,
    /// Its organization is suspended.
    Suspended,
}

impl LinkState {
    /// From a row, as of `now`.
    pub(super) fn of(ended_as: Option<&str>, suspended: bool, expires_at: Timestamp, now: Timestamp) -> Self {
        match ended_as {
            Some("superseded") => Self::Superseded,
            Some("withdrawn") => Self::Withdrawn,
            Some("used") => Self::Used,
            Some(_) => Self::Expired,
            None if suspended => Self::Suspended,
            None if now > expires_at => Self::Expired,
            None => Self::Live,
        }
    }
}

/// A link with what its pages show.
#[derive(Clone, Debug)]
pub struct Link {
    /// Which.
    pub id: LinkId,
    /// Where.
    pub org: Org,
    /// That organization's name.
    pub organization: String,
    /// Its slug.
    pub slug: String,
    /// Whose.
    pub person: PersonRef,
    /// First name now.
    pub first_name: String,
    /// Last name now.
    pub last_name: String,
    /// Address as typed.
    pub email: String,
    /// Role to be.
    pub role: Role,
    /// Who invited, if that person still has a name.
    pub inviter: Option<String>,
    /// When the mail's transaction committed.
    pub sent_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// When it was ended, if it was.
    pub ended_at: Option<Timestamp>,
    /// What it is now.
    pub state: LinkState,
}

macro_rules! link_sql {
    ($where:literal) => {
        concat!(
            "SELECT l.id, o.number, o.id, o.name, o.slug, u.key, u.id, u.first_name, u.last_name, u.email, u.role,
                    i.first_name, i.last_name, l.sent_at, l.expires_at, l.ended_at, l.ended_as, o.suspended_at,
                    (SELECT n.sent_at FROM links n WHERE n.user_key = l.user_key AND n.kind = l.kind AND n.generation = l.generation + 1),
                    CASE WHEN u.status = 'deactivated' THEN u.deactivated_at END
               FROM links l JOIN users u ON u.key = l.user_key JOIN organizations o ON o.number = l.org
               LEFT JOIN users i ON i.key = l.inviter_key
              WHERE l.kind = 'invite' AND ",
            $where
        )
    };
}

/// The link with this hash, as of `now`.
pub async fn by_hash(pool: &Pool, hash: [u8; 32], now: Timestamp) -> Result<Option<Link>, StoreError> {
    let row = pool.query(link_sql!("l.hash = $1")).bind(hash).optional().await?;
    row.map(|row| read(&row, now)).transpose()
}

/// The invite of a person that was sent last, as of `now`.
pub async fn newest_of(pool: &Pool, user_key: i64, now: Timestamp) -> Result<Option<Link>, StoreError> {
    let row = pool.query(link_sql!("l.user_key = $1 ORDER BY l.generation DESC LIMIT 1")).bind(user_key).optional().await?;
    row.map(|row| read(&row, now)).transpose()
}

/// The invite with this id, as of `now`.
pub async fn by_id(pool: &Pool, id: LinkId, now: Timestamp) -> Result<Option<Link>, StoreError> {
    let row = pool.query(link_sql!("l.id = $1")).bind(id.as_uuid()).optional().await?;
    row.map(|row| read(&row, now)).transpose()
}

/// The same inside a unit of work.
pub async fn by_id_locked(work: &mut Work, id: LinkId) -> Result<Option<Link>, StoreError> {
    let now = work.now;
    let row = work.tx.query(link_sql!("l.id = $1")).bind(id.as_uuid()).optional().await?;
    row.map(|row| read(&row, now)).transpose()
}

/// The same inside a unit of work.
pub async fn by_hash_locked(work: &mut Work, hash: [u8; 32]) -> Result<Option<Link>, StoreError> {
    let now = work.now;
    let row = work.tx.query(link_sql!("l.hash = $1")).bind(hash).optional().await?;
    row.map(|row| read(&row, now)).transpose()
}

fn read(row: &super::sql::Row, now: Timestamp) -> Result<Link, StoreError> {
    let mut c = row.columns();
    let id = LinkId::from_uuid(c.take()?);
    let org = Org { number: c.take()?, id: OrgId::from_uuid(c.take()?) };
    let (organization, slug) = (c.take()?, c.take()?);
    let person = PersonRef { key: c.take()?, id: UserId::from_uuid(c.take()?) };
    let (first_name, last_name, email) = (c.take()?, c.take()?, c.take()?);
    let role = c.parse(Role::parse)?;
    let inviter: (Option<String>, Option<String>) = (c.take()?, c.take()?);
    let (sent_at, expires_at) = (c.time()?, c.time()?);
    let ended_at = c.maybe_time()?;
    let ended_as: Option<String> = c.take()?;
    let suspended = c.maybe_time()?.is_some();
    // What became of an invite after it had run out: no row tells it but the next link's and the person's own.
    let (renewed_at, withdrawn_at) = (c.maybe_time()?, c.maybe_time()?);
    let run_out = || match (renewed_at, withdrawn_at) {
        (Some(at), _) => (LinkState::Superseded, Some(at)),
        (None, Some(at)) => (LinkState::Withdrawn, Some(at)),
        (None, None) => (LinkState::Expired, ended_at),
    };
    let (state, ended_at) = match LinkState::of(ended_as.as_deref(), suspended, expires_at, now) {
        LinkState::Expired => run_out(),
        state => (state, ended_at),
    };
    Ok(Link {
        id,
        org,
        organization,
        slug,
        person,
        first_name,
        last_name,
        email,
        role,
        inviter: inviter.0.zip(inviter.1).map(|(first, last)| format!("{first} {last}")),
        sent_at,
        expires_at,
        ended_at,
        state,
    })
}

/// How many links went out since `since`, and when the oldest of the counted ones was sent: for budgets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    /// How many, counted up to the limit asked for.
    pub count: i64,
    /// When the oldest counted one was sent.
    pub oldest: Option<Timestamp>,
}

macro_rules! counted {
    ($which:literal) => {
        concat!(
            "SELECT count(*), min(sent_at) FROM (SELECT sent_at FROM links WHERE ",
            $which,
            " AND sent_at > $2 ORDER BY sent_at DESC LIMIT $3) counted"
        )
    };
}

async fn counted(work: &mut Work, sql: &'static str, of: i64, since: Timestamp, up_to: i64) -> Result<Sent, StoreError> {
    let row = work.tx.query(sql).bind(of).bind(since).bind(up_to).one().await?;
    Ok(Sent { count: row.get(0)?, oldest: row.get::<Option<i64>>(1)?.map(Timestamp::from_millis) })
}

/// Invites and resends of the organization since `since`, newest first, counted up to `up_to`.
pub async fn sent_by_organization(work: &mut Work, since: Timestamp, up_to: i64) -> Result<Sent, StoreError> {
    let org = work.org.number;
    counted(work, counted!("org = $1 AND kind = 'invite'"), org, since, up_to).await
}

/// The same by one inviter.
pub async fn sent_by_inviter(work: &mut Work, inviter: i64, since: Timestamp, up_to: i64) -> Result<Sent, StoreError> {
    counted(work, counted!("inviter_key = $1 AND kind = 'invite'"), inviter, since, up_to).await
}

/// Resends to one person: every generation after the first.
pub async fn resent_to(work: &mut Work, user_key: i64, since: Timestamp, up_to: i64) -> Result<Sent, StoreError> {
    counted(work, counted!("user_key = $1 AND kind = 'invite' AND generation > 1"), user_key, since, up_to).await
}

/// Who starts resets of somebody else's password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starter {
    /// Administrators, all of them together.
    Administrators,
    /// Whoever has the host.
    Operator,
}

/// Resets that one or the other started for one person.
pub async fn resets_started_for(work: &mut Work, user_key: i64, by: Starter, since: Timestamp, up_to: i64) -> Result<Sent, StoreError> {
    let sql = match by {
        Starter::Administrators => counted!("user_key = $1 AND kind = 'started_reset' AND inviter_key IS NOT NULL"),
        Starter::Operator => counted!("user_key = $1 AND kind = 'started_reset' AND inviter_key IS NULL"),
    };
    counted(work, sql, user_key, since, up_to).await
}
