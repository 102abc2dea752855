//! The pages of what is one's own.

use super::{FieldError, Moment, View, error_of};
use askama::Template;
use http::StatusCode;

/// An account that the browser holds beside the chosen one.
#[derive(Debug, Clone)]
pub struct Other {
    /// Id of its session.
    pub session: String,
    /// Name of the organization.
    pub organization: String,
    /// Address of the account.
    pub email: String,
    /// `Administrator` or `User`.
    pub role: &'static str,
}

/// An identity at a provider that opens the account.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Name of the connection.
    pub connection: String,
    /// Whether the organization still has it.
    pub live: bool,
    /// The address there, if one was given.
    pub email: String,
    /// The issuer.
    pub issuer: String,
    /// The subject.
    pub subject: String,
}

/// What somebody has of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Password {
    /// None.
    Absent,
    /// One that only itself replaces.
    Kept,
    /// One that a mailed link may replace, too.
    Replaceable,
}

impl Password {
    fn is_there(self) -> bool {
        match self {
            Self::Absent => false,
            Self::Kept | Self::Replaceable => true,
        }
    }

    fn is_replaceable(self) -> bool {
        match self {
            Self::Absent | Self::Kept => false,
            Self::Replaceable => true,
        }
    }
}

/// A session of the person, in whatever browser.
#[derive(Debug, Clone, Copy)]
pub struct SessionRow<'a> {
    /// Its id.
    pub id: &'a str,
    /// The browser in words.
    pub label: &'a str,
    /// By which way, in words.
    pub way: &'a str,
    /// Since when.
    pub since: Moment<'a>,
    /// Whether its browser still has to show a second factor.
    pub waits: bool,
    /// Whether it is the one that looks.
    pub this: bool,
}

/// `GET /me`: who I am, and what is mine. Status 200, with errors 422, where somebody else was faster 409.
#[derive(Debug, Template)]
#[template(path = "me.html")]
pub struct MePage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
    /// Id of the person, which every form carries.
    pub id: &'a str,
    /// Full name.
    pub person: &'a str,
    /// First name in the form.
    pub first_name: &'a str,
    /// Last name in the form.
    pub last_name: &'a str,
    /// Version of what was seen, which the form of the name carries.
    pub version: i64,
    /// Address of the account.
    pub email: &'a str,
    /// `Administrator` or `User`.
    pub role: &'a str,
    /// Whether they are an Administrator, and find the way to what is theirs alone.
    pub is_administrator: bool,
    /// Name of the organization.
    pub organization: &'a str,
    /// Its MCP address.
    pub mcp_url: &'a str,
    /// What there is of a password.
    pub password: Password,
    /// Whether there is a second factor.
    pub has_second_factor: bool,
    /// The other accounts of this browser.
    pub others: &'a [Other],
    /// All sessions of the person.
    pub sessions: &'a [SessionRow<'a>],
    /// The identities at providers that open this account.
    pub identities: &'a [Identity],
    /// The connections through which one more can be linked.
    pub providers: &'a [super::sso::Provider],
    /// What was just done.
    pub said: Option<&'a str>,
    /// What was not taken.
    pub errors: &'a [FieldError<'a>],
}

impl MePage<'_> {
    fn error(&self, field: &str) -> Option<&str> {
        error_of(self.errors, field)
    }
}

impl View for MePage<'_> {
    fn status(&self) -> StatusCode {
        if self.error("name").is_some() {
            StatusCode::CONFLICT
        } else if self.errors.is_empty() {
            StatusCode::OK
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        }
    }
}

/// What became of the account that a form was drawn for.
#[derive(Debug, Clone, Copy)]
pub enum Moved<'a> {
    /// It is signed in here no more, and nor is another.
    Out,
    /// It waits for its second factor.
    Waits,
    /// The browser looks at another one.
    Elsewhere {
        /// Full name.
        person: &'a str,
        /// Name of its organization.
        organization: &'a str,
    },
}

impl Moved<'_> {
    fn title(self) -> &'static str {
        match self {
            Self::Out => "You are signed out",
            Self::Waits => "One more step first",
            Self::Elsewhere { .. } => "This browser has moved on",
        }
    }

    fn why(self) -> &'static str {
        match self {
            Self::Out => "The form that you sent was drawn for an account that is signed in here no more.",
            Self::Waits => "The form that you sent came while your account asks for its second factor, before which nothing else opens.",
            Self::Elsewhere { .. } => "The form that you sent was drawn for another account than the one this browser looks at now.",
        }
    }
}

/// A form that was drawn for another account, for one that is signed in no more, or for one that waits for its second factor: nothing is
/// done, and what was typed is not lost. Status 409.
#[derive(Debug, Template)]
#[template(path = "moved.html")]
pub struct MovedPage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
    /// What became of its account.
    pub now: Moved<'a>,
    /// What was typed: labels and values, never a password.
    pub typed: &'a [(&'a str, &'a str)],
}

impl View for MovedPage<'_> {
    fn status(&self) -> StatusCode {
        StatusCode::CONFLICT
    }
}
