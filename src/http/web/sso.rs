//! To an identity provider and back.
//!
//! A form of ours sends the browser there; what it must bring back lies sealed in a short cookie of that very journey, so
//! that two journeys in one browser never mix. The provider's GET back changes nothing here: the code is traded, who it is
//! goes sealed into the cookie, and the address loses its secrets. The page it moves to shows what would happen; its POST
//! does it. So no link that anybody sends, and no program that opens links, signs anybody in.

use super::{
    Sent,
    done::{Done, go_and_say},
    door::{go_to, visits},
    page, said, too_many, unavailable,
    views::{
        Fault as Page, FieldError,
        sso::{GoPage, MeetPage, Provider, StopPage},
    },
    visitor::{self, Held, Visitor, cookie, opened, with_cookies},
};
use crate::{
    app::SharedApp,
    authn::sso::{Asking, Fault, Returned},
    authz::Org,
    domain::{Email, RequestId},
    error::Error,
    gather,
    http::auth::CallerAddress,
    service::sso::{self, Begun, Failed, Meeting, Met, Purpose},
    store::{StoreError, sso::connections},
};
use axum::{
    Extension,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use std::sync::Arc;

/// How long what a browser carries lives, in seconds.
const COOKIE_SECONDS: i64 = 600;

/// What a button's value begins with that sends the browser to a connection.
pub(super) const GO: &str = "sso:";

/// The page after an administrator's mistake or a provider's: what the operator can do stands in the log.
const PROVIDER_FAILS: &str =
    "The provider did not answer as it should. Try again in a moment; if it stays, tell an Administrator of your organization.";

/// The buttons of an organization's connections.
pub(super) async fn providers(app: &SharedApp, org: Org) -> Result<Vec<Provider>, Error> {
    let all = connections(&app.pool, org).await?;
    Ok(all.into_iter().map(|connection| Provider { value: format!("{GO}{}", connection.id), name: connection.name }).collect())
}

fn cookie_name(journey: &str) -> String {
    format!("usher_sso_{journey}")
}

fn carried(app: &SharedApp, journey: &str, luggage: &str, seconds: i64) -> Option<HeaderValue> {
    visitor::set_at(app, &cookie_name(journey), luggage, &format!("{}/sign-in/sso", app.public_url.base()), seconds)
}

/// Sends the browser to a connection of the organization's.
///
/// By a page that moves on at once, and not by a redirect: our forms may lead to this server only, and a browser holds a
/// redirect behind a form to that rule.
pub(super) async fn set_out(
    app: &SharedApp,
    (caller, headers): (CallerAddress, &HeaderMap),
    org: Org,
    connection: &str,
    purpose: Purpose,
    asking: Asking<'_>,
) -> Response {
    if let Err(response) = visits(app, caller, headers).await {
        return response;
    }
    let mut browser = visitor::browser(app, headers);
    let mark = visitor::marked(app, &mut browser);
    match sso::begin(app, org, connection, purpose, asking, browser.mark.unwrap_or_default()).await {
        Ok(Begun { url, journey, luggage }) => {
            let host = url.host_str().unwrap_or_default().to_owned();
            let mut response = page(app, &GoPage { base: app.public_url.base(), url: url.as_str(), host: &host });
            if let Ok(value) = HeaderValue::from_str(&format!("0; url={url}")) {
                response.headers_mut().insert(header::REFRESH, value);
            }
            with_cookies(response, [mark, carried(app, &journey, &luggage, COOKIE_SECONDS)])
        }
        Err(failed) => failing(app, caller, failed),
    }
}

/// A page for what the provider, the connection or this server did wrong.
fn failing(app: &SharedApp, caller: CallerAddress, failed: Failed) -> Response {
    let fault = match failed {
        Failed::Ours(Error::RateLimited { retry_after_ms, .. }) => return too_many(app, retry_after_ms),
        Failed::Ours(Error::Conflict(_) | Error::Clash { .. }) => return super::fault(app, Page::NotFound),
        Failed::Ours(error) => return unavailable(app, &error),
        Failed::Provider(fault) => fault,
    };
    app.evidence.stranger(app.clock.now(), "sso_failed", "web", gather::hashed(app, caller.0));
    let request_id = RequestId::new(app.clock.now(), &app.random).to_string();
    if fault == Fault::State {
        // Anybody can ask for the way back, as often as they like, and the operator has nothing to mend.
        tracing::debug!(%request_id, "a browser came back that had not set out");
    } else {
        tracing::warn!(%request_id, fault = fault.as_str(), "nobody came in through a provider: {fault}");
    }
    let (status, title, sentence, state) = match fault {
        Fault::State | Fault::Nonce => (
            403,
            "This sign-in belongs to another page",
            "It was begun in another browser, was used already, or took longer than 10 minutes. Begin again.",
            "Not begun here",
        ),
        Fault::Declined => {
            (403, "You did not come through", "The provider did not let you through, or you turned back there.", "Turned back")
        }
        Fault::Code => (403, "This sign-in was used", "What the provider sent works once. Begin again.", "Used"),
        Fault::Call(_)
        | Fault::Document
        | Fault::Request
        | Fault::Client
        | Fault::Issuer
        | Fault::Token
        | Fault::Algorithm
        | Fault::UnknownKey
        | Fault::Signature
        | Fault::Audience
        | Fault::Expired
        | Fault::Future
        | Fault::Subject => (502, "Single sign-on does not work at present", PROVIDER_FAILS, "Provider"),
    };
    stop(app, status, title, sentence, state, Some(&request_id), None)
}

fn stop(
    app: &SharedApp,
    status: u16,
    title: &str,
    sentence: &str,
    state: &str,
    request_id: Option<&str>,
    again: Option<(&str, &str)>,
) -> Response {
    let (again, back) = again.unzip();
    let again = again.filter(|action| !action.is_empty());
    let back = back.map_or_else(|| format!("{}/sign-in", app.public_url.base()), str::to_owned);
    page(app, &StopPage { base: app.public_url.base(), status, title, sentence, state, request_id, again, back: &back })
}

/// `GET /sign-in/sso/callback/{key}`: back from a provider, at the address of the connection that it was reached by.
pub async fn callback(
    State(app): State<SharedApp>,
    Extension(caller): Extension<CallerAddress>,
    segment: Result<Path<String>, PathRejection>,
    returned: Result<Query<Returned>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Ok(Query(returned)) = returned else { return failing(&app, caller, Fault::State.into()) };
    let journey = sso::journey(returned.state.as_deref().unwrap_or_default());
    let luggage = cookie(&headers, &cookie_name(&journey)).unwrap_or_default().to_owned();
    let key = segment.map(|Path(segment)| segment).unwrap_or_default();
    let mark = visitor::browser(&app, &headers).mark;
    let place = format!("/sign-in/sso/{journey}");
    if sso::is_back(&app, &journey, &luggage, mark) {
        return go_to(&app, &place);
    }
    // A reload comes while the first one is under way, or before its answer did.
    let asked = app.keyring.digest(format!("{luggage}\n{key}\n{mark:?}\n{returned:?}").as_bytes());
    let shared = Arc::clone(&app);
    let trade = async move { sso::come_back(&shared, &key, &luggage, &returned, mark).await };
    match app.returns.once(&app.clock, asked, trade).await {
        Ok(luggage) => with_cookies(go_to(&app, &place), [carried(&app, &journey, &luggage, COOKIE_SECONDS)]),
        Err(failed) => {
            // Where the code was used before, its answer may be on its way here.
            let gone = match failed {
                Failed::Provider(Fault::Code) | Failed::Ours(_) => None,
                Failed::Provider(_) => carried(&app, &journey, "", 0),
            };
            with_cookies(failing(&app, caller, failed), [gone])
        }
    }
}

/// A journey's name as it stands in an address; what is none finds no cookie.
fn journey_of(segment: Result<Path<String>, PathRejection>) -> String {
    segment.map(|Path(segment)| segment).unwrap_or_default().chars().filter(char::is_ascii_hexdigit).take(16).collect()
}

/// `GET /sign-in/sso/{journey}`: who came back, and what would happen now.
pub async fn show(
    State(app): State<SharedApp>,
    Extension(caller): Extension<CallerAddress>,
    segment: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let journey = journey_of(segment);
    let luggage = cookie(&headers, &cookie_name(&journey)).unwrap_or_default();
    match sso::meet(&app, luggage, visitor::browser(&app, &headers).mark).await {
        Ok(met) if met.spent => match let_in(&app, &headers, &met).await {
            Ok(true) => after_use(&app, &met),
            Ok(false) => used(&app, &met),
            Err(error) => unavailable(&app, &error.into()),
        },
        Ok(met) => meeting(&app, caller, &journey, &met),
        Err(failed) => failing(&app, caller, failed),
    }
}

/// Whether this browser holds the account that a journey opened.
async fn let_in(app: &SharedApp, headers: &HeaderMap, met: &Met) -> Result<bool, StoreError> {
    let Some(person) = met.opened() else { return Ok(false) };
    let held = Held::read(app, headers).await?;
    Ok(held.is_some_and(|held| held.others.iter().chain([&held.chosen]).any(|session| session.person.id == person)))
}

/// The page of a journey that has done what it was for.
fn used(app: &SharedApp, met: &Met) -> Response {
    let door = format!("{}/sign-in/{}", app.public_url.base(), met.slug);
    let sentence = "It worked once, and opens nothing more. Begin again.";
    stop(app, 403, "This sign-in was used", sentence, "Used", None, Some(("", &door)))
}

/// Where a second press of a journey's button leads, and a second look of whom it let in: to what the first one did.
fn after_use(app: &SharedApp, met: &Met) -> Response {
    match &met.meeting {
        Meeting::Mailbox(_) => sent(app, met),
        Meeting::Enter(_)
        | Meeting::Join(_)
        | Meeting::InviteEnded(_)
        | Meeting::OtherAddress(_)
        | Meeting::Link
        | Meeting::Connected
        | Meeting::Deactivated(..)
        | Meeting::Taken(_)
        | Meeting::Unverified
        | Meeting::Stranger => go_to(app, "/me"),
    }
}

fn sent(app: &SharedApp, met: &Met) -> Response {
    let back = format!("{}/sign-in/{}", app.public_url.base(), met.slug);
    page(app, &super::views::door::SentPage { base: app.public_url.base(), back: &back })
}

/// Shows what would happen; notes it where that is nothing.
fn meeting(app: &SharedApp, caller: CallerAddress, journey: &str, met: &Met) -> Response {
    sso::turned_away(app, met, gather::hashed(app, caller.0), RequestId::new(app.clock.now(), &app.random));
    drawn(app, journey, met, None, &[])
}

fn drawn(app: &SharedApp, journey: &str, met: &Met, typed: Option<(&str, &str)>, errors: &[FieldError<'_>]) -> Response {
    let base = app.public_url.base();
    let action = format!("{base}/sign-in/sso/{journey}");
    let door = format!("{base}/sign-in/{}", met.slug);
    let email = met.back.email.as_deref().unwrap_or("an account without an address");
    let draw = |title: &str, sentence: &str, button: &str, names: Option<(&str, &str)>, invited: Option<(&str, &str)>| {
        let view = MeetPage {
            base,
            action: &action,
            title,
            sentence,
            button,
            names: names.map(|names| typed.unwrap_or(names)),
            invited,
            errors,
            provider: &met.connection.name,
            email,
            organization: &met.organization,
        };
        page(app, &view)
    };
    let halt = |title: &str, sentence: &str, state: &str, again: Option<&str>| {
        stop(app, 403, title, sentence, state, None, Some((again.unwrap_or_default(), &door)))
    };
    match &met.meeting {
        Meeting::Enter(_) => draw("Sign in", "Nothing happens until you choose Sign in.", "Sign in", None, None),
        Meeting::Join(link) => {
            let suggestion = met.back.first_name.as_deref().zip(met.back.last_name.as_deref());
            let invited = (link.first_name.as_str(), link.last_name.as_str());
            let suggestion = suggestion.filter(|suggestion| *suggestion != invited);
            draw("You are invited", "Check your name; nothing happens until you choose Join.", "Join", Some(invited), suggestion)
        }
        Meeting::Mailbox(_) => draw(
            "Is this account yours?",
            "Your provider's account was never used here, and an account with its address is here already. A link to that mailbox connects both; open it in this browser within 10 minutes.",
            "Mail me the link",
            None,
            None,
        ),
        Meeting::Link => draw(
            "Connect your sign-in",
            "From now on it opens your account. Nothing happens until you choose Connect.",
            "Connect",
            None,
            None,
        ),
        Meeting::InviteEnded(link) => super::dead(app, link),
        Meeting::OtherAddress(link) => {
            let invited = Email::parse(&link.email).map(|email| email.masked()).unwrap_or_default();
            let sentence = format!("The invite is for {invited}, and you came back as {email}. It waits: choose the other account.");
            halt("Another address", &sentence, "For another address", Some(&action))
        }
        Meeting::Connected => {
            halt("This sign-in is connected already", "It opens your account. There is nothing more to do.", "Connected", Some(&action))
        }
        Meeting::Deactivated(..) => halt(
            "Your account is deactivated",
            "Nothing was changed. An Administrator of your organization can reactivate it.",
            "Deactivated",
            None,
        ),
        Meeting::Taken(_) => {
            halt("This sign-in is taken", "It opens an account here already, and can open only one.", "Taken", Some(&action))
        }
        Meeting::Unverified => halt(
            "Your address is not verified",
            "The provider does not say that the address is yours, so it opens nothing here. Verify it there, or tell an Administrator.",
            "Not verified",
            Some(&action),
        ),
        Meeting::Stranger => halt(
            "You are not invited",
            "Nobody here has invited the address that you came back with. Ask an Administrator, or choose another account.",
            "Not invited",
            Some(&action),
        ),
    }
}

/// The form of a journey's page.
#[derive(Debug, serde::Deserialize)]
pub struct JourneyForm {
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
    #[serde(default, rename = "do")]
    act: String,
}

/// `POST /sign-in/sso/{journey}`: does what the page showed.
pub async fn act(
    State(app): State<SharedApp>,
    Extension(caller): Extension<CallerAddress>,
    segment: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    Sent(form): Sent<JourneyForm>,
) -> Response {
    let journey = journey_of(segment);
    let luggage = cookie(&headers, &cookie_name(&journey)).unwrap_or_default();
    let mut browser = visitor::browser(&app, &headers);
    let met = match sso::meet(&app, luggage, browser.mark).await {
        Ok(met) => met,
        Err(failed) => return failing(&app, caller, failed),
    };
    if met.spent {
        return after_use(&app, &met);
    }
    let gone = carried(&app, &journey, "", 0);
    if form.act == "again" {
        let hint = match &met.meeting {
            Meeting::OtherAddress(link) => Email::parse(&link.email).ok(),
            Meeting::Enter(_)
            | Meeting::Join(_)
            | Meeting::InviteEnded(_)
            | Meeting::Mailbox(_)
            | Meeting::Link
            | Meeting::Connected
            | Meeting::Deactivated(..)
            | Meeting::Taken(_)
            | Meeting::Unverified
            | Meeting::Stranger => None,
        };
        let asking = Asking { hint: hint.as_ref(), another: true };
        let out = set_out(&app, (caller, &headers), met.connection.org, &met.connection.id.to_string(), met.back.purpose, asking).await;
        return with_cookies(out, [gone]);
    }
    let mark = visitor::marked(&app, &mut browser);
    let request_id = RequestId::new(app.clock.now(), &app.random);
    let done = match &met.meeting {
        Meeting::Enter(linked) => {
            sso::enter(&app, &met, linked, &browser, request_id).await.map(|session| (go_to(&app, "/"), opened(&app, &session)))
        }
        Meeting::Join(link) => sso::join(&app, &met, link, (&form.first_name, &form.last_name), &browser, request_id)
            .await
            .map(|session| (go_and_say(&app, "/me", Done::Joined), opened(&app, &session))),
        Meeting::Mailbox(_) => {
            let asked = sso::ask_mailbox(&app, &met, browser.mark.unwrap_or_default()).await;
            return match asked {
                // Somebody pressed the button twice.
                Ok(()) | Err(Error::DeadLink) => with_cookies(sent(&app, &met), [mark]),
                Err(error) => unavailable(&app, &error),
            };
        }
        Meeting::Link => match Visitor::read(&app, &headers).await {
            Ok(Some(visitor)) => {
                let linked = sso::link_own(&app, &visitor.call(&app), &visitor.now, &met).await;
                linked.map(|()| (go_and_say(&app, "/me", Done::Linked), None))
            }
            Ok(None) => return go_to(&app, "/sign-in"),
            Err(error) => Err(error.into()),
        },
        // The page has no such button.
        Meeting::InviteEnded(_)
        | Meeting::OtherAddress(_)
        | Meeting::Connected
        | Meeting::Deactivated(..)
        | Meeting::Taken(_)
        | Meeting::Unverified
        | Meeting::Stranger => return meeting(&app, caller, &journey, &met),
    };
    match done {
        // What it carries stays: pressed again, the button leads to what was done. It opens nothing more.
        Ok((going, session)) => with_cookies(going, [mark, session]),
        Err(Error::Invalid(invalid)) => {
            let message = said(&invalid);
            let errors = [FieldError { field: invalid.field, message: &message }];
            drawn(&app, &journey, &met, Some((&form.first_name, &form.last_name)), &errors)
        }
        // Something changed while the page stood there: look anew.
        Err(Error::DeadLink | Error::UserDeactivated | Error::InviteNotPending(_) | Error::Conflict(_)) => {
            match sso::meet(&app, luggage, browser.mark).await {
                Ok(now) if now.spent => after_use(&app, &now),
                Ok(now) => meeting(&app, caller, &journey, &now),
                Err(failed) => failing(&app, caller, failed),
            }
        }
        Err(Error::SignInRefused) => stop(
            &app,
            403,
            "You have to show yourself again",
            "A sign-in is connected within 10 minutes of signing in, by the person who began it. Sign in again, and connect it then.",
            "Too late",
            None,
            None,
        ),
        Err(error) => unavailable(&app, &error),
    }
}
