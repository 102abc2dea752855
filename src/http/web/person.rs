//! One person of the roster in the browser: what stands about them, and changing it. What is done goes through the same use cases as
//! the tools; what is offered is what their rules would allow now.

pub mod access;
pub mod activity;
pub mod standing;
pub mod tools;

use super::{
    done::{self, Done, go_and_say_of},
    frame::frame,
    inviting, page, said,
    signed_in::{Drawn, Fields, Try, Typed, named},
    views::{
        frame::{Frame, Place},
        person::{Account, Delivery, Fact, Field, Form, Invite, May, PersonPage, RoleField, Said, Seen, Tab, Who},
        users::Standing,
        when::{Until, When},
    },
    visitor::{Visitor, still_open_to},
};
use crate::{
    app::SharedApp,
    authz::{self, Action as _, Reason, action::UpdateUser},
    domain::{SlackBy, Timestamp, UserId, builtin},
    error::Error,
    service::{
        audit,
        people::{self, Looked},
        retrying,
    },
};
use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::HeaderMap,
    response::Response,
};
use usher_tools::{self as contract, DeliveryState};

/// Where a person's page is: path below the base.
pub(super) fn place(id: impl std::fmt::Display) -> String {
    format!("{}/{id}", Place::Users.path())
}

/// A part of it.
fn part(id: impl std::fmt::Display, tab: Tab) -> String {
    format!("{}{}", place(id), tab.path())
}

/// Where whoever changed a person goes on: who changed themselves may see people no more.
async fn onward(app: &SharedApp, visitor: &Visitor, id: UserId, tab: Tab) -> String {
    let path = part(id, tab);
    if id == visitor.now.person.id { still_open_to(app, visitor, builtin::USERS_READ, &path).await } else { path }
}

/// Why something cannot be done to a person, for who looks at them.
pub(super) fn why(reason: &Reason) -> String {
    match reason {
        Reason::Permission(permission) => format!("It takes the permission {permission}, which your access groups do not give."),
        Reason::Administrator => "Only Administrators do this to an Administrator.".to_owned(),
        Reason::Escalation { missing } => {
            format!("It would give more than you hold yourself: {}. Ask an Administrator.", missing.join(", "))
        }
        Reason::LastAdministrator => "Promote somebody else first: this is the last active Administrator.".to_owned(),
        Reason::SelfDeactivation => "Nobody deactivates themselves. Another Administrator can do it.".to_owned(),
        Reason::NotPending => "They have joined: there is no invite to send.".to_owned(),
        Reason::Deactivated => "They are deactivated. Reactivate them first.".to_owned(),
        Reason::NotProvedAnew => "It is done within 10 minutes of signing in. Sign out, sign in again, and do it then.".to_owned(),
        Reason::EnoughAdministrators { most } => {
            format!(
                "Your organization decided to have {most} Administrators at most, Pending ones included. Raise the bound in the settings."
            )
        }
        Reason::Scope | Reason::DeadLink | Reason::WayClosed => "It is not open to you.".to_owned(),
    }
}

fn may(asked: &Result<(), Reason>) -> May {
    asked.as_ref().copied().map_err(why)
}

fn standing(user: &contract::User) -> Standing {
    match user.status {
        contract::Status::Active => Standing::Active,
        contract::Status::Pending if user.invite_expired => Standing::Expired,
        contract::Status::Pending => Standing::Pending,
        contract::Status::Deactivated => Standing::Deactivated,
    }
}

fn is_administrator(user: &contract::User) -> bool {
    user.role == contract::Role::Administrator
}

/// Whether a part of the page is of any use to somebody who may see people. The part itself asks again.
fn opens(standing: &authz::Standing, tab: Tab) -> bool {
    match tab {
        Tab::Details | Tab::Groups => true,
        Tab::Activity => standing.holds(builtin::AUDIT_LOG_READ),
        Tab::Tools => standing.holds(builtin::MCP_TOKENS_READ),
    }
}

/// The head of a person's page.
fn who(tried: &Try<'_>, user: &contract::User, here: Tab, said: Option<Done>, refused: Option<String>) -> Who {
    Who {
        id: user.id.clone(),
        name: user.full_name(),
        email: user.email.clone(),
        standing: standing(user),
        is_administrator: is_administrator(user),
        tabs: Tab::ALL.into_iter().filter(|tab| opens(&tried.call.standing, *tab)).collect(),
        here,
        said: said.and_then(|done| Some(Said { result: done.result()?, rest: done.sentence() })),
        refused,
    }
}

/// The frame of the pages about people.
fn framed(app: &SharedApp, tried: &Try<'_>) -> Frame {
    frame(app, tried.visitor, Some(Place::Users))
}

/// Whom an address names, as far as who asks may see people at all: else the answer.
async fn found(app: &SharedApp, tried: &Try<'_>, id: Option<UserId>) -> Result<(UserId, Looked), Response> {
    let Some(id) = id else { return Err(tried.refused(app, &Error::UserNotFound)) };
    match people::look(app, &tried.call, id, &tried.visitor.now.settings).await {
        Ok(looked) => Ok((id, looked)),
        Err(error) => Err(tried.refused(app, &error)),
    }
}

/// The form as it was sent.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct EditForm {
    #[serde(rename = "as")]
    drawn_for: String,
    version: String,
    first_name: String,
    last_name: String,
    role: Option<String>,
    slack_id: Option<String>,
    #[serde(flatten)]
    seen: Option<Seen>,
}

impl Fields for EditForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> Typed {
        vec![
            ("First name", self.first_name.clone()),
            ("Last name", self.last_name.clone()),
            ("Role", self.role().map_or("", contract::Role::as_str).to_owned()),
            ("Slack ID", self.slack_id.clone().unwrap_or_default()),
        ]
    }
}

/// A role as the form says it.
fn role_word(role: contract::Role) -> &'static str {
    match role {
        contract::Role::Administrator => "administrator",
        contract::Role::User => "user",
    }
}

impl EditForm {
    /// The version from which it was drawn; none that there is for what is no number.
    fn version(&self) -> i64 {
        self.version.parse().unwrap_or_default()
    }

    fn role(&self) -> Option<contract::Role> {
        match self.role.as_deref() {
            Some("administrator") => Some(contract::Role::Administrator),
            Some("user") => Some(contract::Role::User),
            Some(_) | None => None,
        }
    }

    /// Whether nobody changed them since it was saved: it may have come before, and others since.
    fn is_newest(&self, user: &contract::User) -> bool {
        user.version <= self.version().saturating_add(1)
    }

    /// What it would change. A Slack ID that was left as it was found is nobody's decision.
    fn changes(&self, user: &contract::User) -> contract::UpdateUserParams {
        let slack_id = self.slack_id.as_deref().map(str::trim).filter(|typed| *typed != user.slack_id.as_deref().unwrap_or_default());
        contract::UpdateUserParams {
            user: user.id.clone(),
            first_name: Some(self.first_name.clone()),
            last_name: Some(self.last_name.clone()),
            role: self.role().filter(|role| *role != user.role),
            slack_id: slack_id.map(|typed| if typed.is_empty() { "none" } else { typed }.to_owned()),
            if_version: Some(self.version()),
            ..Default::default()
        }
    }
}

/// Why a form was not saved.
enum Unsaved {
    /// Somebody else was faster.
    Conflict,
    /// A field, and what is wrong with it.
    Field(&'static str, String),
    /// None of the fields is at fault.
    Other(String),
}

/// What a refusal is on the form; nothing where there is nothing to mend.
fn unsaved(error: &Error) -> Option<Unsaved> {
    match error {
        Error::Conflict(_) => Some(Unsaved::Conflict),
        Error::Invalid(invalid) => Some(Unsaved::Field(invalid.field, said(invalid))),
        Error::Denied(reason @ (Reason::LastAdministrator | Reason::EnoughAdministrators { .. })) => {
            Some(Unsaved::Field("role", why(reason)))
        }
        Error::Denied(Reason::Administrator) => {
            Some(Unsaved::Other("Only Administrators give roles, and change Administrators.".to_owned()))
        }
        Error::Clash { said, hint } => Some(Unsaved::Other(format!("{said} {hint}"))),
        other => inviting::passing(other).map(Unsaved::Other),
    }
}

fn slack_hint(by: Option<SlackBy>) -> &'static str {
    match by {
        Some(SlackBy::LookUp) => "Found in Slack by email. Change it only if the match is wrong; no look-up changes it then.",
        Some(SlackBy::Hand) => "Set by hand: no look-up changes it.",
        None => "Found in Slack by email once a workspace is connected, or set by hand.",
    }
}

/// A field as stored or as typed, and what stands there now where somebody else was faster.
fn field(name: &str, now: &str, typed: Option<&str>, unsaved: Option<&Unsaved>) -> Field {
    let error = match unsaved {
        Some(Unsaved::Field(wrong, message)) if *wrong == name => Some(message.clone()),
        Some(Unsaved::Field(..) | Unsaved::Conflict | Unsaved::Other(_)) | None => None,
    };
    let faster = matches!(unsaved, Some(Unsaved::Conflict)) && typed.is_some_and(|typed| typed.trim() != now);
    Field { value: typed.unwrap_or(now).to_owned(), now: faster.then(|| now.to_owned()), error }
}

fn role_field(tried: &Try<'_>, looked: &Looked, chosen: Option<contract::Role>, unsaved: Option<&Unsaved>) -> RoleField {
    let user = &looked.user;
    let plain = field("role", "", None, unsaved);
    let faster = matches!(unsaved, Some(Unsaved::Conflict)) && chosen.is_some_and(|chosen| chosen != user.role);
    RoleField {
        administrator: chosen.unwrap_or(user.role) == contract::Role::Administrator,
        now: faster.then(|| user.role.as_str()),
        error: plain.error,
        locked: match &looked.may.role {
            Ok(()) => None,
            Err(Reason::Administrator) => Some("Only Administrators give roles.".to_owned()),
            Err(reason) => Some(why(reason)),
        },
        many: (looked.may.role.is_ok() && !is_administrator(user))
            .then(|| inviting::many(&tried.visitor.now.organization, looked.active_administrators))
            .flatten(),
    }
}

/// What stands there now, as a form says it back.
fn as_seen(user: &contract::User) -> Seen {
    Seen {
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        role: role_word(user.role).to_owned(),
        slack_id: user.slack_id.clone().unwrap_or_default(),
    }
}

fn form(tried: &Try<'_>, looked: &Looked, typed: Option<&EditForm>, unsaved: Option<&Unsaved>) -> Form {
    let user = &looked.user;
    let slack_id = user.slack_id.as_deref().unwrap_or_default();
    let conflict = matches!(unsaved, Some(Unsaved::Conflict));
    // Where somebody else was faster, only what its sender changed is theirs: all else is as it is now.
    let left_alone = typed.and_then(|typed| typed.seen.as_ref()).filter(|_| conflict);
    let theirs = |typed: &str, seen: fn(&Seen) -> &str| left_alone.is_none_or(|left| seen(left) != typed.trim());
    let first_name = typed.map(|typed| typed.first_name.as_str()).filter(|typed| theirs(typed, |seen| &seen.first_name));
    let last_name = typed.map(|typed| typed.last_name.as_str()).filter(|typed| theirs(typed, |seen| &seen.last_name));
    let typed_id = typed.and_then(|typed| typed.slack_id.as_deref()).filter(|typed| theirs(typed, |seen| &seen.slack_id));
    let role = typed.and_then(EditForm::role).filter(|role| theirs(role_word(*role), |seen| &seen.role));
    // Only a page that shows what others changed goes on from what holds now. Any other has not shown it.
    let before = typed.filter(|_| !conflict);
    Form {
        version: before.map_or(user.version, EditForm::version),
        seen: before.map_or_else(|| Some(as_seen(user)), |before| before.seen.clone()),
        first_name: field("first_name", &user.first_name, first_name, unsaved),
        last_name: field("last_name", &user.last_name, last_name, unsaved),
        role: role_field(tried, looked, role, unsaved),
        slack: looked.may.slack.is_ok().then(|| field("slack_id", slack_id, typed_id, unsaved)),
        slack_hint: slack_hint(looked.slack_by),
        conflict,
    }
}

/// What became of the newest invite's mail, in words.
fn delivery(delivery: Option<&contract::Delivery>) -> Delivery {
    let said = |state, class, words: String| Delivery { state, class, words };
    let Some(delivery) = delivery else { return said("None", "off", "No mail was ordered for this invite.".to_owned()) };
    let cause = delivery.error.as_deref().map(mail_trouble);
    match (delivery.state, cause) {
        (DeliveryState::Queued, None) => said("Queued", "pending", "It waits for its turn, which is soon.".to_owned()),
        (DeliveryState::Queued, Some(cause)) => said("Queued", "pending", format!("{cause} It is tried again by itself.")),
        (DeliveryState::Sent, _) => said("Sent", "", "The mail server took it. It may lie in their spam folder.".to_owned()),
        (DeliveryState::Failed, cause) => {
            let cause = cause.unwrap_or("It could not be delivered.");
            said("Failed", "bad", format!("{cause} It was given up; send the invite again once that is mended."))
        }
        (DeliveryState::Folder, _) => said(
            "Written into the mail folder",
            "",
            "This server sends no mail yet: whoever runs it finds the mail in its folder.".to_owned(),
        ),
        (DeliveryState::Superseded, _) => said("Not sent", "off", "Its link was replaced or withdrawn before it left.".to_owned()),
    }
}

/// Why a mail did not go through, by the code that is kept of it. What the other server wrote is in this server's log alone.
fn mail_trouble(code: &str) -> &'static str {
    match code {
        "rejected" => "Their mail server does not take mail for this address.",
        "bounced" => "It came back: their mail server took it and could not deliver it.",
        "deferred" => "Their mail server put it off.",
        "refused" => "The mail server takes no mail from this server.",
        "login_refused" => "The mail server does not let this server log in.",
        "tls" => "The mail server’s encryption could not be trusted.",
        "unreachable" => "The mail server could not be reached.",
        "timeout" | "cut_off" => "The mail server stopped answering.",
        _ => "It could not be delivered.",
    }
}

fn account(looked: &Looked, now: Timestamp) -> Account {
    let user = &looked.user;
    match user.status {
        contract::Status::Active => Account::Active(may(&looked.may.deactivate)),
        contract::Status::Deactivated => Account::Deactivated(may(&looked.may.reactivate)),
        contract::Status::Pending => Account::Pending(Box::new(Invite {
            sent: user.invite_sent_at.as_deref().and_then(|at| When::read(at, now)),
            until: user.invite_expires_at.as_deref().and_then(|at| Until::read(at, now)),
            expired: user.invite_expired,
            delivery: delivery(user.delivery.as_ref()),
            resend: may(&looked.may.resend),
            withdraw: may(&looked.may.deactivate),
        })),
    }
}

/// Who deactivated somebody, for who may read the log that says so.
async fn deactivated_by(app: &SharedApp, tried: &Try<'_>, looked: &Looked) -> Result<Option<String>, Error> {
    if looked.user.deactivated_at.is_none() || !tried.call.standing.holds(builtin::AUDIT_LOG_READ) {
        return Ok(None);
    }
    let entry = audit::newest_done(app, &tried.call, looked.facts.person.id, builtin::USERS_DEACTIVATE).await?;
    Ok(entry.and_then(|entry| match entry.actor.kind {
        contract::ActorKind::User => entry.actor.name,
        contract::ActorKind::Cli => Some("the operator of this server".to_owned()),
        contract::ActorKind::System => Some("the server itself".to_owned()),
    }))
}

fn facts(user: &contract::User, deactivated_by: Option<String>, now: Timestamp) -> Vec<Fact> {
    let at = |name, at: Option<&str>| at.map(|at| Fact { name, when: When::read(at, now), words: None, by: None });
    let never = |name| Fact { name, when: None, words: Some("not yet".to_owned()), by: None };
    let joined = at("Joined", user.activated_at.as_deref()).unwrap_or_else(|| never("Joined"));
    let deactivated = at("Deactivated", user.deactivated_at.as_deref()).map(|fact| Fact { by: deactivated_by, ..fact });
    let seen = at("Last seen", user.last_seen_at.as_deref());
    [at("Invited", Some(&user.created_at)), Some(joined), seen, deactivated].into_iter().flatten().collect()
}

/// Draws the page, with what was typed and why it was not saved.
async fn draw(
    app: &SharedApp,
    tried: &Try<'_>,
    looked: &Looked,
    typed: Option<(&EditForm, &Unsaved)>,
    said: Option<Done>,
    refused: Option<String>,
) -> Response {
    let by = match deactivated_by(app, tried, looked).await {
        Ok(by) => by,
        Err(error) => return tried.refused(app, &error),
    };
    let (now, user) = (app.clock.now(), &looked.user);
    let other = match typed {
        Some((_, Unsaved::Other(message))) => Some(message.clone()),
        Some((_, Unsaved::Field(..) | Unsaved::Conflict)) | None => None,
    };
    let form = match &looked.may.rename {
        Ok(()) => Ok(form(tried, looked, typed.map(|(typed, _)| typed), typed.map(|(_, unsaved)| unsaved))),
        Err(Reason::Permission(_)) => Err(None),
        Err(Reason::Administrator) => Err(Some("Only Administrators change Administrators.".to_owned())),
        Err(reason) => Err(Some(why(reason))),
    };
    let view = PersonPage {
        frame: &framed(app, tried),
        who: &who(tried, user, Tab::Details, said, refused.or(other)),
        form: form.as_ref().map_err(Clone::clone),
        slack_id: user.slack_id.as_deref(),
        account: &account(looked, now),
        facts: &facts(user, by, now),
    };
    page(app, &view)
}

/// `GET /users/{id}` (B17).
pub async fn look(
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
    done::said(&app, draw(&app, &tried, &looked, None, just, None).await, just)
}

/// The page with what could not be done to its person.
pub(super) async fn refused(app: &SharedApp, tried: &Try<'_>, id: Option<UserId>, message: String) -> Response {
    match found(app, tried, id).await {
        Ok((_, looked)) => draw(app, tried, &looked, None, None, Some(message)).await,
        Err(response) => response,
    }
}

/// `POST /users/{id}`: Save Changes (B19). It never deactivates anybody.
pub async fn save(State(app): State<SharedApp>, segment: Result<Path<String>, PathRejection>, drawn: Drawn<EditForm>) -> Response {
    let asked = named(segment);
    let tried = drawn.tries(&app, UpdateUser::NAME, asked);
    let (id, looked) = match found(&app, &tried, asked).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let params = drawn.form.changes(&looked.user);
    let error = match retrying(|| people::update(&app, &tried.call, &params)).await {
        Ok(saved) => {
            let done = if drawn.form.is_newest(&saved.user) { Done::Changed } else { Done::MovedOn };
            return go_and_say_of(&app, &onward(&app, &drawn.visitor, id, Tab::Details).await, done, id);
        }
        Err(error) => error,
    };
    let Some(unsaved) = unsaved(&error) else { return tried.refused(&app, &error) };
    tried.note(&app, &error);
    // As they are now: that is what the form is drawn over.
    match found(&app, &tried, asked).await {
        Ok((_, looked)) => draw(&app, &tried, &looked, Some((&drawn.form, &unsaved)), None, None).await,
        Err(response) => response,
    }
}
