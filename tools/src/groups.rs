//! Access groups: named sets of permissions, and who is in them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Effect, Needs, Tool, User, bounds};

/// An access group by its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupRef {
    /// The access group's id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// An access group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccessGroup {
    /// The access group's id.
    pub id: String,
    /// Its name, unique in the organization.
    pub name: String,
    /// What it is for, where somebody said so.
    pub description: Option<String>,
    /// The permissions it gives.
    pub permissions: Vec<String>,
    /// How many people are in it.
    pub member_count: u64,
    /// Counts changes of name, description and permissions, not of who is in it: give it as `if_version` to change only what you have seen.
    pub version: i64,
}

/// `list_access_groups`: the access groups, page by page.
#[derive(Debug, Clone, Copy)]
pub struct ListAccessGroups;

impl Tool for ListAccessGroups {
    const NAME: &'static str = "list_access_groups";
    const TITLE: &'static str = "List access groups";
    const DESCRIPTION: &'static str = "Lists access groups with their permissions and number of members, or shows the one that is named, page by page: pass next_cursor as cursor until it is null. Needs access_groups:read. Answers access_groups, total and next_cursor. For a group's members use list_users with access_group.";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Needs = Needs::Permission("access_groups:read");
    type Params = ListAccessGroupsParams;
    type Output = ListAccessGroupsOutput;
}

/// Arguments of [`ListAccessGroups`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListAccessGroupsParams {
    /// Part of a name; case and accents do not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::QUERY))]
    pub query: Option<String>,
    /// Only this access group: its id or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::ACCESS_GROUP))]
    pub access_group: Option<String>,
    /// Access groups on a page, 1 to 100; 25 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = bounds::PAGE), extend("default" = bounds::DEFAULT_PAGE))]
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before, unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::CURSOR))]
    pub cursor: Option<String>,
}

/// Result of [`ListAccessGroups`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListAccessGroupsOutput {
    /// The access groups on this page.
    pub access_groups: Vec<AccessGroup>,
    /// How many match altogether.
    pub total: u64,
    /// Gives the next page; null on the last one.
    pub next_cursor: Option<String>,
}

/// `create_access_group`: a new access group.
#[derive(Debug, Clone, Copy)]
pub struct CreateAccessGroup;

impl Tool for CreateAccessGroup {
    const NAME: &'static str = "create_access_group";
    const TITLE: &'static str = "Create access group";
    const DESCRIPTION: &'static str = "Makes an access group with a name and permissions; list_permissions names those. Needs access_groups:create and every permission it is to give. A name that another group has, or one that only looks different, is refused with name_taken. Answers access_group. Put people in with add_to_access_group.";
    const EFFECT: Effect = Effect::Write { destructive: false, idempotent: false, open_world: false };
    const NEEDS: Needs = Needs::Permission("access_groups:create");
    type Params = CreateAccessGroupParams;
    type Output = CreateAccessGroupOutput;
}

write_params! {
    /// Arguments of [`CreateAccessGroup`].
    pub struct CreateAccessGroupParams {
        /// The name, unique in the organization.
        #[schemars(length(min = 1, max = bounds::ACCESS_GROUP))]
        pub name: String,
        /// What the group is for.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(length(max = bounds::DESCRIPTION))]
        pub description: Option<String>,
        /// Permissions to give, such as `users:read`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = bounds::PERMISSIONS), inner(length(min = 1, max = bounds::PERMISSION)))]
        pub permissions: Vec<String>,
    }
}

/// Result of [`CreateAccessGroup`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreateAccessGroupOutput {
    /// The new access group.
    pub access_group: AccessGroup,
    /// Whether this call changed anything.
    pub changed: bool,
    /// Nothing was kept: this is what would be.
    #[serde(default, skip_serializing_if = "crate::is_false")]
    pub dry_run: bool,
}

/// `update_access_group`: name, description and permissions.
#[derive(Debug, Clone, Copy)]
pub struct UpdateAccessGroup;

impl Tool for UpdateAccessGroup {
    const NAME: &'static str = "update_access_group";
    const TITLE: &'static str = "Update access group";
    const DESCRIPTION: &'static str = "Changes an access group's name, description or permissions; what is left out stays. Holds for all its members from their next call on. Needs access_groups:update and every permission that is added; taking permissions away needs no more. Answers access_group. For members use add_to_access_group and remove_from_access_group.";
    const EFFECT: Effect = Effect::Write { destructive: true, idempotent: false, open_world: false };
    const NEEDS: Needs = Needs::Permission("access_groups:update");
    type Params = UpdateAccessGroupParams;
    type Output = UpdateAccessGroupOutput;
}

write_params! {
    /// Arguments of [`UpdateAccessGroup`].
    pub struct UpdateAccessGroupParams {
        /// The access group: its id or name.
        #[schemars(length(min = 1, max = bounds::ACCESS_GROUP))]
        pub access_group: String,
        /// The new name.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(length(max = bounds::ACCESS_GROUP))]
        pub name: Option<String>,
        /// The new description; the word none takes it away.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(length(max = bounds::DESCRIPTION))]
        pub description: Option<String>,
        /// Permissions to add, such as `users:read`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = bounds::PERMISSIONS), inner(length(min = 1, max = bounds::PERMISSION)))]
        pub add_permissions: Vec<String>,
        /// Permissions to take away.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = bounds::PERMISSIONS), inner(length(min = 1, max = bounds::PERMISSION)))]
        pub remove_permissions: Vec<String>,
        /// Change only if the group's version is still this one; otherwise conflict.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 0))]
        pub if_version: Option<i64>,
    }
}

/// Result of [`UpdateAccessGroup`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpdateAccessGroupOutput {
    /// The access group as it is now.
    pub access_group: AccessGroup,
    /// Whether this call changed anything.
    pub changed: bool,
    /// Nothing was kept: this is what would be.
    #[serde(default, skip_serializing_if = "crate::is_false")]
    pub dry_run: bool,
}

/// `delete_access_group`: takes an access group and its permissions away.
#[derive(Debug, Clone, Copy)]
pub struct DeleteAccessGroup;

impl Tool for DeleteAccessGroup {
    const NAME: &'static str = "delete_access_group";
    const TITLE: &'static str = "Delete access group";
    const DESCRIPTION: &'static str = "Deletes an access group: its members lose what it gave from their next call on, their accounts stay. Cannot be undone. Needs access_groups:delete. Answers access_group as it was and members_affected; with dry_run it tells how many would be affected before anything happens. To take only some people out use remove_from_access_group.";
    const EFFECT: Effect = Effect::Write { destructive: true, idempotent: false, open_world: false };
    const NEEDS: Needs = Needs::Permission("access_groups:delete");
    type Params = DeleteAccessGroupParams;
    type Output = DeleteAccessGroupOutput;
}

write_params! {
    /// Arguments of [`DeleteAccessGroup`].
    pub struct DeleteAccessGroupParams {
        /// The one access group to delete: its id or name.
        #[schemars(length(min = 1, max = bounds::ACCESS_GROUP))]
        pub access_group: String,
    }
}

/// Result of [`DeleteAccessGroup`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeleteAccessGroupOutput {
    /// The access group as it was.
    pub access_group: AccessGroup,
    /// How many people were in it.
    pub members_affected: u64,
    /// Whether this call changed anything.
    pub changed: bool,
    /// Nothing was kept: this is what would be.
    #[serde(default, skip_serializing_if = "crate::is_false")]
    pub dry_run: bool,
}

/// `add_to_access_group`: puts people into access groups.
#[derive(Debug, Clone, Copy)]
pub struct AddToAccessGroup;

impl Tool for AddToAccessGroup {
    const NAME: &'static str = "add_to_access_group";
    const TITLE: &'static str = "Add to access group";
    const DESCRIPTION: &'static str = "Puts every named person into every named access group, all or nothing; who is in already stays in. Needs access_groups:assign and everything the groups and the people then hold. Holds from the next call of those people on. Answers users and access_groups.";
    const EFFECT: Effect = Effect::Write { destructive: false, idempotent: true, open_world: false };
    const NEEDS: Needs = Needs::Permission("access_groups:assign");
    type Params = AddToAccessGroupParams;
    type Output = AddToAccessGroupOutput;
}

write_params! {
    /// Arguments of [`AddToAccessGroup`].
    pub struct AddToAccessGroupParams {
        /// The people, 1 to 100: ids or emails.
        #[schemars(length(min = 1, max = bounds::MANY), inner(length(min = 1, max = bounds::USER)))]
        pub users: Vec<String>,
        /// The access groups, 1 to 100: ids or names.
        #[schemars(length(min = 1, max = bounds::MANY), inner(length(min = 1, max = bounds::ACCESS_GROUP)))]
        pub access_groups: Vec<String>,
    }
}

/// Result of [`AddToAccessGroup`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddToAccessGroupOutput {
    /// The people as they are now.
    pub users: Vec<User>,
    /// The access groups as they are now.
    pub access_groups: Vec<AccessGroup>,
    /// Whether this call changed anything.
    pub changed: bool,
    /// Nothing was kept: this is what would be.
    #[serde(default, skip_serializing_if = "crate::is_false")]
    pub dry_run: bool,
}

/// `remove_from_access_group`: takes people out of access groups.
#[derive(Debug, Clone, Copy)]
pub struct RemoveFromAccessGroup;

impl Tool for RemoveFromAccessGroup {
    const NAME: &'static str = "remove_from_access_group";
    const TITLE: &'static str = "Remove from access group";
    const DESCRIPTION: &'static str = "Takes every named person out of every named access group, all or nothing; who is not in one is left as they are. Needs access_groups:assign. Holds from the next call of those people on. Answers users and access_groups. To end all access of somebody use deactivate_user.";
    const EFFECT: Effect = Effect::Write { destructive: true, idempotent: true, open_world: false };
    const NEEDS: Needs = Needs::Permission("access_groups:assign");
    type Params = RemoveFromAccessGroupParams;
    type Output = RemoveFromAccessGroupOutput;
}

write_params! {
    /// Arguments of [`RemoveFromAccessGroup`].
    pub struct RemoveFromAccessGroupParams {
        /// The people, 1 to 100: ids or emails.
        #[schemars(length(min = 1, max = bounds::MANY), inner(length(min = 1, max = bounds::USER)))]
        pub users: Vec<String>,
        /// The access groups, 1 to 100: ids or names.
        #[schemars(length(min = 1, max = bounds::MANY), inner(length(min = 1, max = bounds::ACCESS_GROUP)))]
        pub access_groups: Vec<String>,
    }
}

/// Result of [`RemoveFromAccessGroup`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RemoveFromAccessGroupOutput {
    /// The people as they are now.
    pub users: Vec<User>,
    /// The access groups as they are now.
    pub access_groups: Vec<AccessGroup>,
    /// Whether this call changed anything.
    pub changed: bool,
    /// Nothing was kept: this is what would be.
    #[serde(default, skip_serializing_if = "crate::is_false")]
    pub dry_run: bool,
}
