//! What is everybody's own: their password and their sessions. It needs no permission.

use super::{
    About, Call, Done, Writing,
    signing_in::{self, ShownForPassword},
};
use crate::{
    app::App,
    authn::session::Browser,
    authz::{
        self,
        door::{EndSessions, Which},
    },
    error::Error,
    store::{
        door::{self, Tried},
        people::{self, Who},
        sessions::{self, Session},
    },
};
use zeroize::Zeroizing;

/// Chooses a new password; the one before is asked for where there is one (requirement 47).
///
/// Errors: [`Error::SignInRefused`] for a wrong current password, or a first one without a fresh proof of oneself.
pub async fn change_password(
    app: &App,
    call: &Call,
    session: &Session,
    browser: &Browser,
    current: Zeroizing<String>,
    new: Zeroizing<String>,
) -> Result<(), Error> {
    signing_in::check_new(&new, &[&session.first_name, &session.last_name, &session.email, &session.organization])?;
    let mut compared = None;
    if session.has_password {
        let email = crate::domain::Email::parse(&session.email)?;
        let account = door::account(&app.pool, session.org, email.key()).await?;
        let mailbox = app.keyring.mailbox(email.key());
        // Whoever found an open browser guesses no faster than at the door.
        let mark = browser.mark.map(|mark| mark.to_vec()).unwrap_or_default();
        let tried = Tried { org: session.org, mailbox, browser: &mark };
        let before = tried.read(&app.pool).await?;
        signing_in::count_try(app, &tried, before).await?;
        compared = account.and_then(|account| account.password_hash);
        if !app.hasher.verify(current, compared.clone()).await?.matches {
            return Err(Error::SignInRefused);
        }
        tried.forgive(&app.pool).await?;
    }
    let password_hash = app.hasher.hash(new).await?;
    let shown =
        if session.has_password { ShownForPassword::Current(compared.as_deref()) } else { ShownForPassword::First(session.proved_at) };
    signing_in::set_password(app, call, &password_hash, Some(session.id), &browser.label, shown).await
}

/// Ends sessions of one's own; how many were alive.
pub async fn end_sessions(app: &App, call: &Call, which: Which) -> Result<u64, Error> {
    let person = call.actor.user().ok_or(Error::Unauthenticated)?;
    let mut writing = Writing::begin::<EndSessions>(app, call, true).await?;
    let result = async {
        let found = people::facts(&mut writing.work, &Who::Id(person.id)).await?.ok_or(Error::UserNotFound)?;
        let proof = authz::authorize(&call.actor, &writing.standing, EndSessions { person: found.facts, which })?;
        let ended = sessions::end(&mut writing.work, proof).await?;
        Ok(Done { value: ended, changed: ended > 0, about: About::default() })
    }
    .await;
    writing.finish(result).await
}
