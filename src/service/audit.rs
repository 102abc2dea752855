//! Reading the audit log, checking its chain, taking it out.

pub mod checks;
pub mod export;

use super::{Call, access::lacks, parse};
use crate::{
    app::App,
    authz::Visible,
    domain::{DAY, Timestamp, UserId, builtin},
    error::Error,
    store::{
        audit::{self, DayCount, Event, Filter, Way},
        people,
    },
};
use usher_tools as contract;

/// Page size where none is asked for.
const LIMIT: u32 = 25;
/// Entries that are counted for a drawing at most, the newest first.
pub const COUNTED: i64 = 20_000;
/// What cursors of the list are bound to.
const LIST: &str = "list_audit_events";
/// The same for those that lead back in it.
const BACK: &str = "list_audit_events/newer";

/// A list's filters, once what they name was looked up.
#[derive(Clone, Debug)]
pub(crate) struct Narrowed {
    filter: Filter,
    /// As they were written: what a cursor is bound to.
    words: String,
}

impl Narrowed {
    /// What it is narrowed to, for an entry of the log: name and value.
    fn told(&self) -> Vec<(&'static str, String)> {
        let filter = &self.filter;
        [
            ("user", filter.user.map(|id| id.to_string())),
            ("action", filter.action.clone()),
            ("surface", filter.surface.clone()),
            ("client", filter.client.clone()),
            ("outcome", filter.outcome.clone()),
            ("from", filter.from.map(Timestamp::to_rfc3339)),
            ("to", filter.to.map(Timestamp::to_rfc3339)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

/// Whether somebody may see entries.
pub(crate) fn may_read(call: &Call) -> Result<(), Error> {
    if call.standing.holds(builtin::AUDIT_LOG_READ) { Ok(()) } else { Err(lacks(builtin::AUDIT_LOG_READ)) }
}

/// Looks up what the filters name.
pub(crate) async fn narrowed(app: &App, call: &Call, params: &contract::ListAuditEventsParams) -> Result<Narrowed, Error> {
    let user = match &params.user {
        None => None,
        Some(text) => {
            let who = parse::who("user", text)?;
            let person = people::find(&app.pool, call.actor.org(), &who, Visible::All).await?.ok_or(Error::UserNotFound)?;
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
    Ok(Narrowed { filter, words })
}

/// Where a page begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start<'a> {
    /// At the newest entry.
    Newest,
    /// Where a page with newer ones ended.
    Older(&'a str),
    /// Where a page with older ones began: this one ends there.
    Newer(&'a str),
}

/// A page of the log.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Newest first.
    pub(crate) events: Vec<contract::AuditEvent>,
    /// Gives the page with older ones.
    pub(crate) older: Option<String>,
    /// Gives the page with newer ones.
    pub(crate) newer: Option<String>,
}

/// A page of the entries that match. Who may see any is asked before ([`may_read`]).
pub(crate) async fn page(app: &App, call: &Call, narrowed: &Narrowed, from: Start<'_>, limit: u32) -> Result<Page, Error> {
    let Narrowed { filter, words } = narrowed;
    let place = |list, cursor| parse::cursor(app, &call.actor, list, words, Some(cursor));
    let (way, beyond) = match from {
        Start::Newest => (Way::Older, None),
        Start::Older(cursor) => (Way::Older, place(LIST, cursor)?),
        Start::Newer(cursor) => (Way::Newer, place(BACK, cursor)?),
    };
    let audit::Listed { mut events, stopped } = audit::list(&app.pool, call.actor.org(), filter, way, beyond, i64::from(limit) + 1).await?;
    let more = events.len() > limit as usize;
    if more {
        // The one that only tells of more is the farthest from where the page begins.
        match way {
            Way::Older => drop(events.pop()),
            Way::Newer => drop(events.remove(0)),
        }
    }
    let (first, last) = (events.first().map(|event| event.sequence), events.last().map(|event| event.sequence));
    let (older, newer) = match from {
        Start::Newest => (last.filter(|_| more).or(stopped), None),
        // From a page without entries one goes back to whichever stands where it was left.
        Start::Older(_) => (last.filter(|_| more).or(stopped), first.or(beyond.map(|left| left - 1))),
        Start::Newer(_) => (last.or(beyond.map(|left| left + 1)), first.filter(|_| more).or(stopped)),
    };
    Ok(Page {
        events: events.into_iter().map(shown).collect(),
        older: parse::next_cursor(app, &call.actor, LIST, words, older),
        newer: parse::next_cursor(app, &call.actor, BACK, words, newer),
    })
}

/// Lists entries, newest first.
pub async fn list(app: &App, call: &Call, params: &contract::ListAuditEventsParams) -> Result<contract::ListAuditEventsOutput, Error> {
    may_read(call)?;
    let narrowed = narrowed(app, call, params).await?;
    let from = params.cursor.as_deref().map_or(Start::Newest, Start::Older);
    let page = page(app, call, &narrowed, from, params.limit.unwrap_or(LIMIT)).await?;
    Ok(contract::ListAuditEventsOutput { events: page.events, next_cursor: page.older })
}

/// How many entries that match each day has.
#[derive(Debug)]
pub(crate) struct PerDay {
    /// The days that have any.
    pub(crate) counts: Vec<DayCount>,
    /// The day of the oldest entry that was counted, where older ones are left out.
    pub(crate) whole_since: Option<i64>,
}

/// Counts by day, from the first to the last of these, both within. Who may see any is asked before ([`may_read`]).
pub(crate) async fn per_day(app: &App, call: &Call, narrowed: &Narrowed, first: i64, last: i64) -> Result<PerDay, Error> {
    let begins = |day: i64| Timestamp::from_millis(day.saturating_mul(DAY));
    let (from, to) = (begins(first), begins(last.saturating_add(1)));
    let found = audit::per_day(&app.pool, call.actor.org(), &narrowed.filter, from, to, COUNTED).await?;
    Ok(PerDay { counts: found.counts, whole_since: found.since.filter(|_| found.looked_at >= COUNTED) })
}

/// The newest entry that says `action` was done to a person, for whoever may read the log.
pub async fn newest_done(app: &App, call: &Call, target: UserId, action: &str) -> Result<Option<contract::AuditEvent>, Error> {
    if !call.standing.holds(builtin::AUDIT_LOG_READ) {
        return Err(lacks(builtin::AUDIT_LOG_READ));
    }
    Ok(audit::newest_done(&app.pool, call.actor.org(), target.as_uuid(), action).await?.map(shown))
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
