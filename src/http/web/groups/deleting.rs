//! The end of a group: what it means for whom, and then its doing.

use super::{named, one, onward, saved};
use crate::{
    app::SharedApp,
    authz::{Action as _, Reason, action::DeleteAccessGroup},
    domain::{PermissionSet, Role, Status, builtin},
    error::Error,
    http::web::{
        done::{Done, go_and_say},
        frame::frame,
        page, said,
        signed_in::{Drawn, Fields, Try, Typed},
        views::{
            frame::Place,
            groups::{DeletePage, Loser},
        },
        visitor::Visitor,
    },
    service::{groups, parse, retrying},
    store::groups::Remainder,
};
use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use usher_tools::{self as contract, bounds};

/// How many are named of those who lose something.
const NAMED: i64 = 5;

/// The question's form.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct DeleteForm {
    #[serde(rename = "as")]
    drawn_for: String,
    reason: String,
}

impl Fields for DeleteForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> Typed {
        vec![("Reason", self.reason.clone())]
    }
}

/// What ends for somebody and what stays, as the rest of a sentence.
fn fate(person: &Remainder, gives: &PermissionSet) -> (bool, String) {
    if gives.is_empty() {
        return (false, "loses nothing: the group gives nothing.".to_owned());
    }
    if person.role == Role::Administrator {
        return (false, "loses nothing: an Administrator needs no group.".to_owned());
    }
    let (lost, other) = (gives.difference(&person.permissions), person.permissions.len());
    let waits = match person.status {
        Status::Active => "",
        Status::Pending => " once they join",
        Status::Deactivated => " should they come back",
    };
    if lost.is_empty() {
        return (false, "loses nothing: other groups give all of it, too.".to_owned());
    }
    let which = if lost.len() == gives.len() { format!("all {}", lost.len()) } else { format!("{} of {}", lost.len(), gives.len()) };
    let names = lost.to_names().join(", ");
    let stays = match other {
        0 => format!("and is left with nothing{waits}"),
        1 => format!("and keeps 1 permission of other groups{waits}"),
        other => format!("and keeps {other} permissions of other groups{waits}"),
    };
    let said = if lost.len() == gives.len() { format!("loses {which}, {stays}.") } else { format!("loses {which} ({names}), {stays}.") };
    (true, said)
}

/// The question, with what was typed in its form. Whoever may not delete finds nothing here.
async fn ask(app: &SharedApp, tried: &Try<'_>, group: &contract::AccessGroup, reason: &str, error: Option<&str>) -> Response {
    if !tried.call.standing.holds(builtin::ACCESS_GROUPS_DELETE) {
        return tried.refused(app, &Reason::Permission(builtin::ACCESS_GROUPS_DELETE).into());
    }
    let named = match groups::remainders(app, &tried.call, &group.id, NAMED).await {
        Ok(named) => named,
        Err(error) => return tried.refused(app, &error),
    };
    let gives = PermissionSet::parse_joined(&group.permissions.join(" "));
    let losers: Vec<_> = named
        .into_iter()
        .map(|person| {
            let (loses, fate) = fate(&person, &gives);
            Loser { name: person.name, fate, loses }
        })
        .collect();
    let view = DeletePage {
        frame: &frame(app, tried.visitor, Some(Place::AccessGroups)),
        group: &saved(group),
        permissions: &group.permissions,
        more: group.member_count.saturating_sub(losers.len().try_into().unwrap_or(u64::MAX)),
        losers: &losers,
        reason,
        error,
    };
    page(app, &view)
}

/// `GET /access-groups/{id}/delete`.
pub async fn look(State(app): State<SharedApp>, visitor: Visitor, segment: Result<Path<String>, PathRejection>) -> Response {
    let tried = Try::to_look(&app, &visitor);
    match one(&app, &tried.call, named(segment).0).await {
        Ok(group) => ask(&app, &tried, &group, "", None).await,
        Err(error) => tried.refused(&app, &error),
    }
}

/// `POST /access-groups/{id}/delete`.
pub async fn delete(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>, drawn: Drawn<DeleteForm>) -> Response {
    let (visitor, form) = (&drawn.visitor, &drawn.form);
    let mut tried = drawn.tries(&app, DeleteAccessGroup::NAME, None);
    let id;
    (id, tried.named) = named(segment);
    if !form.reason.trim().is_empty() {
        match parse::line("reason", &form.reason, bounds::REASON as usize) {
            Ok(reason) => tried.call.options.reason = Some(reason),
            Err(Error::Invalid(invalid)) => {
                return match one(&app, &tried.call, id).await {
                    Ok(group) => ask(&app, &tried, &group, &form.reason, Some(&said(&invalid))).await,
                    Err(error) => tried.refused(&app, &error),
                };
            }
            Err(error) => return tried.refused(&app, &error),
        }
    }
    let params = contract::DeleteAccessGroupParams { access_group: id.map(|id| id.to_string()).unwrap_or_default(), ..Default::default() };
    match retrying(|| groups::delete(&app, &tried.call, &params)).await {
        Ok(_) => go_and_say(&app, &onward(&app, visitor, Place::AccessGroups.path()).await, Done::GroupGone),
        Err(error) => tried.refused(&app, &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_what_ends_and_what_stays() {
        let gives = PermissionSet::parse_joined("users:read users:invite");
        let person = |role, status, others: &str| Remainder {
            name: "Ana Ruiz".to_owned(),
            role,
            status,
            permissions: PermissionSet::parse_joined(others),
        };
        for (person, said) in [
            (person(Role::Administrator, Status::Active, ""), "loses nothing: an Administrator needs no group."),
            (person(Role::User, Status::Active, ""), "loses all 2, and is left with nothing."),
            (person(Role::User, Status::Pending, ""), "loses all 2, and is left with nothing once they join."),
            (person(Role::User, Status::Active, "users:read"), "loses 1 of 2 (users:invite), and keeps 1 permission of other groups."),
            (person(Role::User, Status::Active, "billing:read billing:update"), "loses all 2, and keeps 2 permissions of other groups."),
            (person(Role::User, Status::Active, "users:read users:invite"), "loses nothing: other groups give all of it, too."),
        ] {
            assert_eq!(fate(&person, &gives).1, said);
        }
        assert_eq!(fate(&person(Role::User, Status::Active, ""), &PermissionSet::default()).1, "loses nothing: the group gives nothing.");
    }
}
