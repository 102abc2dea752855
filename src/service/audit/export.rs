//! Exporting the audit log: an entry of its own first, then what was there before it, newest first, page by page.

use super::{Call, Narrowed, shown};
use crate::{
    app::App,
    authz::{
        self,
        audit::{ExportAuditLog, Format},
    },
    error::Error,
    service::{About, Done, Writing},
    store::audit::{self, Way},
};
use usher_tools as contract;

/// Entries that are read at once.
const PAGE: i64 = 500;

/// An export that is under way.
#[derive(Debug)]
pub struct Export {
    narrowed: Narrowed,
    /// What is read next stands before this place in the chain; nothing at its end.
    before: Option<i64>,
}

/// Begins an export of the entries that match.
///
/// # Errors
/// Without `audit_log:export` there is none; a person that is not of this organization has no entries to export.
pub async fn begin(app: &App, call: &Call, params: &contract::ListAuditEventsParams, format: Format) -> Result<Export, Error> {
    authz::needs::<ExportAuditLog>(&call.actor, &call.standing, false)?;
    let narrowed = super::narrowed(app, call, params).await?;
    let mut writing = Writing::begin::<ExportAuditLog>(app, call, false).await?;
    let result = note(&mut writing, &narrowed, format).await;
    let before = writing.finish(result).await?;
    Ok(Export { narrowed, before: Some(before) })
}

/// The entry that says so; its place in the chain.
async fn note(writing: &mut Writing<'_>, narrowed: &Narrowed, format: Format) -> Result<Done<i64>, Error> {
    let action = ExportAuditLog { format, filters: narrowed.told() };
    let value = match writing.ask(action, false)? {
        Some(proof) => audit::exported(&mut writing.work, proof).await?,
        None => 0,
    };
    Ok(Done { value, changed: true, about: About::default() })
}

impl Export {
    /// The next entries; none at the end.
    ///
    /// # Errors
    /// The database's.
    pub async fn next(&mut self, app: &App, call: &Call) -> Result<Vec<contract::AuditEvent>, Error> {
        while let Some(before) = self.before {
            let found = audit::list(&app.pool, call.actor.org(), &self.narrowed.filter, Way::Older, Some(before), PAGE).await?;
            self.before = found.stopped.or(found.events.last().map(|last| last.sequence));
            if !found.events.is_empty() {
                return Ok(found.events.into_iter().map(shown).collect());
            }
        }
        Ok(Vec::new())
    }
}
