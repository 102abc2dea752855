//! What a browser is shown: one struct per page, filled by the routes, rendered here.
//!
//! A view holds finished words only (names, dates, addresses) and decides nothing, so that a page cannot say
//! more than its route gave it. Everything is escaped by the templates. Pages are complete without scripts and
//! pass [`CONTENT_SECURITY_POLICY`]. `base` is the path of the public URL without a slash at its end: `""` at
//! the root of a host, else such as `"/usher"` (R-B121).
//!
//! ```
//! use usher_mcp::http::web::views::{render, UnknownLinkPage};
//! let page = render(&UnknownLinkPage { base: "" });
//! assert_eq!(page.status, 404);
//! assert!(page.html.contains("This link opens nothing"));
//! ```

pub mod audit;
pub mod door;
pub mod factors;
pub mod frame;
pub mod groups;
pub mod me;
pub mod passwords;
pub mod person;
pub mod second_factor;
pub mod settings;
pub mod sso;
pub mod start;
pub mod tools;
pub mod users;
pub mod when;

use super::theme::Theme;
use askama::Template;
use http::StatusCode;
use std::any::Any;

/// The policy that every page keeps: nothing but this server's own style sheet and icon, forms only to this
/// server, no script, no frame around it (SECURITY-REQUIREMENTS 63).
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Headers of every page, lower-case names first. Pages of a link hold facts about one person, so none is ever
/// stored (R-B23). A page with a form says `same-origin` in its own head, which comes after the header and so holds
/// (HTML, "meta referrer"): without a referrer browsers send forms with the origin `null` (Fetch, "append a request
/// `Origin` header"), which tells our own forms from nobody's where they send no `Sec-Fetch-Site`, such as over
/// plain HTTP. `strict-transport-security` is the router's: it depends on the public URL.
pub const PAGE_HEADERS: [(&str, &str); 6] = [
    ("content-type", "text/html; charset=utf-8"),
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// A file that pages refer to, compiled in.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Path below `base`.
    pub path: &'static str,
    /// Media type.
    pub content_type: &'static str,
    /// The file.
    pub body: &'static [u8],
    /// Content hash.
    hash: u64,
}

impl Asset {
    const fn new(path: &'static str, content_type: &'static str, body: &'static [u8]) -> Self {
        Self { path, content_type, body, hash: fnv1a(body) }
    }

    /// Strong entity tag with its quotes (RFC 9110, 8.8.3). It changes with the content; to be sent with
    /// `cache-control: no-cache`, so that a new release shows at once.
    #[must_use]
    pub fn etag(&self) -> String {
        format!("\"{:016x}\"", self.hash)
    }
}

/// The style sheet of every page.
pub const STYLE: Asset = Asset::new("/assets/style.css", "text/css; charset=utf-8", include_bytes!("style.css"));

/// The icon of every page.
pub const ICON: Asset = Asset::new("/assets/icon.svg", "image/svg+xml", include_bytes!("icon.svg"));

/// All assets, for the router.
pub const ASSETS: [Asset; 2] = [STYLE, ICON];

/// FNV-1a. It tells two versions of our own files apart and picks colours; nothing relies on it against malice.
const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        hash = (hash ^ *first as u64).wrapping_mul(0x0100_0000_01b3);
        rest = tail;
    }
    hash
}

/// A finished page. Send it with [`PAGE_HEADERS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// HTTP status.
    pub status: StatusCode,
    /// The document.
    pub html: String,
}

/// A page that knows its status.
pub trait View: Template {
    /// HTTP status of the page.
    fn status(&self) -> StatusCode;
}

/// Renders a page. Rendering writes to memory and fails only by a fault of our own; the answer then is a bare
/// 500 that depends on no template.
#[must_use]
pub fn render(view: &impl View) -> Page {
    render_in(view, None)
}

/// The same, in a theme that the browser chose; the templates look it up as `theme`.
#[must_use]
pub fn render_in(view: &impl View, theme: Option<Theme>) -> Page {
    match view.render_with_values(&("theme", theme.as_ref().map(|theme| theme as &dyn Any))) {
        Ok(html) => Page { status: view.status(), html },
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            Page {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                html: "<!doctype html><html lang=\"en\"><title>Internal error</title><h1>Internal error</h1></html>".to_owned(),
            }
        }
    }
}

/// An instant on a page, in both forms (R-B101).
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// RFC 3339 with `Z`.
    pub iso: &'a str,
    /// Date, time and zone, such as `2 Dec 2026, 14:00 UTC`.
    pub words: &'a str,
}

/// Why a field of a form was not taken.
#[derive(Debug, Clone, Copy)]
pub struct FieldError<'a> {
    /// Name of the field as posted: `first_name`, `last_name` or `password`. An error with another name stands
    /// above the form.
    pub field: &'a str,
    /// What is wrong and what to do; never what was typed.
    pub message: &'a str,
}

/// What is wrong with a field, if anything is.
fn error_of<'a>(errors: &[FieldError<'a>], field: &str) -> Option<&'a str> {
    errors.iter().find(|error| error.field == field).map(|error| error.message)
}

/// The first of a form's fields with which something is wrong.
fn first_wrong<'f>(errors: &[FieldError<'_>], fields: &[&'f str]) -> Option<&'f str> {
    fields.iter().copied().find(|field| error_of(errors, field).is_some())
}

/// The fields of the accepting form in their order on the page.
const ACCEPT_FIELDS: [&str; 3] = ["first_name", "last_name", "password"];

/// The form behind a live invite (B10). It posts `first_name`, `last_name`, `password` and `do`: `join`, or
/// `show` to see the password as text. Status 200, with errors 422.
#[derive(Debug, Template)]
#[template(path = "accept.html")]
pub struct AcceptPage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
    /// Where the form posts to: the path of this page with `base`.
    pub action: &'a str,
    /// Name of the organization.
    pub organization: &'a str,
    /// Full name of whoever invited.
    pub inviter: &'a str,
    /// Full name as invited, for the stub: what was typed may be empty or wrong.
    pub person: &'a str,
    /// The invited address as the inviter wrote it.
    pub email: &'a str,
    /// `Administrator` or `User`.
    pub role: &'a str,
    /// End of the link.
    pub until: Moment<'a>,
    /// The connections through which people join; without any they choose a password.
    pub providers: &'a [sso::Provider],
    /// First name in the form: as invited, or as typed.
    pub first_name: &'a str,
    /// Last name in the form: as invited, or as typed.
    pub last_name: &'a str,
    /// Only in the answer to `do=show`: the password as typed. Every other answer leaves the field empty.
    pub show_password: Option<NewPassword<'a>>,
    /// What was not taken.
    pub errors: &'a [FieldError<'a>],
}

/// A new password that its person asked to see.
#[derive(Clone, Copy, Debug)]
pub struct NewPassword<'a> {
    /// As typed.
    pub text: &'a str,
    /// How good it is.
    pub strength: &'a str,
}

/// What a person sees a field of a form called.
#[must_use]
pub fn label(field: &'static str) -> &'static str {
    match field {
        "first_name" => "First name",
        "last_name" => "Last name",
        "password" => "Password",
        "email" => "Email",
        "role" => "Role",
        "access_groups" => "Access groups",
        "name" => "Name",
        "description" => "Description",
        "slack_id" => "Slack ID",
        "reason" => "Reason",
        "issuer" => "Issuer",
        "tenants" => "Directory (tenant) ID",
        "client_id" => "Client ID",
        "client_secret" => "Client secret",
        "invite_domains" => "Email domains",
        "label" => "Label",
        "expires_in_days" => "Ends after",
        other => other,
    }
}

impl AcceptPage<'_> {
    /// First error of a field.
    fn error(&self, field: &str) -> Option<&str> {
        error_of(self.errors, field)
    }

    /// Errors that belong to no field of the form.
    fn other_errors(&self) -> impl Iterator<Item = &FieldError<'_>> {
        self.errors.iter().filter(|error| !ACCEPT_FIELDS.contains(&error.field))
    }

    /// Whether this is the field to start on.
    fn is_first_wrong(&self, field: &str) -> bool {
        first_wrong(self.errors, &ACCEPT_FIELDS) == Some(field)
    }

    fn inviter_initials(&self) -> String {
        initials(self.inviter)
    }

    fn person_initials(&self) -> String {
        initials(self.person)
    }

    fn inviter_hue(&self) -> &'static str {
        hue(self.inviter)
    }

    fn person_hue(&self) -> &'static str {
        hue(self.email)
    }
}

impl View for AcceptPage<'_> {
    fn status(&self) -> StatusCode {
        if self.errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
    }
}

/// The same with a capital at its beginning.
pub(super) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// An id with what it is called, as a form carries it beside a box that sends the id alone. Of a long name the beginning: a form has
/// room for a hundred of them in any script.
fn called(id: &str, name: &str) -> String {
    let mut room = 240usize;
    let fits = name.chars().take_while(|letter| {
        let takes = if letter.is_ascii_alphanumeric() { 1 } else { 3 * letter.len_utf8() };
        room = room.saturating_sub(takes);
        room > 0
    });
    format!("{id} {}", fits.collect::<String>())
}

/// A whole number as people read it: `18,204`.
pub(super) fn grouped(number: impl std::fmt::Display) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// First letters of the first and the last word, as on a name badge. Words without a letter or digit do not count.
fn initials(name: &str) -> String {
    let mut letters = name.split_whitespace().filter_map(|word| word.chars().find(|letter| letter.is_alphanumeric()));
    let first = letters.next();
    first.into_iter().chain(letters.next_back()).flat_map(char::to_uppercase).collect()
}

/// Colour class of a person's mark: the same seed always gets the same one.
fn hue(seed: &str) -> &'static str {
    const HUES: [&str; 6] = ["h0", "h1", "h2", "h3", "h4", "h5"];
    HUES.into_iter().zip(0u64..).find(|(_, index)| *index == fnv1a(seed.as_bytes()) % 6).map_or("h0", |(class, _)| class)
}

/// After joining: what holds now, and how an AI tool gets in. Status 200.
#[derive(Debug, Template)]
#[template(path = "joined.html")]
pub struct JoinedPage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
    /// Name of the organization.
    pub organization: &'a str,
    /// Full name as just accepted.
    pub person: &'a str,
    /// Address of the account.
    pub email: &'a str,
    /// `Administrator` or `User`.
    pub role: &'a str,
    /// `{public_url}/mcp/{slug}`.
    pub mcp_url: &'a str,
}

impl View for JoinedPage<'_> {
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }
}

/// Why a genuine link opens nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLink {
    /// Its seven days are over (B11).
    Expired,
    /// A newer invite was sent (R-B28).
    Superseded,
    /// The invite was withdrawn.
    Withdrawn,
    /// The person joined (R-B32).
    Used,
    /// The organization is suspended; the link itself may still be live.
    Suspended,
}

/// One line of help.
#[derive(Debug, Clone, Copy)]
struct Advice {
    icon: &'static str,
    text: &'static str,
}

impl DeadLink {
    fn title(self) -> &'static str {
        match self {
            Self::Expired => "This invite has expired",
            Self::Superseded => "A newer invite was sent",
            Self::Withdrawn => "This invite was withdrawn",
            Self::Used => "You have already joined",
            Self::Suspended => "This organization is suspended",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Expired => "Links work for 7 days, and those of this one are over. Your seat is still yours; it only needs a new link.",
            Self::Superseded => "Each new invite ends the ones before it. This link is one of those before.",
            Self::Withdrawn => "The organization took it back before anybody joined with it. No account was opened.",
            Self::Used => "This link has done its work and opens nothing any more. Your account stays as it is.",
            Self::Suspended => "Nobody can join it at present. Nothing was changed.",
        }
    }

    fn advice(self) -> &'static [Advice] {
        match self {
            Self::Expired => &[
                Advice {
                    icon: "mail",
                    text: "Ask the person who invited you, or an Administrator, to resend the invite. The new link works for 7 days from then.",
                },
                Advice { icon: "clock", text: "Perhaps they did already: look for a newer email from usher, also in the spam folder." },
            ],
            Self::Superseded => &[
                Advice {
                    icon: "mail",
                    text: "Look for the newest email from usher, also in the spam folder, and open the link in that one.",
                },
                Advice {
                    icon: "clock",
                    text: "It is not there? Ask the person who invited you, or an Administrator, to resend the invite.",
                },
            ],
            Self::Withdrawn => &[Advice {
                icon: "mail",
                text: "If you think that this is a mistake, ask the person who invited you, or an Administrator, to invite you again.",
            }],
            Self::Used => &[
                Advice { icon: "key", text: "To connect an AI tool, sign in, and make a token of your own on the page for it." },
                Advice { icon: "alert", text: "It was not you? Tell an Administrator now: somebody else may have read this email." },
            ],
            Self::Suspended => &[Advice {
                icon: "mail",
                text: "Ask the person who invited you, or whoever runs this server, when it opens again, and whether you then need a new link.",
            }],
        }
    }

    fn date_label(self) -> &'static str {
        match self {
            Self::Expired => "Worked until",
            Self::Superseded => "Replaced",
            Self::Withdrawn => "Withdrawn",
            Self::Used => "Used",
            Self::Suspended => "Invited",
        }
    }

    fn state(self) -> &'static str {
        match self {
            Self::Expired => "Expired",
            Self::Superseded => "Replaced",
            Self::Withdrawn => "Withdrawn",
            Self::Used => "Used",
            Self::Suspended => "Suspended",
        }
    }
}

/// A genuine link that opens nothing. Its holder learns the organization and a date, but no address, role or
/// inviter (R-B70). Status 410.
#[derive(Debug, Template)]
#[template(path = "dead.html")]
pub struct DeadLinkPage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
    /// Name of the organization.
    pub organization: &'a str,
    /// Why it is dead.
    pub why: DeadLink,
    /// When it expired, was replaced, withdrawn or used; for a suspended organization, when the invite was sent.
    pub date: Moment<'a>,
}

impl View for DeadLinkPage<'_> {
    fn status(&self) -> StatusCode {
        StatusCode::GONE
    }
}

/// A link that was never made, or a damaged copy of one (R-B16). Always the same bytes (R-B70). Status 404.
#[derive(Debug, Template)]
#[template(path = "unknown.html")]
pub struct UnknownLinkPage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
}

impl View for UnknownLinkPage<'_> {
    fn status(&self) -> StatusCode {
        StatusCode::NOT_FOUND
    }
}

/// The address of an invite's page, in a browser that has nothing which opens it: the form stood open for longer than half an
/// hour, or the address came from another browser. Always the same bytes, whatever the id (R-B70). Status 404.
#[derive(Debug, Template)]
#[template(path = "again.html")]
pub struct OpenAgainPage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
}

impl View for OpenAgainPage<'_> {
    fn status(&self) -> StatusCode {
        StatusCode::NOT_FOUND
    }
}

/// Too many requests from one place. It says nothing about what was asked for. Status 429; the route adds
/// `Retry-After`.
#[derive(Debug, Template)]
#[template(path = "wait.html")]
pub struct TooManyTriesPage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
    /// Seconds until the next try.
    pub retry_after_seconds: u64,
    /// Whether a link was opened; else somebody asks at the door.
    pub has_link: bool,
}

impl TooManyTriesPage<'_> {
    /// The wait in whole minutes, rounded up.
    fn wait(&self) -> String {
        match self.retry_after_seconds.div_ceil(60) {
            0 | 1 => "1 minute".to_owned(),
            minutes => format!("{minutes} minutes"),
        }
    }
}

impl View for TooManyTriesPage<'_> {
    fn status(&self) -> StatusCode {
        StatusCode::TOO_MANY_REQUESTS
    }
}

/// What went wrong on the way to a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 400: the form could not be read.
    BadRequest,
    /// 403: the form was sent by another site.
    CrossSite,
    /// 403: the request names a host that is not this server's (DNS rebinding).
    ForeignHost,
    /// 404: nothing here; the same for what one may not see.
    NotFound,
    /// 405: the address exists, the method does not.
    MethodNotAllowed,
    /// 413: the body is over its limit.
    TooLarge,
    /// 415: the body is no form.
    UnsupportedMedia,
    /// 422: a rule does not allow it.
    Stopped,
    /// 500: a fault of ours.
    Internal,
    /// 503: the database, or another part, cannot be reached.
    Unavailable,
}

impl Fault {
    /// Every fault, for tests and documentation.
    pub const ALL: [Self; 10] = [
        Self::BadRequest,
        Self::CrossSite,
        Self::ForeignHost,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::TooLarge,
        Self::UnsupportedMedia,
        Self::Stopped,
        Self::Internal,
        Self::Unavailable,
    ];

    /// HTTP status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::CrossSite | Self::ForeignHost => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Stopped => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "This form could not be read",
            Self::CrossSite => "This form came from another site",
            Self::ForeignHost => "This server has another name",
            Self::NotFound => "There is nothing at this address",
            Self::MethodNotAllowed => "This address does not work that way",
            Self::TooLarge => "That was too much at once",
            Self::UnsupportedMedia => "This address takes forms only",
            Self::Stopped => "This was not done",
            Self::Internal => "Something broke here",
            Self::Unavailable => "usher cannot answer just now",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::BadRequest | Self::UnsupportedMedia => "Go back, load the page again, and send its form as it stands there.",
            Self::CrossSite => {
                "Open the page here, in this browser: by the link in your email, or from the start page. Then send its form from there."
            }
            Self::ForeignHost => {
                "It does not answer to the name in your browser’s address bar. Open the link in your email; whoever runs this server sets its name with --public-url."
            }
            Self::NotFound => {
                "It may never have existed, or it belongs to something that you may not see. usher does not say which, so that nobody can find out by trying."
            }
            Self::MethodNotAllowed => "It exists, but not for this kind of request. Open the page from where you found it.",
            Self::TooLarge => "Names and a password need far less room. Go back and shorten what the form holds.",
            Self::Stopped => "A rule of your organization stands in the way. Load the page again to see what holds now.",
            Self::Internal => "The fault is ours, and it is in the server’s log. Try again in a minute.",
            Self::Unavailable => "A part that it needs cannot be reached. Try again in a minute.",
        }
    }

    /// Whether this server can show the way on: under another name it leads to this page again.
    fn leads_on(self) -> bool {
        match self {
            Self::ForeignHost => false,
            Self::BadRequest
            | Self::CrossSite
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::TooLarge
            | Self::UnsupportedMedia
            | Self::Stopped
            | Self::Internal
            | Self::Unavailable => true,
        }
    }

    /// What became of the request.
    fn effect(self) -> &'static str {
        match self {
            Self::BadRequest
            | Self::CrossSite
            | Self::ForeignHost
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::TooLarge
            | Self::UnsupportedMedia
            | Self::Stopped => "Nothing was changed.",
            // An answer may be lost after the work was done: no promise either way.
            Self::Internal | Self::Unavailable => "Load the page again to see what holds.",
        }
    }
}

/// Any other answer that is no page: status by [`Fault`]. It names nothing but the request, and that only where the log does too.
#[derive(Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
    /// What went wrong.
    pub fault: Fault,
    /// What exactly, where more is known than that.
    pub why: Option<&'a str>,
    /// The id under which the log knows this request, if it does.
    pub request_id: Option<&'a str>,
}

impl View for ErrorPage<'_> {
    fn status(&self) -> StatusCode {
        self.fault.status()
    }
}

/// The page at `/`: what this server is. It names no organization. Status 200.
#[derive(Debug, Template)]
#[template(path = "index.html")]
pub struct IndexPage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
    /// The form of an MCP URL, such as `https://usher.example/mcp/{organization}`.
    pub mcp_url: &'a str,
}

impl View for IndexPage<'_> {
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }
}

#[cfg(test)]
mod tests;
