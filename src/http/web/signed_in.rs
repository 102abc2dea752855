//! What the pages of the dashboard share: who comes, who sent a form, and what is told and noted where somebody may not.

use super::{
    door::go_to,
    fault,
    me::{holder, waiting},
    person, said, stopped, unavailable, unread,
    views::Fault,
    visitor::{Held, Visitor},
};
use crate::{
    app::SharedApp, authz::Reason, domain::UserId, error::Error, gather::Named, keys::hex, service::Call, store::idempotency::Once,
};
use axum::{
    Form,
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Path, Request, rejection::PathRejection},
    http::request::Parts,
    response::Response,
};
use serde::de::DeserializeOwned;
use url::form_urlencoded;

/// What a form holds that somebody would have to type, choose or tick again: by its label, in words.
pub type Typed = Vec<(&'static str, String)>;

/// Ticks in words. The form brings what each of its ids is called, for whoever is signed out cannot be told otherwise.
pub(super) fn in_names(called: &[String], ids: &[String]) -> String {
    let name =
        |id: &str| called.iter().find_map(|called| called.strip_prefix(id)?.strip_prefix(' ')).unwrap_or("one without a name").to_owned();
    ids.iter().map(|id| name(id)).collect::<Vec<_>>().join(", ")
}

/// What every form of the dashboard can say of itself.
pub trait Fields: DeserializeOwned + Send + Sync {
    /// Id of the person for whom it was drawn, as it came.
    fn drawn_for(&self) -> &str;

    /// All of it that its sender decided; what is empty is left out. Never a secret.
    fn typed(&self) -> Typed;
}

/// A form that only says for whom it was drawn: all else is in its address.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Bare {
    #[serde(rename = "as")]
    drawn_for: String,
}

impl Fields for Bare {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> Typed {
        Vec::new()
    }
}

/// A form, sent by whom it was drawn for. If the browser looks at another account meanwhile, nothing is done, and the answer holds
/// what was typed.
#[derive(Debug)]
pub struct Drawn<F> {
    pub(super) visitor: Visitor,
    pub(super) form: F,
    once: Option<[u8; 32]>,
}

impl<F> Drawn<F> {
    /// A try of its sender. The same form again, from a second click or a reload, does it no second time.
    pub(super) fn tries(&self, app: &SharedApp, action: &'static str, of: Option<UserId>) -> Try<'_> {
        let mut tried = Try::new(app, &self.visitor, action, of);
        tried.call.options.once = self.once.map(|digest| Once { under: action, key: hex(&digest), digest });
        tried
    }
}

impl<F: Fields> FromRequest<SharedApp> for Drawn<F> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &SharedApp) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), app).await;
        let bytes = bytes.map_err(|rejection| fault(app, unread(rejection.status())))?;
        let once = once(app, &parts, &bytes);
        let (headers, again) = (parts.headers.clone(), Request::from_parts(parts, Body::from(bytes)));
        let Form(form) = Form::<F>::from_request(again, app).await.map_err(|rejection| fault(app, unread(rejection.status())))?;
        let typed = form.typed();
        let typed: Vec<_> = typed.iter().map(|(label, value)| (*label, value.as_str())).filter(|(_, value)| !value.is_empty()).collect();
        let held = holder(app, &headers, form.drawn_for(), &typed).await?;
        if held.chosen.waits_for.is_some() {
            return Err(waiting(app, &typed));
        }
        let visitor = open(app, held)?;
        Ok(Self { visitor, form, once })
    }
}

/// What a form is known by when it comes a second time: all that it says, and where it went. Each page that draws forms puts a key
/// of its own into them; a form without one is done as often as it is sent.
fn once(app: &SharedApp, parts: &Parts, bytes: &[u8]) -> Option<[u8; 32]> {
    let has_key = form_urlencoded::parse(bytes).any(|(name, value)| name == "key" && !value.is_empty());
    has_key.then(|| app.keyring.digest(&[parts.uri.path().as_bytes(), b"\n", bytes].concat()))
}

impl FromRequestParts<SharedApp> for Visitor {
    type Rejection = Response;

    /// The account that a browser looks at, if nothing is asked of it any more; else the answer.
    async fn from_request_parts(parts: &mut Parts, app: &SharedApp) -> Result<Self, Response> {
        match Held::read(app, &parts.headers).await {
            Ok(Some(held)) => open(app, held),
            Ok(None) => Err(go_to(app, "/sign-in")),
            Err(error) => Err(unavailable(app, &error.into())),
        }
    }
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
            Error::Denied(Reason::Administrator | Reason::Permission(_))
            | Error::UserNotFound
            | Error::GroupNotFound
            | Error::CredentialNotFound => fault(app, Fault::NotFound),
            other => match in_words(other) {
                Some(why) => stopped(app, &why),
                None => unavailable(app, other),
            },
        }
    }
}

/// A refusal by a rule, where the page has no place for it; nothing where the fault is ours, or ends by waiting.
fn in_words(error: &Error) -> Option<String> {
    match error {
        Error::Denied(reason) => Some(person::why(reason)),
        Error::InviteNotPending(_) => Some(person::why(&Reason::NotPending)),
        Error::UserDeactivated => Some(person::why(&Reason::Deactivated)),
        Error::Invalid(invalid) => Some(said(invalid)),
        Error::Conflict(said) => Some((*said).to_owned()),
        Error::Clash { said, hint } => Some(format!("{said} {hint}")),
        Error::NameTaken => Some("An access group has this name already.".to_owned()),
        Error::EmailInUse { .. } => Some("Somebody has this address already.".to_owned()),
        Error::NobodyNamed(_)
        | Error::Shape(_)
        | Error::UserNotFound
        | Error::GroupNotFound
        | Error::CredentialNotFound
        | Error::RateLimited { .. }
        | Error::MailUnavailable
        | Error::DeadLink
        | Error::SignInRefused
        | Error::Unauthenticated
        | Error::Unavailable(_)
        | Error::Internal(_) => None,
    }
}
