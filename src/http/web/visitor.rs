//! Who comes with a request: the browser's cookies, and the account that it looks at.
//!
//! Reading them changes nothing. A form is only taken from our own pages ([`same_site`]), and one that was drawn for another
//! account than the one the browser looks at now does nothing.

use super::{fault, views::Fault};
use crate::{
    app::SharedApp,
    authn::{
        credential::base62,
        session::{self, Browser},
    },
    domain::CredentialId,
    keys::sha256,
    service::{
        Call,
        signing_in::{BROWSERS_KEPT, Opened},
    },
    store::{
        StoreError,
        sessions::{self, Session},
    },
};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use std::net::{IpAddr, Ipv6Addr};

/// Seconds that a browser's mark lives.
const MARK_SECONDS: i64 = BROWSERS_KEPT / 1000;
/// Seconds that the session's cookie lives; the row ends by itself, too.
const SESSION_SECONDS: i64 = sessions::ABSOLUTE / 1000;

/// The value of one cookie.
///
/// Byte by byte: all cookies of a host come in one header, and one of another application that is no text takes only itself away.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = pairs(headers).find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    std::str::from_utf8(value).ok()
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let all = headers.get_all(header::COOKIE).iter();
    all.flat_map(|value| value.as_bytes().split(|byte| *byte == b';')).map(<[u8]>::trim_ascii)
}

/// A cookie of ours by its bare name. The prefix ties it to this very host and to TLS (RFC 6265bis, 4.1.3.2); on loopback without TLS
/// browsers would not keep it.
pub(super) fn full_name(app: &SharedApp, name: &str) -> String {
    if app.public_url.is_https() { format!("__Host-{name}") } else { name.to_owned() }
}

pub(super) fn set(app: &SharedApp, name: &str, value: &str, seconds: i64) -> Option<HeaderValue> {
    set_at(app, &full_name(app, name), value, "/", seconds)
}

/// A cookie for the addresses below a path, with what all of ours have: no script reads it, and no other site's form brings it.
pub(super) fn set_at(app: &SharedApp, name: &str, value: &str, path: &str, seconds: i64) -> Option<HeaderValue> {
    let secure = if app.public_url.is_https() { "; Secure" } else { "" };
    HeaderValue::from_str(&format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")).ok()
}

const SESSION: &str = "usher_session";
const MARK: &str = "usher_browser";

/// The browser as its cookies say.
#[must_use]
pub(super) fn browser(app: &SharedApp, headers: &HeaderMap) -> Browser {
    let hashed =
        |name: &str| cookie(headers, &full_name(app, name)).filter(|value| value.len() == 43).map(|value| sha256(value.as_bytes()));
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Browser { cookie: hashed(SESSION), mark: hashed(MARK), label: session::in_words(agent) }
}

/// Gives a browser its mark where it has none, for everybody who asks alike.
pub(super) fn marked(app: &SharedApp, browser: &mut Browser) -> Option<HeaderValue> {
    if browser.mark.is_some() {
        return None;
    }
    let mark = base62(&app.random.bytes());
    browser.mark = Some(sha256(mark.as_bytes()));
    set(app, MARK, &mark, MARK_SECONDS)
}

/// Adds cookies to an answer.
pub(super) fn with_cookies(mut response: Response, cookies: impl IntoIterator<Item = Option<HeaderValue>>) -> Response {
    for value in cookies.into_iter().flatten() {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// The cookie of a session that was just opened.
pub(super) fn opened(app: &SharedApp, opened: &Opened) -> Option<HeaderValue> {
    set(app, SESSION, &opened.cookie, SESSION_SECONDS)
}

/// Takes the session's cookie away.
pub(super) fn closed(app: &SharedApp) -> Option<HeaderValue> {
    set(app, SESSION, "", 0)
}

/// Everything that a browser holds: its live sessions, those included that still wait for a second factor, the account that
/// was chosen last first. There is at least one.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) browser: Browser,
    pub(super) chosen: Session,
    pub(super) others: Vec<Session>,
}

impl Held {
    /// Reads what a browser holds; `None` without a live session.
    pub(super) async fn read(app: &SharedApp, headers: &HeaderMap) -> Result<Option<Self>, StoreError> {
        let browser = browser(app, headers);
        let Some(cookie) = browser.cookie else { return Ok(None) };
        let mut others = sessions::of_browser(&app.pool, cookie, app.clock.now()).await?;
        if others.is_empty() {
            return Ok(None);
        }
        let chosen = others.remove(0);
        Ok(Some(Self { browser, chosen, others }))
    }
}

/// Whether a session that was opened a moment ago is open still, in whatever state.
pub(super) async fn is_open(app: &SharedApp, opened: &Opened) -> Result<bool, StoreError> {
    let held = sessions::of_browser(&app.pool, sha256(opened.cookie.as_bytes()), app.clock.now()).await?;
    Ok(!held.is_empty())
}

/// A session of this browser as it stands now, if it is open still: a page that takes its time, or that changed what it rests on,
/// asks anew.
pub(super) async fn still_open(app: &SharedApp, browser: [u8; 32], id: CredentialId) -> Result<Option<Session>, StoreError> {
    let held = sessions::of_browser(&app.pool, browser, app.clock.now()).await?;
    Ok(held.into_iter().find(|session| session.id == id && session.waits_for.is_none()))
}

/// Where somebody goes on who may have changed what they themselves may: to this page if they still hold what opens it, else to where
/// they begin.
pub(super) async fn still_open_to(app: &SharedApp, visitor: &Visitor, permission: &str, path: &str) -> String {
    let Some(cookie) = visitor.browser.cookie else { return path.to_owned() };
    let holds = still_open(app, cookie, visitor.now.id).await.map(|now| now.is_some_and(|now| now.standing.holds(permission)));
    // Where that cannot be told, the page itself says so.
    if holds.unwrap_or(true) { path.to_owned() } else { "/".to_owned() }
}

/// Somebody with live sessions: the account that the browser looks at, and the others that it holds.
#[derive(Debug)]
pub struct Visitor {
    pub(super) browser: Browser,
    pub(super) now: Session,
    /// Those that still wait for something included, so that they can be chosen and opened.
    pub(super) others: Vec<Session>,
}

impl Visitor {
    /// Reads who comes; `None` without a live session. A session that still waits for something opens nothing.
    pub(super) async fn read(app: &SharedApp, headers: &HeaderMap) -> Result<Option<Self>, StoreError> {
        Ok(Held::read(app, headers).await?.and_then(|held| Self::of(app, held)))
    }

    /// The account that a browser looks at, if any of what it holds is open.
    pub(super) fn of(app: &SharedApp, Held { browser, chosen, others }: Held) -> Option<Self> {
        let mut others: Vec<_> = std::iter::once(chosen).chain(others).collect();
        let open = others.iter().position(|session| session.waits_for.is_none())?;
        let now = others.remove(open);
        app.seen.used(now.id, now.person.key, now.last_used_at, app.clock.now());
        Some(Self { browser, now, others })
    }

    /// A call of theirs.
    pub(super) fn call(&self, app: &SharedApp) -> Call {
        Call::numbered(app, session::actor(&self.now), self.now.standing.clone())
    }
}

/// What one subscriber has: an IPv4 address, or an IPv6 network of 64 bits.
pub(in crate::http) fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

/// Programs that send neither header are no browsers, so no other site made them.
const NOT_A_BROWSER: bool = false;

/// Whether a browser says that another site sent this form. Programs that say nothing are not browsers.
fn is_cross_site(app: &SharedApp, headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    let origin = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
    match (site, origin) {
        (Some("same-origin" | "none"), _) => false,
        (Some(_), _) => true,
        // The gate in front has turned foreign origins away already.
        (None, Some(origin)) => origin != app.public_url.origin() && !app.public_url.is_loopback(),
        (None, None) => NOT_A_BROWSER,
    }
}

/// Lets only our own pages' forms through (requirement 64): one place for all routes, so that none can forget it.
pub async fn same_site(State(app): State<SharedApp>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && is_cross_site(&app, request.headers()) {
        return fault(&app, Fault::CrossSite);
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_of_another_application_takes_only_itself_away() {
        let mut headers = HeaderMap::new();
        let said = b"theme=h\xe9; usher_session_old=1;usher_session=abc ; usher_session=later; bare".as_slice();
        headers.append(header::COOKIE, HeaderValue::from_bytes(said).unwrap());
        headers.append(header::COOKIE, HeaderValue::from_static("usher_browser=x=y"));
        assert_eq!(cookie(&headers, "usher_session"), Some("abc"));
        assert_eq!(cookie(&headers, "usher_browser"), Some("x=y"));
        assert_eq!(cookie(&headers, "theme"), None, "no text");
        assert_eq!(cookie(&headers, "bare"), None, "no value");
    }
}
