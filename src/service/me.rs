//! What is everybody's own: their password and their sessions. It needs no permission.

use super::{
    About, Call, Done, Writing,
    signing_in::{self, Chosen, Opened, ShownForPassword},
};
use crate::{
    app::App,
    authn::session::Browser,
    authz::{
        self, Action as _,
        door::{EndSessions, SetPassword, Which},
    },
    domain::Email,
    error::Error,
    gather::Named,
    keys::sha256,
    store::{
        door::{self, Tried},
        people::{self, Who},
        sessions::{self, Session},
    },
};
use zeroize::Zeroizing;

/// Why no current password is compared any more.
const LOCKED: &str = "Too many wrong passwords in a row. Sign out and choose “Forgot the password?” at the door.";

/// Chooses a new password; the one before is asked for where there is one (requirement 47). The browser has a new cookie.
///
/// Errors: [`Error::SignInRefused`] for a wrong current password, or a first one without a fresh proof of oneself;
/// [`Error::RateLimited`] while a wait lasts, [`Error::Conflict`] after so many that somebody is guessing.
pub async fn change_password(
    app: &App,
    call: &Call,
    session: &Session,
    browser: &Browser,
    current: Zeroizing<String>,
    new: Zeroizing<String>,
) -> Result<Opened, Error> {
    signing_in::check_new(&new, &[&session.first_name, &session.last_name, &session.email, &session.organization])?;
    let email = Email::parse(&session.email)?;
    let mailbox = app.keyring.mailbox(email.key());
    let mut compared = None;
    if session.has_password {
        let account = door::account(&app.pool, session.org, email.key()).await?;
        // Whoever found an open browser guesses no faster than at the door, whatever mark they send along.
        let own = session.id.as_uuid();
        let tried = Tried { org: session.org, mailbox, browser: own.as_bytes() };
        let before = tried.read(&app.pool, app.clock.now()).await?;
        if before.used_up {
            return Err(Error::Conflict(LOCKED));
        }
        let place = app.hasher.place()?;
        signing_in::count_try(app, &tried, before).await?;
        compared = account.and_then(|account| account.password_hash);
        if !app.hasher.verify(place, current, compared.clone()).await?.matches {
            note_refusal(app, call, session, SetPassword::NAME);
            return Err(Error::SignInRefused);
        }
        tried.forgive(&app.pool).await?;
    }
    let password_hash = app.hasher.hash(new).await?;
    let shown =
        if session.has_password { ShownForPassword::Current(compared.as_deref()) } else { ShownForPassword::First(session.proved_at) };
    let opened = Opened { cookie: browser.next_cookie(app) };
    let keep = (session.id, sha256(opened.cookie.as_bytes()));
    signing_in::set_password(app, call, &Chosen { password_hash: &password_hash, mailbox }, Some(keep), browser, shown).await?;
    Ok(opened)
}

/// Leaves as evidence that somebody who is in showed a wrong secret, as if it were theirs (requirement 69).
pub(super) fn note_refusal(app: &App, call: &Call, session: &Session, action: &'static str) {
    let (name, own, code) = (session.full_name(), Named::User(session.person.id), Error::SignInRefused.code().as_str());
    app.evidence.refused(app.clock.now(), &call.actor, &name, action, None, own, code, call.request_id, session.audit_seq);
}

/// Ends sessions of one's own; how many were alive.
pub async fn end_sessions(app: &App, call: &Call, which: Which) -> Result<u64, Error> {
    let person = call.actor.user().ok_or(Error::Unauthenticated)?;
    let mut writing = Writing::begin::<EndSessions>(app, call, true).await?;
    let result = async {
        let found = people::facts(&mut writing.work, &Who::Id(person.id)).await?.ok_or(Error::UserNotFound)?;
        let proof = authz::authorize(&call.actor, &writing.standing, EndSessions { person: found.facts, which })?;
        let ended = sessions::end(&mut writing.work, proof).await?;
        Ok(Done { value: ended, changed: ended > 0 || which.is_more_than_one(), about: About::default() })
    }
    .await;
    writing.finish(result).await
}
