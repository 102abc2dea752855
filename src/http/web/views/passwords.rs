//! The pages on which an Administrator has somebody mailed a link to choose a new password.

use super::{
    View,
    frame::Frame,
    settings::{Section, Top},
};
use askama::Template;
use http::StatusCode;

/// An active person.
#[derive(Debug, Clone)]
pub struct Row {
    /// Id of the person.
    pub id: String,
    /// Full name.
    pub name: String,
    /// Address of the account.
    pub email: String,
    /// `Administrator` or `User`.
    pub role: &'static str,
    /// Whether a password lets them in, so that there is one to reset.
    pub open: bool,
    /// Whether it is the one who looks.
    pub own: bool,
}

/// `GET /settings/passwords`: whose could be reset. Status 200, with an error 422.
#[derive(Debug, Template)]
#[template(path = "passwords.html")]
pub struct PasswordsPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// What is at its top.
    pub top: Top<'a>,
    /// The people of this part of the list.
    pub rows: &'a [Row],
    /// Whether this is its first part.
    pub first: bool,
    /// After whom the next part begins, if there is one.
    pub next: Option<&'a str>,
    /// What was just done.
    pub said: Option<&'a str>,
    /// The address as typed.
    pub email: &'a str,
    /// Why nobody was found by it.
    pub error: Option<&'a str>,
}

impl View for PasswordsPage<'_> {
    fn status(&self) -> StatusCode {
        if self.error.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
    }
}

/// `GET /settings/passwords/{id}`: what the mail does, before it is sent. Status 200, 422 where it was refused.
#[derive(Debug, Template)]
#[template(path = "password_reset.html")]
pub struct ResetPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// What is at its top.
    pub top: Top<'a>,
    /// Id of the person.
    pub of: &'a str,
    /// Their full name.
    pub person: &'a str,
    /// Their address.
    pub email: &'a str,
    /// How long the link is good.
    pub minutes: i64,
    /// Whether they have no password yet.
    pub first: bool,
    /// Whether it can be sent at all; otherwise `error` says why not.
    pub open: bool,
    /// Why it cannot be sent, or was not.
    pub error: Option<&'a str>,
    /// Whether somebody has just tried in vain.
    pub refused: bool,
}

impl View for ResetPage<'_> {
    fn status(&self) -> StatusCode {
        if self.refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }
    }
}
