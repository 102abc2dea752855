//! The outbox: a mail, or a question to Slack, is a row in the transaction that wants it, and a worker carries it afterwards.
//!
//! A worker leases rows, so that several nodes share the work and a dead one's rows come back by
//! themselves. The row's id makes the Message-ID, the same at every try, so that a mail whose answer
//! was lost can be recognised as a copy.

use super::{
    audit::{self, Change, Entry, Outcome, Said},
    notices::{self, Named},
    sql::{Pool, Row, StoreError, Tx},
    work::Work,
};
use crate::{
    authz::{Authorized, Org, action::GiveUp},
    domain::{Asked, By, Channel, DAY, LinkId, LinkKind, Notice, OrgId, OutboxId, Role, Status, Timestamp, UserId},
};

/// After which time what nobody took is given up, and a notice that could not leave at all is no news any more. Counted from when
/// it could leave: what a suspended organization had queued begins anew when it is resumed.
pub const GIVE_UP_AFTER: i64 = 2 * DAY;

/// Since when a row `b` of an organization `o` could leave.
macro_rules! open_since {
    () => {
        "CASE WHEN o.resumed_at > b.created_at THEN o.resumed_at ELSE b.created_at END"
    };
}
pub(super) use open_since;

/// A mail that is due, with everything its text needs.
#[derive(Clone, Debug)]
pub struct Due {
    /// Which mail.
    pub id: OutboxId,
    /// Of which organization.
    pub org: Org,
    /// Its name.
    pub organization: String,
    /// Its locator, with which the link begins.
    pub locator: String,
    /// What it is about.
    pub content: Content,
    /// To whom.
    pub user: UserId,
    /// Address as typed.
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Role to be.
    pub role: Role,
    /// Who asked for it, if they still have a name.
    pub inviter: Option<String>,
    /// How often it was tried before.
    pub attempts: i64,
    /// When it was queued.
    pub created_at: Timestamp,
    /// Since when it could leave.
    pub open_since: Timestamp,
    /// Whether its recipient has a password.
    pub has_password: bool,
}

/// What a mail is about.
#[derive(Clone, Debug)]
pub enum Content {
    /// It carries a link.
    Link {
        /// The link.
        link: DueLink,
        /// Which browser asked for it, where one did.
        browser: Option<String>,
        /// What the provider is called through which somebody signed in.
        provider: Option<String>,
        /// Who asked for it, where it was somebody else than its recipient, and what they are called now.
        by: Option<(By, Option<String>)>,
    },
    /// It tells of something that happened.
    Notice(Notice, Named),
    /// What it would tell of is no more.
    Gone,
    /// A newer version wrote it, and can send it.
    Unknown,
}

/// The link of a mail.
#[derive(Clone, Copy, Debug)]
pub struct DueLink {
    /// Which.
    pub id: LinkId,
    /// For what.
    pub kind: LinkKind,
    /// Its generation.
    pub generation: i64,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Rows that this worker holds. Another worker may take those whose lease has run out.
#[derive(Debug)]
pub struct Lease {
    until: Timestamp,
    held: Vec<OutboxId>,
}

/// Whether a leased row is still to be carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It is.
    Yes,
    /// Its link ended, or it is not for its recipient any more.
    NoLonger,
    /// Its organization is suspended: it waits.
    NotNow,
    /// Somebody else took it over or withdrew it.
    NotOurs,
}

impl Lease {
    /// Nothing held.
    #[must_use]
    pub fn of_nothing(now: Timestamp) -> Self {
        Self { until: now, held: Vec::new() }
    }

    /// The hold on these of its rows only.
    #[must_use]
    pub fn on(&self, held: Vec<OutboxId>) -> Self {
        Self { until: self.until, held }
    }

    /// What is held.
    #[must_use]
    pub fn held(&self) -> &[OutboxId] {
        &self.held
    }

    /// Whether a row is still to be carried, and by this worker.
    pub async fn wants(&self, pool: &Pool, id: OutboxId, now: Timestamp) -> Result<Wanted, StoreError> {
        let row = pool
            .query(concat!(
                "SELECT l.ended_at, l.expires_at, ",
                open_since!(),
                ", b.attempts, b.channel, b.letter, b.detail, u.status, u.role, o.suspended_at
                   FROM outbox b LEFT JOIN links l ON l.id = b.link_id JOIN users u ON u.key = b.user_key
                   JOIN organizations o ON o.number = b.org
                  WHERE b.id = $1 AND b.state = 'queued' AND b.lease_until = $2"
            ))
            .bind(id.as_uuid())
            .bind(self.until)
            .optional()
            .await?;
        let Some(row) = row else { return Ok(Wanted::NotOurs) };
        let mut c = row.columns();
        let (ended_at, expires_at) = (c.maybe_time()?, c.maybe_time()?);
        let (open_since, attempts): (Timestamp, i64) = (c.time()?, c.take()?);
        let mail = c.take::<String>()? == Channel::Mail.as_str();
        let (letter, detail): (String, Option<String>) = (c.take()?, c.take()?);
        let (status, role) = (c.parse(Status::parse)?, c.parse(Role::parse)?);
        let suspended = c.maybe_time()?.is_some();
        // A notice has no end of its own. It is old news only where no mail could leave for long; what was tried is given up, and
        // what a suspended organization has is kept for when it is resumed.
        let stale = mail && attempts == 0 && !suspended && now.since(open_since) > GIVE_UP_AFTER;
        // What was queued for somebody as what they were then is not for whoever they are now.
        let inner = Notice::parse(&letter, detail.as_deref()).is_some_and(|notice| notice.is_for_administrators());
        let theirs = status != Status::Deactivated && (!inner || (status, role) == (Status::Active, Role::Administrator));
        let wanted = ended_at.is_none() && expires_at.map_or(!stale, |expires_at| expires_at > now) && (!mail || theirs);
        Ok(match (wanted, suspended) {
            (false, _) => Wanted::NoLonger,
            (true, true) => Wanted::NotNow,
            (true, false) => Wanted::Yes,
        })
    }

    /// Keeps what is still held for `lease` milliseconds from now.
    pub async fn renew(&mut self, pool: &Pool, now: Timestamp, lease: i64) -> Result<(), StoreError> {
        let until = now.plus(lease);
        self.set(pool, Some(until)).await?;
        self.until = until;
        Ok(())
    }

    /// Gives back what is still held, for whoever comes first.
    pub async fn release(self, pool: &Pool) -> Result<(), StoreError> {
        if self.held.is_empty() { Ok(()) } else { self.set(pool, None).await }
    }

    async fn set(&self, pool: &Pool, until: Option<Timestamp>) -> Result<(), StoreError> {
        let mut tx = pool.begin().await?;
        for id in &self.held {
            tx.query("UPDATE outbox SET lease_until = $3 WHERE id = $1 AND lease_until = $2 AND state = 'queued'")
                .bind(id.as_uuid())
                .bind(self.until)
                .bind(until)
                .execute()
                .await?;
        }
        tx.commit().await
    }

    /// Holds this one no longer: its row says what became of it.
    pub fn forget(&mut self, id: OutboxId) {
        self.held.retain(|held| *held != id);
    }

    /// Notes the fate of rows, in one transaction. Also of one that was taken over meanwhile: what is sent is sent.
    pub async fn settle(&mut self, pool: &Pool, fates: &[(OutboxId, Fate)], now: Timestamp) -> Result<(), StoreError> {
        settle(pool, fates, now).await?;
        self.held.retain(|held| !fates.iter().any(|(id, _)| id == held));
        Ok(())
    }
}

macro_rules! due {
    (any) => {
        "state = 'queued' AND channel = $2 AND next_at <= $1 AND coalesce(lease_until, 0) <= $1"
    };
    // What a suspended organization has queued waits until it is resumed.
    (mail) => {
        concat!(due!(any), " AND org NOT IN (SELECT number FROM organizations WHERE suspended_at IS NOT NULL)")
    };
    // Of organizations that Slack may be asked for now, and of which nobody is being asked for.
    (slack) => {
        concat!(
            due!(any),
            " AND org IN (SELECT s.org FROM slack_connections s JOIN organizations o ON o.number = s.org
                           WHERE s.stopped_at IS NULL AND coalesce(s.held_until, 0) <= $1 AND o.suspended_at IS NULL)
              AND org NOT IN (SELECT org FROM outbox WHERE state = 'queued' AND channel = $2 AND lease_until > $1)"
        )
    };
}

macro_rules! look {
    ($channel:ident) => {
        concat!("SELECT 1 FROM outbox WHERE ", due!($channel), " LIMIT 1")
    };
}

macro_rules! take {
    ($rows:expr, $lock:expr) => {
        concat!("UPDATE outbox SET lease_until = $3 WHERE id IN (SELECT id FROM outbox WHERE ", $rows, $lock, ") RETURNING id")
    };
}

/// The oldest.
macro_rules! oldest {
    () => {
        concat!(due!(mail), " ORDER BY next_at LIMIT $4")
    };
}

/// The oldest few of each organization; those of no organization before the first of another.
macro_rules! few_of_each {
    () => {
        concat!(
            due!(any),
            " AND id IN (SELECT id FROM (SELECT id, next_at, row_number() OVER (PARTITION BY org ORDER BY next_at, id) AS place FROM outbox WHERE ",
            due!(slack),
            ") AS due WHERE place <= $5 ORDER BY place, next_at LIMIT $4)"
        )
    };
}

/// How many look-ups of one organization are leased at once.
const OF_EACH: i64 = 4;

/// Leases up to `limit` due rows of a channel for `lease` milliseconds, the oldest first; look-ups a few of each organization, and
/// none of one that others are leased of. `None` where there are none; else the transaction that took them, for reading what they
/// are about.
pub(super) async fn take(pool: &Pool, channel: Channel, now: Timestamp, lease: i64, limit: i64) -> Result<Option<(Tx, Lease)>, StoreError> {
    let until = now.plus(lease);
    let (look, sqlite, postgres) = match channel {
        Channel::Mail => (look!(mail), take!(oldest!(), ""), take!(oldest!(), " FOR UPDATE SKIP LOCKED")),
        Channel::Slack => (look!(slack), take!(few_of_each!(), ""), take!(few_of_each!(), " FOR UPDATE SKIP LOCKED")),
    };
    // A look first, so that an idle worker never takes the writer's turn.
    if pool.query(look).bind(now).bind(channel.as_str()).optional().await?.is_none() {
        return Ok(None);
    }
    let mut tx = pool.begin().await?;
    let sql = tx.engine().either(sqlite, postgres);
    let taken = tx.query(sql).bind(now).bind(channel.as_str()).bind(until).bind(limit);
    let taken = match channel {
        Channel::Mail => taken,
        Channel::Slack => taken.bind(OF_EACH),
    };
    let rows = taken.all().await?;
    let held = rows.iter().map(|row| row.get(0).map(OutboxId::from_uuid)).collect::<Result<Vec<_>, _>>()?;
    Ok(Some((tx, Lease { until, held })))
}

/// Leases mails that are due.
pub async fn lease(pool: &Pool, now: Timestamp, lease: i64, limit: i64) -> Result<(Lease, Vec<Due>), StoreError> {
    let Some((mut tx, lease)) = take(pool, Channel::Mail, now, lease, limit).await? else {
        return Ok((Lease::of_nothing(now), Vec::new()));
    };
    let mut leased = Vec::with_capacity(lease.held.len());
    for id in &lease.held {
        let row = tx
            .query(
                concat!(
                    "SELECT b.id, o.number, o.id, o.name, o.locator, b.letter, b.detail, l.id, l.kind, l.generation, l.expires_at, u.id, u.email,
                        u.first_name, u.last_name, u.role, i.first_name, i.last_name, b.attempts, b.created_at, ",
                    open_since!(),
                    ", CAST(CASE WHEN u.password_hash IS NULL THEN 0 ELSE 1 END AS BIGINT)
                   FROM outbox b LEFT JOIN links l ON l.id = b.link_id JOIN users u ON u.key = b.user_key
                   JOIN organizations o ON o.number = b.org LEFT JOIN users i ON i.key = l.inviter_key
                  WHERE b.id = $1"
                ),
            )
            .bind(id.as_uuid())
            .one()
            .await?;
        let mut c = row.columns();
        let id = OutboxId::from_uuid(c.take()?);
        let org = Org { number: c.take()?, id: OrgId::from_uuid(c.take()?) };
        let (organization, locator) = (c.take()?, c.take()?);
        let (letter, detail): (String, Option<String>) = (c.take()?, c.take()?);
        let link = due_link(c.take()?, c.take()?, c.take()?, c.maybe_time()?)?;
        leased.push(Due {
            id,
            org,
            organization,
            locator,
            content: content(&mut tx, (org, now), link, &letter, detail.as_deref()).await?,
            user: UserId::from_uuid(c.take()?),
            email: c.take()?,
            first_name: c.take()?,
            last_name: c.take()?,
            role: c.parse(Role::parse)?,
            inviter: {
                let names: (Option<String>, Option<String>) = (c.take()?, c.take()?);
                names.0.zip(names.1).map(|(first, last)| format!("{first} {last}"))
            },
            attempts: c.take()?,
            created_at: c.time()?,
            open_since: c.time()?,
            has_password: c.take::<i64>()? != 0,
        });
    }
    tx.commit().await?;
    // RETURNING has no order.
    leased.sort_by_key(|due| (due.created_at, due.id.as_uuid()));
    Ok((lease, leased))
}

fn due_link(
    id: Option<uuid::Uuid>,
    kind: Option<String>,
    generation: Option<i64>,
    expires_at: Option<Timestamp>,
) -> Result<Option<DueLink>, StoreError> {
    let (Some(id), Some(kind), Some(generation), Some(expires_at)) = (id, kind, generation, expires_at) else { return Ok(None) };
    let kind = LinkKind::parse(&kind).ok_or_else(|| StoreError::Corrupt("the kind of a link".to_owned()))?;
    Ok(Some(DueLink { id: LinkId::from_uuid(id), kind, generation, expires_at }))
}

async fn content(
    tx: &mut Tx,
    (org, now): (Org, Timestamp),
    link: Option<DueLink>,
    letter: &str,
    detail: Option<&str>,
) -> Result<Content, StoreError> {
    if let Some(link) = link {
        let asked = Asked::parse(detail);
        let provider = match asked.connection {
            Some(connection) => notices::provider(tx, org, connection).await?,
            None => None,
        };
        let by = match asked.by {
            Some(by) => Some((by, notices::name_of(tx, org, by).await?)),
            None => None,
        };
        return Ok(Content::Link { link, browser: asked.browser, provider, by });
    }
    let Some(notice) = Notice::parse(letter, detail) else { return Ok(Content::Unknown) };
    let named = notices::named(tx, (org, now), &notice).await?;
    Ok(named.map_or(Content::Gone, |named| Content::Notice(notice, named)))
}

/// Queues a mail to a person in the transaction that wants it sent: with a link, or a notice of what just happened, whose
/// facts `detail` holds as JSON and nothing secret.
pub(super) async fn queue(
    work: &mut Work,
    id: OutboxId,
    user_key: i64,
    link: Option<LinkId>,
    letter: &'static str,
    detail: Option<&str>,
) -> Result<(), StoreError> {
    let place = (work.org.number, work.now);
    insert(&mut work.tx, place, id, user_key, link, letter, detail).await
}

/// The same for machine work over all organizations: in this one, now.
pub(super) async fn insert(
    tx: &mut Tx,
    (org, now): (i64, Timestamp),
    id: OutboxId,
    user_key: i64,
    link: Option<LinkId>,
    letter: &'static str,
    detail: Option<&str>,
) -> Result<(), StoreError> {
    tx.query(
        "INSERT INTO outbox (id, org, user_key, link_id, state, next_at, created_at, letter, detail)
         VALUES ($1, $2, $3, $4, 'queued', $5, $5, $6, $7)",
    )
    .bind(id.as_uuid())
    .bind(org)
    .bind(user_key)
    .bind(link.map(|link| link.as_uuid()))
    .bind(now)
    .bind(letter)
    .bind(detail)
    .execute()
    .await?;
    Ok(())
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The relay has it, or Slack answered it.
    Sent,
    /// It lies in the mail folder.
    Folder,
    /// Its link ended before it left, or what it would ask about is no more.
    Superseded,
    /// Slack knows nobody by this address: an answer like any other.
    Nobody,
    /// Try again at this time; the code says why.
    Again(Timestamp, &'static str),
}

async fn settle(pool: &Pool, fates: &[(OutboxId, Fate)], now: Timestamp) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    for (id, fate) in fates {
        note(&mut tx, *id, *fate, now).await?;
    }
    tx.commit().await
}

/// Notes the fate of one row, in the transaction that wrote what came of it.
pub(super) async fn note(tx: &mut Tx, id: OutboxId, fate: Fate, now: Timestamp) -> Result<(), StoreError> {
    let (state, next, error) = match fate {
        Fate::Sent => ("sent", None, None),
        Fate::Folder => ("folder", None, None),
        Fate::Superseded => ("superseded", None, None),
        Fate::Nobody => ("sent", None, Some("users_not_found")),
        Fate::Again(at, code) => ("queued", Some(at), Some(code)),
    };
    tx.query(
        "UPDATE outbox SET state = $2, attempts = attempts + 1, next_at = coalesce($3, next_at), error = $4, lease_until = NULL,
                done_at = CASE WHEN $2 = 'queued' THEN NULL ELSE $5 END
          WHERE id = $1 AND state = 'queued'",
    )
    .bind(id.as_uuid())
    .bind(state)
    .bind(next)
    .bind(error)
    .bind(now)
    .execute()
    .await?;
    Ok(())
}

/// Gives a row up, with an entry in the audit log.
pub async fn give_up(work: &mut Work, proof: Authorized<GiveUp>, id: OutboxId, code: &'static str) -> Result<(), StoreError> {
    fail(work, proof, id, "queued", code).await
}

/// A mail that the relay had taken came back; with an entry in the audit log.
pub async fn bounced(work: &mut Work, proof: Authorized<GiveUp>, id: OutboxId) -> Result<(), StoreError> {
    fail(work, proof, id, "sent", "bounced").await
}

async fn fail(work: &mut Work, proof: Authorized<GiveUp>, id: OutboxId, from: &str, code: &'static str) -> Result<(), StoreError> {
    let (_, stamp) = proof.into_parts();
    let now = work.now;
    let touched = work
        .tx
        .query(
            "UPDATE outbox SET state = 'failed', attempts = attempts + CASE WHEN state = 'queued' THEN 1 ELSE 0 END, error = $2,
                    lease_until = NULL, done_at = $3
              WHERE id = $1 AND state = $4",
        )
        .bind(id.as_uuid())
        .bind(code)
        .bind(now)
        .bind(from)
        .execute()
        .await?;
    if touched == 0 {
        return Ok(());
    }
    let mut entry = Entry::done(stamp, vec![Change::set("delivery", Said::Plain("failed".to_owned()))]);
    entry.outcome = Outcome::Failed;
    entry.code = Some(code);
    audit::append(work, entry).await
}

/// A mail that left, as the operator's commands find it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Which mail.
    pub id: OutboxId,
    /// Of which organization.
    pub org: Org,
    /// Its slug.
    pub slug: String,
}

/// Whether a mail has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentState {
    /// The relay took it.
    Sent,
    /// It is known to have failed.
    Failed,
    /// It waits, was dropped, or lies in the mail folder.
    NotSent,
}

/// A mail as the rule about bounces sees it.
#[derive(Clone, Debug)]
pub struct SentFacts {
    /// To whom.
    pub user: UserId,
    /// Their full name now.
    pub name: String,
    /// Whether it has left.
    pub state: SentState,
}

fn read_sent(row: &Row) -> Result<Sent, StoreError> {
    let mut c = row.columns();
    Ok(Sent { id: OutboxId::from_uuid(c.take()?), org: Org { number: c.take()?, id: OrgId::from_uuid(c.take()?) }, slug: c.take()? })
}

/// The mail with this id, whatever became of it.
pub async fn sent(pool: &Pool, id: OutboxId) -> Result<Option<Sent>, StoreError> {
    let sql = "SELECT b.id, o.number, o.id, o.slug FROM outbox b JOIN organizations o ON o.number = b.org
                WHERE b.id = $1 AND b.channel = 'mail'";
    pool.query(sql).bind(id.as_uuid()).optional().await?.map(|row| read_sent(&row)).transpose()
}

/// The newest mail that left for the address with this key, in each organization; one that failed since is it too, so that
/// the same bounce never falls upon an older mail.
pub async fn last_sent_to(pool: &Pool, email_key: &str) -> Result<Vec<Sent>, StoreError> {
    let sql = "SELECT b.id, o.number, o.id, o.slug FROM organizations o JOIN users u ON u.org = o.number AND u.email_key = $1
                 JOIN outbox b ON b.user_key = u.key
                WHERE b.channel = 'mail' AND b.state IN ('sent', 'failed') AND NOT EXISTS (SELECT 1 FROM outbox n WHERE n.user_key = u.key
                      AND n.channel = 'mail' AND n.state IN ('sent', 'failed') AND (n.created_at > b.created_at OR (n.created_at = b.created_at AND n.id > b.id)))
                ORDER BY o.number";
    pool.query(sql).bind(email_key).all().await?.iter().map(read_sent).collect()
}

/// A mail of the organization whose lock `work` holds.
pub async fn facts(work: &mut Work, id: OutboxId) -> Result<Option<SentFacts>, StoreError> {
    let sql = "SELECT u.id, u.first_name, u.last_name, b.state FROM outbox b JOIN users u ON u.key = b.user_key
                WHERE b.id = $1 AND b.org = $2 AND b.channel = 'mail'";
    let Some(row) = work.tx.query(sql).bind(id.as_uuid()).bind(work.org.number).optional().await? else { return Ok(None) };
    let mut c = row.columns();
    Ok(Some(SentFacts {
        user: UserId::from_uuid(c.take()?),
        name: {
            let (first, last): (String, String) = (c.take()?, c.take()?);
            format!("{first} {last}")
        },
        state: match c.take::<String>()?.as_str() {
            "sent" => SentState::Sent,
            "failed" => SentState::Failed,
            _ => SentState::NotSent,
        },
    }))
}
