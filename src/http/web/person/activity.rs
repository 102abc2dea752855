//! What a person did, and what was done to them, as the audit log says it: for who may read that.

use super::{
    super::{
        address,
        door::go_to,
        page,
        signed_in::{Try, named},
        users::fits,
        views::{
            audit::days,
            frame::Place,
            person::{ActivityPage, Tab},
        },
        visitor::Visitor,
    },
    found, framed, part, who,
};
use crate::{app::SharedApp, error::Error, service::audit};
use axum::{
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::Response,
};
use usher_tools::{self as contract, bounds};

/// Entries on a page.
const LIMIT: u32 = 50;

/// Where the list goes on.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    cursor: String,
}

/// `GET /users/{id}/activity`: newest first, page by page.
pub async fn list(
    State(app): State<SharedApp>,
    segment: Result<Path<String>, PathRejection>,
    asked: Result<Query<Asked>, QueryRejection>,
    visitor: Visitor,
) -> Response {
    let tried = Try::to_look(&app, &visitor);
    let (id, looked) = match found(&app, &tried, named(segment)).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let place = part(id, Tab::Activity);
    let cursor = asked.map(|Query(asked)| asked.cursor).unwrap_or_default();
    if !fits(&cursor, bounds::CURSOR) {
        return go_to(&app, &place);
    }
    let params = contract::ListAuditEventsParams {
        user: Some(looked.user.id.clone()),
        limit: Some(LIMIT),
        cursor: Some(cursor.clone()).filter(|cursor| !cursor.is_empty()),
        ..Default::default()
    };
    let listed = match audit::list(&app, &tried.call, &params).await {
        Ok(listed) => listed,
        // An address that was kept for long: its page is no more, the list is.
        Err(Error::Invalid(invalid)) if invalid.field == "cursor" => return go_to(&app, &place),
        Err(error) => return tried.refused(&app, &error),
    };
    let older = listed.next_cursor.map(|cursor| address(&place, [("cursor", cursor.as_str())]));
    let view = ActivityPage {
        frame: &framed(&app, &tried),
        who: &who(&tried, &looked.user, Tab::Activity, None, None),
        days: &days(&listed.events, app.clock.now()),
        log: &address(Place::Audit.path(), [("user", looked.user.id.as_str())]),
        first: (!cursor.is_empty()).then_some(place.as_str()),
        older: older.as_deref(),
    };
    page(&app, &view)
}
