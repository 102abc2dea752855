//! Inviting in the browser, and sending an invite again. What is done goes through the same use cases as the tools.

use super::{
    done::{self, Done, go_and_say, go_and_say_of},
    door::go_to,
    frame::frame,
    groups, page, person, said,
    signed_in::{Drawn, Fields, Try, Typed as InWords, in_names, named},
    users,
    views::{
        FieldError,
        frame::Place,
        users::{GroupChoice, Holder, InvitePage, Typed},
    },
    visitor::Visitor,
};
use crate::{
    app::SharedApp,
    authz::{
        self, Action as _, Reason,
        action::{InviteUser, ResendInvite},
    },
    domain::{Email, GroupId, Invalid, PersonName, Role, Status, UserId, builtin},
    error::{Budget, Error},
    http::auth::{in_words, retry_after_seconds},
    service::{parse, people, retrying},
};
use axum::{
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::HeaderMap,
    response::Response,
};
use usher_tools as contract;

/// Where the inviting form is.
pub(super) const INVITE: &str = "/users/invite";

/// The inviting form, and the one that sends an invite again. Several groups come under one name.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(from = "Vec<(String, String)>")]
pub struct InviteForm {
    drawn_for: String,
    typed: Typed,
    groups: Vec<String>,
    /// Ids with what their groups are called.
    called: Vec<String>,
    resend: bool,
}

impl From<Vec<(String, String)>> for InviteForm {
    fn from(pairs: Vec<(String, String)>) -> Self {
        let mut form = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "as" => form.drawn_for = value,
                "email" => form.typed.email = value,
                "first_name" => form.typed.first_name = value,
                "last_name" => form.typed.last_name = value,
                "role" => form.typed.administrator = value == "administrator",
                "access_group" => form.groups.push(value),
                "called" => form.called.push(value),
                "do" => form.resend = value == "resend",
                _ => {}
            }
        }
        form
    }
}

impl Fields for InviteForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> InWords {
        let typed = &self.typed;
        let role = if typed.administrator { Role::Administrator } else { Role::User };
        vec![
            ("Email", typed.email.clone()),
            ("First name", typed.first_name.clone()),
            ("Last name", typed.last_name.clone()),
            ("Role", role.shown().to_owned()),
            ("Access groups", in_names(&self.called, &self.groups)),
        ]
    }
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
    let known = match users::known_groups(app, call).await {
        Ok(known) if assigns => known,
        Ok(_) => users::Known::default(),
        Err(error) => return tried.refused(app, &error),
    };
    let more_groups = known.more;
    let known = match groups::with_ticked(app, call, known.groups, if assigns { &form.groups } else { &[] }).await {
        Ok(known) => known,
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
        more_groups,
        may_make_administrators: call.standing.is_administrator(),
        many: many.as_deref(),
        // The focus comes back to the button that opened the form.
        back: if call.standing.holds(builtin::USERS_READ) { "/users#invite" } else { "/me" },
        said: just.map(Done::sentence),
        holder,
        errors,
    };
    page(app, &view)
}

pub(super) fn many(organization: &str, administrators: i64) -> Option<String> {
    (administrators >= people::ENOUGH_ADMINISTRATORS).then(|| {
        format!(
            "{organization} already has {administrators} Administrators. Two or three are usually enough; for less than everything, choose User and a group."
        )
    })
}

/// `GET /users/invite`, such as with the `access_group` from whose page somebody comes.
pub async fn form(
    State(app): State<SharedApp>,
    visitor: Visitor,
    asked: Result<Query<InviteForm>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let groups = asked.map(|Query(asked)| asked.groups).unwrap_or_default();
    let just = done::just(&app, &headers, &Done::OF_PEOPLE);
    done::said(&app, draw(&app, &visitor, &InviteForm { groups, ..InviteForm::default() }, None, &[], just).await, just)
}

/// Why an invite was not sent, as a field of the form and its sentence; nothing where it is no refusal to mend here.
fn trouble(error: &Error) -> Option<(&'static str, String)> {
    match error {
        Error::Denied(Reason::Permission(_)) => Some((
            "access_groups",
            "You may invite, but not put people into access groups. Leave the groups out, or ask an Administrator.".to_owned(),
        )),
        Error::Denied(Reason::Administrator) => Some(("role", "Only Administrators make Administrators.".to_owned())),
        Error::Denied(Reason::Escalation { missing }) => Some((
            "access_groups",
            format!("These groups give more than you hold yourself: {}. Leave them out, or ask an Administrator.", missing.join(", ")),
        )),
        Error::Denied(Reason::EnoughAdministrators { most }) => Some((
            "role",
            format!(
                "Your organization decided to have {most} Administrators at most, Pending ones included. Choose User, or raise the bound in the settings."
            ),
        )),
        Error::GroupNotFound => Some(("access_groups", "One of these groups is gone. Choose again.".to_owned())),
        other => Some(("form", passing(other)?)),
    }
}

/// Everything in the form that is not taken as it stands, so that it is all said at once.
fn unfit(form: &InviteForm, found: &Invalid) -> Vec<(&'static str, String)> {
    let typed = &form.typed;
    let refused = [
        Email::parse(&typed.email).err(),
        PersonName::parse_first(&typed.first_name).err(),
        PersonName::parse_last(&typed.last_name).err(),
    ];
    let mut all: Vec<_> = refused.into_iter().flatten().map(|invalid| (invalid.field, said(&invalid))).collect();
    if all.iter().all(|(field, _)| *field != found.field) {
        all.push((found.field, said(found)));
    }
    all
}

/// What ends by waiting, or by the operator.
pub(super) fn passing(error: &Error) -> Option<String> {
    match error {
        Error::RateLimited { budget, retry_after_ms } => {
            let wait = in_words(retry_after_seconds(*retry_after_ms));
            Some(match budget {
                Budget::Invites => format!("The organization’s invites of today are used up. Try again in {wait}."),
                Budget::OwnInvites => {
                    format!("Your share of today’s invites is used up. Try again in {wait}, or let somebody else do it.")
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
fn holder(tried: &Try<'_>, user: UserId, status: Status) -> Holder {
    let (state, may_resend) = match status {
        Status::Pending => ("that person is Pending, they are invited and have not joined yet.", true),
        Status::Active => ("that person is Active. Nothing has to be sent.", false),
        Status::Deactivated => ("that person is Deactivated. Reactivate them to let them back in.", false),
    };
    let page = tried.call.standing.holds(builtin::USERS_READ).then(|| person::place(user));
    Holder { state, page, may_resend }
}

/// Sends whoever did it on, to a list that names the person, if it is open to them.
fn go_on(app: &SharedApp, standing: &authz::Standing, list: &str, done: Done, user: &contract::User) -> Response {
    match UserId::parse(&user.id).filter(|_| standing.holds(builtin::USERS_READ)) {
        Some(id) => go_and_say_of(app, list, done, id),
        None => go_and_say(app, INVITE, done),
    }
}

/// `POST /users/invite` (B07, B08).
pub async fn invite(State(app): State<SharedApp>, drawn: Drawn<InviteForm>) -> Response {
    let (visitor, form) = (&drawn.visitor, &drawn.form);
    let mut tried = drawn.tries(&app, InviteUser::NAME, None);
    tried.named = parse::named(&form.typed.email);
    if form.resend {
        let params = contract::ResendInviteParams { user: form.typed.email.clone(), ..Default::default() };
        return match retrying(|| people::resend(&app, &tried.call, &params)).await {
            Ok(sent) => go_on(&app, &tried.call.standing, Place::Users.path(), Done::Resent, &sent.user),
            Err(error) => not_invited(&app, &tried, form, &error, resend_trouble(&error).map(|message| ("form", message))).await,
        };
    }
    if form.groups.len() > users::GROUPS as usize || form.groups.iter().any(|group| GroupId::parse(group).is_none()) {
        let error = Error::GroupNotFound;
        return not_invited(&app, &tried, form, &error, trouble(&error)).await;
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
        Ok(invited) => {
            let elsewhere = Email::parse(&form.typed.email).is_ok_and(|email| !visitor.now.settings.invites(&email));
            let done = if elsewhere { Done::InvitedElsewhere } else { Done::Invited };
            go_on(&app, &tried.call.standing, Place::Users.path(), done, &invited.user)
        }
        Err(error) => not_invited(&app, &tried, form, &error, trouble(&error)).await,
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
        (Error::EmailInUse { user, status }, _) => {
            tried.note(app, error);
            draw(app, tried.visitor, form, Some(&holder(tried, *user, *status)), &[], None).await
        }
        (Error::Invalid(invalid), _) => {
            tried.note(app, error);
            let unfit = unfit(form, invalid);
            let errors: Vec<_> = unfit.iter().map(|(field, message)| FieldError { field, message }).collect();
            draw(app, tried.visitor, form, None, &errors, None).await
        }
        // Whoever may not invite at all finds nothing here.
        (Error::Denied(Reason::Permission(builtin::USERS_INVITE)), _) | (_, None) => tried.refused(app, error),
        (_, Some((field, message))) => {
            tried.note(app, error);
            draw(app, tried.visitor, form, None, &[FieldError { field, message: &message }], None).await
        }
    }
}

/// The form that sends an invite again: from which page, and the list in which it stood.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct ResendForm {
    #[serde(rename = "as")]
    drawn_for: String,
    list: String,
    from: String,
}

impl Fields for ResendForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> InWords {
        // It is a button.
        Vec::new()
    }
}

/// `GET /users/{id}/resend`: the address under which a refusal of that form stands, loaded again.
pub async fn back(State(app): State<SharedApp>) -> Response {
    go_to(&app, Place::Users.path())
}

/// `POST /users/{id}/resend` (B11).
pub async fn resend(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>, drawn: Drawn<ResendForm>) -> Response {
    let list = users::Asked::read(&drawn.form.list).unwrap_or_default();
    let of_a_person = drawn.form.from == "person";
    let id = named(segment);
    let tried = drawn.tries(&app, ResendInvite::NAME, id);
    let params = contract::ResendInviteParams { user: id.map(|id| id.to_string()).unwrap_or_default(), ..Default::default() };
    match retrying(|| people::resend(&app, &tried.call, &params)).await {
        Ok(sent) => match id.filter(|_| of_a_person) {
            Some(id) => go_and_say_of(&app, &person::place(id), Done::SentAgain, id),
            None => go_on(&app, &tried.call.standing, &list.place(), Done::Resent, &sent.user),
        },
        Err(Error::NobodyNamed(_) | Error::UserNotFound) => tried.refused(&app, &Error::UserNotFound),
        Err(error) => match resend_trouble(&error) {
            Some(message) if of_a_person => {
                tried.note(&app, &error);
                person::refused(&app, &tried, id, message).await
            }
            Some(message) => {
                tried.note(&app, &error);
                users::show(&app, &drawn.visitor, list, users::News { just: None, trouble: Some(&message) }).await
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
