//! Who is in a group: shown, put in, taken out.

use super::{named, one, onward, place, saved};
use crate::{
    app::SharedApp,
    authz::{
        Action as _, Reason, Standing,
        action::{AssignGroups, UnassignGroups, only_administrators_touch_administrators},
        missing,
    },
    domain::{PermissionSet, UserId, builtin},
    error::Error,
    gather::Named,
    http::web::{
        address,
        done::{Done, go_and_say},
        door::go_to,
        frame::frame,
        groups::editing::{self, Shown},
        page,
        signed_in::{Drawn, Fields, Try, Typed, in_names},
        users::fits,
        views::{
            FieldError,
            frame::Place,
            groups::{AddPage, Candidate, Member, Members, Picking, Refused},
        },
        visitor::Visitor,
    },
    service::{Call, groups, people, retrying},
};
use axum::{
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::Response,
};
use usher_tools::{self as contract, bounds};

/// People on a page of a group's members, and of those who can be put in.
const LIMIT: u32 = 25;
/// People in one step.
const MANY: usize = bounds::MANY as usize;
/// How many are named of those who were not put in.
const NAMED: usize = 5;

/// Where somebody stands, unless they are Active.
fn standing_of(user: &contract::User) -> Option<&'static str> {
    match user.status {
        contract::Status::Active => None,
        contract::Status::Pending => Some("Pending"),
        contract::Status::Deactivated => Some("Deactivated"),
    }
}

fn touches(standing: &Standing, user: &contract::User) -> bool {
    only_administrators_touch_administrators(standing, user.role.into()).is_ok()
}

/// A page of people, narrowed.
async fn list(app: &SharedApp, call: &Call, params: &contract::ListUsersParams) -> Result<contract::ListUsersOutput, Error> {
    let everybody = people::counts(app, call).await?.of(None, None);
    people::list(app, call, everybody, params).await
}

/// Who is in a group, as far as somebody may see. A cursor that leads nowhere is the beginning.
pub(super) async fn of(app: &SharedApp, call: &Call, group: &contract::AccessGroup, cursor: &str) -> Result<Members, Error> {
    let standing = &call.standing;
    let mut shown = Members { rows: None, first: None, next: None, cursor: String::new(), roster: None };
    if !standing.holds(builtin::USERS_READ) {
        return Ok(shown);
    }
    let mut params =
        contract::ListUsersParams { access_group: Some(group.id.clone()), limit: Some(LIMIT), ..contract::ListUsersParams::default() };
    params.cursor = Some(cursor.to_owned()).filter(|cursor| !cursor.is_empty() && fits(cursor, bounds::CURSOR));
    let found = match list(app, call, &params).await {
        Err(Error::Invalid(invalid)) if invalid.field == "cursor" => {
            params.cursor = None;
            list(app, call, &params).await?
        }
        found => found?,
    };
    let here = place(&group.id);
    let removes = standing.holds(builtin::ACCESS_GROUPS_ASSIGN);
    let member = |user: contract::User| Member {
        name: user.full_name(),
        standing: standing_of(&user),
        removable: removes && touches(standing, &user),
        id: user.id,
        email: user.email,
    };
    shown.first = params.cursor.is_some().then(|| here.clone());
    shown.next = found.next_cursor.map(|cursor| address(&here, [("cursor", cursor.as_str())]));
    shown.cursor = params.cursor.unwrap_or_default();
    shown.rows = Some(found.users.into_iter().map(member).collect());
    shown.roster = Some(address(Place::Users.path(), [("access_group", group.id.as_str())]));
    Ok(shown)
}

/// The form that puts people in: whom it looks for, and who is ticked.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(from = "Vec<(String, String)>")]
pub struct AddForm {
    drawn_for: String,
    query: String,
    /// Ids, or one address where people are not listed; each once, in their order.
    users: Vec<String>,
    /// Ids with what their people are called.
    called: Vec<String>,
    adds: bool,
}

impl From<Vec<(String, String)>> for AddForm {
    fn from(pairs: Vec<(String, String)>) -> Self {
        let mut form = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "as" => form.drawn_for = value,
                "query" => form.query = value,
                "user" if !value.is_empty() && !form.users.contains(&value) => form.users.push(value),
                "called" => form.called.push(value),
                "do" => form.adds = value == "add",
                _ => {}
            }
        }
        if !fits(&form.query, bounds::QUERY) {
            form.query.clear();
        }
        form
    }
}

impl Fields for AddForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> Typed {
        let by_address: Vec<_> = self.users.iter().filter(|user| UserId::parse(user).is_none()).map(String::as_str).collect();
        let ticked: Vec<_> = self.users.iter().filter(|user| UserId::parse(user).is_some()).cloned().collect();
        vec![("Search", self.query.clone()), ("People", in_names(&self.called, &ticked)), ("Email", by_address.join(", "))]
    }
}

impl AddForm {
    /// The address of the form that looks for somebody, with who is ticked.
    fn address(&self, here: &str) -> String {
        let ids = self.users.iter().filter(|user| UserId::parse(user).is_some()).take(MANY);
        address(here, std::iter::once(("query", self.query.as_str())).chain(ids.map(|id| ("user", id.as_str()))))
    }

    /// People by the ids that were ticked, as many as one step takes. Whoever is gone is left out.
    async fn ticked(&self, app: &SharedApp, call: &Call) -> Result<Vec<contract::User>, Error> {
        let ids: Vec<UserId> = self.users.iter().filter_map(|user| UserId::parse(user)).take(MANY).collect();
        people::of_ids(app, call, &ids).await
    }
}

/// How many can be ticked, in words.
fn range(found: &contract::ListUsersOutput) -> String {
    let shown = found.users.len();
    if usize::try_from(found.total).is_ok_and(|total| total <= shown) {
        return if shown == 1 { "1 person".to_owned() } else { format!("{shown} people") };
    }
    let more = if found.total_is_exact { "" } else { "more than " };
    format!("{shown} of {more}{}, newest first. Search to find the others.", found.total)
}

fn candidate(user: contract::User, group: &str, standing: &Standing, ticked: bool) -> Candidate {
    let is_in = user.access_groups.iter().any(|of| of.id == group);
    let within = touches(standing, &user);
    let note = match (is_in, within, user.role) {
        (true, _, _) => Some("already in this group"),
        (false, false, _) => Some("only Administrators put Administrators into groups"),
        (false, true, contract::Role::Administrator) => Some("Administrator: may do everything without a group"),
        (false, true, contract::Role::User) => standing_of(&user),
    };
    let open = !is_in && within;
    Candidate { name: user.full_name(), ticked: ticked && open, open, note, id: user.id, email: user.email }
}

/// How people are named to this form by somebody.
async fn picking(app: &SharedApp, call: &Call, group: &contract::AccessGroup, form: &AddForm) -> Result<Picking, Error> {
    let standing = &call.standing;
    let gives = PermissionSet::parse_joined(&group.permissions.join(" "));
    let beyond = missing(standing, &gives);
    if !beyond.is_empty() {
        return Ok(Picking::Closed(format!(
            "This group gives what you do not hold yourself: {}. So you cannot put anybody in; an Administrator can.",
            beyond.join(", ")
        )));
    }
    if !standing.holds(builtin::USERS_READ) {
        return Ok(Picking::Address(form.users.first().cloned().unwrap_or_default()));
    }
    let query = Some(form.query.clone()).filter(|query| !query.is_empty());
    let found = list(app, call, &contract::ListUsersParams { query, limit: Some(LIMIT), ..Default::default() }).await?;
    let mut chosen = form.ticked(app, call).await?;
    chosen.retain(|user| found.users.iter().all(|found| found.id != user.id));
    let range = range(&found);
    let drawn = |user: contract::User| {
        let ticked = form.users.contains(&user.id);
        candidate(user, &group.id, standing, ticked)
    };
    Ok(Picking::List {
        query: form.query.clone(),
        chosen: chosen.into_iter().map(drawn).collect(),
        found: found.users.into_iter().map(drawn).collect(),
        range,
    })
}

/// What could not be done, and because of whom.
#[derive(Default)]
struct Trouble {
    said: Option<String>,
    whom: Vec<Refused>,
    more: usize,
}

impl Trouble {
    fn new(said: &str) -> Self {
        Self { said: Some(said.to_owned()), ..Self::default() }
    }
}

/// Draws the form. Whoever may not put people in finds nothing here.
async fn draw(app: &SharedApp, tried: &Try<'_>, group: &contract::AccessGroup, form: &AddForm, trouble: &Trouble) -> Response {
    if !tried.call.standing.holds(builtin::ACCESS_GROUPS_ASSIGN) {
        return tried.refused(app, &Reason::Permission(builtin::ACCESS_GROUPS_ASSIGN).into());
    }
    let picking = match picking(app, &tried.call, group, form).await {
        Ok(picking) => picking,
        Err(error) => return tried.refused(app, &error),
    };
    let view = AddPage {
        frame: &frame(app, tried.visitor, Some(Place::AccessGroups)),
        group: &saved(group),
        picking: &picking,
        refused: trouble.said.as_deref(),
        whom: &trouble.whom,
        more: trouble.more,
    };
    page(app, &view)
}

/// `GET /access-groups/{id}/add`.
pub async fn pick(
    State(app): State<SharedApp>,
    visitor: Visitor,
    segment: Result<Path<String>, PathRejection>,
    asked: Result<Query<AddForm>, QueryRejection>,
) -> Response {
    let form = asked.map(|Query(form)| form).unwrap_or_default();
    let tried = Try::to_look(&app, &visitor);
    match one(&app, &tried.call, named(segment).0).await {
        Ok(group) => draw(&app, &tried, &group, &form, &Trouble::default()).await,
        Err(error) => tried.refused(&app, &error),
    }
}

/// `POST /access-groups/{id}/add` (B18): looks on, or puts all who are ticked in.
pub async fn add(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>, drawn: Drawn<AddForm>) -> Response {
    let (visitor, form) = (&drawn.visitor, &drawn.form);
    let mut tried = drawn.tries(&app, AssignGroups::NAME, None);
    let id;
    (id, tried.named) = named(segment);
    // Nobody is asked for more than the tool: the group of this id, whether or not it can be looked at.
    let group = id.map(|id| id.to_string()).unwrap_or_default();
    let here = place(&group);
    if !form.adds {
        return go_to(&app, &form.address(&format!("{here}/add")));
    }
    let trouble = match form.users.len() {
        0 => Trouble::new("Nobody is ticked yet. Tick whom to add."),
        1..=MANY => {
            let params =
                contract::AddToAccessGroupParams { users: form.users.clone(), access_groups: vec![group.clone()], ..Default::default() };
            match retrying(|| groups::add(&app, &tried.call, &params)).await {
                Ok(added) => {
                    let all = added.users.iter().all(|user| user.access_groups.iter().any(|of| of.id == group));
                    return go_and_say(&app, &onward(&app, visitor, &here).await, if all { Done::PeopleIn } else { Done::OldForm });
                }
                Err(error) => {
                    tried.note(&app, &error);
                    match not_added(&app, &tried.call, &params, &error).await {
                        Some(trouble) => trouble,
                        None => return answer(&app, visitor, &error),
                    }
                }
            }
        }
        _ => Trouble::new("At most 100 people are added in one step. Add some of them first."),
    };
    match one(&app, &tried.call, id).await {
        Ok(group) => draw(&app, &tried, &group, form, &trouble).await,
        Err(error) => answer(&app, visitor, &error),
    }
}

/// What is no refusal to mend on a form; it was noted before.
fn answer(app: &SharedApp, visitor: &Visitor, error: &Error) -> Response {
    Try::to_look(app, visitor).refused(app, error)
}

/// Why people were not put in, and because of whom; nothing where it is no refusal to mend here.
async fn not_added(app: &SharedApp, call: &Call, params: &contract::AddToAccessGroupParams, error: &Error) -> Option<Trouble> {
    if matches!(error, Error::UserNotFound | Error::NobodyNamed(_)) {
        return Some(Trouble::new("Nobody was added: one of them is not among the people of this organization. Look again whom to add."));
    }
    if !matches!(error, Error::Denied(Reason::Administrator | Reason::Escalation { .. })) {
        return None;
    }
    let refused = groups::refused(app, call, params).await.ok()?;
    let more = refused.len().saturating_sub(NAMED);
    let mut whom = Vec::new();
    for (id, error) in refused.into_iter().take(NAMED) {
        whom.extend(person(app, call, id).await.map(|(name, email)| Refused { name, email, why: why(&error) }));
    }
    let said = if whom.is_empty() {
        format!("Nobody was added: this person {}", why(error))
    } else {
        "Nobody was added, because of these. Leave them out, or ask an Administrator.".to_owned()
    };
    Some(Trouble { said: Some(said), whom, more })
}

/// What somebody is called, where the caller may know.
async fn person(app: &SharedApp, call: &Call, id: UserId) -> Option<(String, String)> {
    let user = people::get(app, call, &contract::GetUserParams { user: id.to_string() }).await.ok()?.user;
    Some((user.full_name(), user.email))
}

/// Why somebody was not put in, as the rest of a sentence.
fn why(error: &Error) -> String {
    if let Error::Denied(Reason::Escalation { missing }) = error {
        format!("would then hold what you do not: {}.", missing.join(", "))
    } else {
        "is an Administrator, whom only Administrators put into groups.".to_owned()
    }
}

/// The form that takes one person out.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct RemoveForm {
    #[serde(rename = "as")]
    drawn_for: String,
    user: String,
    cursor: String,
}

impl Fields for RemoveForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> Typed {
        // It is a button.
        Vec::new()
    }
}

/// `GET /access-groups/{id}/remove`: the address under which a refusal of that form stands, loaded again.
pub async fn back(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>) -> Response {
    let (id, _) = named(segment);
    go_to(&app, &id.map_or_else(|| Place::AccessGroups.path().to_owned(), |id| place(&id.to_string())))
}

/// `POST /access-groups/{id}/remove`.
pub async fn remove(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>, drawn: Drawn<RemoveForm>) -> Response {
    let (visitor, form) = (&drawn.visitor, &drawn.form);
    let mut tried = drawn.tries(&app, UnassignGroups::NAME, None);
    let (id, _) = named(segment);
    tried.named = UserId::parse(&form.user).map_or(Named::Kind("user"), Named::User);
    let group = id.map(|id| id.to_string()).unwrap_or_default();
    let params =
        contract::RemoveFromAccessGroupParams { users: vec![form.user.clone()], access_groups: vec![group.clone()], ..Default::default() };
    let error = match retrying(|| groups::remove(&app, &tried.call, &params)).await {
        Ok(removed) => {
            let any = removed.users.iter().any(|user| user.access_groups.iter().any(|of| of.id == group));
            let here = address(&place(&group), [("cursor", form.cursor.as_str())]);
            return go_and_say(&app, &onward(&app, visitor, &here).await, if any { Done::OldForm } else { Done::PersonOut });
        }
        Err(error) => error,
    };
    let message = if matches!(error, Error::UserNotFound | Error::NobodyNamed(_)) {
        "Nobody was removed: this person is not among the people of this organization."
    } else if matches!(error, Error::Denied(Reason::Administrator)) {
        "Nobody was removed: only Administrators take Administrators out of groups."
    } else {
        return tried.refused(&app, &error);
    };
    tried.note(&app, &error);
    match one(&app, &tried.call, id).await {
        Ok(group) => {
            let errors = [FieldError { field: "form", message }];
            editing::draw(&app, visitor, Some(&group), Shown::refusing(&form.cursor, &errors)).await
        }
        Err(error) => answer(&app, visitor, &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_ticked_goes_along_with_the_search() {
        let id = "01990b1c-7e1a-7000-8000-000000000001";
        let pairs = [("as", "x"), ("query", "ana & bo"), ("user", id), ("user", id), ("user", "nobody"), ("do", "search")];
        let form = AddForm::from(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
        assert_eq!((form.users.len(), form.adds), (2, false));
        assert_eq!(form.address("/a"), format!("/a?query=ana+%26+bo&user={id}"));
    }
}
