//! The invite link as a credential: whoever holds it is the invited person, for one act.

use crate::{
    authz::{Actor, CredentialKind, Scopes, Surface},
    store::links::Link,
};

/// Characters of a link's token: locator and 256 bits.
pub const TOKEN: usize = 49;

/// Whether a path segment can be a link's token at all.
#[must_use]
pub fn is_well_formed(token: &str) -> bool {
    token.len() == TOKEN && token.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The person who holds the link, acting on a page.
#[must_use]
pub fn actor(link: &Link) -> Actor {
    Actor::person(link.org, link.person, (CredentialKind::InviteLink, link.id.as_uuid()), Scopes { write: true }, Surface::Web, None)
}
