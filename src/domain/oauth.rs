//! Names in OAuth that others chose: where a browser is sent back to, and who a client says it is.
//!
//! A redirect URI decides who is handed a code, and its origin is written into a header. So it is taken only where every
//! reader reads the same in it: ASCII, a host in its plain form, nobody's name before the host, no fragment. It is then
//! compared as the text that it is (RFC 9700, section 4.1.3); of one that leads to this computer the port may differ, because
//! a program on it listens at whichever was free (RFC 8252, section 7.3).
//!
//! ```
//! use usher_mcp::domain::RedirectUri;
//!
//! let uri = |text| RedirectUri::parse(text).map_err(|invalid| invalid.message);
//! let registered = uri("http://127.0.0.1/callback")?;
//! assert!(registered.matches(&uri("http://127.0.0.1:49152/callback")?));
//! assert!(!registered.matches(&uri("http://localhost:49152/callback")?));
//! # Ok::<(), std::borrow::Cow<'static, str>>(())
//! ```

use super::{Invalid, Random};
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};
use url::Url;

const REDIRECT_FIELD: &str = "redirect_uri";
const CLIENT_FIELD: &str = "client_id";
/// Bytes of a redirect URI: what every browser and proxy carries in one line, the answer's parameters included.
const REDIRECT_MAX: usize = 2_000;
/// Bytes of a client's id. One is kept with every grant and shown beside it.
const CLIENT_ID_MAX: usize = 500;
/// What an id that was given out here begins with.
const CLIENT_PREFIX: &str = "usher_client_";
/// RFC 1035, section 2.3.4, less the final dot.
const HOST_MAX: usize = 253;

/// Schemes that a browser or an operating system acts on by itself, so that no program of a person's waits behind them.
const NOT_PRIVATE: [&str; 44] = [
    "about",
    "acap",
    "android-app",
    "blob",
    "chrome",
    "cid",
    "content",
    "data",
    "dav",
    "dict",
    "dns",
    "edge",
    "facetime",
    "feed",
    "file",
    "filesystem",
    "ftp",
    "ftps",
    "gopher",
    "hcp",
    "help",
    "http",
    "https",
    "imap",
    "intent",
    "jar",
    "javascript",
    "ldap",
    "ldaps",
    "livescript",
    "magnet",
    "mailto",
    "nfs",
    "resource",
    "sftp",
    "sip",
    "smb",
    "sms",
    "ssh",
    "tel",
    "telnet",
    "vbscript",
    "ws",
    "wss",
];
/// The beginnings of whole families of such schemes.
const NOT_PRIVATE_FAMILIES: [&str; 6] = ["chrome-", "moz-", "ms-", "search-", "view-", "x-"];

/// Where a redirect URI leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leads {
    /// A host on the network, by TLS.
    Web,
    /// A program that listens on the person's own computer.
    Loopback,
    /// Whichever program on the person's own device claimed the scheme (RFC 8252, section 7.1).
    App,
}

/// A place to which an answer with a code may be sent: `https`, `http` to one's own computer, or a private-use scheme.
///
/// Equality is that of the texts; [`matches`](Self::matches) is the comparison of a registered one with an asked one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedirectUri {
    text: String,
    leads: Leads,
    /// Where the host ends and a port would begin.
    host_end: usize,
    /// Where path and query begin.
    rest: usize,
}

impl RedirectUri {
    /// Reads one, as it was registered or asked for.
    ///
    /// # Errors
    /// Names the rule that it breaks, and the accepted forms; the field is `redirect_uri`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (scheme, after) = plain(REDIRECT_FIELD, text, REDIRECT_MAX)?;
        let (leads, host_end, rest) = match scheme.as_str() {
            "https" | "http" => {
                let authority = Authority::read(text, after).ok_or_else(odd_host)?;
                let leads = if authority.is_loopback() { Leads::Loopback } else { Leads::Web };
                if leads == Leads::Web && scheme == "http" {
                    return Err(redirect("A `redirect_uri` with http leads to a loopback address alone."));
                }
                (leads, authority.host_end, authority.end)
            }
            scheme if is_private_use(scheme) => {
                if !text[after..].starts_with('/') {
                    return Err(redirect("In a `redirect_uri` a slash follows the scheme."));
                }
                (Leads::App, after, after)
            }
            _ => return Err(redirect("A `redirect_uri` has one of the accepted schemes.")),
        };
        Ok(Self { text: text.to_owned(), leads, host_end, rest })
    }

    /// The text, as it was registered or asked for.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it leads to a program that listens on the person's own computer. Which program that is, nothing shows.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        match self.leads {
            Leads::Loopback => true,
            Leads::Web | Leads::App => false,
        }
    }

    /// Whether it leads to whichever program on the person's own device claimed a scheme of its own. Which program that
    /// is, nothing shows either.
    #[must_use]
    pub const fn is_app(&self) -> bool {
        match self.leads {
            Leads::App => true,
            Leads::Web | Leads::Loopback => false,
        }
    }

    /// What a person reads: the host with its port, in the ASCII form that shows look-alikes; of a private-use scheme the
    /// scheme with its colon.
    #[must_use]
    pub fn shown_host(&self) -> String {
        let host = match self.leads {
            Leads::Web | Leads::Loopback => self.text[..self.rest].split_once("://").map_or("", |(_, host)| host),
            Leads::App => &self.text[..self.rest],
        };
        host.to_ascii_lowercase()
    }

    /// The source that lets a page's form lead here, for `form-action` of its content security policy. Where that grammar
    /// has no form for the host, which it lacks for addresses other than 127.0.0.1, it is the scheme alone.
    #[must_use]
    pub fn form_action(&self) -> String {
        let origin = self.text[..self.rest].to_ascii_lowercase();
        let (scheme, host) = origin.split_once(':').unwrap_or((&origin, ""));
        let host = host.trim_start_matches('/').split(':').next().unwrap_or_default();
        let has_source = match self.leads {
            Leads::Web | Leads::Loopback => host == "127.0.0.1" || (!host.starts_with('[') && host.parse::<IpAddr>().is_err()),
            Leads::App => false,
        };
        if has_source { origin } else { format!("{scheme}:") }
    }

    /// Whether this registered one allows the one that was asked for: the same text, or, to one's own computer, the same
    /// but for the port.
    #[must_use]
    pub fn matches(&self, asked: &Self) -> bool {
        self.text == asked.text || (self.is_loopback() && asked.is_loopback() && self.without_port() == asked.without_port())
    }

    /// What stands before and after the port.
    fn without_port(&self) -> (&str, &str) {
        (&self.text[..self.host_end], &self.text[self.rest..])
    }
}

impl TryFrom<String> for RedirectUri {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl From<RedirectUri> for String {
    fn from(uri: RedirectUri) -> Self {
        uri.text
    }
}

impl fmt::Debug for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedirectUri({})", self.text)
    }
}

/// How a client became known here, and so how far its name is to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientKind {
    /// The operator on the host entered it.
    Registered,
    /// It registered itself (RFC 7591); its name is what it says of itself.
    Dynamic,
    /// It is described by a document at the address that is its id; whoever holds that address vouches for it.
    Document,
}

impl ClientKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Registered, Self::Dynamic, Self::Document];

    /// The word that a row holds.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Dynamic => "dynamic",
            Self::Document => "document",
        }
    }

    /// Reads exactly the word that a row holds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether somebody other than the client vouches for its name: the operator, or whoever holds the document's host.
    #[must_use]
    pub const fn is_verified(self) -> bool {
        match self {
            Self::Registered | Self::Document => true,
            Self::Dynamic => false,
        }
    }
}

/// Who a client is: an id that was given out here, or the address of its metadata document. Compared as the text that it
/// is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientId(String);

impl ClientId {
    /// A new one, for a client that is entered or registers itself. It is a name and no secret.
    #[must_use]
    pub fn new(random: &Random) -> Self {
        Self(format!("{CLIENT_PREFIX}{:032x}", u128::from_be_bytes(random.bytes())))
    }

    /// Reads one: `usher_client_` with letters and digits, or an `https` address with a path, in the one spelling that it
    /// is fetched by: no query is excluded, but user, fragment, dot segments, a default port and capital letters in the
    /// host are.
    ///
    /// # Errors
    /// Names the accepted forms; the field is `client_id`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if is_document(text) || is_given_out(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::new(CLIENT_FIELD, "`client_id` is neither an id from here nor the address of a client's metadata document.")
            .with_hint("An address is https, has a path, and neither user, fragment, dot segments nor a needless port."))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the address of a metadata document.
    #[must_use]
    pub fn is_document(&self) -> bool {
        self.document().is_some()
    }

    /// The address of its metadata document, where it is one.
    #[must_use]
    pub fn document(&self) -> Option<Url> {
        if is_given_out(&self.0) { None } else { Url::parse(&self.0).ok() }
    }
}

impl TryFrom<String> for ClientId {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl From<ClientId> for String {
    fn from(id: ClientId) -> Self {
        id.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientId({})", self.0)
    }
}

fn is_given_out(text: &str) -> bool {
    text.strip_prefix(CLIENT_PREFIX)
        .is_some_and(|rest| (16..=64).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Whether it is the address of a metadata document, written as the URL standard writes it: what is fetched is then what is
/// shown and compared, and dot segments have nowhere to hide.
fn is_document(text: &str) -> bool {
    let Ok((scheme, after)) = plain(CLIENT_FIELD, text, CLIENT_ID_MAX) else { return false };
    let is_as_parsed = Url::parse(text).is_ok_and(|url| url.as_str() == text && url.path() != "/");
    scheme == "https" && is_as_parsed && Authority::read(text, after).is_some()
}

/// The scheme in lower case, and where it ends, of a text that every parser of addresses takes for the same: characters of
/// RFC 3986 alone, percent signs before two digits, no fragment, no name before the host.
fn plain(field: &'static str, text: &str, max: usize) -> Result<(String, usize), Invalid> {
    let wrong = |message: String| Err(accepted(field, message));
    if text.len() > max {
        return wrong(format!("`{field}` may have at most {max} bytes."));
    }
    if text.contains('#') {
        return wrong(format!("`{field}` has no fragment."));
    }
    if !text.bytes().all(is_of_uris) || !percent_signs_hold(text) {
        return wrong(format!("`{field}` has only characters that an address may have."));
    }
    let Some((scheme, rest)) = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
        return wrong(format!("`{field}` is a complete address, scheme included."));
    };
    let authority = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    if authority.contains('@') {
        return wrong(format!("`{field}` names nobody before the host."));
    }
    if Url::parse(text).is_err() {
        return wrong(format!("`{field}` is a complete address."));
    }
    Ok((scheme.to_ascii_lowercase(), scheme.len() + 1))
}

fn accepted(field: &'static str, message: String) -> Invalid {
    Invalid::new(field, message).with_hint(
        "The accepted forms are https://example.com/callback, http://127.0.0.1:49152/callback on one's own computer, and \
         com.example.app:/callback for an app.",
    )
}

fn redirect(message: &str) -> Invalid {
    accepted(REDIRECT_FIELD, message.to_owned())
}

fn odd_host() -> Invalid {
    redirect("In a `redirect_uri` with http or https a plain host name or address follows two slashes, with a port at most.")
}

/// RFC 3986, sections 2.2 and 2.3, and the percent sign; the number sign is looked at before.
fn is_of_uris(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte)
}

fn percent_signs_hold(text: &str) -> bool {
    text.split('%').skip(1).all(|after| after.len() >= 2 && after.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()))
}

/// RFC 3986, section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// Whether a scheme, in lower case, can be an app's own: of a domain turned round (`com.example.app`), as RFC 8252 wants it, or a
/// product's name (`cursor`, `vscode`), as most use it.
fn is_private_use(scheme: &str) -> bool {
    scheme.len() >= 2
        && !NOT_PRIVATE.contains(&scheme)
        && (scheme.contains('.') || !NOT_PRIVATE_FAMILIES.iter().any(|family| scheme.starts_with(family)))
}

/// Host and port of an address whose scheme has two slashes after it.
struct Authority<'a> {
    host: &'a str,
    host_end: usize,
    end: usize,
}

impl<'a> Authority<'a> {
    /// Reads it where the host is written plainly: a name of letters, digits, hyphens and dots, or an address in the form
    /// that the URL standard gives it, so that neither another spelling of an address nor a character of a header's grammar
    /// passes for a host.
    fn read(text: &'a str, after_scheme: usize) -> Option<Self> {
        let start = after_scheme + 2;
        let rest = text.get(after_scheme..)?.strip_prefix("//")?;
        let end = start + rest.find(['/', '?']).unwrap_or(rest.len());
        let whole = &text[start..end];
        let host_len = match whole.strip_prefix('[') {
            Some(address) => address.find(']')? + 2,
            None => whole.find(':').unwrap_or(whole.len()),
        };
        let (host, port) = whole.split_at(host_len);
        let is_as_parsed = Url::parse(text).is_ok_and(|url| url.host_str().is_some_and(|parsed| parsed.eq_ignore_ascii_case(host)));
        (is_as_parsed && is_plain_host(host) && is_port(port)).then_some(Self { host, host_end: start + host_len, end })
    }

    fn is_loopback(&self) -> bool {
        let name = self.host.to_ascii_lowercase();
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
        name == "localhost" || name.ends_with(".localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

fn is_plain_host(host: &str) -> bool {
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    host.starts_with('[') || (host.len() <= HOST_MAX && host.split('.').all(is_label))
}

/// Nothing, or a colon with a number from 1 to 65535 without needless zeros.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(digits) => !digits.starts_with(['0', '+']) && digits.parse::<u16>().is_ok(),
        None => text.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn uri(text: &str) -> RedirectUri {
        RedirectUri::parse(text).unwrap_or_else(|invalid| panic!("{text}: {}", invalid.message))
    }

    /// What is accepted, with what a person reads, and the source for the policy.
    const ACCEPTED: [(&str, &str, &str); 16] = [
        ("https://claude.ai/api/mcp/auth_callback", "claude.ai", "https://claude.ai"),
        ("https://claude.ai", "claude.ai", "https://claude.ai"),
        ("https://Claude.AI?x=y", "claude.ai", "https://claude.ai"),
        ("https://example.com:8443/a/../b?x=%2F&y=[z]", "example.com:8443", "https://example.com:8443"),
        ("https://xn--bcher-kva.example/cb", "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://8.8.8.8/cb", "8.8.8.8", "https:"),
        ("https://[2606:4700::1111]:8443/cb", "[2606:4700::1111]:8443", "https:"),
        ("https://a.example/cb?to=mailto:x@y.example", "a.example", "https://a.example"),
        ("http://127.0.0.1/callback", "127.0.0.1", "http://127.0.0.1"),
        ("http://127.0.0.1:49152/callback", "127.0.0.1:49152", "http://127.0.0.1:49152"),
        ("http://localhost:8787/callback", "localhost:8787", "http://localhost:8787"),
        ("http://[::1]:1455/cb", "[::1]:1455", "http:"),
        ("https://localhost:3000", "localhost:3000", "https://localhost:3000"),
        ("cursor://anysphere.cursor-mcp/oauth/callback", "cursor:", "cursor:"),
        ("vscode-insiders://vscode.github/x", "vscode-insiders:", "vscode-insiders:"),
        ("Com.example.app:/cb", "com.example.app:", "com.example.app:"),
    ];

    #[test]
    fn requirement_27_the_accepted_forms_say_where_they_lead() {
        for (text, host, source) in ACCEPTED {
            let uri = uri(text);
            assert_eq!((uri.as_str(), uri.shown_host().as_str(), uri.form_action().as_str()), (text, host, source));
            assert_eq!(uri.is_loopback(), host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]"), "{text}");
            assert_eq!(uri.is_app(), host.ends_with(':'), "{text}");
            assert!(uri.matches(&uri.clone()));
        }
        for text in ["http://127.8.9.1:5/", "http://app.localhost/cb", "http://LOCALHOST/cb"] {
            assert!(uri(text).is_loopback(), "{text}");
        }
    }

    #[test]
    fn requirement_27_everything_else_is_refused_and_not_repeated() {
        for text in [
            "",
            "/callback",
            "callback",
            "//example.com/cb",
            "https:",
            "https:/example.com/cb",
            "https:example.com/cb",
            "https:///cb",
            "https://",
            "http://example.com/cb",
            "http://localhost.evil.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://10.0.0.1/cb",
            "http://localhost./cb",
            "https://example..com/cb",
            "http://127.1/cb",
            "http://2130706433/cb",
            "http://0x7f000001/cb",
            "http://0177.0.0.1/cb",
            "http://[0:0:0:0:0:0:0:1]/cb",
            "http://[::ffff:127.0.0.1]/cb",
            "http://localhost@evil.example/cb",
            "https://ana@example.com/cb",
            "https://@example.com/cb",
            "https://ana:secret@example.com/cb",
            "cursor://ana@host/cb",
            "https://example.com/cb#x",
            "https://example.com/cb#",
            "https://example.com:/cb",
            "https://example.com:0/cb",
            "https://example.com:0443/cb",
            "https://example.com:+443/cb",
            "https://example.com:65536/cb",
            "https://example.com:8443x/cb",
            "https://[::1/cb",
            "https://[::1]x/cb",
            "https://bücher.example/cb",
            "https://exa_mple.com/cb",
            "https://*.example.com/cb",
            "https://evil.example;script-src",
            "https://evil.example,x/cb",
            "https://evil.example'/cb",
            "https://evil%2eexample/cb",
            "https://example.com\\@evil.example/cb",
            "https://example.com/c b",
            "https://example.com/cb\r\nSet-Cookie: a=b",
            "https://example.com/cb\0",
            "https://example.com/<script>",
            "https://example.com/%",
            "https://example.com/%2",
            "https://example.com/%zz",
            " https://example.com/cb",
            "https://xn--a.example/cb",
            "javascript:alert(1)",
            "JavaScript://example.com/%0aalert(1)",
            "javascript:/alert(1)",
            "data:text/html,x",
            "data:/x",
            "vbscript:/x",
            "file:///etc/passwd",
            "blob:https://example.com/x",
            "filesystem:https://example.com/x",
            "about:blank",
            "view-source:https://example.com/",
            "ws://example.com/cb",
            "wss://example.com/cb",
            "ftp://example.com/cb",
            "mailto:/ana@example.com",
            "ms-msdt:/id",
            "chrome-extension://abc/cb",
            "intent://scan/#Intent",
            "x:/cb",
            "cursor:callback",
            "cursor:",
            "1app:/cb",
            "com.example.app:cb",
            "com_example:/cb",
        ] {
            let invalid = RedirectUri::parse(text).expect_err(text);
            assert_eq!(invalid.field, "redirect_uri");
            assert!(text.len() < 9 || !invalid.message.contains(text), "never quotes the input: {text}");
            assert!(invalid.hint.is_some(), "{text}");
        }
        let long = |length: usize| format!("https://example.com/{}", "a".repeat(length - 20));
        assert_eq!(uri(&long(2_000)).as_str().len(), 2_000);
        assert!(RedirectUri::parse(&long(2_001)).unwrap_err().message.contains("2000"));
    }

    #[test]
    fn requirement_27_only_the_port_of_ones_own_computer_may_differ() {
        let matches = |registered: &str, asked: &str| uri(registered).matches(&uri(asked));
        for (registered, asked) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb"),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb"),
            ("http://localhost:8787/cb?x=y", "http://localhost/cb?x=y"),
            ("http://[::1]/cb", "http://[::1]:9/cb"),
        ] {
            assert!(matches(registered, asked) && matches(asked, registered), "{registered} {asked}");
        }
        for (registered, asked) in [
            ("https://example.com/cb", "https://example.com/cb/"),
            ("https://example.com/cb", "https://example.com/CB"),
            ("https://example.com/cb", "https://example.com/cb?x"),
            ("https://example.com/cb", "https://example.com/cb/../cb"),
            ("https://example.com/cb", "https://example.com/%63b"),
            ("https://example.com/cb", "https://Example.com/cb"),
            ("https://example.com/cb", "https://example.com:443/cb"),
            ("https://example.com:1/cb", "https://example.com:2/cb"),
            ("https://example.com/cb", "https://evil.example/cb"),
            ("https://example.com", "https://example.com/"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:9/cb2"),
            ("http://127.0.0.1/cb", "http://127.0.0.2/cb"),
            ("http://127.0.0.1/cb", "http://localhost/cb"),
            ("http://127.0.0.1/cb", "http://[::1]/cb"),
            ("http://localhost/cb", "https://localhost/cb"),
            ("http://localhost/cb", "http://localhost:9/cb?x"),
            ("cursor://a/cb", "cursor://a:9/cb"),
            ("cursor://a/cb", "vscode://a/cb"),
        ] {
            assert!(!matches(registered, asked) && !matches(asked, registered), "{registered} {asked}");
        }
    }

    #[test]
    fn a_redirect_uri_reads_back_from_a_row() {
        let all: Vec<RedirectUri> = ACCEPTED.iter().map(|(text, ..)| uri(text)).collect();
        let json = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Vec<RedirectUri>>(&json).unwrap(), all);
        assert!(serde_json::from_str::<Vec<RedirectUri>>("[\"javascript:alert(1)\"]").is_err());
    }

    #[test]
    fn each_kind_of_client_reads_back() {
        for kind in ClientKind::ALL {
            assert_eq!(ClientKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(ClientKind::parse("Registered"), None);
        assert_eq!(ClientKind::ALL.map(ClientKind::is_verified), [true, false, true]);
    }

    #[test]
    fn an_id_is_one_from_here_or_the_address_of_a_document() {
        let given = ClientId::new(&Random::seeded(1));
        assert_eq!(ClientId::parse(given.as_str()), Ok(given.clone()));
        assert!(given.as_str().starts_with("usher_client_") && !given.is_document());
        assert_ne!(given, ClientId::new(&Random::seeded(2)));
        for text in [
            "https://claude.ai/oauth/mcp-oauth-client-metadata",
            "https://app.example.com:8443/client.json?v=1",
            "https://localhost:3000/client",
            "https://example.com/a%20b",
        ] {
            let id = ClientId::parse(text).unwrap_or_else(|invalid| panic!("{text}: {}", invalid.message));
            assert!(id.is_document() && id.document().unwrap().as_str() == text && id.to_string() == text, "{text}");
            assert_eq!(serde_json::from_str::<ClientId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        }
    }

    #[test]
    fn requirement_36_what_is_no_address_of_a_document_is_no_id() {
        for text in [
            "",
            "usher_client_",
            "usher_client_short",
            "usher_client_0123456789abcde/",
            "my-client",
            "http://example.com/client",
            "http://localhost/client",
            "https://example.com",
            "https://example.com/",
            "https://example.com/?x",
            "https://example.com?x",
            "https://example.com/a/./b",
            "https://example.com/a/../b",
            "https://example.com/a/..",
            "https://example.com/a/%2e%2E/b",
            "https://example.com/a/.%2e",
            "https://ana@example.com/client",
            "https://@example.com/client",
            "https://example.com/client#x",
            "https://example.com/client#",
            "https://example.com:443/client",
            "https://EXAMPLE.com/client",
            "HTTPS://example.com/client",
            "https://bücher.example/client",
            "https://127.1/client",
            "https:example.com/client",
            "https:///example.com/client",
            "https://example.com/c lient",
            "https://example.com/client\n",
            "com.example.app:/client",
            "javascript:alert(1)",
        ] {
            let invalid = ClientId::parse(text).expect_err(text);
            assert_eq!(invalid.field, "client_id");
            assert!(text.len() < 9 || !invalid.message.contains(text), "never quotes the input: {text}");
        }
        assert!(ClientId::parse(&format!("https://example.com/{}", "a".repeat(481))).is_err());
        assert!(ClientId::parse(&format!("https://example.com/{}", "a".repeat(480))).is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            if let Ok(uri) = RedirectUri::parse(&text) {
                prop_assert_eq!(uri.as_str(), text);
            }
        }

        /// Whatever is accepted leads where a URL parser leads it, and its source is a word of the policy's grammar.
        #[test]
        fn requirement_27_what_is_accepted_means_one_thing(text in "(?i)(https?|javascript|[a-z.+-]{1,8}):/{0,3}[a-z0-9.:@\\[\\]%#;,'*\\\\-]{0,20}[/?]?[a-z0-9%#@. \n]{0,9}") {
            let Ok(uri) = RedirectUri::parse(&text) else { return Ok(()) };
            let url = Url::parse(&text).unwrap();
            prop_assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
            prop_assert!(!["javascript", "data", "file", "blob", "about"].contains(&url.scheme()));
            prop_assert!(url.scheme() != "http" || uri.is_loopback());
            let source = uri.form_action();
            prop_assert!(source.starts_with(url.scheme()));
            prop_assert!(source.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.:/".contains(&byte)), "{}", source);
            if !uri.is_app() {
                let host = url.host_str().unwrap();
                let with_port = uri.shown_host().strip_prefix(host).is_some_and(|port| port.is_empty() || port.starts_with(':'));
                prop_assert!(with_port, "{}", uri.shown_host());
            }
        }

        /// Two that match differ in nothing, or in the port of one's own computer.
        #[test]
        fn requirement_27_what_matches_is_the_same_place(a in place(), b in place()) {
            let (a, b) = (uri(&a), uri(&b));
            prop_assert_eq!(a.matches(&b), b.matches(&a));
            if a.matches(&b) && a != b {
                let (mut a, mut b) = (Url::parse(a.as_str()).unwrap(), Url::parse(b.as_str()).unwrap());
                prop_assert!(RedirectUri::parse(a.as_str()).unwrap().is_loopback());
                prop_assert!(a.set_port(None).is_ok() && b.set_port(None).is_ok());
                prop_assert_eq!(a, b);
            }
        }
    }

    /// Addresses that differ in little.
    fn place() -> impl Strategy<Value = String> {
        "(http://(localhost|127\\.0\\.0\\.1)|https://(a|localhost)|app:/)(:[1-9])?/[ab]?(\\?[ab])?"
            .prop_filter("no port stands in an app's path", |text| RedirectUri::parse(text).is_ok())
    }
}
