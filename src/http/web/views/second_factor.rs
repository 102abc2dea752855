//! The pages of the second factor.

use super::{View, me::Other};
use askama::Template;
use http::StatusCode;

/// Why a code was not taken.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// What is wrong and what to do; never what was typed.
    pub message: &'a str,
    /// Whether it is a wait.
    pub waits: bool,
}

fn status(refusal: Option<&Refusal<'_>>) -> StatusCode {
    match refusal {
        None => StatusCode::OK,
        Some(Refusal { waits: true, .. }) => StatusCode::TOO_MANY_REQUESTS,
        Some(Refusal { waits: false, .. }) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// Signing in, the second half: a code is asked for. Status 200; 422 with an error, 429 with a wait.
#[derive(Debug, Template)]
#[template(path = "code.html")]
pub struct CodePage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
    /// Id of the person, which every form carries.
    pub id: &'a str,
    /// Full name.
    pub person: &'a str,
    /// Name of the organization.
    pub organization: &'a str,
    /// The other accounts of this browser.
    pub others: &'a [Other],
    /// Why nobody came in.
    pub refusal: Option<Refusal<'a>>,
}

impl View for CodePage<'_> {
    fn status(&self) -> StatusCode {
        status(self.refusal.as_ref())
    }
}

/// What holds of one's second factor, and what can be done with it. Status 200; 422 with an error, 429 with a wait.
#[derive(Debug, Template)]
#[template(path = "factor.html")]
pub struct FactorPage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
    /// Id of the person, which every form carries.
    pub id: &'a str,
    /// Full name.
    pub person: &'a str,
    /// Name of the organization.
    pub organization: &'a str,
    /// Recovery codes that are left, where there is a second factor.
    pub codes_left: Option<i64>,
    /// Whether the organization demands one.
    pub demanded: bool,
    /// Whether nothing else opens before there is one.
    pub waits: bool,
    /// The other accounts of this browser.
    pub others: &'a [Other],
    /// What was not done.
    pub refusal: Option<Refusal<'a>>,
}

impl View for FactorPage<'_> {
    fn status(&self) -> StatusCode {
        status(self.refusal.as_ref())
    }
}

/// A QR code as the path of an SVG.
#[derive(Debug, Clone)]
pub struct Drawing {
    /// Its width and height with the quiet zone around it, in modules.
    pub size: i32,
    /// The dark modules.
    pub path: String,
}

/// A new secret, shown once, and the field for its first code. Status 200; 422 with an error, 429 with a wait.
#[derive(Debug, Template)]
#[template(path = "set_up.html")]
pub struct SetUpPage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
    /// Id of the person, which every form carries.
    pub id: &'a str,
    /// Address of the account.
    pub email: &'a str,
    /// Name of the organization.
    pub organization: &'a str,
    /// The secret in groups of four.
    pub groups: &'a str,
    /// The `otpauth` address.
    pub address: &'a str,
    /// The same for a camera; none where it is too long for one.
    pub drawing: Option<Drawing>,
    /// Why the code was not taken.
    pub refusal: Option<Refusal<'a>>,
}

impl View for SetUpPage<'_> {
    fn status(&self) -> StatusCode {
        status(self.refusal.as_ref())
    }
}

/// Recovery codes, shown once. Status 200.
#[derive(Debug, Template)]
#[template(path = "recovery_codes.html")]
pub struct RecoveryCodesPage<'a> {
    /// Path of the public URL.
    pub base: &'a str,
    /// Address of the account.
    pub email: &'a str,
    /// Name of the organization.
    pub organization: &'a str,
    /// The codes, one a line.
    pub codes: &'a str,
}

impl View for RecoveryCodesPage<'_> {
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }
}
