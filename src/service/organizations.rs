//! Organizations, made and changed on the host.

use super::{Call, Done, Writing};
use crate::{
    app::App,
    authn::credential,
    authz::{
        self, Actor, Standing, SystemTask,
        action::{ChangeOrganization, CreateOrganization},
    },
    domain::{Email, OrgId, PersonName, RequestId, Slug, Untrusted, UserId},
    error::Error,
    store::{
        Context,
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
