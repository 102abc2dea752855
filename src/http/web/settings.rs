//! The settings in the browser, a page for each topic: what an organization is called, and what it decides. What is done goes
//! through the same use cases as on the host.
//!
//! A form carries what it was drawn with. Where somebody else saved meanwhile nothing is overwritten: the answer says what holds
//! now, and keeps what was typed.

pub mod slack;
pub mod sso;

use super::{
    done::{self, Done, go_and_say},
    fault,
    frame::frame,
    page, said,
    signed_in::{Drawn, Fields, Try, Typed},
    views::{
        Fault,
        frame::{Frame, Place},
        settings::{InvitationsPage, Listed, OrganizationPage, PermissionsPage, Save, Section, SigningInPage, TokensPage, Top, Trouble},
    },
    visitor::Visitor,
};
use crate::{
    app::SharedApp,
    authz::{
        self, Action, Reason,
        door::{Proved, StartReset},
        organization::{ChangeSettings, RenameOrganization, sees_settings},
    },
    domain::{Catalogue, DAY, HOUR, InviteDomains, MINUTE, OtherDomains, Role, SecondFactorFor, Settings, Status, builtin},
    error::Error,
    service::{
        Call, groups,
        limits::own_share,
        organizations::{self, NewSettings},
        people, retrying,
    },
};
use axum::{extract::State, http::HeaderMap, response::Response};
use std::collections::HashMap;

/// Access groups that are named beside a permission; of more it is said how many.
const NAMED: u32 = 20;

/// Whether somebody sees settings; else the answer, for they find nothing here.
#[expect(clippy::result_large_err, reason = "the answer is handed on once")]
fn may_look(app: &SharedApp, visitor: &Visitor) -> Result<(), Response> {
    sees_settings(&visitor.now.standing).map_err(|reason| Try::to_look(app, visitor).refused(app, &reason.into()))
}

/// Whether somebody may try an action at all; else the answer.
#[expect(clippy::result_large_err, reason = "the answer is handed on once")]
fn may_try<A: Action>(app: &SharedApp, tried: &Try<'_>) -> Result<(), Response> {
    let call = &tried.call;
    authz::needs::<A>(&call.actor, &call.standing, false).map_err(|reason| tried.refused(app, &reason.into()))
}

/// Whether the save of what decides who gets in would hold.
fn for_deciding(app: &SharedApp, visitor: &Visitor) -> Save {
    let call = visitor.call(app);
    if authz::needs::<ChangeSettings>(&call.actor, &call.standing, false).is_err() {
        return Save { may: false, note: Some("Only Administrators change this.") };
    }
    let proved = Proved { at: Some(visitor.now.proved_at), now: app.clock.now() };
    let stale = proved.anew(&call.actor).is_err();
    Save {
        may: true,
        note: stale
            .then_some("You signed in longer than 10 minutes ago: sign in again in another tab of this browser before you save here."),
    }
}

/// Whether the save of anything else would.
fn for_setting_up(app: &SharedApp, visitor: &Visitor) -> Save {
    let call = visitor.call(app);
    let may = authz::needs::<RenameOrganization>(&call.actor, &call.standing, false).is_ok();
    Save { may, note: (!may).then_some("Your access groups let you see this, and not change it.") }
}

fn framed(app: &SharedApp, visitor: &Visitor) -> Frame {
    frame(app, visitor, Some(Place::Settings))
}

fn just(app: &SharedApp, headers: &HeaderMap) -> Option<Done> {
    done::just(app, headers, &Done::OF_SETTINGS)
}

/// Where a topic's page is, with what was just done there.
fn saved(app: &SharedApp, here: Section, changed: bool) -> Response {
    go_and_say(app, here.path(), if changed { Done::SettingsSaved } else { Done::SettingsAsBefore })
}

/// What somebody can mend on the page itself; nothing for anything else.
fn trouble(error: &Error) -> Option<Trouble> {
    let (field, message) = match error {
        Error::Invalid(invalid) => (invalid.field, said(invalid)),
        Error::Denied(Reason::NotProvedAnew) => {
            ("form", "This is saved within 10 minutes of signing in. Sign in again in another tab of this browser, then save it here: what you typed stays.".to_owned())
        }
        // Its hint is for the host.
        Error::Conflict(said) | Error::Clash { said, .. } => ("form", (*said).to_owned()),
        Error::Denied(_)
        | Error::NobodyNamed(_)
        | Error::Shape(_)
        | Error::EmailInUse { .. }
        | Error::UserNotFound
        | Error::GroupNotFound
        | Error::CredentialNotFound
        | Error::NameTaken
        | Error::InviteNotPending(_)
        | Error::UserDeactivated
        | Error::RateLimited { .. }
        | Error::MailUnavailable
        | Error::DeadLink
        | Error::SignInRefused
        | Error::Unauthenticated
        | Error::Unavailable(_)
        | Error::Internal(_) => return None,
    };
    Some(Trouble { field, message, conflict: false })
}

/// What whoever was not the first does next.
const AGAIN: &str = "Save again to put what you typed in its place.";

/// The same for a form that carries what it was drawn with; `now` says what holds by now, and what to do next.
fn trouble_or_conflict(error: &Error, now: &str) -> Option<Trouble> {
    match error {
        Error::Conflict(_) => Some(Trouble {
            field: "form",
            message: format!("Somebody else saved meanwhile, and nothing of yours was. {now}"),
            conflict: true,
        }),
        other => trouble(other),
    }
}

/// What a form was drawn with, which it carries on: what holds now only where the page says that somebody else saved.
fn carried(sent: Option<&str>, now: &str, trouble: Option<&Trouble>) -> String {
    sent.filter(|_| trouble.is_some_and(|trouble| !trouble.conflict)).unwrap_or(now).to_owned()
}

// ---- what it is called ----

/// The form of the name.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct NameForm {
    #[serde(rename = "as")]
    drawn_for: String,
    seen: String,
    name: String,
}

impl Fields for NameForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> Typed {
        vec![("Name", self.name.clone())]
    }
}

fn draw_organization(
    app: &SharedApp,
    visitor: &Visitor,
    typed: Option<&NameForm>,
    just: Option<Done>,
    trouble: Option<&Trouble>,
) -> Response {
    let session = &visitor.now;
    let view = OrganizationPage {
        frame: &framed(app, visitor),
        top: Top { here: Section::Organization, said: just.map(Done::sentence), trouble },
        save: for_setting_up(app, visitor),
        name: typed.map_or(&session.organization, |typed| &typed.name),
        seen: &carried(typed.map(|typed| typed.seen.as_str()), &session.organization, trouble),
        slug: &session.slug,
        mcp_url: &app.public_url.mcp(&session.slug),
    };
    done::said(app, page(app, &view), just)
}

/// `GET /settings`.
pub async fn organization(State(app): State<SharedApp>, visitor: Visitor, headers: HeaderMap) -> Response {
    match may_look(&app, &visitor) {
        Ok(()) => draw_organization(&app, &visitor, None, just(&app, &headers), None),
        Err(response) => response,
    }
}

/// `POST /settings`.
pub async fn rename(State(app): State<SharedApp>, drawn: Drawn<NameForm>) -> Response {
    let (visitor, sent) = (&drawn.visitor, &drawn.form);
    let tried = drawn.tries(&app, RenameOrganization::NAME, None);
    match retrying(|| organizations::rename(&app, &tried.call, &sent.name, Some(&sent.seen))).await {
        Ok(changed) => saved(&app, Section::Organization, changed),
        Err(error) => match trouble_or_conflict(&error, &format!("The name is “{}” now. {AGAIN}", visitor.now.organization)) {
            Some(trouble) => {
                tried.note(&app, &error);
                draw_organization(&app, visitor, Some(sent), None, Some(&trouble))
            }
            None => tried.refused(&app, &error),
        },
    }
}

// ---- what decides who gets in ----

/// Saves what decides who gets in, as a form says it. The answer where that is done or cannot be mended; else why not.
async fn decide(
    app: &SharedApp,
    tried: &Try<'_>,
    here: Section,
    seen: &str,
    new: Result<NewSettings, Error>,
    now: impl FnOnce(&Settings) -> String,
) -> Result<Response, Trouble> {
    if let Err(response) = may_try::<ChangeSettings>(app, tried) {
        return Ok(response);
    }
    let Some(seen) = Settings::parse(seen) else { return Ok(fault(app, Fault::BadRequest)) };
    let proved_at = Some(tried.visitor.now.proved_at);
    let saved = match &new {
        Ok(new) => retrying(|| organizations::set(app, &tried.call, new, Some(&seen), proved_at)).await,
        Err(_) => new.map(|_| false),
    };
    let error = match saved {
        Ok(changed) => return Ok(self::saved(app, here, changed)),
        Err(error) => error,
    };
    match trouble_or_conflict(&error, &format!("{} {AGAIN}", now(&tried.visitor.now.settings))) {
        Some(trouble) => {
            tried.note(app, &error);
            Err(trouble)
        }
        None => Ok(tried.refused(app, &error)),
    }
}

/// The form of what is asked of whoever signs in. A box that is not ticked is not sent.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct SigningInForm {
    #[serde(rename = "as")]
    drawn_for: String,
    seen: String,
    second_factor: String,
    magic_links: Option<String>,
}

impl Fields for SigningInForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> Typed {
        let demanded = SecondFactorFor::parse(&self.second_factor).map(demanded).unwrap_or_default();
        let links = if self.magic_links.is_some() { "sign in" } else { "do not sign in" };
        vec![("Second factor", demanded.to_owned()), ("Mailed links", links.to_owned())]
    }
}

fn draw_signing_in(
    app: &SharedApp,
    visitor: &Visitor,
    typed: Option<&SigningInForm>,
    just: Option<Done>,
    trouble: Option<&Trouble>,
) -> Response {
    let (session, call) = (&visitor.now, visitor.call(app));
    let settings = &session.settings;
    let view = SigningInPage {
        frame: &framed(app, visitor),
        top: Top { here: Section::SigningIn, said: just.map(Done::sentence), trouble },
        save: for_deciding(app, visitor),
        seen: &carried(typed.map(|typed| typed.seen.as_str()), &settings.to_text(), trouble),
        second_factor: typed.map_or(settings.second_factor.as_str(), |typed| &typed.second_factor),
        magic_links: typed.map_or(settings.magic_links, |typed| typed.magic_links.is_some()),
        links: if settings.sso_required {
            "Single sign-on is required, so none does at present."
        } else {
            "Otherwise people sign in by password or through a provider, and nobody is mailed such a link."
        },
        has_none: !session.has_second_factor,
        may_reset: authz::needs::<StartReset>(&call.actor, &call.standing, false).is_ok(),
    };
    done::said(app, page(app, &view), just)
}

/// `GET /settings/sign-in`.
pub async fn signing_in(State(app): State<SharedApp>, visitor: Visitor, headers: HeaderMap) -> Response {
    match may_look(&app, &visitor) {
        Ok(()) => draw_signing_in(&app, &visitor, None, just(&app, &headers), None),
        Err(response) => response,
    }
}

fn demanded(second_factor: SecondFactorFor) -> &'static str {
    match second_factor {
        SecondFactorFor::Nobody => "Nobody must have a second factor",
        SecondFactorFor::Administrators => "Administrators must have a second factor",
        SecondFactorFor::Everybody => "Everybody must have a second factor",
    }
}

/// `POST /settings/sign-in`.
pub async fn set_signing_in(State(app): State<SharedApp>, drawn: Drawn<SigningInForm>) -> Response {
    let (visitor, sent) = (&drawn.visitor, &drawn.form);
    let tried = drawn.tries(&app, ChangeSettings::NAME, None);
    let Some(second_factor) = SecondFactorFor::parse(&sent.second_factor) else { return fault(&app, Fault::BadRequest) };
    let new = NewSettings { second_factor: Some(second_factor), magic_links: Some(sent.magic_links.is_some()), ..NewSettings::default() };
    let now = |settings: &Settings| {
        let links = if settings.magic_links { "mailed links sign in" } else { "no mailed link signs in" };
        format!("{}, and {links}.", demanded(settings.second_factor))
    };
    match decide(&app, &tried, Section::SigningIn, &sent.seen, Ok(new), now).await {
        Ok(response) => response,
        Err(trouble) => draw_signing_in(&app, visitor, Some(sent), None, Some(&trouble)),
    }
}

/// The form of whom the organization invites.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct InvitationsForm {
    #[serde(rename = "as")]
    drawn_for: String,
    seen: String,
    invite_domains: String,
    other_domains: String,
    most_administrators: String,
}

impl Fields for InvitationsForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> Typed {
        let other = match OtherDomains::parse(&self.other_domains) {
            Some(OtherDomains::Warn) => "goes out with a warning",
            Some(OtherDomains::Refuse) => "is refused",
            None => "",
        };
        vec![
            ("Email domains", self.invite_domains.clone()),
            ("An invite to another domain", other.to_owned()),
            ("Most Administrators", self.most_administrators.clone()),
        ]
    }
}

/// What whoever runs the server decided about mails and calls.
fn limits(app: &SharedApp) -> Vec<(&'static str, String, &'static str)> {
    let (invites, calls) = (app.limits.invites_per_day, app.limits.calls_per_minute);
    let none = || "No limit".to_owned();
    let within = |(count, window): &(i64, i64)| match *window {
        DAY => format!("{count} a day"),
        HOUR => format!("{count} an hour"),
        window => format!("{count} in {} minutes", (window / MINUTE).max(1)),
    };
    let resends: Vec<_> = app.limits.resends.iter().map(within).collect();
    vec![
        (
            "Invites a day",
            if invites == 0 { none() } else { format!("{invites}, of which {} by one person", own_share(invites)) },
            "--invites-per-day",
        ),
        ("Invites sent again to one person", if resends.is_empty() { none() } else { resends.join(", ") }, "--resends"),
        ("Calls of one AI tool a minute", if calls == 0 { none() } else { calls.to_string() }, "--calls-per-minute"),
    ]
}

/// How many Administrators are Active or Pending, for whoever may know.
async fn administrators(app: &SharedApp, call: &Call) -> Result<Option<i64>, Error> {
    if authz::visible(&call.actor, &call.standing, false).is_err() {
        return Ok(None);
    }
    let counts = people::counts(app, call).await?;
    Ok(Some([Status::Active, Status::Pending].into_iter().map(|status| counts.of(Some(status), Some(Role::Administrator))).sum()))
}

async fn draw_invitations(
    app: &SharedApp,
    visitor: &Visitor,
    typed: Option<&InvitationsForm>,
    just: Option<Done>,
    trouble: Option<&Trouble>,
) -> Response {
    let (settings, tried) = (&visitor.now.settings, Try::to_look(app, visitor));
    let administrators = match administrators(app, &tried.call).await {
        Ok(administrators) => administrators,
        Err(error) => return tried.refused(app, &error),
    };
    let (domains, most) = match typed {
        Some(typed) => (typed.invite_domains.clone(), typed.most_administrators.clone()),
        None => (settings.invite_domains.texts().join(", "), settings.most_administrators.map(|most| most.to_string()).unwrap_or_default()),
    };
    let view = InvitationsPage {
        frame: &framed(app, visitor),
        top: Top { here: Section::Invitations, said: just.map(Done::sentence), trouble },
        save: for_deciding(app, visitor),
        seen: &carried(typed.map(|typed| typed.seen.as_str()), &settings.to_text(), trouble),
        domains: &domains,
        refuses: typed.map_or(settings.other_domains == OtherDomains::Refuse, |typed| typed.other_domains == OtherDomains::Refuse.as_str()),
        most_administrators: &most,
        administrators,
        limits: &limits(app),
    };
    done::said(app, page(app, &view), just)
}

/// `GET /settings/invitations`.
pub async fn invitations(State(app): State<SharedApp>, visitor: Visitor, headers: HeaderMap) -> Response {
    match may_look(&app, &visitor) {
        Ok(()) => draw_invitations(&app, &visitor, None, just(&app, &headers), None).await,
        Err(response) => response,
    }
}

/// A number as typed; what is none is out of every bound.
fn number(text: &str) -> u32 {
    text.trim().parse().unwrap_or_default()
}

impl InvitationsForm {
    fn read(&self) -> Result<NewSettings, Error> {
        let most = self.most_administrators.trim();
        Ok(NewSettings {
            invite_domains: Some(InviteDomains::parse(&self.invite_domains)?),
            other_domains: Some(OtherDomains::parse(&self.other_domains).unwrap_or_default()),
            most_administrators: Some((!most.is_empty()).then(|| number(most))),
            ..NewSettings::default()
        })
    }
}

/// `POST /settings/invitations`.
pub async fn set_invitations(State(app): State<SharedApp>, drawn: Drawn<InvitationsForm>) -> Response {
    let (visitor, sent) = (&drawn.visitor, &drawn.form);
    let tried = drawn.tries(&app, ChangeSettings::NAME, None);
    let now = |settings: &Settings| {
        let domains = if settings.invite_domains.is_empty() { "every domain".to_owned() } else { settings.invite_domains.in_words() };
        let other = match settings.other_domains {
            OtherDomains::Warn => "warned of",
            OtherDomains::Refuse => "refused",
        };
        let most = settings.most_administrators.map_or_else(|| "any number of".to_owned(), |most| format!("{most}"));
        format!("Invited is {domains}, others are {other}, and there may be {most} Administrators.")
    };
    match decide(&app, &tried, Section::Invitations, &sent.seen, sent.read(), now).await {
        Ok(response) => response,
        Err(trouble) => draw_invitations(&app, visitor, Some(sent), None, Some(&trouble)).await,
    }
}

/// The form of how long tokens live.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct TokensForm {
    #[serde(rename = "as")]
    drawn_for: String,
    seen: String,
    most_token_days: String,
}

impl Fields for TokensForm {
    fn drawn_for(&self) -> &str {
        &self.drawn_for
    }

    fn typed(&self) -> Typed {
        vec![("Most days", self.most_token_days.clone())]
    }
}

fn draw_tokens(app: &SharedApp, visitor: &Visitor, typed: Option<&TokensForm>, just: Option<Done>, trouble: Option<&Trouble>) -> Response {
    let settings = &visitor.now.settings;
    let view = TokensPage {
        frame: &framed(app, visitor),
        top: Top { here: Section::Tokens, said: just.map(Done::sentence), trouble },
        save: for_deciding(app, visitor),
        seen: &carried(typed.map(|typed| typed.seen.as_str()), &settings.to_text(), trouble),
        days: &typed.map_or_else(|| settings.most_token_days.to_string(), |typed| typed.most_token_days.clone()),
        usual: settings.usual_token_days(),
    };
    done::said(app, page(app, &view), just)
}

/// `GET /settings/ai-tools`.
pub async fn tokens(State(app): State<SharedApp>, visitor: Visitor, headers: HeaderMap) -> Response {
    match may_look(&app, &visitor) {
        Ok(()) => draw_tokens(&app, &visitor, None, just(&app, &headers), None),
        Err(response) => response,
    }
}

/// `POST /settings/ai-tools`.
pub async fn set_tokens(State(app): State<SharedApp>, drawn: Drawn<TokensForm>) -> Response {
    let (visitor, sent) = (&drawn.visitor, &drawn.form);
    let tried = drawn.tries(&app, ChangeSettings::NAME, None);
    let new = NewSettings { most_token_days: Some(number(&sent.most_token_days)), ..NewSettings::default() };
    let now = |settings: &Settings| format!("A token lives {} days at most.", settings.most_token_days);
    match decide(&app, &tried, Section::Tokens, &sent.seen, Ok(new), now).await {
        Ok(response) => response,
        Err(trouble) => draw_tokens(&app, visitor, Some(sent), None, Some(&trouble)),
    }
}

// ---- what can be given ----

/// `GET /settings/permissions`.
pub async fn permissions(State(app): State<SharedApp>, visitor: Visitor) -> Response {
    if let Err(response) = may_look(&app, &visitor) {
        return response;
    }
    let tried = Try::to_look(&app, &visitor);
    let knows_groups = tried.call.standing.holds(builtin::ACCESS_GROUPS_READ);
    let mut giving = HashMap::new();
    if knows_groups {
        giving = match groups::giving(&app, &tried.call, NAMED).await {
            Ok(giving) => giving,
            Err(error) => return tried.refused(&app, &error),
        };
    }
    let ours = Catalogue::builtin();
    let listed: Vec<_> = app
        .catalogue
        .iter()
        .map(|info| (info, giving.remove(&info.name).unwrap_or_default()))
        .map(|(info, givers)| Listed {
            source: match (builtin::ALL.contains(&info.name.as_str()), ours.contains(&info.name)) {
                (true, _) => "usher",
                (false, true) => "The product",
                (false, false) => "This server",
            },
            groups: givers.names,
            more_groups: givers.more,
            name: info.name.clone(),
            description: info.description.clone(),
            privileged: info.privileged,
        })
        .collect();
    let view = PermissionsPage { frame: &framed(&app, &visitor), top: Top::of(Section::Permissions), permissions: &listed, knows_groups };
    page(&app, &view)
}
