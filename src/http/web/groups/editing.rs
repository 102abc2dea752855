//! A group's page and its form: what it is called and what it gives. Whoever was faster is not overwritten unseen.

use super::{
    NEW,
    matrix::{Given, matrix},
    members, named, one, onward, place, saved, starts as start_links,
    starts::Start,
};
use crate::{
    app::SharedApp,
    authz::{
        Action as _, Reason, Standing,
        action::{CreateAccessGroup, UpdateAccessGroup},
    },
    domain::{GroupName, builtin},
    error::Error,
    http::web::{
        done::{self, Done, go_and_say},
        frame::frame,
        page, said,
        signed_in::{Drawn, Fields, Try, Typed as InWords},
        views::{
            FieldError,
            frame::Place,
            groups::{Difference, Doable, GroupPage, Saved, Typed},
        },
        visitor::Visitor,
    },
    service::{groups, parse, retrying},
};
use axum::{
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::HeaderMap,
    response::Response,
};
use std::collections::BTreeSet;
use usher_tools::{self as contract, bounds};

/// What a group's address says beside which it is.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    start: String,
    cursor: String,
}

/// A group's form. Several permissions come under one name.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(from = "Vec<(String, String)>")]
pub struct GroupForm {
    drawn_for: String,
    typed: Typed,
    permissions: Vec<String>,
    /// The version that was seen; 0, which none has, where the form does not say.
    version: i64,
}

impl From<Vec<(String, String)>> for GroupForm {
    fn from(pairs: Vec<(String, String)>) -> Self {
        let mut form = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "as" => form.drawn_for = value,
                "name" => form.typed.name = value,
                "description" => form.typed.description = value,
                "permission" => form.permissions.push(value),
                "version" => form.version = value.parse().unwrap_or_default(),
                _ => {}
            }
        }
        form
    }
}

impl Fields for GroupForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> InWords {
        let typed = &self.typed;
        vec![("Name", typed.name.clone()), ("Description", typed.description.clone()), ("Permissions", self.permissions.join(", "))]
    }
}

impl GroupForm {
    fn of(group: &contract::AccessGroup) -> Self {
        Self {
            typed: Typed { name: group.name.clone(), description: group.description.clone().unwrap_or_default() },
            permissions: group.permissions.clone(),
            version: group.version,
            ..Self::default()
        }
    }

    /// The description as it would be kept. The word for none means none here as it does to the tool.
    fn description(&self) -> Option<&str> {
        Some(self.typed.description.trim()).filter(|text| !text.is_empty() && !text.eq_ignore_ascii_case(NONE))
    }

    /// What of it the group is not.
    fn differences(&self, group: &contract::AccessGroup) -> Vec<Difference> {
        let name = GroupName::parse(&self.typed.name).map_or_else(|_| self.typed.name.clone(), |name| name.as_str().to_owned());
        let description = self.description().unwrap_or_default();
        let description = parse::line("description", description, bounds::DESCRIPTION as usize)
            .map_or_else(|_| description.to_owned(), |text| text.as_str().to_owned());
        let (typed, now): (BTreeSet<_>, BTreeSet<_>) = (self.permissions.iter().collect(), group.permissions.iter().collect());
        let alone = |one: &BTreeSet<&String>, other: &BTreeSet<&String>| {
            let names: Vec<_> = one.difference(other).map(|name| name.as_str()).collect();
            if names.is_empty() { "nothing more".to_owned() } else { names.join(", ") }
        };
        let differences = [
            Difference { field: "Name", now: group.name.clone(), typed: name },
            Difference { field: "Description", now: group.description.clone().unwrap_or_default(), typed: description },
            Difference { field: "Also gives", now: alone(&now, &typed), typed: alone(&typed, &now) },
        ];
        differences.into_iter().filter(|difference| difference.now != difference.typed).collect()
    }
}

/// The word by which a description is taken away.
const NONE: &str = "none";

/// What a group's page shows beside the group: all of it may be as usual.
#[derive(Clone, Copy, Default)]
pub(super) struct Shown<'a> {
    form: Option<&'a GroupForm>,
    start: Option<Start>,
    cursor: &'a str,
    differences: &'a [Difference],
    errors: &'a [FieldError<'a>],
    just: Option<Done>,
    gone: bool,
}

impl<'a> Shown<'a> {
    /// The group as it is kept, at this part of its members, and why something else was not done.
    pub(super) fn refusing(cursor: &'a str, errors: &'a [FieldError<'a>]) -> Self {
        Self { cursor, errors, ..Self::default() }
    }
}

/// What of a starting point somebody cannot give, in words.
fn left_out(start: Start, app: &SharedApp, standing: &Standing, given: &[String]) -> Option<String> {
    let out: Vec<_> = start.permissions(&app.catalogue).into_iter().filter(|name| !standing.holds(name) && !given.contains(name)).collect();
    (!out.is_empty()).then(|| format!("Left out, because you do not hold it yourself: {}. An Administrator can add it.", out.join(", ")))
}

/// What a starting point ticks for somebody.
fn ticks(start: Start, app: &SharedApp, standing: &Standing, given: &[String]) -> Vec<String> {
    start.permissions(&app.catalogue).into_iter().filter(|name| standing.holds(name) || given.contains(name)).collect()
}

/// Draws the page of a group, or of one to be.
pub(super) async fn draw(app: &SharedApp, visitor: &Visitor, group: Option<&contract::AccessGroup>, shown: Shown<'_>) -> Response {
    let tried = Try::to_look(app, visitor);
    let (call, standing) = (&tried.call, &tried.call.standing);
    let members = match group {
        Some(group) => match members::of(app, call, group, shown.cursor).await {
            Ok(members) => Some(members),
            Err(error) => return tried.refused(app, &error),
        },
        None => None,
    };
    let now = group.map(|group| group.permissions.clone()).unwrap_or_default();
    let as_kept = group.map(GroupForm::of).unwrap_or_default();
    let form = shown.form.unwrap_or(&as_kept);
    let ticked = match shown.start {
        Some(start) => ticks(start, app, standing, &now),
        None => form.permissions.clone(),
    };
    // What was typed over an older version stays so, unless the page says what has changed since.
    let seen = shown.form.filter(|_| shown.differences.is_empty()).map(|form| form.version);
    let group_saved = group.map(|group| Saved { version: seen.unwrap_or(group.version), ..saved(group) });
    let here = group.map_or_else(|| NEW.to_owned(), |group| place(&group.id));
    let beyond = beyond(standing, &now);
    let left_out = shown.start.and_then(|start| left_out(start, app, standing, &now));
    let view = GroupPage {
        frame: &frame(app, visitor, Some(Place::AccessGroups)),
        saved: group_saved.as_ref(),
        back: if standing.holds(builtin::ACCESS_GROUPS_READ) { Place::AccessGroups.path() } else { "/me" },
        typed: &form.typed,
        matrix: &matrix(&app.catalogue, standing, &Given { ticked: &ticked, now: &now }),
        beyond: beyond.as_deref(),
        starts: &start_links(&here, shown.start),
        left_out: left_out.as_deref(),
        members: members.as_ref(),
        may: doable(standing, group.is_some()),
        differences: shown.differences,
        said: shown.just.map(Done::sentence),
        gone: shown.gone,
        errors: shown.errors,
    };
    page(app, &view)
}

/// What somebody may do. Each of it is asked again when it is done.
fn doable(standing: &Standing, is_there: bool) -> Doable {
    let assign = standing.holds(builtin::ACCESS_GROUPS_ASSIGN);
    Doable {
        save: standing.holds(if is_there { builtin::ACCESS_GROUPS_UPDATE } else { builtin::ACCESS_GROUPS_CREATE }),
        assign,
        invite: assign && standing.holds(builtin::USERS_INVITE),
        delete: standing.holds(builtin::ACCESS_GROUPS_DELETE),
    }
}

/// What a group gives and somebody does not hold, in words: adding to such a group is refused.
fn beyond(standing: &Standing, now: &[String]) -> Option<String> {
    let missing: Vec<_> = now.iter().filter(|name| !standing.holds(name)).map(String::as_str).collect();
    (!missing.is_empty() && standing.holds(builtin::ACCESS_GROUPS_UPDATE)).then(|| {
        format!(
            "This group gives what you do not hold yourself: {}. You can take that away; as long as it stays, you can add nothing.",
            missing.join(", ")
        )
    })
}

/// `GET /access-groups/new`.
pub async fn form(
    State(app): State<SharedApp>,
    visitor: Visitor,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let tried = Try::to_look(&app, &visitor);
    if !tried.call.standing.holds(builtin::ACCESS_GROUPS_CREATE) {
        return tried.refused(&app, &Reason::Permission(builtin::ACCESS_GROUPS_CREATE).into());
    }
    let start = asked.ok().and_then(|Query(asked)| Start::parse(&asked.start));
    let just = done::just(&app, &headers, &Done::OF_GROUPS);
    done::said(&app, draw(&app, &visitor, None, Shown { start, just, ..Shown::default() }).await, just)
}

/// `GET /access-groups/{id}`.
pub async fn look(
    State(app): State<SharedApp>,
    visitor: Visitor,
    segment: Result<Path<String>, PathRejection>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let tried = Try::to_look(&app, &visitor);
    let group = match one(&app, &tried.call, named(segment).0).await {
        Ok(group) => group,
        Err(error) => return tried.refused(&app, &error),
    };
    // Ticks that nobody could save would only mislead.
    let start = Start::parse(&asked.start).filter(|_| doable(&tried.call.standing, true).save);
    let just = done::just(&app, &headers, &Done::OF_GROUPS);
    let shown = Shown { start, cursor: &asked.cursor, just, ..Shown::default() };
    done::said(&app, draw(&app, &visitor, Some(&group), shown).await, just)
}

/// Why a group was not saved, as a field of the form and its sentence; nothing where it is no refusal to mend here.
fn trouble(error: &Error) -> Option<(&'static str, String)> {
    if let Error::Invalid(invalid) = error {
        let is_tick = invalid.field.ends_with("permissions");
        let gone = "One of these permissions exists no more. Look at the ticks again.";
        return Some(if is_tick { ("permissions", gone.to_owned()) } else { (invalid.field, said(invalid)) });
    }
    if let Error::Denied(Reason::Escalation { missing }) = error {
        let missing = missing.join(", ");
        return Some((
            "permissions",
            format!("It would then give what you do not hold yourself: {missing}. Take that out, or ask an Administrator."),
        ));
    }
    let taken = "An access group with this name exists already, or one whose name only looks different. Choose another name.";
    matches!(error, Error::NameTaken).then(|| ("name", taken.to_owned()))
}

/// The form again, with everything typed and why; where there is nothing to mend in it, the page that says so.
async fn not_saved(app: &SharedApp, tried: &Try<'_>, group: Option<&contract::AccessGroup>, form: &GroupForm, error: &Error) -> Response {
    let Some((field, message)) = trouble(error) else { return tried.refused(app, error) };
    tried.note(app, error);
    let errors = [FieldError { field, message: &message }];
    draw(app, tried.visitor, group, Shown { form: Some(form), errors: &errors, ..Shown::default() }).await
}

/// `POST /access-groups/new`.
pub async fn create(State(app): State<SharedApp>, drawn: Drawn<GroupForm>) -> Response {
    let form = &drawn.form;
    let tried = drawn.tries(&app, CreateAccessGroup::NAME, None);
    let params = contract::CreateAccessGroupParams {
        name: form.typed.name.clone(),
        description: form.description().map(str::to_owned),
        permissions: form.permissions.clone(),
        ..Default::default()
    };
    match retrying(|| groups::create(&app, &tried.call, &params)).await {
        Ok(made) => {
            let reads = tried.call.standing.holds(builtin::ACCESS_GROUPS_READ);
            go_and_say(&app, &if reads { place(&made.access_group.id) } else { NEW.to_owned() }, Done::GroupMade)
        }
        Err(error) => not_saved(&app, &tried, None, form, &error).await,
    }
}

/// What a form asks of the group as it stands: one call, which the version it was drawn from goes with.
fn changes(group: &contract::AccessGroup, form: &GroupForm) -> contract::UpdateAccessGroupParams {
    let without = |these: &[String], those: &[String]| these.iter().filter(|name| !those.contains(name)).cloned().collect();
    contract::UpdateAccessGroupParams {
        access_group: group.id.clone(),
        name: Some(form.typed.name.clone()),
        description: Some(form.description().unwrap_or(NONE).to_owned()),
        add_permissions: without(&form.permissions, &group.permissions),
        remove_permissions: without(&group.permissions, &form.permissions),
        if_version: Some(form.version),
        ..Default::default()
    }
}

/// `POST /access-groups/{id}`.
pub async fn save(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>, drawn: Drawn<GroupForm>) -> Response {
    let (visitor, form) = (&drawn.visitor, &drawn.form);
    let mut tried = drawn.tries(&app, UpdateAccessGroup::NAME, None);
    let id;
    (id, tried.named) = named(segment);
    let group = match one(&app, &tried.call, id).await {
        Ok(group) => group,
        Err(error @ Error::GroupNotFound) => return gone(&app, &tried, form, &error).await,
        Err(error) => return tried.refused(&app, &error),
    };
    let params = changes(&group, form);
    let standing_now = match retrying(|| groups::update(&app, &tried.call, &params)).await {
        Ok(saved) => saved.access_group,
        Err(error @ Error::Conflict(_)) => {
            tried.note(&app, &error);
            match one(&app, &tried.call, id).await {
                Ok(group) => group,
                Err(error) => return tried.refused(&app, &error),
            }
        }
        Err(error @ Error::GroupNotFound) => return gone(&app, &tried, form, &error).await,
        Err(error) => return not_saved(&app, &tried, Some(&group), form, &error).await,
    };
    // Also the same form once more, from a second click or from a page of long ago, is only saved where all of it stands.
    let differences = form.differences(&standing_now);
    if differences.is_empty() {
        return go_and_say(&app, &onward(&app, visitor, &place(&standing_now.id)).await, Done::GroupSaved);
    }
    draw(&app, visitor, Some(&standing_now), Shown { form: Some(form), differences: &differences, ..Shown::default() }).await
}

/// The group was deleted meanwhile. What was typed is not lost: whoever may makes it anew.
async fn gone(app: &SharedApp, tried: &Try<'_>, form: &GroupForm, error: &Error) -> Response {
    let standing = &tried.call.standing;
    if !standing.holds(builtin::ACCESS_GROUPS_UPDATE) || !standing.holds(builtin::ACCESS_GROUPS_CREATE) {
        return tried.refused(app, error);
    }
    tried.note(app, error);
    let message = "This group is not there any more, and nothing was saved. Below is what you had: create it as a new group, or leave it.";
    let errors = [FieldError { field: "form", message }];
    draw(app, tried.visitor, None, Shown { form: Some(form), errors: &errors, gone: true, ..Shown::default() }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(permissions: &[&str]) -> contract::AccessGroup {
        contract::AccessGroup {
            id: "g".to_owned(),
            name: "Support".to_owned(),
            description: None,
            permissions: permissions.iter().map(|name| (*name).to_owned()).collect(),
            member_count: 2,
            version: 3,
        }
    }

    fn form(pairs: &[(&str, &str)]) -> GroupForm {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>().into()
    }

    #[test]
    fn the_ticks_become_one_call_that_names_the_version_they_were_drawn_from() {
        let form = form(&[("name", "Support"), ("permission", "users:read"), ("permission", "billing:read"), ("version", "2")]);
        let params = changes(&group(&["users:read", "customers:read"]), &form);
        assert_eq!(
            (params.add_permissions, params.remove_permissions),
            (vec!["billing:read".to_owned()], vec!["customers:read".to_owned()])
        );
        assert_eq!((params.if_version, params.description.as_deref()), (Some(2), Some("none")));
        assert_eq!(changes(&group(&[]), &GroupForm::default()).if_version, Some(0), "no version is none that stands");
    }

    #[test]
    fn what_differs_is_said_in_both_forms() {
        let typed = form(&[("name", " Support "), ("description", "Day"), ("permission", "users:read")]);
        let differences = typed.differences(&group(&["billing:read"]));
        let said: Vec<_> = differences.iter().map(|one| (one.field, one.now.as_str(), one.typed.as_str())).collect();
        assert_eq!(said, [("Description", "", "Day"), ("Also gives", "billing:read", "users:read")]);
        assert!(form(&[("name", "Support"), ("description", "none")]).differences(&group(&[])).is_empty());
    }
}
