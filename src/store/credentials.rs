//! Credentials: personal MCP tokens here; sessions share the table ([`super::sessions`]).
//!
//! One indexed statement answers everything a request needs to begin: is the secret known, is it
//! alive, is its person Active, which role and permissions do they have at this moment.

use super::{
    audit::{self, Change, Entry, Said},
    sql::{Columns, Pool, Row, StoreError, Tx},
    work::Work,
};
use crate::{
    authz::{
        Authorized, Org, PersonRef, Scopes, Standing,
        door::{AHEAD, Via, demands_second_factor},
        tokens::{CreateToken, EndAiAccess, RevokeToken},
    },
    domain::{CredentialId, OrgId, PermissionSet, Role, Settings, Timestamp, UserId},
};
use uuid::Uuid;

macro_rules! alive_sql {
    ($which:literal) => {
        alive_sql!($which, "")
    };
    ($which:literal, $more:literal) => {
        concat!(
            "SELECT c.id, c.label, c.client, c.scopes, c.expires_at, c.last_used_at, u.key, u.id, u.first_name, u.last_name, u.role,
                    o.number, o.id, o.slug, o.name,
                    h.pending_administrators + h.pending_users + h.active_administrators + h.active_users
                      + h.deactivated_administrators + h.deactivated_users,
                    h.audit_seq,
                    (SELECT string_agg(p.permission, ' ') FROM group_members m JOIN group_permissions p ON p.group_key = m.group_key
                      WHERE m.user_key = u.key)",
            $more,
            " FROM credentials c JOIN users u ON u.key = c.user_key JOIN organizations o ON o.number = c.org
               JOIN org_heads h ON h.org = c.org
              WHERE ",
            $which,
            " AND c.revoked_at IS NULL AND c.expires_at > $2 AND u.status = 'active' AND o.suspended_at IS NULL"
        )
    };
}

/// A live credential with its person, organization, role and permissions: one row, one moment.
#[derive(Clone, Debug)]
pub struct Alive {
    /// Which credential.
    pub id: CredentialId,
    /// Its label.
    pub label: String,
    /// Name of the client that last said `initialize` with it.
    pub client: Option<String>,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was last used, exact to a minute.
    pub last_used_at: Option<Timestamp>,
    /// Whose.
    pub person: PersonRef,
    /// First and last name.
    pub name: String,
    /// Role and permissions now.
    pub standing: Standing,
    /// Organization.
    pub org: Org,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub organization: String,
    /// How many people it has, of any status.
    pub people: i64,
    /// Number of its last audit entry.
    pub audit_seq: i64,
}

/// The columns of `alive_sql`; what a statement asks for beside them comes next.
fn read(c: &mut Columns<'_>) -> Result<Alive, StoreError> {
    Ok(Alive {
        id: CredentialId::from_uuid(c.take()?),
        label: c.take()?,
        client: c.take()?,
        scopes: c.parse(Scopes::parse)?,
        expires_at: c.time()?,
        last_used_at: c.maybe_time()?,
        person: PersonRef { key: c.take()?, id: UserId::from_uuid(c.take()?) },
        name: c.full_name()?,
        standing: Standing { role: c.parse(Role::parse)?, permissions: PermissionSet::default() },
        org: Org { number: c.take()?, id: OrgId::from_uuid(c.take()?) },
        slug: c.take()?,
        organization: c.take()?,
        people: c.take()?,
        audit_seq: c.take()?,
    })
    .and_then(|alive: Alive| {
        let permissions: Option<String> = c.take()?;
        let permissions = PermissionSet::parse_joined(permissions.as_deref().unwrap_or_default());
        Ok(Alive { standing: Standing { permissions, ..alive.standing }, ..alive })
    })
}

/// The live credential with this hash.
pub async fn authenticate(pool: &Pool, hash: [u8; 32], now: Timestamp) -> Result<Option<Alive>, StoreError> {
    let _turn = pool.bearers_turn(hash).await;
    let row = pool.query(alive_sql!("c.hash = $1 AND c.kind = 'token'")).bind(hash).bind(now).optional().await?;
    row.map(|row| read(&mut row.columns())).transpose()
}

/// A token or a session under the lock. A session that waits for its second factor is none, unless it is asked for with
/// `waiting`, and then has no role and no permission.
pub(super) async fn standing(tx: &mut Tx, id: Uuid, now: Timestamp, waiting: bool) -> Result<Option<Alive>, StoreError> {
    // Beside a session stand the settings, which may have come to shut its way in, or to demand a second factor.
    let sql = alive_sql!(
        "c.id = $1 AND (c.kind = 'token'
           OR (coalesce(c.last_used_at, c.created_at) > $3 AND c.created_at <= $4 AND ($5 = 1 OR c.waits_for IS NULL)))",
        ", CASE WHEN c.kind = 'session' THEN o.settings END, c.via, CAST(CASE WHEN u.password_hash IS NULL THEN 0 ELSE 1 END AS BIGINT),
           (SELECT count(*) FROM second_factors f WHERE f.user_key = u.key AND f.confirmed_at IS NOT NULL)"
    );
    let query = tx.query(sql).bind(id).bind(now).bind(now.plus(-super::sessions::IDLE)).bind(now.plus(AHEAD)).bind(i64::from(waiting));
    let Some(row) = query.optional().await? else { return Ok(None) };
    let mut c = row.columns();
    let alive = read(&mut c)?;
    let (settings, via): (Option<String>, Option<String>) = (c.take()?, c.take()?);
    let (has_password, has_second_factor) = (c.take::<i64>()? != 0, c.take::<i64>()? != 0);
    if let Some(text) = settings {
        let settings = Settings::parse(&text).ok_or_else(|| StoreError::Corrupt("an organization's settings".to_owned()))?;
        let via = via.as_deref().and_then(Via::parse).ok_or_else(|| StoreError::Corrupt("the way of a session".to_owned()))?;
        let role = alive.standing.role;
        let lacks = !waiting && !has_second_factor && demands_second_factor(&settings, role);
        if lacks || !via.goes_on(&settings, role, has_password) {
            return Ok(None);
        }
    }
    let standing = if waiting { Standing::nothing() } else { alive.standing };
    Ok(Some(Alive { standing, ..alive }))
}

/// Stores a new token by its hash.
pub async fn create(work: &mut Work, proof: Authorized<CreateToken>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let scopes = Scopes { write: action.write };
    work.tx
        .query(
            "INSERT INTO credentials (id, org, user_key, kind, hash, label, scopes, created_at, expires_at)
             VALUES ($1, $2, $3, 'token', $4, $5, $6, $7, $8)",
        )
        .bind(action.id.as_uuid())
        .bind(work.org.number)
        .bind(action.person.person.key)
        .bind(action.hash)
        .bind(action.label.as_str())
        .bind(scopes.as_str())
        .bind(work.now)
        .bind(action.expires_at)
        .execute()
        .await?;
    let changes = vec![
        Change::set("user_id", Said::Plain(action.person.person.id.to_string())),
        Change::set("scopes", Said::Plain(scopes.as_str().to_owned())),
        Change::set("expires_at", Said::Plain(action.expires_at.to_rfc3339())),
    ];
    audit::append(work, Entry::done(stamp, changes)).await
}

/// Ends one token; `false` when it had ended before.
pub async fn revoke(work: &mut Work, proof: Authorized<RevokeToken>) -> Result<bool, StoreError> {
    let (action, stamp) = proof.into_parts();
    let now = work.now;
    let ended = work
        .tx
        .query("UPDATE credentials SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
        .bind(action.id.as_uuid())
        .bind(now)
        .execute()
        .await?;
    if ended == 0 {
        return Ok(false);
    }
    let changes = vec![Change::set("user_id", Said::Plain(action.user.to_string()))];
    audit::append(work, Entry::done(stamp, changes)).await?;
    Ok(true)
}

/// Ends all tokens of a person that were alive; how many those were.
pub async fn end_tokens(work: &mut Work, proof: Authorized<EndAiAccess>) -> Result<u64, StoreError> {
    let (action, stamp) = proof.into_parts();
    let now = work.now;
    let ended = work
        .tx
        .query("UPDATE credentials SET revoked_at = $2 WHERE user_key = $1 AND kind = 'token' AND revoked_at IS NULL AND expires_at > $2")
        .bind(action.person.person.key)
        .bind(now)
        .execute()
        .await?;
    if ended > 0 {
        let changes = vec![Change::set("mcp_tokens_ended", Said::Plain(ended.to_string()))];
        audit::append(work, Entry::done(stamp, changes)).await?;
    }
    Ok(ended)
}

/// A token as `usher token list` shows it.
#[derive(Clone, Debug)]
pub struct Token {
    /// Which.
    pub id: CredentialId,
    /// Whose.
    pub user: UserId,
    /// Their address.
    pub email: String,
    /// Their role.
    pub role: Role,
    /// What it is called.
    pub label: String,
    /// Name of the client that last said `initialize` with it; programs call themselves what they like.
    pub client: Option<String>,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// When it was ended.
    pub revoked_at: Option<Timestamp>,
}

/// Tokens as [`listed`] reads them, newest first.
macro_rules! tokens_sql {
    ($which:literal $(, $limit:literal)?) => {
        concat!(
            "SELECT c.id, u.id, u.email, u.role, c.label, c.client, c.scopes, c.created_at, c.expires_at, c.last_used_at, c.revoked_at
               FROM credentials c JOIN users u ON u.key = c.user_key
              WHERE ",
            $which,
            " ORDER BY c.created_at DESC, c.id DESC"
            $(, $limit)?
        )
    };
}

/// All tokens of an organization, or of one person in it; newest first.
pub async fn list(pool: &Pool, org: Org, user: Option<i64>) -> Result<Vec<Token>, StoreError> {
    let rows = pool
        .query(tokens_sql!("c.org = $1 AND c.kind = 'token' AND ($2 IS NULL OR c.user_key = $2)"))
        .bind(org.number)
        .bind(user)
        .all()
        .await?;
    rows.iter().map(listed).collect()
}

fn listed(row: &Row) -> Result<Token, StoreError> {
    let mut c = row.columns();
    Ok(Token {
        id: CredentialId::from_uuid(c.take()?),
        user: UserId::from_uuid(c.take()?),
        email: c.take()?,
        role: c.parse(Role::parse)?,
        label: c.take()?,
        client: c.take()?,
        scopes: c.parse(Scopes::parse)?,
        created_at: c.time()?,
        expires_at: c.time()?,
        last_used_at: c.maybe_time()?,
        revoked_at: c.maybe_time()?,
    })
}

/// A place in the order of a list, newest first.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// When what stands there was made.
    pub created_at: Timestamp,
    /// Which of those of that moment it is.
    pub id: Uuid,
}

impl Place {
    /// Before everything there is.
    pub const BEFORE_ALL: Self = Self { created_at: Timestamp::from_millis(i64::MAX), id: Uuid::max() };
}

/// The tokens that work now, of an organization or of one person in it by key, newest first: up to `limit` behind this place.
pub async fn page(pool: &Pool, org: Org, user: Option<i64>, after: Place, now: Timestamp, limit: i64) -> Result<Vec<Token>, StoreError> {
    let query = match user {
        None => pool
            .query(tokens_sql!(
                "c.org = $1 AND c.kind = 'token' AND c.revoked_at IS NULL AND c.expires_at > $2 AND (c.created_at, c.id) < ($3, $4)",
                " LIMIT $5"
            ))
            .bind(org.number),
        Some(user) => pool
            .query(tokens_sql!(
                "c.user_key = $1 AND c.kind = 'token' AND c.revoked_at IS NULL AND c.expires_at > $2 AND (c.created_at, c.id) < ($3, $4)",
                " LIMIT $5"
            ))
            .bind(user),
    };
    let rows = query.bind(now).bind(after.created_at).bind(after.id).bind(limit).all().await?;
    rows.iter().map(listed).collect()
}

/// How many tokens of a person work under the lock; counted up to `limit`.
pub async fn count_live(work: &mut Work, user: i64, limit: i64) -> Result<i64, StoreError> {
    let now = work.now;
    let row = work
        .tx
        .query(
            "SELECT count(*) FROM (SELECT 1 FROM credentials
              WHERE user_key = $1 AND kind = 'token' AND revoked_at IS NULL AND expires_at > $2 LIMIT $3) live",
        )
        .bind(user)
        .bind(now)
        .bind(limit)
        .one()
        .await?;
    row.get(0)
}

/// Whose a token is; it never becomes anybody else's.
pub async fn owner(pool: &Pool, org: Org, id: CredentialId) -> Result<Option<UserId>, StoreError> {
    let row = pool
        .query("SELECT u.id FROM credentials c JOIN users u ON u.key = c.user_key WHERE c.org = $1 AND c.id = $2 AND c.kind = 'token'")
        .bind(org.number)
        .bind(id.as_uuid())
        .optional()
        .await?;
    row.map(|row| Ok(UserId::from_uuid(row.get(0)?))).transpose()
}

/// A token under the lock.
pub async fn find(work: &mut Work, id: CredentialId) -> Result<Option<Token>, StoreError> {
    let row = work
        .tx
        .query(tokens_sql!("c.org = $1 AND c.id = $2 AND c.kind = 'token'"))
        .bind(work.org.number)
        .bind(id.as_uuid())
        .optional()
        .await?;
    row.map(|row| listed(&row)).transpose()
}

/// Writes gathered uses: credentials and their people, exact to a minute, in two statements outside any lock.
pub async fn mark_used(pool: &Pool, used: &[(CredentialId, i64, Timestamp)]) -> Result<(), StoreError> {
    if used.is_empty() {
        return Ok(());
    }
    let mut tx = pool.begin().await?;
    let sql = tx.engine().either(
        "UPDATE credentials SET last_used_at = s.at
           FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS at FROM json_each($1)) s
          WHERE credentials.id = s.id AND coalesce(credentials.last_used_at, 0) < s.at",
        "UPDATE credentials SET last_used_at = s.at
           FROM (SELECT (value ->> 0)::uuid AS id, (value ->> 1)::bigint AS at FROM json_array_elements($1::json)) s
          WHERE credentials.id = s.id AND coalesce(credentials.last_used_at, 0) < s.at",
    );
    let mut rows: Vec<(String, i64)> = used.iter().map(|(id, _, at)| (id.as_uuid().simple().to_string(), at.as_millis())).collect();
    // One order for all nodes, so that two of them never wait for each other crosswise.
    rows.sort();
    tx.query(sql).bind(serde_json::json!(rows).to_string()).execute().await?;
    let mut seen: Vec<(i64, i64)> = used.iter().map(|(_, key, at)| (*key, at.as_millis())).collect();
    seen.sort_unstable();
    super::people::mark_seen(&mut tx, &seen).await?;
    tx.commit().await
}

/// Remembers which client said `initialize` with a token, for calls that do not say it again.
pub async fn remember_client(pool: &Pool, id: CredentialId, client: &str) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    tx.query("UPDATE credentials SET client = $2 WHERE id = $1").bind(id.as_uuid()).bind(client).execute().await?;
    tx.commit().await
}
