//! Organizations, made and changed on the host.

use super::{Call, Done, Writing};
use crate::{
    app::App,
    authn::credential,
    authz::{
        self, Actor, Standing, SystemTask,
        action::{ChangeOrganization, ChangeSettings, CreateOrganization},
    },
    domain::{Email, InviteDomains, OrgId, OtherDomains, PersonName, RequestId, Slug, Untrusted, UserId},
    error::Error,
    store::{
        Context, door,
        organizations::{self, NewOrganization, Organization},
    },
};

/// Makes an organization with its first Administrator, Active from the start (B14), in one transaction.
pub async fn create(app: &App, name: &str, email: &str, first: &str, last: &str) -> Result<(Organization, UserId), Error> {
    let name = Untrusted::parse_name("name", name, 100)?;
    let email = Email::parse(email)?;
    let person = PersonName::parse(first, last)?;
    let now = app.clock.now();
    let new = NewOrganization {
        id: OrgId::new(now, &app.random),
        slug: Slug::from_name(name.as_str()).to_string(),
        name: name.as_str().to_owned(),
        locator: credential::locator(&app.random),
    };
    let context = Context { request_id: RequestId::new(now, &app.random), tool: None, reason: None };
    let (mut work, organization) = organizations::begin(&app.pool, &new, context, &app.clock, &app.random).await?;
    let actor = Actor::system(organization.org, SystemTask::Bootstrap);
    let id = UserId::new(now, &app.random);
    let result: Result<(), Error> = async {
        let proof = authz::authorize(&actor, &Standing::above_roles(), CreateOrganization { id, email, name: person })?;
        organizations::found(&mut work, proof, name.as_str()).await?;
        Ok(())
    }
    .await;
    match result {
        Ok(()) => {
            work.commit().await?;
            Ok((organization, id))
        }
        Err(error) => {
            work.rollback().await?;
            Err(error)
        }
    }
}

/// Renames, suspends or resumes an organization.
pub async fn change(app: &App, call: &Call, now_called: &str, rename: Option<&str>, suspend: Option<bool>) -> Result<(), Error> {
    let rename = rename.map(|name| Untrusted::parse_name("name", name, 100)).transpose()?;
    let mut writing = Writing::begin::<ChangeOrganization>(app, call, false).await?;
    let result = async {
        let action = ChangeOrganization { name: now_called.to_owned(), rename, suspend };
        let proof = authz::authorize(&call.actor, &writing.standing, action)?;
        organizations::change(&mut writing.work, proof).await?;
        Ok(Done { value: (), changed: true, about: super::About::default() })
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
}

/// Changes an organization's settings; `false` where they were so already.
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
