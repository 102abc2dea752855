//! The pages of signing in.

use super::{Moment, NewPassword, View};
use askama::Template;
use http::StatusCode;

/// `GET /sign-in`: the same two ways for everybody. Status 200, with an error 422.
#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
pub struct SignInPage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
    /// The address as typed.
    pub email: &'a str,
    /// What is wrong with it.
    pub email_error: Option<&'a str>,
    /// The organization's short name as typed.
    pub organization: &'a str,
    /// What is wrong with it.
    pub organization_error: Option<&'a str>,
}

impl View for SignInPage<'_> {
    fn status(&self) -> StatusCode {
        if self.email_error.is_none() && self.organization_error.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
    }
}

/// `GET /sign-in/{org}`: that organization's ways, whatever address is typed. Status 200; 422 with an error, 429 with a wait.
#[derive(Debug, Template)]
#[template(path = "sign_in_to.html")]
pub struct SignInToPage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
    /// Name of the organization.
    pub organization: &'a str,
    /// Its slug.
    pub slug: &'a str,
    /// The connections that sign in.
    pub providers: &'a [super::sso::Provider],
    /// Whether people sign in through those only.
    pub sso_required: bool,
    /// The address as typed.
    pub email: &'a str,
    /// Whether a mailed link signs in.
    pub magic_links: bool,
    /// Only in the answer to `do=show`: the password as typed, shown as text.
    pub show_password: Option<&'a str>,
    /// Why nobody came in; never what was typed.
    pub error: Option<&'a str>,
    /// Whether the error is a wait.
    pub waits: bool,
}

impl View for SignInToPage<'_> {
    fn status(&self) -> StatusCode {
        match self.error {
            None => StatusCode::OK,
            Some(_) if self.waits => StatusCode::TOO_MANY_REQUESTS,
            Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

/// After asking for a link: always the same bytes (requirement 45). Status 200.
#[derive(Debug, Template)]
#[template(path = "sent.html")]
pub struct SentPage<'a> {
    /// Where the way back leads.
    pub back: &'a str,
    /// Path of the public URL.
    pub base: &'a str,
}

impl View for SentPage<'_> {
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }
}

/// A live link: what it would do. GET shows it, POST does it. Status 200, with an error 422.
#[derive(Debug, Template)]
#[template(path = "link.html")]
pub struct LinkPage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
    /// Where the form posts to.
    pub action: &'a str,
    /// What it would do, as a heading.
    pub title: &'a str,
    /// The same in a sentence.
    pub sentence: &'a str,
    /// The words of its button.
    pub button: &'a str,
    /// Whether a new password is asked for.
    pub asks_password: bool,
    /// Whether there is none that it replaces.
    pub first_password: bool,
    /// Only in the answer to `do=show`: the password as typed.
    pub show_password: Option<NewPassword<'a>>,
    /// Where the address is asked for, and shown nowhere: as typed.
    pub typed_email: Option<&'a str>,
    /// What is wrong with the address.
    pub email_error: Option<&'a str>,
    /// What is wrong with the new password.
    pub error: Option<&'a str>,
    /// Full name.
    pub person: &'a str,
    /// Address of the account.
    pub email: &'a str,
    /// Name of the organization.
    pub organization: &'a str,
    /// End of the link.
    pub until: Moment<'a>,
}

impl View for LinkPage<'_> {
    fn status(&self) -> StatusCode {
        if self.error.is_none() && self.email_error.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
    }
}

/// Why a link of the door opens nothing, here and now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shut {
    /// Its time is over.
    Expired,
    /// It was used.
    Used,
    /// The account or the organization lets nobody in.
    Closed,
    /// A new password was chosen since, all sessions were ended, or a newer link was sent.
    Replaced,
    /// The sign-in that it was to connect is connected, or was taken away, since; or all sessions were ended.
    Connected,
    /// So many wrong addresses were typed into its page that whoever did was not mailed it.
    Guessed,
    /// It was asked for in another browser; it goes on working there.
    OtherBrowser,
    /// Its page's address alone, without what opens it: it came from another browser, or its cookie's half hour is over.
    LeftAlone,
    /// It never was one.
    Unknown,
}

impl Shut {
    /// All of them, for tests.
    pub const ALL: [Self; 9] = [
        Self::Expired,
        Self::Used,
        Self::Closed,
        Self::Replaced,
        Self::Connected,
        Self::Guessed,
        Self::OtherBrowser,
        Self::LeftAlone,
        Self::Unknown,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Expired => "This link has expired",
            Self::Used => "This link was used",
            Self::Closed | Self::Replaced | Self::Connected | Self::Guessed => "This link opens nothing any more",
            Self::OtherBrowser => "Open this link in the other browser",
            Self::LeftAlone => "Open the link in your email again",
            Self::Unknown => "This link opens nothing",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Expired => "Such links work for a short time, and that of this one is over. Ask for a new one.",
            Self::Used => "It works once. Are you signed in already? Otherwise ask for a new one. It was not you? Tell an Administrator.",
            Self::Closed => {
                "The account or its organization lets nobody in this way at present. Ask an Administrator of your organization."
            }
            Self::Replaced => {
                "A new password was chosen since, all sessions were ended, or a newer link was sent. Open the newest mail, or ask for a new link."
            }
            Self::Connected => {
                "The sign-in that it was to connect was connected or taken away since, or all sessions were ended. Sign in with it; where that opens nothing, you can have a new link mailed to you."
            }
            Self::Guessed => {
                "Too many wrong addresses were typed into its page. Nothing was changed. Ask whoever started this for a new link, and type the address to which its mail comes."
            }
            Self::OtherBrowser => {
                "It works only in the browser in which it was asked for, and goes on working there. To sign in here, ask for another one here."
            }
            Self::LeftAlone => "This address alone opens nothing; the link in the email does. The email is gone? Ask for a new link.",
            Self::Unknown => {
                "A mail program may have cut it short or added something to it. Copy the whole address from the mail, or ask for a new link."
            }
        }
    }

    fn state(self) -> &'static str {
        match self {
            Self::Expired => "Expired",
            Self::Used => "Used",
            Self::Closed | Self::Guessed => "Closed",
            Self::Replaced => "Replaced",
            Self::Connected => "Connected",
            Self::OtherBrowser => "For another browser",
            Self::LeftAlone => "Not opened here",
            Self::Unknown => "Unknown",
        }
    }
}

/// A link of the door that opens nothing: it names nobody. Status 410; 403 for another browser, 404 for what never was one and
/// for a page's address alone.
#[derive(Debug, Template)]
#[template(path = "shut.html")]
pub struct ShutPage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
    /// Why.
    pub why: Shut,
}

impl View for ShutPage<'_> {
    fn status(&self) -> StatusCode {
        match self.why {
            Shut::Expired | Shut::Used | Shut::Closed | Shut::Replaced | Shut::Connected | Shut::Guessed => StatusCode::GONE,
            Shut::OtherBrowser => StatusCode::FORBIDDEN,
            Shut::LeftAlone | Shut::Unknown => StatusCode::NOT_FOUND,
        }
    }
}
