//! Notices: what people are told of by mail, queued in the transaction of what happened.
//!
//! A row names people, tokens and connections by id; what they are called is read when the mail leaves ([`named`]), and a
//! mail about what is no more is dropped.

use super::{
    door, meta, outbox,
    sql::{Pool, StoreError, Tx},
    work::Work,
};
use crate::{
    authz::{ActorKind, Org, PersonRef, Stamp},
    domain::{By, ConnectionId, CredentialId, DAY, LinkId, Notice, OutboxId, Random, Timestamp, UserId},
};

/// How long before its end the owner of a token is told.
pub const TOLD_BEFORE: i64 = 7 * DAY;

/// Tells one person.
pub(super) async fn tell(work: &mut Work, user_key: i64, notice: &Notice) -> Result<(), StoreError> {
    let id = OutboxId::new(work.now, &work.random);
    outbox::queue(work, id, user_key, None, notice.letter(), Some(&notice.detail())).await
}

/// How many mails told a person of a browser that was not there before, since `since`; up to `up_to`.
pub async fn new_browsers_told(work: &mut Work, user_key: i64, since: Timestamp, up_to: i64) -> Result<i64, StoreError> {
    let row = work
        .tx
        .query(
            "SELECT count(*) FROM (SELECT 1 AS one FROM outbox
                                    WHERE user_key = $1 AND letter = 'new_browser' AND created_at > $2 LIMIT $3) counted",
        )
        .bind(user_key)
        .bind(since)
        .bind(up_to)
        .one()
        .await?;
    row.get(0)
}

/// Tells every active Administrator of the organization, as they are after what happened.
pub(super) async fn tell_administrators(work: &mut Work, notice: &Notice) -> Result<(), StoreError> {
    let rows = work
        .tx
        .query("SELECT key FROM users WHERE org = $1 AND role = 'administrator' AND status = 'active' ORDER BY key")
        .bind(work.org.number)
        .all()
        .await?;
    for row in rows {
        tell(work, row.get(0)?, notice).await?;
    }
    Ok(())
}

/// Tells every Administrator that somebody is one of them from now on.
pub(super) async fn administrator_made(work: &mut Work, who: UserId, by: By) -> Result<(), StoreError> {
    tell_administrators(work, &Notice::AdministratorMade { who, by }).await
}

/// Whether somebody's password opens a door that single sign-on has shut for others: that of an active Administrator where it
/// is required. `None` where it is not required, and there is no glass.
pub(super) async fn breaks_glass(work: &mut Work, user_key: i64) -> Result<Option<bool>, StoreError> {
    if !door::settings(work).await?.sso_required {
        return Ok(None);
    }
    let query =
        work.tx.query("SELECT 1 FROM users WHERE key = $1 AND role = 'administrator' AND status = 'active' AND password_hash IS NOT NULL");
    Ok(Some(query.bind(user_key).optional().await?.is_some()))
}

/// Tells every Administrator where that is otherwise than it was `before`.
pub(super) async fn break_glass(work: &mut Work, person: PersonRef, before: Option<bool>, by: By) -> Result<(), StoreError> {
    if before.is_none() {
        return Ok(());
    }
    let may = breaks_glass(work, person.key).await?;
    if let Some(may) = may.filter(|_| may != before) {
        tell_administrators(work, &Notice::BreakGlassChanged { who: person.id, may, by }).await?;
    }
    Ok(())
}

/// Who did what a proof stands for.
pub(super) fn by(stamp: &Stamp) -> By {
    match (stamp.kind, stamp.person) {
        (ActorKind::User, Some(person)) => By::Person(person),
        (ActorKind::Cli, _) => By::Operator,
        (ActorKind::System(_), _) | (ActorKind::User, None) => By::Usher,
    }
}

/// Whoever sent the invite that this link belongs to.
pub(super) async fn inviter(work: &mut Work, link: LinkId) -> Result<By, StoreError> {
    let row = work
        .tx
        .query("SELECT u.id FROM links l JOIN users u ON u.key = l.inviter_key WHERE l.id = $1")
        .bind(link.as_uuid())
        .optional()
        .await?;
    // Only the host invites without being anybody.
    row.map_or(Ok(By::Operator), |row| Ok(By::Person(UserId::from_uuid(row.get(0)?))))
}

/// Tells the owners of tokens that end within [`TOLD_BEFORE`], each once, whatever number of nodes asks. How many were told.
///
/// The database remembers up to which end its tokens have been told of, and moves that on in the same transaction. A token
/// that lives no longer than that from the start is no news to its owner. A suspended organization's are told of like others: their
/// mails wait in the outbox until it is resumed, and leave where the token has not ended by then.
pub async fn of_ending_tokens(pool: &Pool, now: Timestamp, random: &Random) -> Result<usize, StoreError> {
    let stands = meta::get(pool, meta::TOKENS_TOLD).await?;
    let told = stands.as_deref().and_then(|text| text.parse().ok()).map_or(now, Timestamp::from_millis);
    let until = now.plus(TOLD_BEFORE);
    let rows = pool
        .query(
            "SELECT c.id, c.org, c.user_key FROM credentials c JOIN users u ON u.key = c.user_key
              WHERE c.kind = 'token' AND c.revoked_at IS NULL AND c.expires_at > $1 AND c.expires_at <= $2 AND c.expires_at - c.created_at > $3
                AND u.status = 'active' ORDER BY c.expires_at",
        )
        .bind(told)
        .bind(until)
        .bind(TOLD_BEFORE)
        .all()
        .await?;
    // Where there is nobody to tell, nothing is written either.
    if rows.is_empty() {
        return Ok(0);
    }
    let mut tx = pool.begin().await?;
    let moved = tx
        .query(
            "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE meta.value = $3",
        )
        .bind(meta::TOKENS_TOLD)
        .bind(until.as_millis().to_string())
        .bind(stands.unwrap_or_default())
        .execute()
        .await?;
    if moved == 0 {
        // Another node tells them.
        tx.rollback().await?;
        return Ok(0);
    }
    for row in &rows {
        let mut c = row.columns();
        let notice = Notice::TokenEnding { token: CredentialId::from_uuid(c.take()?) };
        let (org, user_key) = (c.take()?, c.take()?);
        let id = OutboxId::new(now, random);
        outbox::insert(&mut tx, (org, now), id, user_key, None, notice.letter(), Some(&notice.detail())).await?;
    }
    tx.commit().await?;
    Ok(rows.len())
}

/// What the ids in a mail stand for now.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// Full name of whom it happened to.
    pub who: Option<String>,
    /// Full name of whoever did it.
    pub by: Option<String>,
    /// A token's name, and its end.
    pub token: Option<(String, Timestamp)>,
    /// What a provider is called.
    pub provider: Option<String>,
}

/// Looks up what a notice names; `None` where what it tells of is no more.
pub(super) async fn named(tx: &mut Tx, (org, now): (Org, Timestamp), notice: &Notice) -> Result<Option<Named>, StoreError> {
    let mut named = Named::default();
    let by = match notice {
        Notice::AdministratorMade { who, by } | Notice::BreakGlassChanged { who, by, .. } => {
            named.who = person(tx, org, *who).await?;
            if named.who.is_none() {
                return Ok(None);
            }
            Some(*by)
        }
        Notice::SsoChanged { connection, by, .. } => {
            named.provider = provider(tx, org, *connection).await?;
            Some(*by)
        }
        Notice::TokenEnding { token } => {
            let row = tx
                .query("SELECT label, expires_at FROM credentials WHERE id = $1 AND org = $2 AND revoked_at IS NULL AND expires_at > $3")
                .bind(token.as_uuid())
                .bind(org.number)
                .bind(now)
                .optional()
                .await?;
            let Some(row) = row else { return Ok(None) };
            let mut c = row.columns();
            named.token = Some((c.take()?, c.time()?));
            None
        }
        Notice::SecondFactorChanged { by, .. } => *by,
        Notice::IdentityChanged { connection, .. } => {
            if let Some(connection) = connection {
                named.provider = provider(tx, org, *connection).await?;
            }
            None
        }
        Notice::PasswordChanged { .. } | Notice::NewBrowser { .. } | Notice::RecoveryCodeUsed { .. } => None,
    };
    if let Some(by) = by {
        named.by = name_of(tx, org, by).await?;
    }
    Ok(Some(named))
}

/// What whoever did it is called now, if it was a person.
pub(super) async fn name_of(tx: &mut Tx, org: Org, by: By) -> Result<Option<String>, StoreError> {
    match by {
        By::Person(id) => person(tx, org, id).await,
        By::Operator | By::Usher => Ok(None),
    }
}

async fn person(tx: &mut Tx, org: Org, id: UserId) -> Result<Option<String>, StoreError> {
    let row = tx
        .query("SELECT first_name, last_name FROM users WHERE id = $1 AND org = $2")
        .bind(id.as_uuid())
        .bind(org.number)
        .optional()
        .await?;
    row.map(|row| Ok(format!("{} {}", row.get::<String>(0)?, row.get::<String>(1)?))).transpose()
}

/// What an organization calls a provider of its own.
pub(super) async fn provider(tx: &mut Tx, org: Org, id: ConnectionId) -> Result<Option<String>, StoreError> {
    let row =
        tx.query("SELECT name FROM sso_connections WHERE id = $1 AND org = $2").bind(id.as_uuid()).bind(org.number).optional().await?;
    row.map(|row| row.get(0)).transpose()
}
