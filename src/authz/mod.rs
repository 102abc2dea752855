//! Who may do what: the one place where a rule stands.
//!
//! A use case names what it is about to do as an [`Action`], reads the facts the rule needs inside
//! its own transaction, and asks [`authorize`] for a proof. Store functions that change something
//! take that proof, [`Authorized<A>`], by value: it can't be made elsewhere, can't be copied, and
//! carries its own target, so a proof for Bob does not deactivate Alice.
//!
//! ```text
//! let standing = work.standing(&actor).await?;             // role and permissions, under the lock
//! authz::needs::<DeactivateUser>(&actor, &standing, false)?; // the tool's own permission, before any look-up
//! let person = people::find(&mut work, &who).await?;       // facts
//! let proof = authz::authorize(&actor, &standing, DeactivateUser { … })?;
//! people::deactivate(&mut work, proof).await?;             // write and audit entry in one
//! ```
//!
//! An [`Actor`] holds no role: roles and permissions are facts, read anew each time ([`Standing`]).
//!
//! A proof cannot be forged outside this module:
//!
//! ```compile_fail,E0451
//! use usher_mcp::authz::{Authorized, Stamp, action::DeactivateUser};
//! fn forge(stamp: Stamp, action: DeactivateUser) -> Authorized<DeactivateUser> {
//!     Authorized { stamp, action }
//! }
//! ```
//!
//! Nor used twice:
//!
//! ```compile_fail,E0382
//! use usher_mcp::authz::{Authorized, action::DeactivateUser};
//! fn twice(proof: Authorized<DeactivateUser>) {
//!     drop(proof);
//!     drop(proof);
//! }
//! ```

pub mod action;
pub mod audit;
mod ceiling;
pub mod door;
pub mod organization;
pub mod second_factor;
pub mod slack;
pub mod sso;
pub mod tokens;

pub use ceiling::missing;

use crate::domain::{CredentialId, GroupId, OrgId, PermissionSet, Role, UserId};
use usher_tools::Needs;
use uuid::Uuid;

/// An organization as everything inside refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Org {
    /// The number its rows lead with.
    pub number: i64,
    /// Its public id.
    pub id: OrgId,
}

/// Machine work has a name of its own and is audited like anybody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SystemTask {
    /// Making an organization and its first Administrator on the host.
    Bootstrap,
    /// Giving up on a mail.
    Mail,
    /// Ending what has expired.
    Sweep,
    /// Counting refusals that have no room in the log of their own.
    Evidence,
    /// Mailing the links that somebody asked for at the door.
    SignIn,
    /// Looking people up in Slack.
    Slack,
}

impl SystemTask {
    /// The name in the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bootstrap => "bootstrap",
            Self::Mail => "mail",
            Self::Sweep => "sweep",
            Self::Evidence => "evidence",
            Self::SignIn => "sign_in",
            Self::Slack => "slack",
        }
    }
}

/// Who acts, in kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// A person of the organization.
    User,
    /// Whoever has a shell on the host.
    Cli,
    /// The server itself.
    System(SystemTask),
}

impl ActorKind {
    /// The word in the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Cli => "cli",
            Self::System(_) => "system",
        }
    }
}

/// By which way a call came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Surface {
    /// A page in a browser.
    Web,
    /// An MCP tool call.
    Mcp,
    /// The command line on the host.
    Cli,
    /// The server itself.
    System,
}

impl Surface {
    /// The word in the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Mcp => "mcp",
            Self::Cli => "cli",
            Self::System => "system",
        }
    }
}

/// What a credential may be used for at most; `read` always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scopes {
    /// Whether tools that change something are in reach.
    pub write: bool,
}

impl Scopes {
    /// As stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        if self.write { "read write" } else { "read" }
    }

    /// From the stored form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [false, true].map(|write| Self { write }).into_iter().find(|scopes| scopes.as_str() == text)
    }
}

/// What kind of secret was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A personal MCP token.
    Token,
    /// The invite link of somebody who joins.
    InviteLink,
    /// A browser's session.
    Session,
    /// A browser's session that waits for its second factor: good for showing that one, and for nothing else.
    WaitingSession,
    /// A password, at the moment of signing in.
    Password,
    /// A mailed link, or one made on the host, at the moment of signing in.
    Link,
    /// An identity at an organization's OpenID provider, at the moment of signing in.
    Identity,
}

impl CredentialKind {
    /// The word in the audit log and in `whoami`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::InviteLink => "invite_link",
            Self::Session | Self::WaitingSession => "session",
            Self::Password => "password",
            Self::Link => "link",
            Self::Identity => "identity",
        }
    }
}

/// A person as rows and entries refer to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PersonRef {
    /// Row order, cursor and search scope.
    pub key: i64,
    /// Public id.
    pub id: UserId,
}

/// Somebody who acts: who, in which organization, by which credential and way. No role, no permission.
///
/// Made in `authn` from a live credential, or for the host and for machine work by the two
/// constructors with telling names.
#[derive(Clone, Debug)]
pub struct Actor {
    pub(crate) kind: ActorKind,
    pub(crate) org: Org,
    pub(crate) person: Option<PersonRef>,
    pub(crate) credential: Option<(CredentialKind, Uuid)>,
    pub(crate) scopes: Scopes,
    pub(crate) surface: Surface,
    pub(crate) client: Option<String>,
}

impl Actor {
    /// A person with a live credential. Only `authn` makes one.
    pub(crate) fn person(
        org: Org,
        person: PersonRef,
        credential: (CredentialKind, Uuid),
        scopes: Scopes,
        surface: Surface,
        client: Option<String>,
    ) -> Self {
        Self { kind: ActorKind::User, org, person: Some(person), credential: Some(credential), scopes, surface, client }
    }

    /// The operator at the host's command line, who stands above roles (but not above the rules of state).
    #[must_use]
    pub fn operator_on_the_host(org: Org) -> Self {
        Self {
            kind: ActorKind::Cli,
            org,
            person: None,
            credential: None,
            scopes: Scopes { write: true },
            surface: Surface::Cli,
            client: None,
        }
    }

    /// The server itself, for one named task.
    #[must_use]
    pub fn system(org: Org, task: SystemTask) -> Self {
        Self {
            kind: ActorKind::System(task),
            org,
            person: None,
            credential: None,
            scopes: Scopes { write: true },
            surface: Surface::System,
            client: None,
        }
    }

    /// The organization in force. Nothing in a request changes it (requirement 61).
    #[must_use]
    pub fn org(&self) -> Org {
        self.org
    }

    /// The person, if a person acts.
    #[must_use]
    pub fn user(&self) -> Option<PersonRef> {
        self.person
    }

    /// The credential's own id, if one was shown.
    #[must_use]
    pub fn credential_id(&self) -> Option<CredentialId> {
        self.credential.map(|(_, id)| CredentialId::from_uuid(id))
    }

    /// Whether `user` is the acting person.
    #[must_use]
    pub fn is(&self, user: UserId) -> bool {
        self.person.is_some_and(|person| person.id == user)
    }
}

/// What the actor may do, as one statement of the database just said: in a read the statement that
/// authenticated this very request, in a write one under the organization's lock. Never kept.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The person's role.
    pub role: Role,
    /// What their access groups give, for a User. An Administrator needs none (B03).
    pub permissions: PermissionSet,
}

impl Standing {
    /// The host's operator and the server itself.
    #[must_use]
    pub fn above_roles() -> Self {
        Self { role: Role::Administrator, permissions: PermissionSet::default() }
    }

    /// Whoever holds nothing but what they just showed: a link, a password, a session that waits.
    #[must_use]
    pub fn nothing() -> Self {
        Self { role: Role::User, permissions: PermissionSet::default() }
    }

    /// Whether the actor is an Administrator.
    #[must_use]
    pub fn is_administrator(&self) -> bool {
        match self.role {
            Role::Administrator => true,
            Role::User => false,
        }
    }

    /// Whether the actor holds `permission`.
    #[must_use]
    pub fn holds(&self, permission: &str) -> bool {
        self.is_administrator() || self.permissions.contains(permission)
    }

    /// Whether a tool with these needs can be of any use to the actor: decides what `tools/list` shows.
    #[must_use]
    pub fn reaches(&self, needs: Needs) -> bool {
        match needs {
            Needs::Nothing | Needs::PermissionUnlessSelf(_) => true,
            Needs::Permission(permission) => self.holds(permission),
            Needs::Administrator => self.is_administrator(),
        }
    }
}

/// What an action is done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The organization as such.
    Organization,
    /// What a refused call named and nothing is known of but its kind.
    Unknown(&'static str),
    /// A person; the name is as of now and goes into the audit log as a value of theirs.
    User {
        /// Whose.
        id: UserId,
        /// Full name now; empty where it is not known.
        name: String,
    },
    /// An access group.
    AccessGroup {
        /// Which.
        id: GroupId,
        /// Its name now; empty where it is not known.
        name: String,
    },
    /// A credential of a person.
    Credential {
        /// Which.
        id: CredentialId,
        /// Whose.
        user: UserId,
        /// The label now.
        label: String,
    },
}

impl Target {
    /// The word in the audit log.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Unknown(kind) => kind,
            Self::User { .. } => "user",
            Self::AccessGroup { .. } => "access_group",
            Self::Credential { .. } => "credential",
        }
    }

    /// The id in the audit log.
    #[must_use]
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Self::Organization | Self::Unknown(_) => None,
            Self::User { id, .. } => Some(id.as_uuid()),
            Self::AccessGroup { id, .. } => Some(id.as_uuid()),
            Self::Credential { id, .. } => Some(id.as_uuid()),
        }
    }
}

/// Why an action is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The credential may only read.
    Scope,
    /// The named permission is missing.
    Permission(&'static str),
    /// Only an Administrator may.
    Administrator,
    /// The action would give what the actor does not hold.
    Escalation {
        /// The permissions that are missing, sorted.
        missing: Vec<String>,
    },
    /// It would leave no active Administrator (B22).
    LastAdministrator,
    /// Nobody deactivates themselves.
    SelfDeactivation,
    /// Only a Pending person has an invite.
    NotPending,
    /// The person is deactivated.
    Deactivated,
    /// The link is no longer good.
    DeadLink,
    /// The organization lets nobody in this way.
    WayClosed,
    /// Whoever acts was proved too long ago for what decides who gets in.
    NotProvedAnew,
    /// There are as many Administrators as the organization decided to have.
    EnoughAdministrators {
        /// How many that is.
        most: u32,
    },
}

/// One thing that can be done, with its payload and its target. Its rule is pure.
pub trait Action {
    /// The name in the audit log: the permission's, or a verb of its own (`invite:accepted`).
    const NAME: &'static str;
    /// What the caller must hold before anything is looked up.
    const NEEDS: Needs;
    /// Whether it changes something: then the credential needs the scope `write`.
    const WRITES: bool = true;

    /// What it is done to.
    fn target(&self) -> Target;
    /// The name in the audit log, where one kind of act has several.
    fn name(&self) -> &'static str {
        Self::NAME
    }
    /// Whether the target is the caller: what is one's own needs no permission where
    /// [`Needs::PermissionUnlessSelf`] says so.
    fn is_own(&self, _actor: &Actor) -> bool {
        false
    }
    /// What the actor may: Administrators and others first, then the ceiling on giving.
    fn permits(&self, actor: &Actor, standing: &Standing) -> Result<(), Reason>;
    /// What the state of things allows, whoever asks: the last of all questions.
    fn possible(&self, _actor: &Actor) -> Result<(), Reason> {
        Ok(())
    }
}

/// Who did what to whom by which credential: what an audit entry says of a proof.
#[derive(Clone, Debug)]
pub struct Stamp {
    pub(crate) kind: ActorKind,
    pub(crate) person: Option<UserId>,
    pub(crate) credential: Option<(CredentialKind, Uuid)>,
    pub(crate) surface: Surface,
    pub(crate) client: Option<String>,
    pub(crate) org: Org,
    pub(crate) action: &'static str,
    pub(crate) target: Target,
}

impl Stamp {
    pub(crate) fn of(actor: &Actor, action: &'static str, target: Target) -> Self {
        Self {
            kind: actor.kind,
            person: actor.person.map(|person| person.id),
            credential: actor.credential,
            surface: actor.surface,
            client: actor.client.clone(),
            org: actor.org,
            action,
            target,
        }
    }
}

/// The power to do `A`, once. The store takes it by value and writes the entry of the audit log from it.
#[must_use = "an authorization proves nothing until the store consumes it"]
#[derive(Debug)]
pub struct Authorized<A> {
    stamp: Stamp,
    action: A,
}

impl<A> Authorized<A> {
    /// Opens the proof: what to do, and what the audit entry says of it.
    pub(crate) fn into_parts(self) -> (A, Stamp) {
        (self.action, self.stamp)
    }

    /// What is about to be done.
    pub fn action(&self) -> &A {
        &self.action
    }
}

/// The first two questions of every call, asked before anything is looked up, so that the answer is the
/// same for every target, existing or not: does the credential reach, does the actor hold the tool's permission?
pub fn needs<A: Action>(actor: &Actor, standing: &Standing, own: bool) -> Result<(), Reason> {
    scope(actor, A::WRITES)?;
    holds(standing, A::NEEDS, own)
}

/// The second of them alone.
pub fn holds(standing: &Standing, needs: Needs, own: bool) -> Result<(), Reason> {
    match needs {
        Needs::Nothing => Ok(()),
        Needs::PermissionUnlessSelf(_) if own => Ok(()),
        Needs::Permission(permission) | Needs::PermissionUnlessSelf(permission) => {
            if standing.holds(permission) {
                Ok(())
            } else {
                Err(Reason::Permission(permission))
            }
        }
        Needs::Administrator => {
            if standing.is_administrator() {
                Ok(())
            } else {
                Err(Reason::Administrator)
            }
        }
    }
}

/// Whether the credential's scopes reach an action.
pub fn scope(actor: &Actor, writes: bool) -> Result<(), Reason> {
    if writes && !actor.scopes.write { Err(Reason::Scope) } else { Ok(()) }
}

/// Whether the actor may still do `action`, without doing it: what a repeat under an idempotency key is asked. The
/// state of things does not matter to it, for it never acts.
pub fn again<A: Action>(actor: &Actor, standing: &Standing, action: &A) -> Result<(), Reason> {
    needs::<A>(actor, standing, action.is_own(actor))?;
    action.permits(actor, standing)
}

/// Whether the actor could do `action` as things stand, without the power to: what a page offers. Its facts may be read outside
/// of any transaction, for whoever then acts is asked again.
pub fn could<A: Action>(actor: &Actor, standing: &Standing, action: &A) -> Result<(), Reason> {
    again(actor, standing, action)?;
    action.possible(actor)
}

/// Asks for the power to do `action`. The facts it decides on are inside the action, read by the caller
/// in the transaction that will write; the order of refusal is the one INTERFACE lists.
pub fn authorize<A: Action>(actor: &Actor, standing: &Standing, action: A) -> Result<Authorized<A>, Reason> {
    could(actor, standing, &action)?;
    Ok(Authorized { stamp: Stamp::of(actor, action.name(), action.target()), action })
}

/// Whether somebody may learn whom to ask for access, by name and address: everybody of the organization may (B04).
pub fn whom_to_ask(actor: &Actor) -> Result<(), Reason> {
    match actor.person {
        Some(_) => Ok(()),
        None => Err(Reason::WayClosed),
    }
}

/// Which people a read may see: joined to the SQL of every read of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visible {
    /// Everybody of the organization.
    All,
    /// Only oneself.
    Only(PersonRef),
}

/// What a caller may see of people. With `users:read` everybody; anybody else only themselves, and the
/// question whether `target` is theirs decides before any look-up.
pub fn visible(actor: &Actor, standing: &Standing, own: bool) -> Result<Visible, Reason> {
    if standing.holds(crate::domain::builtin::USERS_READ) {
        return Ok(Visible::All);
    }
    match actor.person {
        Some(person) if own => Ok(Visible::Only(person)),
        Some(_) | None => Err(Reason::Permission(crate::domain::builtin::USERS_READ)),
    }
}
