//! The browser: its two cookies, and the account that it looks at.
//!
//! One cookie is the session: 256 random bits, new at every sign-in. The other is the browser's mark, by which it is known
//! again: it opens nothing, but a mailed link works only beside it, and strangers cannot use up its tries.

use super::credential::base62;
use crate::{
    app::App,
    authz::{Actor, CredentialKind, Scopes, Surface},
    store::sessions::Session,
};
use zeroize::Zeroizing;

/// A browser as it came to the door.
#[derive(Clone, Debug)]
pub struct Browser {
    /// SHA-256 of the session's cookie, if there is one.
    pub cookie: Option<[u8; 32]>,
    /// SHA-256 of the browser's mark, if it has one.
    pub mark: Option<[u8; 32]>,
    /// In words of ours, such as `Firefox on Linux`.
    pub label: String,
}

impl Browser {
    /// The value of the cookie from the next sign-in on: nothing that was there before it is any good (requirement 62).
    #[must_use]
    pub fn next_cookie(&self, app: &App) -> Zeroizing<String> {
        Zeroizing::new(base62(&app.random.bytes()))
    }
}

/// The person of a session, acting on a page.
#[must_use]
pub fn actor(session: &Session) -> Actor {
    let credential = (CredentialKind::Session, session.id.as_uuid());
    Actor::person(session.org, session.person, credential, Scopes { write: true }, Surface::Web, None)
}

/// Programs by what their `User-Agent` says, the telling words first: everybody claims to be Safari, and most to be Chrome.
const PROGRAMS: [(&str, &str); 7] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 7] = [
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// A browser in our own words: nothing of what the header says gets in, so it may stand in mails and in the log.
#[must_use]
pub fn in_words(user_agent: &str) -> String {
    let find = |list: &[(&str, &'static str)]| list.iter().find(|(sign, _)| user_agent.contains(sign)).map(|(_, word)| *word);
    match (find(&PROGRAMS), find(&SYSTEMS)) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(program), None) => program.to_owned(),
        (None, Some(system)) => format!("A browser on {system}"),
        (None, None) => "A browser".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_told_in_our_own_words() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0";
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1";
        assert_eq!(in_words(firefox), "Firefox on Linux");
        assert_eq!(in_words(edge), "Edge on Windows");
        assert_eq!(in_words(phone), "Safari on iOS");
        assert_eq!(in_words("<script>alert(1)</script>"), "A browser");
        assert_eq!(in_words(""), "A browser");
    }
}
