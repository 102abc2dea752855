//! The roster in the browser: who is here, who is still pending, and inviting.
//!
//! Every filter stands in the address, so that a list can be kept, sent, and gone back to. What is done goes through the same
//! use cases as the tools.

use super::{
    Sent,
    done::{self, Done, go_and_say},
    door::go_to,
    frame::frame,
    me::moved,
    page, said,
    settings::{Try, named, visitor},
    unavailable,
    views::{
        FieldError,
        frame::Place,
        users::{Choice, Emptiness, GroupChoice, Holder, InvitePage, Row, Standing, Typed, UsersPage},
        when::When,
    },
    visitor::{Held, Visitor},
};
use crate::{
    app::SharedApp,
    authz::{
        self, Action as _, Reason,
        action::{InviteUser, ResendInvite},
    },
    domain::{Email, GroupId, Role, Status, Timestamp, UserId, builtin},
    error::{Budget, Error},
    http::auth::{in_words, retry_after_seconds},
    service::{Call, groups, parse, people, retrying},
    store::people::Counts,
};
use axum::{
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::HeaderMap,
    response::Response,
};
use url::form_urlencoded::Serializer;
use usher_tools::{self as contract, bounds};

/// People on a page.
const LIMIT: u32 = 50;
/// Where the inviting form is.
pub(super) const INVITE: &str = "/users/invite";
/// How many access groups a menu and a form offer.
const GROUPS: u32 = 100;
/// From how many Administrators on one more is warned of (B05).
const ENOUGH_ADMINISTRATORS: i64 = 3;

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
        let mut pairs = Serializer::new(String::new());
        let kept = [("query", self.query.as_str())].into_iter().chain(self.filters());
        for (known, held) in kept.chain([("cursor", "")]) {
            let value = if known == name { value } else { held };
            if !value.is_empty() {
                pairs.append_pair(known, value);
            }
        }
        let query = pairs.finish();
        if query.is_empty() { "/users".to_owned() } else { format!("/users?{query}") }
    }
}

/// Whether a text is one that the contract would take.
fn fits(text: &str, most: u32) -> bool {
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
async fn known_groups(app: &SharedApp, call: &Call) -> Result<Vec<contract::AccessGroup>, Error> {
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

/// `sends` says for whom an invite can be sent again here: only Administrators touch Administrators.
fn row(user: contract::User, now: Timestamp, sends: Option<Role>) -> Row {
    let within = match (sends, user.role) {
        (Some(Role::Administrator), _) | (Some(Role::User), contract::Role::User) => true,
        (Some(Role::User), contract::Role::Administrator) | (None, _) => false,
    };
    Row {
        may_resend: within && user.invite_expired,
        name: format!("{} {}", user.first_name, user.last_name),
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

async fn show(app: &SharedApp, visitor: &Visitor, asked: Asked, just: Option<Done>, trouble: Option<&str>) -> Response {
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
    let sends = call.standing.holds(builtin::USERS_INVITE).then_some(call.standing.role);
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
pub async fn list(State(app): State<SharedApp>, asked: Result<Query<Asked>, QueryRejection>, headers: HeaderMap) -> Response {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    if !asked.fits() {
        return go_to(&app, Place::Users.path());
    }
    match visitor(&app, &headers, None).await {
        Ok(visitor) => show(&app, &visitor, asked, done::just(&app, &headers, &Done::OF_PEOPLE), None).await,
        Err(response) => response,
    }
}

/// The inviting form, and the one that sends an invite again. Several groups come under one name.
#[derive(Debug, Default)]
pub struct InviteForm {
    drawn_for: String,
    typed: Typed,
    groups: Vec<String>,
    resend: bool,
}

impl InviteForm {
    fn read(pairs: Vec<(String, String)>) -> Self {
        let mut form = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "as" => form.drawn_for = value,
                "email" => form.typed.email = value,
                "first_name" => form.typed.first_name = value,
                "last_name" => form.typed.last_name = value,
                "role" => form.typed.administrator = value == "administrator",
                "access_group" => form.groups.push(value),
                "do" => form.resend = value == "resend",
                _ => {}
            }
        }
        form
    }

    /// What was typed, for whoever must type it again.
    fn said(&self) -> Vec<(&'static str, &str)> {
        let typed = &self.typed;
        [("Email", typed.email.as_str()), ("First name", &typed.first_name), ("Last name", &typed.last_name)]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect()
    }
}

/// Who sent a form, if the browser still looks at the account that it was drawn for; else the page that says so, with what was
/// typed.
async fn sender(app: &SharedApp, headers: &HeaderMap, drawn_for: &str, typed: &[(&str, &str)]) -> Result<Visitor, Response> {
    let held = match Held::read(app, headers).await {
        Ok(Some(held)) if UserId::parse(drawn_for) == Some(held.chosen.person.id) => held,
        Ok(held) => return Err(moved(app, held.as_ref().map(|held| &held.chosen), typed)),
        Err(error) => return Err(unavailable(app, &error.into())),
    };
    if held.chosen.waits_for.is_some() {
        return Err(go_to(app, "/me/second-factor"));
    }
    Visitor::of(app, held).ok_or_else(|| go_to(app, "/sign-in"))
}

/// Draws the inviting form. Whoever may not invite finds nothing here.
async fn draw(
    app: &SharedApp,
    visitor: &Visitor,
    form: &InviteForm,
    holder: Option<&Holder>,
    errors: &[FieldError<'_>],
    just: Option<Done>,
) -> Response {
    let tried = Try::to_look(app, visitor);
    let call = &tried.call;
    if !call.standing.holds(builtin::USERS_INVITE) {
        return tried.refused(app, &Reason::Permission(builtin::USERS_INVITE).into());
    }
    let assigns = call.standing.holds(builtin::ACCESS_GROUPS_ASSIGN);
    let known = match known_groups(app, call).await {
        Ok(known) if assigns => known,
        Ok(_) => Vec::new(),
        Err(error) => return tried.refused(app, &error),
    };
    let groups: Vec<_> = known
        .into_iter()
        .map(|group| GroupChoice { ticked: form.groups.contains(&group.id), id: group.id, name: group.name, members: group.member_count })
        .collect();
    let many = if call.standing.is_administrator() {
        match people::counts(app, call).await {
            Ok(counts) => many(&visitor.now.organization, counts.of(Some(Status::Active), Some(Role::Administrator))),
            Err(error) => return tried.refused(app, &error),
        }
    } else {
        None
    };
    let view = InvitePage {
        frame: &frame(app, visitor, Some(Place::Users)),
        typed: &form.typed,
        groups: &groups,
        may_make_administrators: call.standing.is_administrator(),
        many: many.as_deref(),
        back: if call.standing.holds(builtin::USERS_READ) { Place::Users.path() } else { "/me" },
        said: just.map(Done::sentence),
        holder,
        errors,
    };
    page(app, &view)
}

fn many(organization: &str, administrators: i64) -> Option<String> {
    (administrators >= ENOUGH_ADMINISTRATORS).then(|| {
        format!(
            "{organization} already has {administrators} Administrators. Two or three are usually enough; for less than everything, choose User and a group."
        )
    })
}

/// `GET /users/invite`.
pub async fn form(State(app): State<SharedApp>, headers: HeaderMap) -> Response {
    match visitor(&app, &headers, None).await {
        Ok(visitor) => {
            let just = done::just(&app, &headers, &Done::OF_PEOPLE);
            done::said(&app, draw(&app, &visitor, &InviteForm::default(), None, &[], just).await, just)
        }
        Err(response) => response,
    }
}

/// Why an invite was not sent, as a field of the form and its sentence; nothing where it is no refusal to mend here.
fn trouble(error: &Error) -> Option<(&'static str, String)> {
    match error {
        Error::Invalid(invalid) => Some((invalid.field, said(invalid))),
        Error::Denied(Reason::Permission(_)) => Some((
            "access_groups",
            "You may invite, but not put people into access groups. Leave the groups out, or ask an Administrator.".to_owned(),
        )),
        Error::Denied(Reason::Administrator) => Some(("role", "Only Administrators make Administrators.".to_owned())),
        Error::Denied(Reason::Escalation { missing }) => Some((
            "access_groups",
            format!("These groups give more than you hold yourself: {}. Leave them out, or ask an Administrator.", missing.join(", ")),
        )),
        Error::GroupNotFound => Some(("access_groups", "One of these groups is gone. Choose again.".to_owned())),
        other => Some(("form", passing(other)?)),
    }
}

/// What ends by waiting, or by the operator.
fn passing(error: &Error) -> Option<String> {
    match error {
        Error::RateLimited { budget, retry_after_ms } => {
            let wait = in_words(retry_after_seconds(*retry_after_ms));
            Some(match budget {
                Budget::Invites => format!("The organization’s invites of today are used up. Invite again in {wait}."),
                Budget::OwnInvites => {
                    format!("Your share of today’s invites is used up. Invite again in {wait}, or let somebody else invite.")
                }
                Budget::Resends => {
                    format!("This person was sent several mails already; the newest link in their mailbox works. Send another in {wait}.")
                }
                Budget::Resets | Budget::Calls | Budget::Hashing | Budget::SignIn => format!("The server is busy. Try again in {wait}."),
            })
        }
        Error::MailUnavailable => {
            Some("This server has no way to send mail yet, so nobody can be invited. Whoever runs it sets --smtp-url.".to_owned())
        }
        _ => None,
    }
}

/// Who has the address already (B07).
fn holder(tried: &Try<'_>, email: &str, status: Status) -> Holder {
    let (state, may_resend) = match status {
        Status::Pending => ("that person is Pending, they are invited and have not joined yet.", true),
        Status::Active => ("that person is Active. Nothing has to be sent.", false),
        Status::Deactivated => ("that person is Deactivated. Reactivate them to let them back in.", false),
    };
    let list =
        tried.call.standing.holds(builtin::USERS_READ).then(|| Asked { query: email.to_owned(), ..Asked::default() }.with("cursor", ""));
    Holder { state, list, may_resend }
}

/// Where whoever invited goes on: the roster, if it is open to them.
fn onward(standing: &authz::Standing) -> &'static str {
    if standing.holds(builtin::USERS_READ) { Place::Users.path() } else { INVITE }
}

/// `POST /users/invite` (B07, B08).
pub async fn invite(State(app): State<SharedApp>, headers: HeaderMap, Sent(pairs): Sent<Vec<(String, String)>>) -> Response {
    let form = InviteForm::read(pairs);
    let visitor = match sender(&app, &headers, &form.drawn_for, &form.said()).await {
        Ok(visitor) => visitor,
        Err(response) => return response,
    };
    let mut tried = Try::new(&app, &visitor, InviteUser::NAME, None);
    tried.named = parse::named(&form.typed.email);
    if form.resend {
        let params = contract::ResendInviteParams { user: form.typed.email.clone(), ..Default::default() };
        return match retrying(|| people::resend(&app, &tried.call, &params)).await {
            Ok(_) => go_and_say(&app, onward(&tried.call.standing), Done::Resent),
            Err(error) => not_invited(&app, &tried, &form, &error, resend_trouble(&error).map(|message| ("form", message))).await,
        };
    }
    if form.groups.len() > GROUPS as usize || form.groups.iter().any(|group| GroupId::parse(group).is_none()) {
        let error = Error::GroupNotFound;
        return not_invited(&app, &tried, &form, &error, trouble(&error)).await;
    }
    let params = contract::InviteUserParams {
        email: form.typed.email.clone(),
        first_name: form.typed.first_name.clone(),
        last_name: form.typed.last_name.clone(),
        role: Some(if form.typed.administrator { contract::Role::Administrator } else { contract::Role::User }),
        access_groups: form.groups.clone(),
        ..Default::default()
    };
    match retrying(|| people::invite(&app, &tried.call, &params)).await {
        Ok(_) => {
            let elsewhere = Email::parse(&form.typed.email).is_ok_and(|email| !visitor.now.settings.invites(&email));
            go_and_say(&app, onward(&tried.call.standing), if elsewhere { Done::InvitedElsewhere } else { Done::Invited })
        }
        Err(error) => not_invited(&app, &tried, &form, &error, trouble(&error)).await,
    }
}

/// The form again, with everything typed and why; where there is nothing to mend in it, the page that says so.
async fn not_invited(
    app: &SharedApp,
    tried: &Try<'_>,
    form: &InviteForm,
    error: &Error,
    trouble: Option<(&'static str, String)>,
) -> Response {
    match (error, trouble) {
        (Error::EmailInUse { user: _, status }, _) => {
            tried.note(app, error);
            draw(app, tried.visitor, form, Some(&holder(tried, form.typed.email.trim(), *status)), &[], None).await
        }
        // Whoever may not invite at all finds nothing here.
        (Error::Denied(Reason::Permission(builtin::USERS_INVITE)), _) | (_, None) => tried.refused(app, error),
        (_, Some((field, message))) => {
            tried.note(app, error);
            draw(app, tried.visitor, form, None, &[FieldError { field, message: &message }], None).await
        }
    }
}

/// A form that only says for whom it was drawn.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct PlainForm {
    #[serde(rename = "as")]
    drawn_for: String,
}

/// `POST /users/{id}/resend` (B11).
pub async fn resend(
    State(app): State<SharedApp>,
    segment: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    Sent(sent): Sent<PlainForm>,
) -> Response {
    let visitor = match sender(&app, &headers, &sent.drawn_for, &[]).await {
        Ok(visitor) => visitor,
        Err(response) => return response,
    };
    let id = named(segment);
    let tried = Try::new(&app, &visitor, ResendInvite::NAME, id);
    let params = contract::ResendInviteParams { user: id.map(|id| id.to_string()).unwrap_or_default(), ..Default::default() };
    match retrying(|| people::resend(&app, &tried.call, &params)).await {
        Ok(_) => go_and_say(&app, onward(&tried.call.standing), Done::Resent),
        Err(Error::NobodyNamed(_) | Error::UserNotFound) => tried.refused(&app, &Error::UserNotFound),
        Err(error) => match resend_trouble(&error) {
            Some(message) => {
                tried.note(&app, &error);
                show(&app, &visitor, Asked::default(), None, Some(&message)).await
            }
            None => tried.refused(&app, &error),
        },
    }
}

fn resend_trouble(error: &Error) -> Option<String> {
    match error {
        Error::UserNotFound | Error::NobodyNamed(_) => {
            Some("Nobody of this organization has this address any more. Invite them instead.".to_owned())
        }
        Error::Denied(Reason::Administrator) => Some("Only Administrators send the invite of an Administrator.".to_owned()),
        Error::InviteNotPending(_) => Some("They have joined meanwhile: there is no invite to send.".to_owned()),
        Error::UserDeactivated => Some("They are deactivated meanwhile. Reactivate them first.".to_owned()),
        Error::Denied(Reason::Escalation { missing }) => {
            Some(format!("This invite would give more than you hold yourself: {}. Ask an Administrator to send it.", missing.join(", ")))
        }
        other => passing(other),
    }
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
