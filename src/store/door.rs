//! The door: links that sign in, wrong passwords in a row, browsers that have been here before.

use super::{
    audit::{self, Change, Entry, Said},
    links::LinkState,
    notices, outbox,
    sessions::Here,
    sql::{Pool, Row, StoreError},
    work::Work,
};
use crate::{
    authz::{
        Authorized, Org, PersonRef,
        door::{AHEAD, LinkFacts, Proof, SendLink, SetPassword, SignIn, Via, Which},
    },
    domain::{Asked, DAY, LinkId, LinkKind, Notice, OrgId, OutboxId, Role, Settings, Status, Timestamp, UserId},
};

/// A link for signing in, ready to be stored with its mail.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// Id of the link.
    pub id: LinkId,
    /// Generation among the person's links of its kind, from 1.
    pub generation: i64,
    /// SHA-256 of its token.
    pub hash: [u8; 32],
    /// SHA-256 of the mark of the browser that asked.
    pub browser: Option<[u8; 32]>,
    /// Whether the person has signed in from that browser before.
    pub known: bool,
    /// What it is about beside its person, as JSON.
    pub detail: Option<String>,
    /// The mail that carries it, with what it says of how it was asked for; none where the operator carries it.
    pub mail: Option<(OutboxId, Asked)>,
}

/// The generation that a person's next link of a kind has.
pub async fn next_generation(work: &mut Work, user_key: i64, kind: LinkKind) -> Result<i64, StoreError> {
    let row = work
        .tx
        .query("SELECT coalesce(max(generation), 0) + 1 FROM links WHERE user_key = $1 AND kind = $2")
        .bind(user_key)
        .bind(kind.as_str())
        .one()
        .await?;
    row.get(0)
}

/// Stores a link of somebody's, with whom it is asked for by where that is another person; its end.
pub(super) async fn insert(
    work: &mut Work,
    user_key: i64,
    kind: LinkKind,
    link: &NewLink,
    by: Option<UserId>,
) -> Result<Timestamp, StoreError> {
    let (org, now) = (work.org.number, work.now);
    let expires_at = now.plus(kind.lifetime());
    work.tx
        .query(
            "INSERT INTO links (id, org, user_key, kind, generation, hash, sent_at, expires_at, browser, known, detail, inviter_key)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, (SELECT key FROM users WHERE id = $12))",
        )
        .bind(link.id.as_uuid())
        .bind(org)
        .bind(user_key)
        .bind(kind.as_str())
        .bind(link.generation)
        .bind(link.hash)
        .bind(now)
        .bind(expires_at)
        .bind(link.browser)
        .bind(i64::from(link.known))
        .bind(link.detail.as_deref())
        .bind(by.map(|id| id.as_uuid()))
        .execute()
        .await?;
    Ok(expires_at)
}

/// Stores a link and queues its mail. Earlier ones stay alive for their few minutes: each is bound to its own browser, and a
/// stranger who asks must not end somebody's link.
pub async fn send(work: &mut Work, proof: Authorized<SendLink>, link: &NewLink) -> Result<Timestamp, StoreError> {
    let (action, stamp) = proof.into_parts();
    let key = action.person.person.key;
    let expires_at = insert(work, key, action.kind, link, None).await?;
    if let Some((mail, asked)) = &link.mail {
        outbox::queue(work, *mail, key, Some(link.id), action.kind.as_str(), Some(&asked.detail())).await?;
    }
    audit::append(work, Entry::done(stamp, vec![Change::set("expires_at", Said::Plain(expires_at.to_rfc3339()))])).await?;
    Ok(expires_at)
}

/// By whom links are asked for, as their budgets count them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedFrom {
    /// From browsers that the account does not know: to the mailbox, whatever organization sends.
    Stranger,
    /// From the browser with this mark, which the account knows.
    Known([u8; 32]),
    /// From any browser that the account knows.
    AnyKnown,
}

macro_rules! sent_sql {
    ($which:literal) => {
        concat!(
            "SELECT count(*) FROM (SELECT 1 AS one FROM links l JOIN users u ON u.key = l.user_key WHERE ",
            $which,
            " AND l.kind IN ('sign_in', 'reset', 'identity') AND l.sent_at > $2 LIMIT $3) counted"
        )
    };
}

/// How many links of some kinds were mailed since `since`, up to `up_to`.
pub async fn sent_to(work: &mut Work, user_key: i64, by: AskedFrom, since: Timestamp, up_to: i64) -> Result<i64, StoreError> {
    let (sql, mark) = match by {
        AskedFrom::Stranger => (sent_sql!("u.email_key = (SELECT email_key FROM users WHERE key = $1) AND l.known = 0"), None),
        AskedFrom::Known(mark) => (sent_sql!("l.user_key = $1 AND l.known = 1 AND l.browser = $4"), Some(mark)),
        AskedFrom::AnyKnown => (sent_sql!("l.user_key = $1 AND l.known = 1"), None),
    };
    let query = work.tx.query(sql).bind(user_key).bind(since).bind(up_to);
    let query = match mark {
        Some(mark) => query.bind(mark),
        None => query,
    };
    query.one().await?.get(0)
}

/// Ends one link of a person's because it was used; where it was mailed, they read their mailbox.
pub(super) async fn use_up(work: &mut Work, user_key: i64, link: &LinkFacts) -> Result<(), StoreError> {
    let now = work.now;
    match link.kind {
        LinkKind::SignIn | LinkKind::Reset | LinkKind::StartedReset | LinkKind::Identity | LinkKind::Invite => {
            work.tx.query("UPDATE users SET mailbox_read_at = $2 WHERE key = $1").bind(user_key).bind(now).execute().await?;
        }
        LinkKind::Operator => {}
    }
    work.tx
        .query("UPDATE links SET ended_at = $2, ended_as = 'used' WHERE id = $1 AND ended_at IS NULL")
        .bind(link.id.as_uuid())
        .bind(now)
        .execute()
        .await?;
    Ok(())
}

/// A link of the door with what its pages show.
#[derive(Clone, Debug)]
pub struct Link {
    /// What rules see.
    pub facts: LinkFacts,
    /// Where.
    pub org: Org,
    /// That organization's slug.
    pub slug: String,
    /// That organization's name.
    pub organization: String,
    /// What it decides about signing in.
    pub settings: Settings,
    /// Whose.
    pub person: PersonRef,
    /// First name now.
    pub first_name: String,
    /// Last name now.
    pub last_name: String,
    /// Address as typed at the invite.
    pub email: String,
    /// Its folded key.
    pub email_key: String,
    /// Role now.
    pub role: Role,
    /// Status now.
    pub status: Status,
    /// Whether there is a password.
    pub has_password: bool,
    /// When it was ended, if it was.
    pub ended_at: Option<Timestamp>,
    /// How many addresses were typed into its page in vain.
    pub guesses: i64,
    /// What it is about beside its person, as JSON.
    pub detail: Option<String>,
    /// What it is now.
    pub state: LinkState,
}

macro_rules! link_sql {
    ($where:literal) => {
        concat!(
            "SELECT l.id, l.kind, l.browser, l.sent_at, l.expires_at, l.ended_at, l.ended_as, l.guesses, l.detail, o.number, o.id, o.slug, o.name, o.settings,
                    o.suspended_at, u.key, u.id, u.first_name, u.last_name, u.email, u.email_key, u.role, u.status,
                    CAST(CASE WHEN u.password_hash IS NULL THEN 0 ELSE 1 END AS BIGINT)
               FROM links l JOIN users u ON u.key = l.user_key JOIN organizations o ON o.number = l.org
              WHERE l.kind <> 'invite' AND ",
            $where
        )
    };
}

/// Addresses that may be typed in vain into the page of one link: whoever was mailed it knows to which.
pub const GUESSES: i64 = 10;

/// Counts an address that is typed into a link's page, before it is compared; `false` where the link has had its last.
pub async fn guess(pool: &Pool, id: LinkId) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let query = tx.query("UPDATE links SET guesses = guesses + 1 WHERE id = $1 AND guesses < $2").bind(id.as_uuid()).bind(GUESSES);
    let counted = query.execute().await?;
    tx.commit().await?;
    Ok(counted > 0)
}

/// Takes back one that was right.
pub async fn guessed_right(pool: &Pool, id: LinkId) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    tx.query("UPDATE links SET guesses = guesses - 1 WHERE id = $1 AND guesses > 0").bind(id.as_uuid()).execute().await?;
    tx.commit().await
}

/// The link with this hash, as of `now`.
pub async fn by_hash(pool: &Pool, hash: [u8; 32], now: Timestamp) -> Result<Option<Link>, StoreError> {
    let row = pool.query(link_sql!("l.hash = $1")).bind(hash).optional().await?;
    row.map(|row| read(&row, now)).transpose()
}

/// The same inside a unit of work.
pub async fn by_hash_locked(work: &mut Work, hash: [u8; 32]) -> Result<Option<Link>, StoreError> {
    let now = work.now;
    let row = work.tx.query(link_sql!("l.hash = $1")).bind(hash).optional().await?;
    row.map(|row| read(&row, now)).transpose()
}

fn hash_of(bytes: Option<Vec<u8>>) -> Result<Option<[u8; 32]>, StoreError> {
    bytes.map(|bytes| bytes.try_into().map_err(|_| StoreError::Corrupt("a hash has 32 bytes".to_owned()))).transpose()
}

fn read(row: &Row, now: Timestamp) -> Result<Link, StoreError> {
    let mut c = row.columns();
    let id = LinkId::from_uuid(c.take()?);
    let kind = c.parse(LinkKind::parse)?;
    let browser = hash_of(c.take()?)?;
    // The clock went back since, and nobody knows how old it is.
    let lies_ahead = c.time()?.since(now) > AHEAD;
    let expires_at = c.time()?;
    let ended_at = c.maybe_time()?;
    let ended_as: Option<String> = c.take()?;
    let guesses: i64 = c.take()?;
    let detail = c.take()?;
    let org = Org { number: c.take()?, id: OrgId::from_uuid(c.take()?) };
    let (slug, organization) = (c.take()?, c.take()?);
    let settings = c.parse(Settings::parse)?;
    let suspended = c.maybe_time()?.is_some();
    let guessed = guesses >= GUESSES;
    let state = match LinkState::of(ended_as.as_deref(), suspended, expires_at, now) {
        LinkState::Live if guessed => LinkState::Withdrawn,
        LinkState::Live if lies_ahead => LinkState::Expired,
        state => state,
    };
    Ok(Link {
        facts: LinkFacts { id, kind, ended: ended_at.is_some() || suspended || guessed || lies_ahead, expires_at, browser },
        org,
        slug,
        organization,
        settings,
        person: PersonRef { key: c.take()?, id: UserId::from_uuid(c.take()?) },
        first_name: c.take()?,
        last_name: c.take()?,
        email: c.take()?,
        email_key: c.take()?,
        role: c.parse(Role::parse)?,
        status: c.parse(Status::parse)?,
        has_password: c.take::<i64>()? != 0,
        ended_at,
        guesses,
        detail,
        state,
    })
}

/// An account as the door finds it by address.
#[derive(Clone, Debug)]
pub struct Account {
    /// Where.
    pub org: Org,
    /// What that organization decides about signing in.
    pub settings: Settings,
    /// Who.
    pub person: PersonRef,
    /// Role now.
    pub role: Role,
    /// Status now.
    pub status: Status,
    /// PHC string of the password, if there is one.
    pub password_hash: Option<String>,
}

macro_rules! account_sql {
    ($where:literal) => {
        concat!(
            "SELECT o.number, o.id, o.settings, u.key, u.id, u.role, u.status, u.password_hash
               FROM users u JOIN organizations o ON o.number = u.org WHERE o.suspended_at IS NULL AND ",
            $where
        )
    };
}

fn read_account(row: &Row) -> Result<Account, StoreError> {
    let mut c = row.columns();
    Ok(Account {
        org: Org { number: c.take()?, id: OrgId::from_uuid(c.take()?) },
        settings: c.parse(Settings::parse)?,
        person: PersonRef { key: c.take()?, id: UserId::from_uuid(c.take()?) },
        role: c.parse(Role::parse)?,
        status: c.parse(Status::parse)?,
        password_hash: c.take()?,
    })
}

/// The account with this address in one organization.
pub async fn account(pool: &Pool, org: Org, email_key: &str) -> Result<Option<Account>, StoreError> {
    let query = pool.query(account_sql!("u.org = $1 AND u.email_key = $2")).bind(org.number).bind(email_key);
    query.optional().await?.map(|row| read_account(&row)).transpose()
}

/// All accounts with this address, whatever organization they are in: only whoever reads that mailbox is ever told of them. First
/// those that were looked at in the browser with this mark, the last one first; then those to which a link in the mailbox led before,
/// the oldest first; last what nobody but an organization's own provider has opened.
pub async fn accounts(pool: &Pool, email_key: &str, mark: [u8; 32]) -> Result<Vec<Account>, StoreError> {
    let sql = account_sql!(
        "u.email_key = $1 ORDER BY (SELECT coalesce(max(c.chosen_at), 0) FROM credentials c
                                     WHERE c.user_key = u.key AND c.kind = 'session' AND c.mark = $2) DESC,
           CASE WHEN u.mailbox_read_at IS NULL THEN 1 ELSE 0 END, u.key"
    );
    pool.query(sql).bind(email_key).bind(mark).all().await?.iter().map(read_account).collect()
}

/// The person's password hash under the lock.
pub async fn password_hash(work: &mut Work, user_key: i64) -> Result<Option<String>, StoreError> {
    work.tx.query("SELECT password_hash FROM users WHERE key = $1").bind(user_key).one().await?.get(0)
}

/// What the organization decides, under the lock.
pub async fn settings(work: &mut Work) -> Result<Settings, StoreError> {
    if let Some(settings) = &work.settings {
        return Ok(settings.clone());
    }
    let org = work.org.number;
    let row = work.tx.query("SELECT settings FROM organizations WHERE number = $1").bind(org).one().await?;
    let settings: Settings = row.parse(0, Settings::parse)?;
    work.settings = Some(settings.clone());
    Ok(settings)
}

/// Writes what the organization decides from now on, for whoever holds the proof; this work goes on by it.
pub(super) async fn write_settings(work: &mut Work, settings: Settings) -> Result<(), StoreError> {
    let org = work.org.number;
    work.tx.query("UPDATE organizations SET settings = $2 WHERE number = $1").bind(org).bind(settings.to_text()).execute().await?;
    work.settings = Some(settings);
    Ok(())
}

/// Whether anybody has signed in from the browser with this mark before, to any account.
pub async fn is_known_to_anybody(pool: &Pool, mark: [u8; 32]) -> Result<bool, StoreError> {
    Ok(pool.query("SELECT 1 FROM known_browsers WHERE browser = $1 LIMIT 1").bind(mark).optional().await?.is_some())
}

/// Whether a person has signed in from the browser with this mark before.
pub async fn is_known(pool: &Pool, user_key: i64, mark: Option<[u8; 32]>) -> Result<bool, StoreError> {
    // Asked also without a mark or a person, so that every visitor costs the same statements.
    let query = pool.query("SELECT 1 FROM known_browsers WHERE user_key = $1 AND browser = $2");
    Ok(query.bind(user_key).bind(mark.unwrap_or_default()).optional().await?.is_some())
}

/// Wrong passwords in a row after which a password alone opens nothing until its person came in by another way
/// (NIST SP 800-63B-4, throttling).
pub const LAST_TRY: i64 = 100;
/// The most that are counted: by then the wait between two is the longest.
const MOST: i64 = LAST_TRY - 1;
/// How many of them a day takes away. Time does that for every address alike, and nothing else does where strangers are counted: what
/// somebody is told there must not depend on whether anybody came in.
const MELLOWED_A_DAY: i64 = 10;

/// Wrong passwords in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// How many still count, by which the wait is measured.
    pub failures: i64,
    /// How many the row says.
    counted: i64,
    /// When the last one was.
    pub failed_at: Option<Timestamp>,
    /// Whether there were [`LAST_TRY`]. Time does not take that away, and nobody is told of it.
    pub used_up: bool,
}

/// A try that was counted before it was compared.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// What stood there before.
    pub before: Tries,
    /// When it was counted.
    at: Timestamp,
}

/// By whom tries are counted: an address (or somebody's second factor) in an organization, and what strangers cannot use up;
/// nothing stands for all strangers.
#[derive(Clone, Copy, Debug)]
pub struct Tried<'a> {
    /// Where.
    pub org: Org,
    /// Keyed hash of the address, or what stands for a second factor.
    pub mailbox: [u8; 32],
    /// The known browser's mark, an open session's id, or nothing.
    pub browser: &'a [u8],
}

const TRIES: &str = "SELECT failures, failed_at, used_up FROM sign_in_tries WHERE org = $1 AND address = $2 AND browser = $3";

impl Tries {
    /// What a row says, as of now.
    #[must_use]
    pub fn new(counted: i64, failed_at: Option<Timestamp>, used_up: bool, now: Timestamp) -> Self {
        let days = failed_at.map_or(0, |failed_at| now.since(failed_at).max(0) / DAY);
        let failures = (counted.min(MOST) - days.saturating_mul(MELLOWED_A_DAY)).max(0);
        // A version before this one counted on, and said no more.
        Self { failures, counted, failed_at, used_up: used_up || counted >= LAST_TRY }
    }

    /// What the row says after one more: how many, and whether they are used up.
    fn one_more(self) -> (i64, bool) {
        ((self.failures + 1).min(MOST), self.used_up || self.failures + 1 >= LAST_TRY)
    }
}

fn read_tries(row: Option<Row>, now: Timestamp) -> Result<Tries, StoreError> {
    let Some(row) = row else { return Ok(Tries::default()) };
    let mut c = row.columns();
    let (counted, failed_at) = (c.take()?, c.maybe_time()?);
    Ok(Tries::new(counted, failed_at, c.take::<i64>()? != 0, now))
}

impl Tried<'_> {
    /// What stands against it.
    pub async fn read(&self, pool: &Pool, now: Timestamp) -> Result<Tries, StoreError> {
        let query = pool.query(TRIES).bind(self.org.number).bind(self.mailbox).bind(self.browser.to_vec());
        read_tries(query.optional().await?, now)
    }

    /// The same under the lock.
    pub async fn read_locked(&self, work: &mut Work) -> Result<Tries, StoreError> {
        let now = work.now;
        let query = work.tx.query(TRIES).bind(self.org.number).bind(self.mailbox).bind(self.browser.to_vec());
        read_tries(query.optional().await?, now)
    }

    /// Counts a wrong one under the lock.
    pub async fn wrong(&self, work: &mut Work) -> Result<(), StoreError> {
        let now = work.now;
        // As many as still count, and one: what time took away does not come back.
        let (failures, used_up) = self.read_locked(work).await?.one_more();
        work.tx
            .query(
                "INSERT INTO sign_in_tries (org, address, browser, failures, failed_at, used_up) VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (org, address, browser) DO UPDATE SET failures = $4, failed_at = $5, used_up = $6",
            )
            .bind(self.org.number)
            .bind(self.mailbox)
            .bind(self.browser.to_vec())
            .bind(failures)
            .bind(now)
            .bind(i64::from(used_up))
            .execute()
            .await?;
        Ok(())
    }

    /// Forgets them: the password was right.
    pub async fn forgive(&self, pool: &Pool) -> Result<(), StoreError> {
        let mut tx = pool.begin().await?;
        tx.query("DELETE FROM sign_in_tries WHERE org = $1 AND address = $2 AND browser = $3")
            .bind(self.org.number)
            .bind(self.mailbox)
            .bind(self.browser.to_vec())
            .execute()
            .await?;
        tx.commit().await
    }

    /// Counts one more, before the password is compared, so that many tries at once count as many. `None` where another try
    /// was counted since `before` was read: then this one has to wait its turn.
    pub async fn count(&self, pool: &Pool, before: Tries, now: Timestamp) -> Result<Option<Counted>, StoreError> {
        let (failures, used_up) = before.one_more();
        let mut tx = pool.begin().await?;
        let counted = tx
            .query(
                "INSERT INTO sign_in_tries (org, address, browser, failures, failed_at) VALUES ($1, $2, $3, 1, $4)
                 ON CONFLICT (org, address, browser) DO UPDATE SET failures = $6, failed_at = $4, used_up = $7
                  WHERE sign_in_tries.failures = $5 AND sign_in_tries.failed_at = $8",
            )
            .bind(self.org.number)
            .bind(self.mailbox)
            .bind(self.browser.to_vec())
            .bind(now)
            .bind(before.counted)
            .bind(failures)
            .bind(i64::from(used_up))
            .bind(before.failed_at.map_or(-1, Timestamp::as_millis))
            .execute()
            .await?;
        tx.commit().await?;
        Ok((counted > 0).then_some(Counted { before, at: now }))
    }

    /// Takes back one that was none in vain: it is as if it had not been, so that nobody sees from the waits that somebody came in.
    /// Where others were counted after it, those stay.
    pub async fn take_back(&self, pool: &Pool, counted: Counted) -> Result<(), StoreError> {
        let Counted { before, at } = counted;
        let mut tx = pool.begin().await?;
        let as_before = tx
            .query(
                "UPDATE sign_in_tries SET failures = $6, failed_at = $7, used_up = $8
                  WHERE org = $1 AND address = $2 AND browser = $3 AND failures = $4 AND failed_at = $5",
            )
            .bind(self.org.number)
            .bind(self.mailbox)
            .bind(self.browser.to_vec())
            .bind(before.failed_at.map_or(1, |_| before.one_more().0))
            .bind(at)
            .bind(before.counted)
            .bind(before.failed_at.unwrap_or(at))
            .bind(i64::from(before.used_up))
            .execute()
            .await?;
        if as_before == 0 {
            tx.query("UPDATE sign_in_tries SET failures = failures - 1 WHERE org = $1 AND address = $2 AND browser = $3")
                .bind(self.org.number)
                .bind(self.mailbox)
                .bind(self.browser.to_vec())
                .execute()
                .await?;
        }
        tx.query("DELETE FROM sign_in_tries WHERE org = $1 AND address = $2 AND browser = $3 AND failures <= 0 AND used_up = 0")
            .bind(self.org.number)
            .bind(self.mailbox)
            .bind(self.browser.to_vec())
            .execute()
            .await?;
        tx.commit().await
    }
}

/// Forgives what was tried in vain: by one browser or session, or by everybody (requirement 46).
pub(super) async fn forgive(work: &mut Work, address: [u8; 32], only: Option<Vec<u8>>) -> Result<(), StoreError> {
    let org = work.org.number;
    work.tx
        .query("DELETE FROM sign_in_tries WHERE org = $1 AND address = $2 AND ($3 IS NULL OR browser = $3)")
        .bind(org)
        .bind(address)
        .bind(only)
        .execute()
        .await?;
    Ok(())
}

/// Forgives what was tried in vain at the door, because its person came in by another way than the password: all that known
/// browsers tried. Strangers' tries go on counting, so that nobody sees from outside that somebody came; only where they had
/// used up the password it opens again, after the wait that they made, which is as long as it would be.
async fn forgive_at_the_door(work: &mut Work, address: [u8; 32]) -> Result<(), StoreError> {
    let org = work.org.number;
    work.tx
        .query("DELETE FROM sign_in_tries WHERE org = $1 AND address = $2 AND length(browser) > 0")
        .bind(org)
        .bind(address)
        .execute()
        .await?;
    work.tx
        .query(
            "UPDATE sign_in_tries SET used_up = 0, failures = CASE WHEN failures > $3 THEN $3 ELSE failures END
              WHERE org = $1 AND address = $2",
        )
        .bind(org)
        .bind(address)
        .bind(MOST)
        .execute()
        .await?;
    Ok(())
}

/// Whether a browser, by its mark, is known to an account.
pub(super) async fn knows(work: &mut Work, key: i64, mark: &[u8]) -> Result<bool, StoreError> {
    let query = work.tx.query("SELECT 1 FROM known_browsers WHERE user_key = $1 AND browser = $2");
    Ok(query.bind(key).bind(mark.to_vec()).optional().await?.is_some())
}

/// A browser, by its mark, is known to an account from now on.
pub(super) async fn know(work: &mut Work, key: i64, mark: &[u8]) -> Result<(), StoreError> {
    let now = work.now;
    work.tx
        .query(
            "INSERT INTO known_browsers (user_key, browser, first_at, last_at) VALUES ($1, $2, $3, $3)
             ON CONFLICT (user_key, browser) DO UPDATE SET last_at = $3",
        )
        .bind(key)
        .bind(mark.to_vec())
        .bind(now)
        .execute()
        .await?;
    Ok(())
}

/// What a sign-in leaves behind: its browser is known once nothing more is asked of it, an Administrator is told of one that
/// was not, and wrong passwords are forgiven: after a password those of the same known browser, after any other way those of all
/// (requirement 46).
pub(super) async fn came_in(work: &mut Work, key: i64, action: &SignIn) -> Result<(), StoreError> {
    let was_known = match action.mark {
        Some(mark) => knows(work, key, &mark).await?,
        None => false,
    };
    match (action.via, action.mark.filter(|_| was_known)) {
        (Via::Password, Some(mark)) => forgive(work, action.mailbox, Some(mark.to_vec())).await?,
        // It was counted among strangers' tries, where it is taken back by itself.
        (Via::Password, None) => {}
        (Via::Link | Via::Operator | Via::Sso | Via::Invite, _) => forgive_at_the_door(work, action.mailbox).await?,
    }
    // Who has just accepted an invite in a browser knows that they did.
    if action.tells && !was_known && !matches!(action.proof, Proof::Invite) {
        notices::tell(work, key, &Notice::NewBrowser { browser: Some(action.label.clone()) }).await?;
    }
    // A browser that has only half of what is asked for must get nothing that strangers have not.
    match (action.mark, action.waits_for) {
        (Some(mark), None) => know(work, key, &mark).await,
        (None, _) | (Some(_), Some(_)) => Ok(()),
    }
}

/// Ends the links of some kinds that are out to a person.
pub(super) async fn end_links(work: &mut Work, key: i64, kinds: &[LinkKind]) -> Result<(), StoreError> {
    let now = work.now;
    for kind in kinds {
        work.tx
            .query("UPDATE links SET ended_at = $3, ended_as = 'superseded' WHERE user_key = $1 AND kind = $2 AND ended_at IS NULL")
            .bind(key)
            .bind(kind.as_str())
            .bind(now)
            .execute()
            .await?;
    }
    Ok(())
}

/// Stores a new password; all other sessions end, so do links to come in by, and the person is told by mail (requirement 47).
pub async fn set_password(work: &mut Work, proof: Authorized<SetPassword>) -> Result<u64, StoreError> {
    use crate::authz::door::PasswordProof;
    let (action, stamp) = proof.into_parts();
    let person = action.person.person;
    let key = person.key;
    let broke_glass = notices::breaks_glass(work, key).await?;
    let first = password_hash(work, key).await?.is_none();
    work.tx
        .query("UPDATE users SET password_hash = $2, version = version + 1 WHERE key = $1")
        .bind(key)
        .bind(action.password_hash.as_str())
        .execute()
        .await?;
    let mut asked_in = None;
    if let PasswordProof::Link { link, .. } = &action.proof {
        use_up(work, key, link).await?;
        // A mailbox is another way than the password.
        forgive_at_the_door(work, action.mailbox).await?;
        asked_in = link.browser;
    }
    end_links(work, key, &[LinkKind::StartedReset]).await?;
    let ended = match action.keep {
        Some((session, browser)) => {
            super::sessions::renew(work, session, browser).await?;
            super::sessions::end_of(work, key, Which::Others(session), Here::Session(session.as_uuid())).await?
        }
        None => super::sessions::end_of(work, key, Which::All, asked_in.map_or(Here::Elsewhere, Here::Mark)).await?,
    };
    notices::tell(work, key, &Notice::PasswordChanged { browser: Some(action.browser), first }).await?;
    notices::break_glass(work, person, broke_glass, notices::by(&stamp)).await?;
    work.actor_name = Some(action.person.name);
    audit::append(work, Entry::done(stamp, vec![Change::set("sessions_ended", Said::Plain(ended.to_string()))])).await?;
    Ok(ended)
}

/// Takes away tries that nobody went on with since `tries`, and browsers that nobody signed in from since `browsers`.
pub async fn sweep(pool: &Pool, tries: Timestamp, browsers: Timestamp) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    tx.query("DELETE FROM sign_in_tries WHERE failed_at < $1").bind(tries).execute().await?;
    tx.query("DELETE FROM known_browsers WHERE last_at < $1").bind(browsers).execute().await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_takes_tries_away_alike_whether_they_are_used_up_or_not() {
        let failed_at = Timestamp::from_millis(1_764_000_000_000);
        let after = |counted, used_up, days| Tries::new(counted, Some(failed_at), used_up, failed_at.plus(days * DAY));
        for used_up in [false, true] {
            let left = |counted, days| after(counted, used_up, days).failures;
            assert_eq!([left(8, 0), left(8, 1), left(99, 1), left(99, 9), left(99, 10)], [8, 0, 89, 9, 0]);
            assert_eq!([left(100, 0), left(500, 9), left(500, 10)], [99, 9, 0], "as an earlier version counted");
            assert_eq!(after(8, used_up, -1).failures, 8, "a clock that went back takes nothing away");
        }
        assert!(after(99, true, 80).used_up && after(100, false, 80).used_up, "until its person came in by another way");
        assert!(!after(99, false, 0).used_up);
    }

    #[test]
    fn the_hundredth_in_a_row_is_the_last() {
        let now = Timestamp::from_millis(1_764_000_000_000);
        let mut tries = Tries::default();
        for n in 1..=150 {
            let (counted, used_up) = tries.one_more();
            tries = Tries::new(counted, Some(now), used_up, now);
            assert_eq!((tries.failures, tries.used_up), (n.min(99), n >= 100), "{n}");
        }
    }
}
