//! One struct per action: its payload, the facts its rule decides on, and the rule.
//!
//! `permits` and `possible` together are the order of refusal: Administrators and others first, then the
//! ceiling on giving, then state.

use super::{Action, Actor, PersonRef, Reason, Standing, Target, ceiling::missing, sso::NewIdentity};
use crate::domain::{
    Channel, Email, GroupId, GroupName, LinkId, PermissionSet, PersonName, Role, SlackId, Status, Timestamp, Untrusted, UserId, builtin,
};
use usher_tools::Needs;

/// A person as a rule sees them, read under the lock.
#[derive(Clone, Debug)]
pub struct PersonFacts {
    /// Who.
    pub person: PersonRef,
    /// Full name now.
    pub name: String,
    /// Role now.
    pub role: Role,
    /// Status now.
    pub status: Status,
    /// What their groups give them now.
    pub permissions: PermissionSet,
    /// Version now.
    pub version: i64,
    /// Generation of their newest invite; 0 without one.
    pub invite_generation: i64,
    /// The text that is searched, as stored.
    pub folded: String,
}

impl PersonFacts {
    pub(super) fn target(&self) -> Target {
        Target::User { id: self.person.id, name: self.name.clone() }
    }

    /// What is one's own is nobody else's.
    pub(super) fn own(&self, actor: &Actor) -> Result<(), Reason> {
        if actor.is(self.person.id) { Ok(()) } else { Err(Reason::WayClosed) }
    }

    /// Only an Active person comes in, and has what is theirs.
    pub(super) fn active(&self) -> Result<(), Reason> {
        match self.status {
            Status::Active => Ok(()),
            Status::Pending => Err(Reason::NotPending),
            Status::Deactivated => Err(Reason::Deactivated),
        }
    }

    /// Ana Ruiz, for the tests of rules.
    #[cfg(test)]
    pub(super) fn of_ana(status: Status, role: Role) -> Self {
        let now = Timestamp::from_millis(1_764_000_000_000);
        let id = UserId::new(now, &crate::domain::Random::seeded(3));
        Self {
            person: PersonRef { key: 1, id },
            name: "Ana Ruiz".to_owned(),
            role,
            status,
            permissions: PermissionSet::default(),
            version: 1,
            invite_generation: 1,
            folded: String::new(),
        }
    }
}

/// An access group as a rule sees it, read under the lock.
#[derive(Clone, Debug)]
pub struct GroupFacts {
    /// Row key.
    pub key: i64,
    /// Public id.
    pub id: GroupId,
    /// Name now.
    pub name: String,
    /// What it gives.
    pub permissions: PermissionSet,
    /// How many people are in it.
    pub members: i64,
    /// Version now.
    pub version: i64,
    /// Description now.
    pub description: String,
}

/// Whether somebody of this standing may do anything to a person in this role.
///
/// # Errors
/// [`Reason::Administrator`].
pub fn only_administrators_touch_administrators(standing: &Standing, role: Role) -> Result<(), Reason> {
    match role {
        Role::Administrator if !standing.is_administrator() => Err(Reason::Administrator),
        Role::Administrator | Role::User => Ok(()),
    }
}

fn within_ceiling(standing: &Standing, held_then: &PermissionSet) -> Result<(), Reason> {
    let missing = missing(standing, held_then);
    if missing.is_empty() { Ok(()) } else { Err(Reason::Escalation { missing }) }
}

/// Taking this person's last say away: refused while nobody else is an active Administrator.
/// `active_administrators` counts by the predicate that authentication uses.
fn keeps_an_administrator(person: &PersonFacts, active_administrators: i64) -> Result<(), Reason> {
    match (person.role, person.status) {
        (Role::Administrator, Status::Active) if active_administrators <= 1 => Err(Reason::LastAdministrator),
        (Role::Administrator | Role::User, Status::Pending | Status::Active | Status::Deactivated) => Ok(()),
    }
}

/// How many Administrators there are, and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Administrators {
    /// Those that are Active or Pending. Whoever accepts an invite is counted already.
    pub count: i64,
    /// How many the organization decided to have at most; read where one more is made.
    pub most: Option<u32>,
}

impl Administrators {
    /// Whether there may be one more.
    fn one_more(self) -> Result<(), Reason> {
        match self.most {
            Some(most) if self.count >= i64::from(most) => Err(Reason::EnoughAdministrators { most }),
            Some(_) | None => Ok(()),
        }
    }
}

/// The roster, or what filters leave of it, taken away as a file.
#[derive(Clone, Debug)]
pub struct ExportUsers {
    /// Only this status.
    pub status: Option<Status>,
    /// Only this role.
    pub role: Option<Role>,
    /// Only members of the group of this name.
    pub group: Option<String>,
    /// Only who was not seen for so long.
    pub unseen: Option<&'static str>,
    /// Whether only what a search found.
    pub searched: bool,
}

impl Action for ExportUsers {
    const NAME: &'static str = "users:exported";
    const NEEDS: Needs = Needs::Permission(builtin::USERS_READ);

    fn target(&self) -> Target {
        Target::Organization
    }

    fn permits(&self, _: &Actor, _: &Standing) -> Result<(), Reason> {
        Ok(())
    }
}

/// A new person, Pending, with an invite (B07–B10).
#[derive(Clone, Debug)]
pub struct InviteUser {
    /// Id of the person to be.
    pub id: UserId,
    /// Address the invite goes to.
    pub email: Email,
    /// Names as the inviter wrote them.
    pub name: PersonName,
    /// Role to be.
    pub role: Role,
    /// Groups to be in from the start.
    pub groups: Vec<GroupFacts>,
    /// As they are before it.
    pub administrators: Administrators,
}

impl InviteUser {
    /// What the arguments need by themselves, whoever and whatever they name: asked before any look-up too, so that the
    /// answer is the same for a group that exists and one that does not.
    pub fn asks(standing: &Standing, into_groups: bool, role: Role) -> Result<(), Reason> {
        if into_groups && !standing.holds(builtin::ACCESS_GROUPS_ASSIGN) {
            return Err(Reason::Permission(builtin::ACCESS_GROUPS_ASSIGN));
        }
        only_administrators_touch_administrators(standing, role)
    }
}

impl Action for InviteUser {
    const NAME: &'static str = builtin::USERS_INVITE;
    const NEEDS: Needs = Needs::Permission(builtin::USERS_INVITE);

    fn target(&self) -> Target {
        Target::User { id: self.id, name: self.name.full() }
    }

    fn permits(&self, _: &Actor, standing: &Standing) -> Result<(), Reason> {
        Self::asks(standing, !self.groups.is_empty(), self.role)?;
        let held_then = self.groups.iter().fold(PermissionSet::default(), |set, group| set.union(&group.permissions));
        within_ceiling(standing, &held_then)
    }

    fn possible(&self, _: &Actor) -> Result<(), Reason> {
        match self.role {
            Role::Administrator => self.administrators.one_more(),
            Role::User => Ok(()),
        }
    }
}

/// A new link for somebody who has not joined; every earlier one ends (B11).
#[derive(Clone, Debug)]
pub struct ResendInvite {
    /// Whose invite.
    pub person: PersonFacts,
}

impl Action for ResendInvite {
    const NAME: &'static str = builtin::USERS_INVITE;
    const NEEDS: Needs = Needs::Permission(builtin::USERS_INVITE);

    fn target(&self) -> Target {
        self.person.target()
    }

    fn permits(&self, _: &Actor, standing: &Standing) -> Result<(), Reason> {
        only_administrators_touch_administrators(standing, self.person.role)?;
        within_ceiling(standing, &self.person.permissions)
    }

    fn possible(&self, _: &Actor) -> Result<(), Reason> {
        match self.person.status {
            Status::Pending => Ok(()),
            Status::Active => Err(Reason::NotPending),
            Status::Deactivated => Err(Reason::Deactivated),
        }
    }
}

/// New names, Slack ID or role. What is `None` stays.
#[derive(Clone, Debug)]
pub struct UpdateUser {
    /// Who.
    pub person: PersonFacts,
    /// New names.
    pub name: Option<PersonName>,
    /// New role.
    pub role: Option<Role>,
    /// New Slack ID, or none.
    pub slack_id: Option<Option<SlackId>>,
    /// The search text that follows from the new values.
    pub folded: String,
    /// By the predicate that authentication uses.
    pub active_administrators: i64,
    /// As they are before it.
    pub administrators: Administrators,
}

impl UpdateUser {
    /// What the arguments need by themselves, whomever they name: asked before any look-up too.
    pub fn asks(standing: &Standing, role: Option<Role>) -> Result<(), Reason> {
        if role.is_some() && !standing.is_administrator() { Err(Reason::Administrator) } else { Ok(()) }
    }
}

impl Action for UpdateUser {
    const NAME: &'static str = builtin::USERS_UPDATE;
    const NEEDS: Needs = Needs::PermissionUnlessSelf(builtin::USERS_UPDATE);

    fn target(&self) -> Target {
        self.person.target()
    }

    fn is_own(&self, actor: &Actor) -> bool {
        actor.is(self.person.person.id)
    }

    fn permits(&self, actor: &Actor, standing: &Standing) -> Result<(), Reason> {
        // One's own name is everybody's; a role never is, and the Slack ID is the organization's.
        Self::asks(standing, self.role)?;
        if self.slack_id.is_some() && !standing.holds(builtin::USERS_UPDATE) {
            return Err(Reason::Permission(builtin::USERS_UPDATE));
        }
        if self.is_own(actor) { Ok(()) } else { only_administrators_touch_administrators(standing, self.person.role) }
    }

    fn possible(&self, _: &Actor) -> Result<(), Reason> {
        match (self.role, self.person.role, self.person.status) {
            (Some(Role::User), _, _) => keeps_an_administrator(&self.person, self.active_administrators),
            (Some(Role::Administrator), Role::User, Status::Pending | Status::Active) => self.administrators.one_more(),
            // Who is deactivated counts once they are back.
            (Some(Role::Administrator), Role::Administrator, _)
            | (Some(Role::Administrator), Role::User, Status::Deactivated)
            | (None, _, _) => Ok(()),
        }
    }
}

/// The end of all access, at once; an invite that was not accepted is withdrawn (B20, B26).
#[derive(Clone, Debug)]
pub struct DeactivateUser {
    /// Who.
    pub person: PersonFacts,
    /// By the predicate that authentication uses.
    pub active_administrators: i64,
}

impl Action for DeactivateUser {
    const NAME: &'static str = builtin::USERS_DEACTIVATE;
    const NEEDS: Needs = Needs::Permission(builtin::USERS_DEACTIVATE);

    fn target(&self) -> Target {
        self.person.target()
    }

    fn permits(&self, actor: &Actor, standing: &Standing) -> Result<(), Reason> {
        if actor.is(self.person.person.id) {
            return Ok(());
        }
        only_administrators_touch_administrators(standing, self.person.role)
    }

    fn possible(&self, actor: &Actor) -> Result<(), Reason> {
        keeps_an_administrator(&self.person, self.active_administrators)?;
        if actor.is(self.person.person.id) { Err(Reason::SelfDeactivation) } else { Ok(()) }
    }
}

/// Back again: Active where the person had joined, else Pending with a new invite. Old credentials stay dead.
#[derive(Clone, Debug)]
pub struct ReactivateUser {
    /// Who.
    pub person: PersonFacts,
    /// Whether they had ever joined.
    pub had_joined: bool,
    /// As they are before it.
    pub administrators: Administrators,
}

impl Action for ReactivateUser {
    const NAME: &'static str = builtin::USERS_DEACTIVATE;
    const NEEDS: Needs = Needs::Permission(builtin::USERS_DEACTIVATE);

    fn target(&self) -> Target {
        self.person.target()
    }

    fn permits(&self, _: &Actor, standing: &Standing) -> Result<(), Reason> {
        only_administrators_touch_administrators(standing, self.person.role)?;
        within_ceiling(standing, &self.person.permissions)
    }

    fn possible(&self, _: &Actor) -> Result<(), Reason> {
        match (self.person.role, self.person.status) {
            (Role::Administrator, Status::Deactivated) => self.administrators.one_more(),
            (Role::Administrator, Status::Pending | Status::Active) | (Role::User, _) => Ok(()),
        }
    }
}

/// A new access group.
#[derive(Clone, Debug)]
pub struct CreateAccessGroup {
    /// Id of the group to be.
    pub id: GroupId,
    /// Its name.
    pub name: GroupName,
    /// What it is for.
    pub description: Untrusted,
    /// What it gives.
    pub permissions: PermissionSet,
}

impl Action for CreateAccessGroup {
    const NAME: &'static str = builtin::ACCESS_GROUPS_CREATE;
    const NEEDS: Needs = Needs::Permission(builtin::ACCESS_GROUPS_CREATE);

    fn target(&self) -> Target {
        Target::AccessGroup { id: self.id, name: self.name.as_str().to_owned() }
    }

    fn permits(&self, _: &Actor, standing: &Standing) -> Result<(), Reason> {
        within_ceiling(standing, &self.permissions)
    }
}

/// Another name, description or set of permissions. What is `None` stays.
#[derive(Clone, Debug)]
pub struct UpdateAccessGroup {
    /// Which.
    pub group: GroupFacts,
    /// New name.
    pub name: Option<GroupName>,
    /// New description.
    pub description: Option<Untrusted>,
    /// What it gives from now on, where that changes.
    pub permissions: Option<PermissionSet>,
}

impl UpdateAccessGroup {
    /// What the change adds.
    #[must_use]
    pub fn added(&self) -> Vec<String> {
        self.permissions.as_ref().map(|then| self.group.permissions.missing(then)).unwrap_or_default()
    }

    /// What the change takes away.
    #[must_use]
    pub fn removed(&self) -> Vec<String> {
        self.permissions.as_ref().map(|then| then.missing(&self.group.permissions)).unwrap_or_default()
    }
}

impl Action for UpdateAccessGroup {
    const NAME: &'static str = builtin::ACCESS_GROUPS_UPDATE;
    const NEEDS: Needs = Needs::Permission(builtin::ACCESS_GROUPS_UPDATE);

    fn target(&self) -> Target {
        Target::AccessGroup { id: self.group.id, name: self.group.name.clone() }
    }

    fn permits(&self, _: &Actor, standing: &Standing) -> Result<(), Reason> {
        match &self.permissions {
            // Only a change that gives has a ceiling, and then over all that the group holds.
            Some(then) if !self.added().is_empty() => within_ceiling(standing, then),
            Some(_) | None => Ok(()),
        }
    }
}

/// The end of an access group; its members lose what it gave.
#[derive(Clone, Debug)]
pub struct DeleteAccessGroup {
    /// Which.
    pub group: GroupFacts,
}

impl Action for DeleteAccessGroup {
    const NAME: &'static str = builtin::ACCESS_GROUPS_DELETE;
    const NEEDS: Needs = Needs::Permission(builtin::ACCESS_GROUPS_DELETE);

    fn target(&self) -> Target {
        Target::AccessGroup { id: self.group.id, name: self.group.name.clone() }
    }

    fn permits(&self, _: &Actor, _: &Standing) -> Result<(), Reason> {
        Ok(())
    }
}

/// One person into some groups (B18). A call for several people is several of these in one transaction.
#[derive(Clone, Debug)]
pub struct AssignGroups {
    /// Who.
    pub person: PersonFacts,
    /// Into which.
    pub groups: Vec<GroupFacts>,
}

impl Action for AssignGroups {
    const NAME: &'static str = builtin::ACCESS_GROUPS_ASSIGN;
    const NEEDS: Needs = Needs::Permission(builtin::ACCESS_GROUPS_ASSIGN);

    fn target(&self) -> Target {
        self.person.target()
    }

    fn permits(&self, _: &Actor, standing: &Standing) -> Result<(), Reason> {
        only_administrators_touch_administrators(standing, self.person.role)?;
        let held_then = self.groups.iter().fold(self.person.permissions.clone(), |set, group| set.union(&group.permissions));
        within_ceiling(standing, &held_then)
    }
}

/// One person out of some groups.
#[derive(Clone, Debug)]
pub struct UnassignGroups {
    /// Who.
    pub person: PersonFacts,
    /// Out of which.
    pub groups: Vec<GroupFacts>,
}

impl Action for UnassignGroups {
    const NAME: &'static str = builtin::ACCESS_GROUPS_ASSIGN;
    const NEEDS: Needs = Needs::Permission(builtin::ACCESS_GROUPS_ASSIGN);

    fn target(&self) -> Target {
        self.person.target()
    }

    fn permits(&self, actor: &Actor, standing: &Standing) -> Result<(), Reason> {
        if actor.is(self.person.person.id) {
            return Ok(());
        }
        only_administrators_touch_administrators(standing, self.person.role)
    }
}

/// By what somebody joins, and from then on comes in.
#[derive(Clone, Debug)]
pub enum Joining {
    /// A password of their own, where the organization has no provider.
    Password {
        /// PHC string of it.
        hash: String,
        /// Whether the organization lets people in through a provider.
        connected: bool,
    },
    /// An identity at the organization's provider.
    Identity {
        /// Which.
        identity: NewIdentity,
        /// Whether its connection is one of this organization's, under the lock.
        connected: bool,
        /// Whether the provider calls the invited address the person's own.
        same_address: bool,
        /// Whether they brought the link from the invited mailbox, too.
        holds_link: bool,
    },
}

/// An invited person joins and is Active. The proof of being them is the link itself, or an identity with their address.
#[derive(Clone, Debug)]
pub struct AcceptInvite {
    /// Who joins.
    pub person: PersonFacts,
    /// By which link.
    pub link: LinkId,
    /// The link's end.
    pub expires_at: Timestamp,
    /// Whether it was ended before.
    pub ended: bool,
    /// Now, under the lock.
    pub now: Timestamp,
    /// Names as the person corrected them (B08).
    pub name: PersonName,
    /// The search text that follows from the names.
    pub folded: String,
    /// By what they come in.
    pub joining: Joining,
}

impl Action for AcceptInvite {
    const NAME: &'static str = "invite:accepted";
    const NEEDS: Needs = Needs::Nothing;

    fn target(&self) -> Target {
        self.person.target()
    }

    fn permits(&self, _: &Actor, _: &Standing) -> Result<(), Reason> {
        Ok(())
    }

    fn possible(&self, actor: &Actor) -> Result<(), Reason> {
        let pending = match self.person.status {
            Status::Pending => true,
            Status::Active | Status::Deactivated => false,
        };
        let own = actor.is(self.person.person.id);
        // Good at exactly 7 days, dead one millisecond later (requirement 49).
        if !own || !pending || self.ended || self.now > self.expires_at {
            return Err(Reason::DeadLink);
        }
        let open = match &self.joining {
            Joining::Password { connected, .. } => !connected,
            Joining::Identity { connected, same_address, .. } => *connected && *same_address,
        };
        if open { Ok(()) } else { Err(Reason::WayClosed) }
    }
}

/// What waited in the outbox was given up, or came back.
#[derive(Clone, Debug)]
pub struct GiveUp {
    /// What it was.
    pub channel: Channel,
    /// About whom.
    pub user: UserId,
    /// Full name now.
    pub name: String,
}

impl Action for GiveUp {
    const NAME: &'static str = "mail:failed";
    const NEEDS: Needs = Needs::Administrator;

    fn target(&self) -> Target {
        Target::User { id: self.user, name: self.name.clone() }
    }

    fn name(&self) -> &'static str {
        match self.channel {
            Channel::Mail => Self::NAME,
            Channel::Slack => "slack:failed",
        }
    }

    fn permits(&self, _: &Actor, _: &Standing) -> Result<(), Reason> {
        Ok(())
    }
}
