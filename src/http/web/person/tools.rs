//! The AI tools of a person: by which tokens programs act as them, and the end of one or of all.

use super::{
    super::{
        done::{self, Done, go_and_say_of},
        door::go_to,
        inviting, page,
        signed_in::{Drawn, Fields, Try, Typed, named},
        views::{
            person::{ConfirmPage, Tab, Token, TokenState, ToolsPage},
            when::{Until, When},
        },
        visitor::Visitor,
    },
    found, framed, part,
    standing::{self, ReasonForm, Trouble, give_reason},
    who, why,
};
use crate::{
    app::SharedApp,
    authz::{
        Action as _, Reason,
        tokens::{EndAiAccess, RevokeToken},
    },
    domain::Timestamp,
    error::Error,
    service::{people::Looked, retrying, tokens},
    store::{credentials, people::Who},
};
use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::HeaderMap,
    response::Response,
};

/// How many tokens that ended are shown beside those that work.
const ENDED: usize = 20;

fn state(token: &credentials::Token, now: Timestamp) -> TokenState {
    if token.revoked_at.is_some() {
        TokenState::Revoked
    } else if token.expires_at <= now {
        TokenState::Expired
    } else {
        TokenState::Works
    }
}

fn row(token: credentials::Token, now: Timestamp) -> Token {
    Token {
        state: state(&token, now),
        id: token.id.to_string(),
        label: token.label,
        client: token.client,
        writes: token.scopes.write,
        made: When::new(token.created_at, now),
        used: token.last_used_at.map(|at| When::new(at, now)),
        ends: Until::new(token.expires_at, now),
    }
}

/// All that work, and the newest of those that ended.
fn shown(tokens: Vec<credentials::Token>, now: Timestamp) -> Vec<Token> {
    let mut ended = 0;
    let rows = tokens.into_iter().map(|token| row(token, now));
    rows.filter(|token| {
        ended += usize::from(token.state != TokenState::Works);
        token.state == TokenState::Works || ended <= ENDED
    })
    .collect()
}

fn in_words(works: usize) -> String {
    match works {
        0 => "None works now.".to_owned(),
        1 => "1 works now.".to_owned(),
        works => format!("{works} work now."),
    }
}

async fn draw(app: &SharedApp, tried: &Try<'_>, looked: &Looked, said: Option<Done>, refused: Option<String>) -> Response {
    let listed = match tokens::list(app, &tried.call, Some(&looked.user.id)).await {
        Ok(listed) => shown(listed, app.clock.now()),
        Err(error) => return tried.refused(app, &error),
    };
    let works = listed.iter().filter(|token| token.state == TokenState::Works).count();
    let why_not = match &looked.may.end_ai_access {
        Ok(()) | Err(Reason::Permission(_)) => None,
        Err(reason) => Some(why(reason)),
    };
    let view = ToolsPage {
        frame: &framed(app, tried),
        who: &who(tried, &looked.user, Tab::Tools, said, refused),
        count: &in_words(works),
        works: works > 0,
        tokens: &listed,
        may_end: looked.may.end_ai_access.is_ok(),
        why_not: why_not.as_deref(),
    };
    page(app, &view)
}

/// `GET /users/{id}/ai-tools` (B25).
pub async fn list(
    State(app): State<SharedApp>,
    segment: Result<Path<String>, PathRejection>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Response {
    let tried = Try::to_look(&app, &visitor);
    let (id, looked) = match found(&app, &tried, named(segment)).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let just = done::just_of(&app, &headers, &Done::ABOUT_SOMEBODY, id);
    done::said(&app, draw(&app, &tried, &looked, just, None).await, just)
}

/// The form that ends a token, or all.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct TokenForm {
    #[serde(rename = "as")]
    drawn_for: String,
    token: String,
}

impl Fields for TokenForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> Typed {
        // It is a button.
        Vec::new()
    }
}

/// Why a token was not ended, in words for the page.
fn trouble(error: &Error) -> Option<String> {
    match error {
        Error::Denied(Reason::Permission(_) | Reason::Scope) => None,
        Error::Denied(reason) => Some(why(reason)),
        // Of this person there is no such token, whatever else it names.
        Error::CredentialNotFound => Some("There is no such token any more.".to_owned()),
        other => inviting::passing(other),
    }
}

/// Ends a token. Whether it is one of this person's: of them there is no other, whatever else it names.
async fn end_one(app: &SharedApp, tried: &Try<'_>, looked: &Looked, token: &str) -> Result<bool, Error> {
    looked.may.end_ai_access.clone()?;
    let theirs = tokens::list(app, &tried.call, Some(&looked.user.id)).await?;
    if !theirs.iter().any(|one| one.id.to_string() == token) {
        return Ok(false);
    }
    retrying(|| tokens::revoke(app, &tried.call, token)).await.map(|_| true)
}

/// `POST /users/{id}/ai-tools`: the end of one token.
pub async fn revoke(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>, drawn: Drawn<TokenForm>) -> Response {
    let asked = named(segment);
    let tried = drawn.tries(&app, RevokeToken::NAME, asked);
    let (id, looked) = match found(&app, &tried, asked).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let error = match end_one(&app, &tried, &looked, &drawn.form.token).await {
        Ok(true) => return go_and_say_of(&app, &part(id, Tab::Tools), Done::OneTokenLess, id),
        Ok(false) => return draw(&app, &tried, &looked, None, Some("There is no such token any more.".to_owned())).await,
        Err(error) => error,
    };
    let Some(message) = trouble(&error) else { return tried.refused(&app, &error) };
    tried.note(&app, &error);
    draw(&app, &tried, &looked, None, Some(message)).await
}

fn confirm(app: &SharedApp, tried: &Try<'_>, looked: &Looked, works: usize, trouble: &Trouble<'_>) -> Response {
    let back = part(&looked.user.id, Tab::Tools);
    let ends = match works {
        1 => "1 MCP token; its next call gets 401 Unauthorized".to_owned(),
        works => format!("{works} MCP tokens; their next call gets 401 Unauthorized"),
    };
    let keeps = ["Their account: they can still sign in, and make a new token".to_owned(), "Their entries in the audit log".to_owned()];
    let possible = trouble.possible;
    let view = ConfirmPage {
        frame: &framed(app, tried),
        name: &looked.user.full_name(),
        action: &format!("{back}/end"),
        back: &back,
        question: "End the AI access of",
        ends: if possible { std::slice::from_ref(&ends) } else { &[] },
        keeps: if possible { &keeps } else { &[] },
        later: "Whoever should not come back with a new token is deactivated instead.",
        warning: None,
        keep: "Keep AI access",
        act: "End AI access of",
        is_danger: true,
        reason: &trouble.reason,
        possible,
        why: trouble.why,
        tried: trouble.tried,
    };
    page(app, &view)
}

/// How many tokens work.
async fn working(app: &SharedApp, tried: &Try<'_>, looked: &Looked) -> Result<usize, Error> {
    let (now, listed) = (app.clock.now(), tokens::list(app, &tried.call, Some(&looked.user.id)).await?);
    Ok(listed.iter().filter(|token| state(token, now) == TokenState::Works).count())
}

/// `GET /users/{id}/ai-tools/end`: what would end.
pub async fn ask(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>, visitor: Visitor) -> Response {
    let tried = Try::to_look(&app, &visitor);
    let (id, looked) = match found(&app, &tried, named(segment)).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let works = match working(&app, &tried, &looked).await {
        Ok(works) => works,
        Err(error) => return tried.refused(&app, &error),
    };
    match &looked.may.end_ai_access {
        Ok(()) if works == 0 => go_to(&app, &part(id, Tab::Tools)),
        Ok(()) => confirm(&app, &tried, &looked, works, &Trouble { possible: true, ..Trouble::default() }),
        Err(reason @ Reason::Permission(_)) => tried.refused(&app, &reason.clone().into()),
        Err(reason) => confirm(&app, &tried, &looked, works, &Trouble { why: Some(&why(reason)), ..Trouble::default() }),
    }
}

/// `POST /users/{id}/ai-tools/end`: the end of all.
pub async fn end(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>, drawn: Drawn<ReasonForm>) -> Response {
    let asked = named(segment);
    let mut tried = drawn.tries(&app, EndAiAccess::NAME, asked);
    let (id, looked) = match found(&app, &tried, asked).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let who = Who::Id(id);
    let done = match give_reason(&mut tried.call, &drawn.form.reason) {
        Ok(()) => retrying(|| tokens::end_all(&app, &tried.call, &who)).await,
        Err(error) => Err(error),
    };
    let Err(error) = done else {
        return go_and_say_of(&app, &part(id, Tab::Tools), Done::AiAccessEnded, id);
    };
    let Some((message, reason, possible)) = standing::trouble(&error, &drawn.form) else { return tried.refused(&app, &error) };
    tried.note(&app, &error);
    match working(&app, &tried, &looked).await {
        Ok(works) => {
            confirm(&app, &tried, &looked, works, &Trouble { why: message.as_deref(), reason, tried: true, possible, warning: None })
        }
        Err(error) => tried.refused(&app, &error),
    }
}
