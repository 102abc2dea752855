//! Second factors: a sealed secret, the last step that was used, and recovery codes by their SHA-256.

use super::{
    audit::{self, Change, Entry, Said},
    door,
    listed::Listed,
    notices,
    sessions::{self, Here},
    sql::{Pool, Row, StoreError},
    work::Work,
};
use crate::{
    authz::{
        Authorized, Org,
        door::Which,
        second_factor::{
            ConfirmSecondFactor, EnrolSecondFactor, FactorFacts, FactorProof, PassSecondFactor, RemoveSecondFactor, ResetSecondFactor,
        },
    },
    domain::{By, Notice, Role, SecondFactorChange, SecondFactorFor, Status, Timestamp, UserId},
    keys::sha256,
};

/// Somebody's second factor.
#[derive(Clone, Debug)]
pub struct Factor {
    /// What rules see.
    pub facts: FactorFacts,
    /// The secret, sealed.
    pub sealed: String,
}

/// How many recovery codes a person has left.
const CODES_LEFT: &str = "SELECT count(*) FROM recovery_codes WHERE user_key = $1 AND used_at IS NULL";

const FACTOR: &str = "SELECT created_at, confirmed_at, last_step, secret FROM second_factors WHERE user_key = $1";

fn read(row: &Row) -> Result<Factor, StoreError> {
    let mut c = row.columns();
    Ok(Factor {
        facts: FactorFacts { created_at: c.time()?, confirmed: c.maybe_time()?.is_some(), last_step: c.take()? },
        sealed: c.take()?,
    })
}

/// The second factor of a person, confirmed or not.
pub async fn of_person(pool: &Pool, user_key: i64) -> Result<Option<Factor>, StoreError> {
    pool.query(FACTOR).bind(user_key).optional().await?.map(|row| read(&row)).transpose()
}

/// The same under the lock.
pub async fn of_person_locked(work: &mut Work, user_key: i64) -> Result<Option<Factor>, StoreError> {
    work.tx.query(FACTOR).bind(user_key).optional().await?.map(|row| read(&row)).transpose()
}

/// Whether this is a recovery code of the person's that was not used, under the lock.
pub async fn is_unused(work: &mut Work, user_key: i64, hash: [u8; 32]) -> Result<bool, StoreError> {
    let query = work.tx.query("SELECT 1 FROM recovery_codes WHERE user_key = $1 AND hash = $2 AND used_at IS NULL");
    Ok(query.bind(user_key).bind(hash).optional().await?.is_some())
}

/// How many recovery codes a person has left.
pub async fn codes_left(pool: &Pool, user_key: i64) -> Result<i64, StoreError> {
    pool.query(CODES_LEFT).bind(user_key).one().await?.get(0)
}

/// An active person who has a second factor, or lacks one that is demanded.
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
    /// Since when it counts; none where it is lacking.
    pub since: Option<Timestamp>,
}

macro_rules! holders {
    ($and:literal) => {
        concat!(
            "SELECT u.id, u.first_name, u.last_name, u.email, u.role, f.confirmed_at FROM users u
               LEFT JOIN second_factors f ON f.user_key = u.key AND f.confirmed_at IS NOT NULL
              WHERE u.org = $1 AND u.status = 'active' AND ",
            $and
        )
    };
}

fn read_holder(row: &Row) -> Result<Holder, StoreError> {
    let mut c = row.columns();
    Ok(Holder {
        id: UserId::from_uuid(c.take()?),
        name: c.full_name()?,
        email: c.take()?,
        role: c.parse(Role::parse)?,
        since: c.maybe_time()?,
    })
}

/// Active people with a second factor, and those who lack one that is demanded of them: a page after this person.
pub async fn list(pool: &Pool, org: Org, demanded: SecondFactorFor, after: Option<UserId>) -> Result<Listed<Holder>, StoreError> {
    let rows = pool
        .query(holders!(
            "u.key > coalesce((SELECT key FROM users WHERE org = $1 AND id = $2), 0)
             AND (f.user_key IS NOT NULL OR $3 = 'everybody' OR ($3 = 'administrators' AND u.role = 'administrator')) ORDER BY u.key LIMIT $4"
        ))
        .bind(org.number)
        .bind(after.map(|id| id.as_uuid()).unwrap_or_default())
        .bind(demanded.as_str())
        .bind(Listed::<Holder>::limit())
        .all()
        .await?;
    Listed::read(&rows, read_holder)
}

/// An active person who has a second factor.
pub async fn holder(pool: &Pool, org: Org, id: UserId) -> Result<Option<Holder>, StoreError> {
    let query = pool.query(holders!("u.id = $2 AND f.user_key IS NOT NULL")).bind(org.number).bind(id.as_uuid());
    query.optional().await?.map(|row| read_holder(&row)).transpose()
}

/// What stands for a person's second factor where wrong codes are counted: no address hashes to it.
#[must_use]
pub fn counted_as(user_key: i64) -> [u8; 32] {
    sha256(format!("second factor {user_key}").as_bytes())
}

/// Forgives wrong codes: those of one browser or session, or all.
pub async fn forgive(work: &mut Work, user_key: i64, only: Option<Vec<u8>>) -> Result<(), StoreError> {
    door::forgive(work, counted_as(user_key), only).await
}

/// Stores a new secret that nothing has confirmed yet; an earlier one of that kind is gone. Wrong codes stay counted.
pub async fn enrol(work: &mut Work, proof: Authorized<EnrolSecondFactor>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let now = work.now;
    work.tx
        .query(
            "INSERT INTO second_factors (user_key, secret, created_at) VALUES ($1, $2, $3)
             ON CONFLICT (user_key) DO UPDATE SET secret = $2, created_at = $3, last_step = 0",
        )
        .bind(action.person.person.key)
        .bind(action.sealed.as_str())
        .bind(now)
        .execute()
        .await?;
    audit::append(work, Entry::done(stamp, Vec::new())).await
}

/// Uses up what was typed.
async fn use_up(work: &mut Work, user_key: i64, proof: &FactorProof) -> Result<Change, StoreError> {
    let now = work.now;
    let (step, used, word) = match proof {
        FactorProof::Code { step } => (*step, None, "code"),
        FactorProof::Recovery { hash, .. } => (None, Some(*hash), "recovery_code"),
    };
    work.tx
        .query("UPDATE second_factors SET last_step = coalesce($2, last_step) WHERE user_key = $1")
        .bind(user_key)
        .bind(step)
        .execute()
        .await?;
    if let Some(hash) = used {
        work.tx
            .query("UPDATE recovery_codes SET used_at = $3 WHERE user_key = $1 AND hash = $2")
            .bind(user_key)
            .bind(hash)
            .bind(now)
            .execute()
            .await?;
    }
    Ok(Change::set("shown", Said::Plain(word.to_owned())))
}

async fn forget(work: &mut Work, user_key: i64) -> Result<bool, StoreError> {
    forgive(work, user_key, None).await?;
    work.tx.query("DELETE FROM recovery_codes WHERE user_key = $1").bind(user_key).execute().await?;
    Ok(work.tx.query("DELETE FROM second_factors WHERE user_key = $1").bind(user_key).execute().await? > 0)
}

/// Tells the person by mail: whoever changes a second factor decides how hard an account is to take.
async fn told(work: &mut Work, key: i64, change: SecondFactorChange, by: Option<By>, browser: Option<String>) -> Result<(), StoreError> {
    notices::tell(work, key, &Notice::SecondFactorChanged { change, by, browser }).await
}

fn ended(sessions: u64) -> Change {
    Change::set("sessions_ended", Said::Plain(sessions.to_string()))
}

/// The secret counts from now on; the session that confirmed it is open, and all others end.
pub async fn confirm(work: &mut Work, proof: Authorized<ConfirmSecondFactor>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let (now, key) = (work.now, action.person.person.key);
    let shown = use_up(work, key, &action.proof).await?;
    work.tx.query("UPDATE second_factors SET confirmed_at = $2 WHERE user_key = $1").bind(key).bind(now).execute().await?;
    for hash in action.recovery_codes {
        work.tx.query("INSERT INTO recovery_codes (user_key, hash) VALUES ($1, $2)").bind(key).bind(hash).execute().await?;
    }
    // Whoever came in before showed less than is asked for now.
    work.tx.query("DELETE FROM known_browsers WHERE user_key = $1").bind(key).execute().await?;
    sessions::prove(work, action.session, action.browser).await?;
    let sessions = sessions::end_of(work, key, Which::Others(action.session), Here::Session(action.session.as_uuid())).await?;
    told(work, key, SecondFactorChange::Added, None, Some(action.label)).await?;
    audit::append(work, Entry::done(stamp, vec![shown, ended(sessions)])).await
}

/// Opens the session, or notes that its person was proved anew. They are told by mail of a recovery code that was used.
pub async fn pass(work: &mut Work, proof: Authorized<PassSecondFactor>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let key = action.person.person.key;
    let shown = use_up(work, key, &action.proof).await?;
    let was_known = sessions::prove(work, action.session, action.browser).await?;
    if action.tells && !was_known {
        notices::tell(work, key, &Notice::NewBrowser { browser: Some(action.label.clone()) }).await?;
    }
    if let FactorProof::Recovery { .. } = action.proof {
        let left: i64 = work.tx.query(CODES_LEFT).bind(key).one().await?.get(0)?;
        let left = u32::try_from(left).unwrap_or_default();
        notices::tell(work, key, &Notice::RecoveryCodeUsed { left, browser: Some(action.label) }).await?;
    }
    let session = Change::set("session_id", Said::Plain(action.session.to_string()));
    audit::append(work, Entry::done(stamp, vec![session, shown])).await
}

/// Takes one's own second factor away; all other sessions end.
pub async fn remove(work: &mut Work, proof: Authorized<RemoveSecondFactor>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let key = action.person.person.key;
    let shown = use_up(work, key, &action.proof).await?;
    forget(work, key).await?;
    sessions::prove(work, action.session, action.browser).await?;
    let sessions = sessions::end_of(work, key, Which::Others(action.session), Here::Session(action.session.as_uuid())).await?;
    told(work, key, SecondFactorChange::Removed, None, Some(action.label)).await?;
    audit::append(work, Entry::done(stamp, vec![shown, ended(sessions)])).await
}

/// Takes somebody's second factor away; all their sessions end. `false` where there was none.
pub async fn reset(work: &mut Work, proof: Authorized<ResetSecondFactor>) -> Result<bool, StoreError> {
    let (action, stamp) = proof.into_parts();
    let key = action.person.person.key;
    if !forget(work, key).await? {
        return Ok(false);
    }
    let sessions = sessions::end_of(work, key, Which::All, Here::Elsewhere).await?;
    match action.person.status {
        Status::Active => told(work, key, SecondFactorChange::Reset, Some(notices::by(&stamp)), None).await?,
        // Nothing opens their account.
        Status::Pending | Status::Deactivated => {}
    }
    audit::append(work, Entry::done(stamp, vec![ended(sessions)])).await?;
    Ok(true)
}
