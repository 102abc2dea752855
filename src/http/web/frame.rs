//! The frame of the dashboard for whoever is signed in, and the page on which they start.

use super::{
    door::go_to,
    groups,
    inviting::INVITE,
    me, page, signed_in, start, unavailable,
    views::{
        frame::{Frame, Place},
        users::{Contact, NoAccessPage},
    },
    visitor::{Held, Visitor},
};
use crate::{
    app::SharedApp, authn::credential::base62, authz::organization::sees_settings, domain::builtin, service::people,
    store::sessions::Session,
};
use axum::response::Response;

/// How many Administrators are named to who has no access yet.
const CONTACTS: i64 = 5;

/// Whether a page is of any use to somebody. The page itself asks again, and so does what it shows.
fn opens(session: &Session, place: Place) -> bool {
    let standing = &session.standing;
    match place {
        Place::Start => start::left(session) > 0,
        Place::Users => standing.holds(builtin::USERS_READ),
        Place::AccessGroups => standing.holds(builtin::ACCESS_GROUPS_READ),
        Place::Settings => sees_settings(standing).is_ok(),
        Place::Audit => standing.holds(builtin::AUDIT_LOG_READ),
    }
}

/// What stands around a page.
pub(super) fn frame(app: &SharedApp, visitor: &Visitor, here: Option<Place>) -> Frame {
    let session = &visitor.now;
    Frame {
        base: app.public_url.base().to_owned(),
        id: session.person.id.to_string(),
        key: base62(&app.random.bytes()),
        person: session.full_name(),
        email: session.email.clone(),
        role: session.standing.role.shown(),
        organization: session.organization.clone(),
        others: visitor.others.iter().map(me::other).collect(),
        places: Place::ALL.into_iter().filter(|place| opens(session, *place)).collect(),
        steps_left: start::left(session),
        here,
    }
}

/// `GET /` of somebody who is signed in: the first page that is open to them, or why there is none (B04). Whoever is alone begins with
/// the first steps; for others they are no more than an entry of the sidebar.
pub(super) async fn begin(app: &SharedApp, held: Held) -> Response {
    let visitor = match signed_in::open(app, held) {
        Ok(visitor) => visitor,
        Err(response) => return response,
    };
    if start::is_first(&visitor.now) {
        return go_to(app, Place::Start.path());
    }
    let frame = frame(app, &visitor, None);
    match frame.places.iter().find(|place| **place != Place::Start) {
        Some(place) => go_to(app, place.path()),
        // Whoever may do one thing and no more finds the form that this is for.
        None if visitor.now.standing.holds(builtin::USERS_INVITE) => go_to(app, INVITE),
        None if visitor.now.standing.holds(builtin::ACCESS_GROUPS_CREATE) => go_to(app, groups::NEW),
        None => no_access(app, &visitor, &frame).await,
    }
}

async fn no_access(app: &SharedApp, visitor: &Visitor, frame: &Frame) -> Response {
    let call = visitor.call(app);
    let own = usher_tools::GetUserParams { user: visitor.now.person.id.to_string() };
    let (own, administrators) = match (people::get(app, &call, &own).await, people::administrators(app, &call, CONTACTS).await) {
        (Ok(own), Ok(administrators)) => (own.user, administrators),
        (Err(error), _) | (_, Err(error)) => return unavailable(app, &error),
    };
    let groups: Vec<_> = own.access_groups.into_iter().map(|group| group.name).collect();
    let contacts: Vec<_> = administrators
        .into_iter()
        .map(|contact| Contact { id: contact.id.to_string(), name: contact.name, email: contact.email })
        .collect();
    page(app, &NoAccessPage { frame, holds: !visitor.now.standing.permissions.is_empty(), groups: &groups, contacts: &contacts })
}
