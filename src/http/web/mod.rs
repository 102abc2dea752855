//! Pages: the invite, the index, and what goes wrong.
//!
//! `GET /invite/{token}` changes nothing: it moves to `/invite/{id}` with the token in a short `HttpOnly` cookie named
//! after that very invite, so that two invites in one browser never mix and no address that stays valid holds a
//! secret. Only a same-origin POST accepts.

pub mod audit;
mod clicked;
mod csv;
mod done;
pub mod door;
pub mod factors;
pub mod frame;
pub mod groups;
pub mod inviting;
pub mod me;
pub mod passwords;
pub mod person;
pub mod second_factor;
pub mod settings;
pub mod signed_in;
pub mod sso;
pub mod start;
pub mod theme;
pub mod tools;
pub mod users;
pub mod views;
pub mod visitor;

use super::auth::{CallerAddress, in_words, retry_after_seconds};
use crate::{
    app::SharedApp,
    authn::{password, sso::Asking},
    domain::{LinkId, RequestId},
    error::{Budget, Error},
    gather,
    service::{
        joining::{self, Acceptance},
        retrying, signing_in,
        sso::Purpose,
    },
    store::links::{Link, LinkState},
};
use axum::{
    Extension, Form,
    extract::{FromRequest, Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use serde::de::DeserializeOwned;
use url::form_urlencoded::Serializer;
use views::{
    AcceptPage, DeadLink, DeadLinkPage, ErrorPage, Fault, FieldError, IndexPage, JoinedPage, Moment, NewPassword, OpenAgainPage,
    PAGE_HEADERS, TooManyTriesPage, UnknownLinkPage, View,
};
use visitor::{Held, cookie, neighbourhood};
use zeroize::Zeroizing;

/// How long the cookie with the link's token lives, in seconds.
const COOKIE_SECONDS: i64 = 1800;

fn page(app: &SharedApp, view: &impl View) -> Response {
    let page = views::render_in(view, theme::chosen());
    let mut response = (page.status, page.html).into_response();
    for (name, value) in PAGE_HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if app.public_url.is_https() {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000"));
    }
    response
}

/// What whoever asked can mend: nothing of it is in the log, so it has no number.
pub(super) fn fault(app: &SharedApp, fault: Fault) -> Response {
    page(app, &ErrorPage { base: app.public_url.base(), fault, why: None, request_id: None })
}

/// What a rule does not allow, in its words.
fn stopped(app: &SharedApp, why: &str) -> Response {
    page(app, &ErrorPage { base: app.public_url.base(), fault: Fault::Stopped, why: Some(why), request_id: None })
}

/// What they cannot: the page has the number under which the error is in the log.
fn failed(app: &SharedApp, request_id: RequestId, error: &Error) -> Response {
    let is_passing = matches!(error, Error::RateLimited { .. } | Error::Unavailable(_) | Error::MailUnavailable);
    tracing::error!(request_id = %request_id, error = ?error, "a page could not be made");
    let fault = if is_passing { Fault::Unavailable } else { Fault::Internal };
    page(app, &ErrorPage { base: app.public_url.base(), fault, why: None, request_id: Some(&request_id.to_string()) })
}

/// What this server is; for who is signed in, where they may go.
pub async fn index(State(app): State<SharedApp>, headers: HeaderMap) -> Response {
    match Held::read(&app, &headers).await {
        Ok(Some(held)) => return frame::begin(&app, held).await,
        Ok(None) => {}
        Err(error) => return unavailable(&app, &error.into()),
    }
    let mcp_url = format!("{}/mcp/{{organization}}", app.public_url.as_str());
    page(&app, &IndexPage { base: app.public_url.base(), mcp_url: &mcp_url })
}

/// Those parameters that say something, as an address carries them.
fn query<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut pairs = Serializer::new(String::new());
    pairs.extend_pairs(parameters.into_iter().filter(|(_, value)| !value.is_empty()));
    pairs.finish()
}

/// A path with those parameters that say something.
fn address<'a>(path: &str, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let query = query(parameters);
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// An address that takes forms only, asked for as a page, such as by loading what was answered again: it leads back to where the form
/// stands.
pub fn leads_to(path: &'static str) -> MethodRouter<SharedApp> {
    get(async move |State(app): State<SharedApp>| door::go_to(&app, path))
}

/// An address that exists, asked in a way that it does not answer.
pub async fn method_not_allowed(State(app): State<SharedApp>) -> Response {
    fault(&app, Fault::MethodNotAllowed)
}

/// An address that is none.
pub async fn not_found(State(app): State<SharedApp>) -> Response {
    fault(&app, Fault::NotFound)
}

fn cookie_name(place: &str, id: LinkId) -> String {
    format!("usher_{place}_{}", id.as_uuid().simple())
}

/// Moves from the address with a link's token to the one with its id, the token in a cookie for that page alone
/// (requirement 50).
fn move_to_cookie(app: &SharedApp, place: &str, id: LinkId, token: &str) -> Response {
    let path = format!("/{place}/{id}");
    let below = format!("{}{path}", app.public_url.base());
    let cookie = visitor::set_at(app, &cookie_name(place, id), token, &below, COOKIE_SECONDS);
    visitor::with_cookies(door::go_to(app, &path), [cookie])
}

/// A mistake of ours stopped the making of a page; the log has its words, and the number that the page shows.
pub fn panicked(app: &SharedApp) -> Response {
    unavailable(app, &Error::Internal("panic".to_owned()))
}

/// The same for a request that has no number yet.
fn unavailable(app: &SharedApp, error: &Error) -> Response {
    failed(app, RequestId::new(app.clock.now(), &app.random), error)
}

/// A refusal of a field in one sentence or two.
fn said(invalid: &crate::domain::Invalid) -> String {
    invalid.on_a_page(views::label(invalid.field))
}

fn dead(app: &SharedApp, link: &Link) -> Response {
    let (why, date) = match link.state {
        LinkState::Expired | LinkState::Live => (DeadLink::Expired, link.expires_at),
        LinkState::Superseded => (DeadLink::Superseded, link.ended_at.unwrap_or(link.sent_at)),
        LinkState::Withdrawn => (DeadLink::Withdrawn, link.ended_at.unwrap_or(link.sent_at)),
        LinkState::Used => (DeadLink::Used, link.ended_at.unwrap_or(link.sent_at)),
        LinkState::Suspended => (DeadLink::Suspended, link.sent_at),
    };
    let (iso, words) = (date.to_rfc3339(), date.short_utc());
    let date = Moment { iso: &iso, words: &words };
    page(app, &DeadLinkPage { base: app.public_url.base(), organization: &link.organization, why, date })
}

/// A token that is no invite's.
fn stranger(app: &SharedApp, caller: CallerAddress) -> Response {
    guessed(app, caller, &UnknownLinkPage { base: app.public_url.base() })
}

/// Shows what a token that is no link's is answered. Where an address has tried many of those it is told to wait.
fn guessed(app: &SharedApp, caller: CallerAddress, view: &impl View) -> Response {
    app.evidence.stranger(app.clock.now(), "dead_link", "web", gather::hashed(app, caller.0));
    guesses_too_much(app, caller).unwrap_or_else(|| page(app, view))
}

/// What somebody is told who has guessed too often from one place; each guess is counted.
fn guesses_too_much(app: &SharedApp, CallerAddress(address): CallerAddress) -> Option<Response> {
    let wait = app.guesses.check(&neighbourhood(address?)).err()?;
    Some(wait_page(app, wait, true))
}

/// Why a password or a code was not looked at; `other` is a way that needs no waiting, as the rest of the sentence.
fn too_soon(budget: Budget, wait: i64, other: &str) -> String {
    let wait = in_words(retry_after_seconds(wait));
    match budget {
        Budget::Hashing => format!("The server is busy. Wait {wait}, then try again."),
        Budget::Calls | Budget::Invites | Budget::OwnInvites | Budget::Resends | Budget::Resets | Budget::SignIn => {
            format!("Too many tries in a row. Wait {wait}{other}.")
        }
    }
}

/// Too much from one place in too short a time.
fn too_many(app: &SharedApp, wait: i64) -> Response {
    wait_page(app, wait, false)
}

fn wait_page(app: &SharedApp, wait: i64, has_link: bool) -> Response {
    let retry_after_seconds = retry_after_seconds(wait);
    let mut response = page(app, &TooManyTriesPage { base: app.public_url.base(), retry_after_seconds, has_link });
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after_seconds));
    response
}

/// What an address shows of a link: the token itself, or the id of a link whose cookie then holds the token, if it is there.
struct Shown {
    id: Option<LinkId>,
    token: String,
}

impl Shown {
    /// A segment that is no text shows nothing, like any other that is no token.
    fn read(place: &str, segment: Result<Path<String>, PathRejection>, headers: &HeaderMap) -> Self {
        let segment = segment.map(|Path(segment)| segment).unwrap_or_default();
        let id = LinkId::parse(&segment);
        let token = match id {
            Some(id) => cookie(headers, &cookie_name(place, id)).unwrap_or_default().to_owned(),
            None => segment,
        };
        Self { id, token }
    }

    /// Whether it names a link and brings nothing that opens it: the cookie's half hour is over, or it lies in another browser.
    fn is_left_alone(&self) -> bool {
        self.id.is_some() && self.token.is_empty()
    }

    /// The link behind the token, where it is the one that the address names: a cookie opens no other invite's page.
    async fn link(&self, app: &SharedApp) -> Result<Option<Link>, Error> {
        let found = joining::look(app, &self.token).await?;
        Ok(found.filter(|found| self.id.is_none_or(|id| id == found.id)))
    }
}

/// `GET /invite/{token}` and `GET /invite/{id}`.
pub async fn invite(
    State(app): State<SharedApp>,
    Extension(caller): Extension<CallerAddress>,
    segment: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let shown = Shown::read("invite", segment, &headers);
    if shown.is_left_alone() {
        return page(&app, &OpenAgainPage { base: app.public_url.base() });
    }
    let request_id = RequestId::new(app.clock.now(), &app.random);
    match shown.link(&app).await {
        Ok(Some(found)) if found.state != LinkState::Live => dead(&app, &found),
        Ok(Some(found)) if shown.id.is_some() => form(&app, &found, &found.first_name, &found.last_name, None, &[]).await,
        Ok(Some(found)) => move_to_cookie(&app, "invite", found.id, &shown.token),
        Ok(None) => stranger(&app, caller),
        Err(error) => failed(&app, request_id, &error),
    }
}

async fn form(app: &SharedApp, link: &Link, first: &str, last: &str, show: Option<&str>, errors: &[FieldError<'_>]) -> Response {
    let providers = match sso::providers(app, link.org).await {
        Ok(providers) => providers,
        Err(error) => return unavailable(app, &error),
    };
    let (iso, words) = (link.expires_at.to_rfc3339(), link.expires_at.short_utc());
    let action = format!("{}/invite/{}", app.public_url.base(), link.id);
    let person = format!("{} {}", link.first_name, link.last_name);
    let strength = show.map(|typed| password::in_words(typed, &[first, last, &link.email, &link.organization]));
    page(
        app,
        &AcceptPage {
            base: app.public_url.base(),
            action: &action,
            organization: &link.organization,
            inviter: link.inviter.as_deref().unwrap_or("The operator of this server"),
            person: &person,
            email: &link.email,
            role: link.role.shown(),
            until: Moment { iso: &iso, words: &words },
            providers: &providers,
            first_name: first,
            last_name: last,
            show_password: new_password(show, strength.as_deref()),
            errors,
        },
    )
}

/// What was typed, where its person asked to see it, with how good it is.
fn new_password<'a>(typed: Option<&'a str>, strength: Option<&'a str>) -> Option<NewPassword<'a>> {
    typed.zip(strength).map(|(text, strength)| NewPassword { text, strength })
}

/// A form as it was sent. One that cannot be read is answered before its page is asked.
#[derive(Debug)]
pub struct Sent<T>(pub T);

impl<T: DeserializeOwned> FromRequest<SharedApp> for Sent<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &SharedApp) -> Result<Self, Response> {
        match Form::from_request(request, app).await {
            Ok(Form(sent)) => Ok(Self(sent)),
            Err(rejection) => Err(fault(app, unread(rejection.status()))),
        }
    }
}

/// Why a form could not be read.
fn unread(status: StatusCode) -> Fault {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Fault::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Fault::UnsupportedMedia,
        _ => Fault::BadRequest,
    }
}

/// The accepting form.
#[derive(serde::Deserialize)]
pub struct AcceptForm {
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
    #[serde(default)]
    password: String,
    #[serde(default, rename = "do")]
    act: String,
}

impl std::fmt::Debug for AcceptForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AcceptForm").field("act", &self.act).finish_non_exhaustive()
    }
}

/// `POST /invite/{id}`.
pub async fn accept(
    State(app): State<SharedApp>,
    Extension(caller): Extension<CallerAddress>,
    segment: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    Sent(mut sent): Sent<AcceptForm>,
) -> Response {
    // The address itself may be posted to by a program that never took the cookie.
    let shown = Shown::read("invite", segment, &headers);
    if shown.is_left_alone() {
        return page(&app, &OpenAgainPage { base: app.public_url.base() });
    }
    let request_id = RequestId::new(app.clock.now(), &app.random);
    let password = Zeroizing::new(std::mem::take(&mut sent.password));
    let found = match shown.link(&app).await {
        Ok(Some(found)) => found,
        Ok(None) => return stranger(&app, caller),
        Err(error) => return failed(&app, request_id, &error),
    };
    if sent.act == "show" && found.state == LinkState::Live {
        return form(&app, &found, &sent.first_name, &sent.last_name, Some(&password), &[]).await;
    }
    if let Some(connection) = sent.act.strip_prefix(sso::GO) {
        if found.state != LinkState::Live {
            return dead(&app, &found);
        }
        let hint = crate::domain::Email::parse(&found.email).ok();
        let asking = Asking { hint: hint.as_ref(), another: false };
        return sso::set_out(&app, (caller, &headers), found.org, connection, Purpose::Join(found.id.as_uuid()), asking).await;
    }
    let acceptance = Acceptance { first_name: sent.first_name.clone(), last_name: sent.last_name.clone(), password };
    match retrying(|| joining::accept(&app, &shown.token, request_id, &acceptance)).await {
        Ok(joined) => {
            let mcp_url = app.public_url.mcp(&joined.slug);
            let person = format!("{} {}", acceptance.first_name.trim(), acceptance.last_name.trim());
            let view = JoinedPage {
                base: app.public_url.base(),
                organization: &joined.organization,
                person: &person,
                email: &joined.email,
                role: joined.role.shown(),
                mcp_url: &mcp_url,
            };
            // Who has joined is in; where this fails the page still says how to sign in.
            let mut browser = visitor::browser(&app, &headers);
            let mark = visitor::marked(&app, &mut browser);
            let session = signing_in::after_joining(&app, &joined, &browser, request_id).await;
            if let Err(error) = &session {
                tracing::error!(%request_id, ?error, "somebody joined and could not be signed in");
            }
            let session = session.ok().and_then(|session| visitor::opened(&app, &session));
            // The link's cookie stays: its token is dead, and whoever comes back to this address hears that they have joined.
            visitor::with_cookies(page(&app, &view), [mark, session])
        }
        Err(Error::Invalid(invalid)) => {
            let message = said(&invalid);
            let errors = [FieldError { field: invalid.field, message: &message }];
            form(&app, &found, &sent.first_name, &sent.last_name, None, &errors).await
        }
        Err(Error::DeadLink) => match shown.link(&app).await {
            Ok(Some(now)) => dead(&app, &now),
            Ok(None) => stranger(&app, caller),
            Err(error) => failed(&app, request_id, &error),
        },
        // The organization was connected to a provider: the page shows that way now.
        Err(Error::SignInRefused) => form(&app, &found, &sent.first_name, &sent.last_name, None, &[]).await,
        Err(error) => failed(&app, request_id, &error),
    }
}

/// `GET /assets/{name}`.
pub async fn asset(State(app): State<SharedApp>, name: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Response {
    let wanted = name.map(|Path(name)| format!("/assets/{name}")).unwrap_or_default();
    let Some(asset) = views::ASSETS.iter().find(|asset| asset.path == wanted) else { return fault(&app, Fault::NotFound) };
    let tag = asset.etag();
    let told = [(header::CACHE_CONTROL, "no-cache".to_owned()), (header::ETAG, tag.clone())];
    if holds(&headers, &tag) {
        return (StatusCode::NOT_MODIFIED, told).into_response();
    }
    ([(header::CONTENT_TYPE, asset.content_type)], told, asset.body).into_response()
}

/// Whether the browser has what this tag names already (RFC 9110, 13.1.2: compared weakly, a list, or `*`).
fn holds(headers: &HeaderMap, tag: &str) -> bool {
    let named = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}
