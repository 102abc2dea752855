//! One's own AI tools: where they connect, and the tokens by which they do.

use super::{
    FieldError, View, error_of, first_wrong,
    frame::Frame,
    when::{Until, When},
};
use crate::hosts::Host;
use askama::Template;
use http::StatusCode;

/// A token that works.
#[derive(Debug, Clone)]
pub struct TokenRow {
    /// Its id.
    pub id: String,
    /// What its owner calls it.
    pub label: String,
    /// What the program that used it last calls itself.
    pub client: Option<String>,
    /// Whether it may change anything.
    pub writes: bool,
    /// When it was last used.
    pub used: Option<When>,
    /// When it ends.
    pub ends: Until,
    /// Whether that is soon.
    pub soon: bool,
}

/// A token that was made just now, shown this once.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// What it is called.
    pub label: &'a str,
    /// The secret.
    pub token: &'a str,
}

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown").field("label", &self.label).finish_non_exhaustive()
    }
}

/// What a form that made a token came to.
#[derive(Debug, Clone, Copy)]
pub enum New<'a> {
    /// No form was sent.
    Nothing,
    /// It made this one.
    Made(Shown<'a>),
    /// It was sent before, and made one then.
    MadeBefore,
}

/// `GET /me/tools`, and the answer to the form that makes a token. Status 200.
#[derive(Debug, Template)]
#[template(path = "tools.html")]
pub struct ToolsPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// Where their tools connect; no secret.
    pub mcp_url: &'a str,
    /// What the form made.
    pub new: New<'a>,
    /// The tokens that work, newest first.
    pub tokens: &'a [TokenRow],
    /// What to paste into which tool.
    pub hosts: &'a [Host],
    /// What was just done.
    pub said: Option<&'a str>,
}

impl View for ToolsPage<'_> {
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }
}

/// The form of a new token as typed.
#[derive(Debug, Clone)]
pub struct Typed {
    /// What it is to be called.
    pub label: String,
    /// Days until it ends.
    pub days: String,
    /// Whether it may change anything.
    pub writes: bool,
}

/// `GET /me/tools/new`, and the answer to what its form could not do. Status 200, with errors 422.
#[derive(Debug, Template)]
#[template(path = "tool_token.html")]
pub struct TokenPage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// The form as typed.
    pub typed: &'a Typed,
    /// Days that a token lives here at most.
    pub most_days: u32,
    /// Where whoever was proved too long ago signs in anew; then there is no form.
    pub prove: Option<&'a str>,
    /// What was not taken.
    pub errors: &'a [FieldError<'a>],
}

/// The fields of the form in their order on the page.
const FIELDS: [&str; 2] = ["label", "expires_in_days"];

impl TokenPage<'_> {
    fn error(&self, field: &str) -> Option<&str> {
        error_of(self.errors, field)
    }

    /// Errors that belong to no field of the form.
    fn other_errors(&self) -> impl Iterator<Item = &FieldError<'_>> {
        self.errors.iter().filter(|error| !FIELDS.contains(&error.field))
    }

    /// Whether this is the field to start on: the first wrong one, or the first of all.
    fn begins(&self, field: &str) -> bool {
        first_wrong(self.errors, &FIELDS).map_or(field == "label", |first| first == field)
    }
}

impl View for TokenPage<'_> {
    fn status(&self) -> StatusCode {
        if self.errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
    }
}

/// `GET /me/tools/{id}/revoke`: what ends, and what stays. Status 200.
#[derive(Debug, Template)]
#[template(path = "tool_revoke.html")]
pub struct RevokePage<'a> {
    /// What stands around it.
    pub frame: &'a Frame,
    /// The token.
    pub token: &'a TokenRow,
}

impl View for RevokePage<'_> {
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }
}
