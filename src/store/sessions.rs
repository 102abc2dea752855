//! Sessions: rows of `credentials` that a browser's one cookie finds, an account of each of several organizations.
//!
//! A row has no secret of its own. What it holds is the SHA-256 of its browser's cookie, which changes at every sign-in;
//! all accounts of the browser move along. Person, role, permissions, organization: read on every request, never kept.

use super::{
    audit::{self, Change, Entry, Said},
    sql::{Pool, Row, StoreError, Tx},
    work::Work,
};
use crate::{
    authz::{
        Authorized, Org, PersonRef, Standing,
        door::{AHEAD, EndSessions, Proof, SignIn, Via, WaitsFor, Which, demands_second_factor},
        second_factor::asked_for,
    },
    domain::{CredentialId, DAY, HOUR, LinkKind, OrgId, PermissionSet, Role, Settings, Step, Timestamp, UserId},
    keys::sha256,
};
use uuid::Uuid;

/// How long a session lives that nobody uses (requirement 62).
pub const IDLE: i64 = HOUR;
/// How long a session lives at most.
pub const ABSOLUTE: i64 = DAY;

/// A live session with its account as it is now.
#[derive(Clone, Debug)]
pub struct Session {
    /// Which.
    pub id: CredentialId,
    /// By which way its person came in.
    pub via: Via,
    /// When they did.
    pub created_at: Timestamp,
    /// When they were last proved.
    pub proved_at: Timestamp,
    /// When it was last used, exact to a minute.
    pub last_used_at: Option<Timestamp>,
    /// What is asked for before it opens anything.
    pub waits_for: Option<WaitsFor>,
    /// Mark of the browser that it was opened in, where that is known to its person: whoever came in there showed all that
    /// was asked for.
    pub known_mark: Option<Vec<u8>>,
    /// Whose.
    pub person: PersonRef,
    /// First name now.
    pub first_name: String,
    /// Last name now.
    pub last_name: String,
    /// Address as typed at the invite.
    pub email: String,
    /// Version of what stands about the person.
    pub version: i64,
    /// Whether there is a password.
    pub has_password: bool,
    /// Whether there is a second factor that counts.
    pub has_second_factor: bool,
    /// Role and permissions now.
    pub standing: Standing,
    /// Organization.
    pub org: Org,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub organization: String,
    /// What it decides about signing in.
    pub settings: Settings,
    /// Number of its last entry in the audit log.
    pub audit_seq: i64,
    /// The first steps that are done, as far as an Administrator is concerned; that a token was used is written within a minute.
    pub steps_done: Vec<Step>,
}

impl Session {
    /// First and last name.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }

    fn goes_on(&self) -> bool {
        self.via.goes_on(&self.settings, self.standing.role, self.has_password)
    }
}

/// The live sessions of a browser, the account that was chosen last first; without those whose way in was shut for their person
/// since, and those that lie ahead of the clock: it went back, and nobody knows how old they are. One statement, one moment.
pub async fn of_browser(pool: &Pool, browser: [u8; 32], now: Timestamp) -> Result<Vec<Session>, StoreError> {
    let rows = pool
        .query(
            "SELECT c.id, c.via, c.created_at, c.proved_at, c.last_used_at, c.waits_for,
                    (SELECT k.browser FROM known_browsers k WHERE k.user_key = c.user_key AND k.browser = c.mark), u.key, u.id, u.first_name, u.last_name, u.email, u.version,
                    CAST(CASE WHEN u.password_hash IS NULL THEN 0 ELSE 1 END AS BIGINT),
                    (SELECT count(*) FROM second_factors f WHERE f.user_key = u.key AND f.confirmed_at IS NOT NULL), u.role, o.number, o.id, o.slug, o.name, o.settings,
                    (SELECT string_agg(p.permission, ' ') FROM group_members m JOIN group_permissions p ON p.group_key = m.group_key
                      WHERE m.user_key = u.key), h.audit_seq,
                    CAST(CASE WHEN u.role = 'administrator' AND h.pending_administrators + h.pending_users + h.active_administrators
                      + h.active_users + h.deactivated_administrators + h.deactivated_users > 1 THEN 1 ELSE 0 END AS BIGINT),
                    CAST(CASE WHEN u.role = 'administrator' AND h.access_groups > 0 THEN 1 ELSE 0 END AS BIGINT),
                    CAST(CASE WHEN u.role = 'administrator' AND EXISTS (SELECT 1 FROM credentials t
                      WHERE t.user_key = u.key AND t.kind = 'token' AND t.last_used_at IS NOT NULL) THEN 1 ELSE 0 END AS BIGINT),
                    CAST(CASE WHEN u.role = 'administrator' AND EXISTS (SELECT 1 FROM sso_connections s
                      WHERE s.org = c.org AND s.removed_at IS NULL) THEN 1 ELSE 0 END AS BIGINT)
               FROM credentials c JOIN users u ON u.key = c.user_key JOIN organizations o ON o.number = c.org
               JOIN org_heads h ON h.org = c.org
              WHERE c.browser = $1 AND c.kind = 'session' AND c.revoked_at IS NULL AND c.expires_at > $2
                AND coalesce(c.last_used_at, c.created_at) > $3 AND c.created_at <= $4 AND u.status = 'active' AND o.suspended_at IS NULL
              ORDER BY coalesce(c.chosen_at, 0) DESC, c.created_at DESC, c.id DESC",
        )
        .bind(browser)
        .bind(now)
        .bind(now.plus(-IDLE))
        .bind(now.plus(AHEAD))
        .all()
        .await?;
    let sessions = rows.iter().map(read).filter(|session| session.as_ref().map_or(true, Session::goes_on));
    sessions.collect()
}

fn read(row: &Row) -> Result<Session, StoreError> {
    let mut c = row.columns();
    let id = CredentialId::from_uuid(c.take()?);
    let via = c.parse(Via::parse)?;
    let created_at = c.time()?;
    let proved_at = c.maybe_time()?.unwrap_or(created_at);
    let last_used_at = c.maybe_time()?;
    let noted = waits_for(c.take()?)?;
    let known_mark = c.take()?;
    let person = PersonRef { key: c.take()?, id: UserId::from_uuid(c.take()?) };
    let (first_name, last_name, email, version) = (c.take()?, c.take()?, c.take()?, c.take()?);
    let (has_password, has_second_factor) = (c.take::<i64>()? != 0, c.take::<i64>()? != 0);
    let role = c.parse(Role::parse)?;
    let org = Org { number: c.take()?, id: OrgId::from_uuid(c.take()?) };
    let (slug, organization) = (c.take()?, c.take()?);
    let settings = c.parse(Settings::parse)?;
    let waits_for = asked_for(noted, has_second_factor, demands_second_factor(&settings, role));
    let permissions: Option<String> = c.take()?;
    let permissions = PermissionSet::parse_joined(permissions.as_deref().unwrap_or_default());
    let audit_seq = c.take()?;
    // The statement asks for the steps in this order.
    let mut steps_done = Vec::new();
    for step in Step::ALL {
        if c.take::<i64>()? != 0 {
            steps_done.push(step);
        }
    }
    Ok(Session {
        id,
        via,
        created_at,
        proved_at,
        last_used_at,
        waits_for,
        known_mark,
        person,
        first_name,
        last_name,
        email,
        version,
        has_password,
        has_second_factor,
        standing: Standing { role, permissions },
        org,
        slug,
        organization,
        settings,
        audit_seq,
        steps_done,
    })
}

fn waits_for(word: Option<String>) -> Result<Option<WaitsFor>, StoreError> {
    word.map(|word| WaitsFor::parse(&word).ok_or_else(|| StoreError::Corrupt("what a session waits for".to_owned()))).transpose()
}

/// Opens a session. The browser's other accounts move to its new cookie; one of the same person there ends.
pub async fn open(work: &mut Work, proof: Authorized<SignIn>) -> Result<(), StoreError> {
    let (action, stamp) = proof.into_parts();
    let (org, now, key) = (work.org.number, work.now, action.person.person.key);
    if let Some(before) = action.moved_from {
        work.tx
            .query(
                "UPDATE credentials SET revoked_at = $3 WHERE browser = $1 AND user_key = $2 AND kind = 'session' AND revoked_at IS NULL",
            )
            .bind(before)
            .bind(key)
            .bind(now)
            .execute()
            .await?;
        work.tx
            .query("UPDATE credentials SET browser = $2 WHERE browser = $1 AND kind = 'session'")
            .bind(before)
            .bind(action.browser)
            .execute()
            .await?;
    }
    // Who opened a mailbox, or showed an identity, comes in by one account and finds the others beside it: they have its cookie.
    let is_beside = action.moved_from == Some(action.browser);
    let chosen = if is_beside { None } else { Some(next_choice(&mut work.tx, action.browser, now).await?) };
    // The column is for bearer secrets; a session has none, so it holds a value that no secret hashes to.
    let no_secret = sha256(&[action.session.as_uuid().as_bytes().as_slice(), &work.random.bytes::<32>()].concat());
    work.tx
        .query(
            "INSERT INTO credentials (id, org, user_key, kind, hash, label, scopes, created_at, expires_at, last_used_at, browser, via, via_id,
                                      proved_at, chosen_at, waits_for, mark)
             VALUES ($1, $2, $3, 'session', $4, $5, 'read write', $6, $7, $6, $8, $9, $10, $6, $11, $12, $13)",
        )
        .bind(action.session.as_uuid())
        .bind(org)
        .bind(key)
        .bind(no_secret)
        .bind(action.label.as_str())
        .bind(now)
        .bind(now.plus(ABSOLUTE))
        .bind(action.browser)
        .bind(action.via.as_str())
        .bind(action.via_id)
        .bind(chosen)
        .bind(action.waits_for.map(WaitsFor::as_str))
        .bind(action.mark)
        .execute()
        .await?;
    work.tx
        .query("UPDATE users SET last_seen_at = $2, password_hash = coalesce($3, password_hash) WHERE key = $1")
        .bind(key)
        .bind(now)
        .bind(action.rehash.as_deref())
        .execute()
        .await?;
    if let Proof::Link { link, .. } = &action.proof {
        super::door::use_up(work, key, link).await?;
    }
    super::door::came_in(work, key, &action).await?;
    let changes =
        vec![Change::set("session_id", Said::Plain(action.session.to_string())), Change::set("browser", Said::Plain(action.label))];
    work.actor_name = Some(action.person.name);
    audit::append(work, Entry::done(stamp, changes)).await
}

/// The person of a session was proved just now: it waits for nothing any more, and its browser is known to them; whether it was
/// before. The browser's cookie has a new value.
pub(super) async fn prove(work: &mut Work, session: CredentialId, browser: [u8; 32]) -> Result<bool, StoreError> {
    let now = work.now;
    let row = work
        .tx
        .query("UPDATE credentials SET waits_for = NULL, proved_at = $2, last_used_at = $2 WHERE id = $1 RETURNING user_key, mark")
        .bind(session.as_uuid())
        .bind(now)
        .one()
        .await?;
    let mut c = row.columns();
    let (key, mark): (i64, Option<Vec<u8>>) = (c.take()?, c.take()?);
    let was_known = match mark {
        Some(mark) => {
            let was_known = super::door::knows(work, key, &mark).await?;
            super::door::know(work, key, &mark).await?;
            was_known
        }
        None => false,
    };
    renew(work, session, browser).await?;
    Ok(was_known)
}

/// The cookie of a session's browser has a new value, so that a copy of the one before opens nothing; all accounts of the
/// browser move along.
pub(super) async fn renew(work: &mut Work, session: CredentialId, browser: [u8; 32]) -> Result<(), StoreError> {
    let row = work.tx.query("SELECT browser FROM credentials WHERE id = $1").bind(session.as_uuid()).one().await?;
    let before: Option<Vec<u8>> = row.get(0)?;
    work.tx
        .query("UPDATE credentials SET browser = $2 WHERE browser = $1 AND kind = 'session'")
        .bind(before)
        .bind(browser)
        .execute()
        .await?;
    Ok(())
}

/// Ends sessions of one's own; how many were alive. With all others ends what could open one, also where none was alive.
pub async fn end(work: &mut Work, proof: Authorized<EndSessions>) -> Result<u64, StoreError> {
    let (action, stamp) = proof.into_parts();
    let ended =
        end_of(work, action.person.person.key, action.which, stamp.credential.map_or(Here::Elsewhere, |(_, id)| Here::Session(id))).await?;
    if ended > 0 || action.which.is_more_than_one() {
        audit::append(work, Entry::done(stamp, vec![Change::set("sessions_ended", Said::Plain(ended.to_string()))])).await?;
    }
    Ok(ended)
}

/// The browser in which somebody ends sessions of theirs: it goes on being one that was here before.
#[derive(Clone, Copy)]
pub(super) enum Here {
    /// That of this session.
    Session(Uuid),
    /// The one with this mark.
    Mark([u8; 32]),
    /// None of theirs: somebody else ends them.
    Elsewhere,
}

/// Ends sessions of a person inside a write that has its own entry; with all others end the links that somebody asked for at the
/// door, which would open another. Those that an Administrator or the host gave out are not theirs to end.
pub(super) async fn end_of(work: &mut Work, key: i64, which: Which, here: Here) -> Result<u64, StoreError> {
    let now = work.now;
    let (one, keep) = match which {
        Which::One(id) => (Some(id.as_uuid()), None),
        Which::Others(id) => (None, Some(id.as_uuid())),
        Which::All => (None, None),
    };
    if one.is_none() {
        // Whoever read the mailbox a moment ago has no more by that than whoever had a session.
        super::door::end_links(work, key, &[LinkKind::SignIn, LinkKind::Identity, LinkKind::Reset]).await?;
        // Whoever ends them all is not sure who was in: no browser but their own is one that was here before.
        let (session, mark) = match here {
            Here::Session(id) => (Some(id), None),
            Here::Mark(mark) => (None, Some(mark)),
            Here::Elsewhere => (None, None),
        };
        work.tx
            .query(
                "DELETE FROM known_browsers WHERE user_key = $1 AND ($3 IS NULL OR browser <> $3)
                    AND NOT EXISTS (SELECT 1 FROM credentials c WHERE c.id = $2 AND c.mark = known_browsers.browser)",
            )
            .bind(key)
            .bind(session)
            .bind(mark)
            .execute()
            .await?;
    }
    work.tx
        .query(
            "UPDATE credentials SET revoked_at = $2
              WHERE user_key = $1 AND kind = 'session' AND revoked_at IS NULL AND ($3 IS NULL OR id = $3) AND ($4 IS NULL OR id <> $4)",
        )
        .bind(key)
        .bind(now)
        .bind(one)
        .bind(keep)
        .execute()
        .await
}

/// Ends those sessions of a person that do not go on for a User: of two roles that somebody changes between, one is that. How many.
pub(super) async fn end_shut(work: &mut Work, key: i64) -> Result<u64, StoreError> {
    let settings = super::door::settings(work).await?;
    let now = work.now;
    let mut ended = 0;
    for via in Via::ALL.into_iter().filter(|via| !via.goes_on(&settings, Role::User, false)) {
        ended += work
            .tx
            .query("UPDATE credentials SET revoked_at = $2 WHERE user_key = $1 AND kind = 'session' AND via = $3 AND revoked_at IS NULL")
            .bind(key)
            .bind(now)
            .bind(via.as_str())
            .execute()
            .await?;
    }
    Ok(ended)
}

/// When a choice among a browser's accounts counts as made: after all that were made there, also where the clock went back since.
async fn next_choice(tx: &mut Tx, browser: [u8; 32], now: Timestamp) -> Result<Timestamp, StoreError> {
    let query = tx.query("SELECT max(chosen_at) FROM credentials WHERE browser = $1 AND kind = 'session'").bind(browser);
    let last: Option<i64> = query.one().await?.get(0)?;
    Ok(last.map_or(now, |last| now.max(Timestamp::from_millis(last).plus(1))))
}

/// Chooses which account of its browser a session shows. It gives nothing, so it is no entry of the log.
pub async fn choose(pool: &Pool, id: CredentialId, browser: [u8; 32], now: Timestamp) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let now = next_choice(&mut tx, browser, now).await?;
    let chosen = tx
        .query("UPDATE credentials SET chosen_at = $3 WHERE id = $1 AND browser = $2 AND kind = 'session' AND revoked_at IS NULL")
        .bind(id.as_uuid())
        .bind(browser)
        .bind(now)
        .execute()
        .await?;
    tx.commit().await?;
    Ok(chosen > 0)
}

/// A session as its owner sees it among all of theirs.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Which.
    pub id: CredentialId,
    /// The browser, in words of ours.
    pub label: String,
    /// By which way.
    pub via: Via,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was last used, exact to a minute.
    pub last_used_at: Option<Timestamp>,
    /// Whether its browser still has to show a second factor.
    pub waits: bool,
}

/// All live sessions of a person, newest first.
pub async fn of_person(pool: &Pool, key: i64, now: Timestamp) -> Result<Vec<Listed>, StoreError> {
    let rows = pool
        .query(
            "SELECT id, label, via, created_at, last_used_at, waits_for FROM credentials
              WHERE user_key = $1 AND kind = 'session' AND revoked_at IS NULL AND expires_at > $2 AND coalesce(last_used_at, created_at) > $3
                AND created_at <= $4
              ORDER BY created_at DESC, id DESC",
        )
        .bind(key)
        .bind(now)
        .bind(now.plus(-IDLE))
        .bind(now.plus(AHEAD))
        .all()
        .await?;
    rows.iter()
        .map(|row| {
            let mut c = row.columns();
            Ok(Listed {
                id: CredentialId::from_uuid(c.take()?),
                label: c.take()?,
                via: c.parse(Via::parse)?,
                created_at: c.time()?,
                last_used_at: c.maybe_time()?,
                waits: waits_for(c.take()?)?.is_some(),
            })
        })
        .collect()
}
