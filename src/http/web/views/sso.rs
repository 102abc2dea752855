//! The pages on the way to an identity provider and back.

use super::{FieldError, View, error_of};
use askama::Template;
use http::StatusCode;

/// A connection that people can sign in through.
#[derive(Debug, Clone)]
pub struct Provider {
    /// The value of its button.
    pub value: String,
    /// Its name.
    pub name: String,
}

/// On the way to a provider: moves on at once, by its header. Status 200.
#[derive(Debug, Template)]
#[template(path = "sso_go.html")]
pub struct GoPage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
    /// Where to.
    pub url: &'a str,
    /// The host there.
    pub host: &'a str,
}

impl View for GoPage<'_> {
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }
}

/// Back from a provider: who it is, and what would happen. GET shows it, POST does it. Status 200, with errors 422.
#[derive(Debug, Template)]
#[template(path = "sso_meet.html")]
pub struct MeetPage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
    /// Where the form posts to.
    pub action: &'a str,
    /// What would happen, as a heading.
    pub title: &'a str,
    /// The same in a sentence.
    pub sentence: &'a str,
    /// The words of its button.
    pub button: &'a str,
    /// Names in the form, where they are asked for.
    pub names: Option<(&'a str, &'a str)>,
    /// What the provider calls the person, where that differs: a suggestion, and nothing more.
    pub invited: Option<(&'a str, &'a str)>,
    /// What was not taken.
    pub errors: &'a [FieldError<'a>],
    /// Name of the connection.
    pub provider: &'a str,
    /// The address that the provider gave.
    pub email: &'a str,
    /// Name of the organization.
    pub organization: &'a str,
}

impl MeetPage<'_> {
    fn error(&self, field: &str) -> Option<&str> {
        error_of(self.errors, field)
    }
}

impl View for MeetPage<'_> {
    fn status(&self) -> StatusCode {
        if self.errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
    }
}

/// Back from a provider, and no further. Nothing was changed. Status as given.
#[derive(Debug, Template)]
#[template(path = "sso_stop.html")]
pub struct StopPage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
    /// 403 where it is the person, 502 where it is the provider.
    pub status: u16,
    /// What is the matter, as a heading.
    pub title: &'a str,
    /// What to do.
    pub sentence: &'a str,
    /// The same in a word or two.
    pub state: &'a str,
    /// The number of this failure in the log.
    pub request_id: Option<&'a str>,
    /// Where the form posts to that asks the provider for another account, if it can be asked.
    pub again: Option<&'a str>,
    /// Where the way back leads.
    pub back: &'a str,
}

impl View for StopPage<'_> {
    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::FORBIDDEN)
    }
}
