//! `POST /users/export`: the list as a file. It is a form and no link, because it leaves an entry in the audit log.

use super::{Asked, go_to};
use crate::{
    app::SharedApp,
    authn::session,
    authz::{Action as _, action::ExportUsers},
    domain::{CredentialId, builtin},
    error::Error,
    http::web::{
        csv::{self, Parts},
        signed_in::{Drawn, Fields, Try, Typed},
        visitor::still_open,
    },
    service::{Call, people, retrying, roster},
};
use axum::{extract::State, response::Response};
use usher_tools as contract;

/// The form that takes the list away as a file: which list.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct ExportForm {
    #[serde(rename = "as")]
    drawn_for: String,
    list: String,
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

/// People of a part of the file.
const PART: usize = 500;

/// The roster on its way into a file: whoever takes it is asked for each part anew whether they still may.
struct Leaving {
    app: SharedApp,
    /// The browser to which it goes, and the session by which it was taken.
    taken_by: (Option<[u8; 32]>, CredentialId),
    asked: Asked,
    cursor: Option<String>,
    is_over: bool,
}

/// Fields of the file, as the contract names them.
const FIELDS: [&str; 13] = [
    "id",
    "email",
    "first_name",
    "last_name",
    "role",
    "status",
    "slack_id",
    "access_groups",
    "created_at",
    "invite_expires_at",
    "activated_at",
    "deactivated_at",
    "last_seen_at",
];

fn fields(user: contract::User, knows_groups: bool) -> Vec<String> {
    let groups: Vec<_> = user.access_groups.into_iter().filter(|_| knows_groups).map(|group| group.name).collect();
    vec![
        user.id,
        user.email,
        user.first_name,
        user.last_name,
        user.role.as_str().to_owned(),
        user.status.as_str().to_owned(),
        user.slack_id.unwrap_or_default(),
        groups.join("; "),
        user.created_at,
        user.invite_expires_at.unwrap_or_default(),
        user.activated_at.unwrap_or_default(),
        user.deactivated_at.unwrap_or_default(),
        user.last_seen_at.unwrap_or_default(),
    ]
}

impl Parts for Leaving {
    async fn next(&mut self) -> Result<Option<Vec<Vec<String>>>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let (Some(browser), id) = self.taken_by else { return Err(Error::Unauthenticated) };
        // That very session: the browser may look at another account by now, of another organization.
        let now = still_open(&self.app, browser, id).await?.ok_or(Error::Unauthenticated)?;
        let call = Call::numbered(&self.app, session::actor(&now), now.standing.clone());
        let counts = people::counts(&self.app, &call).await?;
        let part = roster::page(&self.app, &call, &counts, &self.asked.wanted(), self.cursor.as_deref(), PART).await?;
        self.is_over = part.next.is_none();
        self.cursor = part.next;
        let knows_groups = call.standing.holds(builtin::ACCESS_GROUPS_READ);
        Ok(Some(part.users.into_iter().map(|user| fields(user, knows_groups)).collect()))
    }
}

/// `POST /users/export`.
pub async fn export(State(app): State<SharedApp>, drawn: Drawn<ExportForm>) -> Response {
    let session = &drawn.visitor.now;
    let tried = Try::new(&app, &drawn.visitor, ExportUsers::NAME, None);
    let knows_groups = tried.call.standing.holds(builtin::ACCESS_GROUPS_READ);
    let asked = Asked { cursor: String::new(), ..Asked::read(&drawn.form.list).unwrap_or_default() }.cleaned(knows_groups);
    let wanted = asked.wanted();
    match retrying(|| roster::export(&app, &tried.call, &wanted)).await {
        Ok(()) => {}
        Err(Error::GroupNotFound) => return go_to(&app, &asked.with("access_group", "")),
        Err(error) => return tried.refused(&app, &error),
    }
    let name = format!("users-{}-{}.csv", session.slug, &app.clock.now().to_rfc3339()[..10]);
    let taken_by = (drawn.visitor.browser.cookie, session.id);
    csv::attachment(&app, &name, &FIELDS, Leaving { app: app.clone(), taken_by, asked, cursor: None, is_over: false })
}
