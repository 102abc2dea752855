//! From rows to the contract's objects.

use crate::{
    authz::{Scopes, action::GroupFacts},
    domain::{Status, Timestamp},
    store::{credentials::Token, people::Person},
};
use usher_tools as contract;

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(Timestamp::to_rfc3339)
}

/// The contract's `user` object as of `now`.
#[must_use]
pub fn user(person: Person, now: Timestamp) -> contract::User {
    let pending = match person.status {
        Status::Pending => true,
        Status::Active | Status::Deactivated => false,
    };
    contract::User {
        id: person.id.to_string(),
        email: person.email,
        first_name: person.first_name,
        last_name: person.last_name,
        role: person.role.into(),
        status: person.status.into(),
        slack_id: person.slack_id,
        access_groups: person.groups.into_iter().map(|(id, name)| contract::GroupRef { id: id.to_string(), name }).collect(),
        created_at: person.created_at.to_rfc3339(),
        invite_sent_at: time(person.invite_sent_at),
        invite_expires_at: time(person.invite_expires_at),
        invite_expired: pending && person.invite_expires_at.is_some_and(|end| end < now),
        activated_at: time(person.activated_at),
        deactivated_at: time(person.deactivated_at),
        last_seen_at: time(person.last_seen_at),
        delivery: person
            .delivery
            .and_then(|(state, error)| contract::DeliveryState::parse(&state).map(|state| contract::Delivery { state, error })),
        version: person.version,
    }
}

/// The contract's `access_group` object.
#[must_use]
pub fn access_group(group: &GroupFacts) -> contract::AccessGroup {
    contract::AccessGroup {
        id: group.id.to_string(),
        name: group.name.clone(),
        description: Some(group.description.clone()).filter(|text| !text.is_empty()),
        permissions: group.permissions.iter().map(|permission| permission.as_str().to_owned()).collect(),
        member_count: u64::try_from(group.members).unwrap_or_default(),
        version: group.version,
    }
}

/// The contract's `credential` object; whose address it is for those who may see it.
#[must_use]
pub fn credential(token: Token, shows_email: bool) -> contract::Credential {
    contract::Credential {
        id: token.id.to_string(),
        kind: contract::CredentialKind::Token,
        label: Some(token.label).filter(|label| !label.is_empty()),
        client: token.client.map(|name| contract::ClientRef { name: Some(name), verified: false }),
        scopes: scopes(token.scopes),
        user_id: token.user.to_string(),
        email: Some(token.email).filter(|_| shows_email),
        created_at: token.created_at.to_rfc3339(),
        expires_at: token.expires_at.to_rfc3339(),
        last_used_at: time(token.last_used_at),
        ended_at: time(token.revoked_at),
    }
}

/// The contract's scopes.
#[must_use]
pub fn scopes(scopes: Scopes) -> Vec<String> {
    scopes.as_str().split(' ').map(str::to_owned).collect()
}
