//! Whose second factor is on, for Administrators, who take it away from somebody whose app and codes are gone.
//!
//! GET shows, on a page of its own what a reset ends; only its POST does it.

use super::{
    done::{self, Done, go_and_say},
    door::go_to,
    fault,
    frame::frame,
    page,
    signed_in::{Bare, Drawn, Part, Try, named},
    views::{
        Fault, Moment,
        factors::{FactorsPage, ResetPage, Row},
        frame::Place,
        settings::{Section, Top},
    },
    visitor::Visitor,
};
use crate::{
    app::SharedApp,
    authz::{Action as _, Reason, second_factor::ResetSecondFactor},
    domain::{SecondFactorFor, Timestamp, UserId},
    error::Error,
    service::{retrying, second_factor},
    store::second_factor::Holder,
};
use axum::{
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::HeaderMap,
    response::Response,
};

/// Where the list is.
const PLACE: &str = "/settings/second-factor";

/// `GET /settings/second-factor`.
pub async fn list(
    State(app): State<SharedApp>,
    visitor: Visitor,
    part: Result<Query<Part>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let part = part.map(|Query(part)| part).unwrap_or_default();
    let session = &visitor.now;
    let tried = Try::to_look(&app, &visitor);
    let listed = match second_factor::list(&app, &tried.call, &session.settings, part.after()).await {
        Ok(listed) => listed,
        Err(error) => return tried.refused(&app, &error),
    };
    let next = listed.people.last().filter(|_| listed.more).map(|last| last.id.to_string());
    let rows: Vec<_> = listed
        .people
        .into_iter()
        .map(|person| Row {
            id: person.id.to_string(),
            since: person.since.map(|since| (since.to_rfc3339(), since.short_utc())),
            own: person.id == session.person.id,
            role: person.role.shown(),
            name: person.name,
            email: person.email,
        })
        .collect();
    let just = done::just(&app, &headers, &Done::OF_FACTORS);
    let shown = page(
        &app,
        &FactorsPage {
            frame: &frame(&app, &visitor, Some(Place::Settings)),
            top: Top::of(Section::SigningIn),
            demanded: match session.settings.second_factor {
                SecondFactorFor::Nobody => "Nobody must have one; whoever has set one up is asked for it.",
                SecondFactorFor::Administrators => "Administrators must have one.",
                SecondFactorFor::Everybody => "Everybody must have one.",
            },
            rows: &rows,
            first: part.after.is_empty(),
            next: next.as_deref(),
            said: just.map(Done::sentence),
        },
    );
    done::said(&app, shown, just)
}

fn confirm(app: &SharedApp, visitor: &Visitor, of: &Holder, since: Timestamp, error: Option<&str>) -> Response {
    let (iso, words) = (since.to_rfc3339(), since.short_utc());
    let view = ResetPage {
        frame: &frame(app, visitor, Some(Place::Settings)),
        top: Top::of(Section::SigningIn),
        of: &of.id.to_string(),
        person: &of.name,
        email: &of.email,
        since: Moment { iso: &iso, words: &words },
        error,
    };
    page(app, &view)
}

/// What a reset is about: its holder, or the answer. One's own has a page of its own.
async fn found(app: &SharedApp, tried: &Try<'_>, id: Option<UserId>) -> Result<(Holder, Timestamp), Response> {
    if id == Some(tried.visitor.now.person.id) {
        return Err(go_to(app, "/me/second-factor"));
    }
    let Some(id) = id else { return Err(fault(app, Fault::NotFound)) };
    match second_factor::of(app, &tried.call, id).await {
        Ok(of) => of.and_then(|of| of.since.map(|since| (of, since))).ok_or_else(|| fault(app, Fault::NotFound)),
        Err(error) => Err(tried.refused(app, &error)),
    }
}

/// `GET /settings/second-factor/{id}`: what a reset would end.
pub async fn look(State(app): State<SharedApp>, visitor: Visitor, segment: Result<Path<String>, PathRejection>) -> Response {
    let id = named(segment);
    match found(&app, &Try::to_look(&app, &visitor), id).await {
        Ok((of, since)) => confirm(&app, &visitor, &of, since, None),
        Err(response) => response,
    }
}

/// `POST /settings/second-factor/{id}`: the reset.
pub async fn reset(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>, drawn: Drawn<Bare>) -> Response {
    let visitor = &drawn.visitor;
    let id = named(segment);
    let tried = drawn.tries(&app, ResetSecondFactor::NAME, id);
    let (of, since) = match found(&app, &tried, id).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let id = of.id.to_string();
    match retrying(|| second_factor::reset(&app, &tried.call, &id, Some(visitor.now.proved_at))).await {
        Ok(true) => go_and_say(&app, PLACE, Done::FactorReset),
        Ok(false) => go_and_say(&app, PLACE, Done::NoFactorLeft),
        Err(error @ Error::Denied(Reason::NotProvedAnew)) => {
            tried.note(&app, &error);
            let message = "A second factor is reset within 10 minutes of signing in. Sign out, sign in again, and reset it then.";
            confirm(&app, visitor, &of, since, Some(message))
        }
        Err(error) => tried.refused(&app, &error),
    }
}
