//! Connections to providers, and the identities there that open accounts here.
//!
//! Both are looked up within one organization only, so that one organization's provider never opens another's door.

use super::{
    audit::{self, Change, Entry, Said},
    notices,
    people::{group_said, theirs},
    sql::{Pool, Row, StoreError},
    work::Work,
};
use crate::{
    authz::{
        Authorized, Org, PersonRef, Stamp,
        door::Via,
        sso::{
            ChangeProvider, ConnectProvider, ConnectionFacts, Footing, LinkIdentity, LinkProof, NewIdentity, RemoveProvider, RequireSso,
            UnlinkIdentity,
        },
    },
    domain::{ConnectionId, IdentityChange, Notice, Role, Settings, SsoChange, Status, Timestamp, UserId},
    keys::mark,
};
use uuid::Uuid;

/// A live connection. `Debug` shows the secret sealed only.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Which.
    pub id: ConnectionId,
    /// Whose.
    pub org: Org,
    /// What people read on the button.
    pub name: String,
    /// The issuer, byte by byte.
    pub issuer: String,
    /// The tenants that count there, separated by commas.
    pub tenants: Option<String>,
    /// The registration at the provider.
    pub client_id: String,
    /// Its secret, sealed for this very row.
    pub sealed_secret: String,
    /// Whether an address counts that the provider does not call verified.
    pub trusts_unverified_email: bool,
    /// Since when.
    pub created_at: Timestamp,
}

impl Connection {
    /// The registration at the provider in a short text that is another one once it, or its secret, is; it opens nothing.
    #[must_use]
    pub fn registration(&self) -> String {
        mark(&format!("{} {}", self.client_id, self.sealed_secret))
    }

    /// What a rule sees.
    #[must_use]
    pub fn facts(&self) -> ConnectionFacts {
        ConnectionFacts { id: self.id, name: self.name.clone(), client_id: self.client_id.clone() }
    }
}

const LIVE: &str = "SELECT id, name, issuer, tenants, client_id, client_secret, trusts_unverified_email, created_at
   FROM sso_connections WHERE org = $1 AND removed_at IS NULL ORDER BY created_at, id";

fn read(row: &Row, org: Org) -> Result<Connection, StoreError> {
    let mut c = row.columns();
    Ok(Connection {
        id: ConnectionId::from_uuid(c.take()?),
        org,
        name: c.take()?,
        issuer: c.take()?,
        tenants: c.take()?,
        client_id: c.take()?,
        sealed_secret: c.take()?,
        trusts_unverified_email: c.take::<i64>()? != 0,
        created_at: c.time()?,
    })
}

/// The live connections of an organization, oldest first.
pub async fn connections(pool: &Pool, org: Org) -> Result<Vec<Connection>, StoreError> {
    pool.query(LIVE).bind(org.number).all().await?.iter().map(|row| read(row, org)).collect()
}

/// The same under the lock.
pub async fn connections_locked(work: &mut Work) -> Result<Vec<Connection>, StoreError> {
    let org = work.org;
    work.tx.query(LIVE).bind(org.number).all().await?.iter().map(|row| read(row, org)).collect()
}

/// Whether a connection is live, under the lock.
pub async fn is_connected(work: &mut Work, id: ConnectionId) -> Result<bool, StoreError> {
    Ok(connections_locked(work).await?.iter().any(|live| live.id == id))
}

/// Tells the Administrators by mail: whoever decides on single sign-on decides who gets in.
async fn told(work: &mut Work, stamp: &Stamp, connection: ConnectionId, change: SsoChange) -> Result<(), StoreError> {
    notices::tell_administrators(work, &Notice::SsoChanged { change, connection, by: notices::by(stamp) }).await
}

/// Stores a connection.
pub async fn connect(work: &mut Work, proof: Authorized<ConnectProvider>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let (org, now) = (work.org.number, work.now);
    work.tx
        .query(
            "INSERT INTO sso_connections (id, org, name, issuer, tenants, client_id, client_secret, trusts_unverified_email, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(action.id.as_uuid())
        .bind(org)
        .bind(action.name.as_str())
        .bind(action.issuer.as_str())
        .bind(action.tenants.as_deref())
        .bind(action.client_id.as_str())
        .bind(action.sealed_secret.as_str())
        .bind(i64::from(action.trusts_unverified_email))
        .bind(now)
        .execute()
        .await?;
    told(work, &stamp, action.id, SsoChange::Connected).await?;
    let changes = vec![
        Change::set("connection_id", Said::Plain(action.id.to_string())),
        Change::set("name", group_said(action.name.as_str())),
        Change::set("issuer", group_said(&action.issuer)),
        Change::set("client_id", group_said(&action.client_id)),
        Change::set("trusts_unverified_email", Said::Plain(action.trusts_unverified_email.to_string())),
    ];
    audit::append(work, Entry::done(stamp, changes)).await
}

/// Puts another registration in place of a connection's. Through another client nobody has come in yet.
pub async fn change(work: &mut Work, proof: Authorized<ChangeProvider>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let org = work.org.number;
    work.tx
        .query("UPDATE sso_connections SET client_id = $3, client_secret = $4 WHERE id = $1 AND org = $2")
        .bind(action.connection.id.as_uuid())
        .bind(org)
        .bind(action.client_id.as_str())
        .bind(action.sealed_secret.as_str())
        .execute()
        .await?;
    if action.client_id != action.connection.client_id {
        work.tx
            .query("UPDATE sso_identities SET last_used_at = NULL WHERE org = $1 AND connection_id = $2")
            .bind(org)
            .bind(action.connection.id.as_uuid())
            .execute()
            .await?;
    }
    told(work, &stamp, action.connection.id, SsoChange::Changed).await?;
    let changes = vec![
        Change::set("connection_id", Said::Plain(action.connection.id.to_string())),
        Change { field: "client_id", before: group_said(&action.connection.client_id), after: group_said(&action.client_id) },
    ];
    audit::append(work, Entry::done(stamp, changes)).await
}

/// Ends the live sessions that came in through a connection, one person's or everybody's, but for the one that asks for it; how many.
async fn end_sessions(work: &mut Work, stamp: &Stamp, connection: ConnectionId, user_key: Option<i64>) -> Result<u64, StoreError> {
    let (org, now) = (work.org.number, work.now);
    work.tx
        .query(
            "UPDATE credentials SET revoked_at = $2
              WHERE org = $1 AND kind = 'session' AND via = 'sso' AND via_id = $3 AND revoked_at IS NULL AND expires_at > $2
                AND ($4 IS NULL OR user_key = $4) AND ($5 IS NULL OR id <> $5)",
        )
        .bind(org)
        .bind(now)
        .bind(connection.as_uuid())
        .bind(user_key)
        .bind(stamp.credential.map(|(_, id)| id))
        .execute()
        .await
}

/// Ends a connection and the sessions that came in through it; its secret goes with it.
pub async fn remove(work: &mut Work, proof: Authorized<RemoveProvider>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let (org, now) = (work.org.number, work.now);
    work.tx
        .query("UPDATE sso_connections SET removed_at = $3, client_secret = '' WHERE id = $1 AND org = $2")
        .bind(action.connection.id.as_uuid())
        .bind(org)
        .bind(now)
        .execute()
        .await?;
    let ended = end_sessions(work, &stamp, action.connection.id, None).await?;
    told(work, &stamp, action.connection.id, SsoChange::Removed).await?;
    let changes = vec![
        Change::set("connection_id", Said::Plain(action.connection.id.to_string())),
        Change { field: "name", before: group_said(&action.connection.name), after: Said::Nothing },
        Change::set("sessions_ended", Said::Plain(ended.to_string())),
    ];
    audit::append(work, Entry::done(stamp, changes)).await
}

/// Writes whether people sign in through the provider only, and ends the sessions that came in by a way which is closed by
/// it; how many of them were alive. An Administrator with a password comes in without the provider, and stays.
pub async fn require(work: &mut Work, proof: Authorized<RequireSso>, before: Settings) -> Result<u64, StoreError> {
    let (action, stamp) = proof.into_parts();
    let (org, now) = (work.org.number, work.now);
    let was = before.sso_required;
    let settings = Settings { sso_required: action.required, ..before };
    super::door::write_settings(work, settings.clone()).await?;
    // Whichever of these ways was open before: a session of one that was switched off earlier ends with this, too.
    let closed = Via::ALL.into_iter().filter(|via| !via.goes_on(&settings, Role::User, false));
    let closed: String = closed.map(|via| format!(" {}", via.as_str())).chain([" ".to_owned()]).collect();
    let ended = work
        .tx
        .query(
            "UPDATE credentials SET revoked_at = $2
              WHERE org = $1 AND kind = 'session' AND revoked_at IS NULL AND expires_at > $2
                AND $3 LIKE '% ' || via || ' %' AND NOT EXISTS
                  (SELECT 1 FROM users u WHERE u.key = credentials.user_key AND u.role = 'administrator' AND u.password_hash IS NOT NULL)",
        )
        .bind(org)
        .bind(now)
        .bind(closed)
        .execute()
        .await?;
    if let Some(connection) = action.connection {
        let change = if action.required { SsoChange::Required } else { SsoChange::NotRequired };
        told(work, &stamp, connection, change).await?;
    }
    let changes = vec![
        Change::plain("sso_required", was.to_string(), action.required.to_string()),
        Change::set("sessions_ended", Said::Plain(ended.to_string())),
    ];
    audit::append(work, Entry::done(stamp, changes)).await?;
    Ok(ended)
}

// $2: the key of a person who is left out, or nobody's.
const FOOTING: &str = "SELECT (SELECT count(*) FROM users u JOIN sso_identities i ON i.user_key = u.key JOIN sso_connections c ON c.id = i.connection_id
                      WHERE u.org = $1 AND u.role = 'administrator' AND u.status = 'active' AND i.last_used_at IS NOT NULL
                        AND c.removed_at IS NULL AND u.key <> $2),
                    (SELECT count(*) FROM users WHERE org = $1 AND role = 'administrator' AND status = 'active' AND password_hash IS NOT NULL
                        AND key <> $2)";
/// Nobody's key.
const NOBODY: i64 = 0;

fn read_footing(row: &Row) -> Result<Footing, StoreError> {
    Ok(Footing { proven: row.get::<i64>(0)? > 0, break_glass: row.get::<i64>(1)? > 0 })
}

/// What required single sign-on rests on, under the lock and after what was written so far.
pub async fn footing(work: &mut Work) -> Result<Footing, StoreError> {
    let org = work.org.number;
    read_footing(&work.tx.query(FOOTING).bind(org).bind(NOBODY).one().await?)
}

/// The same at this moment.
pub async fn footing_now(pool: &Pool, org: Org) -> Result<Footing, StoreError> {
    footing_without(pool, org, NOBODY).await
}

/// What it would rest on without the person with this key.
pub async fn footing_without(pool: &Pool, org: Org, person: i64) -> Result<Footing, StoreError> {
    read_footing(&pool.query(FOOTING).bind(org.number).bind(person).one().await?)
}

macro_rules! not_linked_sql {
    () => {
        "FROM users u WHERE u.org = $1 AND u.status = 'active' AND NOT EXISTS
           (SELECT 1 FROM sso_identities i JOIN sso_connections c ON c.id = i.connection_id
             WHERE i.user_key = u.key AND c.removed_at IS NULL)"
    };
}

/// Active people whom no identity at a live connection opens: id and address, oldest first, up to `most`.
pub async fn not_linked(pool: &Pool, org: Org, most: i64) -> Result<Vec<(UserId, String)>, StoreError> {
    let query = pool.query(concat!("SELECT u.id, u.email ", not_linked_sql!(), " ORDER BY u.key LIMIT $2"));
    let rows = query.bind(org.number).bind(most).all().await?;
    rows.iter().map(|row| Ok((UserId::from_uuid(row.get(0)?), row.get(1)?))).collect()
}

/// How many those are.
pub async fn count_not_linked(pool: &Pool, org: Org) -> Result<i64, StoreError> {
    pool.query(concat!("SELECT count(*) ", not_linked_sql!())).bind(org.number).one().await?.get(0)
}

/// The account that an identity opens.
#[derive(Clone, Debug)]
pub struct Linked {
    /// Who.
    pub person: PersonRef,
    /// First name now.
    pub first_name: String,
    /// Last name now.
    pub last_name: String,
    /// Address as typed at the invite.
    pub email: String,
    /// Its folded key.
    pub email_key: String,
    /// Status now.
    pub status: Status,
    /// By which connection it was linked.
    pub connection: ConnectionId,
}

const LINKED: &str = "SELECT u.key, u.id, u.first_name, u.last_name, u.email, u.email_key, u.status, i.connection_id
   FROM sso_identities i JOIN users u ON u.key = i.user_key WHERE i.org = $1 AND i.issuer = $2 AND i.subject = $3";

fn read_linked(row: &Row) -> Result<Linked, StoreError> {
    let mut c = row.columns();
    Ok(Linked {
        person: PersonRef { key: c.take()?, id: UserId::from_uuid(c.take()?) },
        first_name: c.take()?,
        last_name: c.take()?,
        email: c.take()?,
        email_key: c.take()?,
        status: c.parse(Status::parse)?,
        connection: ConnectionId::from_uuid(c.take()?),
    })
}

/// The account of one organization that an identity opens.
pub async fn linked(pool: &Pool, org: Org, issuer: &str, subject: &str) -> Result<Option<Linked>, StoreError> {
    let row = pool.query(LINKED).bind(org.number).bind(issuer).bind(subject).optional().await?;
    row.as_ref().map(read_linked).transpose()
}

/// The same under the lock, and notes that it was used now, through this connection. Where the rest of the transaction is
/// taken back, so is this.
pub async fn linked_and_used(work: &mut Work, connection: ConnectionId, issuer: &str, subject: &str) -> Result<Option<Linked>, StoreError> {
    let (org, now) = (work.org.number, work.now);
    let row = work.tx.query(LINKED).bind(org).bind(issuer).bind(subject).optional().await?;
    let linked = row.as_ref().map(read_linked).transpose()?;
    if linked.is_some() {
        work.tx
            .query("UPDATE sso_identities SET last_used_at = $4, connection_id = $5 WHERE org = $1 AND issuer = $2 AND subject = $3")
            .bind(org)
            .bind(issuer)
            .bind(subject)
            .bind(now)
            .bind(connection.as_uuid())
            .execute()
            .await?;
    }
    Ok(linked)
}

/// Organizations in which this very identity opens an account through the same issuer and client: only those, because a
/// proof counts where the provider was asked for, and nowhere else (B06).
pub async fn elsewhere(pool: &Pool, at: &Connection, issuer: &str, subject: &str) -> Result<Vec<(Org, Linked)>, StoreError> {
    let rows = pool
        .query(
            "SELECT u.key, u.id, u.first_name, u.last_name, u.email, u.email_key, u.status, i.connection_id, o.number, o.id
               FROM sso_identities i JOIN users u ON u.key = i.user_key JOIN organizations o ON o.number = i.org
               JOIN sso_connections c ON c.id = i.connection_id
              WHERE i.issuer = $1 AND i.subject = $2 AND c.issuer = $3 AND c.client_id = $4 AND c.removed_at IS NULL
                AND i.org <> $5 AND o.suspended_at IS NULL ORDER BY u.key",
        )
        .bind(issuer)
        .bind(subject)
        .bind(at.issuer.as_str())
        .bind(at.client_id.as_str())
        .bind(at.org.number)
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let org = Org { number: row.get(8)?, id: crate::domain::OrgId::from_uuid(row.get(9)?) };
            Ok((org, read_linked(row)?))
        })
        .collect()
}

/// An identity as its person sees it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The connection's name.
    pub connection: String,
    /// Whether the connection is still there.
    pub live: bool,
    /// The issuer.
    pub issuer: String,
    /// The subject.
    pub subject: String,
    /// The address that the provider gave.
    pub email: Option<String>,
    /// Since when.
    pub linked_at: Timestamp,
}

/// The identities that open a person's account, oldest first.
pub async fn of_person(pool: &Pool, user_key: i64) -> Result<Vec<Listed>, StoreError> {
    let rows = pool
        .query(
            "SELECT c.name, c.removed_at, i.issuer, i.subject, i.email, i.linked_at
               FROM sso_identities i JOIN sso_connections c ON c.id = i.connection_id WHERE i.user_key = $1 ORDER BY i.linked_at",
        )
        .bind(user_key)
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let mut c = row.columns();
            Ok(Listed {
                connection: c.take()?,
                live: c.maybe_time()?.is_none(),
                issuer: c.take()?,
                subject: c.take()?,
                email: c.take()?,
                linked_at: c.time()?,
            })
        })
        .collect()
}

/// How many identities at live connections open a person's account beside this one, under the lock.
pub async fn live_beside(work: &mut Work, user_key: i64, issuer: &str, subject: &str) -> Result<usize, StoreError> {
    let row = work
        .tx
        .query(
            "SELECT count(*) FROM sso_identities i JOIN sso_connections c ON c.id = i.connection_id
              WHERE i.user_key = $1 AND c.removed_at IS NULL AND NOT (i.issuer = $2 AND i.subject = $3)",
        )
        .bind(user_key)
        .bind(issuer)
        .bind(subject)
        .one()
        .await?;
    Ok(usize::try_from(row.get::<i64>(0)?).unwrap_or_default())
}

/// Notes that a journey has opened something, inside a write that does; `false` where it had before.
pub async fn spend(work: &mut Work, journey: [u8; 32]) -> Result<bool, StoreError> {
    let (org, now) = (work.org.number, work.now);
    let spent = work
        .tx
        .query("INSERT INTO spent_journeys (org, journey, spent_at) VALUES ($1, $2, $3) ON CONFLICT (org, journey) DO NOTHING")
        .bind(org)
        .bind(journey)
        .bind(now)
        .execute()
        .await?;
    Ok(spent > 0)
}

/// Whether a journey has opened something.
pub async fn is_spent(pool: &Pool, org: Org, journey: [u8; 32]) -> Result<bool, StoreError> {
    let query = pool.query("SELECT 1 FROM spent_journeys WHERE org = $1 AND journey = $2").bind(org.number).bind(journey);
    Ok(query.optional().await?.is_some())
}

/// Takes away journeys that were spent before.
pub async fn sweep(pool: &Pool, before: Timestamp) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    tx.query("DELETE FROM spent_journeys WHERE spent_at < $1").bind(before).execute().await?;
    tx.commit().await
}

/// Inserts an identity inside a write that has its own entry; `false` where it opens an account already, which keeps it.
/// `used` where its person comes in by it with that.
pub(super) async fn insert(work: &mut Work, user_key: i64, identity: &NewIdentity, used: bool) -> Result<bool, StoreError> {
    let (org, now) = (work.org.number, work.now);
    let inserted = work
        .tx
        .query(
            "INSERT INTO sso_identities (org, issuer, subject, connection_id, user_key, email, linked_at, last_used_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (org, issuer, subject) DO NOTHING",
        )
        .bind(org)
        .bind(identity.issuer.as_str())
        .bind(identity.subject.as_str())
        .bind(identity.connection.as_uuid())
        .bind(user_key)
        .bind(identity.email.as_deref())
        .bind(now)
        .bind(used.then_some(now))
        .execute()
        .await?;
    Ok(inserted > 0)
}

/// What an entry says of an identity: the provider's own word for the person is a value of theirs.
pub(super) fn said(person: UserId, identity: &NewIdentity) -> Vec<Change> {
    vec![
        Change::set("connection_id", Said::Plain(identity.connection.to_string())),
        Change::set("subject", theirs(person, identity.subject.as_str())),
    ]
}

/// Links an identity to an account; `false` where it opens one already.
pub async fn link(work: &mut Work, proof: Authorized<LinkIdentity>) -> Result<bool, StoreError> {
    let (action, stamp) = proof.into_parts();
    let by_mailbox = match &action.proof {
        LinkProof::Mailbox { link, .. } => Some(link),
        LinkProof::Fresh { .. } => None,
    };
    if !insert(work, action.person.person.key, &action.identity, by_mailbox.is_some()).await? {
        return Ok(false);
    }
    if let Some(link) = by_mailbox {
        super::door::use_up(work, action.person.person.key, link).await?;
    }
    end_links(work, &action.identity.issuer, &action.identity.subject).await?;
    let notice = Notice::IdentityChanged { change: IdentityChange::Linked, connection: Some(action.identity.connection) };
    notices::tell(work, action.person.person.key, &notice).await?;
    work.actor_name = Some(action.person.name);
    audit::append(work, Entry::done(stamp, said(action.person.person.id, &action.identity))).await?;
    Ok(true)
}

/// Ends the links that are out and would connect an identity: what became of it since is not theirs to change.
async fn end_links(work: &mut Work, issuer: &str, subject: &str) -> Result<(), StoreError> {
    let (org, now) = (work.org.number, work.now);
    let query =
        work.tx.query("SELECT id, detail FROM links WHERE org = $1 AND kind = 'identity' AND ended_at IS NULL AND expires_at >= $2");
    for row in query.bind(org).bind(now).all().await? {
        let (id, detail): (Uuid, Option<String>) = (row.get(0)?, row.get(1)?);
        let about: Option<NewIdentity> = detail.and_then(|detail| serde_json::from_str(&detail).ok());
        if about.is_some_and(|about| about.issuer == issuer && about.subject == subject) {
            let query = work.tx.query("UPDATE links SET ended_at = $2, ended_as = 'superseded' WHERE id = $1").bind(id);
            query.bind(now).execute().await?;
        }
    }
    Ok(())
}

/// Takes an identity away from an account, and ends the account's other sessions that came in through its provider; `false` when it
/// was not linked to it.
pub async fn unlink(work: &mut Work, proof: Authorized<UnlinkIdentity>) -> Result<bool, StoreError> {
    let (action, stamp) = proof.into_parts();
    let (org, (issuer, subject)) = (work.org.number, action.identity);
    let gone = work
        .tx
        .query("DELETE FROM sso_identities WHERE org = $1 AND issuer = $2 AND subject = $3 AND user_key = $4 RETURNING connection_id")
        .bind(org)
        .bind(issuer.as_str())
        .bind(subject.as_str())
        .bind(action.person.person.key)
        .optional()
        .await?;
    let Some(gone) = gone else { return Ok(false) };
    end_links(work, &issuer, &subject).await?;
    let connection = ConnectionId::from_uuid(gone.get(0)?);
    let ended = end_sessions(work, &stamp, connection, Some(action.person.person.key)).await?;
    let notice = Notice::IdentityChanged { change: IdentityChange::Unlinked, connection: Some(connection) };
    notices::tell(work, action.person.person.key, &notice).await?;
    let before = theirs(action.person.person.id, subject);
    let changes =
        vec![Change { field: "subject", before, after: Said::Nothing }, Change::set("sessions_ended", Said::Plain(ended.to_string()))];
    audit::append(work, Entry::done(stamp, changes)).await?;
    Ok(true)
}

/// The row of a connection, as a sealed cell names it.
#[must_use]
pub fn row_of(id: ConnectionId) -> String {
    let id: Uuid = id.as_uuid();
    id.simple().to_string()
}
