//! `POST /users/export`: the list as a file. It is a form and no link, because it leaves an entry in the audit log.

use super::{Asked, go_to};
use crate::{
    app::SharedApp,
    authz::{Action as _, action::ExportUsers},
    domain::{UserId, builtin},
    error::Error,
    http::web::{
        csv::{self, Parts},
        signed_in::{Drawn, Fields, Try, Typed},
        visitor::{Held, Visitor},
    },
    service::{people, retrying, roster},
};
use axum::{extract::State, http::HeaderMap, response::Response};
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
    headers: HeaderMap,
    person: UserId,
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
        let held = Held::read(&self.app, &self.headers).await?.filter(|held| held.chosen.person.id == self.person);
        let visitor = held.and_then(|held| Visitor::of(&self.app, held)).ok_or(Error::Unauthenticated)?;
        let call = visitor.call(&self.app);
        let counts = people::counts(&self.app, &call).await?;
        let part = roster::page(&self.app, &call, &counts, &self.asked.wanted(), self.cursor.as_deref(), PART).await?;
        self.is_over = part.next.is_none();
        self.cursor = part.next;
        let knows_groups = call.standing.holds(builtin::ACCESS_GROUPS_READ);
        Ok(Some(part.users.into_iter().map(|user| fields(user, knows_groups)).collect()))
    }
}

/// `POST /users/export`.
pub async fn export(State(app): State<SharedApp>, headers: HeaderMap, drawn: Drawn<ExportForm>) -> Response {
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
    let person = session.person.id;
    csv::attachment(&app, &name, &FIELDS, Leaving { app: app.clone(), headers, person, asked, cursor: None, is_over: false })
}
