//! What the pages that not everybody may open share: who comes, and what is told and noted where somebody may not.

use super::{
    door::go_to,
    fault,
    me::holder,
    unavailable,
    views::Fault,
    visitor::{Held, Visitor},
};
use crate::{app::SharedApp, authz::Reason, domain::UserId, error::Error, gather::Named, service::Call};
use axum::{
    extract::{Path, rejection::PathRejection},
    http::HeaderMap,
    response::Response,
};

/// A form that only says for whom it was drawn.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct DrawnForm {
    /// The person.
    #[serde(rename = "as")]
    pub(super) drawn_for: String,
}

/// Which part of a list of people.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Part {
    /// After whom it begins, as the address says.
    pub(super) after: String,
}

impl Part {
    /// After whom it begins; none for the first part, and for what names nobody.
    pub(super) fn after(&self) -> Option<UserId> {
        UserId::parse(&self.after)
    }
}

/// The account that a browser looks at, if nothing is asked of it any more; else the answer.
pub(super) async fn visitor(app: &SharedApp, headers: &HeaderMap) -> Result<Visitor, Response> {
    match Held::read(app, headers).await {
        Ok(Some(held)) => open(app, held),
        Ok(None) => Err(go_to(app, "/sign-in")),
        Err(error) => Err(unavailable(app, &error.into())),
    }
}

/// The same for a form, which comes with the person that it was drawn for; if the browser has moved on, the answer holds what was
/// typed.
pub(super) async fn sender(app: &SharedApp, headers: &HeaderMap, drawn_for: &str, typed: &[(&str, &str)]) -> Result<Visitor, Response> {
    open(app, holder(app, headers, drawn_for, typed).await?)
}

/// Who comes, unless the chosen account still waits for something.
#[expect(clippy::result_large_err, reason = "the answer is handed on once")]
pub(super) fn open(app: &SharedApp, held: Held) -> Result<Visitor, Response> {
    if held.chosen.waits_for.is_some() {
        return Err(go_to(app, "/me/second-factor"));
    }
    Visitor::of(app, held).ok_or_else(|| go_to(app, "/sign-in"))
}

/// Whom an address names.
pub(super) fn named(segment: Result<Path<String>, PathRejection>) -> Option<UserId> {
    segment.ok().and_then(|Path(id)| UserId::parse(&id))
}

/// What somebody tries on one of these pages, as evidence would name it.
pub(super) struct Try<'a> {
    pub(super) visitor: &'a Visitor,
    pub(super) call: Call,
    action: Option<&'static str>,
    pub(super) named: Named,
}

impl<'a> Try<'a> {
    pub(super) fn new(app: &SharedApp, visitor: &'a Visitor, action: &'static str, of: Option<UserId>) -> Self {
        Self { visitor, call: visitor.call(app), action: Some(action), named: of.map_or(Named::Nothing, Named::User) }
    }

    /// Somebody only looks. That is no evidence of anything: anybody's link makes a browser look.
    pub(super) fn to_look(app: &SharedApp, visitor: &'a Visitor) -> Self {
        Self { visitor, call: visitor.call(app), action: None, named: Named::Nothing }
    }

    /// Leaves a refusal as evidence, as that of a tool call does.
    pub(super) fn note(&self, app: &SharedApp, error: &Error) {
        let Some(action) = self.action else { return };
        // At the door this one is no evidence, for nobody is known there; here somebody is.
        if !error.is_evidence() && !matches!(error, Error::SignInRefused) {
            return;
        }
        let (session, code) = (&self.visitor.now, error.code().as_str());
        let (now, named, request_id) = (app.clock.now(), self.named.clone(), self.call.request_id);
        app.evidence.refused(now, &self.call.actor, &session.full_name(), action, None, named, code, request_id, session.audit_seq);
    }

    /// Notes it, and answers: whoever may not learns no more than where nothing is.
    pub(super) fn refused(&self, app: &SharedApp, error: &Error) -> Response {
        self.note(app, error);
        match error {
            Error::Unauthenticated => go_to(app, "/sign-in"),
            Error::Denied(Reason::Administrator | Reason::Permission(_)) | Error::UserNotFound => fault(app, Fault::NotFound),
            other => unavailable(app, other),
        }
    }
}
