//! The access groups of a person: which they are in and what these give, putting them into more, taking them out (B18).

use super::{
    super::{
        address,
        done::{self, Done, go_and_say_of},
        door::go_to,
        groups::with_ticked,
        inviting, page,
        signed_in::{Drawn, Fields, Try, Typed, in_names, named},
        views::{
            person::{AddGroupsPage, GroupsPage, Membership, Offer, Resource, Source, Tab},
            when::When,
        },
        visitor::Visitor,
    },
    found, framed, onward, part, who, why,
};
use crate::{
    app::SharedApp,
    authz::{
        Action as _, Reason,
        action::{AssignGroups, GroupFacts, UnassignGroups},
    },
    domain::{GroupId, Timestamp, UserId, builtin},
    error::Error,
    service::{groups, people::Looked, retrying},
};
use axum::{
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::HeaderMap,
    response::Response,
};
use std::collections::BTreeMap;
use usher_tools::{self as contract, bounds};

/// How many groups can be chosen from at a time: as many as one call takes.
const GROUPS: u32 = bounds::MANY;

fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

fn membership(group: &GroupFacts, since: Timestamp, now: Timestamp) -> Membership {
    let members = usize::try_from(group.members).unwrap_or_default();
    let size = format!("{} · {}", counted(group.permissions.len(), "permission", "permissions"), counted(members, "member", "members"));
    Membership { id: group.id.to_string(), name: group.name.clone(), size: Some(size), since: Some(When::new(since, now)) }
}

/// The same for who may not know more of groups than their names.
fn known_by_name(group: &contract::GroupRef) -> Membership {
    Membership { id: group.id.clone(), name: group.name.clone(), size: None, since: None }
}

/// `access_groups` as `Access groups`.
fn in_words(resource: &str) -> String {
    let words = resource.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// What groups give together, by what it is about, each permission with the groups that it comes from.
fn sources(groups: &[(GroupFacts, Timestamp)]) -> Vec<Resource> {
    let mut by_permission: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (group, _) in groups {
        for permission in &group.permissions {
            by_permission.entry(permission.as_str()).or_default().push(group.name.clone());
        }
    }
    let mut resources: Vec<Resource> = Vec::new();
    for (permission, groups) in by_permission {
        let name = in_words(permission.split(':').next().unwrap_or_default());
        let source = Source { permission: permission.to_owned(), groups };
        match resources.last_mut().filter(|last| last.name == name) {
            Some(last) => last.sources.push(source),
            None => resources.push(Resource { name, sources: vec![source] }),
        }
    }
    resources
}

async fn draw(app: &SharedApp, tried: &Try<'_>, looked: &Looked, said: Option<Done>, refused: Option<String>) -> Response {
    let known = if tried.call.standing.holds(builtin::ACCESS_GROUPS_READ) {
        match groups::of_person(app, &tried.call, looked.facts.person).await {
            Ok(known) => Some(known),
            Err(error) => return tried.refused(app, &error),
        }
    } else {
        None
    };
    let now = app.clock.now();
    let memberships: Vec<_> = match &known {
        Some(known) => known.iter().map(|(group, since)| membership(group, *since, now)).collect(),
        None => looked.user.access_groups.iter().map(known_by_name).collect(),
    };
    let resources = known.as_deref().map(sources);
    let why_not = match &looked.may.assign {
        Ok(()) | Err(Reason::Permission(_)) => None,
        Err(reason) => Some(why(reason)),
    };
    let view = GroupsPage {
        frame: &framed(app, tried),
        who: &who(tried, &looked.user, Tab::Groups, said, refused),
        groups: &memberships,
        may_add: looked.may.assign.is_ok() && known.is_some(),
        why_not: why_not.as_deref(),
        may_remove: looked.may.unassign.is_ok(),
        permissions: resources.as_deref(),
    };
    page(app, &view)
}

/// `GET /users/{id}/access-groups`.
pub async fn list(
    State(app): State<SharedApp>,
    segment: Result<Path<String>, PathRejection>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Response {
    let tried = Try::to_look(&app, &visitor);
    let (id, looked) = match found(&app, &tried, named(segment)).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let just = done::just_of(&app, &headers, &Done::ABOUT_SOMEBODY, id);
    done::said(&app, draw(&app, &tried, &looked, just, None).await, just)
}

/// The form of groups; several come under one name.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(from = "Vec<(String, String)>")]
pub struct GroupsForm {
    drawn_for: String,
    query: String,
    groups: Vec<String>,
    /// Ids with what their groups are called.
    called: Vec<String>,
    /// Whether it only looks on; what is ticked stays.
    searches: bool,
}

impl From<Vec<(String, String)>> for GroupsForm {
    fn from(pairs: Vec<(String, String)>) -> Self {
        let mut form = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "as" => form.drawn_for = value,
                "query" => form.query = value,
                "access_group" if !form.groups.contains(&value) => form.groups.push(value),
                "called" => form.called.push(value),
                "do" => form.searches = value == "search",
                _ => {}
            }
        }
        form
    }
}

impl Fields for GroupsForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> Typed {
        vec![("Search", self.query.clone()), ("Access groups", in_names(&self.called, &self.groups))]
    }
}

impl GroupsForm {
    /// Whether everything in it could be a group: what is no id names none.
    fn names_groups(&self) -> bool {
        self.groups.len() <= GROUPS as usize && self.groups.iter().all(|group| GroupId::parse(group).is_some())
    }
}

/// Why somebody was not put into groups, or taken out, in words for the page.
fn trouble(error: &Error) -> Option<String> {
    match error {
        Error::GroupNotFound => Some("One of these groups is gone. Choose again.".to_owned()),
        Error::Denied(Reason::Permission(_) | Reason::Scope) => None,
        Error::Denied(Reason::Escalation { missing }) => {
            Some(format!("They would then hold more than you do yourself: {}. Ask an Administrator.", missing.join(", ")))
        }
        Error::Denied(reason) => Some(why(reason)),
        other => inviting::passing(other),
    }
}

/// `POST /users/{id}/access-groups`: out of one.
pub async fn remove(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>, drawn: Drawn<GroupsForm>) -> Response {
    let asked = named(segment);
    let tried = drawn.tries(&app, UnassignGroups::NAME, asked);
    let (id, looked) = match found(&app, &tried, asked).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    if let Err(reason @ Reason::Permission(_)) = &looked.may.unassign {
        return tried.refused(&app, &reason.clone().into());
    }
    let result = if drawn.form.names_groups() && !drawn.form.groups.is_empty() {
        let params = contract::RemoveFromAccessGroupParams {
            users: vec![looked.user.id.clone()],
            access_groups: drawn.form.groups.clone(),
            ..Default::default()
        };
        retrying(|| groups::remove(&app, &tried.call, &params))
            .await
            .map(|removed| !is_in(&removed.users, &drawn.form.groups).any(|is_in| is_in))
    } else {
        Err(Error::GroupNotFound)
    };
    let error = match result {
        Ok(is_out) => {
            let done = if is_out { Done::OutOfGroup } else { Done::MovedOn };
            return go_and_say_of(&app, &onward(&app, &drawn.visitor, id, Tab::Groups).await, done, id);
        }
        Err(error) => error,
    };
    let Some(message) = trouble(&error) else { return tried.refused(&app, &error) };
    tried.note(&app, &error);
    draw(&app, &tried, &looked, None, Some(message)).await
}

/// A search that the list of groups would take; any other one looks for nothing in particular.
fn searched(query: &str) -> &str {
    if super::super::users::fits(query, bounds::QUERY) { query } else { "" }
}

fn offer(offer: groups::Offer, looked: &Looked, ticked: &[String]) -> Offer {
    let groups::Offer { group, may } = offer;
    Offer {
        is_in: looked.user.access_groups.iter().any(|held| held.id == group.id),
        ticked: may.is_ok() && ticked.contains(&group.id),
        why_not: may.err().map(|reason| match reason {
            Reason::Escalation { missing } => format!("You do not hold {} yourself, so you cannot give it.", missing.join(", ")),
            other => why(&other),
        }),
        permissions: group.permissions.len(),
        description: group.description.unwrap_or_default(),
        name: group.name,
        id: group.id,
    }
}

/// Groups that were ticked and are not among those found. Whether they can be given is asked when they are.
async fn chosen(app: &SharedApp, tried: &Try<'_>, found: &[Offer], ticked: &[String]) -> Result<Vec<Offer>, Error> {
    let others: Vec<_> = ticked.iter().filter(|id| found.iter().all(|offer| offer.id != **id)).cloned().collect();
    let chosen = with_ticked(app, &tried.call, Vec::new(), &others).await?;
    let offer = |group: contract::AccessGroup| Offer {
        permissions: group.permissions.len(),
        description: group.description.unwrap_or_default(),
        name: group.name,
        id: group.id,
        ticked: true,
        is_in: false,
        why_not: None,
    };
    Ok(chosen.into_iter().map(offer).collect())
}

async fn draw_offers(app: &SharedApp, tried: &Try<'_>, looked: &Looked, form: &GroupsForm, error: Option<&str>) -> Response {
    let (query, ticked) = (searched(&form.query), form.groups.as_slice());
    let (found, total) = match groups::offers(app, &tried.call, &looked.facts, query, GROUPS).await {
        Ok(found) => found,
        Err(error) => return tried.refused(app, &error),
    };
    let offers: Vec<_> = found.into_iter().map(|found| offer(found, looked, ticked)).collect();
    let more = usize::try_from(total).is_ok_and(|total| total > offers.len());
    let range = more.then(|| format!("The first {} of {total}; search for the others. Ticks stay.", offers.len()));
    let chosen = match chosen(app, tried, &offers, ticked).await {
        Ok(chosen) => chosen,
        Err(error) => return tried.refused(app, &error),
    };
    let view = AddGroupsPage {
        frame: &framed(app, tried),
        id: &looked.user.id,
        name: &looked.user.full_name(),
        query,
        searches: more || !query.is_empty(),
        chosen: &chosen,
        offers: &offers,
        range: range.as_deref(),
        error,
    };
    page(app, &view)
}

/// `GET /users/{id}/access-groups/add`.
pub async fn choose(
    State(app): State<SharedApp>,
    segment: Result<Path<String>, PathRejection>,
    sought: Result<Query<GroupsForm>, QueryRejection>,
    visitor: Visitor,
) -> Response {
    let tried = Try::to_look(&app, &visitor);
    let (_, looked) = match found(&app, &tried, named(segment)).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let sought = sought.map(|Query(sought)| sought).unwrap_or_default();
    draw_offers(&app, &tried, &looked, &sought, None).await
}

/// `POST /users/{id}/access-groups/add`: into all that were chosen, in one step.
pub async fn add(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>, drawn: Drawn<GroupsForm>) -> Response {
    let (asked, form) = (named(segment), &drawn.form);
    if let Some(id) = asked.filter(|_| form.searches) {
        let here = format!("{}/add", part(id, Tab::Groups));
        let ids = form.groups.iter().filter(|group| GroupId::parse(group).is_some()).take(GROUPS as usize);
        let sought = std::iter::once(("query", searched(&form.query))).chain(ids.map(|id| ("access_group", id.as_str())));
        return go_to(&app, &address(&here, sought));
    }
    let tried = drawn.tries(&app, AssignGroups::NAME, asked);
    let (id, looked) = match found(&app, &tried, asked).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    if let Err(reason @ Reason::Permission(_)) = &looked.may.assign {
        return tried.refused(&app, &reason.clone().into());
    }
    let error = match enter(&app, &tried, id, form).await {
        Ok(is_in) => return go_and_say_of(&app, &part(id, Tab::Groups), if is_in { Done::IntoGroups } else { Done::MovedOn }, id),
        Err(error) => error,
    };
    let message = if form.groups.is_empty() { Some("Choose at least one group.".to_owned()) } else { trouble(&error) };
    let Some(message) = message else { return tried.refused(&app, &error) };
    tried.note(&app, &error);
    draw_offers(&app, &tried, &looked, form, Some(&message)).await
}

/// Of each of these groups whether the one person that was asked about is in it.
fn is_in(users: &[contract::User], groups: &[String]) -> impl Iterator<Item = bool> {
    let of = users.first().map(|user| user.access_groups.as_slice()).unwrap_or_default();
    groups.iter().map(move |group| of.iter().any(|of| of.id == *group))
}

/// Puts somebody into the groups of a form; whether they are in all of them, which a form that came before may not say.
async fn enter(app: &SharedApp, tried: &Try<'_>, id: UserId, form: &GroupsForm) -> Result<bool, Error> {
    if form.groups.is_empty() || !form.names_groups() {
        return Err(Error::GroupNotFound);
    }
    let params = contract::AddToAccessGroupParams { users: vec![id.to_string()], access_groups: form.groups.clone(), ..Default::default() };
    retrying(|| groups::add(app, &tried.call, &params)).await.map(|added| is_in(&added.users, &form.groups).all(|is_in| is_in))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{PermissionSet, Random};

    #[test]
    fn each_permission_names_the_groups_that_it_comes_from() {
        let now = Timestamp::from_millis(1_764_000_000_000);
        let group = |name: &str, permissions: &str| {
            let facts = GroupFacts {
                key: 1,
                id: GroupId::new(now, &Random::seeded(1)),
                name: name.to_owned(),
                permissions: PermissionSet::parse_joined(permissions),
                members: 1,
                version: 1,
                description: String::new(),
            };
            (facts, now)
        };
        let found = sources(&[group("Support", "users:read access_groups:read"), group("Leads", "users:invite users:read")]);
        let words: Vec<_> = found
            .iter()
            .flat_map(|resource| {
                resource.sources.iter().map(|source| (resource.name.as_str(), source.permission.as_str(), source.groups.join("+")))
            })
            .collect();
        assert_eq!(
            words,
            [
                ("Access groups", "access_groups:read", "Support".to_owned()),
                ("Users", "users:invite", "Leads".to_owned()),
                ("Users", "users:read", "Support+Leads".to_owned()),
            ]
        );
    }
}
