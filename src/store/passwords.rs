//! Passwords of others, as far as anybody but their person has to do with them: who has one, and a reset that is started.

use super::{
    audit::{self, Change, Entry, Said},
    door::{self, NewLink},
    listed::Listed,
    notices, outbox,
    people::Who,
    sql::{Pool, Row, StoreError},
    work::Work,
};
use crate::{
    authz::{Authorized, Org, door::StartReset},
    domain::{Asked, LinkKind, Role, Status, Timestamp, UserId},
};

/// A person, as whoever may start a reset for them sees them.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Who.
    pub id: UserId,
    /// First and last name.
    pub name: String,
    /// Address as typed at the invite.
    pub email: String,
    /// Role now.
    pub role: Role,
    /// Status now.
    pub status: Status,
    /// Whether they have a password.
    pub has_password: bool,
}

macro_rules! holders {
    ($and:literal) => {
        concat!(
            "SELECT u.id, u.first_name, u.last_name, u.email, u.role, u.status,
                    CAST(CASE WHEN u.password_hash IS NULL THEN 0 ELSE 1 END AS BIGINT) FROM users u WHERE u.org = $1 AND ",
            $and
        )
    };
}

fn read(row: &Row) -> Result<Holder, StoreError> {
    let mut c = row.columns();
    Ok(Holder {
        id: UserId::from_uuid(c.take()?),
        name: c.full_name()?,
        email: c.take()?,
        role: c.parse(Role::parse)?,
        status: c.parse(Status::parse)?,
        has_password: c.take::<i64>()? != 0,
    })
}

/// Active people: a page after this person.
pub async fn list(pool: &Pool, org: Org, after: Option<UserId>) -> Result<Listed<Holder>, StoreError> {
    let rows = pool
        .query(holders!(
            "u.status = 'active' AND u.key > coalesce((SELECT key FROM users WHERE org = $1 AND id = $2), 0) ORDER BY u.key LIMIT $3"
        ))
        .bind(org.number)
        .bind(after.map(|id| id.as_uuid()).unwrap_or_default())
        .bind(Listed::<Holder>::limit())
        .all()
        .await?;
    Listed::read(&rows, read)
}

/// One person, whatever their status.
pub async fn holder(pool: &Pool, org: Org, who: &Who) -> Result<Option<Holder>, StoreError> {
    let query = match who {
        Who::Id(id) => pool.query(holders!("u.id = $2")).bind(org.number).bind(id.as_uuid()),
        Who::EmailKey(key) => pool.query(holders!("u.email_key = $2")).bind(org.number).bind(key.clone()),
    };
    query.optional().await?.map(|row| read(&row)).transpose()
}

/// Stores the link of a reset and queues its mail; earlier ones of the kind end, and so does mail of theirs that has not left.
/// The end of the link.
pub async fn start_reset(work: &mut Work, proof: Authorized<StartReset>, link: &NewLink) -> Result<Timestamp, StoreError> {
    let (action, stamp) = proof.into_parts();
    let (now, key, kind) = (work.now, action.person.person.key, LinkKind::StartedReset);
    work.tx
        .query(
            "UPDATE outbox SET state = 'superseded', done_at = $3
              WHERE state = 'queued' AND link_id IN (SELECT id FROM links WHERE user_key = $1 AND kind = $2)",
        )
        .bind(key)
        .bind(kind.as_str())
        .bind(now)
        .execute()
        .await?;
    work.tx
        .query(
            "UPDATE links SET ended_at = $3, ended_as = CASE WHEN expires_at < $3 THEN 'expired' ELSE 'superseded' END
              WHERE user_key = $1 AND kind = $2 AND ended_at IS NULL",
        )
        .bind(key)
        .bind(kind.as_str())
        .bind(now)
        .execute()
        .await?;
    let expires_at = door::insert(work, key, kind, link, stamp.person).await?;
    if let Some((mail, asked)) = &link.mail {
        let asked = Asked { by: Some(notices::by(&stamp)), ..asked.clone() };
        outbox::queue(work, *mail, key, Some(link.id), kind.as_str(), Some(&asked.detail())).await?;
    }
    audit::append(work, Entry::done(stamp, vec![Change::set("expires_at", Said::Plain(expires_at.to_rfc3339()))])).await?;
    Ok(expires_at)
}
