//! The roster: who I am, who is here, inviting, editing and deactivating.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Effect, GroupRef, Needs, Tool, bounds};

words! {
    /// A person's role (B02).
    pub enum Role {
        /// Full access to everything in the organization, whatever the access groups say (B03).
        Administrator = "Administrator",
        /// No access beyond what their access groups give (B04).
        User = "User",
    }
}

words! {
    /// Where a person stands (B14).
    pub enum Status {
        /// Invited, not yet accepted.
        Pending = "pending",
        /// Signed in at least once.
        Active = "active",
        /// Without access until reactivated (B20).
        Deactivated = "deactivated",
    }
}

words! {
    /// Where somebody stands towards the organization: a status, or nothing at all.
    pub enum MembershipStatus {
        /// Invited, not yet accepted.
        Pending = "pending",
        /// Signed in at least once.
        Active = "active",
        /// Without access until reactivated.
        Deactivated = "deactivated",
        /// No account in this organization.
        None = "none",
    }
}

impl From<Status> for MembershipStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Pending => Self::Pending,
            Status::Active => Self::Active,
            Status::Deactivated => Self::Deactivated,
        }
    }
}

words! {
    /// What became of a person's latest mail.
    pub enum DeliveryState {
        /// Waits for its turn or its next try.
        Queued = "queued",
        /// Taken by the mail server.
        Sent = "sent",
        /// Given up.
        Failed = "failed",
        /// Written into the mail folder.
        Folder = "folder",
        /// Its link was replaced or withdrawn before it was sent.
        Superseded = "superseded",
    }
}

words! {
    /// Which way a mail that was just ordered will go.
    pub enum DeliveryRoute {
        /// Over SMTP, in its turn.
        Queued = "queued",
        /// Into the mail folder on this host.
        Folder = "folder",
    }
}

impl From<DeliveryRoute> for DeliveryState {
    fn from(route: DeliveryRoute) -> Self {
        match route {
            DeliveryRoute::Queued => Self::Queued,
            DeliveryRoute::Folder => Self::Folder,
        }
    }
}

/// What became of a person's latest mail, and why its latest try failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// What became of the mail.
    pub state: DeliveryState,
    /// Why the latest try failed, as a code; null where none did. A queued mail is tried again by itself.
    pub error: Option<String>,
}

/// A person on the roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    /// The person's id.
    pub id: String,
    /// The email address as it was typed; never edited.
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// The role.
    pub role: Role,
    /// The status.
    pub status: Status,
    /// The Slack ID, where known.
    pub slack_id: Option<String>,
    /// The access groups the person is in.
    pub access_groups: Vec<GroupRef>,
    /// When the first invite was sent; never moves.
    pub created_at: String,
    /// When the latest invite was sent.
    pub invite_sent_at: Option<String>,
    /// When the latest invite's link ends: 7 days after it was sent.
    pub invite_expires_at: Option<String>,
    /// The person is pending and the link has ended: send a new one with `resend_invite`.
    pub invite_expired: bool,
    /// When the person first signed in.
    pub activated_at: Option<String>,
    /// When the person was deactivated.
    pub deactivated_at: Option<String>,
    /// When the person was last seen, to the minute.
    pub last_seen_at: Option<String>,
    /// What became of the latest mail; null without one.
    pub delivery: Option<Delivery>,
    /// Counts changes of the person and of which access groups they are in, not of those groups themselves: give it as `if_version` to change only what you have seen.
    pub version: i64,
}

impl User {
    /// First and last name.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}

/// An organization by its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrganizationRef {
    /// The fixed short name, as in the MCP URL.
    pub slug: String,
    /// The name that people read.
    pub name: String,
}

/// A program that calls on a person's behalf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientRef {
    /// The client's name; null when erased.
    pub name: Option<String>,
    /// false: the name is only what the program says of itself.
    pub verified: bool,
}

/// The credential of the present call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CredentialInfo {
    /// What kind of credential it is.
    pub kind: String,
    /// The label its owner gave it.
    pub label: Option<String>,
    /// Its scopes: read, or read and write.
    pub scopes: Vec<String>,
    /// When it ends; null where it does not.
    pub expires_at: Option<String>,
    /// The program that uses it, where known.
    pub client: Option<ClientRef>,
}

/// What a deactivation ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ended {
    /// Web sessions.
    pub sessions: u64,
    /// MCP tokens.
    pub mcp_tokens: u64,
    /// Grants to AI hosts.
    pub oauth_grants: u64,
    /// Links in mails.
    pub links: u64,
}

/// `whoami`: the caller, the organization and the credential.
#[derive(Debug, Clone, Copy)]
pub struct WhoAmI;

impl Tool for WhoAmI {
    const NAME: &'static str = "whoami";
    const TITLE: &'static str = "Who am I";
    const DESCRIPTION: &'static str = "Says as whom you act: the person, the organization, the permissions held now, the credential of this call, and the organizations that it opens. Needs nothing. Call it first when it is unclear what you may do; for one permission of somebody else use check_membership.";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Needs = Needs::Nothing;
    type Params = WhoAmIParams;
    type Output = WhoAmIOutput;
}

/// Arguments of [`WhoAmI`]: none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhoAmIParams {}

/// Result of [`WhoAmI`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WhoAmIOutput {
    /// The person on whose behalf this call ran.
    pub user: User,
    /// The organization this credential belongs to.
    pub organization: OrganizationRef,
    /// Every permission the person holds now.
    pub permissions: Vec<String>,
    /// The credential of this call.
    pub credential: CredentialInfo,
    /// Every organization that this credential opens; a personal token opens one.
    pub organizations: Vec<OrganizationRef>,
}

/// `list_users`: the roster, searched and filtered, page by page.
#[derive(Debug, Clone, Copy)]
pub struct ListUsers;

impl Tool for ListUsers {
    const NAME: &'static str = "list_users";
    const TITLE: &'static str = "List users";
    const DESCRIPTION: &'static str = "Lists the people of the organization, with search and filters that all must hold, page by page: pass next_cursor as cursor, with the same filters, until it is null. Needs users:read. Answers users, total, total_is_exact and next_cursor. For one known person use get_user; to ask only whether somebody is a member use check_membership.";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Needs = Needs::Permission("users:read");
    type Params = ListUsersParams;
    type Output = ListUsersOutput;
}

/// Arguments of [`ListUsers`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListUsersParams {
    /// Part of a name, an email or a Slack ID; case and accents do not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::QUERY))]
    pub query: Option<String>,
    /// Only people of this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// true: only pending people whose invite has expired; false: everybody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invite_expired: Option<bool>,
    /// Only people of this role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Only members of this access group: its id or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::ACCESS_GROUP))]
    pub access_group: Option<String>,
    /// People on a page, 1 to 100; 25 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = bounds::PAGE), extend("default" = bounds::DEFAULT_PAGE))]
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before, unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::CURSOR))]
    pub cursor: Option<String>,
}

/// Result of [`ListUsers`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListUsersOutput {
    /// The people on this page.
    pub users: Vec<User>,
    /// How many people match altogether; with a search, counted up to 1000.
    pub total: u64,
    /// false: there are at least as many as total says.
    pub total_is_exact: bool,
    /// Gives the next page; null on the last one.
    pub next_cursor: Option<String>,
}

/// `get_user`: one person in full.
#[derive(Debug, Clone, Copy)]
pub struct GetUser;

impl Tool for GetUser {
    const NAME: &'static str = "get_user";
    const TITLE: &'static str = "Get user";
    const DESCRIPTION: &'static str = "Shows one person: names, role, status, access groups, invite and mail delivery, times and version. Needs users:read; for yourself nothing. Use list_users to find somebody whose id or email you do not know.";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Needs = Needs::PermissionUnlessSelf("users:read");
    type Params = GetUserParams;
    type Output = GetUserOutput;
}

/// Arguments of [`GetUser`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetUserParams {
    /// The person: an id or an email.
    #[schemars(length(min = 1, max = bounds::USER))]
    pub user: String,
}

/// Result of [`GetUser`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GetUserOutput {
    /// The person.
    pub user: User,
}

/// `check_membership`: whether somebody is a member, and may do something.
#[derive(Debug, Clone, Copy)]
pub struct CheckMembership;

impl Tool for CheckMembership {
    const NAME: &'static str = "check_membership";
    const TITLE: &'static str = "Check membership";
    const DESCRIPTION: &'static str = "Answers whether somebody is a member of the organization right now and, if a permission is named, whether they may use it. Somebody unknown is no error: status is none. Needs users:read; for yourself nothing. Answers member (true only for an active person), status, role, user_id and allowed. For the person's details use get_user.";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Needs = Needs::PermissionUnlessSelf("users:read");
    type Params = CheckMembershipParams;
    type Output = CheckMembershipOutput;
}

/// Arguments of [`CheckMembership`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckMembershipParams {
    /// The person: an id or an email.
    #[schemars(length(min = 1, max = bounds::USER))]
    pub user: String,
    /// A permission to check, such as `users:invite`; `list_permissions` names them all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::PERMISSION))]
    pub permission: Option<String>,
}

/// Result of [`CheckMembership`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckMembershipOutput {
    /// true only for an active person whose account has not ended.
    pub member: bool,
    /// Where the person stands; none without an account.
    pub status: MembershipStatus,
    /// The role; null without an account.
    pub role: Option<Role>,
    /// The person's id; null without an account.
    pub user_id: Option<String>,
    /// Whether the person may use the permission asked about; null when none was named.
    pub allowed: Option<bool>,
}

/// `invite_user`: makes a pending account and sends the invite.
#[derive(Debug, Clone, Copy)]
pub struct InviteUser;

impl Tool for InviteUser {
    const NAME: &'static str = "invite_user";
    const TITLE: &'static str = "Invite user";
    const DESCRIPTION: &'static str = "Invites one person: makes a pending account and mails a link that is good for 7 days. Needs users:invite; with access_groups also access_groups:assign and everything those groups hold; inviting an Administrator needs an Administrator. A User without access groups can do nothing until added to one. An address that has an account is refused with email_already_in_use and the next step (resend_invite for a pending person). Answers user, delivery and warnings.";
    const EFFECT: Effect = Effect::Write { destructive: false, idempotent: false, open_world: true };
    const NEEDS: Needs = Needs::Permission("users:invite");
    type Params = InviteUserParams;
    type Output = InviteUserOutput;
}

write_params! {
    /// Arguments of [`InviteUser`].
    pub struct InviteUserParams {
        /// The email address, at most 254 characters; it cannot be edited later.
        #[schemars(length(min = 1, max = bounds::EMAIL))]
        pub email: String,
        /// First name.
        #[schemars(length(min = 1, max = bounds::PERSON_NAME))]
        pub first_name: String,
        /// Last name; a placeholder such as (Vendor) is fine.
        #[schemars(length(min = 1, max = bounds::PERSON_NAME))]
        pub last_name: String,
        /// The role; User when left out.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(extend("default" = Role::User.as_str()))]
        pub role: Option<Role>,
        /// Access groups to put the person in: ids or names.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = bounds::MANY), inner(length(min = 1, max = bounds::ACCESS_GROUP)))]
        pub access_groups: Vec<String>,
    }
}

/// Result of [`InviteUser`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InviteUserOutput {
    /// The pending person.
    pub user: User,
    /// Which way the invite goes; null when this call sent none.
    pub delivery: Option<DeliveryRoute>,
    /// What the inviter should know, such as an address that looks like another.
    pub warnings: Vec<String>,
    /// Whether this call changed anything.
    pub changed: bool,
    /// Nothing was kept: this is what would be.
    #[serde(default, skip_serializing_if = "crate::is_false")]
    pub dry_run: bool,
}

/// `resend_invite`: a new link for a pending person.
#[derive(Debug, Clone, Copy)]
pub struct ResendInvite;

impl Tool for ResendInvite {
    const NAME: &'static str = "resend_invite";
    const TITLE: &'static str = "Resend invite";
    const DESCRIPTION: &'static str = "Mails a pending person a new invite link, good for 7 days from now; every earlier link stops working. Needs users:invite and everything the person's access groups hold. Every call sends a mail, and resends per person are limited. Answers user and delivery. Refused with invite_not_pending for an active person; for a deactivated one use reactivate_user.";
    const EFFECT: Effect = Effect::Write { destructive: false, idempotent: false, open_world: true };
    const NEEDS: Needs = Needs::Permission("users:invite");
    type Params = ResendInviteParams;
    type Output = ResendInviteOutput;
}

write_params! {
    /// Arguments of [`ResendInvite`].
    pub struct ResendInviteParams {
        /// The pending person: an id or an email.
        #[schemars(length(min = 1, max = bounds::USER))]
        pub user: String,
    }
}

/// Result of [`ResendInvite`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResendInviteOutput {
    /// The pending person.
    pub user: User,
    /// Which way the invite goes; null when this call sent none.
    pub delivery: Option<DeliveryRoute>,
    /// Whether this call changed anything.
    pub changed: bool,
    /// Nothing was kept: this is what would be.
    #[serde(default, skip_serializing_if = "crate::is_false")]
    pub dry_run: bool,
}

/// `update_user`: names, role and Slack ID.
#[derive(Debug, Clone, Copy)]
pub struct UpdateUser;

impl Tool for UpdateUser {
    const NAME: &'static str = "update_user";
    const TITLE: &'static str = "Update user";
    const DESCRIPTION: &'static str = "Changes a person's names, role or Slack ID; what is left out stays. Needs users:update; your own name needs nothing; a role needs an Administrator and holds from the next call on. The last active Administrator cannot be demoted. An email is never edited: deactivate the pending person and invite the right address. Answers user. For access groups use add_to_access_group and remove_from_access_group.";
    const EFFECT: Effect = Effect::Write { destructive: true, idempotent: false, open_world: false };
    const NEEDS: Needs = Needs::PermissionUnlessSelf("users:update");
    const NEVER: &'static [(&'static str, &'static str)] = &[(
        "email",
        "An email is never edited. For a person who is still pending, call deactivate_user and then invite_user with the right address.",
    )];
    type Params = UpdateUserParams;
    type Output = UpdateUserOutput;
}

write_params! {
    /// Arguments of [`UpdateUser`].
    pub struct UpdateUserParams {
        /// The person: an id or an email.
        #[schemars(length(min = 1, max = bounds::USER))]
        pub user: String,
        /// The new first name.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(length(max = bounds::PERSON_NAME))]
        pub first_name: Option<String>,
        /// The new last name.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(length(max = bounds::PERSON_NAME))]
        pub last_name: Option<String>,
        /// The new role.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub role: Option<Role>,
        /// The new Slack ID, such as U024BE7LH; the word none takes it away.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(length(max = bounds::SLACK_ID))]
        pub slack_id: Option<String>,
        /// Change only if the person's version is still this one; otherwise conflict.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 0))]
        pub if_version: Option<i64>,
    }
}

/// Result of [`UpdateUser`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpdateUserOutput {
    /// The person as they are now.
    pub user: User,
    /// Whether this call changed anything.
    pub changed: bool,
    /// Nothing was kept: this is what would be.
    #[serde(default, skip_serializing_if = "crate::is_false")]
    pub dry_run: bool,
    /// What the caller should know, such as a fourth Administrator; left out when there is nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// `deactivate_user`: ends all access at once, and can be undone.
#[derive(Debug, Clone, Copy)]
pub struct DeactivateUser;

impl Tool for DeactivateUser {
    const NAME: &'static str = "deactivate_user";
    const TITLE: &'static str = "Deactivate user";
    const DESCRIPTION: &'static str = "Ends all access of one person at once: sessions, MCP tokens, grants and links. On a pending person it withdraws the invite. Access groups and audit trail stay, and reactivate_user undoes it. Needs users:deactivate; an Administrator needs an Administrator. Nobody deactivates themselves, and one active Administrator must remain. Answers user and ended, the number of each thing that was ended.";
    const EFFECT: Effect = Effect::Write { destructive: true, idempotent: true, open_world: false };
    const NEEDS: Needs = Needs::Permission("users:deactivate");
    type Params = DeactivateUserParams;
    type Output = DeactivateUserOutput;
}

write_params! {
    /// Arguments of [`DeactivateUser`].
    pub struct DeactivateUserParams {
        /// The one person to deactivate: an id or an email.
        #[schemars(length(min = 1, max = bounds::USER))]
        pub user: String,
    }
}

/// Result of [`DeactivateUser`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeactivateUserOutput {
    /// The deactivated person.
    pub user: User,
    /// How much of each was ended.
    pub ended: Ended,
    /// Whether this call changed anything.
    pub changed: bool,
    /// Nothing was kept: this is what would be.
    #[serde(default, skip_serializing_if = "crate::is_false")]
    pub dry_run: bool,
}

/// `reactivate_user`: gives a deactivated person their account back.
#[derive(Debug, Clone, Copy)]
pub struct ReactivateUser;

impl Tool for ReactivateUser {
    const NAME: &'static str = "reactivate_user";
    const TITLE: &'static str = "Reactivate user";
    const DESCRIPTION: &'static str = "Gives a deactivated person their account back, with the access groups they had. Earlier tokens, sessions and links stay dead. Somebody who never joined becomes pending and is mailed a new invite. Needs users:deactivate and everything the person will then hold; an Administrator needs an Administrator. Answers user and delivery, null where no mail was sent.";
    const EFFECT: Effect = Effect::Write { destructive: false, idempotent: true, open_world: false };
    const NEEDS: Needs = Needs::Permission("users:deactivate");
    type Params = ReactivateUserParams;
    type Output = ReactivateUserOutput;
}

write_params! {
    /// Arguments of [`ReactivateUser`].
    pub struct ReactivateUserParams {
        /// The deactivated person: an id or an email.
        #[schemars(length(min = 1, max = bounds::USER))]
        pub user: String,
    }
}

/// Result of [`ReactivateUser`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReactivateUserOutput {
    /// The person: active again, or pending if they never joined.
    pub user: User,
    /// Which way the new invite goes; null when none was sent.
    pub delivery: Option<DeliveryRoute>,
    /// Whether this call changed anything.
    pub changed: bool,
    /// Nothing was kept: this is what would be.
    #[serde(default, skip_serializing_if = "crate::is_false")]
    pub dry_run: bool,
    /// What the caller should know, such as a fourth Administrator; left out when there is nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}
