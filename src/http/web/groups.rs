//! Access groups in the browser: the list, one group with what it gives and who is in it, and making one. What is done goes through
//! the same use cases as the tools.

pub mod deleting;
pub mod editing;
mod matrix;
pub mod members;
mod starts;

use super::{
    address,
    done::{self, Done},
    door::go_to,
    frame::frame,
    page,
    signed_in::Try,
    users::fits,
    views::{
        frame::Place,
        groups::{Emptiness, GroupsPage, Row, Saved, Start as StartLink},
    },
    visitor::{Visitor, still_open_to},
};
use crate::{
    app::SharedApp,
    domain::{GroupId, builtin},
    error::Error,
    gather::Named,
    service::{Call, groups},
};
use axum::{
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::HeaderMap,
    response::Response,
};
use starts::Start;
use usher_tools::{self as contract, bounds};

/// Groups on a page.
const LIMIT: u32 = 50;
/// Where a group is made.
pub(super) const NEW: &str = "/access-groups/new";

/// A group's own page: path below the base.
fn place(id: &str) -> String {
    format!("{}/{id}", Place::AccessGroups.path())
}

/// The starting points as links to a form.
fn starts(path: &str, chosen: Option<Start>) -> Vec<StartLink> {
    let link =
        |start: Start| StartLink { name: start.name(), href: address(path, [("start", start.word())]), chosen: chosen == Some(start) };
    Start::ALL.map(link).to_vec()
}

fn saved(group: &contract::AccessGroup) -> Saved {
    Saved { id: group.id.clone(), name: group.name.clone(), members: group.member_count, version: group.version }
}

/// Which group an address names, and what evidence says of it.
fn named(segment: Result<Path<String>, PathRejection>) -> (Option<GroupId>, Named) {
    let id = segment.ok().and_then(|Path(id)| GroupId::parse(&id));
    (id, id.map_or(Named::Kind("access_group"), Named::Group))
}

/// The group of this id, for whoever may see groups.
async fn one(app: &SharedApp, call: &Call, id: Option<GroupId>) -> Result<contract::AccessGroup, Error> {
    let params = contract::ListAccessGroupsParams {
        // What is no id names no group; whether somebody may ask comes first all the same.
        access_group: Some(id.map(|id| id.to_string()).unwrap_or_default()),
        ..Default::default()
    };
    groups::list(app, call, &params).await?.access_groups.pop().ok_or(Error::GroupNotFound)
}

/// Adds to the groups that a form offers those that were ticked otherwise, such as by a link from their own page: there may be more
/// than a form offers. One that is gone is left out.
pub(super) async fn with_ticked(
    app: &SharedApp,
    call: &Call,
    mut offered: Vec<contract::AccessGroup>,
    ticked: &[String],
) -> Result<Vec<contract::AccessGroup>, Error> {
    let mut further: Vec<GroupId> = Vec::new();
    for id in ticked.iter().filter_map(|id| GroupId::parse(id)).take(bounds::MANY as usize) {
        if !further.contains(&id) && offered.iter().all(|group| group.id != id.to_string()) {
            further.push(id);
        }
    }
    offered.extend(groups::of_ids(app, call, &further).await?);
    Ok(offered)
}

/// Where whoever changed a group goes on: what they changed may be what let them look at groups.
async fn onward(app: &SharedApp, visitor: &Visitor, path: &str) -> String {
    if visitor.now.standing.is_administrator() {
        return path.to_owned();
    }
    still_open_to(app, visitor, builtin::ACCESS_GROUPS_READ, path).await
}

/// What a list is narrowed to, and where it goes on.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    query: String,
    cursor: String,
}

fn row(group: contract::AccessGroup) -> Row {
    Row {
        id: group.id,
        name: group.name,
        description: group.description,
        members: group.member_count,
        permissions: group.permissions.len(),
    }
}

/// How many there are, in words.
fn range(shown: usize, total: u64) -> String {
    match (shown, total) {
        (0, _) => "No groups".to_owned(),
        (1, 1) => "1 group".to_owned(),
        (shown, total) if usize::try_from(total).is_ok_and(|total| total == shown) => format!("{total} groups, oldest first"),
        (shown, total) => format!("{shown} of {total} groups, oldest first"),
    }
}

/// `GET /access-groups`.
pub async fn list(
    State(app): State<SharedApp>,
    visitor: Visitor,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let path = Place::AccessGroups.path();
    if !fits(&asked.query, bounds::QUERY) || !fits(&asked.cursor, bounds::CURSOR) {
        return go_to(&app, path);
    }
    let tried = Try::to_look(&app, &visitor);
    let params = contract::ListAccessGroupsParams {
        query: Some(asked.query.clone()).filter(|query| !query.is_empty()),
        limit: Some(LIMIT),
        cursor: Some(asked.cursor.clone()).filter(|cursor| !cursor.is_empty()),
        ..Default::default()
    };
    let begun = address(path, [("query", asked.query.as_str())]);
    let found = match groups::list(&app, &tried.call, &params).await {
        // The rest was deleted while somebody turned the page.
        Ok(found) if found.access_groups.is_empty() && !asked.cursor.is_empty() => return go_to(&app, &begun),
        Ok(found) => found,
        Err(Error::Invalid(invalid)) if invalid.field == "cursor" => return go_to(&app, &begun),
        Err(error) => return tried.refused(&app, &error),
    };
    let next = found.next_cursor.as_ref().map(|cursor| address(path, [("query", asked.query.as_str()), ("cursor", cursor.as_str())]));
    let emptiness = match (found.access_groups.is_empty(), asked.query.is_empty()) {
        (false, _) => Emptiness::None,
        (true, true) => Emptiness::Nothing,
        (true, false) => Emptiness::NoMatch,
    };
    let range = range(found.access_groups.len(), found.total);
    let rows: Vec<_> = found.access_groups.into_iter().map(row).collect();
    let just = done::just(&app, &headers, &Done::OF_GROUPS);
    let view = GroupsPage {
        frame: &frame(&app, &visitor, Some(Place::AccessGroups)),
        query: &asked.query,
        rows: &rows,
        range: &range,
        first: (!asked.cursor.is_empty()).then_some(begun.as_str()),
        next: next.as_deref(),
        emptiness,
        starts: &if tried.call.standing.holds(builtin::ACCESS_GROUPS_CREATE) { starts(NEW, None) } else { Vec::new() },
        said: just.map(Done::sentence),
    };
    done::said(&app, page(&app, &view), just)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_parameters_that_say_something() {
        assert_eq!(address("/access-groups", [("query", ""), ("cursor", "")]), "/access-groups");
        assert_eq!(address("/access-groups", [("query", "a & b"), ("cursor", "")]), "/access-groups?query=a+%26+b");
        assert_eq!(starts(NEW, Some(Start::Sales))[1].href, "/access-groups/new?start=sales");
    }

    #[test]
    fn the_number_of_groups_is_said_in_words() {
        assert_eq!((range(0, 0), range(1, 1)), ("No groups".to_owned(), "1 group".to_owned()));
        assert_eq!((range(3, 3), range(50, 120)), ("3 groups, oldest first".to_owned(), "50 of 120 groups, oldest first".to_owned()));
    }
}
