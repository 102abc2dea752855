//! By what AI tools and other programs act as people, as tools show it and end it. What may be ended by whom stands in
//! [`tokens`], which pages and commands use, too.

use super::{Call, parse, people, tokens, view};
use crate::{
    app::App,
    authz::{self, Visible},
    domain::{CredentialId, Timestamp, builtin},
    error::Error,
    store::{
        credentials::{self, Place, Token},
        people as roster,
    },
};
use serde::{Deserialize, Serialize};
use usher_tools::{self as contract, Needs, bounds};

/// What cursors of the list are bound to.
const LIST: &str = "list_mcp_tokens";

/// Where a page ended.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    at: i64,
    id: CredentialId,
}

/// Lists what works now, newest first: of everybody or of one person for whoever may know of it, else one's own.
pub async fn list(app: &App, call: &Call, params: &contract::ListMcpTokensParams) -> Result<contract::ListMcpTokensOutput, Error> {
    let owner = owner(app, call, params.user.as_deref()).await?;
    let words = serde_json::json!([owner]).to_string();
    let mark: Option<Mark> = parse::mark(app, &call.actor, LIST, &words, params.cursor.as_deref())?;
    let after = mark.map_or(Place::BEFORE_ALL, |mark| Place { created_at: Timestamp::from_millis(mark.at), id: mark.id.as_uuid() });
    let limit = params.limit.unwrap_or(bounds::DEFAULT_PAGE);
    let mut page = credentials::page(&app.pool, call.actor.org(), owner, after, app.clock.now(), i64::from(limit) + 1).await?;
    let more = page.len() > limit as usize;
    page.truncate(limit as usize);
    let next = page.last().filter(|_| more).map(|last| Mark { at: last.created_at.as_millis(), id: last.id });
    Ok(contract::ListMcpTokensOutput {
        credentials: page.into_iter().map(|token| shown(call, token)).collect(),
        next_cursor: parse::seal_mark(app, &call.actor, LIST, &words, next.as_ref()),
    })
}

/// Whose are listed, by key; nobody in particular is everybody.
async fn owner(app: &App, call: &Call, user: Option<&str>) -> Result<Option<i64>, Error> {
    let needed = authz::holds(&call.standing, Needs::Permission(builtin::MCP_TOKENS_READ), false);
    let who = match user {
        Some(text) => people::named_unless_self(needed.clone(), text)?,
        None if needed.is_ok() => return Ok(None),
        None => return own(call).map(Some),
    };
    if let Err(reason) = needed {
        return if people::names_oneself(app, call, &who).await? { own(call).map(Some) } else { Err(reason.into()) };
    }
    let found = roster::find(&app.pool, call.actor.org(), &who, Visible::All).await?;
    Ok(Some(found.ok_or(Error::UserNotFound)?.key))
}

fn own(call: &Call) -> Result<i64, Error> {
    Ok(call.actor.user().ok_or(Error::UserNotFound)?.key)
}

/// What the caller may know of it: whose address it is only where they may see people, or it is their own.
fn shown(call: &Call, token: Token) -> contract::Credential {
    let sees = call.actor.is(token.user) || call.standing.holds(builtin::USERS_READ);
    view::credential(token, sees)
}

/// Ends one.
pub async fn revoke(app: &App, call: &Call, params: &contract::RevokeMcpTokenParams) -> Result<contract::RevokeMcpTokenOutput, Error> {
    let tokens::Revoked { token, changed } = tokens::revoke(app, call, &params.id).await?;
    Ok(contract::RevokeMcpTokenOutput { credential: shown(call, token), changed, dry_run: call.options.dry_run })
}

/// Ends all of one person.
pub async fn end(app: &App, call: &Call, params: &contract::EndAiAccessParams) -> Result<contract::EndAiAccessOutput, Error> {
    let needed = authz::holds(&call.standing, Needs::Permission(builtin::MCP_TOKENS_REVOKE), false);
    let who = people::named_unless_self(needed, &params.user)?;
    let mcp_tokens = tokens::end_all(app, call, &who).await?;
    let ended = contract::AiAccessEnded { mcp_tokens, oauth_grants: 0 };
    Ok(contract::EndAiAccessOutput { ended, changed: mcp_tokens > 0, dry_run: call.options.dry_run })
}
