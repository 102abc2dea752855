//! At the door: signing in by password or mailed link, choosing a new password, links made on the host.
//!
//! Nothing that somebody at the door is told, and no time it takes, depends on whether an address is known. A request for a
//! link is only noted ([`knock`]); who lives behind the address is looked up afterwards, by [`answer`]. A password is
//! compared with a hash that belongs to nobody where there is no account.

mod links;

pub(super) use links::not_suspended;
pub use links::{Knock, answer, knock, look, operator_link};
pub(super) use links::{LINK_BUDGET, Letter, machine, new_link, send_link};

use super::{About, Call, Done, Writing, limits, retrying};
use crate::{
    app::App,
    authn::{password, session::Browser},
    authz::{
        self, Actor, CredentialKind, Scopes, Standing, Surface,
        action::PersonFacts,
        door::{AHEAD, PasswordProof, Proof, SetPassword, SignIn, Via, WaitsFor, demands_second_factor},
    },
    domain::{ConnectionId, CredentialId, DAY, Email, LinkKind, MINUTE, RequestId, SECOND, Timestamp},
    error::{Budget, Error},
    gather::Named,
    keys::sha256,
    store::{
        door::{self, Counted, Link, Tried, Tries},
        links::LinkState,
        organizations::Organization,
        people::{self, Who},
        second_factor, sessions, sso,
    },
};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Wrong passwords in a row that cost no wait.
const FREE_TRIES: i64 = 5;
/// How long the wait between two tries grows at most.
const LONGEST_WAIT: i64 = 15 * MINUTE;
/// After which time wrong passwords are forgotten.
pub const TRIES_KEPT: i64 = 90 * DAY;
/// After which time a browser that nobody signed in from is forgotten: as long as browsers keep any cookie.
pub const BROWSERS_KEPT: i64 = 400 * DAY;

/// An open session: what the browser's cookie is from now on.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The cookie's new value.
    pub cookie: Zeroizing<String>,
}

/// A person who is about to come in, as they showed themselves.
pub(super) struct Arrival {
    pub(super) person: crate::authz::PersonRef,
    pub(super) org: authz::Org,
    pub(super) kind: CredentialKind,
    pub(super) credential: Uuid,
    pub(super) via: Via,
    pub(super) mailbox: [u8; 32],
}

impl Arrival {
    pub(super) fn call(&self, request_id: RequestId) -> Call {
        let credential = (self.kind, self.credential);
        let actor = Actor::person(self.org, self.person, credential, Scopes { write: true }, Surface::Web, None);
        Call::new(actor, Standing::nothing(), request_id)
    }
}

/// What a sign-in writes beside who comes in.
struct Admission<'a> {
    browser: &'a Browser,
    cookie: [u8; 32],
    moved_from: Option<[u8; 32]>,
    rehash: Option<String>,
}

/// What was shown at the door, to be looked at again under the lock.
#[derive(Clone, Copy)]
pub(super) enum Shown<'a> {
    /// A password that was compared with this hash.
    Password(Option<&'a str>),
    /// A link's token.
    Link(&'a str),
    /// A mailbox, by its folded address, that a link just opened for another account.
    Mailbox(&'a str),
    /// An identity, by a connection, its issuer and its subject; and the journey that brought it, which is spent by it.
    Identity(ConnectionId, &'a str, &'a str, Option<[u8; 32]>),
    /// An invite that was just accepted.
    Invite,
}

impl Shown<'_> {
    async fn proof(self, writing: &mut Writing<'_>, person: &PersonFacts, browser: &Browser) -> Result<Proof, Error> {
        let work = &mut writing.work;
        Ok(match self {
            Self::Password(compared) => {
                Proof::Password { unchanged: door::password_hash(work, person.person.key).await?.as_deref() == compared }
            }
            Self::Link(token) => {
                let link = door::by_hash_locked(work, sha256(token.as_bytes())).await?.ok_or(Error::DeadLink)?;
                Proof::Link { link: link.facts, browser: browser.mark }
            }
            Self::Mailbox(email_key) => {
                let found = people::facts(work, &Who::EmailKey(email_key.to_owned())).await?;
                Proof::Mailbox { same_address: found.is_some_and(|found| found.facts.person == person.person) }
            }
            Self::Identity(connection, issuer, subject, journey) => {
                if let Some(journey) = journey {
                    super::sso::spend(work, journey).await?;
                }
                let connected = sso::is_connected(work, connection).await?;
                let linked = sso::linked_and_used(work, connection, issuer, subject).await?;
                Proof::Identity { linked: connected && linked.is_some_and(|linked| linked.person == person.person) }
            }
            Self::Invite => Proof::Invite,
        })
    }
}

/// Opens a session under a new cookie, to which the browser's other accounts move.
pub(super) async fn come_in(
    app: &App,
    arrival: &Arrival,
    browser: &Browser,
    request_id: RequestId,
    shown: Shown<'_>,
    rehash: Option<String>,
) -> Result<Opened, Error> {
    let cookie = browser.next_cookie(app);
    let admission = Admission { browser, cookie: sha256(cookie.as_bytes()), moved_from: browser.cookie, rehash };
    admit(app, arrival, request_id, &admission, shown).await?;
    Ok(Opened { cookie })
}

/// Opens one account more beside one that was opened just now by the same proof. Where that one stays shut (its person is
/// deactivated or Pending there, or the way is closed) or fails, the others go on: the browser must get the cookie to which
/// all its accounts have moved.
pub(super) async fn come_in_beside(
    app: &App,
    arrival: &Arrival,
    browser: &Browser,
    request_id: RequestId,
    shown: Shown<'_>,
    opened: &Opened,
) {
    let cookie = sha256(opened.cookie.as_bytes());
    // The cookie has moved already; a session that the same person still has there ends here.
    let admission = Admission { browser, cookie, moved_from: Some(cookie), rehash: None };
    match admit(app, arrival, request_id, &admission, shown).await {
        Ok(()) | Err(Error::UserDeactivated | Error::InviteNotPending(_) | Error::SignInRefused) => {}
        Err(error) => tracing::error!(%request_id, ?error, "an account beside another did not open"),
    }
}

/// Opens one session.
async fn admit(app: &App, arrival: &Arrival, request_id: RequestId, admission: &Admission<'_>, shown: Shown<'_>) -> Result<(), Error> {
    let call = arrival.call(request_id);
    retrying(|| admit_once(app, arrival, &call, admission, shown)).await
}

async fn admit_once(app: &App, arrival: &Arrival, call: &Call, admission: &Admission<'_>, shown: Shown<'_>) -> Result<(), Error> {
    let mut writing = Writing::begin::<SignIn>(app, call, true).await?;
    let result = async {
        let found = people::facts(&mut writing.work, &Who::Id(arrival.person.id)).await?.ok_or(Error::SignInRefused)?;
        let settings = door::settings(&mut writing.work).await?;
        let proof = shown.proof(&mut writing, &found.facts, admission.browser).await?;
        let factor = second_factor::of_person_locked(&mut writing.work, arrival.person.key).await?;
        let waits_for = if factor.is_some_and(|factor| factor.facts.confirmed) {
            Some(WaitsFor::SecondFactor)
        } else {
            demands_second_factor(&settings, found.facts.role).then_some(WaitsFor::Enrolment)
        };
        // Who still has to show a second factor is not in: that is told of once they have.
        let tells = waits_for.is_none() && limits::tells_of_a_new_browser(&mut writing, found.facts.role, arrival.person.key).await?;
        let now = writing.work.now();
        let action = SignIn {
            person: found.facts,
            via: arrival.via,
            via_id: Some(arrival.credential),
            proof,
            settings,
            session: CredentialId::new(now, &app.random),
            label: admission.browser.label.clone(),
            browser: admission.cookie,
            moved_from: admission.moved_from,
            mark: admission.browser.mark,
            mailbox: arrival.mailbox,
            waits_for,
            tells,
            rehash: admission.rehash.clone(),
            now,
        };
        let proof = authz::authorize(&call.actor, &writing.standing, action)?;
        sessions::open(&mut writing.work, proof).await?;
        writing.mails();
        Ok(Done { value: (), changed: true, about: About::default() })
    }
    .await;
    writing.finish(result).await
}

/// Signs in by password, in one organization.
///
/// Errors: [`Error::SignInRefused`], the same for a wrong password and for an address that may not come in here;
/// [`Error::RateLimited`] while a wait lasts.
pub async fn by_password(
    app: &App,
    organization: &Organization,
    typed: &str,
    password: Zeroizing<String>,
    browser: &Browser,
    request_id: RequestId,
) -> Result<Opened, Error> {
    let email = Email::parse(typed).ok();
    // What is no address is counted and compared like one that nobody has.
    let key = email.as_ref().map_or(typed.trim(), |email| email.key());
    let account = door::account(&app.pool, organization.org, key).await?;
    let known = door::is_known(&app.pool, account.as_ref().map_or(-1, |account| account.person.key), browser.mark).await?;
    let mark = browser.mark.filter(|_| known).map(|mark| mark.to_vec()).unwrap_or_default();
    let mailbox = app.keyring.mailbox(key);
    let tried = Tried { org: organization.org, mailbox, browser: &mark };
    let before = tried.read(&app.pool, app.clock.now()).await?;
    let place = app.hasher.place()?;
    let counted = count_try(app, &tried, before).await?;
    let hash = account.as_ref().and_then(|account| account.password_hash.clone());
    let verdict = app.hasher.verify(place, password.clone(), hash.clone()).await?;
    let Some(account) = account else { return Err(Error::SignInRefused) };
    if !verdict.matches || counted.before.used_up {
        turned_away(app, &account, request_id);
        return Err(Error::SignInRefused);
    }
    // Where that has to wait, the hash that is there goes on being good.
    let rehash = if verdict.outdated { app.hasher.hash(password).await.ok() } else { None };
    let arrival = Arrival {
        person: account.person,
        org: account.org,
        kind: CredentialKind::Password,
        credential: account.person.id.as_uuid(),
        via: Via::Password,
        mailbox,
    };
    let came = come_in(app, &arrival, browser, request_id, Shown::Password(hash.as_deref()), rehash).await.map_err(refused);
    if matches!(came, Err(Error::SignInRefused)) {
        turned_away(app, &account, request_id);
    }
    // Those of a browser that was here before were forgiven with the sign-in.
    if came.is_ok()
        && mark.is_empty()
        && let Err(error) = tried.take_back(&app.pool, counted).await
    {
        tracing::warn!(%request_id, %error, "a right password goes on counting as one try in vain");
    }
    came
}

/// Notes in the organization's log that somebody tried to come in as one of its people (requirement 69). Nobody acts there: who it
/// was is not known.
fn turned_away(app: &App, account: &door::Account, request_id: RequestId) {
    let (actor, code) = (machine(app, account.org).actor, Error::SignInRefused.code().as_str());
    app.evidence.refused(app.clock.now(), &actor, "", "sign_in:password", None, Named::User(account.person.id), code, request_id, 0);
}

/// How often a try looks anew because another was counted first; each of those was counted, too.
const TURNS: usize = 8;

/// Counts a try before its password is compared; refuses it while a wait lasts.
pub(super) async fn count_try(app: &App, tried: &Tried<'_>, mut before: Tries) -> Result<Counted, Error> {
    let mut wait = None;
    for _ in 0..TURNS {
        let now = app.clock.now();
        wait = wait_left(before, now);
        if wait.is_some() {
            break;
        }
        if let Some(counted) = tried.count(&app.pool, before, now).await? {
            return Ok(counted);
        }
        before = tried.read(&app.pool, now).await?;
    }
    Err(Error::RateLimited { budget: Budget::SignIn, retry_after_ms: wait.unwrap_or(SECOND) })
}

/// Whoever may not come in is told so as one who has no account (requirement 45).
fn refused(error: Error) -> Error {
    match error {
        Error::InviteNotPending(_) | Error::UserDeactivated => Error::SignInRefused,
        other => other,
    }
}

/// How long until the next try counts, if that is not now.
pub(super) fn wait_left(tries: Tries, now: Timestamp) -> Option<i64> {
    let failed_at = tries.failed_at?;
    let over = tries.failures - FREE_TRIES;
    if over < 0 {
        return None;
    }
    let doublings = u32::try_from(over.min(20)).unwrap_or_default();
    let wait = SECOND.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    let since = now.since(failed_at);
    // The clock went back since: it locks nobody out until it is there again.
    (-AHEAD..wait).contains(&since).then_some(wait - since)
}

/// Signs in by a link, in the browser that asked; a mailed one then opens every other organization in which this mailbox
/// has an account that links may open (B06).
///
/// Errors: [`Error::DeadLink`] for a link that is not good here and now.
pub async fn by_link(app: &App, token: &str, browser: &Browser, request_id: RequestId) -> Result<Opened, Error> {
    let seen = look(app, token).await?.ok_or(Error::DeadLink)?;
    let via = match seen.facts.kind {
        LinkKind::SignIn => Via::Link,
        LinkKind::Operator => Via::Operator,
        LinkKind::Identity => return super::sso::by_mailbox(app, &seen, token, browser, request_id).await,
        LinkKind::Invite | LinkKind::Reset | LinkKind::StartedReset => return Err(Error::DeadLink),
    };
    let mailbox = app.keyring.mailbox(&seen.email_key);
    let link = seen.facts.id.as_uuid();
    let arrival = Arrival { person: seen.person, org: seen.org, kind: CredentialKind::Link, credential: link, via, mailbox };
    // Read before anything is written: what fails then burns no link.
    let accounts =
        if via == Via::Link { door::accounts(&app.pool, &seen.email_key, browser.mark.unwrap_or_default()).await? } else { Vec::new() };
    let opened = come_in(app, &arrival, browser, request_id, Shown::Link(token), None).await?;
    for other in accounts {
        if other.person.id == seen.person.id {
            continue;
        }
        let arrival = Arrival {
            person: other.person,
            org: other.org,
            kind: CredentialKind::Link,
            credential: seen.facts.id.as_uuid(),
            via: Via::Link,
            mailbox,
        };
        come_in_beside(app, &arrival, browser, request_id, Shown::Mailbox(&seen.email_key), &opened).await;
    }
    Ok(opened)
}

/// Opens a session for somebody who accepted their invite a moment ago.
pub async fn after_joining(
    app: &App,
    joined: &crate::store::links::Link,
    browser: &Browser,
    request_id: RequestId,
) -> Result<Opened, Error> {
    let email = Email::parse(&joined.email)?;
    let arrival = Arrival {
        person: joined.person,
        org: joined.org,
        kind: CredentialKind::InviteLink,
        credential: joined.id.as_uuid(),
        via: Via::Invite,
        mailbox: app.keyring.mailbox(email.key()),
    };
    come_in(app, &arrival, browser, request_id, Shown::Invite, None).await
}

/// What somebody types into the form of a link to a new password.
#[derive(Clone, Debug)]
pub struct NewPassword {
    /// Their address; asked for where the link is good in any browser.
    pub email: String,
    /// The new password.
    pub password: Zeroizing<String>,
}

/// Whoever opens a link that is good in any browser says to which mailbox it came: a gateway that fills forms in does not. Each address
/// is counted first, in the database: few wrong ones end the link, from wherever they come. What is no address tells nobody anything.
async fn check_address(app: &App, link: &Link, typed: &str) -> Result<(), Error> {
    match link.facts.kind {
        LinkKind::StartedReset => {}
        LinkKind::Invite | LinkKind::SignIn | LinkKind::Reset | LinkKind::Identity | LinkKind::Operator => return Ok(()),
    }
    let other = || super::invalid("email", "This is not the address that the link was mailed to.", "Type the one to which the mail came.");
    let email = Email::parse(typed).map_err(|_| other())?;
    let id = link.facts.id;
    if !retrying(|| async { Ok(door::guess(&app.pool, id).await?) }).await? {
        return Err(Error::DeadLink);
    }
    if email.key() == link.email_key {
        return retrying(|| async { Ok(door::guessed_right(&app.pool, id).await?) }).await;
    }
    Err(other())
}

/// Chooses a new password by a reset link, and signs in with it; `None` where it is saved, and opens nothing by itself.
///
/// Errors: [`Error::Invalid`] for another address, or a password that is too weak; [`Error::DeadLink`] and the like where nothing was saved.
pub async fn reset(app: &App, token: &str, new: NewPassword, browser: &Browser, request_id: RequestId) -> Result<Option<Opened>, Error> {
    let seen = look(app, token).await?.ok_or(Error::DeadLink)?;
    let live = seen.facts.kind.is_for_a_password() && seen.state == LinkState::Live && seen.facts.opens(app.clock.now(), browser.mark);
    if !live {
        return Err(Error::DeadLink);
    }
    check_address(app, &seen, &new.email).await?;
    check_new(&new.password, &[&seen.first_name, &seen.last_name, &seen.email, &seen.organization])?;
    let password_hash = app.hasher.hash(new.password).await?;
    let arrival = Arrival {
        person: seen.person,
        org: seen.org,
        kind: CredentialKind::Link,
        credential: seen.facts.id.as_uuid(),
        via: Via::Link,
        mailbox: app.keyring.mailbox(&seen.email_key),
    };
    let call = arrival.call(request_id);
    let shown = ShownForPassword::Link { token, mark: browser.mark };
    set_password(app, &call, &Chosen { password_hash: &password_hash, mailbox: arrival.mailbox }, None, browser, shown).await?;
    // The new password is the proof that signs in: one way in, one entry each in the log. It is no try that is counted.
    let arrival = Arrival { kind: CredentialKind::Password, credential: arrival.person.id.as_uuid(), via: Via::Password, ..arrival };
    match come_in(app, &arrival, browser, request_id, Shown::Password(Some(&password_hash)), None).await {
        Ok(opened) => Ok(Some(opened)),
        Err(error) => {
            tracing::warn!(%request_id, ?error, "a new password is saved, and did not sign in");
            Ok(None)
        }
    }
}

/// The rules for a new password, with the person's own words among what it must not be made of.
pub(super) fn check_new(password: &str, context: &[&str]) -> Result<(), Error> {
    let locals: Vec<&str> = context.iter().filter_map(|word| word.split_once('@')).map(|(local, _)| local).collect();
    let all: Vec<&str> = context.iter().copied().chain(locals).chain(["usher"]).collect();
    Ok(password::check(password, &all)?)
}

/// By what somebody chooses a new password, to be looked at again under the lock.
#[derive(Clone, Copy)]
pub(super) enum ShownForPassword<'a> {
    /// The current one, which was compared with this hash.
    Current(Option<&'a str>),
    /// There is none; when the person was last proved.
    First(Timestamp),
    /// A reset link's token, and the mark of the browser.
    Link { token: &'a str, mark: Option<[u8; 32]> },
}

/// A new password, and the keyed hash of its person's address.
pub(super) struct Chosen<'a> {
    pub(super) password_hash: &'a str,
    pub(super) mailbox: [u8; 32],
}

/// Writes a new password of the caller's. The session that goes on has a new cookie.
pub(super) async fn set_password(
    app: &App,
    call: &Call,
    new: &Chosen<'_>,
    keep: Option<(CredentialId, [u8; 32])>,
    browser: &Browser,
    shown: ShownForPassword<'_>,
) -> Result<(), Error> {
    retrying(|| set_password_once(app, call, new, keep, browser, shown)).await
}

async fn set_password_once(
    app: &App,
    call: &Call,
    new: &Chosen<'_>,
    keep: Option<(CredentialId, [u8; 32])>,
    browser: &Browser,
    shown: ShownForPassword<'_>,
) -> Result<(), Error> {
    let person = call.actor.user().ok_or(Error::Unauthenticated)?;
    let mut writing = Writing::begin::<SetPassword>(app, call, true).await?;
    let result = async {
        let found = people::facts(&mut writing.work, &Who::Id(person.id)).await?.ok_or(Error::UserNotFound)?;
        let settings = door::settings(&mut writing.work).await?;
        let stored = door::password_hash(&mut writing.work, person.key).await?;
        let proof = match shown {
            ShownForPassword::Current(compared) => PasswordProof::Current { unchanged: stored.as_deref() == compared },
            ShownForPassword::First(proved_at) => PasswordProof::First { none: stored.is_none(), proved_at },
            ShownForPassword::Link { token, mark } => {
                let link = door::by_hash_locked(&mut writing.work, sha256(token.as_bytes())).await?.ok_or(Error::DeadLink)?;
                PasswordProof::Link { link: link.facts, browser: mark, replaces: stored.is_some() }
            }
        };
        let now = writing.work.now();
        let action = SetPassword {
            person: found.facts,
            proof,
            settings,
            password_hash: new.password_hash.to_owned(),
            keep,
            mailbox: new.mailbox,
            browser: browser.label.clone(),
            now,
        };
        let proof = authz::authorize(&call.actor, &writing.standing, action)?;
        door::set_password(&mut writing.work, proof).await?;
        writing.mails();
        Ok(Done { value: (), changed: true, about: About::default() })
    }
    .await;
    writing.finish(result).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirement_46_waits_grow_from_the_sixth_try() {
        let now = Timestamp::from_millis(1_764_000_000_000);
        let left = |failures, ago: i64| wait_left(Tries::new(failures, Some(now.plus(-ago)), false, now), now);
        assert_eq!(wait_left(Tries::default(), now), None);
        assert_eq!((0..5).filter_map(|failures| left(failures, 0)).count(), 0);
        assert_eq!(
            [5, 6, 7, 10, 30, 99, 1000].map(|failures| left(failures, 0)),
            [1000, 2000, 4000, 32_000, 900_000, 900_000, 900_000].map(Some)
        );
        assert_eq!(left(6, 2000), None);
        assert_eq!(left(6, 1999), Some(1));
        assert!(left(6, -AHEAD).is_some(), "another node's clock");
        assert_eq!(left(6, -AHEAD - 1), None, "a clock set back locks nobody out");
    }
}
