//! The second factor: set up, shown where it is asked for, taken away.
//!
//! What was typed is compared before the lock; under it the row must still hold that secret, and the code's step must come
//! after the last one used. A wrong code is counted there too, so that many tries at once, on however many nodes, count as
//! many. The waits between them grow as with passwords, and like those nobody's are used up by others: a browser that was
//! here before has a count of its own, and so have the recovery codes of each session, which nobody guesses.

use super::{
    About, Call, Done, Writing, invalid, limits,
    me::note_refusal,
    retrying,
    signing_in::{Opened, wait_left},
};
use crate::{
    app::App,
    authn::{
        session::{self, Browser},
        totp::{RECOVERY_CODES, Secret, Typed, recovery_code},
    },
    authz::{
        self, Action as _, Standing,
        door::Proved,
        second_factor::{
            ConfirmSecondFactor, EnrolSecondFactor, FactorFacts, FactorProof, PassSecondFactor, RemoveSecondFactor, ResetSecondFactor,
        },
    },
    domain::{Settings, Timestamp, UserId},
    error::{Budget, Error},
    keys::{Cell, sha256},
    store::{
        door::{Tried, Tries},
        listed::Listed,
        people::{self, Who},
        second_factor::{self, Holder},
        sessions::Session,
    },
};
use zeroize::Zeroizing;

/// Why no code is taken any more.
const LOCKED: &str = "Too many wrong codes in a row: your app’s are not taken here any more. Type one of your recovery codes, or sign in from a browser that you used before. Without both ask an Administrator of your organization, or whoever runs this server, to reset your second factor; then set up a new one.";

/// A secret that waits for its first code, as the page shows it.
#[derive(Debug)]
pub struct SetUp {
    /// For typing.
    pub groups: Zeroizing<String>,
    /// For scanning and copying.
    pub address: Zeroizing<String>,
}

impl SetUp {
    fn of(secret: &Secret, session: &Session) -> Self {
        Self { groups: secret.in_groups(), address: secret.address(&session.organization, &session.email) }
    }
}

/// A second factor that counts from now on.
#[derive(Clone, Debug)]
pub struct Confirmed {
    /// Recovery codes: shown once, and kept nowhere.
    pub recovery_codes: Vec<Zeroizing<String>>,
    /// The session's new cookie.
    pub opened: Opened,
    /// Address of whose it is.
    pub email: String,
    /// Name of the organization that they sign in to by it.
    pub organization: String,
}

/// A call of a session, whatever it waits for: what is done here needs no permission.
#[must_use]
pub fn call(app: &App, session: &Session) -> Call {
    Call::numbered(app, session::actor(session), Standing::nothing())
}

/// Opens a sealed secret, which belongs to this very person.
fn secret_of(app: &App, session: &Session, sealed: &str) -> Result<Secret, Error> {
    let row = session.person.key.to_string();
    let opened = app.keyring.open_cell(&cell(session, &row), sealed);
    opened
        .and_then(|bytes| Secret::from_bytes(&bytes))
        .ok_or_else(|| Error::Internal("the secret of a second factor cannot be opened with this keyring".to_owned()))
}

fn cell<'a>(session: &Session, row: &'a str) -> Cell<'a> {
    Cell { org: session.org.number, table: "second_factors", row, column: "secret" }
}

/// Begins to set one up: a new secret, which counts for nothing before [`confirm`].
///
/// Errors: [`Error::SignInRefused`] where there is one already, or the person was not proved within the last ten minutes.
pub async fn begin(app: &App, session: &Session) -> Result<SetUp, Error> {
    let secret = Secret::new(&app.random);
    let row = session.person.key.to_string();
    let sealed = app.keyring.seal_cell(&app.random, &cell(session, &row), secret.as_bytes());
    let call = call(app, session);
    retrying(|| begin_once(app, &call, session, &sealed)).await?;
    Ok(SetUp::of(&secret, session))
}

async fn begin_once(app: &App, call: &Call, session: &Session, sealed: &str) -> Result<(), Error> {
    let mut writing = Writing::begin::<EnrolSecondFactor>(app, call, true).await?;
    let result = async {
        let found = people::facts(&mut writing.work, &Who::Id(session.person.id)).await?.ok_or(Error::UserNotFound)?;
        let factor = second_factor::of_person_locked(&mut writing.work, session.person.key).await?;
        let action = EnrolSecondFactor {
            person: found.facts,
            has_one: factor.is_some_and(|factor| factor.facts.confirmed),
            proved_at: session.proved_at,
            sealed: sealed.to_owned(),
            now: writing.work.now(),
        };
        let proof = authz::authorize(&call.actor, &writing.standing, action)?;
        second_factor::enrol(&mut writing.work, proof).await?;
        Ok(Done { value: (), changed: true, about: About::default() })
    }
    .await;
    writing.finish(result).await
}

/// The secret that waits for its first code, if there is one that still may be confirmed.
pub async fn pending(app: &App, session: &Session) -> Result<Option<SetUp>, Error> {
    let factor = second_factor::of_person(&app.pool, session.person.key).await?;
    let Some(factor) = factor.filter(|factor| ConfirmSecondFactor::is_in_time(&factor.facts, app.clock.now())) else { return Ok(None) };
    Ok(Some(SetUp::of(&secret_of(app, session, &factor.sealed)?, session)))
}

/// Confirms the secret by its first code: from now on it is asked for. All other sessions end.
///
/// Errors: [`Error::SignInRefused`] for a wrong code, or where nothing waits for one; [`Error::RateLimited`] while a wait lasts.
pub async fn confirm(app: &App, session: &Session, browser: &Browser, typed: &str) -> Result<Confirmed, Error> {
    let recovery_codes: Vec<_> = (0..RECOVERY_CODES).map(|_| recovery_code(&app.random)).collect();
    let hashes = recovery_codes.iter().filter_map(|code| Typed::parse(code)).filter_map(|typed| match typed {
        Typed::Recovery(hash) => Some(hash),
        Typed::Code(_) => None,
    });
    let opened = Opened { cookie: browser.next_cookie(app) };
    let use_for = For::Confirming { recovery_codes: hashes.collect(), browser: sha256(opened.cookie.as_bytes()) };
    show(app, session, browser, typed, &use_for).await?;
    Ok(Confirmed { recovery_codes, opened, email: session.email.clone(), organization: session.organization.clone() })
}

/// Shows a code where one is asked for: the session opens. In one that is open it proves the person anew, as something
/// weighty asks for.
///
/// Errors: [`Error::SignInRefused`] for a wrong or used code; [`Error::RateLimited`] while a wait lasts.
pub async fn pass(app: &App, session: &Session, browser: &Browser, typed: &str) -> Result<Opened, Error> {
    let opened = Opened { cookie: browser.next_cookie(app) };
    show(app, session, browser, typed, &For::Passing { browser: sha256(opened.cookie.as_bytes()) }).await?;
    Ok(opened)
}

/// Takes one's own second factor away. All other sessions end.
///
/// Errors: as [`pass`].
pub async fn remove(app: &App, session: &Session, browser: &Browser, typed: &str) -> Result<Opened, Error> {
    let opened = Opened { cookie: browser.next_cookie(app) };
    show(app, session, browser, typed, &For::Removing { browser: sha256(opened.cookie.as_bytes()) }).await?;
    Ok(opened)
}

/// What a code is shown for.
enum For {
    Confirming { recovery_codes: Vec<[u8; 32]>, browser: [u8; 32] },
    Passing { browser: [u8; 32] },
    Removing { browser: [u8; 32] },
}

impl For {
    fn action(&self) -> &'static str {
        match self {
            Self::Confirming { .. } => ConfirmSecondFactor::NAME,
            Self::Passing { .. } => PassSecondFactor::NAME,
            Self::Removing { .. } => RemoveSecondFactor::NAME,
        }
    }
}

/// What was typed, compared with a secret; and where, in words.
struct Compared {
    typed: Typed,
    /// By whom it is counted if it is wrong.
    by: Vec<u8>,
    step: Option<i64>,
    sealed: String,
    label: String,
}

/// By whom wrong codes are counted: a browser that was here before, else all strangers together. A recovery code has 80 bits,
/// so that whoever tries one is held up alone.
fn counted_by(typed: &Typed, session: &Session) -> Vec<u8> {
    match typed {
        Typed::Code(_) => session.known_mark.clone().unwrap_or_default(),
        Typed::Recovery(_) => session.id.as_uuid().as_bytes().to_vec(),
    }
}

fn tried<'a>(session: &Session, by: &'a [u8]) -> Tried<'a> {
    Tried { org: session.org, mailbox: second_factor::counted_as(session.person.key), browser: by }
}

/// Refuses while a wait lasts, and for good after so many wrong codes that somebody is guessing.
fn hold_up(tries: Tries, now: Timestamp) -> Result<(), Error> {
    if tries.used_up {
        return Err(Error::Conflict(LOCKED));
    }
    match wait_left(tries, now) {
        Some(wait) => Err(Error::RateLimited { budget: Budget::SignIn, retry_after_ms: wait }),
        None => Ok(()),
    }
}

async fn show(app: &App, session: &Session, browser: &Browser, typed: &str, use_for: &For) -> Result<(), Error> {
    let typed = Typed::parse(typed).ok_or_else(|| {
        invalid("code", "This is no code.", "Type the six digits that your app shows now, or one of your recovery codes.")
    })?;
    let factor = second_factor::of_person(&app.pool, session.person.key).await?.ok_or(Error::SignInRefused)?;
    let now = app.clock.now();
    let by = counted_by(&typed, session);
    hold_up(tried(session, &by).read(&app.pool, now).await?, now)?;
    let step = match &typed {
        Typed::Code(code) => secret_of(app, session, &factor.sealed)?.step_of(code, now),
        Typed::Recovery(_) => None,
    };
    let compared = Compared { typed, by, step, sealed: factor.sealed, label: browser.label.clone() };
    let call = call(app, session);
    let counts = retrying(|| show_once(app, &call, session, &compared, use_for)).await?;
    if counts {
        return Ok(());
    }
    // Whoever guesses here has the rest already.
    note_refusal(app, &call, session, use_for.action());
    Err(Error::SignInRefused)
}

/// Whether the code counted. One that does not is counted itself, so that is no refusal that takes everything back.
async fn show_once(app: &App, call: &Call, session: &Session, compared: &Compared, use_for: &For) -> Result<bool, Error> {
    // All three need nothing but to be one's own.
    let mut writing = Writing::begin::<PassSecondFactor>(app, call, true).await?;
    let result = async {
        let counts = use_code(&mut writing, call, session, compared, use_for).await?;
        if counts {
            writing.mails();
            let all = match (&compared.typed, use_for) {
                (Typed::Recovery(_), _) | (_, For::Confirming { .. }) => true,
                (Typed::Code(_), For::Passing { .. } | For::Removing { .. }) => false,
            };
            second_factor::forgive(&mut writing.work, session.person.key, (!all).then(|| compared.by.clone())).await?;
        } else {
            tried(session, &compared.by).wrong(&mut writing.work).await?;
        }
        Ok(Done { value: counts, changed: true, about: About::default() })
    }
    .await;
    writing.finish(result).await
}

async fn use_code(writing: &mut Writing<'_>, call: &Call, session: &Session, compared: &Compared, use_for: &For) -> Result<bool, Error> {
    let (key, now) = (session.person.key, writing.work.now());
    let work = &mut writing.work;
    let found = people::facts(work, &Who::Id(session.person.id)).await?.ok_or(Error::UserNotFound)?;
    let factor = second_factor::of_person_locked(work, key).await?.ok_or(Error::SignInRefused)?;
    hold_up(tried(session, &compared.by).read_locked(work).await?, now)?;
    // Another secret since: what was typed was compared with none that is there.
    let same = factor.sealed == compared.sealed;
    let proof = match compared.typed {
        Typed::Code(_) => FactorProof::Code { step: compared.step.filter(|_| same) },
        Typed::Recovery(hash) => FactorProof::Recovery { hash, unused: second_factor::is_unused(work, key, hash).await? },
    };
    let facts: FactorFacts = factor.facts;
    if !proof.counts(&facts) {
        return Ok(false);
    }
    let tells = match use_for {
        For::Passing { .. } => limits::tells_of_a_new_browser(writing, found.facts.role, key).await?,
        // Of these a letter of their own tells.
        For::Confirming { .. } | For::Removing { .. } => false,
    };
    let work = &mut writing.work;
    let (actor, standing, person, session, label) = (&call.actor, &writing.standing, found.facts, session.id, compared.label.clone());
    match use_for {
        For::Confirming { recovery_codes, browser } => {
            let (recovery_codes, browser) = (recovery_codes.clone(), *browser);
            let action = ConfirmSecondFactor { person, factor: facts, proof, recovery_codes, session, browser, label, now };
            second_factor::confirm(work, authz::authorize(actor, standing, action)?).await?;
        }
        For::Passing { browser } => {
            let action = PassSecondFactor { person, factor: facts, proof, session, browser: *browser, label, tells };
            second_factor::pass(work, authz::authorize(actor, standing, action)?).await?;
        }
        For::Removing { browser } => {
            let action = RemoveSecondFactor { person, factor: facts, proof, session, browser: *browser, label };
            second_factor::remove(work, authz::authorize(actor, standing, action)?).await?;
        }
    }
    Ok(true)
}

/// Who has a second factor, and who lacks one that is demanded: a page of them, for whoever may take one away.
///
/// Errors: what no Administrator is answered.
pub async fn list(app: &App, call: &Call, settings: &Settings, after: Option<UserId>) -> Result<Listed<Holder>, Error> {
    authz::needs::<ResetSecondFactor>(&call.actor, &call.standing, false)?;
    Ok(second_factor::list(&app.pool, call.actor.org(), settings.second_factor, after).await?)
}

/// Somebody who has a second factor, for whoever may take it away; `None` where they have none, or nobody is there.
///
/// Errors: as [`list`].
pub async fn of(app: &App, call: &Call, id: UserId) -> Result<Option<Holder>, Error> {
    authz::needs::<ResetSecondFactor>(&call.actor, &call.standing, false)?;
    Ok(second_factor::holder(&app.pool, call.actor.org(), id).await?)
}

/// Takes somebody's second factor away, as another Administrator or on the host; all their sessions end. `false` where there
/// was none.
///
/// `proved_at` is when the Administrator was last proved; the host proves nobody.
///
/// Errors: [`Error::SignInRefused`] for one's own; `NotProvedAnew` where that is longer than ten minutes ago.
pub async fn reset(app: &App, call: &Call, user: &str, proved_at: Option<Timestamp>) -> Result<bool, Error> {
    let who = super::parse::who("user", user)?;
    let mut writing = Writing::begin::<ResetSecondFactor>(app, call, false).await?;
    let result = async {
        let found = people::facts(&mut writing.work, &who).await?.ok_or(Error::UserNotFound)?;
        let action = ResetSecondFactor { person: found.facts, proved: Proved { at: proved_at, now: writing.work.now() } };
        let proof = authz::authorize(&call.actor, &writing.standing, action)?;
        let changed = second_factor::reset(&mut writing.work, proof).await?;
        writing.mails();
        Ok(Done { value: changed, changed, about: About::default() })
    }
    .await;
    writing.finish(result).await
}
