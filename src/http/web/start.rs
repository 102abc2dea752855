//! The first steps of an organization, for its Administrators, until all are done or put away.

use super::{
    done::{Done, go_and_say},
    door::go_to,
    fault,
    frame::frame,
    page,
    signed_in::{Bare, Drawn},
    views::{
        Fault,
        frame::Place,
        start::{StartPage, Step},
    },
    visitor::Visitor,
};
use crate::{
    app::SharedApp,
    authz::{Action as _, organization::HideSteps},
    service::{organizations, retrying},
    store::sessions::Session,
};
use axum::{extract::State, response::Response};
use usher_tools::DeliveryRoute;

/// How many steps are left to somebody; none for whom they are no matter, or who has put them away.
pub(super) fn left(session: &Session) -> usize {
    if !session.standing.is_administrator() || session.settings.steps_hidden {
        return 0;
    }
    Step::ALL.len() - session.steps_done.len()
}

/// Whether somebody begins there: as long as nobody else was invited.
pub(super) fn is_first(session: &Session) -> bool {
    left(session) > 0 && !session.steps_done.contains(&Step::Invite)
}

/// `GET /start`.
pub async fn look(State(app): State<SharedApp>, visitor: Visitor) -> Response {
    let session = &visitor.now;
    if !session.standing.is_administrator() {
        return fault(&app, Fault::NotFound);
    }
    if left(session) == 0 {
        return go_to(&app, "/");
    }
    let mail = match app.mail.route() {
        Some(DeliveryRoute::Queued) => "mail goes to the relay.",
        Some(DeliveryRoute::Folder) => "mails lie in a folder there, until whoever runs it names a relay with --smtp-url.",
        None => "no mail can leave, so nobody can be invited: whoever runs it sets --smtp-url.",
    };
    let frame = frame(&app, &visitor, Some(Place::Start));
    page(&app, &StartPage { frame: &frame, first_name: &session.first_name, host: app.public_url.host(), mail, done: &session.steps_done })
}

/// `POST /start`: they are put away, for all Administrators.
pub async fn hide(State(app): State<SharedApp>, drawn: Drawn<Bare>) -> Response {
    let tried = drawn.tries(&app, HideSteps::NAME, None);
    match retrying(|| organizations::hide_steps(&app, &tried.call)).await {
        Ok(_) => go_and_say(&app, Place::Users.path(), Done::StepsHidden),
        Err(error) => tried.refused(&app, &error),
    }
}
