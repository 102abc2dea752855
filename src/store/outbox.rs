//! The outbox: mail is a row in the transaction that wants it sent, and a worker sends it afterwards.
//!
//! A worker leases rows, so that several nodes share the work and a dead one's rows come back by
//! themselves. The row's id makes the Message-ID, the same at every try, so that a mail whose answer
//! was lost can be recognised as a copy.

use super::{
    audit::{self, Change, Entry, Outcome, Said},
    sql::{Pool, StoreError},
    work::Work,
};
use crate::{
    authz::{Authorized, Org, action::GiveUpMail},
    domain::{LinkId, OrgId, OutboxId, Role, Timestamp, UserId},
};

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
    /// Which link.
    pub link: LinkId,
    /// Its generation.
    pub generation: i64,
    /// When it ends.
    pub expires_at: Timestamp,
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
}

/// Leases up to `limit` due mails for `lease` milliseconds; the oldest first.
pub async fn lease(pool: &Pool, now: Timestamp, lease: i64, limit: i64) -> Result<Vec<Due>, StoreError> {
    // A look first, so that an idle worker never takes the writer's turn.
    let due = pool
        .query("SELECT 1 FROM outbox WHERE state = 'queued' AND next_at <= $1 AND coalesce(lease_until, 0) <= $1 LIMIT 1")
        .bind(now)
        .optional()
        .await?;
    if due.is_none() {
        return Ok(Vec::new());
    }
    let mut tx = pool.begin().await?;
    let sql = tx.engine().either(
        "UPDATE outbox SET lease_until = $2 WHERE id IN (SELECT id FROM outbox WHERE state = 'queued' AND next_at <= $1
            AND coalesce(lease_until, 0) <= $1 ORDER BY next_at LIMIT $3) RETURNING id",
        "UPDATE outbox SET lease_until = $2 WHERE id IN (SELECT id FROM outbox WHERE state = 'queued' AND next_at <= $1
            AND coalesce(lease_until, 0) <= $1 ORDER BY next_at LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING id",
    );
    let rows = tx.query(sql).bind(now).bind(now.plus(lease)).bind(limit).all().await?;
    let mut leased = Vec::with_capacity(rows.len());
    for row in rows {
        let id: uuid::Uuid = row.get(0)?;
        let row = tx
            .query(
                "SELECT b.id, o.number, o.id, o.name, o.locator, l.id, l.generation, l.expires_at, u.id, u.email, u.first_name, u.last_name,
                        u.role, i.first_name, i.last_name, b.attempts, b.created_at
                   FROM outbox b JOIN links l ON l.id = b.link_id JOIN users u ON u.key = b.user_key
                   JOIN organizations o ON o.number = b.org LEFT JOIN users i ON i.key = l.inviter_key
                  WHERE b.id = $1",
            )
            .bind(id)
            .one()
            .await?;
        let mut c = row.columns();
        leased.push(Due {
            id: OutboxId::from_uuid(c.take()?),
            org: Org { number: c.take()?, id: OrgId::from_uuid(c.take()?) },
            organization: c.take()?,
            locator: c.take()?,
            link: LinkId::from_uuid(c.take()?),
            generation: c.take()?,
            expires_at: c.time()?,
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
        });
    }
    tx.commit().await?;
    Ok(leased)
}

/// Whether a leased mail is still wanted: its link lives and nobody took it back meanwhile.
pub async fn still_wanted(pool: &Pool, id: OutboxId, now: Timestamp) -> Result<bool, StoreError> {
    let row = pool
        .query(
            "SELECT 1 FROM outbox b JOIN links l ON l.id = b.link_id
              WHERE b.id = $1 AND b.state = 'queued' AND l.ended_at IS NULL AND l.expires_at > $2",
        )
        .bind(id.as_uuid())
        .bind(now)
        .optional()
        .await?;
    Ok(row.is_some())
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The relay has it.
    Sent,
    /// It lies in the mail folder.
    Folder,
    /// Its link ended before it left.
    Superseded,
    /// Try again at this time; the code says why.
    Again(Timestamp, &'static str),
}

/// Notes the fate of leased mails, in one transaction.
pub async fn settle(pool: &Pool, fates: &[(OutboxId, Fate)], now: Timestamp) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    for (id, fate) in fates {
        let (state, next, error) = match fate {
            Fate::Sent => ("sent", None, None),
            Fate::Folder => ("folder", None, None),
            Fate::Superseded => ("superseded", None, None),
            Fate::Again(at, code) => ("queued", Some(*at), Some(*code)),
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
    }
    tx.commit().await
}

/// Gives a mail up, with an entry in the audit log.
pub async fn give_up(work: &mut Work, proof: Authorized<GiveUpMail>, id: OutboxId, code: &'static str) -> Result<(), StoreError> {
    let (_, stamp) = proof.into_parts();
    let now = work.now;
    let touched = work
        .tx
        .query(
            "UPDATE outbox SET state = 'failed', attempts = attempts + 1, error = $2, lease_until = NULL, done_at = $3
              WHERE id = $1 AND state = 'queued'",
        )
        .bind(id.as_uuid())
        .bind(code)
        .bind(now)
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

/// When the next queued mail is due, if one waits.
pub async fn next_due(pool: &Pool) -> Result<Option<Timestamp>, StoreError> {
    let row = pool.query("SELECT min(next_at) FROM outbox WHERE state = 'queued'").one().await?;
    Ok(row.get::<Option<i64>>(0)?.map(Timestamp::from_millis))
}
