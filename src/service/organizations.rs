//! Organizations: made, suspended and resumed on the host; named, and set as they decide, there and by their Administrators.

use super::{
    About, Call, Done, Writing, parse, same_as_seen,
    tokens::{self, NewToken, Wanted},
};
use crate::{
    app::App,
    authn::credential,
    authz::{
        self, Actor, Standing, SystemTask,
        door::Proved,
        organization::{ChangeSettings, CreateOrganization, HideSteps, RenameOrganization, SuspendOrganization},
    },
    domain::{
        Email, InviteDomains, MOST_ADMINISTRATORS, OrgId, OtherDomains, PersonName, RequestId, SecondFactorFor, Settings, Slug, TOKEN_DAYS,
        Timestamp, Untrusted, UserId,
    },
    error::Error,
    store::{
        Context, Work, door,
        organizations::{self, NewOrganization, Organization},
        people::Who,
    },
};

/// Who an organization begins with, as typed.
#[derive(Clone, Copy, Debug)]
pub struct FirstAdministrator<'a> {
    /// Address.
    pub email: &'a str,
    /// First name.
    pub first: &'a str,
    /// Last name.
    pub last: &'a str,
}

/// Makes an organization with its first Administrator, Active from the start (B14), in one transaction.
pub async fn create(app: &App, name: &str, admin: FirstAdministrator<'_>) -> Result<(Organization, UserId), Error> {
    let made = make(app, name, admin, false, async |_, _, id| Ok(id)).await?;
    made.ok_or_else(|| Error::Internal("an organization was not made".to_owned()))
}

/// The same where there is no organization yet, with a token for that Administrator: all of it in one transaction, so that
/// no first start leaves half of it. `None` where there is an organization.
pub async fn create_first(
    app: &App,
    name: &str,
    admin: FirstAdministrator<'_>,
    label: &str,
) -> Result<Option<(Organization, NewToken)>, Error> {
    let label = parse::line("label", label, 100)?;
    make(app, name, admin, true, async |work, organization, id| {
        let call = Call::on_the_host(app, organization.org);
        let wanted = Wanted { who: Who::Id(id), label, days: None, write: true, proved_at: None };
        tokens::issue(app, work, &call.actor, &Standing::above_roles(), wanted).await
    })
    .await
}

/// Makes an organization and, in the same transaction, what `then` makes in it.
async fn make<T>(
    app: &App,
    name: &str,
    admin: FirstAdministrator<'_>,
    only: bool,
    then: impl AsyncFnOnce(&mut Work, &Organization, UserId) -> Result<T, Error>,
) -> Result<Option<(Organization, T)>, Error> {
    let FirstAdministrator { email, first, last } = admin;
    let name = Untrusted::parse_name("name", name, 100)?;
    let email = Email::parse(email)?;
    let person = PersonName::parse(first, last)?;
    let now = app.clock.now();
    let new = NewOrganization {
        id: OrgId::new(now, &app.random),
        slug: Slug::from_name(name.as_str()),
        name: name.as_str().to_owned(),
        locator: credential::locator(&app.random),
    };
    let context = Context { request_id: RequestId::new(now, &app.random), tool: None, reason: None };
    let begun = organizations::begin(&app.pool, &new, only, context, &app.clock, &app.random).await?;
    let Some((mut work, organization)) = begun else { return Ok(None) };
    let actor = Actor::system(organization.org, SystemTask::Bootstrap);
    let id = UserId::new(now, &app.random);
    let result = async {
        let proof = authz::authorize(&actor, &Standing::above_roles(), CreateOrganization { id, email, name: person })?;
        organizations::found(&mut work, proof, name.as_str()).await?;
        then(&mut work, &organization, id).await
    }
    .await;
    match result {
        Ok(made) => {
            work.commit().await?;
            Ok(Some((organization, made)))
        }
        Err(error) => {
            work.rollback().await?;
            Err(error)
        }
    }
}

/// Gives an organization another name; `false` where it had it before. `seen` is the name as whoever renames it saw it.
///
/// # Errors
/// A name that does not read, and [`Error::Conflict`] where somebody else gave another one since.
pub async fn rename(app: &App, call: &Call, name: &str, seen: Option<&str>) -> Result<bool, Error> {
    authz::needs::<RenameOrganization>(&call.actor, &call.standing, false)?;
    let name = Untrusted::parse_name("name", name, 100)?;
    let mut writing = Writing::begin::<RenameOrganization>(app, call, false).await?;
    let result = async {
        let repeat = writing.repeats().await?.is_some();
        let (before, _) = organizations::now(&mut writing.work).await?;
        if repeat {
            same_as_seen(Some(name.as_str()), &before.as_str())?;
            return Ok(Done { value: true, changed: false, about: About::default() });
        }
        let changed = name.as_str() != before;
        let proof = authz::authorize(&call.actor, &writing.standing, RenameOrganization { before: before.clone(), name })?;
        if changed {
            same_as_seen(seen, &before.as_str())?;
            organizations::rename(&mut writing.work, proof).await?;
        }
        Ok(Done { value: changed, changed, about: About::default() })
    }
    .await;
    writing.finish(result).await
}

/// Suspends or resumes an organization, on the host; `false` where it was so before.
pub async fn suspend(app: &App, call: &Call, suspend: bool) -> Result<bool, Error> {
    let mut writing = Writing::begin::<SuspendOrganization>(app, call, false).await?;
    let result = async {
        let changed = organizations::now(&mut writing.work).await?.1 != suspend;
        let proof = authz::authorize(&call.actor, &writing.standing, SuspendOrganization { suspend })?;
        if changed {
            organizations::suspend(&mut writing.work, proof).await?;
        }
        Ok(Done { value: changed, changed, about: About::default() })
    }
    .await;
    writing.finish(result).await
}

/// New settings; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewSettings {
    /// Which email domains are invited; an empty list names none, and opens all.
    pub invite_domains: Option<InviteDomains>,
    /// What becomes of an invite to another one.
    pub other_domains: Option<OtherDomains>,
    /// Who must show a second factor.
    pub second_factor: Option<SecondFactorFor>,
    /// Whether a mailed link signs in.
    pub magic_links: Option<bool>,
    /// How many Administrators there may be, or any number.
    pub most_administrators: Option<Option<u32>>,
    /// Most days that a personal token lives.
    pub most_token_days: Option<u32>,
}

impl NewSettings {
    /// What holds once these do.
    ///
    /// # Errors
    /// A number out of its bounds; refusing other domains where none is named.
    fn over(&self, before: &Settings) -> Result<Settings, Error> {
        let after = Settings {
            invite_domains: self.invite_domains.clone().unwrap_or_else(|| before.invite_domains.clone()),
            other_domains: self.other_domains.unwrap_or(before.other_domains),
            second_factor: self.second_factor.unwrap_or(before.second_factor),
            magic_links: self.magic_links.unwrap_or(before.magic_links),
            most_administrators: self.most_administrators.unwrap_or(before.most_administrators),
            most_token_days: self.most_token_days.unwrap_or(before.most_token_days),
            ..before.clone()
        };
        // Without a named domain there is no other one, and it would be no answer to say that those are refused.
        if self.other_domains == Some(OtherDomains::Refuse) && after.invite_domains.is_empty() {
            return Err(super::invalid(
                "other_domains",
                "No domain is named yet, so there is no other one to refuse.",
                "Name those that are invited beside it, such as example.com, *.example.org.",
            ));
        }
        if self.most_administrators.flatten().is_some_and(|most| !MOST_ADMINISTRATORS.contains(&most)) {
            return Err(super::invalid(
                "most_administrators",
                "An organization has 1 to 1000 Administrators at most.",
                "Give a number from 1 to 1000, or none for any number; two or three are usually enough.",
            ));
        }
        if self.most_token_days.is_some_and(|days| !TOKEN_DAYS.contains(&days)) {
            return Err(super::invalid("most_token_days", "A personal token lives 1 to 365 days.", "Give a number of days from 1 to 365."));
        }
        Ok(after)
    }

    /// The same settings as they are there.
    fn as_in(&self, settings: &Settings) -> Self {
        Self {
            invite_domains: self.invite_domains.as_ref().map(|_| settings.invite_domains.clone()),
            other_domains: self.other_domains.map(|_| settings.other_domains),
            second_factor: self.second_factor.map(|_| settings.second_factor),
            magic_links: self.magic_links.map(|_| settings.magic_links),
            most_administrators: self.most_administrators.map(|_| settings.most_administrators),
            most_token_days: self.most_token_days.map(|_| settings.most_token_days),
        }
    }
}

/// Changes an organization's settings; `false` where they were so already. `seen` are the settings that whoever decides saw: of
/// those that change, none may be another one by now. `proved_at` is when they were last proved; the host proves nobody.
///
/// # Errors
/// [`authz::Reason::NotProvedAnew`] where that is longer than ten minutes ago; [`Error::Conflict`] where somebody else decided since.
pub async fn set(app: &App, call: &Call, new: &NewSettings, seen: Option<&Settings>, proved_at: Option<Timestamp>) -> Result<bool, Error> {
    let mut writing = Writing::begin::<ChangeSettings>(app, call, false).await?;
    let result = async {
        let repeat = writing.repeats().await?.is_some();
        let before = door::settings(&mut writing.work).await?;
        let after = new.over(&before)?;
        if repeat {
            same_as_seen(Some(&after), &&before)?;
            return Ok(Done { value: true, changed: false, about: About::default() });
        }
        let changed = before != after;
        let proved = Proved { at: proved_at, now: writing.work.now() };
        let proof = authz::authorize(&call.actor, &writing.standing, ChangeSettings { before: before.clone(), after, proved })?;
        if changed {
            same_as_seen(seen.map(|seen| new.as_in(seen)), &new.as_in(&before))?;
            organizations::set(&mut writing.work, proof).await?;
        }
        Ok(Done { value: changed, changed, about: About::default() })
    }
    .await;
    writing.finish(result).await
}

/// Puts the list of first steps away, for all Administrators; `false` where it was so before.
pub async fn hide_steps(app: &App, call: &Call) -> Result<bool, Error> {
    let mut writing = Writing::begin::<HideSteps>(app, call, false).await?;
    let result = async {
        let before = door::settings(&mut writing.work).await?;
        let changed = !before.steps_hidden;
        let settings = Settings { steps_hidden: true, ..before };
        let proof = authz::authorize(&call.actor, &writing.standing, HideSteps { settings })?;
        if changed {
            organizations::hide_steps(&mut writing.work, proof).await?;
        }
        Ok(Done { value: changed, changed, about: super::About::default() })
    }
    .await;
    writing.finish(result).await
}
