//! People's passwords, for Administrators: they have somebody mailed a link to choose a new one, and neither see nor set any.
//!
//! GET shows, on a page of its own what the mail would do; only its POST sends it. An address that is looked for comes in a form,
//! so that it stands in no address of a page.

use super::{
    done::{self, Done, go_and_say},
    door::go_to,
    fault,
    frame::frame,
    page,
    signed_in::{Bare, Drawn, Fields, Part, Try, Typed, named},
    views::{
        Fault,
        frame::Place,
        passwords::{PasswordsPage, ResetPage, Row},
        settings::{Section, Top},
    },
    visitor::Visitor,
};
use crate::{
    app::SharedApp,
    authz::{
        Action as _, Reason,
        door::{FRESH, StartReset},
    },
    domain::{LinkKind, MINUTE, UserId},
    error::Error,
    http::auth::{in_words, retry_after_seconds},
    service::{
        parse,
        passwords::{self, obstacle},
        retrying,
    },
    store::{passwords::Holder, people::Who},
};
use axum::{
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::HeaderMap,
    response::Response,
};

/// Where the list is.
const PLACE: &str = "/settings/passwords";

/// The form that looks for somebody.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub struct FindForm {
    #[serde(rename = "as")]
    drawn_for: String,
    email: String,
}

impl std::fmt::Debug for FindForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FindForm").finish_non_exhaustive()
    }
}

impl Fields for FindForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> Typed {
        vec![("Email", self.email.clone())]
    }
}

/// What the list says beside its people.
#[derive(Default)]
struct Said<'a> {
    email: &'a str,
    error: Option<&'a str>,
    done: Option<Done>,
}

async fn show(app: &SharedApp, visitor: &Visitor, after: Option<UserId>, said: &Said<'_>) -> Response {
    let session = &visitor.now;
    let tried = Try::to_look(app, visitor);
    let listed = match passwords::list(app, &tried.call, after).await {
        Ok(listed) => listed,
        Err(error) => return tried.refused(app, &error),
    };
    let next = listed.people.last().filter(|_| listed.more).map(|last| last.id.to_string());
    let rows: Vec<_> = listed
        .people
        .into_iter()
        .map(|person| Row {
            id: person.id.to_string(),
            own: person.id == session.person.id,
            open: obstacle(person.status, person.role, person.has_password, &session.settings).is_none(),
            role: person.role.shown(),
            name: person.name,
            email: person.email,
        })
        .collect();
    page(
        app,
        &PasswordsPage {
            frame: &frame(app, visitor, Some(Place::Settings)),
            top: Top::of(Section::SigningIn),
            rows: &rows,
            first: after.is_none(),
            next: next.as_deref(),
            said: said.done.map(Done::sentence),
            email: said.email,
            error: said.error,
        },
    )
}

/// `GET /settings/passwords`.
pub async fn list(
    State(app): State<SharedApp>,
    visitor: Visitor,
    part: Result<Query<Part>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let part = part.map(|Query(part)| part).unwrap_or_default();
    let just = done::just(&app, &headers, &Done::OF_PASSWORDS);
    let shown = show(&app, &visitor, part.after(), &Said { done: just, ..Said::default() }).await;
    done::said(&app, shown, just)
}

/// `POST /settings/passwords`: to the page of whoever has this address; it changes nothing.
pub async fn find(State(app): State<SharedApp>, drawn: Drawn<FindForm>) -> Response {
    let (visitor, sent) = (&drawn.visitor, &drawn.form);
    let mut tried = drawn.tries(&app, StartReset::NAME, None);
    let again = async |message: &str| show(&app, visitor, None, &Said { email: &sent.email, error: Some(message), done: None }).await;
    let who = match parse::who("email", &sent.email) {
        Ok(who) => who,
        Err(Error::NobodyNamed(_)) => return again("This is no address. Type it as it was invited, such as ana@example.com.").await,
        Err(error) => return tried.refused(&app, &error),
    };
    tried.named = parse::named_who(&who);
    match passwords::of(&app, &tried.call, &who).await {
        Ok(of) => go_to(&app, &format!("{PLACE}/{}", of.id)),
        Err(error @ Error::UserNotFound) => {
            tried.note(&app, &error);
            again("Nobody of your organization has this address. Check how it is written, or look through the list.").await
        }
        Err(error) => tried.refused(&app, &error),
    }
}

/// Why a mail to somebody makes no sense, with what to do instead, in words for this page.
fn in_the_way(error: &Error) -> Option<String> {
    match error {
        Error::InviteNotPending(_) => {
            Some("They have not joined yet, so there is no password. Send their invite again instead.".to_owned())
        }
        Error::UserDeactivated => Some("They are deactivated, and nothing lets them in. Reactivate them first.".to_owned()),
        // Its hint is for the host.
        Error::Clash { said, .. } => {
            Some(format!("{said} They sign in with the provider; whoever runs that helps with the account there."))
        }
        Error::Denied(Reason::NotProvedAnew) => {
            Some(format!("A reset is started within {} minutes of signing in. Sign out, sign in again, and start it then.", FRESH / MINUTE))
        }
        Error::RateLimited { retry_after_ms, .. } => Some(format!(
            "They were sent several such mails already. The newest link works until it is used, or an hour old; wait {} before you send another.",
            in_words(retry_after_seconds(*retry_after_ms))
        )),
        Error::MailUnavailable => Some("This server has no way to send mail. Ask whoever runs it.".to_owned()),
        Error::Invalid(_)
        | Error::NobodyNamed(_)
        | Error::Shape(_)
        | Error::EmailInUse { .. }
        | Error::UserNotFound
        | Error::GroupNotFound
        | Error::CredentialNotFound
        | Error::NameTaken
        | Error::Denied(_)
        | Error::Conflict(_)
        | Error::SignInRefused
        | Error::DeadLink
        | Error::Unauthenticated
        | Error::Unavailable(_)
        | Error::Internal(_) => None,
    }
}

fn confirm(app: &SharedApp, visitor: &Visitor, of: &Holder, refused: Option<&str>) -> Response {
    let obstacle = obstacle(of.status, of.role, of.has_password, &visitor.now.settings);
    let obstacle = obstacle.as_ref().and_then(in_the_way);
    let view = ResetPage {
        frame: &frame(app, visitor, Some(Place::Settings)),
        top: Top::of(Section::SigningIn),
        of: &of.id.to_string(),
        person: &of.name,
        email: &of.email,
        minutes: LinkKind::StartedReset.lifetime() / MINUTE,
        first: !of.has_password,
        open: obstacle.is_none(),
        error: obstacle.as_deref().or(refused),
        refused: refused.is_some(),
    };
    page(app, &view)
}

/// Whom a reset is about, or the answer. One's own password has a page of its own.
async fn found(app: &SharedApp, tried: &Try<'_>, id: Option<UserId>) -> Result<Holder, Response> {
    if id == Some(tried.visitor.now.person.id) {
        return Err(go_to(app, "/me"));
    }
    let Some(id) = id else { return Err(fault(app, Fault::NotFound)) };
    passwords::of(app, &tried.call, &Who::Id(id)).await.map_err(|error| tried.refused(app, &error))
}

/// `GET /settings/passwords/{id}`: what the mail would do.
pub async fn look(State(app): State<SharedApp>, visitor: Visitor, segment: Result<Path<String>, PathRejection>) -> Response {
    let id = named(segment);
    match found(&app, &Try::to_look(&app, &visitor), id).await {
        Ok(of) => confirm(&app, &visitor, &of, None),
        Err(response) => response,
    }
}

/// `POST /settings/passwords/{id}`: the mail.
pub async fn reset(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>, drawn: Drawn<Bare>) -> Response {
    let visitor = &drawn.visitor;
    let id = named(segment);
    let tried = drawn.tries(&app, StartReset::NAME, id);
    let of = match found(&app, &tried, id).await {
        Ok(of) => of,
        Err(response) => return response,
    };
    let id = of.id.to_string();
    match retrying(|| passwords::start_reset(&app, &tried.call, &id, Some(visitor.now.proved_at))).await {
        Ok(_) => go_and_say(&app, PLACE, Done::ResetMailed),
        Err(error) => match in_the_way(&error) {
            Some(words) => {
                tried.note(&app, &error);
                confirm(&app, visitor, &of, Some(&words))
            }
            None => tried.refused(&app, &error),
        },
    }
}
