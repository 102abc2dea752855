//! What the operator set: flags and variables, no file.

use crate::{
    domain::{DAY, HOUR, Invalid, MINUTE, SECOND},
    slack::api::SLACK_URL,
    store::Database,
};
use clap::Args;
use ipnet::IpNet;
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
};
use url::{Host, Url};

/// The flags every command takes, before and after its name.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Folder for the database, the keys and the mail folder; made with mode 0700.
    #[arg(
        long,
        env = "USHER_DATA_DIR",
        value_name = "FOLDER",
        global = true,
        default_value = "./usher-data",
        help_heading = "Where things are"
    )]
    pub data_dir: PathBuf,
    /// `postgres://…` for PostgreSQL, or the path of a SQLite file [default: usher.db in the data folder].
    #[arg(long, env = "USHER_DATABASE_URL", value_name = "URL", global = true, hide_env_values = true, help_heading = "Where things are")]
    pub database_url: Option<String>,
    /// The file with the root key; the same on every node [default: keys in the data folder].
    #[arg(long, env = "USHER_KEY_FILE", value_name = "FILE", global = true, help_heading = "Where things are")]
    pub key_file: Option<PathBuf>,
    /// Address to listen on; port 0 picks a free one.
    #[arg(long, env = "USHER_LISTEN", value_name = "HOST:PORT", global = true, default_value = "127.0.0.1:8080", help_heading = "Network")]
    pub listen: String,
    /// The address under which people and AI hosts reach this server, without `/mcp`. Recorded in the database, and used in
    /// every mail.
    #[arg(long, env = "USHER_PUBLIC_URL", value_name = "URL", global = true, help_heading = "Network")]
    pub public_url: Option<String>,
    /// Proxies whose X-Forwarded-For counts, as CIDR blocks separated by commas.
    #[arg(long, env = "USHER_TRUSTED_PROXIES", value_name = "CIDR,…", global = true, value_delimiter = ',', help_heading = "Network")]
    pub trusted_proxies: Vec<IpNet>,
    /// `smtp://HOST:PORT` with `?tls=required` for STARTTLS, or `smtps://…`; user and password as in any URL.
    #[arg(long, env = "USHER_SMTP_URL", value_name = "URL", global = true, hide_env_values = true, help_heading = "Mail")]
    pub smtp_url: Option<String>,
    /// The sender of every mail.
    #[arg(long, env = "USHER_MAIL_FROM", value_name = "ADDRESS", global = true, help_heading = "Mail")]
    pub mail_from: Option<String>,
    /// Folder that gets the mails where no SMTP is set, on loopback only [default: mail in the data folder].
    #[arg(long, env = "USHER_MAIL_DIR", value_name = "FOLDER", global = true, help_heading = "Mail")]
    pub mail_dir: Option<PathBuf>,
    /// Private addresses that may be called although somebody else chose them, as addresses or CIDR blocks separated by commas.
    #[arg(long, env = "USHER_OUTBOUND_ALLOW", value_name = "CIDR,…", global = true, value_delimiter = ',', value_parser = block, help_heading = "Network")]
    pub outbound_allow: Vec<IpNet>,
    /// A file with more certificate authorities (PEM) for calls to addresses that somebody else chose.
    #[arg(long, env = "USHER_OUTBOUND_CA", value_name = "FILE", global = true, help_heading = "Network")]
    pub outbound_ca: Option<PathBuf>,
    /// Where Slack's Web API is: for a test server that stands in for it.
    #[arg(long, env = "USHER_SLACK_URL", value_name = "URL", global = true, default_value = SLACK_URL, help_heading = "Network")]
    pub slack_url: String,
    /// Calls per minute, credential and node; 0 for no limit.
    #[arg(long, env = "USHER_CALLS_PER_MINUTE", value_name = "N", global = true, default_value_t = 1200, help_heading = "Limits")]
    pub calls_per_minute: u32,
    /// Invites per day and organization, a fifth of them per inviter; 0 for no limit.
    #[arg(long, env = "USHER_INVITES_PER_DAY", value_name = "N", global = true, default_value_t = 1000, help_heading = "Limits")]
    pub invites_per_day: u32,
    /// Resends per recipient: COUNT/WINDOW, separated by commas, with windows such as 10m, h, d; 0 for no limit.
    #[arg(long, env = "USHER_RESENDS", value_name = "N/WINDOW,…", global = true, default_value = "3/10m,10/d", help_heading = "Limits")]
    pub resends: String,
    /// What a person must approve on the web before an AI host's call takes effect, separated by commas; `none` for
    /// automation that the operator answers for.
    #[arg(
        long,
        env = "USHER_APPROVALS",
        value_name = "WHAT,…",
        global = true,
        value_delimiter = ',',
        default_value = "administrator,erase,bulk,sso",
        help_heading = "Limits"
    )]
    pub approvals: Vec<Approval>,
    /// What goes to the log on stderr: error, warn, info, debug, trace, or a filter such as `usher_mcp=debug`.
    #[arg(long, env = "USHER_LOG", value_name = "FILTER", global = true, default_value = "info", help_heading = "Output")]
    pub log: String,
    /// Form of the log.
    #[arg(
        long,
        env = "USHER_LOG_FORMAT",
        value_name = "FORMAT",
        global = true,
        default_value = "text",
        value_enum,
        help_heading = "Output"
    )]
    pub log_format: LogFormat,
    /// One line of JSON on stdout instead of words.
    #[arg(long, env = "USHER_JSON", global = true, value_parser = clap::builder::FalseyValueParser::new(), help_heading = "Output")]
    pub json: bool,
}

/// What a person must approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Approval {
    /// Making an Administrator.
    Administrator,
    /// Erasing a person.
    Erase,
    /// Inviting many at once.
    Bulk,
    /// Changing how people sign in.
    Sso,
    /// Nothing.
    None,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

impl Options {
    /// Fills secrets from `…_FILE` variables: the file's first line, without its newline.
    pub fn with_secret_files(mut self) -> Result<Self, String> {
        for (variable, slot) in [("USHER_DATABASE_URL_FILE", &mut self.database_url), ("USHER_SMTP_URL_FILE", &mut self.smtp_url)] {
            if let Ok(path) = std::env::var(variable)
                && slot.is_none()
                && !path.is_empty()
            {
                let text = std::fs::read_to_string(&path).map_err(|error| format!("{variable}: {path} cannot be read ({error})"))?;
                *slot = Some(text.lines().next().unwrap_or_default().trim().to_owned());
            }
        }
        Ok(self)
    }

    /// The database these flags name.
    pub fn database(&self) -> Result<Database, String> {
        Database::parse(self.database_url.as_deref(), &self.data_dir)
    }

    /// The key file.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.key_file.clone().unwrap_or_else(|| self.data_dir.join("keys"))
    }

    /// The mail folder.
    #[must_use]
    pub fn mail_dir(&self) -> PathBuf {
        self.mail_dir.clone().unwrap_or_else(|| self.data_dir.join("mail"))
    }

    /// The limits.
    pub fn limits(&self) -> Result<Limits, String> {
        Ok(Limits {
            calls_per_minute: self.calls_per_minute,
            invites_per_day: i64::from(self.invites_per_day),
            resends: parse_windows(&self.resends)?,
        })
    }
}

/// How much of what in how much time.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Calls per minute and credential; 0 is none.
    pub calls_per_minute: u32,
    /// Invites per day and organization; 0 is none.
    pub invites_per_day: i64,
    /// Resends to one recipient: how many within how many milliseconds.
    pub resends: Vec<(i64, i64)>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { calls_per_minute: 1200, invites_per_day: 1000, resends: vec![(3, 10 * MINUTE), (10, DAY)] }
    }
}

impl Limits {
    /// No limit at all.
    #[must_use]
    pub fn none() -> Self {
        Self { calls_per_minute: 0, invites_per_day: 0, resends: Vec::new() }
    }
}

/// One address, or a block of them.
fn block(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| "give an address or a CIDR block such as 10.0.0.0/8".to_owned())
}

fn parse_windows(text: &str) -> Result<Vec<(i64, i64)>, String> {
    let wrong = || "--resends takes COUNT/WINDOW separated by commas, as in 3/10m,10/d, or 0 for no limit".to_owned();
    if text.trim() == "0" {
        return Ok(Vec::new());
    }
    text.split(',')
        .map(|part| {
            let (count, window) = part.trim().split_once('/').ok_or_else(wrong)?;
            let count: i64 = count.parse().map_err(|_| wrong())?;
            let (digits, unit) = window.split_at(window.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
            let many: i64 = if digits.is_empty() { 1 } else { digits.parse().map_err(|_| wrong())? };
            let unit = match unit {
                "s" => SECOND,
                "m" => MINUTE,
                "h" => HOUR,
                "d" => DAY,
                _ => return Err(wrong()),
            };
            let window = many.checked_mul(unit).ok_or_else(wrong)?;
            if count <= 0 || window <= 0 { Err(wrong()) } else { Ok((count, window)) }
        })
        .collect()
}

/// Longest public URL, in bytes: an invite link adds `/invite/` and its token, and stays within 120.
pub const MAX_PUBLIC_URL: usize = 120 - "/invite/".len() - crate::authn::link::TOKEN;

/// First segments of the server's own paths, present and to come: under a public URL that begins with one of them, its
/// addresses would mean two things.
const OWN_PATHS: [&str; 18] = [
    ".well-known",
    "access-groups",
    "api",
    "approvals",
    "assets",
    "audit",
    "healthz",
    "invite",
    "link",
    "mcp",
    "me",
    "oauth",
    "readyz",
    "settings",
    "sign-in",
    "sign-out",
    "sso",
    "users",
];

/// The address under which the server is reached, without a slash at its end. Everything that is mailed or
/// shown is built from it, never from a request's headers (requirement 53).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    text: String,
    url: Url,
}

impl PublicUrl {
    /// Reads `http://…` or `https://…` with an optional path; user, query, fragment and the server's own paths are refused.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let wrong = |message: &'static str| Invalid {
            field: "public_url",
            message: message.into(),
            hint: Some("Give it as https://HOST or https://HOST/PATH.".into()),
        };
        let url = Url::parse(text.trim()).map_err(|_| wrong("The public URL is not a URL."))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(wrong("The public URL must begin with https:// (or http://, on loopback or behind a proxy that speaks TLS)."));
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("The public URL must have no user, query or fragment."));
        }
        let mut segments = url.path().trim_matches('/').split('/');
        if segments.clone().next().is_some_and(|first| OWN_PATHS.contains(&first)) {
            return Err(Invalid {
                hint: Some("Give the address without it: for https://HOST/mcp that is https://HOST.".into()),
                ..wrong("The public URL must not end in a path of the server's own, such as /mcp.")
            });
        }
        // The router would read them as placeholders.
        if segments.any(|segment| segment.starts_with([':', '*'])) {
            return Err(wrong("No part of the public URL's path may begin with : or *."));
        }
        let text = url.as_str().trim_end_matches('/').to_owned();
        if text.len() > MAX_PUBLIC_URL {
            return Err(wrong(
                "The public URL is too long: with it, links in mails would have more than 120 characters and be broken in two.",
            ));
        }
        Ok(Self { text, url })
    }

    /// The text, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and, where it is not the scheme's own, port: as a Host header spells it.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// The host alone.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The port, the scheme's own where none is given.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(443)
    }

    /// As an Origin header spells it.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Where an organization's AI tools connect. It holds no secret.
    #[must_use]
    pub fn mcp(&self, slug: &str) -> String {
        format!("{}/mcp/{slug}", self.as_str())
    }

    /// The path before every route: empty, or `/path`.
    #[must_use]
    pub fn base(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// Whether cookies can demand TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Whether only this machine can follow it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(Host::Domain(name)) => is_loopback_name(name),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }
}

/// Whether a host name means this machine.
#[must_use]
pub fn is_loopback_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || (is_name && name.to_ascii_lowercase().ends_with(".localhost"))
        || IpAddr::from_str(address).is_ok_and(|address| address.is_loopback())
}

/// Makes the data folder where it is absent, for its owner alone.
pub fn make_data_dir(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resends_read_as_documented() {
        assert_eq!(parse_windows("3/10m,10/d").unwrap(), vec![(3, 10 * MINUTE), (10, DAY)]);
        assert!(parse_windows("0").unwrap().is_empty());
        for wrong in ["", "3", "3/", "x/m", "3/10x", "-1/m", "0/m"] {
            assert!(parse_windows(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn public_urls_keep_their_path_and_lose_their_slash() {
        let url = PublicUrl::parse("https://example.com/wazzi/").unwrap();
        assert_eq!((url.as_str(), url.base(), url.authority().as_str()), ("https://example.com/wazzi", "/wazzi", "example.com"));
        assert!(!url.is_loopback());
        assert!(PublicUrl::parse("http://127.0.0.1:8080").unwrap().is_loopback());
        assert!(PublicUrl::parse("http://[::1]:8080").unwrap().is_loopback());
        let long = format!("https://example.com/{}", "x".repeat(MAX_PUBLIC_URL));
        for wrong in [long.as_str(), "ftp://x", "example.com", "https://a:b@example.com", "https://example.com/?x=1"] {
            assert!(PublicUrl::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_public_url_that_meets_a_path_of_the_servers_own_is_refused() {
        for wrong in ["mcp", "mcp/", "/mcp", "mcp/my-organization", "healthz", "users/x", ".well-known", ":x", "*y", "a/*", "a/:b/c"] {
            let refused = PublicUrl::parse(&format!("http://127.0.0.1:7/{wrong}")).unwrap_err();
            assert!(refused.hint.is_some(), "{wrong}");
        }
        for right in ["team", "team/mcp", "team/users", "a:b", "x*"] {
            assert!(PublicUrl::parse(&format!("http://127.0.0.1:7/{right}")).is_ok(), "{right}");
        }
    }

    #[test]
    fn only_names_and_addresses_of_this_machine_are_loopback() {
        for own in ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "[::1]"] {
            assert!(is_loopback_name(own), "{own}");
        }
        for foreign in ["evil.com/.localhost", "x@a.localhost", "[[::1", "127.0.0.1]", "[127.0.0.1", "localhost.evil.example", ""] {
            assert!(!is_loopback_name(foreign), "{foreign}");
        }
    }
}
