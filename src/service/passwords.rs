//! Passwords of others: an Administrator, or the operator on the host, starts a reset and has a link mailed to its person.
//! They see no password, and set none (requirement 48).

use super::{About, Call, Done, Writing, limits, parse, signing_in};
use crate::{
    app::App,
    authz::{
        self, Reason,
        door::{Proved, StartReset, resets},
    },
    domain::{Asked, LinkKind, Role, Settings, Status, Timestamp, UserId},
    error::Error,
    store::{
        door,
        listed::Listed,
        passwords::{self, Holder},
        people::{self, Who},
    },
};
use usher_tools as contract;

/// Where a password opens nothing, so that there is none to reset.
const CLOSED: Error = Error::Clash {
    said: "Single sign-on is required here, and no password lets this person in.",
    hint: "They sign in with the provider; whoever runs that helps with the account there. For once, `usher sign-in-link` on the host lets them in.",
};

/// A reset that was started.
#[derive(Clone, Copy, Debug)]
pub struct Started {
    /// For whom.
    pub user: UserId,
    /// The end of the link.
    pub expires_at: Timestamp,
    /// By which way its mail leaves.
    pub delivery: contract::DeliveryRoute,
}

/// What stands in the way of a reset, whoever starts it.
#[must_use]
pub fn obstacle(status: Status, role: Role, has_password: bool, settings: &Settings) -> Option<Error> {
    match status {
        Status::Pending => Some(Error::InviteNotPending(Status::Pending)),
        Status::Deactivated => Some(Error::UserDeactivated),
        Status::Active if resets(settings, role, has_password) => None,
        Status::Active => Some(CLOSED),
    }
}

/// Active people, for whoever may start a reset for them: a page after this person.
///
/// Errors: what no Administrator is answered.
pub async fn list(app: &App, call: &Call, after: Option<UserId>) -> Result<Listed<Holder>, Error> {
    authz::needs::<StartReset>(&call.actor, &call.standing, false)?;
    Ok(passwords::list(&app.pool, call.actor.org(), after).await?)
}

/// One person, for whoever may start a reset for them.
///
/// Errors: as [`list`]; [`Error::UserNotFound`] where nobody of the organization is there.
pub async fn of(app: &App, call: &Call, who: &Who) -> Result<Holder, Error> {
    authz::needs::<StartReset>(&call.actor, &call.standing, false)?;
    passwords::holder(&app.pool, call.actor.org(), who).await?.ok_or(Error::UserNotFound)
}

/// Mails somebody a link to choose a new password with, as another Administrator or on the host. An earlier one opens nothing
/// any more.
///
/// `proved_at` is when the Administrator was last proved; the host proves nobody. `None` for a form that comes a second time: its
/// mail is on its way.
///
/// Errors: what [`obstacle`] says; [`Error::SignInRefused`] for one's own; [`Reason::NotProvedAnew`] where the proof is older than ten minutes;
/// [`Error::RateLimited`] where the person was sent several lately; [`Error::MailUnavailable`].
pub async fn start_reset(app: &App, call: &Call, user: &str, proved_at: Option<Timestamp>) -> Result<Option<Started>, Error> {
    let who = parse::who("user", user)?;
    let mut writing = Writing::begin::<StartReset>(app, call, false).await?;
    let result = async {
        if writing.repeats().await?.is_some() {
            return Ok(Done { value: None, changed: false, about: About::default() });
        }
        let found = people::facts(&mut writing.work, &who).await?.ok_or(Error::UserNotFound)?;
        signing_in::not_suspended(&mut writing).await?;
        let (person, status, role) = (found.facts.person, found.facts.status, found.facts.role);
        let settings = door::settings(&mut writing.work).await?;
        let has_password = door::password_hash(&mut writing.work, person.key).await?.is_some();
        let obstacle = obstacle(status, role, has_password, &settings);
        let proved = Proved { at: proved_at, now: writing.work.now() };
        let action = StartReset { person: found.facts, has_password, settings, proved };
        let proof = authz::authorize(&call.actor, &writing.standing, action).map_err(|reason| match reason {
            Reason::NotPending | Reason::Deactivated | Reason::WayClosed => obstacle.unwrap_or_else(|| reason.into()),
            other => other.into(),
        })?;
        let delivery = app.mail.route().ok_or(Error::MailUnavailable)?;
        limits::one_more_reset(&mut writing, person.key).await?;
        let (link, _) = signing_in::new_link(&mut writing, person.key, LinkKind::StartedReset, None, Some(Asked::default())).await?;
        let expires_at = passwords::start_reset(&mut writing.work, proof, &link).await?;
        writing.mails();
        Ok(Done { value: Some(Started { user: person.id, expires_at, delivery }), changed: true, about: About::user(person.id) })
    }
    .await;
    writing.finish(result).await
}
