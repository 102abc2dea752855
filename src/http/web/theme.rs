//! Light, dark, or as the system has it: what somebody chose in a browser, in a cookie that says nothing else.
//!
//! The choice is the request's, and every page follows it, the ones of the door included. So it is put around the request, once, and
//! read where a page is rendered, instead of being handed through every view.

use super::{
    Sent,
    door::go_to,
    visitor::{cookie, full_name, set, with_cookies},
};
use crate::app::SharedApp;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};
use url::Url;

const COOKIE: &str = "usher_theme";
/// Seconds that a choice lives: as long as browsers keep any cookie.
const SECONDS: i64 = 400 * 86_400;

/// A scheme of colours that a page can be forced to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    /// The word in the cookie and on the page.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Reads exactly that word.
    fn parse(word: &str) -> Option<Self> {
        [Self::Light, Self::Dark].into_iter().find(|theme| theme.as_str() == word)
    }
}

tokio::task_local! {
    /// What the request that is answered brought.
    static CHOSEN: Option<Theme>;
}

/// What the page that is rendered now is forced to; nothing where the system decides.
pub(super) fn chosen() -> Option<Theme> {
    CHOSEN.try_with(|chosen| *chosen).ok().flatten()
}

/// Answers a request in the theme that its browser chose.
pub async fn follow(State(app): State<SharedApp>, request: Request, next: Next) -> Response {
    let theme = cookie(request.headers(), &full_name(&app, COOKIE)).and_then(Theme::parse);
    CHOSEN.scope(theme, next.run(request)).await
}

/// The choice under one's name.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct ThemeForm {
    theme: String,
}

/// The page that a form came from, as path and query below the base; where the browser keeps silent, the start page. It never leads
/// to another server, whatever the header says.
fn back(base: &str, headers: &HeaderMap) -> String {
    let from = headers.get(header::REFERER).and_then(|value| value.to_str().ok()).and_then(|text| Url::parse(text).ok());
    let place = from.and_then(|from| {
        let path = from.path().strip_prefix(base).filter(|path| path.starts_with('/') && !path.starts_with("//"))?;
        Some(from.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")))
    });
    place.unwrap_or_else(|| "/".to_owned())
}

/// `POST /theme`: no account's, but the browser's.
pub async fn choose(State(app): State<SharedApp>, headers: HeaderMap, Sent(sent): Sent<ThemeForm>) -> Response {
    let kept = match Theme::parse(&sent.theme) {
        Some(theme) => set(&app, COOKIE, theme.as_str(), SECONDS),
        // As the system has it needs no cookie.
        None => set(&app, COOKIE, "", 0),
    };
    with_cookies(go_to(&app, &back(app.public_url.base(), &headers)), [kept])
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn whoever_changes_the_theme_stays_on_the_page_and_on_the_server() {
        let from =
            |base: &str, referer: &str| back(base, &HeaderMap::from_iter([(header::REFERER, HeaderValue::from_str(referer).unwrap())]));
        assert_eq!(from("", "http://127.0.0.1:8080/users?query=a%26b"), "/users?query=a%26b");
        assert_eq!(from("/usher", "https://example.com/usher/me"), "/me");
        for (base, referer) in [("/usher", "https://example.com/elsewhere"), ("", "https://a.example//evil.example"), ("", "no address")] {
            assert_eq!(from(base, referer), "/", "{base} {referer}");
        }
        assert_eq!(from("", "https://a.example/\\evil.example"), "/");
        assert_eq!(back("", &HeaderMap::new()), "/");
    }
}
