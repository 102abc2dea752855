//! `POST /audit/export`: the entries that match, as a file. It is a form and no link, because it leaves an entry of its own.

use super::{Asked, date, go_to, today};
use crate::{
    app::SharedApp,
    authz::{
        self, Action as _,
        audit::{ExportAuditLog, Format},
    },
    error::Error,
    http::web::{
        csv::{self, Parts, Texts},
        fault,
        signed_in::{Drawn, Fields, Try, Typed},
        views::Fault,
        visitor::{Visitor, still_open},
    },
    service::{
        Call,
        audit::export::{self as exporting, Export},
        retrying,
    },
};
use axum::{extract::State, response::Response};
use std::sync::Arc;
use usher_tools::AuditEvent;

/// The exporting form.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct ExportForm {
    #[serde(rename = "as")]
    drawn_for: String,
    format: String,
    #[serde(flatten)]
    asked: Asked,
}

impl Fields for ExportForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> Typed {
        // It is a button.
        Vec::new()
    }
}

/// `POST /audit/export`.
pub async fn export(State(app): State<SharedApp>, drawn: Drawn<ExportForm>) -> Response {
    let form = &drawn.form;
    let Some(format) = Format::parse(&form.format).filter(|_| form.asked.fits()) else { return fault(&app, Fault::BadRequest) };
    let asked = form.asked.clone().cleaned();
    // Each time it is sent entries leave, so each time is noted: a second click is a second export.
    let tried = Try::new(&app, &drawn.visitor, ExportAuditLog::NAME, None);
    let params = asked.params();
    match retrying(|| exporting::begin(&app, &tried.call, &params, format)).await {
        Ok(export) => file(&app, &drawn.visitor, tried.call.clone(), export, format),
        Err(Error::UserNotFound | Error::NobodyNamed(_)) => go_to(&app, &asked.with(&[])),
        Err(error) => tried.refused(&app, &error),
    }
}

/// The file, made while it is sent.
fn file(app: &SharedApp, visitor: &Visitor, call: Call, export: Export, format: Format) -> Response {
    let day = date(today(app.clock.now()));
    let name = format!("audit-{}-{day}.{}", visitor.now.slug, format.as_str());
    let entries = Entries { app: Arc::clone(app), cookie: visitor.browser.cookie, call, export };
    match format {
        Format::Csv => csv::attachment(app, &name, &COLUMNS, Table(entries)),
        Format::Jsonl => csv::file(app, &name, "application/jsonl; charset=utf-8", String::new(), Objects(entries)),
    }
}

/// What is left of an export.
struct Entries {
    app: SharedApp,
    /// The browser to which it goes.
    cookie: Option<[u8; 32]>,
    call: Call,
    export: Export,
}

impl Entries {
    /// The next ones; none at the end.
    async fn next(&mut self) -> Result<Option<Vec<AuditEvent>>, Error> {
        self.still_may().await?;
        let events = self.export.next(&self.app, &self.call).await?;
        Ok((!events.is_empty()).then_some(events))
    }

    /// Whether whoever exports is still in and still may: a file that is under way outlives nobody's access.
    async fn still_may(&self) -> Result<(), Error> {
        let cookie = self.cookie.ok_or(Error::Unauthenticated)?;
        let id = self.call.actor.credential_id().ok_or(Error::Unauthenticated)?;
        let own = still_open(&self.app, cookie, id).await?.ok_or(Error::Unauthenticated)?;
        Ok(authz::needs::<ExportAuditLog>(&self.call.actor, &own.standing, false)?)
    }
}

/// An entry a line, column by column.
struct Table(Entries);

impl Parts for Table {
    async fn next(&mut self) -> Result<Option<Vec<Vec<String>>>, Error> {
        Ok(self.0.next().await?.map(|events| events.iter().map(cells).collect()))
    }
}

/// An entry a line, as the tool of the same list says it.
struct Objects(Entries);

impl Texts for Objects {
    async fn next(&mut self) -> Result<Option<String>, Error> {
        let line = |event: &AuditEvent| serde_json::to_string(event).map(|object| object + "\n");
        let lines = |events: Vec<AuditEvent>| events.iter().map(line).collect::<Result<String, _>>();
        let text = self.0.next().await?.map(lines).transpose();
        text.map_err(|error| Error::Internal(format!("an entry cannot be written as JSON: {error}")))
    }
}

/// The columns of the file, in their order.
const COLUMNS: [&str; 23] = [
    "sequence",
    "id",
    "at",
    "actor_kind",
    "actor_user_id",
    "actor_name",
    "credential_kind",
    "credential_id",
    "credential_label",
    "client_name",
    "client_verified",
    "surface",
    "tool",
    "action",
    "target_kind",
    "target_id",
    "target_name",
    "outcome",
    "code",
    "reason",
    "changes",
    "repeated",
    "request_id",
];

/// What an entry says, column by column; an empty cell where there is nothing or it was erased.
fn cells(event: &AuditEvent) -> Vec<String> {
    let (credential, client, target) = (event.credential.as_ref(), event.client.as_ref(), event.target.as_ref());
    let changes = (!event.changes.is_empty()).then(|| serde_json::to_string(&event.changes).unwrap_or_default());
    let cells: [Option<String>; COLUMNS.len()] = [
        Some(event.sequence.to_string()),
        Some(event.id.clone()),
        Some(event.at.clone()),
        Some(event.actor.kind.to_string()),
        event.actor.user_id.clone(),
        event.actor.name.clone(),
        credential.map(|credential| credential.kind.clone()),
        credential.map(|credential| credential.id.clone()),
        credential.and_then(|credential| credential.label.clone()),
        client.and_then(|client| client.name.clone()),
        client.map(|client| client.verified.to_string()),
        Some(event.surface.to_string()),
        event.tool.clone(),
        Some(event.action.clone()),
        target.map(|target| target.kind.clone()),
        target.and_then(|target| target.id.clone()),
        target.and_then(|target| target.name.clone()),
        Some(event.outcome.to_string()),
        event.code.clone(),
        event.reason.clone(),
        changes,
        Some(event.repeated.to_string()),
        event.request_id.clone(),
    ];
    cells.into_iter().map(Option::unwrap_or_default).collect()
}
