//! Organizations, made and changed on the host.

use super::{
    Call, Done, Writing, parse,
    tokens::{self, NewToken, Wanted},
};
use crate::{
    app::App,
    authn::credential,
    authz::{
        self, Actor, Standing, SystemTask,
        organization::{ChangeOrganization, ChangeSettings, CreateOrganization},
    },
    domain::{Email, InviteDomains, OrgId, OtherDomains, PersonName, RequestId, SecondFactorFor, Slug, Untrusted, UserId},
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
        let wanted = Wanted { who: Who::Id(id), label, days: tokens::DEFAULT_DAYS, write: true };
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

/// Renames, suspends or resumes an organization; `false` where it was so before.
pub async fn change(app: &App, call: &Call, rename: Option<&str>, suspend: Option<bool>) -> Result<bool, Error> {
    let rename = rename.map(|name| Untrusted::parse_name("name", name, 100)).transpose()?;
    let mut writing = Writing::begin::<ChangeOrganization>(app, call, false).await?;
    let result = async {
        let (name, suspended) = organizations::now(&mut writing.work).await?;
        let rename = rename.filter(|new| new.as_str() != name);
        let suspend = suspend.filter(|suspend| *suspend != suspended);
        let changed = rename.is_some() || suspend.is_some();
        let proof = authz::authorize(&call.actor, &writing.standing, ChangeOrganization { name, rename, suspend })?;
        if changed {
            organizations::change(&mut writing.work, proof).await?;
        }
        Ok(Done { value: changed, changed, about: super::About::default() })
    }
    .await;
    writing.finish(result).await
}

/// New settings; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct NewSettings {
    /// Which email domains are invited; an empty list names none, and opens all.
    pub invite_domains: Option<InviteDomains>,
    /// What becomes of an invite to another one.
    pub other_domains: Option<OtherDomains>,
    /// Who must show a second factor.
    pub second_factor: Option<SecondFactorFor>,
    /// Whether a mailed link signs in.
    pub magic_links: Option<bool>,
}

/// Changes an organization's settings; `false` where they were so already.
///
/// Without a named domain there is no other one, and it would be no answer to say that those are refused.
pub async fn set(app: &App, call: &Call, new: &NewSettings) -> Result<bool, Error> {
    let mut writing = Writing::begin::<ChangeSettings>(app, call, false).await?;
    let result = async {
        let before = door::settings(&mut writing.work).await?;
        let mut after = before.clone();
        if let Some(domains) = &new.invite_domains {
            after.invite_domains.clone_from(domains);
        }
        if let Some(other) = new.other_domains {
            after.other_domains = other;
        }
        if let Some(who) = new.second_factor {
            after.second_factor = who;
        }
        if let Some(on) = new.magic_links {
            after.magic_links = on;
        }
        if new.other_domains == Some(OtherDomains::Refuse) && after.invite_domains.is_empty() {
            return Err(super::invalid(
                "other_domains",
                "No domain is named yet, so there is no other one to refuse.",
                "Name those that are invited beside it: --invite-domains example.com,*.example.org.",
            ));
        }
        let changed = before != after;
        let proof = authz::authorize(&call.actor, &writing.standing, ChangeSettings { before, after })?;
        if changed {
            organizations::set(&mut writing.work, proof).await?;
        }
        Ok(Done { value: changed, changed, about: super::About::default() })
    }
    .await;
    writing.finish(result).await
}
