//! Who am I, is somebody a member, which permissions are there.

use super::{
    Call, parse,
    people::{named_unless_self, seen},
    view,
};
use crate::{
    app::App,
    authn::credential::Caller,
    authz::{self, Reason, Visible},
    domain::{Role, Status},
    error::Error,
    store::people::{self, Who},
};
use usher_tools as contract;

/// Tells the caller who they are and what they may do now.
pub async fn whoami(app: &App, caller: &Caller, call: &Call) -> Result<contract::WhoAmIOutput, Error> {
    let me = call.actor.user().ok_or(Error::Unauthenticated)?;
    let person = people::find(&app.pool, call.actor.org(), &Who::Id(me.id), Visible::Only(me)).await?.ok_or(Error::Unauthenticated)?;
    let permissions = match call.standing.role {
        Role::Administrator => app.catalogue.iter().map(|permission| permission.name.clone()).collect(),
        Role::User => call.standing.permissions.to_names(),
    };
    let organization = contract::OrganizationRef { slug: caller.alive.slug.clone(), name: caller.alive.organization.clone() };
    Ok(contract::WhoAmIOutput {
        user: view::user(person, app.clock.now()),
        organization: organization.clone(),
        permissions,
        credential: contract::CredentialInfo {
            kind: "token".to_owned(),
            label: Some(caller.alive.label.clone()),
            scopes: view::scopes(caller.alive.scopes),
            expires_at: Some(caller.alive.expires_at.to_rfc3339()),
            client: call.actor.client.clone().map(|name| contract::ClientRef { name: Some(name), verified: false }),
        },
        organizations: vec![organization],
    })
}

/// Whether somebody is a member, in what state, and whether they hold a permission.
pub async fn check_membership(
    app: &App,
    call: &Call,
    params: &contract::CheckMembershipParams,
) -> Result<contract::CheckMembershipOutput, Error> {
    let who = named_unless_self(authz::visible(&call.actor, &call.standing, false).map(drop), &params.user)?;
    let found = seen(app, call, &who).await?;
    let permission = params.permission.as_deref().map(|name| parse::permission(app, "permission", name)).transpose()?;
    let Some(person) = found else {
        return Ok(contract::CheckMembershipOutput {
            member: false,
            status: contract::MembershipStatus::None,
            role: None,
            user_id: None,
            allowed: permission.map(|_| false),
        });
    };
    let member = match person.status {
        Status::Active => true,
        Status::Pending | Status::Deactivated => false,
    };
    let allowed = match permission {
        None => None,
        Some(permission) => Some(
            member
                && match person.role {
                    Role::Administrator => true,
                    Role::User => people::permissions_of(&app.pool, person.key).await?.contains(permission.as_str()),
                },
        ),
    };
    Ok(contract::CheckMembershipOutput {
        member,
        status: person.status.into(),
        role: Some(person.role.into()),
        user_id: Some(person.id.to_string()),
        allowed,
    })
}

/// Lists the permissions there are, of one resource or all.
pub fn list_permissions(app: &App, params: &contract::ListPermissionsParams) -> Result<contract::ListPermissionsOutput, Error> {
    let resource = params.resource.as_deref().map(str::trim);
    let permissions: Vec<contract::PermissionInfo> = app
        .catalogue
        .iter()
        .filter(|permission| resource.is_none_or(|resource| permission.name.split(':').next() == Some(resource)))
        .map(Into::into)
        .collect();
    if permissions.is_empty() {
        return Err(super::invalid("resource", "There is no such resource.", "Leave it out to list all permissions."));
    }
    Ok(contract::ListPermissionsOutput { permissions })
}

/// The reason that a permission is missing.
pub(crate) fn lacks(permission: &'static str) -> Error {
    Reason::Permission(permission).into()
}
