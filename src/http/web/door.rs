//! Signing in: the two pages of the door, and the links that are mailed from it.
//!
//! What is answered never depends on whether an address is known. GET shows, POST acts, as with invites.

use super::{
    Sent, Shown,
    clicked::Click,
    guessed, guesses_too_much, move_to_cookie, new_password, page, too_many, too_soon, unavailable,
    views::{
        Fault, Moment,
        door::{LinkPage, SentPage, Shut, ShutPage, SignInPage, SignInToPage},
    },
    visitor::{self, neighbourhood, opened, with_cookies},
};
use crate::{
    app::SharedApp,
    authn::{password, session::Browser, sso::Asking},
    authz::door::Via,
    domain::{LinkKind, RequestId, Role},
    error::{Budget, Error},
    gather,
    http::auth::{CallerAddress, retry_after_seconds},
    service::{
        signing_in::{self, Knock, NewPassword, Opened},
        sso::Purpose,
    },
    store::{
        door::{GUESSES, Link, is_known_to_anybody},
        links::LinkState,
        organizations::{self, Organization},
    },
};
use axum::{
    Extension,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The one sentence for whatever does not open: a wrong password, an unknown address, somebody who may not come in. It names the way
/// that is left where the organization has that way.
const fn refused(mails_links: bool) -> &'static str {
    if mails_links {
        "That email and password do not open a door here. Check both, or have a link sent to you."
    } else {
        "That email and password do not open a door here. Check both."
    }
}

/// Whether an organization lets people in by a mailed link.
fn mails_links(organization: &Organization) -> bool {
    Via::Link.is_open(&organization.settings, Role::User)
}

/// What is said where a password is saved and did not sign in by itself.
const SAVED: &str = "Your password is saved. Sign in with it.";

/// What is said where no mail leaves this server, whoever asks.
const NO_MAIL: &str = "This server cannot send mail at present. Sign in another way, or tell whoever runs it.";

/// A form of the door.
#[derive(serde::Deserialize)]
pub struct DoorForm {
    #[serde(default)]
    email: String,
    #[serde(default)]
    organization: String,
    #[serde(default)]
    password: String,
    #[serde(default, rename = "do")]
    act: String,
}

impl std::fmt::Debug for DoorForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DoorForm").field("act", &self.act).finish_non_exhaustive()
    }
}

/// An answer that sends the browser on with GET.
pub(super) fn go_to(app: &SharedApp, path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("{}{path}", app.public_url.base())) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn sign_in_page(app: &SharedApp, email: (&str, Option<&str>), organization: (&str, Option<&str>)) -> Response {
    page(
        app,
        &SignInPage {
            base: app.public_url.base(),
            email: email.0,
            email_error: email.1,
            organization: organization.0,
            organization_error: organization.1,
        },
    )
}

/// `GET /sign-in`. Every browser gets its mark here, so that a link which is asked for twice works in it both times.
pub async fn sign_in(State(app): State<SharedApp>, headers: HeaderMap) -> Response {
    let mark = visitor::marked(&app, &mut visitor::browser(&app, &headers));
    with_cookies(sign_in_page(&app, ("", None), ("", None)), [mark])
}

/// Takes note of a request for a link, and says what is always said.
async fn knocked(
    app: &SharedApp,
    caller: CallerAddress,
    headers: &HeaderMap,
    sent: &DoorForm,
    org: Option<&Organization>,
    kind: LinkKind,
) -> Response {
    if let Err(response) = visits(app, caller, headers).await {
        return response;
    }
    let mut browser = visitor::browser(app, headers);
    let cookie = visitor::marked(app, &mut browser);
    let knock = Knock {
        email: sent.email.clone(),
        org: org.map(|org| org.org.number),
        kind,
        mark: browser.mark.unwrap_or_default(),
        label: browser.label,
    };
    match signing_in::knock(app, knock) {
        Ok(()) => {}
        Err(Error::RateLimited { retry_after_ms, .. }) => return too_many(app, retry_after_ms),
        Err(Error::MailUnavailable) => {
            let error = Some(NO_MAIL);
            return match org {
                Some(org) => door_page(app, org, &Said { email: &sent.email, error, ..Said::default() }).await,
                None => sign_in_page(app, (&sent.email, error), ("", None)),
            };
        }
        Err(error) => return unavailable(app, &error),
    }
    let back = match org {
        Some(org) => format!("{}/sign-in/{}", app.public_url.base(), org.slug),
        None => format!("{}/sign-in", app.public_url.base()),
    };
    with_cookies(page(app, &SentPage { base: app.public_url.base(), back: &back }), [cookie])
}

/// Counts a visit to the door per network address. A browser that was here before has visits of its own once others from there
/// have used those up: an office, or a proxy that nobody named with `--trusted-proxies`, is one address.
pub(super) async fn visits(app: &SharedApp, CallerAddress(address): CallerAddress, headers: &HeaderMap) -> Result<(), Response> {
    let Some(address) = address.map(neighbourhood) else { return Ok(()) };
    let Err(wait) = app.visits.check(&address) else { return Ok(()) };
    let Some(mark) = visitor::browser(app, headers).mark else { return Err(too_many(app, wait)) };
    match is_known_to_anybody(&app.pool, mark).await {
        Ok(true) => {
            let counted = app.known_visits.check(&mark).and_then(|()| app.known_neighbours.check(&address));
            counted.map_err(|wait| too_many(app, wait))
        }
        Ok(false) => Err(too_many(app, wait)),
        Err(error) => Err(unavailable(app, &error.into())),
    }
}

/// `POST /sign-in`: a link, or on to one's organization.
pub async fn ask(
    State(app): State<SharedApp>,
    Extension(caller): Extension<CallerAddress>,
    headers: HeaderMap,
    Sent(sent): Sent<DoorForm>,
) -> Response {
    if sent.act == "organization" {
        let slug = sent.organization.trim().trim_start_matches('/').to_lowercase();
        return match organizations::by_slug(&app.pool, &slug).await {
            Ok(Some(organization)) if organization.suspended_at.is_none() => go_to(&app, &format!("/sign-in/{}", organization.slug)),
            // One that is suspended has no door, and whose it was is nobody's business.
            Ok(Some(_) | None) => {
                let error = "There is no organization of this short name here. It stands at the end of your MCP address.";
                sign_in_page(&app, ("", None), (&sent.organization, Some(error)))
            }
            Err(error) => unavailable(&app, &error.into()),
        };
    }
    if sent.email.trim().is_empty() {
        return sign_in_page(&app, ("", Some("Type the address that you were invited with.")), ("", None));
    }
    knocked(&app, caller, &headers, &sent, None, LinkKind::SignIn).await
}

/// The organization of an address; a page for its absence.
async fn organization(app: &SharedApp, segment: Result<Path<String>, PathRejection>) -> Result<Organization, Response> {
    let slug = segment.map(|Path(slug)| slug).unwrap_or_default();
    match organizations::by_slug(&app.pool, &slug).await {
        Ok(Some(organization)) if organization.suspended_at.is_none() => Ok(organization),
        Ok(_) => Err(super::fault(app, Fault::NotFound)),
        Err(error) => Err(unavailable(app, &error.into())),
    }
}

/// What the page of an organization's door says beside the organization.
#[derive(Default)]
struct Said<'a> {
    email: &'a str,
    show: Option<&'a str>,
    error: Option<&'a str>,
    waits: bool,
}

async fn door_page(app: &SharedApp, organization: &Organization, said: &Said<'_>) -> Response {
    let providers = match super::sso::providers(app, organization.org).await {
        Ok(providers) => providers,
        Err(error) => return unavailable(app, &error),
    };
    page(
        app,
        &SignInToPage {
            providers: &providers,
            sso_required: organization.settings.sso_required,
            base: app.public_url.base(),
            organization: &organization.name,
            slug: &organization.slug,
            email: said.email,
            magic_links: mails_links(organization),
            show_password: said.show,
            error: said.error,
            waits: said.waits,
        },
    )
}

/// `GET /sign-in/{org}`. Every browser gets its mark here, by which a second click of its is known.
pub async fn sign_in_to(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Response {
    match organization(&app, segment).await {
        Ok(organization) => {
            let mark = visitor::marked(&app, &mut visitor::browser(&app, &headers));
            with_cookies(door_page(&app, &organization, &Said::default()).await, [mark])
        }
        Err(response) => response,
    }
}

/// Signs in by password; by a second click to the session of the first one, while that lives.
async fn by_password(
    app: &SharedApp,
    organization: Organization,
    email: String,
    password: Zeroizing<String>,
    browser: Browser,
    click: Click,
) -> Result<Opened, Error> {
    if let Some(session) = click.first(app, &app.sign_ins).await? {
        return Ok(session);
    }
    let request_id = RequestId::new(app.clock.now(), &app.random);
    let shared = Arc::clone(app);
    let enter = async move { signing_in::by_password(&shared, &organization, &email, password, &browser, request_id).await };
    click.once(app, &app.sign_ins, enter).await
}

/// `POST /sign-in/{org}`: by password, or a link, or a new password.
pub async fn enter(
    State(app): State<SharedApp>,
    Extension(caller): Extension<CallerAddress>,
    segment: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    Sent(mut sent): Sent<DoorForm>,
) -> Response {
    let password = Zeroizing::new(std::mem::take(&mut sent.password));
    let organization = match organization(&app, segment).await {
        Ok(organization) => organization,
        Err(response) => return response,
    };
    if sent.act == "show" {
        return door_page(&app, &organization, &Said { email: &sent.email, show: Some(&password), ..Said::default() }).await;
    }
    if let Some(connection) = sent.act.strip_prefix(super::sso::GO) {
        return super::sso::set_out(&app, (caller, &headers), organization.org, connection, Purpose::Enter, Asking::default()).await;
    }
    if sent.email.trim().is_empty() {
        let error = Some("Type the address that you were invited with.");
        return door_page(&app, &organization, &Said { error, ..Said::default() }).await;
    }
    match sent.act.as_str() {
        "link" => return knocked(&app, caller, &headers, &sent, Some(&organization), LinkKind::SignIn).await,
        "reset" => return knocked(&app, caller, &headers, &sent, Some(&organization), LinkKind::Reset).await,
        _ => {}
    }
    if let Err(response) = visits(&app, caller, &headers).await {
        return response;
    }
    let mut browser = visitor::browser(&app, &headers);
    let click = Click::of(&app, &["password", &organization.slug, &sent.email, &password], &browser);
    let mark = visitor::marked(&app, &mut browser);
    match by_password(&app, organization.clone(), sent.email.clone(), password, browser, click).await {
        Ok(session) => with_cookies(go_to(&app, "/"), [mark, opened(&app, &session)]),
        Err(Error::SignInRefused) => {
            app.evidence.stranger(app.clock.now(), "wrong_password", "web", gather::hashed(&app, caller.0));
            let said = Said { email: &sent.email, error: Some(refused(mails_links(&organization))), ..Said::default() };
            with_cookies(door_page(&app, &organization, &said).await, [mark])
        }
        Err(Error::RateLimited { budget, retry_after_ms }) => {
            let seconds = retry_after_seconds(retry_after_ms);
            let or = if mails_links(&organization) { ", or have a link sent to you" } else { "" };
            let words = too_soon(budget, retry_after_ms, or);
            let said = Said { email: &sent.email, error: Some(&words), waits: true, ..Said::default() };
            let mut response = with_cookies(door_page(&app, &organization, &said).await, [mark]);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        Err(error) => unavailable(&app, &error),
    }
}

fn shut(app: &SharedApp, why: Shut) -> Response {
    page(app, &ShutPage { base: app.public_url.base(), why })
}

/// Why a link opens nothing here, if so.
fn why_shut(link: &Link, mark: Option<[u8; 32]>) -> Option<Shut> {
    match link.state {
        LinkState::Live if link.facts.is_for(mark) => None,
        LinkState::Live => Some(Shut::OtherBrowser),
        LinkState::Expired => Some(Shut::Expired),
        LinkState::Used => Some(Shut::Used),
        LinkState::Superseded if link.facts.kind == LinkKind::Identity => Some(Shut::Connected),
        LinkState::Superseded => Some(Shut::Replaced),
        LinkState::Withdrawn if link.guesses >= GUESSES => Some(Shut::Guessed),
        LinkState::Withdrawn | LinkState::Suspended => Some(Shut::Closed),
    }
}

/// A token that is no link's.
fn unknown(app: &SharedApp, caller: CallerAddress) -> Response {
    guessed(app, caller, &ShutPage { base: app.public_url.base(), why: Shut::Unknown })
}

async fn behind(app: &SharedApp, shown: &Shown) -> Result<Option<Link>, Error> {
    let found = signing_in::look(app, &shown.token).await?;
    Ok(found.filter(|found| shown.id.is_none_or(|id| id == found.facts.id)))
}

/// What the page of a link says beside the link.
#[derive(Default)]
struct Typed<'a> {
    email: &'a str,
    show: Option<&'a str>,
    /// What is wrong: with which field, and why.
    error: Option<(&'a str, &'a str)>,
}

/// What a link to a password is for.
fn choosing(link: &Link) -> &'static str {
    if link.has_password { "Choose a new password" } else { "Choose a password" }
}

fn link_page(app: &SharedApp, link: &Link, typed: &Typed<'_>) -> Response {
    let (iso, words) = (link.facts.expires_at.to_rfc3339(), link.facts.expires_at.short_utc());
    let (title, sentence, button, asks_password) = match link.facts.kind {
        LinkKind::Reset => (
            choosing(link),
            if link.has_password {
                "It ends all other sessions of yours. Nothing happens until you save it."
            } else {
                "You have none yet; from then on you can sign in with it. It ends all other sessions of yours. Nothing happens until you save it."
            },
            "Save password",
            true,
        ),
        LinkKind::StartedReset => (
            choosing(link),
            if link.has_password {
                "This was started for you; nobody else sees the password. It ends all other sessions of yours. Nothing happens until you save it."
            } else {
                "This was started for you; nobody else sees the password. You have none yet; from then on you can sign in with it. It ends all other sessions of yours. Nothing happens until you save it."
            },
            "Save password",
            true,
        ),
        LinkKind::Identity => {
            ("Connect your sign-in", "From now on it opens this account. Nothing happens until you connect it.", "Connect", false)
        }
        LinkKind::SignIn | LinkKind::Operator | LinkKind::Invite => {
            ("Sign in", "Nothing happens until you choose Sign in.", "Sign in", false)
        }
    };
    let person = format!("{} {}", link.first_name, link.last_name);
    let strength = typed.show.map(|typed| password::in_words(typed, &[&link.first_name, &link.last_name, &link.email, &link.organization]));
    page(
        app,
        &LinkPage {
            base: app.public_url.base(),
            action: &format!("{}/link/{}", app.public_url.base(), link.facts.id),
            title,
            sentence,
            button,
            asks_password,
            first_password: !link.has_password,
            show_password: new_password(typed.show, strength.as_deref()),
            typed_email: (link.facts.kind == LinkKind::StartedReset).then_some(typed.email),
            email_error: typed.error.filter(|(field, _)| *field == "email").map(|(_, message)| message),
            error: typed.error.filter(|(field, _)| *field != "email").map(|(_, message)| message),
            person: &person,
            email: &link.email,
            organization: &link.organization,
            until: Moment { iso: &iso, words: &words },
        },
    )
}

/// `GET /link/{token}` and `GET /link/{id}`: changes nothing.
pub async fn link(
    State(app): State<SharedApp>,
    Extension(caller): Extension<CallerAddress>,
    segment: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let shown = Shown::read("link", segment, &headers);
    if shown.is_left_alone() {
        return shut(&app, Shut::LeftAlone);
    }
    let mark = visitor::browser(&app, &headers).mark;
    match behind(&app, &shown).await {
        Ok(Some(found)) => match why_shut(&found, mark) {
            Some(why) => shut(&app, why),
            // Every browser has its mark by then, by which a second click of its is known.
            None if shown.id.is_some() => {
                let given = visitor::marked(&app, &mut visitor::browser(&app, &headers));
                with_cookies(link_page(&app, &found, &Typed::default()), [given])
            }
            None => move_to_cookie(&app, "link", found.facts.id, &shown.token),
        },
        Ok(None) => unknown(&app, caller),
        Err(error) => unavailable(&app, &error),
    }
}

/// The form of a link's page.
#[derive(serde::Deserialize)]
pub struct LinkForm {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    #[serde(default, rename = "do")]
    act: String,
}

impl std::fmt::Debug for LinkForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkForm").field("act", &self.act).finish_non_exhaustive()
    }
}

/// Why a form of a link let nobody in.
enum NotIn {
    /// A password is saved, and opens nothing by itself.
    Saved,
    /// What went wrong.
    Failed(Error),
}

impl From<Error> for NotIn {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// `POST /link/{id}`.
pub async fn open(
    State(app): State<SharedApp>,
    Extension(caller): Extension<CallerAddress>,
    segment: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    Sent(mut sent): Sent<LinkForm>,
) -> Response {
    let password = Zeroizing::new(std::mem::take(&mut sent.password));
    let shown = Shown::read("link", segment, &headers);
    if shown.is_left_alone() {
        return shut(&app, Shut::LeftAlone);
    }
    let mut browser = visitor::browser(&app, &headers);
    let click = Click::of(&app, &["link", &shown.token, &sent.email, &password, &sent.act], &browser);
    match click.first(&app, &app.sign_ins).await {
        Ok(Some(session)) => return with_cookies(go_to(&app, "/"), [opened(&app, &session)]),
        Ok(None) => {}
        Err(error) => return unavailable(&app, &error.into()),
    }
    let found = match behind(&app, &shown).await {
        Ok(Some(found)) => found,
        Ok(None) => return unknown(&app, caller),
        Err(error) => return unavailable(&app, &error),
    };
    if let Some(why) = why_shut(&found, browser.mark) {
        return shut(&app, why);
    }
    let mark = visitor::marked(&app, &mut browser);
    let request_id = RequestId::new(app.clock.now(), &app.random);
    let resets = found.facts.kind.is_for_a_password();
    if resets && sent.act == "show" {
        return link_page(&app, &found, &Typed { email: &sent.email, show: Some(&password), error: None });
    }
    let asked_in = browser.mark;
    let doing = {
        let (app, token, email) = (Arc::clone(&app), shown.token.clone(), sent.email.clone());
        async move {
            if resets {
                let saved = signing_in::reset(&app, &token, NewPassword { email, password }, &browser, request_id).await?;
                saved.ok_or(NotIn::Saved)
            } else {
                Ok(signing_in::by_link(&app, &token, &browser, request_id).await?)
            }
        }
    };
    let done = match click.once(&app, &app.sign_ins, doing).await {
        Ok(session) => Ok(session),
        Err(NotIn::Saved) => {
            let said = Said { email: &found.email, error: Some(SAVED), ..Said::default() };
            return match organizations::by_slug(&app.pool, &found.slug).await {
                Ok(Some(organization)) => with_cookies(door_page(&app, &organization, &said).await, [mark]),
                Ok(None) => super::fault(&app, Fault::NotFound),
                Err(error) => unavailable(&app, &error.into()),
            };
        }
        Err(NotIn::Failed(error)) => Err(error),
    };
    match done {
        Ok(session) => with_cookies(go_to(&app, "/"), [mark, opened(&app, &session)]),
        Err(Error::Invalid(invalid)) => {
            // Whose mailbox a link was found in is guessed as a link is; the link itself counts them, too.
            let is_guess = invalid.field == "email";
            if is_guess {
                app.evidence.stranger(app.clock.now(), "wrong_address", "web", gather::hashed(&app, caller.0));
            }
            let guess = is_guess.then(|| guesses_too_much(&app, caller)).flatten();
            if let Some(wait) = guess {
                return wait;
            }
            let message = super::said(&invalid);
            link_page(&app, &found, &Typed { email: &sent.email, show: None, error: Some((invalid.field, &message)) })
        }
        Err(Error::DeadLink | Error::SignInRefused | Error::UserDeactivated | Error::InviteNotPending(_)) => {
            match behind(&app, &shown).await {
                Ok(Some(now)) => shut(&app, why_shut(&now, asked_in).unwrap_or(Shut::Closed)),
                Ok(None) => unknown(&app, caller),
                Err(error) => unavailable(&app, &error),
            }
        }
        // What the link was to connect opens another account by now.
        Err(Error::Conflict(_)) if found.facts.kind == LinkKind::Identity => shut(&app, Shut::Connected),
        // Nothing is saved yet: the link is good for another try.
        Err(Error::RateLimited { budget: budget @ Budget::Hashing, retry_after_ms }) if resets => {
            let message = too_soon(budget, retry_after_ms, "");
            link_page(&app, &found, &Typed { email: &sent.email, show: None, error: Some(("password", &message)) })
        }
        Err(error) => unavailable(&app, &error),
    }
}
