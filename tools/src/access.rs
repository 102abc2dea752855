//! What may be given: the permissions that access groups hold.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Effect, Needs, Tool, bounds};

/// A permission of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PermissionInfo {
    /// The name, `resource:action`.
    pub name: String,
    /// What it lets a person do.
    pub description: String,
    /// true: it gives power over people, access, audit or settings.
    pub privileged: bool,
}

/// `list_permissions`: the catalogue of permissions.
#[derive(Debug, Clone, Copy)]
pub struct ListPermissions;

impl Tool for ListPermissions {
    const NAME: &'static str = "list_permissions";
    const TITLE: &'static str = "List permissions";
    const DESCRIPTION: &'static str = "Lists every permission that an access group can hold, with what it lets a person do. Needs nothing. Answers permissions. Use it before create_access_group or update_access_group; what you hold yourself is in whoami, and what a group holds in list_access_groups.";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Needs = Needs::Nothing;
    type Params = ListPermissionsParams;
    type Output = ListPermissionsOutput;
}

/// Arguments of [`ListPermissions`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListPermissionsParams {
    /// Only permissions on this resource: the part before the colon, such as users.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::PERMISSION))]
    pub resource: Option<String>,
}

/// Result of [`ListPermissions`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListPermissionsOutput {
    /// The permissions, in a fixed order.
    pub permissions: Vec<PermissionInfo>,
}
