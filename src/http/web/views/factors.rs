//! The pages about everybody's second factors, for Administrators.

use super::{
    Moment, View,
    frame::Frame,
    settings::{Section, Top},
};
use askama::Template;
use http::StatusCode;

/// Somebody who has a second factor, or lacks one that is demanded.
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
    /// Since when it counts, as RFC 3339 and in words; none where it is lacking.
    pub since: Option<(String, String)>,
    /// Whether it is the one who looks.
    pub own: bool,
}

/// `GET /settings/second-factor`: who has one, and who lacks one that is demanded. Status 200.
#[derive(Debug, Template)]
#[template(path = "factors.html")]
pub struct FactorsPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// What is at its top.
    pub top: Top<'a>,
    /// Of whom one is demanded, in a sentence.
    pub demanded: &'a str,
    /// The people of this part of the list.
    pub rows: &'a [Row],
    /// Whether this is its first part.
    pub first: bool,
    /// After whom the next part begins, if there is one.
    pub next: Option<&'a str>,
    /// What was just done.
    pub said: Option<&'a str>,
}

impl View for FactorsPage<'_> {
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }
}

/// `GET /settings/second-factor/{id}`: what a reset ends, before it is done. Status 200, with an error 422.
#[derive(Debug, Template)]
#[template(path = "factor_reset.html")]
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
    /// Since when it counts.
    pub since: Moment<'a>,
    /// Why it was not done.
    pub error: Option<&'a str>,
}

impl View for ResetPage<'_> {
    fn status(&self) -> StatusCode {
        if self.error.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
    }
}
