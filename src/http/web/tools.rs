//! One's own AI tools: the MCP URL, the tokens, and what to paste where. It needs no permission.
//!
//! A new token stands in the answer to the form that made it and nowhere else: in no address, no cookie, and no page that can be
//! loaded again. The same form sent again makes no second one.

use super::{
    done::{self, Done, go_and_say},
    door::go_to,
    fault,
    frame::frame,
    page, said,
    signed_in::{Bare, Drawn, Fields, Try, Typed as InWords},
    views::{
        Fault, FieldError,
        tools::{New, RevokePage, Shown, TokenPage, TokenRow, ToolsPage, Typed},
        when::{Until, When},
    },
    visitor::Visitor,
};
use crate::{
    app::SharedApp,
    authz::{
        Action as _, Reason,
        door::is_fresh,
        tokens::{CreateToken, RevokeToken},
    },
    domain::{CredentialId, DAY, Timestamp},
    error::Error,
    hosts,
    service::{
        retrying,
        tokens::{self, Asked},
    },
    store::credentials::Token,
};
use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::HeaderMap,
    response::Response,
};

/// Where the page is.
pub(super) const PLACE: &str = "/me/tools";
/// From when on a token's end is soon.
const SOON: i64 = 7 * DAY;

fn row(token: Token, now: Timestamp) -> TokenRow {
    let soon = token.expires_at.since(now) < SOON;
    let ends = Until::new(token.expires_at, now);
    TokenRow {
        id: token.id.to_string(),
        writes: token.scopes.write,
        used: token.last_used_at.map(|at| When::new(at, now)),
        // A day of the calendar, until it is close.
        ends: if soon { ends } else { Until { words: token.expires_at.day_utc(now), ..ends } },
        soon,
        label: token.label,
        client: token.client,
    }
}

/// The tokens of who looks, as rows; else the answer.
async fn own(app: &SharedApp, tried: &Try<'_>) -> Result<Vec<TokenRow>, Response> {
    let now = app.clock.now();
    match tokens::live_of(app, &tried.call, tried.visitor.now.person.id).await {
        Ok(tokens) => Ok(tokens.into_iter().map(|token| row(token, now)).collect()),
        Err(error) => Err(tried.refused(app, &error)),
    }
}

async fn show(app: &SharedApp, visitor: &Visitor, new: New<'_>, just: Option<Done>) -> Response {
    let tokens = match own(app, &Try::to_look(app, visitor)).await {
        Ok(tokens) => tokens,
        Err(response) => return response,
    };
    let mcp_url = app.public_url.mcp(&visitor.now.slug);
    let view = ToolsPage {
        frame: &frame(app, visitor, None),
        hosts: &hosts::all(&mcp_url, hosts::Token::Variable),
        mcp_url: &mcp_url,
        new,
        tokens: &tokens,
        said: just.map(Done::sentence),
    };
    page(app, &view)
}

/// `GET /me/tools`.
pub async fn list(State(app): State<SharedApp>, visitor: Visitor, headers: HeaderMap) -> Response {
    let just = done::just(&app, &headers, &Done::OF_TOOLS);
    done::said(&app, show(&app, &visitor, New::Nothing, just).await, just)
}

/// The form of a new token.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct TokenForm {
    #[serde(rename = "as")]
    drawn_for: String,
    label: String,
    scope: String,
    expires_in_days: String,
}

impl TokenForm {
    fn as_typed(&self) -> Typed {
        Typed { label: self.label.clone(), days: self.expires_in_days.clone(), writes: self.scope == "write" }
    }
}

impl Fields for TokenForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> InWords {
        let may = if self.scope == "write" { "Read and write" } else { "Read only" };
        vec![("Label", self.label.clone()), ("May", may.to_owned()), ("Ends after, in days", self.expires_in_days.clone())]
    }
}

fn draw(app: &SharedApp, visitor: &Visitor, typed: &Typed, errors: &[FieldError<'_>]) -> Response {
    let session = &visitor.now;
    let door = format!("/sign-in/{}", session.slug);
    let is_late = !is_fresh(session.proved_at, app.clock.now());
    page(
        app,
        &TokenPage {
            frame: &frame(app, visitor, None),
            typed,
            most_days: session.settings.most_token_days,
            prove: is_late.then_some(door.as_str()),
            errors,
        },
    )
}

/// `GET /me/tools/new`.
pub async fn form(State(app): State<SharedApp>, visitor: Visitor) -> Response {
    let typed = Typed { label: String::new(), days: visitor.now.settings.usual_token_days().to_string(), writes: false };
    draw(&app, &visitor, &typed, &[])
}

/// `POST /me/tools/new`.
pub async fn create(State(app): State<SharedApp>, drawn: Drawn<TokenForm>) -> Response {
    let (visitor, form) = (&drawn.visitor, &drawn.form);
    let tried = drawn.tries(&app, CreateToken::NAME, Some(visitor.now.person.id));
    let typed = form.as_typed();
    let asked = Asked {
        label: &form.label,
        // What is no number is out of bounds, and told as such.
        days: Some(form.expires_in_days.trim().parse().unwrap_or_default()),
        read_only: !typed.writes,
        proved_at: Some(visitor.now.proved_at),
    };
    let id = visitor.now.person.id.to_string();
    let error = match retrying(|| tokens::create(&app, &tried.call, &id, &asked)).await {
        Ok(Some(made)) => return show(&app, visitor, New::Made(Shown { label: form.label.trim(), token: &made.token }), None).await,
        Ok(None) => return show(&app, visitor, New::MadeBefore, None).await,
        Err(error) => error,
    };
    match &error {
        Error::Invalid(invalid) => draw(&app, visitor, &typed, &[FieldError { field: invalid.field, message: &said(invalid) }]),
        Error::Denied(Reason::NotProvedAnew) => {
            tried.note(&app, &error);
            draw(&app, visitor, &typed, &[FieldError { field: "form", message: "A token is made within 10 minutes of signing in." }])
        }
        Error::Clash { said, hint } => {
            tried.note(&app, &error);
            draw(&app, visitor, &typed, &[FieldError { field: "form", message: &format!("{said} {hint}") }])
        }
        other => tried.refused(&app, other),
    }
}

/// Which token an address names.
fn named(segment: Result<Path<String>, PathRejection>) -> Option<CredentialId> {
    segment.ok().and_then(|Path(id)| CredentialId::parse(&id))
}

/// The token of one's own that an address names; else the answer. One that has ended meanwhile leads back to the list.
async fn found(app: &SharedApp, tried: &Try<'_>, id: Option<CredentialId>) -> Result<TokenRow, Response> {
    let Some(id) = id.map(|id| id.to_string()) else { return Err(fault(app, Fault::NotFound)) };
    own(app, tried).await?.into_iter().find(|token| token.id == id).ok_or_else(|| go_to(app, PLACE))
}

/// `GET /me/tools/{id}/revoke`.
pub async fn look(State(app): State<SharedApp>, visitor: Visitor, segment: Result<Path<String>, PathRejection>) -> Response {
    match found(&app, &Try::to_look(&app, &visitor), named(segment)).await {
        Ok(token) => page(&app, &RevokePage { frame: &frame(&app, &visitor, None), token: &token }),
        Err(response) => response,
    }
}

/// `POST /me/tools/{id}/revoke`.
pub async fn revoke(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>, drawn: Drawn<Bare>) -> Response {
    let tried = drawn.tries(&app, RevokeToken::NAME, None);
    let token = match found(&app, &tried, named(segment)).await {
        Ok(token) => token,
        Err(response) => return response,
    };
    match retrying(|| tokens::revoke(&app, &tried.call, &token.id)).await {
        Ok(_) => go_and_say(&app, PLACE, Done::TokenRevoked),
        Err(error) => tried.refused(&app, &error),
    }
}
