//! The roster in the browser: who is here, and who is still pending.
//!
//! Every filter stands in the address, so that a list can be kept, sent, and gone back to.

use super::{
    address,
    done::{self, Done},
    door::go_to,
    frame::frame,
    page,
    signed_in::Try,
    views::{
        frame::Place,
        users::{Choice, Emptiness, Row, Standing, UsersPage},
        when::When,
    },
    visitor::Visitor,
};
use crate::{
    app::SharedApp,
    authz::{self, action::only_administrators_touch_administrators},
    domain::{Role, Status, Timestamp, builtin},
    error::Error,
    service::{Call, groups, people},
    store::people::Counts,
};
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::HeaderMap,
    response::Response,
};
use usher_tools::{self as contract, bounds};

/// People on a page.
const LIMIT: u32 = 50;
/// How many access groups a menu and a form offer.
pub(super) const GROUPS: u32 = 100;

/// What a list is narrowed to, as the address says it. What is none of the values of a filter narrows nothing.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    query: String,
    status: String,
    role: String,
    access_group: String,
    cursor: String,
}

impl Asked {
    fn status(&self) -> Option<contract::Status> {
        contract::Status::parse(&self.status)
    }

    fn role(&self) -> Option<contract::Role> {
        contract::Role::parse(&self.role)
    }

    fn filters(&self) -> [(&'static str, &str); 3] {
        [("status", &self.status), ("role", &self.role), ("access_group", &self.access_group)]
    }

    fn is_narrowed(&self) -> bool {
        !self.query.is_empty() || self.status().is_some() || self.role().is_some() || !self.access_group.is_empty()
    }

    /// Whether all of it is within what the tool of the same list takes.
    fn fits(&self) -> bool {
        fits(&self.query, bounds::QUERY) && fits(&self.access_group, bounds::ACCESS_GROUP) && fits(&self.cursor, bounds::CURSOR)
    }

    /// Without what narrows nothing: no value of its filter, or groups for whom may not know of them.
    fn cleaned(mut self, knows_groups: bool) -> Self {
        if self.status().is_none() {
            self.status.clear();
        }
        if self.role().is_none() {
            self.role.clear();
        }
        if !knows_groups {
            self.access_group.clear();
        }
        self
    }

    /// The list's address with one parameter otherwise, and from its beginning unless that is the cursor.
    fn with(&self, name: &'static str, value: &str) -> String {
        let kept = [("query", self.query.as_str())].into_iter().chain(self.filters()).chain([("cursor", "")]);
        address(Place::Users.path(), kept.map(|(known, held)| (known, if known == name { value } else { held })))
    }

    /// The address of a list that is searched, and not narrowed otherwise.
    pub(super) fn search(query: &str) -> String {
        Self::default().with("query", query)
    }
}

/// Whether a text is one that the contract would take.
pub(super) fn fits(text: &str, most: u32) -> bool {
    !text.contains('\0') && text.chars().take(most as usize + 1).count() <= most as usize
}

fn count(counts: &Counts, status: Option<Status>, role: Option<Role>) -> Option<u64> {
    u64::try_from(counts.of(status, role)).ok()
}

fn statuses(asked: &Asked, counts: &Counts) -> Vec<Choice> {
    let role = asked.role().map(Role::from);
    let choice = |name: &str, status: Option<contract::Status>| Choice {
        name: name.to_owned(),
        href: asked.with("status", status.map_or("", contract::Status::as_str)),
        count: count(counts, status.map(Status::from), role),
        chosen: asked.status() == status,
    };
    vec![
        choice("All", None),
        choice("Active", Some(contract::Status::Active)),
        choice("Pending", Some(contract::Status::Pending)),
        choice("Deactivated", Some(contract::Status::Deactivated)),
    ]
}

fn roles(asked: &Asked, counts: &Counts) -> Vec<Choice> {
    let status = asked.status().map(Status::from);
    let choice = |name: &str, role: Option<contract::Role>| Choice {
        name: name.to_owned(),
        href: asked.with("role", role.map_or("", contract::Role::as_str)),
        count: role.and_then(|role| count(counts, status, Some(role.into()))),
        chosen: asked.role() == role,
    };
    vec![choice("any", None), choice("Administrator", Some(contract::Role::Administrator)), choice("User", Some(contract::Role::User))]
}

/// The access groups that somebody may know of; none where they may not.
pub(super) async fn known_groups(app: &SharedApp, call: &Call) -> Result<Vec<contract::AccessGroup>, Error> {
    if !call.standing.holds(builtin::ACCESS_GROUPS_READ) {
        return Ok(Vec::new());
    }
    let params = contract::ListAccessGroupsParams { limit: Some(GROUPS), ..Default::default() };
    Ok(groups::list(app, call, &params).await?.access_groups)
}

/// The same with the one that is asked for, where it is not among them: there are more than a menu offers, or it goes by its
/// name in another spelling.
async fn with_asked(
    app: &SharedApp,
    call: &Call,
    mut known: Vec<contract::AccessGroup>,
    asked: &str,
) -> Result<Vec<contract::AccessGroup>, Error> {
    if asked.is_empty() || known.iter().any(|group| group.id == asked) {
        return Ok(known);
    }
    let params = contract::ListAccessGroupsParams { access_group: Some(asked.to_owned()), ..Default::default() };
    let found = groups::list(app, call, &params).await?.access_groups;
    known.retain(|group| found.iter().all(|found| found.id != group.id));
    known.extend(found.into_iter().map(|group| contract::AccessGroup { id: asked.to_owned(), ..group }));
    Ok(known)
}

fn group_choices(asked: &Asked, known: &[contract::AccessGroup]) -> Vec<Choice> {
    if known.is_empty() {
        return Vec::new();
    }
    let any = Choice { name: "any".to_owned(), href: asked.with("access_group", ""), count: None, chosen: asked.access_group.is_empty() };
    let one = |group: &contract::AccessGroup| Choice {
        name: group.name.clone(),
        href: asked.with("access_group", &group.id),
        count: Some(group.member_count),
        chosen: asked.access_group == group.id,
    };
    std::iter::once(any).chain(known.iter().map(one)).collect()
}

/// `sends` is who sends invites again from here, if the one who looks does.
fn row(user: contract::User, now: Timestamp, sends: Option<&authz::Standing>) -> Row {
    let within = sends.is_some_and(|standing| only_administrators_touch_administrators(standing, user.role.into()).is_ok());
    Row {
        may_resend: within && user.invite_expired,
        name: user.full_name(),
        standing: match user.status {
            contract::Status::Active => Standing::Active,
            contract::Status::Pending if user.invite_expired => Standing::Expired,
            contract::Status::Pending => Standing::Pending,
            contract::Status::Deactivated => Standing::Deactivated,
        },
        is_administrator: user.role == contract::Role::Administrator,
        created: When::read(&user.created_at, now),
        id: user.id,
        email: user.email,
        slack_id: user.slack_id,
    }
}

/// How many there are, in words.
fn range(shown: usize, found: &contract::ListUsersOutput) -> String {
    if shown == 0 {
        return "Nobody".to_owned();
    }
    let total = if found.total_is_exact { found.total.to_string() } else { format!("more than {}", found.total) };
    if usize::try_from(found.total).is_ok_and(|total| total == shown) && found.total_is_exact {
        format!("{total} in all, newest first")
    } else {
        format!("{shown} of {total}, newest first")
    }
}

/// What a list is narrowed to, and what the whole roster holds, for when nobody matches.
fn narrowed_to(asked: &Asked, groups: &[Choice], everybody: i64) -> String {
    let mut only = Vec::new();
    match asked.status() {
        Some(contract::Status::Active) => only.push("Active"),
        Some(contract::Status::Pending) => only.push("Pending"),
        Some(contract::Status::Deactivated) => only.push("Deactivated"),
        None => {}
    }
    match asked.role() {
        Some(contract::Role::Administrator) => only.push("Administrators"),
        Some(contract::Role::User) => only.push("Users"),
        None if only.is_empty() => {}
        None => only.push("people"),
    }
    let of = groups.iter().skip(1).find(|group| group.chosen).map(|group| format!("of {}", group.name));
    let looking = match (only.is_empty(), of) {
        (true, None) => String::new(),
        (true, Some(of)) => format!("You are looking only at people {of}. "),
        (false, None) => format!("You are looking only at {}. ", only.join(" ")),
        (false, Some(of)) => format!("You are looking only at {} {of}. ", only.join(" ")),
    };
    let whole = if everybody == 1 { "1 person".to_owned() } else { format!("{everybody} people") };
    format!("{looking}The whole roster holds {whole}.")
}

pub(super) async fn show(app: &SharedApp, visitor: &Visitor, asked: Asked, just: Option<Done>, trouble: Option<&str>) -> Response {
    let tried = Try::to_look(app, visitor);
    let call = &tried.call;
    let (counts, known) = match (people::counts(app, call).await, known_groups(app, call).await) {
        (Ok(counts), Ok(known)) => (counts, known),
        (Err(error), _) | (_, Err(error)) => return tried.refused(app, &error),
    };
    let asked = &asked.cleaned(!known.is_empty());
    let known = match with_asked(app, call, known, &asked.access_group).await {
        Ok(known) => known,
        Err(Error::GroupNotFound) => return go_to(app, &asked.with("access_group", "")),
        Err(error) => return tried.refused(app, &error),
    };
    let everybody = counts.of(None, None);
    let params = contract::ListUsersParams {
        query: Some(asked.query.clone()).filter(|query| !query.is_empty()),
        status: asked.status(),
        invite_expired: None,
        role: asked.role(),
        access_group: Some(asked.access_group.clone()).filter(|group| !group.is_empty()),
        limit: Some(LIMIT),
        cursor: Some(asked.cursor.clone()).filter(|cursor| !cursor.is_empty()),
    };
    let found = match people::list(app, call, everybody, &params).await {
        Ok(found) => found,
        // An address that was kept for long: its page is no more, the list is.
        Err(Error::Invalid(invalid)) if invalid.field == "cursor" => return go_to(app, &asked.with("cursor", "")),
        Err(Error::GroupNotFound) => return go_to(app, &asked.with("access_group", "")),
        Err(error) => return tried.refused(app, &error),
    };
    let (now, groups) = (app.clock.now(), group_choices(asked, &known));
    let first = (!asked.cursor.is_empty()).then(|| asked.with("cursor", ""));
    let next = found.next_cursor.as_ref().map(|cursor| asked.with("cursor", cursor));
    let range = range(found.users.len(), &found);
    let sends = Some(&call.standing).filter(|standing| standing.holds(builtin::USERS_INVITE));
    let rows: Vec<_> = found.users.into_iter().map(|user| row(user, now, sends)).collect();
    let emptiness = match (rows.len(), asked.is_narrowed()) {
        (0, true) => Emptiness::NoMatch,
        (1, false) if everybody == 1 => Emptiness::FirstOne,
        (_, true | false) => Emptiness::None,
    };
    let kept: Vec<_> =
        asked.filters().into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, value.to_owned())).collect();
    let view = UsersPage {
        frame: &frame(app, visitor, Some(Place::Users)),
        query: &asked.query,
        kept: &kept,
        statuses: &statuses(asked, &counts),
        roles: &roles(asked, &counts),
        groups: &groups,
        narrowed: asked.is_narrowed(),
        narrowed_to: &narrowed_to(asked, &groups, everybody),
        rows: &rows,
        range: &range,
        first: first.as_deref(),
        next: next.as_deref(),
        emptiness,
        may_invite: call.standing.holds(builtin::USERS_INVITE),
        said: just.map(Done::sentence),
        refused: trouble,
    };
    done::said(app, page(app, &view), just)
}

/// `GET /users`.
pub async fn list(
    State(app): State<SharedApp>,
    visitor: Visitor,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    if !asked.fits() {
        return go_to(&app, Place::Users.path());
    }
    show(&app, &visitor, asked, done::just(&app, &headers, &Done::OF_PEOPLE), None).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_the_other_filters_and_begins_anew() {
        let asked = Asked { query: "ana & co".to_owned(), status: "pending".to_owned(), cursor: "c".to_owned(), ..Asked::default() };
        assert_eq!(asked.with("role", "User"), "/users?query=ana+%26+co&status=pending&role=User");
        assert_eq!(asked.with("status", ""), "/users?query=ana+%26+co");
        assert_eq!(asked.with("cursor", "x"), "/users?query=ana+%26+co&status=pending&cursor=x");
        assert_eq!(Asked::default().with("status", ""), "/users");
    }

    #[test]
    fn who_finds_nobody_is_told_where_they_looked() {
        let asked = Asked { status: "pending".to_owned(), role: "Administrator".to_owned(), ..Asked::default() };
        assert_eq!(narrowed_to(&asked, &[], 312), "You are looking only at Pending Administrators. The whole roster holds 312 people.");
        assert_eq!(narrowed_to(&Asked::default(), &[], 1), "The whole roster holds 1 person.");
    }
}
