//! Giving has a ceiling, taking away has none.
//!
//! Whoever invites with groups, assigns, grants to a group, reactivates or resends must hold everything
//! that the target then holds; else they could pass on, or get back through a friend, what nobody gave them.

use super::Standing;
use crate::domain::PermissionSet;

/// What of `held_then` the giver does not hold, sorted; empty where the gift is within their ceiling.
#[must_use]
pub fn missing(giver: &Standing, held_then: &PermissionSet) -> Vec<String> {
    if giver.is_administrator() { Vec::new() } else { giver.permissions.missing(held_then) }
}
