//! Reading the audit log.

use super::{Call, access::lacks, parse};
use crate::{
    app::App,
    authz::Visible,
    domain::builtin,
    error::Error,
    store::{
        audit::{self, Event, Filter},
        people,
    },
};
use usher_tools as contract;

/// Page size where none is asked for.
const LIMIT: u32 = 25;

/// Lists entries, newest first.
pub async fn list(app: &App, call: &Call, params: &contract::ListAuditEventsParams) -> Result<contract::ListAuditEventsOutput, Error> {
    if !call.standing.holds(builtin::AUDIT_LOG_READ) {
        return Err(lacks(builtin::AUDIT_LOG_READ));
    }
    let org = call.actor.org();
    let user = match &params.user {
        None => None,
        Some(text) => {
            let who = parse::who("user", text)?;
            let person = people::find(&app.pool, org, &who, Visible::All).await?.ok_or(Error::UserNotFound)?;
            Some(person.id.as_uuid())
        }
    };
    let filter = Filter {
        user,
        action: params.action.clone(),
        surface: params.surface.map(|surface| surface.as_str().to_owned()),
        client: params.client.clone(),
        outcome: params.outcome.map(|outcome| outcome.as_str().to_owned()),
        from: parse::time("from", params.from.as_deref())?,
        to: parse::time("to", params.to.as_deref())?,
    };
    let words = serde_json::json!([user, params.action, params.surface, params.client, params.outcome, params.from, params.to]).to_string();
    let before = parse::cursor(app, &call.actor, "list_audit_events", &words, params.cursor.as_deref())?.unwrap_or(i64::MAX);
    let limit = params.limit.unwrap_or(LIMIT);
    let mut events = audit::list(&app.pool, org, &filter, before, i64::from(limit) + 1).await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = events.len() > wanted;
    events.truncate(wanted);
    let next = if more { events.last().map(|event| event.sequence) } else { None };
    let next_cursor = parse::next_cursor(app, &call.actor, "list_audit_events", &words, next);
    Ok(contract::ListAuditEventsOutput { events: events.into_iter().map(shown).collect(), next_cursor })
}

fn shown(mut event: Event) -> contract::AuditEvent {
    let kind = contract::ActorKind::parse(&event.actor_kind).unwrap_or(contract::ActorKind::System);
    let credential = event.credential_kind.zip(event.credential_id).map(|(kind, id)| contract::AuditCredential {
        id: id.to_string(),
        kind,
        label: event.credential_label,
    });
    contract::AuditEvent {
        id: event.id.to_string(),
        sequence: event.sequence,
        at: event.at.to_rfc3339(),
        actor: contract::AuditActor { user_id: event.actor_id.map(|id| id.to_string()), name: event.texts.remove("actor.name"), kind },
        credential,
        client: event.texts.remove("client.name").map(|name| contract::ClientRef { name: Some(name), verified: false }),
        surface: contract::Surface::parse(&event.surface).unwrap_or(contract::Surface::System),
        tool: event.tool,
        action: event.action,
        target: event.target_kind.map(|kind| contract::AuditTarget {
            kind,
            id: event.target_id.map(|id| id.to_string()),
            name: event.texts.remove("target.name"),
        }),
        outcome: contract::Outcome::parse(&event.outcome).unwrap_or(contract::Outcome::Failed),
        code: event.code,
        reason: event.texts.remove("reason"),
        changes: event.changes.into_iter().map(|(field, before, after)| contract::AuditChange { field, before, after }).collect(),
        repeated: u64::try_from(event.repeated).unwrap_or(1),
        request_id: event.request_id.map(|id| id.to_string()),
    }
}
